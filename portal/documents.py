"""What a file that left a portal proves, checked offline: receipts, agreements, bundles, passports and more.

Only what a signature or a proof covers is reported. Runs with the base dependencies alone.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from agreements.actors import PartyKind
from agreements.agreement import PAYLOAD_TYPE as AGREEMENT_TYPE
from agreements.agreement.export import EXPORT_TYPE, verify_export
from agreements.bundle import MAGIC, ProvedSignature, verify_bundle
from agreements.canonical import digest_of, parse_json
from agreements.deciders import Value
from agreements.dsse import Envelope, verify
from agreements.errors import Invalid, VerificationError
from agreements.inclusion import InclusionEvidence, verify_head
from agreements.inclusion import verify as verify_inclusion
from agreements.institutions import Custody
from agreements.keys import PublicKey
from agreements.passport_credential import PASSPORT_TYPE, PassportCredential, verify_envelope
from agreements.publication.letter import CLEARANCE_TYPE
from model_access.build import EngineBuild
from model_access.receipts import FILE_TYPE as RECEIPT_FILE
from model_access.receipts import LogprobsOf, Replayed, SaltedDigest, verify_receipt
from portal import media_types

MAX_DOCUMENT_BYTES = 4 * 2**20

_PDF_MAGIC = b"%PDF-"
_CUSTODIANS = {Custody.OWN: "its institution", Custody.PORTAL: "the portal"}
_EVIDENCE_MEMBERS = frozenset(InclusionEvidence.model_fields)
_ENVELOPE_MEMBERS = frozenset({"payloadType", "payload", "signatures"})


class Fact(Value):
    """One thing that is proved."""

    name: str
    value: str


class Proof(Value):
    """What holds. ``on_its_word`` is what nothing but the file itself says: compare it with what you know."""

    kind: str
    facts: tuple[Fact, ...]
    on_its_word: tuple[Fact, ...] = ()


def verify_document(data: bytes, *, vkey: str | None = None, keys: Sequence[PublicKey] = ()) -> Proof:
    """Check a file of any kind that a portal gives out.

    ``vkey`` is the log key the caller trusts, ``keys`` the signers'. Raises VerificationError where something does not
    hold or the key to tell is missing, Invalid ``unknown_document`` for a file of another kind.
    """
    if data.startswith(MAGIC):
        return _bundle(data, vkey, keys)
    if data.startswith(_PDF_MAGIC):
        raise Invalid(
            "reading_copy",
            "A PDF is a reading copy and proves nothing by itself.",
            hint="Verify the agreement's bundle (.zip), and compare the digest it shows with the one in the PDF.",
        )
    value = parse_json(data, MAX_DOCUMENT_BYTES)
    if isinstance(value, dict):
        if value.get("type") == RECEIPT_FILE:
            return _receipt(data, vkey)
        if value.get("type") == EXPORT_TYPE:
            return _agreement(value, keys)
        if set(value) == _ENVELOPE_MEMBERS:
            return _envelope(Envelope.from_json(value), keys)
        if set(value) == _EVIDENCE_MEMBERS:
            return _evidence(InclusionEvidence.from_json(value), vkey)
    raise Invalid(
        "unknown_document",
        "The file is no receipt, bundle or signed export of a portal, and no inclusion evidence.",
        hint="Give a file that a portal exported, unchanged.",
    )


def _facts(**named: object) -> tuple[Fact, ...]:
    return tuple(
        Fact(name=name.replace("_", " "), value=str(value)) for name, value in named.items() if value not in (None, "")
    )


def _receipt(data: bytes, vkey: str | None) -> Proof:
    verified = verify_receipt(data, vkey=vkey)
    run = verified.statement.predicate
    lab_key = str(verified.entry["body"]["lab_key"])
    return Proof(
        kind="run receipt",
        facts=_facts(
            run=run.run_id,
            checkpoint=run.checkpoint_id,
            checkpoint_digest=run.manifest_digest,
            operation=run.operation,
            basis=f"{run.basis} {run.grant_id or ''}".strip(),
            agreement_version=run.agreement_digest,
            purpose=run.purpose,
            institution=run.institution_id,
            person=run.person_id,
            batch=run.batch_id,
            parameters=_parameters(run.parameters),
            probabilities=_probabilities(run.logprobs_of, run.logprob_decimals),
            seed=run.seed,
            prompt_digest=_salted(run.prompts),
            answer_digest=_salted(run.outputs),
            tokens=f"{run.prompt_tokens} prompt, {run.completion_tokens} completion",
            ended=", ".join(run.finish_reasons),
            precision=run.engine.precision,
            engine=_engine(run.engine),
            sandbox=run.sandbox,
            replays=_replayed(run.replays),
            ran=_moment(run.started_at),
            finished=_moment(run.finished_at),
            kept_until=_moment(run.kept_until) if run.kept_until is not None else "",
            statement=verified.statement.predicate_type,
            log_size=verified.head.size,
            lab_key=lab_key,
        ),
        # Under a pinned log key nothing else has to be believed: the log names the lab's key.
        on_its_word=() if vkey else _facts(log_key=verified.vkey),
    )


_PROBABILITIES = {LogprobsOf.MODEL: "the model's own, before anything that steers sampling"}


def _probabilities(of: LogprobsOf | None, decimals: int | None) -> str:
    if of is None:
        return ""
    return _PROBABILITIES[of] + ("" if decimals is None else f"; rounded to {decimals} decimals")


def _parameters(asked: Mapping[str, JsonValue]) -> str:
    """What a request asked for, without what says nothing."""
    said = {name: value for name, value in sorted(asked.items()) if value not in (None, [], {}, False)}
    return ", ".join(f"{name} {json.dumps(value)}" for name, value in said.items())


def _salted(digest: SaltedDigest) -> str:
    return f"sha256:{digest.sha256}, salt {digest.salt}"


def _engine(build: EngineBuild) -> str:
    said = build.model_dump(exclude={"precision", "threads"})
    threads = [] if build.threads is None else [f"{build.threads} threads"]
    return ", ".join([f"{name} {value}" for name, value in said.items()] + threads)


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _replayed(of: Replayed | None) -> str:
    if of is None:
        return ""
    return f"{of.run_id}, {'identical' if of.identical else 'parts from it'}; its receipt is {of.receipt_digest}"


def _evidence(evidence: InclusionEvidence, vkey: str | None) -> Proof:
    if vkey is None:
        raise VerificationError(
            "log_key_needed",
            "Evidence of inclusion holds under a log's key, and none was given.",
            hint="Give it with --vkey; the portal publishes it at /log/vkey.",
        )
    entry = verify_inclusion(evidence, vkey)
    return Proof(
        kind="log entry",
        facts=_facts(
            position=evidence.index,
            stream=entry.get("stream"),
            type=entry.get("type"),
            recorded=entry.get("at"),
            log_size=verify_head(evidence, vkey).size,
        ),
    )


def _agreement(value: dict[str, Any], keys: Sequence[PublicKey]) -> Proof:
    export = verify_export(value)
    used = {f"key of signature {place}": one.public for place, one in enumerate(export.signatures, start=1)}
    _all_signed(keys, used.values())
    due = _sides(export.due)
    places = [(one.party, one.public_key) for one in export.signatures]
    return Proof(
        kind=f"agreement not yet signed by {due}" if due else f"agreement signed by {_sides(PartyKind)}",
        facts=_facts(
            agreement=export.document.get("agreement_id"),
            title=export.document.get("title"),
            institution=_member(export.document, "parties", "institution", "name"),
            lab=_member(export.document, "parties", "lab", "name"),
            digest=export.digest,
            **{
                f"signature {place}": f"for the {one.party.value}, key {one.public.key_id}"
                for place, one in enumerate(export.signatures, start=1)
            },
            not_yet_signed_by=due,
        ),
        on_its_word=_facts(
            **{name: key.raw.hex() for name, key in used.items() if key not in keys},
            # Two signatures by one key over one text are the same bytes: only the log tells people apart.
            signatories=", ".join(one.signer_id for one in export.signatures)
            if len(set(places)) < len(places)
            else None,
        ),
    )


def _bundle(data: bytes, vkey: str | None, keys: Sequence[PublicKey]) -> Proof:
    proof = verify_bundle(data, keys=keys, vkey=vkey)
    every = {_place(one, proof.version): one for one in (*proof.signatures, *proof.earlier_signatures)}
    used = {f"key of {place}": one.public_key for place, one in every.items()} | {"key of the manifest": proof.lab_key}
    signed = {
        place: f"{one.signer_name}, {one.role or 'signatory'} for the {one.party.value}, "
        f"{one.signed_at:%Y-%m-%d %H:%M:%S} UTC, key in the custody of {_CUSTODIANS[one.custody]}"
        + (f", {one.key_origin}" if one.key_origin else "")
        for place, one in every.items()
    }
    return Proof(
        kind="agreement bundle",
        facts=_facts(
            agreement=proof.agreement_id,
            title=proof.title,
            institution=proof.institution_name,
            lab=proof.lab_name,
            version=proof.version,
            earlier_versions=", ".join(map(str, proof.earlier_versions)),
            digest=proof.document_digest,
            **signed,
            bundled=f"{proof.made_at:%Y-%m-%d %H:%M:%S} UTC",
            log_size=proof.log_size,
        ),
        on_its_word=_facts(
            **{name: key for name, key in used.items() if key not in proof.vouched},
            log_key=None if vkey else proof.log_vkey,
        ),
    )


def _place(one: ProvedSignature, newest: int) -> str:
    return f"signature {one.place}" if one.version == newest else f"signature {one.place} of version {one.version}"


def _sides(parties: Iterable[PartyKind]) -> str:
    return " and ".join(f"the {party.value}" for party in dict.fromkeys(parties))


def _all_signed(keys: Iterable[PublicKey], used: Collection[PublicKey]) -> None:
    if missing := [key.key_id for key in keys if key not in used]:
        raise VerificationError("key_did_not_sign", f"The key {missing[0]} signed nothing in this file.")


def _member(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _envelope(envelope: Envelope, keys: Sequence[PublicKey]) -> Proof:
    describe = _DESCRIPTIONS.get(envelope.payload_type)
    if describe is None:
        raise Invalid(
            "unknown_document", f"The envelope is of the type {envelope.payload_type!r}, which is none of ours."
        )
    if not keys:
        raise VerificationError(
            "signer_key_needed",
            "The file is signed, and no key was given to check the signature with.",
            hint="Give the signer's public key with --key. The lab's is in every run receipt and at "
            "'concordat institution list'.",
        )
    if envelope.payload_type == PASSPORT_TYPE:
        # A passport names its issuer: that it was the holder of the key, not only somebody trusted, is checked there.
        verify_envelope(envelope, keys)
    document = parse_json(verify(envelope, keys), MAX_DOCUMENT_BYTES)
    if not isinstance(document, dict):
        raise Invalid("unknown_document", "The signed payload is no object.")
    return describe(document)


def _agreement_alone(document: dict[str, Any]) -> Proof:
    return Proof(
        kind="signature of an agreement",
        facts=_facts(agreement=document.get("agreement_id"), title=document.get("title"), digest=digest_of(document)),
    )


def _finding(document: dict[str, Any]) -> Proof:
    return Proof(
        kind="finding",
        facts=_facts(
            finding=document.get("finding_id"),
            version=document.get("version"),
            title=_member(document, "content", "title"),
            kind=_member(document, "content", "kind"),
            marking=_member(document, "content", "marking"),
            institution=document.get("institution_id"),
            made=document.get("made_at"),
            digest=digest_of(document),
        ),
    )


def _decision(document: dict[str, Any]) -> Proof:
    return Proof(
        kind="release decision",
        facts=_facts(
            decision=document.get("decision_id"),
            checkpoint=_member(document, "proposal", "checkpoint_id"),
            verdict=_member(document, "proposal", "verdict"),
            from_stage=_member(document, "proposal", "from_stage"),
            to_stage=_member(document, "proposal", "to_stage"),
            decided=document.get("decided_at"),
            digest=digest_of(document),
        ),
    )


def _position(document: dict[str, Any]) -> Proof:
    return Proof(
        kind="position on a norm",
        facts=_facts(
            norm=document.get("norm_id"),
            revision_digest=document.get("revision_digest"),
            institution=document.get("institution_id"),
            position=document.get("position"),
            taken=document.get("taken_at"),
        ),
    )


def _passport(document: dict[str, Any]) -> Proof:
    credential = PassportCredential.from_document(document)
    return Proof(
        kind="institution's passport",
        facts=_facts(
            institution=credential.subject_name,
            constituency=credential.constituency.label,
            country=credential.country,
            issuer=credential.issuer_name,
            issuer_key=credential.issuer_key,
            valid_from=f"{credential.valid_from:%Y-%m-%d %H:%M} UTC",
            valid_until=f"{credential.valid_until:%Y-%m-%d %H:%M} UTC",
            **{
                one.item.value: f"accepted by {one.reviewer} on {one.accepted_at:%Y-%m-%d}, "
                f"valid until {one.valid_until:%Y-%m-%d %H:%M} UTC"
                for one in credential.vetting
            },
            digest=digest_of(document),
        ),
    )


def _clearance(document: dict[str, Any]) -> Proof:
    return Proof(
        kind="clearance of a publication",
        facts=_facts(
            publication=document.get("publication_id"),
            title=document.get("title"),
            kind_of_publication=document.get("kind"),
            institution=_member(document, "institution", "name"),
            lab=document.get("lab"),
            agreement=document.get("agreement_id"),
            file_submitted=document.get("submitted_sha256"),
            file_cleared=document.get("cleared_sha256"),
            opened=document.get("opened_at"),
            cleared=document.get("cleared_at"),
            cleared_by=document.get("cleared_by"),
            digest=digest_of(document),
        ),
    )


_DESCRIPTIONS: dict[str, Callable[[dict[str, Any]], Proof]] = {
    AGREEMENT_TYPE: _agreement_alone,
    PASSPORT_TYPE: _passport,
    media_types.FINDING: _finding,
    media_types.RELEASE_DECISION: _decision,
    media_types.NORM_POSITION: _position,
    CLEARANCE_TYPE: _clearance,
}
