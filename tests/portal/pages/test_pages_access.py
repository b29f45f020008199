"""Grants and tokens on screen, institutions and people."""

from datetime import date

from agreements.actors import Role
from tests.portal.pages.pages_world import World, click, existing, said


def test_a_grant_is_issued_within_the_bounds_shown(world: World) -> None:
    agreement = world.agreement()
    app = world.screen(world.coordinator, "grants")
    form = f"grant.issue:{agreement.id}"
    assert "2,000,000" in app.number_input(key=f"{form}.budget").label
    app.text_input(key=f"{form}.label").set_value("Narrow study")
    app.multiselect(key=f"{form}.checkpoints").set_value(["ladder-l"])
    app.number_input(key=f"{form}.budget").set_value(900)
    app.date_input(key=f"{form}.ends").set_value(date(2026, 4, 1))
    click(app, f"{form}.submit")
    (view,) = world.portal.grants.list(world.actor(world.coordinator))
    scope = existing(view.grant.scope)
    assert (view.grant.label, scope.token_budget) == ("Narrow study", 900)
    assert scope.checkpoints == {"ladder-l"}
    assert scope.expires_at.date() == date(2026, 4, 1)
    assert app.text_input(key=f"{form}.label.1").value == ""


def test_a_grant_beyond_the_agreement_is_refused_with_the_dimension(world: World) -> None:
    agreement = world.agreement()
    app = world.screen(world.coordinator, "grants")
    form = f"grant.issue:{agreement.id}"
    app.text_input(key=f"{form}.label").set_value("Wide study")
    app.number_input(key=f"{form}.budget").set_value(9_000_000)
    click(app, f"{form}.submit")
    words = said(app)
    assert "beyond_agreement" in words
    assert "token\\_budget" in words
    assert not world.portal.grants.list(world.actor(world.coordinator))


def test_a_grant_of_nothing_is_refused(world: World) -> None:
    agreement = world.agreement()
    app = world.screen(world.coordinator, "grants")
    form = f"grant.issue:{agreement.id}"
    app.multiselect(key=f"{form}.checkpoints").set_value([])
    click(app, f"{form}.submit")
    assert "bad_input" in said(app)


def test_a_second_click_on_one_form_issues_one_grant(world: World) -> None:
    agreement = world.agreement()
    app = world.screen(world.coordinator, "grants")
    form = f"grant.issue:{agreement.id}"
    app.text_input(key=f"{form}.label").set_value("Once only")
    key = app.session_state[f"writing.form:{form}"]
    click(app, f"{form}.submit")
    app.session_state[f"writing.form:{form}"] = key
    app.text_input(key=f"{form}.label.1").set_value("Once only")
    app.run()
    click(app, f"{form}.submit")
    assert len(world.portal.grants.list(world.actor(world.coordinator))) == 1


def test_revoking_shows_the_consequence_and_needs_a_reason(world: World) -> None:
    grant = world.grant()
    world.portal.tokens.issue(world.actor(world.lead), label="notebook", grant_id=grant.id)
    app = world.screen(world.coordinator, "grants", grant=grant.id)
    form = f"grant.revoke:{grant.id}"
    click(app, f"{form}.open")
    words = said(app)
    assert "Northfield University" in words
    assert "1 live access token" in words
    click(app, f"{form}.confirm")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value("The study is over.")
    click(app, f"{form}.confirm")
    assert not world.portal.grants.get(world.actor(world.lead), grant.id).active
    assert "The study is over" in said(app)


def test_cancelling_a_dialog_changes_nothing(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.coordinator, "grants", grant=grant.id)
    click(app, f"grant.revoke:{grant.id}.open")
    click(app, f"grant.revoke:{grant.id}.cancel")
    assert world.portal.grants.get(world.actor(world.lead), grant.id).active


def test_a_partner_sees_its_grants_with_what_is_left_and_no_way_to_revoke(world: World) -> None:
    grant = world.grant()
    world.run(world.lead)
    app = world.screen(world.member, "grants", grant=grant.id)
    labels = [button.label for button in app.main.button]
    assert "Revoke" not in labels
    assert "Northfield University" in said(app)
    assert "grant_not_found" in said(world.screen(world.rival, "grants", grant=grant.id))


def test_a_token_is_shown_once_and_works(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.lead, "tokens")
    app.text_input(key="token.issue.label").set_value("notebook")
    app.selectbox(key="token.issue.grant").set_value(grant.id)
    app.selectbox(key="token.issue.purpose").set_value("bias-analysis")
    click(app, "token.issue.submit")
    token = app.code[0].value
    assert world.portal.tokens.authenticate(token).actor.grant_id == grant.id
    assert "client.completions.create" in said(app)
    click(app, "token_hide")
    assert token not in said(app)
    assert "tokens.revealed" not in app.session_state


def test_a_token_for_several_purposes_comes_with_the_header_to_send(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.lead, "tokens", grant=grant.id)
    click(app, "token.issue.submit")
    assert "X-Concordat-Purpose: bias-analysis" in said(app)


def test_a_purpose_outside_the_grant_is_refused(world: World) -> None:
    world.grant(label="Every purpose")
    agreement = world.agreement()
    bounds = world.portal.grants.bounds(world.actor(world.coordinator), agreement.id)
    narrow = world.portal.grants.issue(
        world.actor(world.coordinator),
        agreement_id=agreement.id,
        label="One purpose",
        scope=bounds.model_copy(update={"purposes": frozenset({"bias-analysis"})}),
    )
    app = world.screen(world.lead, "tokens", grant=narrow.id)
    app.selectbox(key="token.issue.purpose").set_value("misuse-analysis")
    click(app, "token.issue.submit")
    assert "purpose_not_granted" in said(app)


def test_a_revoked_token_is_refused(world: World) -> None:
    issued = world.portal.tokens.issue(world.actor(world.lead), label="old laptop")
    app = world.screen(world.lead, "tokens")
    click(app, f"token.revoke:{issued.record.id}.open")
    click(app, f"token.revoke:{issued.record.id}.confirm")
    assert world.portal.tokens.list(world.actor(world.lead))[0].ended_at is not None
    assert "The token is revoked" in said(app)


def test_an_institution_is_registered_and_its_lead_alone_gives_it_a_key(world: World) -> None:
    app = world.screen(world.coordinator, "institutions")
    for name, value in (("name", "Delta Institute"), ("id", "delta"), ("email", "office@delta.example")):
        app.text_input(key=f"institution.register.{name}").set_value(value)
    click(app, "institution.register.submit")
    assert "No active key" in said(app)
    assert "Only its partner lead adds a key" in said(app)
    ours = world.screen(world.lead, "institutions")
    click(ours, "institution.key:northfield.submit")
    assert len(world.portal.institutions.active_keys("northfield")) == 2


def test_a_bad_institution_id_is_refused_and_the_form_keeps_what_was_typed(world: World) -> None:
    app = world.screen(world.coordinator, "institutions")
    app.text_input(key="institution.register.name").set_value("Delta Institute")
    app.text_input(key="institution.register.id").set_value("Not An Id")
    app.text_input(key="institution.register.email").set_value("office@delta.example")
    click(app, "institution.register.submit")
    assert "bad_input" in said(app)
    assert app.text_input(key="institution.register.name").value == "Delta Institute"


def test_a_foreign_proof_of_possession_is_refused(world: World) -> None:
    app = world.screen(world.lead, "institutions")
    form = "institution.own_key:northfield"
    app.text_input(key=f"{form}.public").set_value("ab" * 32)
    app.text_input(key=f"{form}.proof").set_value("cd" * 64)
    click(app, f"{form}.submit")
    assert any(code in said(app) for code in ("no_possession", "bad_public_key", "weak_key"))
    assert len(world.portal.institutions.active_keys("northfield")) == 1


def test_a_person_is_added_and_gets_a_link_shown_once(world: World) -> None:
    app = world.screen(world.coordinator, "people")
    app.selectbox(key="person.register.institution").set_value("northfield").run()
    app.text_input(key="person.register.name").set_value("Nia Park")
    app.text_input(key="person.register.email").set_value("nia@northfield.example")
    app.selectbox(key="person.register.role").set_value(Role.PARTNER_MEMBER)
    click(app, "person.register.submit")
    (nia,) = [p for p in world.portal.people.list(world.actor(world.coordinator)) if p.name == "Nia Park"]
    click(app, f"person.link:{nia.id}.act")
    link = app.code[0].value
    assert world.portal.sign_in.enter(link.partition("code=")[2]).person.id == nia.id
    click(app, f"hide_link_{nia.id}")
    assert link not in said(app)


def test_a_lead_adds_members_of_its_own_institution_only(world: World) -> None:
    app = world.screen(world.lead, "people")
    assert app.selectbox(key="person.register.institution").options == ["Northfield University"]
    assert "Partner lead" not in app.selectbox(key="person.register.role").options
    assert "Make a sign-in link" not in [button.label for button in app.button]
