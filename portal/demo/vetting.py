"""Passports of the story: two whole ones, one half reviewed, one hardly begun, and one of which a part lapses soon."""

from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Final

from agreements.passports import Evidence, VettingItem
from portal.demo.cast import ESTUARY, LAKESIDE, NORTHGATE, OPENWATCH, RIDGELINE
from portal.demo.world import World

LASTING_DAYS: Final = 1100
"""From the present: vetting that a demonstration kept for two years still rests on."""

LAPSES_IN_DAYS: Final = 9
"""When Ridgeline's training lapses, from the present: soon enough to be told of."""

BASIC: Final = (VettingItem.IDENTITY, VettingItem.SIGNATORY_AUTHORITY, VettingItem.CONFLICTS_OF_INTEREST)
"""What the lab asks of every partner since its newest terms."""

_PAPERS: Final[Mapping[VettingItem, tuple[str, str]]] = {
    VettingItem.IDENTITY: (
        "We exist under this name and at this address; the extract is not older than three months.",
        "Extract from the public register",
    ),
    VettingItem.SIGNATORY_AUTHORITY: (
        "Our partner lead may bind the institution alone in agreements on research access.",
        "Delegation of authority, signed by the board",
    ),
    VettingItem.TRAINING: (
        "Everybody who will query has completed the course on handling models that are not released.",
        "Certificates of completion",
    ),
    VettingItem.SECURITY_QUESTIONNAIRE: (
        "Tokens are kept in a secrets store, outputs on encrypted disks with named readers. Laptops are managed by us.",
        "Security questionnaire, answered",
    ),
    VettingItem.CONFLICTS_OF_INTEREST: (
        "Nobody who takes part works for the lab or for one of its competitors, or holds shares in them.",
        "Declarations of interest",
    ),
}


def first_partners_are_vetted(world: World) -> None:
    """Northgate and Open Watch, on everything. Whoever hands in is not who reviews."""
    world.on(146.6)
    of_their_own = tuple(item for item in VettingItem if item is not VettingItem.SIGNATORY_AUTHORITY)
    _hand_in(world, "priya", NORTHGATE, of_their_own, trained=("Priya Raman", "Jonas Weber", "Amara Nwosu"))
    _hand_in(world, "mara", NORTHGATE, (VettingItem.SIGNATORY_AUTHORITY,))
    world.on(146.1)
    _hand_in(world, "elena", OPENWATCH, tuple(VettingItem), trained=("Elena Petrova", "Samir Haddad"))
    world.on(145.2)
    _accept(world, "tobias", NORTHGATE, tuple(VettingItem))
    world.on(144.5)
    _accept(world, "mara", OPENWATCH, tuple(VettingItem))


def estuary_is_known(world: World) -> None:
    """Who the agency is and who signs for it; the rest is to follow."""
    world.on(92.4)
    _hand_in(world, "malcolm", ESTUARY, BASIC)
    world.on(91.6)
    _accept(world, "tobias", ESTUARY, BASIC)


def ridgeline_is_vetted(world: World) -> None:
    """On everything; the training it had is accepted for as long as its certificates say."""
    world.on(41.4)
    _hand_in(world, "beatriz", RIDGELINE, tuple(VettingItem), trained=("Beatriz Antunes",))
    world.on(40.6)
    _accept(world, "tobias", RIDGELINE, tuple(item for item in VettingItem if item is not VettingItem.TRAINING))
    _accept(world, "tobias", RIDGELINE, (VettingItem.TRAINING,), for_days=LAPSES_IN_DAYS)


def estuary_hands_in_more(world: World) -> None:
    """Its questionnaire comes back with a question."""
    world.on(20.3)
    _hand_in(world, "malcolm", ESTUARY, (VettingItem.SECURITY_QUESTIONNAIRE,))
    world.on(19.7)
    world.portal.passports.review(
        world.as_("mara"),
        ESTUARY,
        item=VettingItem.SECURITY_QUESTIONNAIRE,
        accepted=False,
        reason="Question 7 asks who can read the outputs. Please name the people or the group, and hand it in again.",
    )


def last_papers_come_in(world: World) -> None:
    """Estuary's training and Lakeside's authority wait for review; Lakeside's conflicts of interest are missing."""
    world.on(4.9)
    _hand_in(world, "hannah", LAKESIDE, (VettingItem.IDENTITY,))
    world.on(4.6)
    _accept(world, "tobias", LAKESIDE, (VettingItem.IDENTITY,))
    _hand_in(world, "malcolm", ESTUARY, (VettingItem.TRAINING,), trained=("Malcolm Reyes",))
    _hand_in(world, "hannah", LAKESIDE, (VettingItem.SIGNATORY_AUTHORITY,))


def _hand_in(
    world: World,
    key: str,
    institution_id: str,
    items: Collection[VettingItem],
    trained: tuple[str, ...] = (),
) -> None:
    for item in items:
        statement, label = _PAPERS[item]
        world.portal.passports.submit(
            world.as_(key),
            institution_id,
            item=item,
            statement=statement,
            evidence=(Evidence(label=label, sha256=sha256(f"{institution_id}: {label}".encode()).hexdigest()),),
            people=trained if item is VettingItem.TRAINING else (),
        )


def _accept(
    world: World, key: str, institution_id: str, items: Collection[VettingItem], for_days: int = LASTING_DAYS
) -> None:
    for item in items:
        world.portal.passports.review(
            world.as_(key), institution_id, item=item, accepted=True, valid_until=world.moment(-for_days)
        )
