"""Whatever the order of beginning, speaking, taking away, giving back and ending: no run revives what was taken."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.errors import Forbidden, Withdrawn
from agreements.grants import Grant, GrantStatus, Holder, HolderKind
from model_access.runs import RunStatus
from portal.services.active import RunResult
from tests.portal.services.under_way_world import MODEL, PROMPT, Running, begin
from tests.portal.services.world import World, make_world

MOVES = ("begin", "say", "say", "finish", "give up", "suspend", "lift", "revoke child", "revoke root", "time")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world; each example has grants of its own."""
    made = make_world(tmp_path_factory.mktemp("interleaved") / "world")
    made.checkpoint(MODEL)
    yield made
    made.portal.close()


@dataclass
class Told:
    """A run, what it gave, and what of that the engine made."""

    running: Running
    given: int = 0
    made: int = 0
    over: bool = False
    barred: bool = False
    """Whether it was closed at any moment since it began."""


@dataclass
class Play:
    """What the model of the rules expects, beside the portal itself."""

    world: World
    root: Grant
    child: Grant
    suspended: bool = False
    revoked: set[str] = field(default_factory=set)
    runs: list[Told] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether somebody may run on the child now."""
        return not self.suspended and not self.revoked

    def do(self, move: str) -> None:
        """Make one move, and hold what it came to against the rules."""
        grants, ada = self.world.portal.grants, self.world.actor("ada")
        match move:
            case "begin":
                self._begin()
            case "say" | "finish" | "give up":
                for one in self.runs:
                    if not one.over:
                        getattr(self, f"_{move.replace(' ', '_')}")(one)
            case "suspend" if not self.suspended and "root" not in self.revoked:
                grants.suspend(ada, self.root.id, reason="under review")
                self.suspended = True
            case "lift" if self.suspended and "root" not in self.revoked:
                grants.lift(ada, self.root.id, reason="cleared")
                self.suspended = False
            case "revoke child" if not self.revoked:
                grants.revoke(ada, self.child.id, reason="a breach")
                self.revoked.add("child")
            case "revoke root" if "root" not in self.revoked:
                grants.revoke(ada, self.root.id, reason="a breach")
                self.revoked |= {"root", "child"}
            case "time":
                self.world.clock.advance(seconds=1)
                self.world.portal.watch.look()
        if not self.open:
            for one in self.runs:
                one.barred = one.barred or not one.over

    def _begin(self) -> None:
        actor = self.world.actor("cleo").model_copy(update={"grant_id": self.child.id})
        if self.open:
            self.runs.append(Told(begin(self.world, actor)))
            return
        with pytest.raises(Forbidden) as refusal:
            begin(self.world, actor)
        assert refusal.value.code in {"grant_revoked", "grant_suspended"}

    def _say(self, one: Told) -> None:
        if one.made < 9:
            one.running.engine.say(" sea")
            one.made += 1
            one.given += not one.barred

    def _finish(self, one: Told) -> None:
        one.running.engine.answer([" sea"] * 3)
        one.made, one.given, one.over = 3, one.given + (0 if one.barred else 3), True
        self._ended(one)

    def _give_up(self, one: Told) -> None:
        one.running.engine.stop(completion_tokens=one.made)
        one.over = True
        self._ended(one)

    def _ended(self, one: Told) -> None:
        outcome = one.running.run.outcome
        if one.barred:
            refusal = outcome.exception(timeout=30)
            assert isinstance(refusal, Withdrawn)
            assert refusal.reason in {"grant_revoked", "grant_suspended"}
        elif outcome.exception(timeout=30) is None:
            assert isinstance(outcome.result(), RunResult)
        assert len(list(one.running.run.deltas())) == one.given

    def settled(self) -> int:
        """Tokens that the runs that ended have to be charged for."""
        return sum(one.made and one.made + PROMPT for one in self.runs if one.over)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.sampled_from(MOVES), min_size=4, max_size=16))
def test_no_interleaving_revives_what_was_taken_away(shared: World, moves: list[str]) -> None:
    root = shared.grant()
    assert root.scope is not None
    holder = Holder(kind=HolderKind.PERSON, id=shared.people["cleo"].id)
    child = shared.portal.grants.delegate(shared.actor("ben"), root.id, holder=holder, label="Cleo's", scope=root.scope)
    play = Play(shared, root, child)
    for move in moves:
        play.do(move)
        usage = shared.portal.meter.usage(child.id)
        assert usage.settled == play.settled()
        assert usage.running == sum(not one.over for one in play.runs)
    play.do("give up")
    assert shared.portal.meter.usage(root.id).reserved == 0
    status = {one: shared.portal.grants.get(shared.actor("ada"), one).grant.status for one in (root.id, child.id)}
    assert (status[root.id] is GrantStatus.REVOKED) == ("root" in play.revoked), "only an act changes a grant"
    assert (status[child.id] is GrantStatus.REVOKED) == bool(play.revoked)
    _log_holds(shared, play)


def _log_holds(world: World, play: Play) -> None:
    """In the order of the log nothing begins and nothing is proved after the grant that it rests on was revoked."""
    gone = False
    runs = {one.running.run.run_id for one in play.runs}
    for entry in world.portal.store.events(limit=100_000):
        if entry.stream == f"grant/{play.child.id}" and entry.event.type_name == "grant:revoked":
            gone = True
        if entry.stream.removeprefix("run/") in runs and gone:
            assert entry.event.type_name == "run:failed"
    for one in play.runs:
        recorded = world.portal.runs.get(world.actor("ada"), one.running.run.run_id)
        assert recorded.stopped == one.barred
        assert (recorded.status is RunStatus.COMPLETED) == (recorded.receipt is not None)
