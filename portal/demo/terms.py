"""The first agreements of the story and the grants that rest on them; and one that came to nothing."""

from agreements.scopes import Operation, family_selector
from portal.demo.cast import ESTUARY, NORTHGATE, OPENWATCH, TESSELLATE
from portal.demo.drafting import counter, offer, say, sign, software_access
from portal.demo.world import World


def northgate_signs(world: World) -> None:
    """Full access to every size for Northgate, under a signed agreement."""
    clauses = software_access(
        world,
        checkpoints=(*world.sizes, family_selector(world.ladder.family)),
        purposes=("bias-analysis", "detection-research", "misuse-analysis"),
        token_budget=1_200_000,
        changes={"feedback": {"every_weeks": 6}, "confidentiality": {"runs_kept_days": 60}},
    )
    offer(world, NORTHGATE, NORTHGATE, clauses, days_ago=143, title="Evaluation of the ladder before release")
    sign(world, NORTHGATE, "priya", days_ago=140.2)
    agreement = sign(world, NORTHGATE, "mara", days_ago=139.9)
    world.on(139.8)
    world.grants[NORTHGATE] = world.portal.grants.issue(
        world.as_("tobias"), agreement_id=agreement.id, label="Northgate: all sizes, three purposes"
    )


def openwatch_signs(world: World) -> None:
    """Open Watch gets the two smaller sizes, and whatever of the family reaches partner access later."""
    clauses = software_access(
        world,
        checkpoints=(*world.sizes[:2], family_selector(world.ladder.family)),
        purposes=("detection-research", "misuse-analysis"),
        token_budget=600_000,
        changes={"feedback": {"every_weeks": 8}},
    )
    offer(world, OPENWATCH, OPENWATCH, clauses, days_ago=138.5, title="Detection and misuse research on the ladder")
    sign(world, OPENWATCH, "elena", days_ago=136.4)
    agreement = sign(world, OPENWATCH, "tobias", days_ago=136.1)
    world.on(136)
    bounds = world.portal.grants.bounds(world.as_("tobias"), agreement.id)
    world.grants[OPENWATCH] = world.portal.grants.issue(
        world.as_("tobias"),
        agreement_id=agreement.id,
        label="Open Watch: detection desk",
        scope=bounds.model_copy(update={"token_budget": 400_000}),
    )
    world.grants["openwatch-interns"] = world.portal.grants.issue(
        world.as_("tobias"),
        agreement_id=agreement.id,
        label="Open Watch: summer placement",
        scope=bounds.model_copy(
            update={
                "checkpoints": frozenset({world.sizes[0]}),
                "operations": frozenset({Operation.GENERATE}),
                "purposes": frozenset({"detection-research"}),
                "token_budget": 50_000,
                "requests_per_minute": 20,
            }
        ),
    )


def tessellate_declines(world: World) -> None:
    """A developer asks for a shorter review, is met half-way, and says no."""
    clauses = software_access(
        world, checkpoints=world.sizes[:2], purposes=("product-evaluation",), token_budget=200_000
    )
    offer(world, TESSELLATE, TESSELLATE, clauses, days_ago=133, title="Product evaluation of the ladder")
    say(
        world,
        TESSELLATE,
        "yuki",
        "We write about a release within a fortnight of it, or nobody reads it. Thirty days are out of reach for us.",
        days_ago=132.3,
        clause_id="publication",
    )
    counter(
        world,
        TESSELLATE,
        "yuki",
        {"publication": {"window_days": 10}},
        days_ago=131.9,
        note="Ten days of review instead of thirty; all else as offered.",
    )
    say(
        world,
        TESSELLATE,
        "mara",
        "We read each copy with two people, and ten days hold one weekend too many. Twenty we can keep.",
        days_ago=131.2,
        clause_id="publication",
    )
    counter(
        world,
        TESSELLATE,
        "mara",
        {"publication": {"window_days": 20}},
        days_ago=130.7,
        note="Twenty days: what two readers need, and shorter than what the others signed.",
    )
    world.on(129.3)
    world.agreements[TESSELLATE] = world.portal.agreements.decline(
        world.as_("yuki"),
        world.agreements[TESSELLATE].id,
        reason="Twenty days of review before each publication still do not fit our release cycle; ten would.",
    )


def estuary_signs(world: World) -> None:
    """An agency begins with the two smaller sizes, with a review of its own length."""
    clauses = software_access(
        world,
        checkpoints=world.sizes[:2],
        purposes=("misuse-analysis",),
        token_budget=300_000,
        changes={"feedback": {"every_weeks": 6}, "publication": {"window_days": 14}},
    )
    offer(world, ESTUARY, ESTUARY, clauses, days_ago=89.2, title="Safety evaluation of the two smaller sizes")
    sign(world, ESTUARY, "malcolm", days_ago=88.4)
    agreement = sign(world, ESTUARY, "tobias", days_ago=88)
    world.on(87.9)
    world.grants[ESTUARY] = world.portal.grants.issue(
        world.as_("tobias"), agreement_id=agreement.id, label="Estuary: safety desk"
    )


def interns_lose_access(world: World) -> None:
    """A grant ends the day its token turns up in a public notebook."""
    world.on(58.6)
    world.grants["openwatch-interns"] = world.portal.grants.revoke(
        world.as_("tobias"),
        world.grants["openwatch-interns"].id,
        reason="A token of this grant was pasted into a public notebook; Open Watch reported it within the hour.",
    )
