"""What the parts of access say to somebody who may not know: neither names, nor that somebody is there, nor counts."""

from collections.abc import Callable
from functools import partial

import pytest

from agreements.errors import ConcordatError, Invalid, NotFound
from agreements.grants import Grant, Holder, HolderKind
from portal.services.grant_views import GrantAct
from tests.portal.services.request_world import draft
from tests.portal.services.world import PURPOSE, World


@pytest.fixture
def root(world: World) -> Grant:
    """A grant of north's."""
    return world.grant()


def _delegated(world: World, parent: Grant, to: str) -> Grant:
    assert parent.scope is not None
    holder = Holder(kind=HolderKind.PERSON, id=world.people[to].id)
    return world.portal.grants.delegate(
        world.actor("ben"), parent.id, holder=holder, label=f"For {to}", scope=parent.scope
    )


def _refusal(asked: Callable[[], object]) -> ConcordatError:
    with pytest.raises(ConcordatError) as refusal:
        asked()
    return refusal.value


@pytest.mark.parametrize("act", list(GrantAct))
def test_a_preview_tells_nobody_of_grants_that_they_do_not_see(world: World, root: Grant, act: GrantAct) -> None:
    hers, his = _delegated(world, root, "cleo"), _delegated(world, root, "ben")
    world.portal.tokens.issue(world.actor("ben"), label="his", grant_id=his.id, purpose=PURPOSE)
    preview = world.portal.grants.preview
    assert root.scope is not None
    narrower = root.scope.model_copy(update={"token_budget": 1})

    of_lead = preview(world.actor("ben"), root.id, act, scope=narrower)
    assert {one.grant.id for one in of_lead.grants} == {hers.id, his.id}

    of_member = preview(world.actor("cleo"), root.id, act, scope=narrower)
    assert {one.grant.id for one in of_member.grants} == {hers.id}
    assert of_member.tokens == 0
    assert preview(world.actor("nina"), root.id, act, scope=narrower).grants == ()
    with pytest.raises(NotFound):
        preview(world.actor("dan"), root.id, act, scope=narrower)


def test_whoever_may_end_a_grant_is_told_of_all_that_ends_with_it(world: World, root: Grant) -> None:
    hers = _delegated(world, root, "cleo")
    assert hers.scope is not None
    grants, cleo = world.portal.grants, world.actor("cleo")
    nina = Holder(kind=HolderKind.PERSON, id=world.people["nina"].id)
    below = grants.delegate(cleo, hers.id, holder=nina, label="For Nina", scope=hers.scope)
    assert [one.grant.id for one in grants.preview(cleo, below.id, GrantAct.REVOKE).grants] == []
    assert [one.grant.id for one in grants.preview(world.actor("ada"), root.id, GrantAct.REVOKE).grants] == [
        hers.id,
        below.id,
    ]


def test_a_grant_for_somebody_elsewhere_is_refused_as_one_for_nobody(world: World, root: Grant) -> None:
    assert root.scope is not None
    scope, said = root.scope, []
    ids = {"per_nobody", world.people["dan"].id, "ada"}
    world.portal.people.deactivate(world.actor("ada"), world.people["nina"].id, reason="left the university")
    for holder_id in [*ids, world.people["nina"].id]:
        holder = Holder(kind=HolderKind.PERSON, id=holder_id)
        refusal = _refusal(
            partial(
                world.portal.grants.delegate,
                world.actor("ben"),
                root.id,
                holder=holder,
                label="For somebody",
                scope=scope,
            )
        )
        assert refusal.code == "holder_not_of_institution"
        said.append(refusal.message.replace(holder_id, "…"))
    assert len(set(said)) == 1
    assert "Dan" not in said[0]


def test_another_institution_as_the_holder_of_a_request_is_not_named_and_does_not_pass(world: World) -> None:
    requests, cleo = world.portal.access_requests, world.actor("cleo")
    elsewhere = Holder(kind=HolderKind.INSTITUTION, id="south")
    view = requests.open(cleo, content=draft(world, world.agreement(), holder=elsewhere))
    assert view.holder_name == "south"
    assert [line.code for line in requests.checklist(cleo, view.request.id).lines if not line.met] == [
        "holder_not_of_institution"
    ]
    refusal = _refusal(lambda: requests.submit(cleo, view.request.id))
    assert refusal.code == "holder_not_of_institution"
    assert "South University" not in str(refusal)


def test_a_token_for_somebody_elsewhere_is_refused_as_one_for_nobody(world: World, root: Grant) -> None:
    ben = world.actor("ben")
    token = world.portal.tokens.issue(ben, label="mine", grant_id=root.id, purpose=PURPOSE).record.id
    said = []
    for delegate in ("per_nobody", "prg_nobody", world.people["dan"].id, world.people["rae"].id):
        refusal = _refusal(partial(world.portal.tokens.narrow, ben, token, delegate_id=delegate))
        said.append((refusal.code, refusal.message.replace(delegate, "…"), refusal.hint))
    assert len(set(said)) == 1
    assert said[0][0] == "delegate_not_found"


HIDDEN = ("one\u202etwo", "one\x00two", "one\x1b[2Jtwo")


@pytest.mark.parametrize("text", HIDDEN)
def test_labels_and_reasons_hold_nothing_that_hides_or_reorders(world: World, root: Grant, text: str) -> None:
    assert root.scope is not None
    portal, ada, ben, scope = world.portal, world.actor("ada"), world.actor("ben"), root.scope
    narrower = scope.model_copy(update={"token_budget": 1})
    holder = Holder(kind=HolderKind.PERSON, id=ben.person_id)
    token = portal.tokens.issue(ben, label="mine").record.id
    before = world.size
    tried: list[Callable[[], object]] = [
        lambda: portal.grants.issue(ada, agreement_id=root.agreement_id, label=text),
        lambda: portal.grants.delegate(ben, root.id, holder=holder, label=text, scope=scope),
        lambda: portal.grants.narrow(ada, root.id, scope=narrower, reason=text),
        lambda: portal.grants.suspend(ada, root.id, reason=text),
        lambda: portal.grants.revoke(ada, root.id, reason=text),
        lambda: portal.tokens.issue(ben, label=text),
        lambda: portal.tokens.narrow(ben, token, label=text, grant_id=root.id),
        lambda: portal.tokens.revoke(ben, token, reason=text),
        lambda: portal.token_keys.rotate(ada, compromised=text),
    ]
    for attempt in tried:
        refusal = _refusal(attempt)
        assert isinstance(refusal, Invalid)
        assert refusal.code == "bad_input"
    assert world.size == before


def test_a_reason_for_ending_a_token_is_bounded_and_never_empty(world: World) -> None:
    tokens, ben = world.portal.tokens, world.actor("ben")
    token = tokens.issue(ben, label="mine").record.id
    assert _refusal(lambda: tokens.revoke(ben, token, reason="x" * 1001)).code == "bad_input"
    assert tokens.revoke(ben, token, reason=" ").end_reason == "revoked by its holder"
