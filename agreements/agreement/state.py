"""The state of an agreement: its versions, and what happened to it while it ran.

draft ──offer──▶ offered ⇄ countered                     (each counter-offer is a new version)
                    └──sign … sign──▶ in_force ──▶ terminated ──▶ closed
                                         │  ▲  └──term ends──▶ expired ──▶ closed
                                         ▼  │
                                      suspended        amendments and renewals are versions negotiated beside it
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from agreements.agreement.measures import Narrowing, Suspension
from agreements.agreement.versions import (
    Change,
    Comment,
    FrameworkRef,
    Parties,
    Signature,
    Version,
    VersionStatus,
    compose,
)
from agreements.bounds import Bounds
from agreements.canonical import canonical_bytes
from agreements.clauses import Clause, Form, grant_bounds
from agreements.deciders import Value
from agreements.errors import Conflict, NotFound


class AgreementStatus(StrEnum):
    """Where an agreement stands. Suspended and expired are computed from its record and the time."""

    DRAFT = "draft"
    OFFERED = "offered"
    COUNTERED = "countered"
    SIGNED = "signed"
    IN_FORCE = "in_force"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    TERMINATED = "terminated"
    CLOSED = "closed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The status as people read it."""
        return self.value.replace("_", " ")


class Agreement(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    institution_id: str = ""
    institution_name: str = ""
    lab_name: str = ""
    form: Form = Form.STANDALONE
    framework: FrameworkRef | None = None
    template_id: str = ""
    versions: tuple[Version, ...] = ()
    status: AgreementStatus = AgreementStatus.DRAFT
    """As recorded; ``status_on`` says how it stands at a moment."""
    comments: tuple[Comment, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    narrowings: tuple[Narrowing, ...] = ()
    drafted_at: datetime | None = None
    in_force_at: datetime | None = None
    term_starts_at: datetime | None = None
    """When the present term began, or begins once it is renewed ahead of time."""
    ended_at: datetime | None = None
    end_reason: str = ""
    closed_at: datetime | None = None
    close_note: str = ""
    fulfilled: bool | None = None

    @property
    def governing(self) -> Version | None:
        """The version in force; after the end, the one that was."""
        return next((v for v in reversed(self.versions) if v.status is VersionStatus.IN_FORCE), None)

    @property
    def proposal(self) -> Version | None:
        """The version under negotiation, if there is one."""
        last = self.versions[-1] if self.versions else None
        return last if last is not None and last.status.is_open else None

    @property
    def shown(self) -> Version:
        """The version that the agreement stands for: what governs, else the newest text."""
        return self.governing or self.versions[-1]

    @property
    def history(self) -> tuple[Version, ...]:
        """Every version that was ever in force, in order."""
        return tuple(version for version in self.versions if version.effective_at is not None)

    @property
    def title(self) -> str:
        """How it is called."""
        return self.shown.title if self.versions else ""

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """What it says."""
        return self.shown.clauses if self.versions else ()

    @property
    def template_version(self) -> int:
        """The template's version that its text came from."""
        return self.shown.template_version if self.versions else 0

    @property
    def document_digest(self) -> str | None:
        """What both sign and every grant pins; None for a draft."""
        return self.shown.digest if self.versions else None

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """Who signed the version it stands for."""
        return self.shown.signatures if self.versions else ()

    @property
    def offered_at(self) -> datetime | None:
        """When a text was first on the table."""
        return next((version.tabled_at for version in self.versions if version.tabled_at is not None), None)

    @property
    def expires_at(self) -> datetime | None:
        """When the term ends, once it runs."""
        if self.term_starts_at is None or self.governing is None:
            return None
        return self.term_starts_at + timedelta(days=self.governing.term_days)

    def end_under(self, proposal: Version) -> datetime | None:
        """When the term would end under a version that replaces the one in force; None before anything is in force."""
        starts = self.expires_at if proposal.change is Change.RENEWAL else self.term_starts_at
        return None if starts is None else starts + timedelta(days=proposal.term_days)

    @property
    def ends_at(self) -> datetime | None:
        """When it ended or will end: by termination, else with its term."""
        return self.ended_at if self.status in ENDED else self.expires_at

    @property
    def open_suspensions(self) -> tuple[Suspension, ...]:
        """What was not lifted, the one that stops access first ahead: the lab's, and what the institution asked for."""
        standing = (entry for entry in self.suspensions if entry.lifted_at is None)
        return tuple(sorted(standing, key=lambda entry: (entry.takes_effect_at, entry.number)))

    @property
    def suspension(self) -> Suspension | None:
        """Of the suspensions that were not lifted, the one that stops access first; it may not have taken effect."""
        return next(iter(self.open_suspensions), None)

    @property
    def narrowing(self) -> Narrowing | None:
        """The narrowing that stands, if there is one."""
        return next((entry for entry in reversed(self.narrowings) if entry.widened_at is None), None)

    def status_on(self, now: datetime) -> AgreementStatus:
        """How it stands at ``now``."""
        if self.status is not AgreementStatus.IN_FORCE:
            return self.status
        if self.expires_at is None or now >= self.expires_at:
            return AgreementStatus.EXPIRED
        if self.suspension is not None and self.suspension.effective_on(now):
            return AgreementStatus.SUSPENDED
        return AgreementStatus.IN_FORCE

    def in_force_on(self, now: datetime) -> bool:
        """Whether grants under it are good at ``now``."""
        return self.status_on(now) is AgreementStatus.IN_FORCE

    def runs_on(self, now: datetime) -> bool:
        """Whether its term runs, suspended or not."""
        return self.status_on(now) in {AgreementStatus.IN_FORCE, AgreementStatus.SUSPENDED}

    def bounds(self) -> Bounds:
        """The widest grant under it. Raises Conflict ``not_in_force`` or ``opens_nothing``."""
        if self.governing is None or self.expires_at is None:
            raise Conflict("not_in_force", f"Agreement {self.id} is {self.status.label}, not in force.")
        return grant_bounds(self.governing.clauses, self.expires_at)

    def version(self, number: int) -> Version:
        """One version. Raises NotFound ``version_not_found``."""
        found = next((version for version in self.versions if version.number == number), None)
        if found is None:
            raise NotFound(
                "version_not_found",
                f"Agreement {self.id} has no version {number}.",
                hint="They are numbered from 1; the agreement's page lists them.",
            )
        return found

    def version_of(self, digest: str) -> Version | None:
        """The version that once was in force with that digest."""
        return next((version for version in self.history if version.digest == digest), None)

    def document(self, number: int | None = None) -> dict[str, Any]:
        """What both parties sign, of the version it stands for or of another. Raises NotFound."""
        version = self.shown if number is None else self.version(number)
        return version.document or self.composed(version)

    def composed(self, version: Version) -> dict[str, Any]:
        """The document that a version not yet on the table would be."""
        parties = Parties(
            institution_id=self.institution_id, institution_name=self.institution_name, lab_name=self.lab_name
        )
        return compose(
            self.id, parties, self.form, self.framework, (self.template_id, version.template_version), version
        )

    def document_bytes(self, number: int | None = None) -> bytes:
        """The canonical bytes (RFC 8785) that are signed."""
        return canonical_bytes(self.document(number))

    def renewals(self) -> int:
        """How often its term began anew."""
        return sum(version.change is Change.RENEWAL for version in self.history)


ENDED = frozenset({AgreementStatus.TERMINATED, AgreementStatus.CLOSED})
