"""Clauses about conduct: feedback, reports, publication, incidents, lateness, suspension and appeal, the end."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, field_serializer, model_validator

from agreements.actors import PartyKind
from agreements.clauses.base import TRACKED_ONLY, ClauseBase, Effect, Target, days
from agreements.deciders import Value, later
from agreements.scopes import Operation, PerMinute, Slug


class PlainClause(ClauseBase):
    """Terms that software can only keep and show."""

    kind: Literal["acknowledgement", "liability", "general"]


class Licence(ClauseBase):
    """What right is given, and for what class of purpose."""

    kind: Literal["licence"] = "licence"
    purpose_class: Literal["non_commercial", "public_interest", "commercial"] | None = later()

    def readable_data(self) -> dict[str, str]:
        """The class in words."""
        return {name: value.replace("_", "-") for name, value in super().readable_data().items()}


class Confidentiality(ClauseBase):
    """Confidentiality and security."""

    kind: Literal["confidentiality"] = "confidentiality"
    retention_days: Annotated[int, Field(ge=1, le=3660)] | None = later()
    """How long the institution keeps what it obtained."""
    refresh_days: Annotated[int, Field(ge=0, le=365)] | None = later()
    """How long a token can be kept fresh without anybody signing in; 0 is not at all, None leaves it to the portal."""
    portal_keeps_days: Annotated[int, Field(ge=1, le=3660)] | None = later()
    """How long the portal keeps prompts and answers of batches, sealed; None is no longer than until fetched."""
    runs_kept_days: Annotated[int, Field(ge=1, le=3660)] | None = later()
    """How long the portal keeps prompt and answer of each completed run, sealed; None is not at all."""
    lab_reads_runs: bool | None = later()
    """Whether the lab may read what is kept of runs; otherwise whoever made a run reads it, and nobody else."""
    runs_outlive_agreement: bool | None = later()
    """Whether what is kept of runs stays for its days when the agreement ends; otherwise it is destroyed then."""

    def effects(self) -> tuple[Effect, ...]:
        """Tracked only, but for what the portal itself keeps: what lies with the institution is out of its reach."""
        found = [TRACKED_ONLY]
        if self.refresh_days is not None:
            kept = f"for {days(self.refresh_days)} at most" if self.refresh_days else "by no refresh token"
            found.append(Effect(compiles_to=Target.EXPIRY, summary=f"Access tokens are kept fresh {kept}."))
        if self.portal_keeps_days is not None:
            kept = f"The portal keeps the files of batches, sealed, for {days(self.portal_keeps_days)}."
            found.append(Effect(compiles_to=Target.EXPIRY, summary=kept))
        if self.runs_kept_days is not None:
            found.append(Effect(compiles_to=Target.EXPIRY, summary=self._runs_kept(self.runs_kept_days)))
        return tuple(found)

    def _runs_kept(self, kept_days: int) -> str:
        who = "and so may the lab" if self.lab_reads_runs else "and nobody else"
        end = "" if self.runs_outlive_agreement else ", and no longer than the agreement runs"
        return (
            f"The portal keeps prompt and answer of each run, sealed, for {days(kept_days)}{end}. Whoever made the run "
            f"reads them, {who}; each reading is on record."
        )


class Feedback(ClauseBase):
    """Regular feedback on what was found."""

    kind: Literal["feedback"] = "feedback"
    every_weeks: Annotated[int, Field(ge=1, le=52)]

    def effects(self) -> tuple[Effect, ...]:
        """A recurring duty."""
        return (Effect(compiles_to=Target.DUTY, summary=f"Feedback is due every {self.every_weeks} weeks."),)


class FinalReport(ClauseBase):
    """A written report when the term is over."""

    kind: Literal["final_report"] = "final_report"
    within_days: Annotated[int, Field(ge=0, le=366)]

    def effects(self) -> tuple[Effect, ...]:
        """A duty at the end; the agreement is not closed as fulfilled without it."""
        return (Effect(compiles_to=Target.DUTY, summary=f"The report is due {days(self.within_days)} after the end."),)


class ReviewGround(StrEnum):
    """For what the lab may ask to redact; the list is closed."""

    CONFIDENTIAL_INFORMATION = "confidential_information"
    SAFETY = "safety"
    FACTUAL_ERROR = "factual_error"

    def __str__(self) -> str:
        return self.value.replace("_", " ")


class PublicationReview(ClauseBase):
    """A copy before publication; silence within the window clears it."""

    kind: Literal["publication_review"] = "publication_review"
    window_days: Annotated[int, Field(ge=1, le=180)]
    grounds: frozenset[ReviewGround] | None = later(min_length=1)
    """The closed list of grounds; None stands for all of them."""

    @field_serializer("grounds")
    def _sorted(self, values: frozenset[ReviewGround] | None) -> list[str] | None:
        return None if values is None else sorted(value.value for value in values)

    @property
    def permitted_grounds(self) -> frozenset[ReviewGround]:
        """For what the lab may ask to redact."""
        return self.grounds or frozenset(ReviewGround)

    def effects(self) -> tuple[Effect, ...]:
        """A duty with a clock, for both sides; publishing itself is out of reach."""
        return (
            Effect(
                compiles_to=Target.DUTY,
                summary=f"A copy before publication; cleared when {days(self.window_days)} pass in silence.",
            ),
            Effect(
                compiles_to=Target.CONDITION,
                summary=f"Redactions only for {', '.join(sorted(str(ground) for ground in self.permitted_grounds))}.",
            ),
        )


class IncidentNotice(ClauseBase):
    """Notice of a leak or breach."""

    kind: Literal["incident_notice"] = "incident_notice"
    within_hours: Annotated[int, Field(ge=1, le=720)]

    def effects(self) -> tuple[Effect, ...]:
        """A duty from the moment of awareness."""
        return (Effect(compiles_to=Target.DUTY, summary=f"Notice within {self.within_hours} hours of awareness."),)


class LateDuties(ClauseBase):
    """What happens when a duty is late: a reminder, then narrower access, then suspension."""

    kind: Literal["late_duties"] = "late_duties"
    remind_days_before: Annotated[int, Field(ge=0, le=90)]
    narrow_after_days: Annotated[int, Field(ge=0, le=366)]
    narrowed_operations: frozenset[Operation] = Field(min_length=1)
    """What is still allowed while access is narrowed."""
    narrowed_requests_per_minute: PerMinute
    suspend_after_days: Annotated[int, Field(ge=1, le=366)]

    @field_serializer("narrowed_operations")
    def _sorted(self, values: frozenset[Operation]) -> list[str]:
        return sorted(values)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.suspend_after_days <= self.narrow_after_days:
            raise ValueError("access is suspended after it was narrowed, not before")
        return self

    def effects(self) -> tuple[Effect, ...]:
        """A ladder that the portal climbs by itself, with reasons, and comes down again when the duty is done."""
        return (
            Effect(compiles_to=Target.DUTY, summary=f"Reminders {days(self.remind_days_before)} ahead."),
            Effect(
                compiles_to=Target.CONDITION,
                summary=f"Access is narrowed {days(self.narrow_after_days)} after a duty was due, suspended after "
                f"{days(self.suspend_after_days)}, and opens again when it is fulfilled or waived.",
            ),
        )


class SuspensionReason(StrEnum):
    """Why access is suspended."""

    OVERDUE_DUTY = "overdue_duty"
    SUSPECTED_MISUSE = "suspected_misuse"
    SECURITY_INCIDENT = "security_incident"
    BREACH_OF_TERMS = "breach_of_terms"
    KEY_COMPROMISE = "key_compromise"
    REQUESTED = "requested"
    """The institution asked for it."""

    def __str__(self) -> str:
        return self.value.replace("_", " ")


class SafeHarbour(ClauseBase):
    """Protection of good-faith research, and how a suspension is notified and appealed."""

    kind: Literal["safe_harbour"] = "safe_harbour"
    notice_hours: Annotated[int, Field(ge=0, le=720)] | None = later()
    """Between the notice of a suspension and its effect; None for none."""
    immediate_reasons: frozenset[SuspensionReason] | None = later()
    """Reasons for which a suspension takes effect at once."""
    appeal_days: Annotated[int, Field(ge=1, le=366)] | None = later()
    """How long after a suspension it can be appealed; None for as long as it lasts."""
    decision_days: Annotated[int, Field(ge=1, le=366)] | None = later()
    """How long the lab has to decide an appeal; None sets no clock."""
    on_silence: Literal["lifted", "stands"] | None = later()
    """What becomes of the suspension when the lab does not decide in time."""

    @field_serializer("immediate_reasons")
    def _sorted(self, values: frozenset[SuspensionReason] | None) -> list[str] | None:
        return None if values is None else sorted(value.value for value in values)

    def effects(self) -> tuple[Effect, ...]:
        """Clocks on the lab's own conduct; good faith itself is judged by people."""
        found = []
        if self.notice_hours:
            found.append(
                Effect(
                    compiles_to=Target.CONDITION,
                    summary=f"A suspension takes effect {self.notice_hours:,} hours after its notice"
                    + (
                        f", at once for {', '.join(sorted(str(reason) for reason in self.immediate_reasons))}."
                        if self.immediate_reasons
                        else "."
                    ),
                )
            )
        if self.appeal_days is not None:
            found.append(
                Effect(
                    compiles_to=Target.CONDITION,
                    summary=f"A suspension can be appealed for {days(self.appeal_days)}, then no more.",
                )
            )
        if self.decision_days is not None:
            silence = {"lifted": " Silence lifts the suspension.", "stands": " Silence leaves it as it is."}
            found.append(
                Effect(
                    compiles_to=Target.DUTY,
                    summary=f"The lab decides an appeal within {days(self.decision_days)}."
                    + silence.get(self.on_silence or "", ""),
                )
            )
        elif self.on_silence is not None:
            found.append(
                Effect(
                    compiles_to=Target.TRACKED,
                    summary="The lab has no set time to decide an appeal, so what silence leads to never comes about.",
                )
            )
        return (*found, TRACKED_ONLY)


class Termination(ClauseBase):
    """How it ends, and what happens to stored outputs."""

    kind: Literal["termination"] = "termination"
    destruction_days: Annotated[int, Field(ge=1, le=365)]

    def effects(self) -> tuple[Effect, ...]:
        """Grants end at once; destruction is attested."""
        return (
            Effect(compiles_to=Target.EXPIRY, summary="Termination ends every grant with the next request."),
            Effect(compiles_to=Target.DUTY, summary=f"Destruction is attested within {days(self.destruction_days)}."),
        )


class DataUse(ClauseBase):
    """What may be done with data sets of outputs that the lab hands over."""

    kind: Literal["data_use"] = "data_use"
    data_sets: frozenset[Slug] = Field(min_length=1, max_length=50)
    purposes: frozenset[Slug] = Field(min_length=1, max_length=50)
    redistribution: bool

    @field_serializer("data_sets", "purposes")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        return sorted(values)


class Signatory(Value):
    """One place for a signature."""

    party: PartyKind
    role: Annotated[str, Field(min_length=2, max_length=80)]
    """In which capacity, for instance ``authorised signatory``."""
    email: Annotated[str, Field(max_length=200, pattern=r"^[^@\s<>]+@[^@\s<>]+$")] | None = None
    """Who signs here; None for anybody entitled to sign for the party."""

    def __str__(self) -> str:
        who = f" ({self.email})" if self.email else ""
        return f"for the {self.party.value}, the {self.role}{who}"


class Signatories(ClauseBase):
    """Who signs, in this order; without the clause, the institution and then the lab."""

    kind: Literal["signatories"] = "signatories"
    order: tuple[Signatory, ...] = Field(min_length=2, max_length=8)

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if {signatory.party for signatory in self.order} != set(PartyKind):
            raise ValueError("both sides have to sign")
        return self

    def effects(self) -> tuple[Effect, ...]:
        """Checked at each signature."""
        return (
            Effect(compiles_to=Target.CONDITION, summary="It enters into force when all have signed, in this order."),
        )
