"""Duties of the story: done on time, missed and made up for, and owed today. The clockwork does its part by itself."""

from collections.abc import Sequence

from agreements.duties import DutyKind
from portal.demo.cast import ESTUARY, NORTHGATE, OPENWATCH
from portal.demo.world import World, run_id


def northgate_gives_feedback(world: World) -> None:
    """A week ahead of its day, by the findings that were filed anyway."""
    world.on(103.2)
    _feedback(
        world,
        NORTHGATE,
        "priya",
        findings=("scaling", "advice"),
        statement="Six weeks of work in two findings: likelihood by size, and nonsense in the form of documentation.",
    )


def openwatch_misses_feedback(world: World) -> None:
    """Reminded a week ahead, and again when the day has passed."""
    world.on(86.9)
    world.tick()
    world.on(79.9)
    world.tick()


def openwatch_is_narrowed_and_restored(world: World) -> None:
    """Two weeks late the clockwork narrows access; handed in, it is wide again within minutes."""
    world.on(66.0)
    world.tick()
    world.on(64.9)
    _feedback(
        world,
        OPENWATCH,
        "elena",
        findings=("no-recall", "detection", "advice-again"),
        statement="Late, and nothing was hidden: our three findings were filed in the first five weeks. The summary "
        "fell between a holiday and a move.",
    )
    world.on(64.85)
    world.tick()


def estuary_gives_feedback(world: World) -> None:
    """A run to show for it."""
    world.on(47.6)
    run = world.run(
        "malcolm",
        world.sizes[1],
        ("Deprecated since version",),
        under=ESTUARY,
        purpose="misuse-analysis",
        max_tokens=24,
        temperature=0.7,
    )
    _feedback(
        world,
        ESTUARY,
        "malcolm",
        runs=(run_id(run),),
        statement="We looked for answers that could be taken for advice on safety, and found none that hold together. "
        "The last of our runs is cited.",
    )


def partners_report_on_the_year(world: World) -> None:
    """Both hand in long before their day. Estuary's feedback becomes overdue, and it is told."""
    world.on(4.4)
    _feedback(
        world,
        NORTHGATE,
        "priya",
        findings=("bias", "advice-largest", "benefit"),
        statement="The year in three findings: a direction of bias, form that outruns sense, and one benefit.",
    )
    world.on(4.2)
    _feedback(
        world,
        OPENWATCH,
        "elena",
        findings=("credibility", "nothing-left"),
        statement="Readers recognise every sample given time; counting repetitions does not help where people sample.",
    )
    world.on(3.9)
    world.tick()


def _feedback(
    world: World,
    name: str,
    key: str,
    *,
    statement: str,
    findings: Sequence[str] = (),
    runs: Sequence[str] = (),
) -> None:
    """Hand in the feedback that is due next."""
    actor, agreement = world.as_(key), world.agreements[name]
    owed = next(
        view.standing.duty.key
        for view in world.portal.duties.of_agreement(actor, agreement.id)
        if view.standing.duty.kind is DutyKind.FEEDBACK and view.standing.state.is_open
    )
    world.portal.duties.fulfil(
        actor,
        agreement.id,
        owed,
        statement=statement,
        finding_ids=[world.findings[finding].finding_id for finding in findings],
        run_ids=runs,
    )
