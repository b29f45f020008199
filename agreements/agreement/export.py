"""An agreement taken away as JSON: the document with the signatures there are, checked by nothing but themselves.

Unlike a bundle it has no evidence from the log: who stands behind a key, and when it signed, is the file's own word.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from agreements.actors import PartyKind
from agreements.agreement.signatures import order_of, signed_by, still_due
from agreements.canonical import canonical_bytes, digest_of
from agreements.deciders import Value
from agreements.dsse import Envelope
from agreements.errors import Invalid, VerificationError
from agreements.institutions import KeyHex
from agreements.keys import PublicKey

EXPORT_TYPE: Final = "concordat-signed-agreement/v1"


class ExportedSignature(Value):
    """One signature of the file, as far as it is checked."""

    party: PartyKind
    signer_id: str
    public_key: KeyHex
    document_digest: str
    envelope: dict[str, Any]

    @property
    def public(self) -> PublicKey:
        """The key as an object that verifies. Raises Invalid ``bad_key`` or ``weak_key``."""
        return PublicKey.from_raw(bytes.fromhex(self.public_key))


class SignedExport(Value):
    """An export whose signatures hold."""

    document: dict[str, Any]
    digest: str
    signatures: tuple[ExportedSignature, ...]
    due: tuple[PartyKind, ...]
    """The sides that have not signed yet, in their order; empty once all have."""


def verify_export(value: Mapping[str, Any]) -> SignedExport:
    """What the file's value proves. Raises Invalid ``bad_agreement_file`` or VerificationError."""
    document, listed = value.get("document"), value.get("signatures")
    if not isinstance(document, dict) or not isinstance(listed, list):
        raise Invalid("bad_agreement_file", "The file does not have the members of an exported agreement.")
    digest = digest_of(document)
    if value.get("document_digest") != digest:
        raise VerificationError("digest_differs", "The document is not the one whose digest the file states.")
    if not listed:
        raise VerificationError("not_signed", "Nobody has signed this agreement yet.")
    signatures = tuple(_signature(one, place) for place, one in enumerate(listed, start=1))
    for one in signatures:
        signed_by(Envelope.from_json(one.envelope), canonical_bytes(document), [one.public])
        if one.document_digest != digest:
            raise VerificationError("other_document", "A signature is listed for another document than the file's.")
    return SignedExport(
        document=document, digest=digest, signatures=signatures, due=still_due(signatures, order_of(document))
    )


def _signature(value: object, place: int) -> ExportedSignature:
    told = value if isinstance(value, dict) else {}
    try:
        # Members that a later portal adds are passed over: nothing is told of what is not checked.
        return ExportedSignature.model_validate({name: told.get(name) for name in ExportedSignature.model_fields})
    except ValidationError:
        raise Invalid("bad_agreement_file", f"Signature {place} of the file is not whole.") from None
