"""Ridgeline in the story: vetted and agreed once, access by schedule. It owes feedback in a few days."""

from portal.demo.cast import RIDGELINE
from portal.demo.drafting import TERM_DAYS, adapted, offer, sign
from portal.demo.world import SECURITY_OPENINGS, World

SCHEDULE = f"{RIDGELINE}-schedule"
"""How the story calls the schedule; the framework goes by the institution."""


def ridgeline_signs_a_framework(world: World) -> None:
    """Terms without access: they hold for every schedule to come."""
    clauses = adapted(world.portal.templates.get("framework").clauses, {"term": {"days": TERM_DAYS}})
    offer(
        world,
        RIDGELINE,
        RIDGELINE,
        clauses,
        days_ago=39.5,
        title="Framework for security research",
        template_id="framework",
    )
    sign(world, RIDGELINE, "beatriz", days_ago=38.9)
    sign(world, RIDGELINE, "mara", days_ago=38.6)


def ridgeline_signs_a_schedule(world: World) -> None:
    """Access to the family, use by use, each with its own limits."""
    changes = {"feedback": {"every_weeks": 6}, "late-duties": {"remind_days_before": 14}}
    offer(
        world,
        SCHEDULE,
        RIDGELINE,
        adapted(world.portal.templates.get("model-schedule").clauses, changes),
        days_ago=37.9,
        title="Schedule 1: the ladder",
        template_id="model-schedule",
        framework=RIDGELINE,
    )
    sign(world, SCHEDULE, "beatriz", days_ago=37.4)
    agreement = sign(world, SCHEDULE, "mara", days_ago=37.1)
    world.on(37)
    world.grants[RIDGELINE] = world.portal.grants.issue(
        world.as_("tobias"), agreement_id=agreement.id, label="Ridgeline: three uses of the ladder"
    )
    world.run(
        "beatriz",
        world.sizes[-1],
        SECURITY_OPENINGS[:1],
        under=RIDGELINE,
        purpose="misuse-analysis",
        max_tokens=24,
        temperature=0.7,
    )
