"""Agreements of the story change: two amendments in force, newer terms put to everybody, three different answers."""

from agreements.clauses import Vetting
from portal.demo.cast import ESTUARY, NORTHGATE, OPENWATCH
from portal.demo.drafting import PATIENT, SOFTWARE_ACCESS, adapted, amend, counter, say, sign
from portal.demo.vetting import BASIC
from portal.demo.world import World


def northgate_gets_more(world: World) -> None:
    """A larger budget, and feedback that follows the findings; the grant goes on under the new version."""
    amend(
        world,
        NORTHGATE,
        {"usage-limits": {"token_budget": 2_000_000}, **PATIENT},
        days_ago=93.3,
        note="The probes of all four sizes took more tokens than anybody had foreseen. Since findings reach us as "
        "they are made, feedback becomes a summary once a year.",
    )
    sign(world, NORTHGATE, "priya", days_ago=92.9)
    sign(world, NORTHGATE, "mara", days_ago=92.7)


def openwatch_reports_yearly(world: World) -> None:
    """After a narrowing and a suspension both sides want terms that fit a small desk."""
    amend(
        world,
        OPENWATCH,
        PATIENT,
        days_ago=55.6,
        note="A desk of three people files findings as it makes them. A summary every eight weeks asked for the same "
        "twice, and narrowed its access when nothing was missing.",
    )
    sign(world, OPENWATCH, "elena", days_ago=54.6)
    sign(world, OPENWATCH, "tobias", days_ago=54.1)


def newer_terms_are_published(world: World) -> None:
    """The lab learns from five months: vetting before access, shorter review, quicker notice; put to every partner."""
    world.on(21.5)
    coordinator, templates = world.as_("mara"), world.portal.templates
    before = templates.get(SOFTWARE_ACCESS)
    vetting = Vetting(
        clause_id="vetting",
        title="Vetting",
        text="The institution's passport shows, before this agreement enters into force and for as long as it runs: "
        "{items}. If an item lapses, requests are refused {grace_days} days later until it is valid again.",
        items=frozenset(BASIC),
        grace_days=60,
    )
    clauses = adapted(before.clauses, {"publication": {"window_days": 20}, "incidents": {"within_hours": 48}})
    newer = templates.publish(
        coordinator,
        template_id=SOFTWARE_ACCESS,
        version=before.version + 1,
        title=before.title,
        summary=before.summary,
        clauses=(clauses[0], vetting, *clauses[1:]),
        note="Asks for a passport, reviews in twenty days instead of thirty, and wants notice of incidents within two "
        "days.",
    )
    world.on(21.2)
    world.portal.campaigns.start(
        coordinator,
        template_id=SOFTWARE_ACCESS,
        to_version=newer.version,
        note="Our terms, as five months have taught us. What you negotiated stays as it is.",
    )


def estuary_answers_the_newer_terms(world: World) -> None:
    """With a text of its own, and why."""
    counter(
        world,
        ESTUARY,
        "malcolm",
        {"incidents": {"within_hours": 72}},
        days_ago=15.3,
        note="An agency reports through its own security office, which needs three days. All else we can accept.",
    )
    say(
        world,
        ESTUARY,
        "malcolm",
        "Our office is bound by law to see a report before it leaves the house.",
        days_ago=15.2,
        clause_id="incidents",
    )


def northgate_signs_the_newer_terms(world: World) -> None:
    """The one before goes on for its days of grace. Open Watch asks, and has not signed."""
    sign(world, NORTHGATE, "priya", days_ago=13.0)
    sign(world, NORTHGATE, "mara", days_ago=12.7)
    say(
        world,
        OPENWATCH,
        "elena",
        "What becomes of our access if the board renews its declarations a week late?",
        days_ago=12.5,
        clause_id="vetting",
    )
    say(
        world,
        OPENWATCH,
        "mara",
        "Nothing: the clause gives sixty days after an item lapses, and the portal tells you before.",
        days_ago=12.1,
        clause_id="vetting",
    )
