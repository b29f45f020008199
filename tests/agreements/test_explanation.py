"""An explanation is the decision told step by step: the same answer, and each step as its condition has it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agreements.access import (
    Allowed,
    AskedSampling,
    Basis,
    Denied,
    Held,
    Question,
    Subject,
    decide_access,
)
from agreements.access.case import Case as AccessCase
from agreements.access.conditions import CONDITIONS, FIRST_LIMIT
from agreements.access.explanation import Explanation, StepState, ahead_of, explain_access
from agreements.access.grounds import GROUNDS
from agreements.access.sources import SourceKind, of_draw
from agreements.actors import LAB, Actor, Membership, Role, TokenBounds
from agreements.grants import GrantStatus, GrantSuspension, Holder, HolderKind
from agreements.limits import Hours, Sampling
from agreements.narrowing import Narrowing
from agreements.scopes import Operation
from tests.agreements.parties import NOW, PARTNER
from tests.agreements.test_access_under_agreements import USUAL, Case, Facts, cases

Asked = tuple[Actor, Subject, Question, Sequence[Held], datetime]

LIMITED = Sampling(max_tokens=10, max_temperature=1.0)
BY_NIGHT = Hours(opens="00:00", closes="06:00", zone="UTC")
SUSPENSION = GrantSuspension(reason="Looked into.", by="per_ada", by_lab=True, at=NOW)
NARROW = TokenBounds(token_id="tok_1", narrowing=Narrowing(operations=frozenset({Operation.SCORE}), token_budget=50))


def delegated(held: Held, changes: dict[str, Any], holder: str) -> Held:
    """The same as a grant delegated from the one it was, to a person."""
    parent, scope = held.grant, held.grant.scope
    assert scope is not None
    child = parent.model_copy(
        update={
            "id": f"{parent.id}_child",
            "parent_id": parent.id,
            "depth": 1,
            "holder": Holder(kind=HolderKind.PERSON, id=holder),
            **changes,
        }
    )
    return held.model_copy(update={"grant": child, "path": (parent,)})


@st.composite
def worlds(draw: st.DrawFn) -> Asked:
    """Somebody with some grants, some of them delegated, with a token or without, asking something."""
    found = [draw(cases()) for _ in range(draw(st.integers(1, 3)))]
    actor, subject, question, _helds, now = found[0].asked()
    helds = []
    for number, case in enumerate(found):
        held = case.asked()[3][0]
        scope = held.grant.scope
        assert scope is not None
        finer = scope.model_copy(
            update={
                "sampling": draw(st.none() | st.just(LIMITED)),
                "hours": draw(st.none() | st.none() | st.just(BY_NIGHT)),
                "holder_bound": draw(st.integers(0, 4)) == 0,
            }
        )
        changes: dict[str, Any] = {"id": f"grt_{number}", "delegated_only": draw(st.integers(0, 5)) == 0}
        if draw(st.integers(0, 4)) == 0:
            changes |= {"status": GrantStatus.SUSPENDED, "suspension": SUSPENSION}
        grant = held.grant.model_copy(update={**changes, "scope": finer})
        held = held.model_copy(update={"grant": grant})
        if draw(st.booleans()):
            holder = draw(st.sampled_from([actor.person_id, actor.person_id, "per_somebody_else"]))
            held = delegated(held, {"delegated_only": False}, holder)
        helds.append(held)
    wanted = question.model_copy(
        update={
            "sampling": draw(
                st.none()
                | st.builds(
                    AskedSampling,
                    max_tokens=st.integers(5, 15),
                    choices=st.just(1),
                    top_logprobs=st.just(0),
                    temperature=st.just(0.7),
                )
            )
        }
    )
    changes = {
        "grant_id": draw(st.none() | st.just(helds[0].grant.id)),
        "bounds": draw(st.just(()) | st.just(()) | st.just((NARROW,))),
        "key_thumbprint": draw(st.none() | st.just("proved")),
    }
    if draw(st.integers(0, 7)) == 0:
        lab = Membership(institution_id=LAB, role=Role.COORDINATOR)
        changes["memberships"] = (*actor.memberships, lab)
    stage = draw(st.sampled_from([subject.stage, "public", "retired"]))
    return actor.model_copy(update=changes), subject.model_copy(update={"stage": stage}), wanted, helds, now


@settings(max_examples=150)
@given(worlds())
def test_an_explanation_has_the_answer_of_the_decision_and_each_step_is_as_its_condition_says(asked: Asked) -> None:
    actor, subject, question, helds, now = asked
    told = explain_access(*asked)
    assert told.answer == decide_access(*asked)
    if actor.bounds and isinstance(told.answer, Allowed):
        # What a token leaves of an access is said here without looking at the rule.
        assert question.operations <= {"score"}
        assert told.answer.draws[0].account == "tok_1"
    assert [course.grant_id for course in told.grants] == [held.grant.id for held in helds]
    settled = subject.stage == "retired"
    for course, held in zip(told.grants, helds, strict=True):
        outcomes = [check(AccessCase(actor, subject, question, held, now)) for check in CONDITIONS]
        if settled:
            assert course.answer is None
            assert {step.state for step in course.steps} == {StepState.NOT_REACHED}
            continue
        failing = next((number for number, denied in enumerate(outcomes) if denied is not None), len(CONDITIONS))
        states = [step.state for step in course.steps]
        assert states[:failing] == [StepState.HELD] * failing
        assert all(step.says for step in course.steps[: failing + 1])
        assert states[failing + 1 :] == [StepState.NOT_REACHED] * max(len(CONDITIONS) - failing - 1, 0)
        if failing < len(CONDITIONS):
            assert course.answer == course.steps[failing].denied == outcomes[failing]
        else:
            assert isinstance(course.answer, Allowed)
        # The first that allows settles it, and so does one held by name that only its limits stop.
        settled = failing == len(CONDITIONS) or (failing >= FIRST_LIMIT and bool(held.grant.parent_id))
    told_of(told)


def told_of(told: Explanation) -> None:
    """The answer is the decisive step's."""
    if isinstance(told.answer, Denied):
        failed = told.failed
        if told.answer.code == "no_grant":
            assert failed is None
            assert told.grants == ()
        else:
            assert failed is not None
            assert failed.state is StepState.FAILED
            assert (failed.says or "").startswith(told.answer.message[:10]) or failed.name == "stage"
        return
    by_name = {step.name: step.state for step in told.others}
    course = told.decisive
    match told.answer.basis:
        case Basis.GRANT:
            assert course is not None
            assert course.grant_id == told.answer.grant_id
            assert by_name == {"lab": StepState.NOT_REACHED, "public": StepState.NOT_REACHED}
        case Basis.LAB:
            assert (course, by_name["lab"]) == (None, StepState.HELD)
        case Basis.PUBLIC:
            assert (course, by_name["public"]) == (None, StepState.HELD)
    assert told.token.state is StepState.HELD


def test_every_condition_has_its_words() -> None:
    assert set(GROUNDS) == set(CONDITIONS)
    assert len({ground.name for ground in GROUNDS.values()}) == len(CONDITIONS)


def told(**changes: Any) -> Explanation:
    """The usual question, with changes, explained."""
    case: Case = USUAL.model_copy(update=changes)
    return explain_access(*case.asked())


@pytest.mark.parametrize(
    ("changes", "step", "kinds"),
    [
        ({"own": Facts(names=("else@where.example",))}, "named", {SourceKind.CLAUSE}),
        ({"lacking": ("Training",)}, "vetting", {SourceKind.PASSPORT}),
        (
            {"own": Facts(listed=True), "wanted": frozenset({"logprobs"})},
            "use",
            {SourceKind.CLAUSE},
        ),
        (
            {"own": Facts(suspended=10), "asked_on": 20},
            "agreement",
            {SourceKind.AGREEMENT, SourceKind.SUSPENSION, SourceKind.CLAUSE},
        ),
        ({"own": Facts(narrowed=10), "wanted": frozenset({"score"})}, "narrowed", {SourceKind.NARROWING}),
        ({"own": Facts(amended=10), "asked_on": 60}, "version", {SourceKind.AGREEMENT, SourceKind.CLAUSE}),
        (
            {"purpose": "profit"},
            "purpose",
            {SourceKind.GRANT, SourceKind.CLAUSE},
        ),
    ],
)
def test_what_stands_in_the_way_is_named_with_what_it_rests_on(
    changes: dict[str, Any], step: str, kinds: set[SourceKind]
) -> None:
    failed = told(**changes).failed
    assert failed is not None
    assert failed.name == step
    assert kinds <= {source.kind for source in failed.sources}


def test_a_clause_is_named_by_its_place_in_the_text_that_holds() -> None:
    own = told(own=Facts(names=("else@where.example",)))
    framed = told(framework=Facts(names=("else@where.example",)))
    for explanation, agreement in ((own, "agr_paths"), (framed, "agr_paths")):
        failed = explanation.failed
        assert failed is not None
        clause = next(source for source in failed.sources if source.kind is SourceKind.CLAUSE)
        assert clause.agreement_id == agreement
        assert clause.number is not None
        assert f"clause {clause.number}" in clause.says
    assert framed.grants[0].framework_version == 1


def test_each_limit_is_traced_to_what_sets_it() -> None:
    case = USUAL.model_copy(update={"own": Facts(listed=True)})
    actor, subject, question, helds, now = case.asked()
    answer = decide_access(actor, subject, question, helds, now)
    assert isinstance(answer, Allowed)
    named = [of_draw(draw, helds[0]) for draw in answer.draws]
    assert [(one.kind, one.agreement_id) for one in named if one is not None] == [
        (SourceKind.GRANT, ""),
        (SourceKind.CLAUSE, "agr_paths"),
        (SourceKind.CLAUSE, "agr_paths"),
    ]


def test_what_is_known_to_come_is_told_by_date() -> None:
    case = USUAL.model_copy(update={"own": Facts(suspended=100), "days": 290})
    held = case.asked()[3][0]
    coming = ahead_of(held, case.now)
    assert [one.at for one in coming] == sorted(one.at for one in coming)
    assert [one.at - NOW for one in coming] == [timedelta(days=102), timedelta(days=290), timedelta(days=300)]
    assert "Suspension 1" in coming[0].says


def test_nobody_without_a_grant_is_left_without_an_answer() -> None:
    actor = Actor(person_id="per_x", name="X", memberships=(Membership(institution_id=PARTNER, role=Role.OBSERVER),))
    subject = Subject(checkpoint_id="ladder-l", family="ladder", stage="withheld")
    explanation = explain_access(actor, subject, Question(operations=frozenset({"generate"})), (), NOW)
    assert isinstance(explanation.answer, Denied)
    assert explanation.answer.code == "no_grant"
    assert [step.state for step in explanation.others] == [StepState.FAILED, StepState.FAILED]
