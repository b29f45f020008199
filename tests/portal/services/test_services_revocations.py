"""How fast what was taken away was gone is measured at each act, and told to coordinators."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from agreements.actors import Actor
from agreements.errors import Forbidden
from agreements.grants import Grant
from model_access.stages import Stage
from portal.services import probes
from portal.services.revocations import KEPT, Revocation, Revocations, says
from tests.portal.services import under_way_world as acts
from tests.portal.services.test_services_sessions import enter, session_of
from tests.portal.services.under_way_world import MODEL, Act, Scene, begin
from tests.portal.services.world import PURPOSE, World, ask


@pytest.fixture
def root(world: World) -> Grant:
    """A grant of north's for a withheld checkpoint."""
    world.checkpoint(MODEL)
    return world.grant()


def measured(world: World) -> tuple[Revocation, ...]:
    """What was measured so far, newest first."""
    assert world.portal.watch.settled(30)
    return world.portal.revocations.report(world.actor("ada")).items


@pytest.mark.parametrize(
    ("who", "act", "what", "asked"),
    [
        (acts.by_name, acts.revoke_root, "Grant revoked", 1),
        (acts.by_name, acts.suspend_root, "Grant suspended", 1),
        (acts.by_name, acts.narrow_root, "Grant narrowed", 1),
        (acts.by_name, acts.terminate, "Agreement ended", 1),
        (acts.by_name, acts.suspend_agreement, "Agreement suspended", 1),
        (acts.by_name, acts.narrow_agreement, "Agreement narrowed", 1),
        (acts.by_child, acts.revoke_root, "Grant revoked", 3),
        (acts.by_token, acts.revoke_root, "Grant revoked", 3),
        (acts.by_token, acts.end_token, "Token or session ended", 1),
        (acts.by_token, acts.end_parent_token, "Token or session ended", 2),
        (acts.by_token, acts.compromise_key, "Signing key compromised", 1),
        (acts.by_program, acts.end_program, "Program ended", 1),
        (acts.by_program, acts.suspend_program, "Program suspended", 1),
        (acts.by_name, acts.leave, "Membership removed", 1),
        (acts.by_name, acts.deactivate, "Person deactivated", 1),
    ],
)
def test_each_act_is_measured_until_everybody_it_concerns_is_refused(
    world: World, root: Grant, who: Callable[[World, Grant], Actor], act: Act, what: str, asked: int
) -> None:
    actor = who(world, root)
    running = begin(world, actor)
    running.engine.say(" the")
    before = world.size
    act(Scene(world, root, actor))
    one = next(one for one in measured(world) if one.what == what)
    assert (one.asked, one.still_open) == (asked, 0)
    assert one.refused_ms is not None
    assert one.everywhere_ms is not None
    assert one.commit_ms <= one.refused_ms <= one.everywhere_ms
    assert (one.runs, one.tokens_after) == ((running.run.run_id,), 0)
    assert one.position >= before
    assert world.portal.store.events(after=one.position - 1, limit=1)[0].stream == one.about
    assert says(one).endswith("1 run stopped.")
    running.engine.stop(completion_tokens=1)
    running.withdrawn()


def halt(scene: Scene) -> object:
    """Halt the checkpoint."""
    return scene.world.portal.workers.halt(scene.ada, MODEL, reason="a leak")


@pytest.mark.parametrize(("act", "asked"), [(halt, 2), (acts.suspend_agreement, 1), (acts.terminate, 1)])
def test_grants_that_are_gone_take_nobodys_place_among_those_who_are_asked(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Act, asked: int
) -> None:
    monkeypatch.setattr(probes, "MOST", 2)
    world.checkpoint(MODEL)
    grants, ada, agreement = world.portal.grants, world.actor("ada"), world.agreement()
    issued = [grants.issue(ada, agreement_id=agreement.id, label=f"Study {number}") for number in range(4)]
    *gone, last = sorted(issued, key=lambda grant: grant.id)
    for one in gone:
        grants.revoke(ada, one.id, reason="it is over")
    act(Scene(world, last, world.actor("cleo")))
    newest = measured(world)[0]
    assert (newest.asked, newest.still_open) == (asked, 0), "of a halt, anybody is asked besides"


def test_a_recall_and_a_retirement_are_measured_and_an_advance_is_none(world: World) -> None:
    world.checkpoint(MODEL, to=Stage.PUBLIC)
    assert measured(world) == ()
    acts.retire(Scene(world, Grant(), world.actor("eve")))
    (one,) = measured(world)
    assert (one.what, one.asked, one.still_open) == ("Checkpoint recalled or retired", 1, 0)


def test_what_takes_nothing_away_is_not_measured(world: World, root: Grant) -> None:
    grants, ada = world.portal.grants, world.actor("ada")
    grants.suspend(ada, root.id, reason="under review")
    grants.lift(ada, root.id, reason="cleared")
    issued = world.portal.tokens.issue(world.actor("cleo"), label="first", grant_id=root.id, purpose=PURPOSE)
    world.portal.tokens.rotate(world.actor("cleo"), issued.record.id)
    world.portal.token_keys.rotate(ada)
    signed_in = enter(world, "cleo")
    world.portal.sign_in.sign_out(session_of(world, signed_in))
    world.portal.runs.begin(world.actor("cleo"), MODEL, ask(), purpose=PURPOSE).result()
    assert [one.what for one in measured(world)] == ["Grant suspended"]


def test_a_session_that_somebody_else_ends_is_measured(world: World) -> None:
    enter(world, "cleo")
    world.portal.sessions.end_all(world.actor("ada"), world.people["cleo"].id)
    (one,) = measured(world)
    assert (one.what, one.asked, one.still_open) == ("Token or session ended", 1, 0)


def test_a_narrowing_of_limits_alone_refuses_nobody(world: World, root: Grant) -> None:
    assert root.scope is not None
    slower = root.scope.model_copy(update={"requests_per_minute": 1})
    world.portal.grants.narrow(world.actor("ada"), root.id, scope=slower, reason="too fast")
    (one,) = measured(world)
    assert (one.asked, one.refused_ms, one.everywhere_ms) == (0, None, None)
    assert says(one).endswith("nobody was there to be refused.")


def test_only_coordinators_see_the_measurements(world: World, root: Grant) -> None:
    for name in ("ben", "cleo", "rae"):
        with pytest.raises(Forbidden) as refusal:
            world.portal.revocations.report(world.actor(name))
        assert refusal.value.code == "not_coordinator"


def test_measurements_outlive_a_restart_within_a_bound(world: World, root: Grant) -> None:
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    (one,) = measured(world)
    path = world.settings.data_dir / "revocations.jsonl"
    assert path.stat().st_mode & 0o077 == 0
    world.reopen()
    assert measured(world) == (one,)
    assert world.portal.revocations.latest(one.about) == one
    line = path.read_text()
    path.write_text("not a line\n" + line * (2 * KEPT + 1))
    again = Revocations(path, world.portal.revocations._probes, world.portal.watch.settled)
    assert len(again.report(world.actor("ada")).items) == KEPT
    assert len(path.read_text().splitlines()) == KEPT, "written anew without what is not kept"


def test_a_file_that_cannot_be_written_keeps_nothing_from_being_revoked(world: World, root: Grant) -> None:
    path = world.settings.data_dir / "revocations.jsonl"
    path.mkdir()
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    assert len(measured(world)) == 1


def test_a_suspension_with_notice_takes_nothing_yet(world: World, root: Grant) -> None:
    agreement_id, at = root.agreement_id, world.clock()
    agreement = world.portal.agreements.suspend(
        world.actor("ada"), agreement_id, reason="breach_of_terms", statement="a clause was broken"
    )
    assert agreement.suspension is not None
    expected = 0 if agreement.suspension.takes_effect_at > at + timedelta(0) else 1
    assert len(measured(world)) == expected
