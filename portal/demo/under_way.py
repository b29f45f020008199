"""What is on the table today, every step of a negotiation among it, and what tells people of it."""

from agreements.scopes import family_selector
from portal.demo.cast import ESTUARY, LAKESIDE, NORTHGATE, RIDGELINE, TESSELLATE
from portal.demo.drafting import counter, offer, say, sign, software_access
from portal.demo.world import World


def northgate_registers_a_webhook(world: World) -> None:
    """Notices to software of its own; paused at once, since a demonstration sends nothing anywhere."""
    world.on(31.2)
    lead = world.as_("priya")
    registered = world.portal.webhooks.register(
        lead, institution_id=NORTHGATE, url="https://hooks.northgate.example/concordat", kinds=("agreement", "duty")
    )
    world.portal.webhooks.pause(lead, registered.webhook.id, reason="Until our receiver has moved to its new address.")


def notices_are_read(world: World) -> None:
    """What is unread after this is new."""
    world.on(9.8)
    for key in world.people:
        reader = world.as_(key)
        for notice in world.portal.notices.inbox(reader, unread_only=True):
            world.portal.notices.mark_read(reader, notice.notice_id)


def estuary_wants_the_largest(world: World) -> None:
    """Signed by Estuary; the lab's signature is missing."""
    clauses = software_access(
        world, checkpoints=(world.sizes[-1],), purposes=("misuse-analysis",), token_budget=500_000
    )
    name = f"{ESTUARY}-largest"
    offer(world, name, ESTUARY, clauses, days_ago=9, title="Safety evaluation of the largest checkpoint")
    sign(world, name, "malcolm", days_ago=5.7)


def lakeside_answers(world: World) -> None:
    """Countered by Lakeside: the lab's turn. Beside it a data-only agreement waits for Lakeside's signature."""
    clauses = software_access(
        world,
        checkpoints=(world.sizes[-1], family_selector(world.ladder.family)),
        purposes=("bias-analysis", "misuse-analysis"),
        token_budget=300_000,
    )
    offer(world, LAKESIDE, LAKESIDE, clauses, days_ago=3.4, title="Bias measurement across the ladder")
    say(
        world,
        LAKESIDE,
        "hannah",
        "Our students are here from September to May. Could feedback follow the terms of a college year?",
        days_ago=2.9,
        clause_id="feedback",
    )
    counter(
        world,
        LAKESIDE,
        "hannah",
        {"feedback": {"every_weeks": 12}, "usage-limits": {"token_budget": 450_000}},
        days_ago=2.6,
        note="Feedback once a term, and room for a second class.",
    )
    say(
        world,
        LAKESIDE,
        "tobias",
        "Once a term is fine. For the budget we should like to see the plan of the second class.",
        days_ago=2.3,
        clause_id="usage-limits",
    )


def lab_prepares(world: World) -> None:
    """A second attempt with Tessellate and a red team as drafts; outputs offered to Lakeside."""
    world.on(1.9)
    coordinator, agreements = world.as_("tobias"), world.portal.agreements
    world.agreements[TESSELLATE] = agreements.draft(
        coordinator,
        institution_id=TESSELLATE,
        title="Product evaluation of the ladder, second attempt",
        clauses=software_access(
            world,
            checkpoints=world.sizes[:2],
            purposes=("product-evaluation",),
            token_budget=200_000,
            changes={"publication": {"window_days": 14}},
        ),
    )
    agreements.draft(
        coordinator, institution_id=RIDGELINE, template_id="red-team", title="Red-teaming of the largest checkpoint"
    )
    offer(
        world,
        f"{LAKESIDE}-outputs",
        LAKESIDE,
        world.portal.templates.get("output-data").clauses,
        days_ago=1.5,
        title="Outputs of the ladder for a class on bias",
        template_id="output-data",
    )
