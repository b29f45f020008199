"""Evidence that an entry stands in the log: the entry, its proof and the signed head the proof leads to.

Verified with nothing but the log's verifier key. Every part is bound: changing any character of the evidence makes it
fail, so two pieces of evidence that hold and differ are about two entries or two heads.
"""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field, StrictInt, StrictStr, ValidationError

from agreements.canonical import b64decode, b64encode, canonical_bytes, parse_json
from agreements.deciders import Value
from agreements.errors import Invalid, VerificationError
from agreements.log_head import MAX_LOG_SIZE, MAX_NOTE_CHARS, LogHead, open_head, signature_count
from agreements.merkle import leaf_hash, verify_inclusion

MAX_ENTRY_BYTES = 1024 * 1024
MAX_PROOF_HASHES = 64

_Base64 = Annotated[StrictStr, Field(max_length=4 * ((MAX_ENTRY_BYTES + 2) // 3))]


class InclusionEvidence(Value):
    """One entry with its proof, as it is put into receipts and files."""

    entry: _Base64
    """Base64 of the logged bytes: the canonical JSON of one object."""
    index: Annotated[StrictInt, Field(ge=0, le=MAX_LOG_SIZE)]
    """The entry's place in the log, from 0."""
    hashes: Annotated[tuple[_Base64, ...], Field(max_length=MAX_PROOF_HASHES)]
    """Base64 of the RFC 6962 audit path, from the leaf up."""
    head: Annotated[StrictStr, Field(max_length=MAX_NOTE_CHARS)]
    """The log head as a signed note, signed by the log and nobody else."""

    @classmethod
    def of(cls, entry: bytes, index: int, hashes: Sequence[bytes], head: str) -> "InclusionEvidence":
        """Evidence from its parts, unverified. Raises Invalid ``bad_evidence``."""
        return cls.from_json(
            {"entry": b64encode(entry), "index": index, "hashes": [b64encode(one) for one in hashes], "head": head}
        )

    @classmethod
    def from_json(cls, obj: object) -> "InclusionEvidence":
        """The evidence of a parsed JSON value, unverified. Raises Invalid ``bad_evidence``."""
        try:
            return cls.model_validate(obj)
        except ValidationError as error:
            raise Invalid("bad_evidence", f"This is no evidence of inclusion: {error.error_count()} errors.") from None

    def to_json(self) -> dict[str, Any]:
        """The evidence as a JSON value."""
        return self.model_dump(mode="json")


def verify(evidence: InclusionEvidence, vkey: str) -> dict[str, Any]:
    """The logged entry, proved to stand at ``evidence.index`` in the log of ``vkey``.

    Raises VerificationError: ``not_included``, ``bad_signature``, ``note_unsigned``, ``other_origin`` or
    ``signature_count`` for more signatures than the log's own. Invalid for parts that are malformed, not in their one
    spelling (``bad_base64``, ``bad_note``, ``bad_log_head``, ``bad_entry``), or a ``bad_vkey``.
    """
    head = verify_head(evidence, vkey)
    entry = b64decode(evidence.entry)
    verify_inclusion(
        leaf_hash(entry),
        index=evidence.index,
        size=head.size,
        proof=[b64decode(one) for one in evidence.hashes],
        root=head.root,
    )
    value = parse_json(entry, MAX_ENTRY_BYTES)
    if not isinstance(value, dict) or canonical_bytes(value) != entry:
        raise Invalid("bad_entry", "The logged bytes are not the canonical JSON of an object.")
    return value


def verify_head(evidence: InclusionEvidence, vkey: str) -> LogHead:
    """The head the evidence stands on, its signature checked; the proof is not. Raises as ``verify`` does."""
    head = open_head(evidence.head, vkey)
    if signature_count(evidence.head) != 1:
        raise VerificationError("signature_count", "The head in evidence carries the log's signature and no other.")
    return head
