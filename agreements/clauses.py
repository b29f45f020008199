"""Clauses: typed data and human text from one source, each honest about what it compiles to.

The text of a clause is a template over its own data, so the number that counsel reads is the number that is enforced.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from string import Formatter
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError, field_serializer, model_validator

from agreements.deciders import Value
from agreements.errors import Invalid
from agreements.scopes import MAX_CHECKPOINTS, MAX_PURPOSES, Operation, PerMinute, Scope, Slug, TokenCount


class EffectKind(StrEnum):
    """What a clause turns into."""

    ENFORCED = "enforced"
    """The portal refuses what goes beyond it."""
    DUTY = "duty"
    """A dated obligation that the portal reminds of and records."""
    TRACKED = "tracked"
    """Kept and shown; software cannot stop a breach."""


class Effect(Value):
    """One consequence of a clause."""

    kind: EffectKind
    summary: str


class ClauseBase(Value):
    """What every clause has. ``text`` may cite the clause's own fields in braces."""

    clause_id: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9-]*$")]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    text: Annotated[str, Field(min_length=1, max_length=8000)]

    @model_validator(mode="after")
    def _text_fits_data(self) -> "ClauseBase":
        self.rendered()
        return self

    def rendered(self) -> str:
        """The clause as people read it. Raises ValueError where the text cites anything but a field of the clause."""
        data = self.readable_data()
        words: list[str] = []
        # Only plain field names: format specifications and attribute access have no business in a contract.
        for literal, name, specification, conversion in Formatter().parse(self.text):
            words.append(literal)
            if name is None:
                continue
            if name not in data or specification or conversion:
                raise ValueError(f"the text of clause {self.clause_id!r} cites {{{name}}}, which it does not have")
            words.append(data[name])
        return "".join(words)

    def readable_data(self) -> dict[str, str]:
        """The clause's own data as words: sets as lists, numbers with separators."""
        return {
            name: _readable(getattr(self, name))
            for name in type(self).model_fields
            if name not in {"clause_id", "title", "text", "kind"}
        }

    def effects(self) -> tuple[Effect, ...]:
        """What the clause compiles to; tracked only unless a subclass says more."""
        return (Effect(kind=EffectKind.TRACKED, summary="Recorded and shown; the portal cannot prevent a breach."),)


def _readable(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(sorted(str(item) for item in value))
    return str(value)


class PlainClause(ClauseBase):
    """Terms that software can only keep and show: licence, confidentiality, liability and the like."""

    kind: Literal["licence", "confidentiality", "acknowledgement", "liability", "safe_harbour", "general"]


class PermittedUses(ClauseBase):
    """The exhibit of approved uses: what the grant may contain."""

    kind: Literal["permitted_uses"] = "permitted_uses"
    checkpoints: frozenset[Slug] = Field(min_length=1, max_length=MAX_CHECKPOINTS)
    operations: frozenset[Operation] = Field(min_length=1)
    purposes: frozenset[Slug] = Field(min_length=1, max_length=MAX_PURPOSES)

    @field_serializer("checkpoints", "operations", "purposes")
    def _sorted(self, values: frozenset[str]) -> list[str]:
        # Both parties sign these bytes: they must not depend on set order, which differs from process to process.
        return sorted(values)

    def effects(self) -> tuple[Effect, ...]:
        """Enforced on every request."""
        return (
            Effect(kind=EffectKind.ENFORCED, summary="Anything outside these uses is refused, request by request."),
        )


class UsageLimits(ClauseBase):
    """How much may be asked for."""

    kind: Literal["usage_limits"] = "usage_limits"
    token_budget: TokenCount
    requests_per_minute: PerMinute

    def effects(self) -> tuple[Effect, ...]:
        """Enforced as quota and rate."""
        return (
            Effect(
                kind=EffectKind.ENFORCED,
                summary=f"At most {self.token_budget:,} tokens and {self.requests_per_minute:,} requests a minute.",
            ),
        )


class Term(ClauseBase):
    """How long the agreement runs from its entry into force."""

    kind: Literal["term"] = "term"
    days: Annotated[int, Field(ge=1, le=3660)]

    def effects(self) -> tuple[Effect, ...]:
        """Enforced as expiry of every grant."""
        return (Effect(kind=EffectKind.ENFORCED, summary=f"Every grant ends at the latest after {self.days:,} days."),)


class Feedback(ClauseBase):
    """Regular feedback on what was found."""

    kind: Literal["feedback"] = "feedback"
    every_weeks: Annotated[int, Field(ge=1, le=52)]

    def effects(self) -> tuple[Effect, ...]:
        """A recurring duty."""
        return (Effect(kind=EffectKind.DUTY, summary=f"Feedback is due every {self.every_weeks} weeks."),)


class PublicationReview(ClauseBase):
    """A copy before publication; silence within the window clears it."""

    kind: Literal["publication_review"] = "publication_review"
    window_days: Annotated[int, Field(ge=1, le=180)]

    def effects(self) -> tuple[Effect, ...]:
        """A duty with a clock."""
        return (
            Effect(
                kind=EffectKind.DUTY,
                summary=f"A copy before publication; cleared when {self.window_days} days pass in silence.",
            ),
        )


class IncidentNotice(ClauseBase):
    """Notice of a leak or breach."""

    kind: Literal["incident_notice"] = "incident_notice"
    within_hours: Annotated[int, Field(ge=1, le=720)]

    def effects(self) -> tuple[Effect, ...]:
        """A duty from the moment of awareness."""
        return (Effect(kind=EffectKind.DUTY, summary=f"Notice within {self.within_hours} hours of awareness."),)


class Termination(ClauseBase):
    """How it ends, and what happens to stored outputs."""

    kind: Literal["termination"] = "termination"
    destruction_days: Annotated[int, Field(ge=1, le=365)]

    def effects(self) -> tuple[Effect, ...]:
        """Grants end at once; destruction is attested."""
        return (
            Effect(kind=EffectKind.ENFORCED, summary="Termination ends every grant with the next request."),
            Effect(kind=EffectKind.DUTY, summary=f"Destruction is attested within {self.destruction_days} days."),
        )


Clause = Annotated[
    PlainClause | PermittedUses | UsageLimits | Term | Feedback | PublicationReview | IncidentNotice | Termination,
    Field(discriminator="kind"),
]

_CLAUSES: TypeAdapter[tuple[Clause, ...]] = TypeAdapter(tuple[Clause, ...])

_REQUIRED_ONCE = ("permitted_uses", "usage_limits", "term")


def parse_clauses(data: object) -> tuple[Clause, ...]:
    """Clauses from JSON data. Raises Invalid ``bad_clause`` naming the place."""
    try:
        return _CLAUSES.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            "bad_clause", f"Clause {where}: {first['msg']}.", hint="Correct that clause.", param=where
        ) from None


def check_clauses(clauses: Sequence[Clause]) -> None:
    """Refuse a set of clauses that cannot govern: repeated ids, or not exactly one of each enforced kind."""
    ids = [clause.clause_id for clause in clauses]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise Invalid("repeated_clause", f"Clause ids appear twice: {', '.join(repeated)}.", hint="Rename one.")
    kinds: list[str] = [clause.kind for clause in clauses]
    for kind in _REQUIRED_ONCE:
        if kinds.count(kind) != 1:
            raise Invalid(
                "clause_count",
                f"An agreement needs exactly one clause of kind {kind}; this one has {kinds.count(kind)}.",
                hint="Start from a template: it has one of each.",
            )


def grant_bounds(clauses: Sequence[Clause], in_force_at: datetime) -> Scope:
    """The widest grant these clauses allow. Raises Invalid where they cannot govern."""
    check_clauses(clauses)
    uses = next(clause for clause in clauses if isinstance(clause, PermittedUses))
    limits = next(clause for clause in clauses if isinstance(clause, UsageLimits))
    term = next(clause for clause in clauses if isinstance(clause, Term))
    return Scope(
        checkpoints=uses.checkpoints,
        operations=uses.operations,
        purposes=uses.purposes,
        token_budget=limits.token_budget,
        requests_per_minute=limits.requests_per_minute,
        expires_at=in_force_at + timedelta(days=term.days),
    )
