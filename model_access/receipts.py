"""Run receipts: an in-toto Statement about one run, signed by the lab, with proof that it stands in the log.

A receipt file is RFC 8785 JSON and one line feed. It is accepted only if it equals its own canonical form, carries one
lab signature, and its log entry names the digest of exactly this envelope: so any changed byte is noticed, and whoever
pins the log's key needs to trust no other.
"""

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, ValidationError, model_validator

from agreements.canonical import canonical_bytes, digest_of, parse_json, sha256_hex
from agreements.deciders import Value, later
from agreements.dsse import Envelope, sign
from agreements.dsse import verify as verify_envelope
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.inclusion import InclusionEvidence, verify_head
from agreements.inclusion import verify as verify_inclusion
from agreements.keys import PublicKey, SigningKey
from agreements.log_head import LogHead
from model_access.build import EngineBuild

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_V1 = "https://concordat.example/run/v1"
PREDICATE_TYPE = "https://concordat.example/run/v2"
"""What is written now. Version 1 is read for good; it had none of ``SINCE_V2``."""
SINCE_V2 = frozenset({"batch_id", "logprobs_of", "kept_until", "logprob_decimals"})
FILE_TYPE = "concordat-receipt/v1"
COMPLETED_EVENT = "run:completed"
MAX_RECEIPT_BYTES = 1 << 20

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class SaltedDigest(Value):
    """SHA-256 over salt and text, both in hex: whoever holds the text can check it, nobody else can guess it."""

    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    sha256: Sha256

    @classmethod
    def of(cls, value: JsonValue, salt: str | None = None) -> "SaltedDigest":
        """The digest of a JSON value's canonical bytes, under a fresh salt unless one is given."""
        salt = salt or secrets.token_hex(16)
        return cls(salt=salt, sha256=sha256_hex(bytes.fromhex(salt) + canonical_bytes(value)))

    def matches(self, value: JsonValue) -> bool:
        """Whether ``value`` is what was digested."""
        return SaltedDigest.of(value, self.salt).sha256 == self.sha256


class Replayed(Value):
    """That a run was made to replay another, and what came of it."""

    run_id: str
    """The run that was replayed."""
    receipt_digest: str
    """The digest of its receipt."""
    identical: bool
    """Whether texts, endings and counts of tokens are those of that receipt."""


class LogprobsOf(StrEnum):
    """Of which distribution the log-probabilities in an answer are."""

    MODEL = "model"
    """The model's own: before biases, penalties, temperature, ``top_k`` and ``top_p``."""


class RunPredicate(Value):
    """What is attested of a run. Times are UTC; counts are tokens."""

    run_id: str
    checkpoint_id: str
    manifest_digest: str
    """Of the manifest that names every file of the checkpoint."""
    person_id: str
    institution_id: str | None
    basis: str
    grant_id: str | None
    agreement_digest: str | None
    """Of the version of the agreement that was in force."""
    purpose: str
    operation: str
    parameters: dict[str, JsonValue]
    """The request as the engine applied it, without its prompts."""
    seed: int
    prompts: SaltedDigest
    """Over the list of prompts as they were sent."""
    outputs: SaltedDigest
    """Over the list of the choices' texts, in order of index."""
    prompt_tokens: int
    completion_tokens: int
    finish_reasons: tuple[str, ...]
    engine: EngineBuild
    """Versions, precision and threads."""
    sandbox: str
    """The isolation profile that the worker ran under."""
    started_at: datetime
    finished_at: datetime
    replays: Replayed | None = later()
    batch_id: str | None = later()
    """The batch that it is a line of."""
    logprobs_of: LogprobsOf | None = later()
    """None where no log-probabilities were asked for."""
    kept_until: datetime | None = later()
    """Until when the portal keeps prompt and answer at the longest, as the agreement says; None where it keeps none."""
    logprob_decimals: int | None = later()
    """To how many decimals the log-probabilities it reported were rounded; absent where they were not."""


class RunStatement(Value):
    """in-toto Statement v1 whose subject is the output."""

    type: Literal["https://in-toto.io/Statement/v1"] = "https://in-toto.io/Statement/v1"
    subject: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=1)]
    predicate_type: Literal["https://concordat.example/run/v1", "https://concordat.example/run/v2"] = (
        "https://concordat.example/run/v2"
    )
    predicate: RunPredicate

    @model_validator(mode="after")
    def _of_its_version(self) -> Self:
        said = {name for name in SINCE_V2 if getattr(self.predicate, name) is not None}
        if said and self.predicate_type == PREDICATE_V1:
            raise ValueError("version 1 does not have these fields")
        return self

    @classmethod
    def about(cls, predicate: RunPredicate) -> "RunStatement":
        """The statement that makes the run's output its subject."""
        subject = {"name": f"{predicate.run_id}/output", "digest": {"sha256": predicate.outputs.sha256}}
        return cls(subject=(subject,), predicate=predicate)

    def payload(self) -> bytes:
        """The canonical bytes that are signed, under in-toto's own field names."""
        return canonical_bytes(
            {
                "_type": self.type,
                "subject": list(self.subject),
                "predicateType": self.predicate_type,
                "predicate": self.predicate.model_dump(mode="json"),
            }
        )

    @classmethod
    def parse(cls, payload: bytes) -> "RunStatement":
        """The statement of a signed payload. Raises Invalid ``bad_statement``."""
        value = parse_json(payload, MAX_RECEIPT_BYTES)
        if not isinstance(value, dict) or set(value) != {"_type", "subject", "predicateType", "predicate"}:
            raise Invalid("bad_statement", "The signed payload does not have the members of a statement.")
        try:
            statement = cls.model_validate(
                {
                    "type": value["_type"],
                    "subject": value["subject"],
                    "predicate_type": value["predicateType"],
                    "predicate": value["predicate"],
                }
            )
        except ValidationError:
            raise Invalid("bad_statement", "The signed payload is not the statement of a run.") from None
        if statement.payload() != payload or statement.subject != cls.about(statement.predicate).subject:
            raise Invalid("bad_statement", "The signed payload is not in canonical form, or has another subject.")
        return statement


class VerifiedReceipt(Value):
    """What a receipt proves once everything holds."""

    statement: RunStatement
    entry: dict[str, Any]
    """The log entry that names the receipt."""
    head: LogHead
    vkey: str
    """The log key it holds under; worth as much as the place it was pinned from."""


def sign_receipt(statement: RunStatement, key: SigningKey) -> Envelope:
    """The envelope, signed by the lab."""
    return sign(PAYLOAD_TYPE, statement.payload(), key)


def envelope_digest(envelope: Envelope) -> str:
    """The digest by which the log entry names an envelope."""
    return digest_of(envelope.to_json())


def statement_of(receipt: JsonValue) -> RunStatement:
    """What an envelope says, on the word of wherever it was kept: no signature is checked. Raises Invalid."""
    return RunStatement.parse(Envelope.from_json(receipt).payload)


def receipt_file(envelope: Envelope, evidence: InclusionEvidence, vkey: str) -> bytes:
    """The bytes of a receipt file."""
    document: dict[str, JsonValue] = {
        "type": FILE_TYPE,
        "receipt": envelope.to_json(),
        "inclusion": evidence.to_json(),
        "log_vkey": vkey,
    }
    return canonical_bytes(document) + b"\n"


def verify_receipt(data: bytes, *, vkey: str | None = None) -> VerifiedReceipt:
    """Check a receipt file offline. ``vkey``, if given, is the log key that the caller trusts.

    Raises VerificationError, or Invalid where the file is not even a receipt.
    """
    value = parse_json(data, MAX_RECEIPT_BYTES)
    if not isinstance(value, dict) or set(value) != {"type", "receipt", "inclusion", "log_vkey"}:
        raise Invalid("not_a_receipt", "The file is not a receipt.")
    if value["type"] != FILE_TYPE or not isinstance(value["log_vkey"], str):
        raise Invalid("not_a_receipt", f"The file is not of type {FILE_TYPE}.")
    envelope = Envelope.from_json(value["receipt"])
    evidence = InclusionEvidence.from_json(value["inclusion"])
    if receipt_file(envelope, evidence, value["log_vkey"]) != data:
        raise VerificationError("not_canonical", "The file is not in the one form a receipt is written in.")
    if vkey is not None and value["log_vkey"] != vkey:
        raise VerificationError(
            "other_log",
            "The receipt belongs to another log than the one whose key was given.",
            hint="Compare the key with what the portal publishes at /log/vkey.",
        )
    entry = verify_inclusion(evidence, value["log_vkey"])
    lab_key = _check_entry(entry, envelope)
    payload = verify_envelope(envelope, [lab_key])
    if envelope.payload_type != PAYLOAD_TYPE:
        raise VerificationError("other_payload", "The signed payload is not a statement.")
    statement = RunStatement.parse(payload)
    if entry.get("stream") != f"run/{statement.predicate.run_id}":
        raise VerificationError("other_run", "The log entry is about another run than the receipt.")
    return VerifiedReceipt(
        statement=statement,
        entry=entry,
        head=verify_head(evidence, value["log_vkey"]),
        vkey=value["log_vkey"],
    )


def _check_entry(entry: dict[str, Any], envelope: Envelope) -> PublicKey:
    body = entry.get("body")
    if entry.get("type") != COMPLETED_EVENT or not isinstance(body, dict):
        raise VerificationError("other_entry", "The log entry is not that of a completed run.")
    if body.get("receipt_digest") != envelope_digest(envelope):
        raise VerificationError("other_receipt", "The log entry names another receipt than this one.")
    if len(envelope.signatures) != 1:
        raise VerificationError("signature_count", "A receipt carries the lab's signature and no other.")
    try:
        return PublicKey.from_raw(bytes.fromhex(str(body.get("lab_key"))))
    except (ValueError, ConcordatError):
        raise VerificationError("bad_lab_key", "The log entry does not name the lab's key.") from None
