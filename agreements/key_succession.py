"""What a key signs to be registered: that it is at hand, and, by an own key, which key comes after it.

Once an institution keeps its own key, that key signs over every further one. A person's role alone adds none, so that
whoever may give roles cannot sign in the institution's name.
"""

from collections.abc import Sequence
from typing import Any

from agreements.canonical import canonical_bytes
from agreements.dsse import Envelope, sign, verify
from agreements.errors import ConcordatError, Fixer, VerificationError
from agreements.keys import PublicKey, SigningKey

SUCCESSION_TYPE = "application/vnd.concordat.key-succession.v1+json"
"""The DSSE payload type of the statement."""


def possession_challenge(institution_id: str, public_key: str) -> bytes:
    """The bytes a key signs to prove possession; bound to the institution so that a proof cannot be moved."""
    return canonical_bytes(
        {"type": "concordat-key-registration/v1", "institution_id": institution_id, "public_key": public_key}
    )


def succession_bytes(institution_id: str, *, previous: PublicKey, public_key: str | None, number: int) -> bytes:
    """The statement that ``previous`` is followed by a key; ``public_key`` is None for one that the portal makes.

    ``number`` is the new key's place among all that the institution ever had, from 1, so that it holds once.
    """
    return canonical_bytes(
        {
            "type": "concordat-key-succession/v1",
            "institution_id": institution_id,
            "previous_key_id": previous.key_id,
            "new_key": public_key or "made and kept by the portal",
            "number": number,
        }
    )


def hand_over(institution_id: str, key: SigningKey, *, public_key: str | None, number: int) -> Envelope:
    """The statement, signed by the key that is followed."""
    statement = succession_bytes(institution_id, previous=key.public, public_key=public_key, number=number)
    return sign(SUCCESSION_TYPE, statement, key)


def check_succession(
    statement: dict[str, Any] | None,
    *,
    institution_id: str,
    public_key: str | None,
    number: int,
    own_keys: Sequence[str],
) -> str:
    """Which of ``own_keys`` (raw, hex) signed the new key over. Raises VerificationError ``not_handed_over``."""
    for own in own_keys if statement is not None else ():
        previous = PublicKey.from_raw(bytes.fromhex(own))
        expected = succession_bytes(institution_id, previous=previous, public_key=public_key, number=number)
        try:
            envelope = Envelope.from_json(statement)
            if verify(envelope, [previous]) == expected and envelope.payload_type == SUCCESSION_TYPE:
                return own
        except ConcordatError:
            continue
    raise VerificationError(
        "not_handed_over",
        "This institution keeps its own key, and no active key of its own has signed over to the new one.",
        hint=f"Sign over with the key you have: concordat institution key hand-over {institution_id} --number {number}."
        " If it is lost, ask for a new key; a coordinator has to allow it, and every signature by it will say so.",
        fixer=Fixer.LEAD,
        param="succession",
    )
