"""Access requests: who asks, who decides, what is high risk, and that two people agree to the same terms."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agreements.access_requests import (
    ACCESS_REQUEST,
    AcceptAlternative,
    AccessRequest,
    Act,
    ApproveRequest,
    Blocker,
    CheckpointFacts,
    DecisionPeriod,
    DeclineAlternative,
    Draft,
    GrantAgreed,
    LapseRequest,
    Mark,
    MarkRule,
    OfferAlternative,
    OpenRequest,
    RefuseRequest,
    RequestCommand,
    RequestStatus,
    RiskPolicy,
    SaveDraft,
    SubmitRequest,
    WithdrawRequest,
    acts_on,
    compared,
    differences,
    marks_of,
    says,
    sees,
)
from agreements.access_requests import said as dimensions
from agreements.actors import LAB, Actor, Role
from agreements.bounds import Bounds, UseBound
from agreements.errors import ConcordatError, Conflict, Fixer, Forbidden, Invalid, NotFound
from agreements.grants import GRANT, Holder, HolderKind, IssueGrant
from agreements.limits import Period, PeriodBudget, Sampling
from agreements.scopes import Operation, Scope, excesses
from tests.agreements.parties import COORDINATOR, LEAD, MEMBER, OUTSIDER, PARTNER, person

ASKED_AT = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)  # a Friday
END = ASKED_AT + timedelta(days=90)
PERIOD = DecisionPeriod(days=3)
SECOND = person("second", (LAB, Role.COORDINATOR))
OBSERVER = person("olga", (PARTNER, Role.OBSERVER))
CLOCK = Actor.automatic("access-requests")
REASON = "Half of it is enough for a first look."
RISK = (Mark(rule=MarkRule.STAGE, says="ladder-xl is withheld"),)
BLOCKER = Blocker(code="agreement_not_in_force", message="It is not.", hint="Sign.", fixer=Fixer.LEAD)
SCOPE = Scope(
    checkpoints=frozenset({"ladder/*"}),
    operations=frozenset({Operation.GENERATE, Operation.SCORE}),
    purposes=frozenset({"bias-analysis"}),
    token_budget=100_000,
    requests_per_minute=60,
    expires_at=END,
)
HALF = SCOPE.model_copy(update={"token_budget": 50_000})
BOUNDS = Bounds(scope=SCOPE)


def draft(**changes: Any) -> Draft:
    fields: dict[str, Any] = {
        "title": "Bias in the larger sizes",
        "agreement_id": "agr_test",
        "intended_use": "Scores of minimal pairs, published with the code.",
        **{name: getattr(SCOPE, name) for name in ("checkpoints", "operations", "purposes")},
        **{name: getattr(SCOPE, name) for name in ("token_budget", "requests_per_minute", "expires_at")},
    }
    return Draft(**{**fields, **changes})


def opening(content: Draft | None = None) -> OpenRequest:
    return OpenRequest(
        request_id="req_test",
        institution_id=PARTNER,
        institution_name="North University",
        reserved_grant_id="grt_root",
        reserved_child_id="grt_child",
        content=content or draft(),
    )


def do(state: AccessRequest, command: RequestCommand, actor: Actor, now: datetime = ASKED_AT) -> AccessRequest:
    return ACCESS_REQUEST.fold(ACCESS_REQUEST.decide(state, command, actor, now), state)


def submit(state: AccessRequest, marks: tuple[Mark, ...] = (), blockers: tuple[Blocker, ...] = ()) -> AccessRequest:
    command = SubmitRequest(content=state.draft, blockers=blockers, marks=marks, period=PERIOD)
    return do(state, command, MEMBER)


def drafted(**changes: Any) -> AccessRequest:
    return do(ACCESS_REQUEST.initial, opening(draft(**changes)), MEMBER)


def submitted(marks: tuple[Mark, ...] = (), **changes: Any) -> AccessRequest:
    return submit(drafted(**changes), marks)


def approval(state: AccessRequest, marks: tuple[Mark, ...] = (), *, opens: bool | None = None) -> ApproveRequest:
    assert state.terms is not None
    last_word = len(state.approvals) + 1 >= (2 if marks else 1)
    return ApproveRequest(
        scope=state.terms.scope, blockers=(), marks=marks, opens=last_word if opens is None else opens
    )


def offering(scope: Scope = HALF, marks: tuple[Mark, ...] = ()) -> OfferAlternative:
    return OfferAlternative(scope=scope, reason=REASON, bounds=BOUNDS, marks=marks, answer_days=14)


def offered(marks: tuple[Mark, ...] = ()) -> AccessRequest:
    return do(submitted(marks), offering(marks=marks), COORDINATOR)


def accepted(marks: tuple[Mark, ...] = ()) -> AccessRequest:
    return do(offered(marks), AcceptAlternative(number=1, period=PERIOD), MEMBER)


def refused(state: AccessRequest, command: RequestCommand, actor: Actor, now: datetime = ASKED_AT) -> ConcordatError:
    with pytest.raises(ConcordatError) as refusal:
        ACCESS_REQUEST.decide(state, command, actor, now)
    return refusal.value


# ---- from a draft to a grant -----------------------------------------------------------------------------------------


def test_a_draft_is_kept_as_it_is_typed_and_an_unchanged_one_is_not_kept_twice() -> None:
    state = do(ACCESS_REQUEST.initial, opening(Draft()), MEMBER)
    assert [gap.field for gap in state.draft.gaps()][:2] == ["agreement_id", "title"]
    state = do(state, SaveDraft(content=Draft(title="Bi")), MEMBER)
    assert state.draft.title == "Bi"
    assert ACCESS_REQUEST.decide(state, SaveDraft(content=Draft(title="Bi")), MEMBER, ASKED_AT) == []


def test_what_is_submitted_is_decided_by_a_named_day_and_approved_with_a_grant() -> None:
    state = submitted()
    assert (state.status, state.decide_by) == (RequestStatus.SUBMITTED, ASKED_AT + timedelta(days=5))
    assert says(state, ASKED_AT) == "a coordinator decides until 25 November 2026, 09:00 UTC"
    state = do(state, approval(state), COORDINATOR)
    assert state.status is RequestStatus.APPROVED
    assert state.granted is not None
    assert (state.granted.grant_id, state.granted.delegated_id) == ("grt_root", "")
    assert refused(state, approval(state), COORDINATOR).code == "wrong_request_status"


def test_what_a_person_asks_for_themselves_is_delegated_to_them() -> None:
    state = submitted(holder=Holder(kind=HolderKind.PERSON, id="per_cleo"))
    state = do(state, approval(state), COORDINATOR)
    assert state.granted is not None
    assert state.granted.delegated_id == "grt_child"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", "  a "),
        ("agreement_id", ""),
        ("checkpoints", frozenset()),
        ("operations", frozenset()),
        ("purposes", frozenset()),
        ("intended_use", "Science."),
        ("token_budget", None),
        ("requests_per_minute", None),
        ("expires_at", None),
    ],
)
def test_an_incomplete_draft_is_not_submitted_and_the_field_is_named(field: str, value: object) -> None:
    state = drafted(**{field: value})
    command = SubmitRequest(content=state.draft, blockers=(), marks=(), period=PERIOD)
    refusal = refused(state, command, MEMBER)
    assert (refusal.code, refusal.param) == ("incomplete_request", field)


def test_a_missing_prerequisite_is_named_by_its_code() -> None:
    state = drafted()
    command = SubmitRequest(content=state.draft, blockers=(BLOCKER,), marks=(), period=PERIOD)
    refusal = refused(state, command, MEMBER)
    assert (type(refusal), refusal.code, refusal.fixer) == (Conflict, "agreement_not_in_force", Fixer.LEAD)
    waiting = submitted()
    blocked = approval(waiting).model_copy(update={"blockers": (BLOCKER,)})
    assert refused(waiting, blocked, COORDINATOR).code == "agreement_not_in_force"


def test_what_would_be_over_already_and_what_changed_meanwhile_is_not_submitted() -> None:
    state = drafted(expires_at=ASKED_AT)
    command = SubmitRequest(content=state.draft, blockers=(), marks=(), period=PERIOD)
    assert refused(state, command, MEMBER).code == "already_expired"
    other = SubmitRequest(content=draft(title="Another"), blockers=(), marks=(), period=PERIOD)
    assert refused(drafted(), other, MEMBER).code == "draft_changed"


# ---- who may ---------------------------------------------------------------------------------------------------------


def test_leads_and_members_ask_and_nobody_else() -> None:
    assert do(ACCESS_REQUEST.initial, opening(), LEAD).requester_id == LEAD.person_id
    for stranger in (COORDINATOR, OUTSIDER, OBSERVER):
        assert refused(ACCESS_REQUEST.initial, opening(), stranger).code == "not_asker"
    token = MEMBER.model_copy(update={"grant_id": "grt_1"})
    assert refused(ACCESS_REQUEST.initial, opening(), token).code == "token_opens_only"


def test_a_draft_is_its_authors_alone_and_a_request_both_sides() -> None:
    state = drafted()
    assert [sees(state, who) for who in (MEMBER, LEAD, COORDINATOR, OUTSIDER)] == [True, False, False, False]
    assert refused(state, WithdrawRequest(), LEAD).code == "not_the_requester"
    state = submit(state)
    assert [sees(state, who) for who in (MEMBER, LEAD, COORDINATOR, OUTSIDER)] == [True, True, True, False]
    assert not sees(state, MEMBER.model_copy(update={"program": True}))


def test_nobody_decides_on_what_they_asked_for_or_would_hold() -> None:
    both = MEMBER.model_copy(update={"memberships": (*MEMBER.memberships, *COORDINATOR.memberships)})
    state = submitted()
    for command in (approval(state), offering(), RefuseRequest(reason=REASON)):
        refusal = refused(state, command, both)
        assert (type(refusal), refusal.code) == (Forbidden, "own_request")
        assert refused(state, command, LEAD).code == "not_coordinator"
    theirs = submitted(holder=Holder(kind=HolderKind.PERSON, id=COORDINATOR.person_id))
    assert refused(theirs, approval(theirs), COORDINATOR).code == "own_request"
    assert acts_on(state, both, ASKED_AT) == {Act.WITHDRAW}


def test_rules_alone_lapse_requests_and_issue_what_was_agreed() -> None:
    state = submitted()
    assert refused(state, LapseRequest(reason="over"), COORDINATOR).code == "rules_only"
    assert refused(state, GrantAgreed(scope=SCOPE, blockers=(), marks=()), COORDINATOR).code == "rules_only"
    assert refused(state, GrantAgreed(scope=SCOPE, blockers=(), marks=()), CLOCK).code == "not_agreed"
    assert isinstance(refused(ACCESS_REQUEST.initial, WithdrawRequest(), MEMBER), NotFound)


def test_a_rule_issues_a_grant_only_in_answer_to_a_request() -> None:
    fields: dict[str, Any] = {
        "grant_id": "grt_root",
        "institution_id": PARTNER,
        "agreement_id": "agr_test",
        "agreement_digest": "sha256:" + "0" * 64,
        "label": "A study",
        "scope": SCOPE,
        "bounds": BOUNDS,
    }
    with pytest.raises(Forbidden, match="coordinator"):
        GRANT.decide(GRANT.initial, IssueGrant(**fields), CLOCK, ASKED_AT)
    child = {"child_id": "grt_child", "child_holder": Holder(kind=HolderKind.PERSON, id="per_cleo")}
    answer = IssueGrant(**fields, request_id="req_test", **child)
    grant = GRANT.fold(GRANT.decide(GRANT.initial, answer, CLOCK, ASKED_AT))
    assert (grant.request_id, grant.children, grant.tree_changes) == ("req_test", ("grt_child",), 1)
    with pytest.raises(Forbidden, match="coordinator"):
        GRANT.decide(GRANT.initial, answer, LEAD, ASKED_AT)
    nobody = answer.model_copy(update={"child_holder": Holder(kind=HolderKind.INSTITUTION, id=PARTNER)})
    with pytest.raises(Invalid, match="person or a program"):
        GRANT.decide(GRANT.initial, nobody, CLOCK, ASKED_AT)


# ---- two people ------------------------------------------------------------------------------------------------------


def test_high_risk_needs_two_coordinators_and_the_first_word_is_on_record() -> None:
    state = do(submitted(RISK), approval(submitted(RISK), RISK), COORDINATOR)
    assert (state.status, [one.by_id for one in state.approvals]) == (RequestStatus.SUBMITTED, [COORDINATOR.person_id])
    assert "awaits another coordinator" in says(state, ASKED_AT)
    refusal = refused(state, approval(state, RISK), COORDINATOR)
    assert (refusal.code, "ladder-xl is withheld" in refusal.message) == ("second_person_needed", True)
    assert Act.APPROVE not in acts_on(state, COORDINATOR, ASKED_AT, RISK)
    state = do(state, approval(state, RISK), SECOND)
    assert state.status is RequestStatus.APPROVED


def test_an_approval_that_brings_no_grant_never_approves_and_one_that_brings_one_too_early_neither() -> None:
    state = submitted(RISK)
    first = do(state, approval(state, RISK), COORDINATOR)
    assert refused(first, approval(first, RISK, opens=False), SECOND).code == "request_changed"
    assert refused(state, approval(state, RISK, opens=True), SECOND).code == "request_changed"
    other = approval(state).model_copy(update={"scope": HALF})
    assert refused(state, other, COORDINATOR).code == "request_changed"


def test_another_offer_voids_what_was_agreed_to_before() -> None:
    state = submitted(RISK)
    state = do(state, approval(state, RISK), SECOND)
    state = do(state, offering(marks=RISK), COORDINATOR)
    assert [one.by_id for one in state.approvals] == [COORDINATOR.person_id]
    assert refused(state, approval(state, RISK), SECOND).code == "alternative_unanswered"
    state = do(state, AcceptAlternative(number=1, period=PERIOD), LEAD)
    assert state.status is RequestStatus.SUBMITTED
    assert refused(state, GrantAgreed(scope=HALF, blockers=(), marks=RISK), CLOCK).code == "not_agreed"
    state = do(state, approval(state, RISK), SECOND)
    assert state.granted is not None
    assert state.granted.scope == HALF


# ---- alternatives ----------------------------------------------------------------------------------------------------


def test_an_accepted_alternative_is_issued_by_a_rule() -> None:
    state = accepted()
    state = do(state, GrantAgreed(scope=HALF, blockers=(), marks=()), CLOCK)
    assert state.granted is not None
    assert (state.granted.scope, state.granted.by_id) == (HALF, CLOCK.person_id)


def test_a_declined_alternative_leaves_what_was_asked_and_a_new_period() -> None:
    later = ASKED_AT + timedelta(days=3)
    state = do(offered(), DeclineAlternative(number=1, reason=REASON, period=PERIOD), MEMBER, later)
    assert (state.status, state.approvals) == (RequestStatus.SUBMITTED, ())
    assert state.terms is not None
    assert (state.terms.scope, state.decide_by) == (SCOPE, PERIOD.end(later))


def test_alternatives_lie_within_the_agreement_and_change_something() -> None:
    wider = SCOPE.model_copy(update={"token_budget": 200_000})
    refusal = refused(submitted(), offering(wider), COORDINATOR)
    assert (type(refusal), refusal.code, refusal.param) == (Invalid, "beyond_agreement", "token_budget")
    assert refused(submitted(), offering(SCOPE), COORDINATOR).code == "nothing_changes"
    over = offering(SCOPE.model_copy(update={"expires_at": ASKED_AT}))
    assert refused(submitted(), over, COORDINATOR).code == "already_expired"


def test_only_the_alternative_on_the_table_is_answered_and_only_by_those_who_asked() -> None:
    state = do(offered(), offering(SCOPE.model_copy(update={"token_budget": 70_000})), COORDINATOR)
    assert refused(state, AcceptAlternative(number=1, period=PERIOD), MEMBER).code == "another_alternative"
    other = person("other", (PARTNER, Role.PARTNER_MEMBER))
    assert refused(state, AcceptAlternative(number=2, period=PERIOD), other).code == "not_the_requester"
    assert do(state, AcceptAlternative(number=2, period=PERIOD), LEAD).agreed is not None


def test_an_unanswered_alternative_lapses_and_the_rule_records_it() -> None:
    state, late = offered(), ASKED_AT + timedelta(days=14)
    assert state.status_on(late - timedelta(seconds=1)) is RequestStatus.AMENDED
    assert state.status_on(late) is RequestStatus.LAPSED
    accept = AcceptAlternative(number=1, period=PERIOD)
    assert refused(state, accept, MEMBER, late).code == "wrong_request_status"
    assert refused(state, LapseRequest(reason="early"), CLOCK).code == "not_lapsed"
    state = do(state, LapseRequest(reason="It was not answered."), CLOCK, late)
    assert (state.status, says(state, late)) == (RequestStatus.LAPSED, "lapsed: It was not answered")
    over = do(submitted(), LapseRequest(reason="The agreement ended.", agreement_over=True), CLOCK)
    assert over.status is RequestStatus.LAPSED


def test_what_nobody_decides_is_overdue_and_can_still_be_decided_until_it_would_be_over() -> None:
    state = submitted()
    late = ASKED_AT + timedelta(days=20)
    assert state.overdue_on(late)
    assert says(state, late).startswith("overdue: ")
    assert do(state, approval(state), COORDINATOR, late).status is RequestStatus.APPROVED
    assert state.status_on(END) is RequestStatus.LAPSED


def test_a_request_is_taken_back_until_it_is_decided() -> None:
    for state in (drafted(), submitted(), offered()):
        assert do(state, WithdrawRequest(), MEMBER).status is RequestStatus.WITHDRAWN
    no = do(submitted(), RefuseRequest(reason=REASON), COORDINATOR)
    assert no.refused is not None
    assert refused(no, WithdrawRequest(), MEMBER).code == "wrong_request_status"


# ---- whatever happens ------------------------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Anybody tries anything in any order: what is approved was agreed to by enough people, none of them interested."""

    @initialize(risky=st.booleans())
    def begin(self, risky: bool) -> None:
        self.marks = RISK if risky else ()
        self.now = ASKED_AT
        self.state = drafted()

    @rule(
        who=st.sampled_from([COORDINATOR, SECOND, LEAD, MEMBER, OUTSIDER, OBSERVER, CLOCK]),
        what=st.sampled_from(range(10)),
        days=st.integers(0, 6),
    )
    def move(self, who: Actor, what: int, days: int) -> None:
        self.now += timedelta(days=days)
        state = self.state
        scope = state.terms.scope if state.terms is not None else SCOPE
        number = len(state.offers)
        opens = state.complete_with(self.marks, who.person_id)
        commands: list[RequestCommand] = [
            SaveDraft(content=draft(title="Another title")),
            SubmitRequest(content=state.draft, blockers=(), marks=self.marks, period=PERIOD),
            ApproveRequest(scope=scope, blockers=(), marks=self.marks, opens=opens),
            GrantAgreed(scope=scope, blockers=(), marks=self.marks),
            offering(HALF if scope == SCOPE else SCOPE, self.marks),
            AcceptAlternative(number=number, period=PERIOD),
            DeclineAlternative(number=number, reason=REASON, period=PERIOD),
            RefuseRequest(reason=REASON),
            WithdrawRequest(reason="No."),
            LapseRequest(reason="It was not answered."),
        ]
        try:
            self.state = do(state, commands[what], who, self.now)
        except ConcordatError:
            return

    @invariant()
    def agreed_to_by_enough(self) -> None:
        state = getattr(self, "state", ACCESS_REQUEST.initial)
        if state.granted is None or state.terms is None:
            return
        deciders = {approval.by_id for approval in state.approvals}
        assert len(deciders) >= (2 if self.marks else 1)
        assert not deciders & state.interested_ids
        assert deciders <= {COORDINATOR.person_id, SECOND.person_id}
        assert state.granted.scope == state.terms.scope
        assert not excesses(state.granted.scope, BOUNDS.scope)

    @invariant()
    def acts_are_what_is_allowed(self) -> None:
        state = getattr(self, "state", None)
        if state is None or Act.WITHDRAW not in acts_on(state, MEMBER, self.now):
            return
        assert do(state, WithdrawRequest(), MEMBER, self.now).status is RequestStatus.WITHDRAWN


TestLife = Life.TestCase


# ---- risk, deadlines, comparison -------------------------------------------------------------------------------------


LADDER = (
    CheckpointFacts(id="ladder-s", family="ladder", stage="public", parameters=100),
    CheckpointFacts(id="ladder-xl", family="ladder", stage="withheld", parameters=1_000),
)


@pytest.mark.parametrize(
    ("changes", "policy", "rules"),
    [
        ({}, RiskPolicy(), []),
        ({"checkpoints": frozenset({"ladder-xl"})}, RiskPolicy(), [MarkRule.STAGE]),
        ({"operations": frozenset({Operation.FINE_TUNE})}, RiskPolicy(), [MarkRule.OPERATION]),
        ({}, RiskPolicy(parameters=1_000), [MarkRule.SIZE]),
        ({"checkpoints": frozenset({"ladder-s"})}, RiskPolicy(parameters=1_000), []),
        ({}, RiskPolicy(token_budget=100_000), [MarkRule.AMOUNT]),
        ({}, RiskPolicy(token_budget=100_001), []),
        ({"checkpoints": frozenset({"ladder-xl"})}, RiskPolicy(stages=frozenset()), []),
        ({}, RiskPolicy(stages=frozenset({"public"})), [MarkRule.STAGE]),
    ],
)
def test_the_policy_says_which_mark_fires(changes: dict[str, Any], policy: RiskPolicy, rules: list[MarkRule]) -> None:
    assert [mark.rule for mark in marks_of(SCOPE.model_copy(update=changes), LADDER, policy)] == rules


@given(days=st.integers(1, 60), offset=st.integers(0, 13), hour=st.integers(0, 23))
def test_working_days_end_on_one_and_hold_as_many(days: int, offset: int, hour: int) -> None:
    start = datetime(2026, 11, 16, hour, tzinfo=UTC) + timedelta(days=offset)
    end = DecisionPeriod(days=days).end(start)
    assert end.weekday() < 5
    between = (start + timedelta(days=number) for number in range(1, (end - start).days + 1))
    assert sum(day.weekday() < 5 for day in between) == days
    assert DecisionPeriod(days=days, working=False).end(start) == start + timedelta(days=days)


scopes = st.builds(
    Scope,
    checkpoints=st.frozensets(st.sampled_from(["ladder/*", "ladder-xl"]), min_size=1),
    operations=st.frozensets(st.sampled_from(list(Operation)), min_size=1),
    purposes=st.frozensets(st.sampled_from(["bias", "safety"]), min_size=1),
    token_budget=st.integers(1, 10**6),
    requests_per_minute=st.integers(1, 100),
    expires_at=st.sampled_from([END, END + timedelta(days=1)]),
    request_budget=st.none() | st.integers(1, 100),
    periods=st.sampled_from([(), (PeriodBudget(period=Period.DAY, tokens=10),)]),
    sampling=st.none() | st.builds(Sampling, max_tokens=st.integers(1, 100)),
    holder_bound=st.booleans(),
)


@given(asked=scopes, allowed=scopes)
def test_the_suggestion_lies_within_both_and_is_there_exactly_where_something_is_beyond(
    asked: Scope, allowed: Scope
) -> None:
    found = compared(asked, Bounds(scope=allowed))
    assert found.within == (not excesses(found.asked, allowed))
    if found.within:
        assert (found.suggestion, found.apart) == (None, "")
    elif found.suggestion is None:
        assert found.apart
    else:
        assert not excesses(found.suggestion, allowed)
        assert not excesses(found.suggestion, found.asked)


def test_an_offer_is_compared_with_what_was_asked_for_where_they_differ() -> None:
    weekly = (PeriodBudget(period=Period.WEEK, tokens=10_000),)
    offer = HALF.model_copy(update={"periods": weekly, "expires_at": END + timedelta(days=1)})
    assert [(line.dimension, line.beyond) for line in differences(SCOPE, offer)] == [
        ("token_budget", "less"),
        ("periods", "less"),
        ("expires_at", ""),
    ]
    assert differences(SCOPE, SCOPE) == ()
    assert [label for label, _text in dimensions(offer)][-2:] == ["Per period", "Until"]


def test_the_comparison_says_what_a_purpose_leaves_out() -> None:
    use = UseBound(
        purpose="bias-analysis",
        checkpoints=SCOPE.checkpoints,
        operations=frozenset({Operation.SCORE}),
        token_budget=10,
        requests_per_minute=None,
    )
    found = compared(SCOPE, Bounds(scope=SCOPE, uses=(use,)))
    assert [(note.says, note.closed) for note in found.uses] == [
        ("not the operation generate, at most 10 tokens", False)
    ]
    elsewhere = use.model_copy(update={"checkpoints": frozenset({"ladder-xl"})})
    (note,) = compared(SCOPE, Bounds(scope=SCOPE, uses=(elsewhere,))).uses
    assert (note.says, note.closed) == ("it allows only score on ladder-xl", True)
    shares = {line.dimension: line.share for line in found.lines}
    assert (shares["token_budget"], shares["checkpoints"]) == (1.0, None)
