"""Access requests on a real portal: what is checked, who decides, and the grant that comes of it."""

import pytest

from agreements.access_requests import Act, Draft, MarkRule, RequestStatus
from agreements.agreement import AgreementStatus
from agreements.clauses import SuspensionReason
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from agreements.grants import Holder, HolderKind
from agreements.scopes import Operation
from portal.services.request_views import RequestView
from tests.portal.services.request_world import END, REASON, draft, opened, second_coordinator, submitted
from tests.portal.services.world import PURPOSE, World, ask


def risky(world: World, who: str = "cleo") -> RequestView:
    """A request that names a withheld checkpoint, which the agreement allows."""
    agreement = world.agreement()
    world.checkpoint("ladder-l")
    view = world.portal.access_requests.open(world.actor(who), content=draft(world, agreement))
    return world.portal.access_requests.submit(world.actor(who), view.request.id)


def agreed_to(world: World) -> RequestView:
    """A request to which the lab offered an alternative."""
    view = submitted(world)
    terms = view.terms
    assert terms is not None
    scope = terms.scope.model_copy(update={"token_budget": 500})
    return world.portal.access_requests.offer(world.actor("ada"), view.request.id, scope=scope, reason=REASON)


def refusal_of(call: object, *args: object, **kwargs: object) -> ConcordatError:
    assert callable(call)
    with pytest.raises(ConcordatError) as refusal:
        call(*args, **kwargs)
    return refusal.value


# ---- from a draft to a grant -----------------------------------------------------------------------------------------


def test_a_draft_is_saved_as_it_is_typed_and_is_there_after_a_restart(world: World) -> None:
    service, cleo = world.portal.access_requests, world.actor("cleo")
    view = service.open(cleo)
    assert view.request.institution_id == "north"
    service.save(cleo, view.request.id, Draft(title="Bi"))
    size = world.size
    service.save(cleo, view.request.id, Draft(title="Bi"))
    assert world.size == size
    world.reopen()
    again = world.portal.access_requests.get(world.actor("cleo"), view.request.id)
    assert (again.request.draft.title, again.status) == ("Bi", RequestStatus.DRAFT)
    assert world.portal.access_requests.list(world.actor("ben")) == ()


def test_an_approved_request_opens_what_was_asked_for_and_the_grant_names_it(world: World) -> None:
    view = submitted(world)
    assert view.deciders == ("Ada",)
    assert view.due_at is not None
    done = world.portal.access_requests.approve(world.actor("ada"), view.request.id)
    assert done.request.granted is not None
    grant = world.portal.grants.get(world.actor("cleo"), done.request.granted.grant_id).grant
    assert (grant.request_id, grant.label) == (view.request.id, "Bias in the larger sizes")
    assert grant.scope is not None
    assert (grant.scope.token_budget, grant.scope.expires_at) == (1_000, END)
    world.reopen()
    assert world.portal.log.verify(world.actor("ada")).ok


def test_what_a_named_person_asked_for_is_theirs_alone(world: World) -> None:
    cleo = world.people["cleo"]
    view = submitted(world, holder=Holder(kind=HolderKind.PERSON, id=cleo.id))
    assert view.holder_name == "Cleo"
    done = world.portal.access_requests.approve(world.actor("ada"), view.request.id)
    granted = done.request.granted
    assert granted is not None
    root = world.portal.grants.get(world.actor("ben"), granted.grant_id).grant
    child = world.portal.grants.get(world.actor("cleo"), granted.delegated_id).grant
    assert (root.delegated_only, root.children) == (True, (child.id,))
    assert (child.parent_id, child.holder.id, child.request_id) == (root.id, cleo.id, view.request.id)
    usable = [held.grant.id for held in world.portal.grants.usable_by(world.actor("cleo"))]
    assert child.id in usable


def test_the_grant_of_a_named_person_runs(world: World) -> None:
    agreement = world.agreement()
    world.checkpoint("ladder-l")
    cleo = world.actor("cleo")
    holder = Holder(kind=HolderKind.PERSON, id=cleo.person_id)
    second_coordinator(world)
    service = world.portal.access_requests
    view = service.open(cleo, content=draft(world, agreement, holder=holder))
    service.submit(cleo, view.request.id)
    service.approve(world.actor("ada"), view.request.id)
    service.approve(world.actor("fay"), view.request.id)
    run = world.portal.runs.begin(cleo, "ladder-l", ask(), purpose=PURPOSE)
    granted = service.get(cleo, view.request.id).request.granted
    assert granted is not None
    assert run.terms.grant_id == granted.delegated_id


def test_an_approval_sent_again_changes_nothing(world: World) -> None:
    second_coordinator(world)
    service, ada, fay = world.portal.access_requests, world.actor("ada"), world.actor("fay")
    view = risky(world)
    service.approve(ada, view.request.id, idempotency_key="first-word-1")
    service.approve(ada, view.request.id, idempotency_key="first-word-1")
    service.approve(fay, view.request.id, idempotency_key="second-word-1")
    size = world.size
    for who, key in ((ada, "first-word-1"), (fay, "second-word-1")):
        again = service.approve(who, view.request.id, idempotency_key=key)
        assert again.status is RequestStatus.APPROVED
    assert world.size == size


def test_what_others_draft_is_in_the_log_as_hashes(world: World) -> None:
    log, ada, cleo = world.portal.log, world.actor("ada"), world.actor("cleo")
    view = opened(world)
    stream = f"access_request/{view.request.id}"
    assert log.entries(ada, stream=stream) == ()
    [line] = log.entries(cleo, stream=stream)
    assert isinstance(refusal_of(log.evidence, ada, line.position), NotFound)
    world.portal.access_requests.submit(cleo, view.request.id)
    assert [line.type for line in log.entries(ada, stream=stream)] == ["access_request:submitted"]
    assert isinstance(refusal_of(log.evidence, ada, line.position), NotFound)
    assert log.evidence(cleo, line.position).entry


# ---- what is missing -------------------------------------------------------------------------------------------------


def test_the_checklist_says_what_is_there_and_who_clears_the_rest(world: World) -> None:
    service, cleo = world.portal.access_requests, world.actor("cleo")
    view = service.open(cleo)
    empty = service.checklist(cleo, view.request.id)
    assert [line.code for line in empty.lines] == ["no_agreement"]
    assert not empty.ready
    full = service.checklist(cleo, opened(world).request.id)
    assert full.ready
    codes = [line.code for line in full.lines]
    assert codes[:2] == ["agreement_not_in_force", "not_signed"]
    assert {"duties_overdue", "purpose_not_permitted"} <= set(codes)
    assert (full.period, full.deciders) == ("10 working days", ("Ada",))


def test_nothing_is_submitted_under_an_agreement_that_is_suspended_and_nothing_is_approved(world: World) -> None:
    service, ada, cleo = world.portal.access_requests, world.actor("ada"), world.actor("cleo")
    draft_view, waiting = opened(world), submitted(world)
    for view in (draft_view, waiting):
        world.portal.agreements.suspend(
            ada,
            view.request.draft.agreement_id,
            reason=SuspensionReason.SECURITY_INCIDENT,
            statement="Keys were found in a public repository.",
        )
    agreement = world.portal.agreements.get(cleo, draft_view.request.draft.agreement_id)
    assert agreement.status_on(world.clock()) is AgreementStatus.SUSPENDED
    for call, who, view in ((service.submit, cleo, draft_view), (service.approve, ada, waiting)):
        refusal = refusal_of(call, who, view.request.id)
        assert (type(refusal), refusal.code) == (Conflict, "agreement_not_in_force")
    lines = {line.code: line for line in service.checklist(cleo, draft_view.request.id).lines}
    assert not lines["agreement_not_in_force"].met


def test_a_purpose_that_the_agreement_lacks_and_a_stranger_as_holder_are_named(world: World) -> None:
    service, cleo = world.portal.access_requests, world.actor("cleo")
    wrong = opened(world, purposes=frozenset({"advertising"}))
    assert refusal_of(service.submit, cleo, wrong.request.id).code == "purpose_not_permitted"
    dan = world.people["dan"]
    stranger = opened(world, holder=Holder(kind=HolderKind.PERSON, id=dan.id))
    assert refusal_of(service.submit, cleo, stranger.request.id).code == "holder_not_of_institution"
    shown = " ".join(line.message + line.label for line in service.checklist(cleo, stranger.request.id).lines)
    assert "Dan" not in shown
    assert stranger.holder_name == dan.id


def test_an_agreement_of_others_and_hidden_characters_do_not_get_into_a_draft(world: World) -> None:
    service, cleo = world.portal.access_requests, world.actor("cleo")
    theirs = world.agreement("south")
    refusal = refusal_of(service.open, cleo, content=Draft(agreement_id=theirs.id))
    assert isinstance(refusal, NotFound)
    assert refusal_of(service.open, cleo, content=Draft(title="a\u202eb")).code == "bad_input"


# ---- who may ---------------------------------------------------------------------------------------------------------


def test_only_those_who_ask_and_those_who_decide_come_near_a_request(world: World) -> None:
    service = world.portal.access_requests
    for name in ("nina", "rae", "ada", "eve"):
        assert refusal_of(service.open, world.actor(name)).code == "not_asker"
    view = opened(world)
    for name in ("ben", "ada", "dan", "rae"):
        assert isinstance(refusal_of(service.get, world.actor(name), view.request.id), NotFound)
        assert isinstance(refusal_of(service.save, world.actor(name), view.request.id, Draft()), NotFound)
    request_id = service.submit(world.actor("cleo"), view.request.id).request.id
    for name in ("dan", "rae", "eve"):
        for call in (service.get, service.checklist, service.background, service.withdraw, service.approve):
            assert isinstance(refusal_of(call, world.actor(name), request_id), NotFound)
    for name in ("ben", "cleo", "nina"):
        assert isinstance(refusal_of(service.approve, world.actor(name), request_id), Forbidden)
        refusal = refusal_of(service.refuse, world.actor(name), request_id, reason=REASON)
        assert refusal.code == "not_coordinator"
    assert isinstance(refusal_of(service.withdraw, world.actor("nina"), request_id), Forbidden)
    assert [one.request.id for one in service.list(world.actor("ada"))] == [request_id]


def test_each_sees_what_waits_for_their_word(world: World) -> None:
    service = world.portal.access_requests
    view = submitted(world)
    assert [one.request.id for one in service.waiting_for(world.actor("ada"))] == [view.request.id]
    assert service.waiting_for(world.actor("cleo")) == ()
    assert view.may == (Act.WITHDRAW,)
    assert view.terms is not None
    scope = view.terms.scope.model_copy(update={"token_budget": 10})
    service.offer(world.actor("ada"), view.request.id, scope=scope, reason=REASON)
    for name in ("cleo", "ben"):
        assert [one.request.id for one in service.waiting_for(world.actor(name))] == [view.request.id]
    assert service.waiting_for(world.actor("ada")) == ()


# ---- deciding --------------------------------------------------------------------------------------------------------


def test_high_risk_takes_two_coordinators_and_both_are_on_record(world: World) -> None:
    second_coordinator(world)
    service, ada, fay = world.portal.access_requests, world.actor("ada"), world.actor("fay")
    view = risky(world)
    assert ([mark.rule for mark in view.marks], view.approvals_needed) == ([MarkRule.STAGE], 2)
    first = service.approve(ada, view.request.id, note="Fine by me.")
    assert (first.status, first.request.granted) == (RequestStatus.SUBMITTED, None)
    assert service.waiting_for(ada) == ()
    assert [one.request.id for one in service.waiting_for(fay)] == [view.request.id]
    assert refusal_of(service.approve, ada, view.request.id).code == "second_person_needed"
    done = service.approve(fay, view.request.id)
    assert done.status is RequestStatus.APPROVED
    assert [approval.by_name for approval in done.request.approvals] == ["Ada", "Fay"]


def test_what_is_beyond_the_agreement_is_not_approved_and_an_alternative_is_suggested(world: World) -> None:
    service, ada = world.portal.access_requests, world.actor("ada")
    view = submitted(world, operations=frozenset({Operation.GENERATE, Operation.FINE_TUNE}), token_budget=10**11)
    refusal = refusal_of(service.approve, ada, view.request.id)
    assert (type(refusal), refusal.code) == (Invalid, "beyond_agreement")
    found = service.background(ada, view.request.id).comparison
    assert found is not None
    assert {line.dimension for line in found.lines if line.beyond} == {"operations", "token_budget"}
    assert found.suggestion is not None
    offered = service.offer(ada, view.request.id, scope=found.suggestion, reason=REASON)
    assert offered.status is RequestStatus.AMENDED
    assert world.portal.access_requests.accept(world.actor("cleo"), view.request.id, 1).status is RequestStatus.APPROVED


def test_an_accepted_alternative_is_open_at_once_and_the_rule_is_named(world: World) -> None:
    view = agreed_to(world)
    done = world.portal.access_requests.accept(world.actor("cleo"), view.request.id, 1)
    assert done.request.granted is not None
    assert done.request.granted.by_id == "auto:access-requests"
    grant = world.portal.grants.get(world.actor("cleo"), done.request.granted.grant_id).grant
    assert grant.scope is not None
    assert (grant.scope.token_budget, grant.issued_by) == (500, "auto:access-requests")


def test_a_risky_alternative_that_is_accepted_awaits_the_second_coordinator(world: World) -> None:
    second_coordinator(world)
    service, ada, fay, cleo = world.portal.access_requests, *map(world.actor, ("ada", "fay", "cleo"))
    view = risky(world)
    service.approve(fay, view.request.id)
    assert view.terms is not None
    scope = view.terms.scope.model_copy(update={"token_budget": 10})
    service.offer(ada, view.request.id, scope=scope, reason=REASON)
    after = service.accept(cleo, view.request.id, 1)
    assert (after.status, after.request.granted) == (RequestStatus.SUBMITTED, None)
    assert [approval.by_name for approval in after.request.approvals] == ["Ada"]
    assert service.approve(fay, view.request.id, expected=scope).status is RequestStatus.APPROVED


def test_a_coordinator_approves_what_they_looked_at_or_nothing(world: World) -> None:
    service, ada, cleo = world.portal.access_requests, world.actor("ada"), world.actor("cleo")
    view = agreed_to(world)
    service.decline(cleo, view.request.id, 1, reason="Half of it does not carry the study.")
    assert view.terms is not None
    refusal = refusal_of(service.approve, ada, view.request.id, expected=view.terms.scope)
    assert refusal.code == "request_changed"
    assert service.approve(ada, view.request.id).status is RequestStatus.APPROVED


def test_a_refusal_has_a_reason_and_the_request_begins_anew_as_a_copy(world: World) -> None:
    service, ada, cleo = world.portal.access_requests, world.actor("ada"), world.actor("cleo")
    view = submitted(world)
    assert refusal_of(service.refuse, ada, view.request.id, reason="No.").code == "bad_input"
    done = service.refuse(ada, view.request.id, reason="The use is covered by another grant already.")
    assert done.status is RequestStatus.REFUSED
    copy = service.open(cleo, copy_of=view.request.id)
    assert (copy.request.copied_from, copy.request.draft) == (view.request.id, view.request.draft)
    again = service.submit(cleo, copy.request.id)
    earlier = service.background(ada, again.request.id).earlier
    assert [(one.request_id, one.status) for one in earlier] == [(view.request.id, RequestStatus.REFUSED)]


def test_a_withdrawn_request_is_over(world: World) -> None:
    service, ben = world.portal.access_requests, world.actor("ben")
    view = submitted(world)
    assert service.withdraw(ben, view.request.id, reason="Not needed any more.").status is RequestStatus.WITHDRAWN
    assert refusal_of(service.approve, world.actor("ada"), view.request.id).code == "wrong_request_status"


# ---- the clock -------------------------------------------------------------------------------------------------------


def inbox(world: World, who: str) -> list[str]:
    return [notice.kind for notice in world.portal.notices.inbox(world.actor(who)) if "access_request" in notice.kind]


def test_everybody_concerned_is_told_once(world: World) -> None:
    second_coordinator(world)
    service = world.portal.access_requests
    view = risky(world)
    world.portal.clockwork.carry_out()
    assert (inbox(world, "ada"), inbox(world, "cleo")) == (["access_request.submitted"], [])
    service.approve(world.actor("ada"), view.request.id)
    world.portal.clockwork.carry_out()
    world.clock.advance(days=15)
    world.portal.clockwork.carry_out()
    world.portal.clockwork.carry_out()
    assert sorted(inbox(world, "fay")) == [
        "access_request.overdue",
        "access_request.second",
        "access_request.submitted",
    ]
    assert inbox(world, "cleo") == ["access_request.overdue"]
    assert service.get(world.actor("cleo"), view.request.id).overdue
    service.approve(world.actor("fay"), view.request.id)
    world.portal.clockwork.carry_out()
    for who in ("cleo", "ben"):
        assert sorted(inbox(world, who)) == ["access_request.approved", "access_request.overdue"]
    assert inbox(world, "dan") == []


def test_an_unanswered_alternative_lapses_by_the_clock(world: World) -> None:
    view = agreed_to(world)
    world.clock.advance(days=30)
    ticked = world.portal.clockwork.carry_out()
    assert (ticked.requests_lapsed, ticked.failed) == (1, ())
    after = world.portal.access_requests.get(world.actor("cleo"), view.request.id)
    assert (after.status, after.request.lapsed is not None) == (RequestStatus.LAPSED, True)
    assert world.portal.clockwork.carry_out().requests_lapsed == 0


def test_what_was_agreed_while_access_was_suspended_is_issued_when_it_goes_on(world: World) -> None:
    ada, cleo = world.actor("ada"), world.actor("cleo")
    view = agreed_to(world)
    agreement_id = view.request.draft.agreement_id
    world.portal.agreements.suspend(
        ada,
        agreement_id,
        reason=SuspensionReason.SECURITY_INCIDENT,
        statement="Keys were found in a public repository.",
    )
    after = world.portal.access_requests.accept(cleo, view.request.id, 1)
    assert (after.status, after.request.granted) == (RequestStatus.SUBMITTED, None)
    assert world.portal.clockwork.carry_out().failed == (view.request.id,)
    number = world.portal.agreements.get(ada, agreement_id).open_suspensions[0].number
    world.portal.agreements.lift(ada, agreement_id, number=number, reason="The keys are revoked.")
    ticked = world.portal.clockwork.carry_out()
    assert (ticked.requests_granted, ticked.failed) == (1, ())


def test_a_request_ends_with_its_agreement(world: World) -> None:
    view = submitted(world)
    world.portal.agreements.terminate(
        world.actor("ada"), view.request.draft.agreement_id, reason="The study is over, both sides agree."
    )
    world.clock.advance(days=1)
    assert world.portal.clockwork.carry_out().requests_lapsed == 1
    after = world.portal.access_requests.get(world.actor("cleo"), view.request.id)
    assert "ended on" in after.says
    assert after.due_at is None
