"""Bundles made of a signed agreement, keys with proofs, and a small log."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from agreements.actors import LAB, PartyKind
from agreements.agreement import Agreement, EditDraft, Offer
from agreements.bundle import KeyOwner, KeyRecord, RegisteredKey, SignedVersion, Signer, build_bundle
from agreements.canonical import canonical_bytes
from agreements.inclusion import InclusionEvidence
from agreements.institutions import Custody
from agreements.key_succession import possession_challenge
from agreements.keys import SigningKey
from agreements.log_head import LogHead, NoteSigner, sign_head
from agreements.merkle import Tree, leaf_hash
from tests.agreements.parties import (
    COORDINATOR,
    LAB_KEY,
    LATER,
    LEAD,
    NOW,
    PARTNER,
    PARTNER_KEY,
    apply,
    drafted,
    signature,
)

LOG = NoteSigner("concordat.example", SigningKey.generate())
PDF = b"%PDF-1.7\nnot a real one\n"


def short_agreement() -> Agreement:
    """In force, with the least that an agreement says: its bundle is changed byte by byte."""
    kept = {"permitted_uses", "usage_limits", "term"}
    clauses = tuple(
        clause.model_copy(update={"text": clause.title}) for clause in drafted().clauses if clause.kind in kept
    )
    agreement = apply(drafted(), EditDraft(title="Short terms", clauses=clauses), COORDINATOR)
    agreement = apply(agreement, Offer(), COORDINATOR)
    agreement = apply(agreement, signature(agreement, PartyKind.INSTITUTION), LEAD)
    return apply(agreement, signature(agreement, PartyKind.LAB), COORDINATOR)


def registered(owner: str, key: SigningKey, **changed: Any) -> RegisteredKey:
    """A key on record since the day before."""
    public_key = key.public.raw.hex()
    proof = key.sign(possession_challenge(owner, public_key)).hex()
    told = {"public_key": public_key, "custody": Custody.OWN, "proof": proof, "registered_at": NOW - timedelta(days=1)}
    return RegisteredKey.model_validate(told | changed)


def key_record(*, institution: Sequence[RegisteredKey] | None = None) -> KeyRecord:
    """Both parties' keys."""
    keys = (registered(PARTNER, PARTNER_KEY),) if institution is None else tuple(institution)
    return KeyRecord(
        institution=KeyOwner(id=PARTNER, name="North University", keys=keys),
        lab=KeyOwner(id=LAB, name="The Lab", keys=(registered(LAB, LAB_KEY, custody=Custody.PORTAL),)),
        log_vkey=LOG.vkey,
    )


def signed_version(agreement: Agreement) -> SignedVersion:
    """The version in force."""
    version = agreement.shown
    return SignedVersion(
        number=version.number,
        document=agreement.document(),
        signers=tuple(
            Signer.model_validate(one.model_dump(include=set(Signer.model_fields))) for one in version.signatures
        ),
        envelopes=tuple(one.envelope for one in version.signatures),
    )


def entries_of(agreement: Agreement) -> list[dict[str, Any]]:
    """What the log would have of it: on the table, each signature, in force."""
    bodies: list[tuple[str, Mapping[str, Any]]] = [
        ("agreement:offered", {"document_digest": agreement.document_digest}),
        *(("agreement:signed", {"signature": one.model_dump(mode="json")}) for one in agreement.signatures),
        ("agreement:entered_into_force", {"at": "2026-03-01T12:00:00Z"}),
    ]
    stream = f"agreement/{agreement.id}"
    return [
        {"stream": stream, "version": place, "type": kind, "body": dict(body)}
        for place, (kind, body) in enumerate(bodies, start=2)
    ]


def key_entries(keys: KeyRecord) -> list[dict[str, Any]]:
    """What the log would have of the parties' keys."""
    entries = []
    for owner in (keys.institution, keys.lab):
        told: list[tuple[str, dict[str, Any]]] = []
        for key in owner.keys:
            body = key.model_dump(mode="json")
            at, revoked_at = body.pop("registered_at"), body.pop("revoked_at")
            told.append(("institution:key_registered", {**body, "by": body.pop("registered_by"), "at": at}))
            if revoked_at is not None:
                revoked = {"public_key": key.public_key, "reason": "Rotated.", "at": revoked_at}
                told.append(("institution:key_revoked", revoked))
        entries += [
            {"stream": f"institution/{owner.id}", "version": place, "type": kind, "body": body}
            for place, (kind, body) in enumerate(told, start=2)
        ]
    return entries


def evidence_of(entries: Sequence[dict[str, Any]], log: NoteSigner = LOG) -> list[InclusionEvidence]:
    """The entries in a log of their own, with proofs."""
    leaves = [canonical_bytes(entry) for entry in entries]
    tree = Tree([leaf_hash(leaf) for leaf in leaves])
    head = sign_head(LogHead(origin=log.name, size=tree.size, root=tree.root()), log)
    return [InclusionEvidence.of(leaf, n, tree.inclusion_proof(n), head) for n, leaf in enumerate(leaves)]


def bundle_of(
    agreement: Agreement,
    *,
    keys: KeyRecord | None = None,
    evidence: Sequence[InclusionEvidence] | None = None,
    version: SignedVersion | None = None,
) -> bytes:
    """A bundle that holds, unless something is said otherwise."""
    keys = keys or key_record()
    return build_bundle(
        [version or signed_version(agreement)],
        pdf=PDF,
        keys=keys,
        evidence=evidence_of([*entries_of(agreement), *key_entries(keys)]) if evidence is None else evidence,
        made_at=LATER,
        lab_key=LAB_KEY,
    )
