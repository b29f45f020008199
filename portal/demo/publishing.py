"""Publications of the story: one that appeared after silence cleared it, one cleared early, one under review."""

from hashlib import sha256

from agreements.clauses import ReviewGround
from agreements.publication import PublicationKind
from portal.demo.cast import LAB_NAME, NORTHGATE, OPENWATCH
from portal.demo.world import World
from portal.services.publications import Appearance, RedactionRequest, Submission

_TALK = "Nonsense in official form: what four sizes of one model taught us"


def northgate_puts_a_talk_forward(world: World) -> None:
    """The lab has thirty days, finds nothing to ask for, and lets them pass."""
    world.on(77.4)
    _submit(world, "talk", "jonas", NORTHGATE, _TALK, PublicationKind.TALK, "Language and Harm, spring meeting")


def talk_appears(world: World) -> None:
    """Silence cleared it; the link and the credits are on record."""
    world.on(44.1)
    world.portal.publications.publish(
        world.as_("jonas"),
        world.publications["talk"],
        Appearance(
            link="https://northgate.example/talks/official-form",
            credits=("Jonas Weber", "Amara Nwosu", f"{LAB_NAME}'s access programme"),
            published_on=world.moment(44.3).date(),
        ),
    )


def two_papers_come_in(world: World) -> None:
    """A manuscript from Northgate, under the newer terms, and an abstract from Open Watch."""
    world.on(11.3)
    _submit(
        world,
        "manuscript",
        "priya",
        NORTHGATE,
        "Form grows faster than sense: documentation-like output by model size",
        PublicationKind.MANUSCRIPT,
        "Journal of Responsible Release",
        planned_in=45,
    )
    world.on(10.7)
    _submit(
        world,
        "abstract",
        "elena",
        OPENWATCH,
        "What readers recognise, and at a glance do not",
        PublicationKind.ABSTRACT,
        "Workshop on Detection",
    )


def lab_reads_them(world: World) -> None:
    """One passage is asked about, on a ground that the agreement permits; the abstract is cleared before its day."""
    world.on(5.2)
    world.portal.publications.ask(
        world.as_("tobias"),
        world.publications["manuscript"],
        (
            RedactionRequest(
                where="Section 4.2, the third listing",
                ground=ReviewGround.SAFETY.value,
                reason="The listing prints the prompt that holds the largest size in a loop. Until services in "
                "preparation have limits, describe it without printing it.",
            ),
        ),
    )
    world.on(5.0)
    world.portal.publications.clear(
        world.as_("mara"), world.publications["abstract"], note="Read with pleasure; nothing to ask for."
    )


def _submit(
    world: World,
    name: str,
    key: str,
    agreement: str,
    title: str,
    kind: PublicationKind,
    venue: str,
    planned_in: int | None = None,
) -> None:
    view = world.portal.publications.submit(
        world.as_(key),
        Submission(
            agreement_id=world.agreements[agreement].id,
            title=title,
            kind=kind,
            sha256=f"sha256:{sha256(title.encode()).hexdigest()}",
            venue=venue,
            planned_for=None if planned_in is None else world.moment(-planned_in).date(),
        ),
    )
    world.publications[name] = view.publication.id
