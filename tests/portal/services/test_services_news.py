"""What people are told when something moved: signatures, ends, texts that were dropped, grants and vetting."""

from datetime import timedelta

from agreements.vetting import VettingItem
from portal.services.news import RECENT
from tests.portal.services.test_services_clockwork import kinds, opened
from tests.portal.services.world import World

WHY = "The study is over, and so is this."


def bodies(world: World, name: str) -> dict[str, str]:
    return {notice.kind: notice.body for notice in reversed(world.portal.notices.inbox(world.actor(name)))}


def test_an_agreement_that_is_ended_is_told_to_both_sides_with_the_reason(world: World) -> None:
    agreement = opened(world)
    world.portal.clockwork.tick()
    world.portal.agreements.terminate(world.actor("ada"), agreement.id, reason=WHY)
    world.portal.clockwork.tick()
    for name in ("ada", "ben", "cleo"):
        assert WHY in bodies(world, name)["agreement.terminated"]
    assert kinds(world, "dan") == []
    assert world.portal.clockwork.tick().announced == 0


def test_whoever_signs_next_is_told(world: World) -> None:
    agreement = world.agreement("north", until="offered")
    digest = agreement.document_digest or ""
    ben, ada = world.actor("ben"), world.actor("ada")
    world.portal.agreements.sign(ben, agreement.id, typed_name=ben.name, document_digest=digest)
    world.portal.clockwork.tick()
    assert "agreement.signed" in kinds(world, "ada")
    assert "agreement.signed" not in kinds(world, "ben")
    world.portal.agreements.sign(ada, agreement.id, typed_name=ada.name, document_digest=digest)
    world.portal.clockwork.tick()
    assert {"agreement.in_force"} <= set(kinds(world, "ben")) & set(kinds(world, "ada")) & set(kinds(world, "cleo"))


def test_a_text_that_was_declined_or_taken_back_is_told(world: World) -> None:
    declined, withdrawn = (world.agreement("north", until="offered") for _ in range(2))
    world.portal.agreements.decline(world.actor("ben"), declined.id, reason="Our board says no.")
    world.portal.agreements.withdraw(world.actor("ada"), withdrawn.id, reason="A better text comes.")
    draft = world.agreement("north", until="draft")
    world.portal.agreements.withdraw(world.actor("ada"), draft.id, reason="Never on the table.")
    world.portal.clockwork.tick()
    assert bodies(world, "ada")["agreement.declined"] == "Our board says no."
    assert bodies(world, "ben")["agreement.withdrawn"] == "A better text comes."
    assert kinds(world, "ben").count("agreement.withdrawn") == 1


def test_grants_are_told_when_they_open_and_when_they_close(world: World) -> None:
    agreement = opened(world)
    (view,) = world.portal.grants.list(world.actor("ada"))
    world.portal.clockwork.tick()
    assert "grant.issued" in kinds(world, "cleo")
    world.portal.grants.revoke(world.actor("ada"), view.grant.id, reason=WHY)
    world.portal.clockwork.tick()
    assert bodies(world, "cleo")["grant.revoked"].startswith(WHY)
    assert agreement.id == view.grant.agreement_id


def test_vetting_is_told_to_whoever_acts_on_it_next(world: World) -> None:
    passports, ben, ada = world.portal.passports, world.actor("ben"), world.actor("ada")
    item = VettingItem.IDENTITY
    passports.submit(ben, "north", item=item, statement="As the register says.")
    world.portal.clockwork.tick()
    assert "passport.submitted" in kinds(world, "ada")
    assert "passport.submitted" not in kinds(world, "ben")
    passports.review(ada, "north", item=item, accepted=False, reason="It names nobody.")
    passports.submit(ben, "north", item=item, statement="As the register says, with names.")
    passports.review(ada, "north", item=item, accepted=True, valid_until=world.clock() + timedelta(days=90))
    passports.revoke(ada, "north", item=item, reason="The charter was withdrawn.")
    world.portal.clockwork.tick()
    told = bodies(world, "ben")
    assert told["passport.returned"] == "It names nobody."
    assert told["passport.accepted"].startswith("It counts until")
    assert told["passport.revoked"].startswith("The charter was withdrawn.")


def test_a_portal_that_slept_does_not_tell_of_its_whole_past(world: World) -> None:
    agreement = opened(world)
    world.portal.agreements.terminate(world.actor("ada"), agreement.id, reason=WHY)
    world.clock.advance(days=RECENT.days + 1)
    world.portal.clockwork.tick()
    assert not {"agreement.terminated", "agreement.in_force", "grant.issued"} & set(kinds(world, "ben"))
