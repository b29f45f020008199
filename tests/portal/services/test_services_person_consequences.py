"""Before somebody's roles change: what would stop, told to whoever may bring it about, and exactly what then stops."""

import pytest

from agreements.actors import LAB, Membership, Role
from agreements.credentials import SignInMethod
from agreements.errors import ConcordatError, Forbidden, NotFound, Unauthenticated
from agreements.grants import Holder, HolderKind
from agreements.people import PersonState, RequestMembership
from portal.services.people_filters import PeopleFilters
from portal.services.sign_in import SIGN_IN
from tests.portal.services.world import World

LEAD, MEMBER, OBSERVER = (
    Membership(institution_id="north", role=role) for role in (Role.PARTNER_LEAD, Role.PARTNER_MEMBER, Role.OBSERVER)
)


def waits(world: World, institution: str = "north") -> str:
    command = RequestMembership(
        person_id=f"per_wes_{institution}", name="Wes", email=f"wes@{institution}.example", institution_id=institution
    )
    world.portal.kernel.execute_all(world.portal.people.admitting(command), SIGN_IN)
    return command.person_id


def delegated(world: World, name: str) -> str:
    """The id of a grant in the person's name."""
    root = world.grant()
    assert root.scope is not None
    holder = Holder(kind=HolderKind.PERSON, id=world.people[name].id)
    scope = root.scope.model_copy(update={"token_budget": 10})
    return world.portal.grants.delegate(world.actor("ben"), root.id, holder=holder, label="A part", scope=scope).id


def test_deactivation_stops_what_was_said_before(world: World) -> None:
    cleo, people = world.people["cleo"], world.portal.people
    grant = delegated(world, "cleo")
    world.portal.sessions.open(cleo, method=SignInMethod.LINK)
    world.portal.sign_in.issue_link(world.actor("ada"), cleo.id)
    token = world.portal.tokens.issue(world.actor("cleo"), label="notebook").token
    found = world.portal.person_consequences.if_left_with(world.actor("ben"), cleo.id, ())
    assert (found.leaves, found.sessions, found.links, found.tokens) == (True, 1, 1, 1)
    assert [one.grant_id for one in found.grants] == [grant]
    assert (found.without_lead, found.without_coordinator, found.invitations) == ((), False, ())
    people.deactivate(world.actor("ben"), cleo.id, reason="left")
    assert world.portal.sessions.of_person(world.actor("ada"), cleo.id) == ()
    with pytest.raises(Unauthenticated):
        world.portal.tokens.authenticate(token)


def test_another_role_at_the_same_place_stops_neither_sessions_nor_grants(world: World) -> None:
    cleo = world.people["cleo"]
    delegated(world, "cleo")
    world.portal.sessions.open(cleo, method=SignInMethod.LINK)
    world.portal.tokens.issue(world.actor("cleo"), label="notebook")
    found = world.portal.person_consequences.if_left_with(world.actor("ben"), cleo.id, [OBSERVER])
    assert (found.leaves, found.sessions, found.tokens, found.grants) == (False, 0, 0, ())


def test_a_place_left_takes_its_grants_and_their_tokens_with_it(world: World) -> None:
    cleo, ada = world.people["cleo"], world.actor("ada")
    grant = delegated(world, "cleo")
    world.portal.people.add_membership(ada, cleo.id, institution_id="south", role=Role.RESEARCHER)
    holder = world.portal.people.get(cleo.id)
    world.portal.tokens.issue(world.actor("cleo"), label="of the grant", grant_id=grant, purpose="misuse-analysis")
    world.portal.tokens.issue(world.actor("cleo"), label="of the role")
    left = [one for one in holder.memberships if one.institution_id == "south"]
    found = world.portal.person_consequences.if_left_with(ada, cleo.id, left)
    assert ([one.grant_id for one in found.grants], found.tokens) == ([grant], 1)


def test_the_last_lead_and_the_last_coordinator_are_named(world: World) -> None:
    ada, consequences = world.actor("ada"), world.portal.person_consequences
    found = consequences.if_left_with(ada, world.people["ben"].id, [MEMBER])
    assert found.without_lead == ("north",)
    with pytest.raises(ConcordatError) as refusal:
        world.portal.people.change_role(
            ada, world.people["ben"].id, institution_id="north", before=Role.PARTNER_LEAD, after=Role.PARTNER_MEMBER
        )
    assert refusal.value.code == "last_lead"
    rae = world.people["rae"]
    world.portal.people.add_membership(ada, rae.id, institution_id=LAB, role=Role.COORDINATOR)
    assert not consequences.if_left_with(ada, rae.id, ()).without_coordinator
    assert consequences.if_left_with(ada, world.people["ada"].id, ()).without_coordinator is False
    world.portal.people.deactivate(ada, rae.id, reason="left")
    assert consequences.if_left_with(ada, world.people["ada"].id, ()).without_coordinator


def test_a_lead_who_goes_leaves_invitations_that_open_nothing(world: World) -> None:
    ada, ben = world.actor("ada"), world.people["ben"]
    made = world.portal.invitations.invite(
        world.actor("ben"), email="new@north.example", memberships=[("north", Role.RESEARCHER)]
    )
    found = world.portal.person_consequences.if_left_with(ada, ben.id, [MEMBER])
    assert found.invitations == ("new@north.example",)
    world.portal.people.change_role(
        ada,
        ben.id,
        institution_id="north",
        before=Role.PARTNER_LEAD,
        after=Role.PARTNER_MEMBER,
        without_lead=True,
    )
    with pytest.raises(Unauthenticated) as refusal:
        world.portal.invitations.offer(made.url.partition("code=")[2])
    assert refusal.value.code == "inviter_left"


def test_agreements_that_go_on_naming_somebody_are_listed(world: World) -> None:
    ada, cleo = world.actor("ada"), world.people["cleo"]
    drafted = world.portal.agreements.draft(ada, institution_id="north")
    user = {"name": cleo.name, "email": cleo.email.upper()}
    named = {"kind": "named_users", "clause_id": "users", "title": "Users", "text": "These people.", "users": [user]}
    clauses = [one.model_dump(mode="json") for one in drafted.shown.clauses if one.kind != "named_users"]
    agreement = world.portal.agreements.draft(ada, institution_id="north", clauses=[*clauses, named])
    consequences = world.portal.person_consequences
    found = consequences.if_left_with(ada, cleo.id, ()).agreements
    assert [(one.agreement_id, one.signs) for one in found] == [(agreement.id, False)]
    ben = world.actor("ben")
    assert consequences.if_left_with(ben, cleo.id, ()).agreements == (), "a draft is the lab's alone"
    world.portal.agreements.offer(ada, agreement.id)
    assert len(consequences.if_left_with(ben, cleo.id, ()).agreements) == 1
    assert consequences.if_left_with(ada, cleo.id, [OBSERVER]).agreements == (), "it may go on using it"
    assert consequences.if_left_with(ada, world.people["nina"].id, ()).agreements == ()


def test_a_role_elsewhere_ends_what_a_partners_provider_opened(world: World) -> None:
    ada, cleo = world.actor("ada"), world.people["cleo"]
    provider = world.portal.identity_providers.register(
        ada,
        institution_id="north",
        label="North accounts",
        issuer="https://login.north.example",
        client_id="p",
        domains=["north.example"],
    )
    opened = world.portal.sessions.open(cleo, method=SignInMethod.PROVIDER, provider_id=provider.id)
    world.portal.sessions.open(cleo, method=SignInMethod.LINK)
    more = [*cleo.memberships, Membership(institution_id="south", role=Role.RESEARCHER)]
    found = world.portal.person_consequences.if_left_with(ada, cleo.id, more)
    assert (found.sessions, found.provider) == (1, "North accounts")
    world.portal.people.add_membership(ada, cleo.id, institution_id="south", role=Role.RESEARCHER)
    with pytest.raises(Unauthenticated):
        world.portal.sign_in.actor(world.portal.sign_in.session_id(opened.secret))


@pytest.mark.parametrize(
    ("name", "whom", "after", "refusal"),
    [
        ("ben", "ben", [MEMBER], Forbidden),
        ("cleo", "ben", (), Forbidden),
        ("cleo", "nina", [MEMBER], Forbidden),
        ("dan", "cleo", (), NotFound),
        ("rae", "ada", (), Forbidden),
    ],
)
def test_consequences_are_told_to_who_could_bring_them_about(
    world: World, name: str, whom: str, after: list[Membership], refusal: type[ConcordatError]
) -> None:
    with pytest.raises(refusal):
        world.portal.person_consequences.if_left_with(world.actor(name), world.people[whom].id, after)


def test_the_directory_has_who_waits_for_whoever_answers(world: World) -> None:
    person = waits(world)

    def seen(name: str) -> bool:
        return person in [one.id for one in world.portal.people.directory(world.actor(name))]

    assert [seen(name) for name in ("ada", "ben", "cleo", "dan")] == [True, True, False, False]
    assert person not in [one.id for one in world.portal.people.list(world.actor("ada"))]
    world.portal.people.deactivate(world.actor("ben"), person, reason="a stranger")
    assert [seen(name) for name in ("ada", "ben")] == [True, True]


def test_filters_narrow_by_every_dimension_at_once(world: World) -> None:
    ada = world.actor("ada")
    wes = waits(world)
    world.portal.people.deactivate(ada, world.people["nina"].id, reason="left")
    everyone = world.portal.people.directory(ada)

    def names(**filters: object) -> list[str]:
        return [one.name for one in PeopleFilters.model_validate(filters).of(everyone)]

    assert names(text="PEOPLE.example e") == ["Ben", "Cleo", "Dan", "Eve", "Nina", "Olga", "Rae"]
    assert names(institution_id="north") == ["Ben", "Cleo", "Nina", "Wes"]
    assert names(institution_id="north", state=PersonState.ACTIVE) == ["Ben", "Cleo"]
    assert names(role=Role.OBSERVER) == ["Nina", "Olga"]
    assert names(role=Role.OBSERVER, institution_id=LAB) == ["Olga"]
    assert names(role=Role.OBSERVER, institution_id="south") == []
    assert names(state=PersonState.DEACTIVATED) == ["Nina"]
    assert names(state=PersonState.WAITING) == ["Wes"]
    world.portal.people.refuse(ada, wes, reason="a stranger")
    assert [one.state for one in world.portal.people.directory(ada) if one.id == wes] == [PersonState.REFUSED]


def test_a_last_sign_in_is_told_to_who_governs(world: World) -> None:
    cleo = world.people["cleo"]
    world.portal.sessions.open(cleo, method=SignInMethod.LINK)

    def told(name: str) -> bool:
        return cleo.id in world.portal.sessions.last_sign_ins(world.actor(name), [cleo])

    assert [told(name) for name in ("ada", "ben", "cleo", "nina", "dan")] == [True, True, True, False, False]
    assert world.portal.sessions.last_sign_ins(world.actor("ada"), [cleo])[cleo.id] == world.clock.now
    assert world.portal.sessions.last_sign_ins(world.actor("ada"), [world.people["eve"]]) == {}
