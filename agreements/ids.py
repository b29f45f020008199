"""Identifiers: a readable prefix and 80 random bits in Crockford's base 32."""

import secrets

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """A fresh identifier such as ``grt_7f3k9x0q2m4n8p6r``."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
