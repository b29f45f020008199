"""Versions of an agreement: each text that was ever on the table, frozen when it was put there."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from agreements.actors import LAB, PartyKind
from agreements.clauses import Amendments, Clause, Form, Signatories, Signatory, Term, only
from agreements.deciders import Value

PAYLOAD_TYPE = "application/vnd.concordat.agreement.v1+json"
"""The DSSE payload type under which agreements are signed."""


class VersionStatus(StrEnum):
    """Where one text stands."""

    DRAFT = "draft"
    """The lab's alone."""
    OFFERED = "offered"
    """On the table; the institution's turn."""
    COUNTERED = "countered"
    """The institution's text on the table; the lab's turn."""
    SIGNED = "signed"
    """Signed by some, not by all."""
    IN_FORCE = "in_force"
    SUPERSEDED = "superseded"
    """Overtaken in the negotiation; it can no longer be signed."""
    REPLACED = "replaced"
    """Was in force until an amendment or renewal took over."""
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The status as people read it."""
        return self.value.replace("_", " ")

    @property
    def is_open(self) -> bool:
        """Whether it may still come into force."""
        return self in {VersionStatus.DRAFT, VersionStatus.OFFERED, VersionStatus.COUNTERED, VersionStatus.SIGNED}


class Change(StrEnum):
    """What a version is to the agreement."""

    FIRST = "first"
    AMENDMENT = "amendment"
    RENEWAL = "renewal"

    @property
    def article(self) -> str:
        """The change in a sentence."""
        return {"first": "a first text", "amendment": "an amendment"}.get(self.value, f"a {self.value}")


class Signature(Value):
    """One party's signature: who signed, with which key, over which digest."""

    party: PartyKind
    signer_id: str
    signer_name: str
    public_key: str
    document_digest: str
    envelope: dict[str, Any]
    """The DSSE envelope as JSON, payload included: it verifies by itself."""
    signed_at: datetime
    role: str = ""
    """In which capacity, where the agreement says so."""


class FrameworkRef(Value):
    """The framework that a schedule belongs to, and its version when the schedule was drafted."""

    agreement_id: str
    digest: str
    title: str


class Parties(Value):
    """Who agrees. Names are copied in, so that the signed text stands by itself."""

    institution_id: str = ""
    institution_name: str = ""
    lab_name: str = ""


class Version(Value):
    """One text. From the moment it is on the table, ``document`` and ``digest`` never change."""

    number: int
    change: Change = Change.FIRST
    title: str
    clauses: tuple[Clause, ...]
    template_version: int = 0
    proposed_by: PartyKind = PartyKind.LAB
    note: str = ""
    """What the proposer says about it."""
    status: VersionStatus = VersionStatus.DRAFT
    amends: str | None = None
    """The digest of the version in force that it is to replace."""
    document: dict[str, Any] | None = None
    digest: str | None = None
    signatures: tuple[Signature, ...] = ()
    tabled_at: datetime | None = None
    effective_at: datetime | None = None
    replaced_at: datetime | None = None
    grace_ends_at: datetime | None = None
    """Once replaced: until when grants and tokens under it go on working."""
    drop_reason: str = ""
    """Why it was declined or withdrawn, for a change of an agreement in force."""

    @property
    def order(self) -> tuple[Signatory, ...]:
        """Who signs, in order."""
        clause = only(self.clauses, Signatories)
        if clause is not None:
            return clause.order
        return tuple(Signatory(party=party, role="authorised signatory") for party in PartyKind)

    @property
    def next_signatory(self) -> Signatory | None:
        """Whose signature is next; None when all have signed."""
        order = self.order
        return order[len(self.signatures)] if len(self.signatures) < len(order) else None

    @property
    def term_days(self) -> int:
        """How long it runs."""
        term = only(self.clauses, Term)
        if term is None:
            raise TypeError("every form of agreement has a term")
        return term.days

    def works_on(self, now: datetime) -> bool:
        """Whether grants and tokens under it work at ``now``, as far as it comes to versions."""
        return self.effective_at is not None and (self.grace_ends_at is None or now < self.grace_ends_at)

    @property
    def grace(self) -> timedelta:
        """How long it goes on working once it is replaced."""
        clause = only(self.clauses, Amendments)
        return timedelta(days=clause.grace_days if clause else 0)


class Comment(Value):
    """What one side remarks on a version or one of its clauses."""

    number: int
    version: int
    clause_id: str | None
    party: PartyKind
    by_id: str
    by_name: str
    text: str
    at: datetime


def compose(
    agreement_id: str,
    parties: Parties,
    form: Form,
    framework: FrameworkRef | None,
    template: tuple[str, int],
    version: Version,
) -> dict[str, Any]:
    """What both parties sign: data and human text together, nothing that changes later.

    Members that say nothing are absent, so that a first standalone version reads as it did before there were others.
    """
    document: dict[str, Any] = {
        "type": "concordat-agreement/v1",
        "agreement_id": agreement_id,
        "title": version.title,
        "template": {"id": template[0], "version": template[1]},
        "parties": {
            "institution": {"id": parties.institution_id, "name": parties.institution_name},
            "lab": {"id": LAB, "name": parties.lab_name},
        },
        "clauses": [{"data": clause.model_dump(mode="json"), "text": clause.rendered()} for clause in version.clauses],
    }
    if form is not Form.STANDALONE:
        document["form"] = form.value
    if framework is not None:
        document["framework"] = framework.model_dump(mode="json")
    if version.number > 1:
        document["version"] = version.number
    if version.change is not Change.FIRST:
        document["change"] = version.change.value
        document["amends"] = version.amends
    return document
