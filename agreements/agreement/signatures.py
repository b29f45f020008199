"""What signatures on an agreement have to be, for whoever checks them: the portal as they come in, a verifier offline.

Whose turn it was is the document's own word; which key may speak for whom is for the caller to say.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from agreements.actors import PartyKind
from agreements.agreement.versions import PAYLOAD_TYPE
from agreements.dsse import Envelope, signers, verify
from agreements.errors import Invalid, VerificationError
from agreements.keys import PublicKey


class Signed(Protocol):
    """One signature: for which side, by whom, with which key (raw, in hex)."""

    @property
    def party(self) -> PartyKind:
        """The side it binds."""

    @property
    def signer_id(self) -> str:
        """The person."""

    @property
    def public_key(self) -> str:
        """The key."""


def order_of(document: Mapping[str, Any]) -> tuple[PartyKind, ...]:
    """The sides in the order in which they sign: the document's own, else the institution and then the lab.

    Raises Invalid ``bad_order``.
    """
    clauses = document.get("clauses")
    listed = [_member(clause, "data") for clause in clauses] if isinstance(clauses, list) else []
    orders = [_member(data, "order") for data in listed if _member(data, "kind") == "signatories"]
    if not orders:
        return tuple(PartyKind)
    try:
        order = tuple(PartyKind(str(_member(one, "party"))) for one in orders[0])
    except (TypeError, ValueError):
        raise Invalid("bad_order", "The document's order of signatories cannot be read.") from None
    if set(order) != set(PartyKind):
        raise Invalid("bad_order", "The document's order of signatories does not name both sides.")
    return order


def signed_by(envelope: Envelope, document: bytes, keys: Sequence[PublicKey]) -> PublicKey:
    """The one of ``keys`` that signed exactly ``document``, and alone.

    Raises VerificationError ``other_document``, ``signature_count`` or ``bad_signature``.
    """
    if envelope.payload_type != PAYLOAD_TYPE or envelope.payload != document:
        raise VerificationError(
            "other_document",
            "The signature covers another document than this agreement.",
            hint="Export the agreement again; only exactly that document can be signed and checked.",
        )
    if len(envelope.signatures) != 1:
        raise VerificationError("signature_count", "Exactly one signature is expected in the envelope.")
    verify(envelope, keys)
    return signers(envelope, keys)[0]


def signed_already(signatures: Sequence[Signed], party: PartyKind, signer_id: str) -> bool:
    """Whether that person has signed for that side: each place is somebody else's."""
    return any(one.party is party and one.signer_id == signer_id for one in signatures)


def still_due(signatures: Sequence[Signed], order: Sequence[PartyKind]) -> tuple[PartyKind, ...]:
    """The sides whose signatures are missing, in their order, once ``signatures`` are found to be in theirs.

    Raises VerificationError ``out_of_order``, ``signed_already``, or ``same_key_twice`` where one key stands for both.
    """
    for place, one in enumerate(signatures):
        if place == len(order):
            raise VerificationError("out_of_order", f"There are more signatures than the {place} that are due.")
        if one.party is not order[place]:
            raise VerificationError(
                "out_of_order",
                f"Signature {place + 1} is for the {one.party.value}; one for the {order[place].value} was due.",
            )
        if signed_already(signatures[:place], one.party, one.signer_id):
            raise VerificationError("signed_already", f"Signature {place + 1} is by somebody who signed before it.")
        if any(other.public_key == one.public_key and other.party is not one.party for other in signatures[:place]):
            raise VerificationError("same_key_twice", "Both parties signed with one and the same key.")
    return tuple(order[len(signatures) :])


def _member(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
