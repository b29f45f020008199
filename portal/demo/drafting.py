"""How agreements of the story come about: a template's clauses adapted, put on the table, signed."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from agreements.agreement import Agreement, Change
from agreements.clauses import Clause, parse_clauses
from portal.demo.world import World

TERM_DAYS: Final = 1096
"""So long that a demonstration kept for two years still opens what it shows."""

SOFTWARE_ACCESS: Final = "software-access"

Changes = Mapping[str, Mapping[str, Any]]
"""Data of clauses to be replaced, by the clause's id."""

PATIENT: Final[Changes] = {
    "feedback": {"every_weeks": 52},
    "late-duties": {"remind_days_before": 14, "narrow_after_days": 180, "suspend_after_days": 366},
}
"""For the partners whose access a demonstration hands out: kept for two years it must not suspend them."""


def adapted(clauses: Sequence[Clause], changes: Changes) -> tuple[Clause, ...]:
    """The clauses with other data; what they say follows from it."""
    return parse_clauses(
        [{**clause.model_dump(mode="json"), **changes.get(clause.clause_id, {})} for clause in clauses]
    )


def software_access(
    world: World,
    *,
    checkpoints: Collection[str],
    purposes: Collection[str],
    token_budget: int,
    changes: Changes | None = None,
) -> tuple[Clause, ...]:
    """The newest software access agreement for these checkpoints and purposes."""
    return adapted(
        world.portal.templates.get(SOFTWARE_ACCESS).clauses,
        {
            "permitted-uses": {"checkpoints": sorted(checkpoints), "purposes": sorted(purposes)},
            "usage-limits": {"token_budget": token_budget},
            "term": {"days": TERM_DAYS},
            **(changes or {}),
        },
    )


def offer(
    world: World,
    name: str,
    institution_id: str,
    clauses: Sequence[Clause],
    *,
    days_ago: float,
    title: str,
    template_id: str = SOFTWARE_ACCESS,
    framework: str | None = None,
) -> Agreement:
    """Draft an agreement, offer it the same day, and remember it under ``name``."""
    world.on(days_ago + 0.3)
    coordinator = world.as_("mara")
    drafted = world.portal.agreements.draft(
        coordinator,
        institution_id=institution_id,
        template_id=template_id,
        title=title,
        clauses=clauses,
        framework_id=world.agreements[framework].id if framework else None,
    )
    world.on(days_ago)
    return _tabled(world, name, world.portal.agreements.offer(coordinator, drafted.id))


def sign(world: World, name: str, key: str, *, days_ago: float) -> Agreement:
    """One signature on what is on the table."""
    world.on(days_ago)
    agreement = world.agreement(name)
    tabled = agreement.proposal or agreement.shown
    world.agreements[name] = world.portal.agreements.sign(
        world.as_(key), agreement.id, typed_name=world.people[key].name, document_digest=tabled.digest or ""
    )
    return world.agreements[name]


def amend(world: World, name: str, changes: Changes, *, days_ago: float, note: str) -> Agreement:
    """The lab proposes to change what is in force, and offers it the same day."""
    world.on(days_ago + 0.3)
    coordinator, agreement = world.as_("mara"), world.agreement(name)
    world.portal.agreements.propose(
        coordinator,
        agreement.id,
        change=Change.AMENDMENT,
        clauses=adapted(agreement.clauses, changes),
        note=note,
    )
    world.on(days_ago)
    return _tabled(world, name, world.portal.agreements.offer(coordinator, agreement.id))


def say(world: World, name: str, key: str, text: str, *, days_ago: float, clause_id: str | None = None) -> None:
    """A remark on the text on the table."""
    world.on(days_ago)
    world.agreements[name] = world.portal.agreements.comment(
        world.as_(key), world.agreements[name].id, text=text, clause_id=clause_id
    )


def counter(world: World, name: str, key: str, changes: Changes, *, days_ago: float, note: str) -> Agreement:
    """Another text, by the side whose turn it is."""
    world.on(days_ago)
    agreement = world.agreement(name)
    tabled = agreement.proposal or agreement.shown
    countered = world.portal.agreements.counter(
        world.as_(key), agreement.id, clauses=adapted(tabled.clauses, changes), note=note
    )
    return _tabled(world, name, countered)


def _tabled(world: World, name: str, agreement: Agreement) -> Agreement:
    """Remember it, and let the clockwork tell the other side."""
    world.agreements[name] = agreement
    world.tick()
    return agreement
