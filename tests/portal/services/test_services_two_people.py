"""What is high risk is opened by two people of the lab, whichever door it is opened by, and both are there still."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from agreements.access_requests import RequestStatus
from agreements.agreement import Change
from agreements.errors import ConcordatError, Conflict
from agreements.scopes import Scope
from portal.services.request_views import RequestView
from tests.portal.services.request_world import REASON, scope_of, second_coordinator, submitted
from tests.portal.services.world import World

NAMED = frozenset({"ladder-l"})
TAME = frozenset({"ladder/*"})


@pytest.fixture
def risky(world: World) -> World:
    """A world with a withheld checkpoint and a second coordinator, whose operator asks for two behind each grant."""
    world.settings = world.settings.model_copy(update={"high_risk_grants_need_two": True})
    world.reopen()
    world.checkpoint("ladder-l")
    second_coordinator(world)
    return world


def _refused(world: World, who: str, agreement_id: str, scope: Scope | None) -> ConcordatError:
    with pytest.raises(ConcordatError) as refusal:
        world.portal.grants.issue(world.actor(who), agreement_id=agreement_id, label="A study", scope=scope)
    return refusal.value


def test_whoever_signed_for_the_lab_issues_nothing_of_high_risk_alone(risky: World) -> None:
    agreement = risky.agreement()
    scope = scope_of(risky, agreement, checkpoints=NAMED)
    refusal = _refused(risky, "ada", agreement.id, scope)
    assert (type(refusal), refusal.code) == (Conflict, "second_person_needed")
    assert "ladder-l is withheld" in refusal.message
    assert _refused(risky, "ada", agreement.id, None).code == "second_person_needed"
    issue = risky.portal.grants.issue
    assert issue(risky.actor("fay"), agreement_id=agreement.id, label="A study", scope=scope).active_on(risky.clock())
    tame = scope_of(risky, agreement, checkpoints=TAME)
    assert issue(risky.actor("ada"), agreement_id=agreement.id, label="A study", scope=tame).active_on(risky.clock())


def test_where_the_operator_does_not_ask_for_it_one_issues_what_was_signed(world: World) -> None:
    world.checkpoint("ladder-l")
    second_coordinator(world)
    grant = world.portal.grants.issue(world.actor("ada"), agreement_id=world.agreement().id, label="A study")
    assert grant.scope is not None
    assert grant.scope.names("ladder-l")


def test_a_lab_of_one_coordinator_opens_what_it_signed(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = world.portal.grants.issue(world.actor("ada"), agreement_id=world.agreement().id, label="A study")
    assert grant.scope is not None
    assert grant.scope.names("ladder-l")


def test_a_grant_does_not_grow_into_high_risk_by_one_hand(risky: World) -> None:
    agreement = risky.agreement()
    ada, fay, grants = risky.actor("ada"), risky.actor("fay"), risky.portal.grants
    tame, wider = scope_of(risky, agreement, checkpoints=TAME), scope_of(risky, agreement, checkpoints=NAMED | TAME)
    grant = grants.issue(ada, agreement_id=agreement.id, label="A study", scope=tame)
    with pytest.raises(Conflict) as refusal:
        grants.extend(ada, grant.id, scope=wider, reason="the larger size too")
    assert refusal.value.code == "second_person_needed"
    assert grants.extend(fay, grant.id, scope=wider, reason="the larger size too").scope == wider
    longer = wider.model_copy(update={"token_budget": wider.token_budget + 1})
    assert grants.extend(ada, grant.id, scope=longer, reason="nothing riskier than before").scope == longer


def _asked(world: World) -> RequestView:
    view = submitted(world, checkpoints=NAMED)
    assert view.approvals_needed == 2
    return view


def test_the_word_of_a_coordinator_who_is_gone_opens_nothing(risky: World) -> None:
    service, ada, fay = risky.portal.access_requests, risky.actor("ada"), risky.actor("fay")
    view = _asked(risky)
    assert service.approve(fay, view.request.id).approved_by == (fay.person_id,)
    risky.portal.people.deactivate(ada, fay.person_id, reason="the account was taken over")
    after = service.approve(ada, view.request.id)
    assert (after.status, after.request.granted) == (RequestStatus.SUBMITTED, None)
    assert after.approved_by == (ada.person_id,)
    assert [one.by_name for one in after.request.approvals] == ["Fay", "Ada"]
    risky.portal.people.reactivate(ada, fay.person_id, reason="the account is hers again")
    assert service.approve(ada, view.request.id).status is RequestStatus.APPROVED


def test_an_alternative_of_a_coordinator_who_is_gone_awaits_another_ones_word(risky: World) -> None:
    service, ada, fay, cleo = risky.portal.access_requests, *map(risky.actor, ("ada", "fay", "cleo"))
    view = submitted(risky, checkpoints=TAME)
    assert view.terms is not None
    less = view.terms.scope.model_copy(update={"token_budget": 10})
    service.offer(fay, view.request.id, scope=less, reason=REASON)
    risky.portal.people.deactivate(ada, fay.person_id, reason="the account was taken over")
    after = service.accept(cleo, view.request.id, 1)
    assert (after.status, after.request.granted, after.deciders) == (RequestStatus.SUBMITTED, None, ("Ada",))
    assert service.complete(view.request.id) is False
    done = service.approve(ada, view.request.id, expected=less)
    assert done.request.granted is not None
    assert done.request.granted.scope == less


def test_what_an_amendment_took_away_meanwhile_is_not_approved(world: World) -> None:
    service, agreements = world.portal.access_requests, world.portal.agreements
    ada, ben = world.actor("ada"), world.actor("ben")
    view = submitted(world)
    agreement = agreements.get(ada, view.request.draft.agreement_id)
    less = tuple(
        clause.model_copy(update={"token_budget": 1}) if clause.kind == "usage_limits" else clause
        for clause in agreement.clauses
    )
    agreements.propose(ada, agreement.id, change=Change.AMENDMENT, clauses=less)
    offered = agreements.offer(ada, agreement.id)
    digest = offered.versions[-1].digest or ""
    for who in (ben, ada):
        agreements.sign(who, agreement.id, typed_name=who.name, document_digest=digest)
    with pytest.raises(ConcordatError) as refusal:
        service.approve(ada, view.request.id)
    assert (refusal.value.code, refusal.value.param) == ("beyond_agreement", "token_budget")


def test_two_coordinators_who_decide_at_once_issue_one_grant(risky: World) -> None:
    service = risky.portal.access_requests
    view = _asked(risky)

    def decide(who: str) -> None:
        with suppress(Conflict):
            service.approve(risky.actor(who), view.request.id)

    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(decide, ["ada", "fay"] * 4))
    done = service.get(risky.actor("ada"), view.request.id)
    assert done.status is RequestStatus.APPROVED
    assert {one.by_name for one in done.request.approvals} == {"Ada", "Fay"}
    assert len(risky.portal.grants.list(risky.actor("ada"))) == 1
