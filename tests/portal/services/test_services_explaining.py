"""Explanations on a real file: the same answer as a run's, for whom it may be asked, and nothing written."""

from datetime import timedelta
from typing import Any

import pytest

from agreements.access import Allowed
from agreements.access.explanation import StepState
from agreements.access.sources import SourceKind
from agreements.actors import LAB, Role
from agreements.errors import ConcordatError, Forbidden, Invalid, Limited, NotFound
from agreements.grants import Holder, HolderKind
from agreements.limits import Hours, Period, PeriodBudget
from agreements.narrowing import Narrowing
from agreements.scopes import Operation
from model_access.stages import Stage
from portal.services.explained import Dimension, Explained, WhoKind
from tests.portal.services.duty_world import granted, in_force, ladder_of
from tests.portal.services.world import PURPOSE, World, ask

MODEL = "ladder-l"


@pytest.fixture
def granted_world(world: World) -> World:
    """North holds a grant for the withheld checkpoint; South holds one of its own."""
    world.checkpoint(MODEL)
    world.checkpoint("ladder-s", to=Stage.PARTNER_ACCESS)
    world.grant("south")
    world.grant("north")
    return world


def why(world: World, asker: str, **asked: Any) -> Explained:
    """An explanation that leaves nothing behind."""
    before = world.size
    told = world.portal.explaining.explain(world.actor(asker), **{"checkpoint": MODEL, "purpose": PURPOSE, **asked})
    assert world.size == before
    return told


def refused(world: World, asker: str, **asked: Any) -> ConcordatError:
    """Why it is not explained."""
    with pytest.raises(ConcordatError) as refusal:
        why(world, asker, **asked)
    return refusal.value


def test_the_answer_is_the_one_a_run_gets(granted_world: World) -> None:
    world = granted_world
    told = why(world, "cleo")
    assert told.open
    assert told.verdict.startswith("You may use generate on ladder-l for misuse-analysis, on grant grt_")
    assert isinstance(told.explanation.answer, Allowed)
    run = world.portal.runs.begin(world.actor("cleo"), MODEL, ask(), purpose=PURPOSE)
    run.result()
    spent = why(world, "cleo")
    assert [limit.draw.account for limit in spent.limits] == [draw.account for draw in told.explanation.answer.draws]
    assert all(limit.used > 0 and limit.requests == 1 and limit.recent == 1 for limit in spent.limits)
    assert [limit.source.kind for limit in spent.limits if limit.source] == [SourceKind.GRANT, SourceKind.CLAUSE]
    assert spent.tightest is not None
    assert spent.ahead
    assert why(world, "rae").refusals[0].code == "no_grant"


def test_a_used_up_budget_is_named_as_what_stands_in_the_way(granted_world: World) -> None:
    world = granted_world
    [grant] = [view.grant for view in world.portal.grants.list(world.actor("ben"))]
    assert grant.scope is not None
    scope = grant.scope.model_copy(update={"periods": (PeriodBudget(period=Period.DAY, requests=1),)})
    world.portal.grants.narrow(world.actor("ada"), grant.id, scope=scope, reason="one a day")
    world.portal.runs.begin(world.actor("cleo"), MODEL, ask(), purpose=PURPOSE).result()
    told = why(world, "cleo")
    assert isinstance(told.explanation.answer, Allowed)
    assert (told.open, [one.code for one in told.refusals]) == (False, ["requests_exhausted"])
    with pytest.raises(Limited) as limited:
        world.portal.runs.begin(world.actor("cleo"), MODEL, ask(), purpose=PURPOSE)
    assert told.refusals[0].message == limited.value.message
    assert told.tightest is not None
    assert told.limits[told.tightest].draw.frees_at is not None
    tomorrow = why(world, "cleo", at=world.clock() + timedelta(days=1))
    assert tomorrow.open
    assert "2026-11-24" in tomorrow.verdict


def test_an_overdue_duty_is_named_with_its_date_and_who_does_it(world: World) -> None:
    world.checkpoint(MODEL)
    agreement = in_force(world)
    grant = granted(world, agreement)
    assert why(world, "cleo").open
    coming = [one for one in why(world, "cleo").ahead if one.sources[0].kind is SourceKind.DUTY]
    assert any("Access is narrowed" in one.says or "Access is suspended" in one.says for one in coming)
    first = world.portal.duties.of_agreement(world.actor("ben"), agreement.id)[0].standing
    late = ladder_of(agreement).suspend_after_days
    assert late is not None
    world.clock.now = first.due_at + timedelta(days=late, hours=1)
    for _ in range(4):
        world.portal.clockwork.tick()
        world.clock.advance(days=3)
    told = why(world, "cleo")
    assert told.refusals[0].code == "agreement_suspended"
    step = told.explanation.failed
    assert step is not None
    kinds = {source.kind for source in step.sources}
    assert {SourceKind.SUSPENSION, SourceKind.DUTY, SourceKind.CLAUSE} <= kinds
    note = next(one for one in told.duties if one.key == first.duty.key)
    assert f"due {first.due_at:%Y-%m-%d}" in note.says
    assert [source.says for source in step.sources if source.id == note.key] == [note.says]
    remedy = told.remedies[0]
    assert (remedy.screen, remedy.clears) == ("duties", "Ben")
    assert grant.id == told.explanation.grants[0].grant_id


def test_who_asks_about_whom(granted_world: World) -> None:
    world = granted_world
    people = {name: person.id for name, person in world.people.items()}
    assert why(world, "ada", person=people["cleo"]).who.name == "Cleo"
    about = why(world, "ben", person=people["cleo"])
    assert (about.open, about.who.only_at) == (True, ("north",))
    assert about.verdict.startswith("Cleo may use")
    assert why(world, "cleo", person=people["cleo"]).who.kind is WhoKind.SELF
    assert isinstance(refused(world, "cleo", person=people["ben"]), Forbidden)
    assert refused(world, "cleo", person=people["ben"]).code == "not_yours_to_ask"
    for stranger in (people["eve"], "per_nobody", "prg_nobody"):
        assert isinstance(refused(world, "ben", person=stranger), NotFound)
    assert refused(world, "ben", person=people["eve"]).code == refused(world, "ben", person="per_nobody").code


def test_somebody_invented_is_for_coordinators_and_for_the_lead_of_the_institution(granted_world: World) -> None:
    world = granted_world
    told = why(world, "ada", role=Role.PARTNER_MEMBER, institution="south")
    assert (told.open, told.who.name) == (True, "A partner member of South University")
    assert why(world, "ben", role=Role.OBSERVER, institution="north").open
    assert why(world, "ada", role=Role.RESEARCHER, institution=LAB).refusals[0].code == "no_grant"
    for institution in ("south", "nowhere", LAB):
        denied = refused(world, "ben", role=Role.PARTNER_MEMBER, institution=institution)
        assert denied.code == "not_yours_to_ask"
    assert refused(world, "cleo", role=Role.PARTNER_MEMBER, institution="north").code == "not_yours_to_ask"
    assert isinstance(refused(world, "ada", role=Role.PARTNER_MEMBER, institution="nowhere"), NotFound)
    assert refused(world, "ada", role=Role.COORDINATOR, institution="north").code == "role_does_not_fit"
    assert refused(world, "ada", role=Role.COORDINATOR).code == "half_an_actor"
    both = refused(world, "ada", role=Role.OBSERVER, institution="north", person=world.people["cleo"].id)
    assert both.code == "two_actors"


def test_a_lead_learns_nothing_of_grants_elsewhere(granted_world: World) -> None:
    world = granted_world
    ada, cleo = world.actor("ada"), world.people["cleo"]
    elsewhere = {view.grant.id for view in world.portal.grants.list(world.actor("dan"))}
    world.portal.people.add_membership(ada, cleo.id, institution_id="south", role=Role.PARTNER_MEMBER)
    seen = why(world, "ada", person=cleo.id)
    assert elsewhere <= {course.grant_id for course in seen.explanation.grants}
    for told in (
        why(world, "ben", person=cleo.id),
        why(world, "ben", role=Role.PARTNER_MEMBER, institution="north"),
        why(world, "ben", person=cleo.id, checkpoint="ladder-s", purpose="no-such-purpose"),
    ):
        words = told.model_dump_json()
        assert not any(grant_id in words for grant_id in elsewhere)
        assert "south" not in words.casefold()
    assert isinstance(refused(world, "ben", person=cleo.id, grant=next(iter(elsewhere))), NotFound)


def test_somebody_who_cannot_come_in_is_told_so(granted_world: World) -> None:
    world = granted_world
    cleo = world.people["cleo"]
    world.portal.people.deactivate(world.actor("ada"), cleo.id, reason="left")
    told = why(world, "ada", person=cleo.id)
    assert (told.open, told.refusals[0].code) == (False, "person_deactivated")
    assert isinstance(told.explanation.answer, Allowed)


def test_a_token_is_imagined_by_grant_narrowing_area_and_key(granted_world: World) -> None:
    world = granted_world
    [grant] = [view.grant for view in world.portal.grants.list(world.actor("ben"))]
    assert why(world, "ada").explanation.answer.basis == "lab"  # type: ignore[union-attr]  # a coordinator may
    held = why(world, "ada", grant=grant.id)
    assert held.refusals[0].code == "not_a_member"
    assert [step.state for step in held.explanation.others] == [StepState.FAILED, StepState.FAILED]
    narrowed = why(world, "cleo", narrowing=Narrowing(operations=frozenset({Operation.SCORE})))
    assert narrowed.refusals[0].code == "token_narrowed"
    assert narrowed.explanation.token.state is StepState.FAILED
    reading = why(world, "cleo", areas=["read"])
    assert (reading.open, reading.refusals[0].code) == (False, "insufficient_scope")
    assert grant.scope is not None
    bound = grant.scope.model_copy(update={"holder_bound": True})
    world.portal.grants.narrow(world.actor("ada"), grant.id, scope=bound, reason="with keys only")
    unproved = why(world, "cleo")
    assert unproved.refusals[0].code == "proof_required"
    assert [one.dimension for one in unproved.alternatives] == [Dimension.PROOF]
    assert why(world, "cleo", proves_key=True).open


def test_what_would_change_the_answer_is_found_by_the_same_rule(granted_world: World) -> None:
    world = granted_world
    [grant] = [view.grant for view in world.portal.grants.list(world.actor("ben"))]
    other = why(world, "cleo", purpose="profit")
    assert other.refusals[0].code == "purpose_not_granted"
    purposes = [one.value for one in other.alternatives if one.dimension is Dimension.PURPOSE]
    assert PURPOSE in purposes
    for purpose in purposes:
        assert why(world, "cleo", purpose=purpose).open
    assert grant.scope is not None
    night = grant.scope.model_copy(update={"hours": Hours(opens="22:00", closes="24:00", zone="UTC")})
    world.portal.grants.narrow(world.actor("ada"), grant.id, scope=night, reason="at night")
    closed = why(world, "cleo")
    [opening] = [one for one in closed.alternatives if one.dimension is Dimension.TIME]
    assert closed.refusals[0].code == "outside_hours"
    assert why(world, "cleo", at=opening.value).open


def test_an_agreement_without_a_grant_is_pointed_to(world: World) -> None:
    world.checkpoint(MODEL)
    agreement = in_force(world)
    told = why(world, "cleo")
    assert told.refusals[0].code == "no_grant"
    assert any(agreement.id in remedy.says for remedy in told.remedies)
    assert not any(agreement.id in remedy.says for remedy in why(world, "eve").remedies)


def test_what_is_held_by_name_goes_first_and_the_others_are_told_too(granted_world: World) -> None:
    world = granted_world
    [root] = [view.grant for view in world.portal.grants.list(world.actor("ben"))]
    assert root.scope is not None
    holder = Holder(kind=HolderKind.PERSON, id=world.people["cleo"].id)
    small = root.scope.model_copy(update={"token_budget": 100})
    child = world.portal.grants.delegate(world.actor("ben"), root.id, holder=holder, label="Cleo's part", scope=small)
    told = why(world, "cleo")
    assert [course.grant_id for course in told.explanation.grants] == [child.id, root.id]
    assert told.explanation.grants[0].decisive
    assert told.explanation.grants[1].answer is None
    assert told.tightest == 0
    assert told.limits[0].left == 100
    world.portal.grants.suspend(world.actor("ben"), child.id, reason="looked into")
    stopped = why(world, "cleo")
    assert stopped.refusals[0].code == "grant_suspended"
    assert stopped.remedies[0].query == {"grant": child.id}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"checkpoint": "no-such"}, "checkpoint_not_found"),
        ({"at": "2026-01-01T00:00:00Z"}, "time_past"),
        ({"at": "2066-01-01T00:00:00Z"}, "time_too_far"),
        ({"at": "2027-01-01T00:00:00"}, "bad_input"),
        ({"operations": []}, "bad_input"),
        ({"grant": "grt_nothing"}, "grant_not_found"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_code(granted_world: World, asked: dict[str, Any], code: str) -> None:
    refusal = refused(granted_world, "cleo", **asked)
    assert refusal.code == code
    assert isinstance(refusal, Invalid | NotFound)


def test_the_future_is_read_from_what_is_known_today(granted_world: World) -> None:
    world = granted_world
    [grant] = [view.grant for view in world.portal.grants.list(world.actor("ben"))]
    assert grant.scope is not None
    after = why(world, "cleo", at=grant.scope.expires_at + timedelta(hours=1))
    assert after.refusals[0].code == "grant_expired"
    assert any("now" in note for note in after.notes)
