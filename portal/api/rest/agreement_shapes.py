"""How an agreement looks to those who script against the portal."""

from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Field

from agreements.agreement import (
    Agreement,
    AgreementStatus,
    Comment,
    FrameworkRef,
    Narrowing,
    Signature,
    Suspension,
    Version,
)
from agreements.clauses import Clause, Form
from agreements.deciders import Value
from portal.composition import Portal

Clauses = Annotated[tuple[dict[str, Any], ...], Field(max_length=100)]
"""A whole text, clause by clause."""
DocumentTitle = Annotated[str, Field(max_length=200)]
Note = Annotated[str, Field(max_length=2000)]


class AgreementBody(Value):
    """An agreement at a moment. ``title`` to ``signatures`` are of the version in force, or of the newest text."""

    id: str
    institution_id: str
    institution_name: str
    lab_name: str
    form: Form
    framework: FrameworkRef | None
    template_id: str
    template_version: int
    title: str
    status: AgreementStatus
    """As it stands now, suspended and expired included."""
    clauses: tuple[Clause, ...]
    document_digest: str | None
    signatures: tuple[Signature, ...]
    versions: tuple[Version, ...]
    """Every text that was on the table, and for coordinators a draft of the lab."""
    proposal: int | None
    """The number of the version under negotiation, if there is one."""
    comments: tuple[Comment, ...]
    suspensions: tuple[Suspension, ...]
    narrowings: tuple[Narrowing, ...]
    drafted_at: datetime | None
    offered_at: datetime | None
    in_force_at: datetime | None
    expires_at: datetime | None
    ended_at: datetime | None
    end_reason: str
    closed_at: datetime | None
    close_note: str
    fulfilled: bool | None

    @classmethod
    def of(cls, agreement: Agreement, now: datetime) -> Self:
        """The agreement at ``now``."""
        named = {name: getattr(agreement, name) for name in cls.model_fields if name not in {"status", "proposal"}}
        proposal = agreement.proposal
        return cls(**named, status=agreement.status_on(now), proposal=None if proposal is None else proposal.number)


def body_of(portal: Portal, agreement: Agreement) -> AgreementBody:
    """The agreement as it stands now."""
    return AgreementBody.of(agreement, portal.kernel.clock())
