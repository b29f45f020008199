"""Model cards: the same checkpoint, as far as each reader may know of it."""

import pytest

from agreements.errors import NotFound
from model_access.stages import Stage
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Severity
from portal.findings.service import FindingDraft
from tests.portal.services.world import PURPOSE, World, ask


def _filed(world: World, name: str, institution: str, marking: Tlp) -> None:
    draft = FindingDraft(
        institution_id=institution,
        title=f"{name} of {marking.value}",
        summary="It repeats whole poems.",
        kind=Kind.MISUSE_FINDING,
        severity=Severity.MODERATE,
        marking=marking,
        checkpoint_ids=("ladder-l",),
    )
    world.portal.findings.file(world.actor(name), draft)


def test_each_reader_sees_what_is_theirs(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.grant()
    world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose=PURPOSE).result()
    _filed(world, "cleo", "north", Tlp.AMBER_STRICT)
    _filed(world, "eve", "south", Tlp.GREEN)
    cards = {name: world.portal.model_cards.card(world.actor(name), "ladder-l") for name in ("ada", "ben", "dan")}
    assert {card.digest for card in cards.values()} == {world.portal.checkpoints.state("ladder-l").digest}
    assert (cards["ada"].size_bytes, cards["ada"].weight_bytes, cards["ada"].facts) == (3, 1, None)
    assert cards["ada"].precision == "float32"
    assert [(one.name, one.grants, one.grant_ids) for one in cards["ada"].reached_by or ()] == [
        ("North University", 1, (grant.id,))
    ]
    assert (cards["ben"].reached_by, cards["dan"].reached_by) == (None, None)
    assert [cards[name].usage.runs for name in cards] == [1, 1, 0]
    titles = {name: {one.title for one in card.findings} for name, card in cards.items()}
    assert "cleo of TLP:AMBER+STRICT" in titles["ben"]
    assert "cleo of TLP:AMBER+STRICT" not in titles["dan"]
    assert "eve of TLP:GREEN" in titles["dan"]
    assert all(card.finding_count == len(card.findings) for card in cards.values())
    with pytest.raises(NotFound):
        world.portal.model_cards.card(world.actor("ben"), "ladder-xxl")


def test_a_grant_for_the_family_reaches_it_once_partners_have_access(world: World) -> None:
    agreement = world.agreement()
    scope = world.portal.grants.bounds(world.actor("ada"), agreement.id)
    family = scope.model_copy(update={"checkpoints": frozenset({"ladder/*"})})
    world.portal.grants.issue(world.actor("ada"), agreement_id=agreement.id, label="Family", scope=family)
    ada = world.actor("ada")
    world.checkpoint("ladder-l")
    assert world.portal.model_cards.card(ada, "ladder-l").reached_by == ()
    world.checkpoint("ladder-m", to=Stage.PARTNER_ACCESS)
    assert [one.grants for one in world.portal.model_cards.card(ada, "ladder-m").reached_by or ()] == [1]
