"""On screen: people found by filters in the address, and what stops named before anybody's roles change."""

from agreements.actors import LAB, Actor, Role
from agreements.credentials import SignInMethod
from agreements.people import Person, PersonState, RequestMembership
from tests.portal.pages.pages_world import World, click, said

LEADS = "person.role:{}:northfield:partner_lead"


def shown(app: object, world: World) -> list[str]:
    """Who is in the list."""
    names = {person.name for person in world.portal.people.directory(world.actor(world.coordinator))}
    return [one.label for one in app.button if one.label in names]  # type: ignore[attr-defined]  # AppTest's


def waits(world: World, institution_id: str = "northfield") -> Person:
    """Somebody who came by their institution's provider."""
    command = RequestMembership(
        person_id="per_wes", name="Wes Newcomer", email="wes@north.example", institution_id=institution_id
    )
    world.portal.kernel.execute_all(world.portal.people.admitting(command), Actor.automatic("sign-in"))
    return world.portal.people.get("per_wes")


def test_filters_in_the_address_narrow_the_list_and_its_file(world: World) -> None:
    waits(world)
    app = world.screen(world.coordinator, "people", institution="northfield", q="o")
    assert shown(app, world) == ["Ada Lovell", "Ben Okoro", "Olga Brandt", "Wes Newcomer"]
    assert "4 people of 7" in said(app)
    app.selectbox(key="people.filter.state").set_value("waiting").run()
    assert app.query_params["state"] == "waiting"
    assert shown(app, world) == ["Wes Newcomer"]
    app.selectbox(key="people.filter.role").set_value("observer").run()
    assert "Nobody fits these filters" in said(app)
    click(app, "people.all")
    assert len(shown(app, world)) == 7
    assert "q" not in app.query_params


def test_an_address_that_names_no_filter_shows_everybody(world: World) -> None:
    app = world.screen(world.coordinator, "people", role="king", state="drowned", page="-3", institution="nowhere")
    assert not app.exception
    assert len(shown(app, world)) == 6


def test_the_table_has_everybody_with_their_state(world: World) -> None:
    app = world.screen(world.coordinator, "people", **{"as": "table"})
    (table,) = app.dataframe
    assert list(table.value["Name"])[:2] == ["Ada Lovell", "Ben Okoro"]
    assert set(table.value["State"]) == {"active"}


def test_a_lead_finds_their_own_people_alone(world: World) -> None:
    app = world.screen(world.lead, "people")
    assert shown(app, world) == ["Ada Lovell", "Ben Okoro", "Olga Brandt"]
    app = world.screen(world.lead, "people", person=world.rival.id)
    assert "person_not_found" in said(app)
    assert world.rival.name not in said(app)


def test_the_way_back_leads_to_the_list_as_it_was(world: World) -> None:
    app = world.screen(world.coordinator, "people", q="ben")
    (link,) = [one for one in app.button if one.label == "Ben Okoro"]
    link.click().run()
    assert app.query_params["person"] == world.member.id
    click(app, "people.back")
    assert shown(app, world) == ["Ben Okoro"]


def test_a_role_is_changed_after_what_it_means_was_said(world: World) -> None:
    form = f"person.role:{world.member.id}:northfield:partner_member"
    app = world.screen(world.lead, "people", person=world.member.id)
    assert "Partner lead" not in app.selectbox(key=f"{form}.role").options
    app.selectbox(key=f"{form}.role").set_value(Role.OBSERVER).run()
    click(app, f"{form}.open")
    words = said(app)
    assert "May no longer file findings or propose norms" in words
    assert "Sessions, tokens and grants go on as they are" in words
    click(app, f"{form}.confirm")
    (membership,) = world.portal.people.get(world.member.id).memberships
    assert membership.role is Role.OBSERVER


def test_the_last_lead_goes_only_by_a_tick_that_says_so(world: World) -> None:
    form = LEADS.format(world.lead.id)
    app = world.screen(world.coordinator, "people", person=world.lead.id)
    app.selectbox(key=f"{form}.role").set_value(Role.PARTNER_MEMBER).run()
    click(app, f"{form}.open")
    assert "Northfield University is left without a partner lead" in said(app)
    assert "nobody signs for it" in app.checkbox(key=f"{form}.accepts").label
    click(app, f"{form}.confirm")
    assert "last_lead" in said(app)
    app.checkbox(key=f"{form}.accepts").check().run()
    click(app, f"{form}.confirm")
    (membership,) = world.portal.people.get(world.lead.id).memberships
    assert membership.role is Role.PARTNER_MEMBER


def test_deactivating_the_last_lead_asks_for_the_same_tick(world: World) -> None:
    form = f"person.deactivate:{world.lead.id}"
    world.portal.tokens.issue(world.actor(world.lead), label="notebook")
    app = world.screen(world.coordinator, "people", person=world.lead.id)
    click(app, f"{form}.open")
    assert "1 access token is refused" in said(app)
    app.text_area(key=f"{form}.reason").set_value("left the university")
    app.checkbox(key=f"{form}.accepts").check().run()
    click(app, f"{form}.confirm")
    assert world.portal.people.get(world.lead.id).state is PersonState.DEACTIVATED
    click(app, f"person.reactivate:{world.lead.id}.open")
    app.text_area(key=f"person.reactivate:{world.lead.id}.reason").set_value("came back").run()
    click(app, f"person.reactivate:{world.lead.id}.confirm")
    assert world.portal.people.get(world.lead.id).active


def test_the_only_coordinator_cannot_be_taken_away(world: World) -> None:
    people = world.portal.people
    tess = people.register(
        world.actor(world.coordinator),
        name="Tess Other",
        email="tess@meridian.example",
        memberships=[(LAB, Role.COORDINATOR)],
    )
    app = world.screen(tess, "people", person=world.coordinator.id)
    keys = [one.key for one in app.button]
    assert f"person.deactivate:{world.coordinator.id}.open" in keys
    app = world.screen(tess, "people", person=tess.id)
    assert "Nobody changes their own roles" in said(app)
    assert f"person.deactivate:{tess.id}.open" not in [one.key for one in app.button]


def test_another_role_is_given_and_taken(world: World) -> None:
    form = f"person.role_add:{world.researcher.id}"
    app = world.screen(world.coordinator, "people", person=world.researcher.id)
    app.selectbox(key=f"{form}.institution").set_value("northfield").run()
    app.selectbox(key=f"{form}.role").set_value(Role.PARTNER_MEMBER).run()
    click(app, f"{form}.open")
    click(app, f"{form}.confirm")
    assert len(world.portal.people.get(world.researcher.id).memberships) == 2
    end = f"person.role_end:{world.researcher.id}:northfield:partner_member"
    click(app, f"{end}.open")
    app.text_area(key=f"{end}.reason").set_value("the study is over").run()
    click(app, f"{end}.confirm")
    assert len(world.portal.people.get(world.researcher.id).memberships) == 1


def test_a_coordinator_sees_and_ends_sessions_of_others(world: World) -> None:
    world.portal.sessions.open(world.member, method=SignInMethod.LINK, browser="Safari on iPhone")
    app = world.screen(world.coordinator, "people", person=world.member.id)
    assert "Safari on iPhone" in said(app)
    click(app, f"person.end_all:{world.member.id}.open")
    click(app, f"person.end_all:{world.member.id}.confirm")
    assert world.portal.sessions.of_person(world.actor(world.coordinator), world.member.id) == ()
    world.portal.sessions.open(world.member, method=SignInMethod.LINK, browser="Safari on iPhone")
    assert "Safari on iPhone" not in said(world.screen(world.lead, "people", person=world.member.id))


def test_who_waits_is_answered_on_their_own_page(world: World) -> None:
    wes = waits(world)
    app = world.screen(world.lead, "people", person=wes.id)
    form = f"person.approve:{wes.id}"
    assert app.selectbox(key=f"{form}.role").options == ["Observer", "Researcher", "Partner member"]
    app.selectbox(key=f"{form}.role").set_value(Role.PARTNER_MEMBER).run()
    click(app, f"{form}.act")
    assert world.portal.people.get(wes.id).memberships[0].role is Role.PARTNER_MEMBER


def test_who_waits_at_the_lab_is_offered_the_labs_roles(world: World) -> None:
    wes = waits(world, LAB)
    app = world.screen(world.coordinator, "people", view="waiting")
    assert app.selectbox(key=f"person.approve:{wes.id}.role").options == ["Observer", "Researcher", "Coordinator"]


def test_invitations_are_narrowed_by_what_became_of_them(world: World) -> None:
    service, lead = world.portal.invitations, world.actor(world.lead)
    made = {
        name: service.invite(lead, email=f"{name}@north.example", memberships=[("northfield", Role.RESEARCHER)])
        for name in ("open", "back", "taken")
    }
    service.revoke(lead, made["back"].invitation.id, reason="mistyped")
    service.accept(made["taken"].url.partition("code=")[2], name="Tak En")
    app = world.screen(world.lead, "people", view="invitations")
    assert app.selectbox(key="people.filter.invited").options == ["Any", "Open (1)", "Accepted (1)", "Taken back (1)"]
    assert "Taken back: mistyped" in said(app)
    assert "Tak En" in [one.label for one in app.button]
    app = world.screen(world.lead, "people", view="invitations", invited="open")
    assert "mistyped" not in said(app)
    assert f"invitation.renew:{made['open'].invitation.id}.act" in [one.key for one in app.button]
