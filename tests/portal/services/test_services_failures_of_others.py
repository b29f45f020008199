"""What went wrong elsewhere and must not here: one test for each failure that others reported of their access."""

from datetime import timedelta

import pytest

from agreements.access import Denied, conditions, weighing
from agreements.access.case import Case
from agreements.access_requests import RequestStatus
from agreements.errors import ConcordatError, Fixer
from agreements.grants import Grant, GrantStatus, Holder, HolderKind
from agreements.narrowing import Narrowing
from agreements.scopes import Scope
from tests.portal.services.request_world import submitted
from tests.portal.services.world import PURPOSE, World, ask


@pytest.fixture
def root(world: World) -> Grant:
    """A grant of north's for a checkpoint."""
    world.checkpoint("ladder-l")
    return world.grant()


def _scope(grant: Grant, **changes: object) -> Scope:
    assert grant.scope is not None
    return grant.scope.model_copy(update=changes)


def _delegated(world: World, parent: Grant, to: str, **changes: object) -> Grant:
    holder = Holder(kind=HolderKind.PERSON, id=world.people[to].id)
    return world.portal.grants.delegate(
        world.actor("ben"), parent.id, holder=holder, label=f"For {to}", scope=_scope(parent, **changes)
    )


def test_what_somebody_uses_themselves_never_caps_what_they_pass_on(world: World, root: Grant) -> None:
    """LiteLLM #29073: the budget of a session at the screens became the ceiling of keys made in it."""
    own = _delegated(world, root, "ben", token_budget=10)
    passed_on = _delegated(world, root, "cleo", token_budget=1_000)
    assert own.scope is not None
    assert passed_on.scope is not None
    assert (own.scope.token_budget, passed_on.scope.token_budget) == (10, 1_000)


def test_a_token_is_made_for_nobody_whose_grant_it_is_not(world: World, root: Grant) -> None:
    """LiteLLM #8029 and #7336: a key with more models than its maker's, and one for another user."""
    hers = _delegated(world, root, "cleo")
    tokens, ben, cleo = world.portal.tokens, world.actor("ben"), world.actor("cleo")
    with pytest.raises(ConcordatError) as of_others:
        tokens.issue(ben, label="hers", grant_id=hers.id, purpose=PURPOSE)
    assert of_others.value.code == "not_its_holder"
    with pytest.raises(ConcordatError) as for_others:
        tokens.issue(ben, label="for her", grant_id=root.id, purpose=PURPOSE, delegate_id=cleo.person_id)
    assert for_others.value.code == "nothing_to_pass_on"
    held = tokens.issue(ben, label="mine", grant_id=root.id, purpose=PURPOSE).record.id
    with pytest.raises(ConcordatError) as wider:
        tokens.narrow(ben, held, narrowing=Narrowing(checkpoints=frozenset({"another"})))
    assert (wider.value.code, wider.value.param) == ("beyond_token", "checkpoints")
    with pytest.raises(ConcordatError) as another_ones:
        tokens.narrow(cleo, held)
    assert another_ones.value.code == "token_not_found"


def test_a_rule_that_says_no_or_breaks_lets_nothing_through(
    world: World, root: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PySyft #9391: what a policy returned was never looked at."""
    cleo = world.actor("cleo")
    denied = Denied(code="said_no", message="The rule says no.", hint="Ask.", fixer=Fixer.COORDINATOR)

    def says_no(_case: Case) -> Denied:
        return denied

    def breaks(_case: Case) -> None:
        raise RuntimeError("the rule is broken")

    before = world.size
    for rule, raised in ((says_no, ConcordatError), (breaks, RuntimeError)):
        with monkeypatch.context() as patched:
            patched.setattr(weighing, "CONDITIONS", (*conditions.CONDITIONS, rule))
            with pytest.raises(raised):
                world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    assert world.size == before
    usage = world.portal.meter.usage(root.id)
    assert (usage.settled, usage.reserved, usage.requests, usage.running) == (0, 0, 0, 0)


def test_a_grant_that_ends_takes_nobody_with_it_and_keeps_how_it_came_to_be(world: World) -> None:
    """fence #1367: cleaning up entitlements deleted people. physionet-build #1112: revoking overwrote the approval."""
    ada, cleo, requests = world.actor("ada"), world.actor("cleo"), world.portal.access_requests
    other = world.grant()
    view = submitted(world)
    approved = requests.approve(ada, view.request.id, note="Fine by me.")
    assert approved.request.granted is not None
    grant_id = approved.request.granted.grant_id
    issued = world.portal.grants.get(ada, grant_id).grant
    world.clock.advance(days=1)
    revoked = world.portal.grants.revoke(ada, grant_id, reason="the study is over")
    after = requests.get(ada, view.request.id)
    assert (after.status, after.request) == (RequestStatus.APPROVED, approved.request)
    assert (revoked.status, revoked.issued_at, revoked.issued_by) == (
        GrantStatus.REVOKED,
        issued.issued_at,
        issued.issued_by,
    )
    assert [entry.event.type_name for entry in world.portal.grants.history(ada, grant_id)] == [
        "grant:issued",
        "grant:revoked",
    ]
    assert other.scope is not None
    world.clock.now = other.scope.expires_at + timedelta(days=1)
    world.portal.clockwork.tick()
    assert world.portal.people.get(cleo.person_id) == world.people["cleo"]
    assert not world.portal.grants.get(ada, other.id).active
