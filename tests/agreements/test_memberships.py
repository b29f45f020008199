"""What people are at institutions: who gives and takes roles, who waits, and who must stay."""

from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import LAB, Actor, Membership, Role
from agreements.deciders import Event
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid
from agreements.people import (
    PERSON,
    AddMembership,
    ApproveMembership,
    ChangeRole,
    DeactivatePerson,
    Person,
    PersonCommand,
    ReactivatePerson,
    RefuseMembership,
    RegisterPerson,
    RemoveMembership,
    RequestMembership,
)
from tests.agreements.parties import COORDINATOR, LEAD, MEMBER, NOW, OUTSIDER, PARTNER, RESEARCHER, person

RULE = Actor.automatic("sign-in")
SOUTH = "south-institute"
LATER = NOW + timedelta(hours=1)


def at(where: str, role: Role) -> Membership:
    return Membership(institution_id=where, role=role)


def become(state: Person, command: PersonCommand, actor: Actor = COORDINATOR) -> Person:
    events = PERSON.decide(state, command, actor, LATER)
    assert [Event.parse(event.type_name, event.body()) for event in events] == list(events)
    return PERSON.fold(events, state)


def finn(*memberships: Membership) -> Person:
    command = RegisterPerson(person_id="per_finn", name="Finn", email="finn@people.example", memberships=memberships)
    return become(Person(), command)


def waiting() -> Person:
    request = RequestMembership(person_id="per_wes", name="Wes", email="wes@north.example", institution_id=PARTNER)
    return become(Person(), request, RULE)


def refused(code: str, state: Person, command: PersonCommand, actor: Actor = COORDINATOR) -> None:
    with pytest.raises(ConcordatError) as refusal:
        become(state, command, actor)
    assert refusal.value.code == code


MEMBERSHIP = at(PARTNER, Role.PARTNER_MEMBER)


def test_who_waits_is_nothing_yet() -> None:
    wes = waiting()
    assert (wes.memberships, wes.active) == ((), False)
    assert wes.pending is not None
    assert wes.pending.institution_id == PARTNER
    for command in (
        AddMembership(membership=MEMBERSHIP),
        RemoveMembership(membership=MEMBERSHIP, reason="why not"),
        ChangeRole(institution_id=PARTNER, before=Role.OBSERVER, after=Role.RESEARCHER),
    ):
        refused("still_waiting", wes, command)


@pytest.mark.parametrize("actor", [COORDINATOR, LEAD])
def test_a_lead_or_a_coordinator_lets_in_who_waits(actor: Actor) -> None:
    wes = become(waiting(), ApproveMembership(role=Role.RESEARCHER), actor)
    assert (wes.memberships, wes.active, wes.pending) == ((at(PARTNER, Role.RESEARCHER),), True, None)
    refused("not_waiting", wes, ApproveMembership(role=Role.RESEARCHER), actor)
    refused("not_waiting", wes, RefuseMembership(reason="not known here"), actor)


@pytest.mark.parametrize("actor", [MEMBER, RESEARCHER, OUTSIDER, person("outlead", (SOUTH, Role.PARTNER_LEAD))])
def test_others_answer_nobody(actor: Actor) -> None:
    refused("not_lead", waiting(), ApproveMembership(role=Role.RESEARCHER), actor)
    refused("not_lead", waiting(), RefuseMembership(reason="not known here"), actor)


def test_a_lead_lets_nobody_in_as_a_lead() -> None:
    refused("not_lead", waiting(), ApproveMembership(role=Role.PARTNER_LEAD), LEAD)
    refused("role_does_not_fit", waiting(), ApproveMembership(role=Role.COORDINATOR))


def test_a_refusal_says_why_and_can_be_taken_back() -> None:
    wes = become(waiting(), RefuseMembership(reason="not known here"), LEAD)
    assert wes.pending is not None
    assert (wes.pending.refused, wes.active) == ("not known here", False)
    assert become(wes, ApproveMembership(role=Role.OBSERVER), LEAD).active


@pytest.mark.parametrize("actor", [COORDINATOR, LEAD, MEMBER])
def test_only_the_rule_asks_in_somebodys_name(actor: Actor) -> None:
    request = RequestMembership(person_id="per_x", name="Xi", email="x@north.example", institution_id=PARTNER)
    refused("rules_only", Person(), request, actor)
    refused("person_exists", finn(MEMBERSHIP), request, RULE)


def test_roles_are_added_changed_and_taken() -> None:
    state = become(finn(MEMBERSHIP), AddMembership(membership=at(SOUTH, Role.RESEARCHER)))
    state = become(state, ChangeRole(institution_id=PARTNER, before=Role.PARTNER_MEMBER, after=Role.PARTNER_LEAD))
    assert state.memberships == (at(PARTNER, Role.PARTNER_LEAD), at(SOUTH, Role.RESEARCHER))
    state = become(state, RemoveMembership(membership=at(PARTNER, Role.PARTNER_LEAD), reason="moved on"))
    assert state.memberships == (at(SOUTH, Role.RESEARCHER),)
    refused("only_membership", state, RemoveMembership(membership=at(SOUTH, Role.RESEARCHER), reason="moved on"))
    refused("no_such_membership", state, ChangeRole(institution_id=SOUTH, before=Role.OBSERVER, after=Role.RESEARCHER))
    refused("membership_exists", state, AddMembership(membership=at(SOUTH, Role.RESEARCHER)))


def test_a_lead_changes_members_and_no_leads() -> None:
    two = finn(MEMBERSHIP, at(PARTNER, Role.OBSERVER))
    assert become(two, RemoveMembership(membership=MEMBERSHIP, reason="moved on"), LEAD).memberships
    promote = ChangeRole(institution_id=PARTNER, before=Role.PARTNER_MEMBER, after=Role.PARTNER_LEAD)
    refused("not_lead", two, promote, LEAD)
    other = finn(at(PARTNER, Role.PARTNER_LEAD), MEMBERSHIP)
    demote = ChangeRole(institution_id=PARTNER, before=Role.PARTNER_LEAD, after=Role.RESEARCHER)
    refused("not_lead", other, demote, LEAD)
    refused("not_lead", other, RemoveMembership(membership=at(PARTNER, Role.PARTNER_LEAD), reason="a coup"), LEAD)


@pytest.mark.parametrize(
    ("membership", "code"),
    [(at(LAB, Role.COORDINATOR), "last_coordinator"), (at(PARTNER, Role.PARTNER_LEAD), "last_lead")],
)
def test_the_last_one_stays(membership: Membership, code: str) -> None:
    state = finn(membership, at(membership.institution_id, Role.OBSERVER))
    change = ChangeRole(
        institution_id=membership.institution_id, before=membership.role, after=Role.RESEARCHER, sole=(membership,)
    )
    refused(code, state, change)
    refused(code, state, RemoveMembership(membership=membership, reason="moved on", sole=(membership,)))
    refused(code, state, DeactivatePerson(reason="moved on", sole=(membership,)))
    assert become(state, change.model_copy(update={"sole": ()})).memberships[0].role is Role.RESEARCHER


def test_an_institution_is_left_without_a_lead_only_when_that_is_said() -> None:
    lead, coordinator = at(PARTNER, Role.PARTNER_LEAD), at(LAB, Role.COORDINATOR)
    leave = DeactivatePerson(reason="the project is over", sole=(lead,), without_lead=True)
    assert become(finn(lead), leave).deactivated_at
    refused("last_coordinator", finn(coordinator), leave.model_copy(update={"sole": (coordinator,)}))


def test_nobody_changes_their_own_roles() -> None:
    me = person("finn", (LAB, Role.COORDINATOR))
    state = finn(at(LAB, Role.COORDINATOR), at(LAB, Role.OBSERVER))
    for command in (
        AddMembership(membership=at(LAB, Role.RESEARCHER)),
        ChangeRole(institution_id=LAB, before=Role.OBSERVER, after=Role.RESEARCHER),
        RemoveMembership(membership=at(LAB, Role.COORDINATOR), reason="enough"),
    ):
        refused("own_account", state.model_copy(update={"id": me.person_id}), command, me)


def test_who_was_deactivated_comes_back_as_they_were() -> None:
    gone = become(finn(MEMBERSHIP), DeactivatePerson(reason="a long journey"))
    refused("person_deactivated", gone, AddMembership(membership=at(SOUTH, Role.OBSERVER)))
    back = become(gone, ReactivatePerson(reason="returned"), LEAD)
    assert (back.active, back.memberships) == (True, (MEMBERSHIP,))
    refused("not_deactivated", back, ReactivatePerson(reason="returned"))
    lead_gone = become(finn(at(PARTNER, Role.PARTNER_LEAD)), DeactivatePerson(reason="a long journey"))
    for actor in (LEAD, MEMBER, OUTSIDER, RULE):
        refused("not_lead", lead_gone, ReactivatePerson(reason="returned"), actor)


memberships = st.builds(at, st.sampled_from([LAB, PARTNER, SOUTH]), st.sampled_from(Role))
commands: st.SearchStrategy[PersonCommand] = st.one_of(
    st.builds(AddMembership, membership=memberships),
    st.builds(RemoveMembership, membership=memberships, reason=st.just("moved on")),
    st.builds(
        ChangeRole,
        institution_id=st.sampled_from([LAB, PARTNER, SOUTH]),
        before=st.sampled_from(Role),
        after=st.sampled_from(Role),
    ),
    st.builds(ApproveMembership, role=st.sampled_from(Role)),
    st.builds(RefuseMembership, reason=st.just("not known here")),
    st.builds(DeactivatePerson, reason=st.just("moved on")),
    st.builds(ReactivatePerson, reason=st.just("returned")),
)
actors = st.sampled_from([COORDINATOR, LEAD, MEMBER, RESEARCHER, OUTSIDER, RULE])


@given(st.lists(st.tuples(commands, actors), max_size=25), st.booleans())
def test_whatever_happens_roles_fit_and_leads_make_no_leads(
    story: list[tuple[PersonCommand, Actor]], waits: bool
) -> None:
    state = waiting() if waits else finn(MEMBERSHIP)
    for command, actor in story:
        before = state
        try:
            state = become(state, command, actor)
        except (Forbidden, Conflict, Invalid):
            continue
        gained = set(state.memberships) - set(before.memberships)
        for lead, where in ((LEAD, PARTNER), (OUTSIDER, SOUTH)):
            if actor is lead:
                assert all(m.institution_id == where and m.role is not Role.PARTNER_LEAD for m in gained)
        if actor in (MEMBER, RESEARCHER):
            raise AssertionError("somebody without standing changed a person")
        assert len(set(state.memberships)) == len(state.memberships)
        assert state.memberships or state.pending
        for membership, partner_role in product(state.memberships, (Role.PARTNER_LEAD, Role.PARTNER_MEMBER)):
            assert not (membership.institution_id == LAB and membership.role is partner_role)
            assert not (membership.institution_id != LAB and membership.role is Role.COORDINATOR)
