"""What a registered program needs: a key of its own and, from it, the assertion by which it asks for tokens (RFC 7523).

key = ProgramKey.load(Path("program.pem"))
answer = httpx.post(f"{portal}/oauth/token", data={
    "grant_type": "client_credentials",
    **key.authentication("prg_…", portal),
    "authorization_details": '[{"type": "concordat-access/v1", "grant_id": "grt_…"}]',
})
"""

import secrets
import time
from typing import Any

from agreements.canonical import canonical_bytes
from agreements.jose import ED25519, sign
from agreements.jwks import public_members
from agreements.proofs import ASSERTION_TYPE
from model_access.client.keyfile import KeyFile

_LIFE_S = 60


class ProgramKey(KeyFile):
    """The Ed25519 key of a program. Its private half stays where the program runs."""

    def jwks(self) -> dict[str, Any]:
        """The public half as a JWK set: what the institution's lead registers."""
        return {"keys": [{**public_members(self.key), "kid": self.thumbprint}]}

    def authentication(self, client_id: str, portal: str, *, now_s: float | None = None) -> dict[str, str]:
        """The fields by which the program authenticates in one form; ``portal`` is its address. Good once."""
        moment = int(time.time() if now_s is None else now_s)
        claims: dict[str, Any] = {
            "iss": client_id,
            "sub": client_id,
            "aud": portal.rstrip("/"),
            "iat": moment,
            "exp": moment + _LIFE_S,
            "jti": secrets.token_urlsafe(16),
        }
        header = {"alg": ED25519, "typ": "JWT", "kid": self.thumbprint}
        assertion = sign(header, canonical_bytes(claims), self.key)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
