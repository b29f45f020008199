"""Sets of clauses: read from data, checked for being able to govern, compiled to the widest grant."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from agreements.bounds import Bounds
from agreements.clauses.access import (
    Amendments,
    NamedUsers,
    PermittedUses,
    Term,
    UsageLimits,
    Vetting,
)
from agreements.clauses.base import ClauseBase
from agreements.clauses.conduct import (
    Confidentiality,
    DataUse,
    Feedback,
    FinalReport,
    IncidentNotice,
    LateDuties,
    Licence,
    PlainClause,
    PublicationReview,
    SafeHarbour,
    Signatories,
    Termination,
)
from agreements.errors import Conflict, Invalid
from agreements.scopes import Scope
from agreements.texts import LAYOUT, unprintable

C = TypeVar("C", bound=ClauseBase)

MAX_CLAUSES = 100

Clause = Annotated[
    PlainClause
    | Licence
    | PermittedUses
    | UsageLimits
    | NamedUsers
    | Vetting
    | Confidentiality
    | Feedback
    | FinalReport
    | PublicationReview
    | IncidentNotice
    | LateDuties
    | SafeHarbour
    | DataUse
    | Signatories
    | Term
    | Amendments
    | Termination,
    Field(discriminator="kind"),
]

_CLAUSES: TypeAdapter[tuple[Clause, ...]] = TypeAdapter(tuple[Clause, ...])

_REPEATABLE = frozenset({"acknowledgement", "liability", "general"})


class Form(StrEnum):
    """What kind of instrument the clauses make."""

    STANDALONE = "standalone"
    """Terms and access in one."""
    FRAMEWORK = "framework"
    """Terms agreed once; access comes by schedules under it."""
    SCHEDULE = "schedule"
    """Access to certain checkpoints under a framework's terms."""
    OUTPUTS = "outputs"
    """Data sets of outputs are handed over; nothing is queried."""

    @property
    def label(self) -> str:
        """The form as people read it."""
        return {"standalone": "agreement", "outputs": "data-only agreement"}.get(self.value, f"{self.value} agreement")


_REQUIRED: dict[Form, frozenset[str]] = {
    Form.STANDALONE: frozenset({"permitted_uses", "usage_limits", "term"}),
    Form.FRAMEWORK: frozenset({"term"}),
    Form.SCHEDULE: frozenset({"permitted_uses", "usage_limits", "term"}),
    Form.OUTPUTS: frozenset({"data_use", "term"}),
}

_BARRED: dict[Form, frozenset[str]] = {
    Form.STANDALONE: frozenset(),
    Form.FRAMEWORK: frozenset({"permitted_uses", "usage_limits"}),
    Form.SCHEDULE: frozenset(),
    Form.OUTPUTS: frozenset({"permitted_uses", "usage_limits"}),
}


def clause_kinds() -> tuple[str, ...]:
    """Every kind of clause there is, sorted."""
    schema = _CLAUSES.json_schema()
    return tuple(sorted(schema["items"]["discriminator"]["mapping"]))


def parse_clauses(data: object) -> tuple[Clause, ...]:
    """Clauses from JSON data. Raises Invalid ``bad_clause`` naming the place, or ``too_many_clauses``."""
    if isinstance(data, Sequence) and len(data) > MAX_CLAUSES:
        raise Invalid("too_many_clauses", f"An agreement has at most {MAX_CLAUSES} clauses.", hint="Merge some.")
    try:
        return _CLAUSES.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(
            "bad_clause", f"Clause {where}: {first['msg']}.", hint="Correct that clause.", param=where
        ) from None


def check_clauses(clauses: Sequence[Clause], form: Form = Form.STANDALONE) -> None:
    """Refuse a set of clauses that cannot govern: repeated ids or kinds, not what its form needs, or not to be read.

    Raises Invalid. Only asked of what is put forward: what was signed before stays readable.
    """
    _check_words(clauses)
    ids = [clause.clause_id for clause in clauses]
    if repeated := sorted({name for name in ids if ids.count(name) > 1}):
        raise Invalid("repeated_clause", f"Clause ids appear twice: {', '.join(repeated)}.", hint="Rename one.")
    kinds: list[str] = [clause.kind for clause in clauses]
    for kind in sorted(_REQUIRED[form]):
        if kinds.count(kind) != 1:
            raise Invalid(
                "clause_count",
                f"{_article(form)} needs exactly one clause of kind {kind}; this one has {kinds.count(kind)}.",
                hint="Start from a template: it has one of each.",
            )
    if barred := sorted(_BARRED[form].intersection(kinds)):
        raise Invalid(
            "clause_out_of_place",
            f"{_article(form)} gives no access by itself, so it has no clause of kind {' or '.join(barred)}.",
            hint="Leave it to a schedule, or choose another template.",
        )
    if twice := sorted({kind for kind in kinds if kinds.count(kind) > 1 and kind not in _REPEATABLE}):
        raise Invalid(
            "clause_count",
            f"There are several clauses of kind {', '.join(twice)}; only one could govern.",
            hint="Merge them.",
        )


def _check_words(clauses: Sequence[Clause]) -> None:
    for clause in clauses:
        found = [unprintable(line) for line in (clause.title, *clause.readable_data().values())]
        mark = next(filter(None, [unprintable(clause.text, LAYOUT), *found]), None)
        if mark is not None:
            raise Invalid(
                "unprintable_text",
                f"Clause {clause.clause_id} holds the character U+{ord(mark):04X}, which hides or reorders words.",
                hint="Write the clause without it: everybody has to read the same text.",
                param=clause.clause_id,
            )


def only(clauses: Sequence[Clause], kind: type[C]) -> C | None:
    """The clause of that type, if there is one."""
    return next((clause for clause in clauses if isinstance(clause, kind)), None)


def grant_bounds(clauses: Sequence[Clause], expires_at: datetime) -> Bounds:
    """The widest grant until ``expires_at``. Raises Conflict ``opens_nothing`` where the clauses allow none."""
    uses, limits = only(clauses, PermittedUses), only(clauses, UsageLimits)
    if uses is None or limits is None:
        raise Conflict(
            "opens_nothing",
            "This agreement opens no checkpoint by itself.",
            hint="A framework needs a schedule; a data-only agreement has no queries.",
        )
    scope = Scope(
        checkpoints=uses.checkpoints,
        operations=uses.operations,
        purposes=uses.purposes,
        token_budget=limits.token_budget,
        requests_per_minute=limits.requests_per_minute,
        expires_at=expires_at,
        request_budget=limits.request_budget,
        periods=limits.periods or (),
        concurrency=limits.concurrency,
        sampling=limits.sampling,
        hours=limits.hours,
        holder_bound=bool(limits.holder_bound),
        output_budget=limits.output_budget,
        logit_bias=bool(limits.logit_bias),
        precisions=limits.precisions,
    )
    return Bounds(scope=scope, uses=tuple(use.bound() for use in uses.uses or ()))


def _article(form: Form) -> str:
    return f"{'An' if form is Form.STANDALONE else 'A'} {form.label}"
