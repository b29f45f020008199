"""Agreements on screen: drafting, offering, reading, signing on both sides, and ending."""

from agreements.agreement import Agreement, AgreementStatus
from tests.portal.pages.pages_world import World, click, existing, said


def status(world: World, agreement: Agreement) -> AgreementStatus:
    return world.portal.agreements.get(world.actor(world.coordinator), agreement.id).status


def test_a_coordinator_drafts_and_lands_on_the_draft(world: World) -> None:
    app = world.screen(world.coordinator, "agreements")
    app.selectbox(key="draft_institution").set_value("northfield")
    app.text_input(key="agreement.draft.title").set_value("Spring study")
    click(app, "agreement.draft.act")
    (made,) = world.portal.agreements.list(world.actor(world.coordinator))
    assert (made.title, made.status) == ("Spring study", AgreementStatus.DRAFT)
    assert app.query_params["agreement"] == made.id
    assert "The draft is made" in said(app)


def test_an_edited_draft_is_what_is_offered(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.edit:{agreement.id}"
    app.number_input(key=f"{form}.usage-limits.token_budget").set_value(5000)
    app.run()
    assert "Not saved yet" in said(app)
    click(app, f"{form}.act")
    click(app, f"agreement.offer:{agreement.id}.act")
    offered = world.portal.agreements.get(world.actor(world.coordinator), agreement.id)
    assert offered.status is AgreementStatus.OFFERED
    assert "5,000 tokens" in next(c.rendered() for c in offered.clauses if c.clause_id == "usage-limits")


def test_a_draft_whose_words_cite_nothing_is_refused_with_the_clause(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.edit:{agreement.id}"
    app.text_area(key=f"{form}.term.text").set_value("It runs for {weeks} weeks.")
    click(app, f"{form}.act")
    assert "bad_clause" in said(app)


def test_a_lead_reads_and_signs(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    words = said(app)
    assert existing(agreement.document_digest) in words
    assert "At most 2,000,000 tokens" in words.replace("\\", "")
    app.checkbox(key=f"agreement.sign:{agreement.id}.read").check()
    app.text_input(key=f"agreement.sign:{agreement.id}.name").set_value("ada lovell")
    click(app, f"agreement.sign:{agreement.id}.submit")
    assert status(world, agreement) is AgreementStatus.SIGNED
    assert "Signed. The lab countersigns next." in said(app)


def test_signing_unread_or_under_another_name_is_refused_and_signs_nothing(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    app.text_input(key=f"agreement.sign:{agreement.id}.name").set_value("Ada Lovell")
    click(app, f"agreement.sign:{agreement.id}.submit")
    assert "not_read" in said(app)
    app.checkbox(key=f"agreement.sign:{agreement.id}.read").check()
    app.text_input(key=f"agreement.sign:{agreement.id}.name").set_value("Somebody Else")
    click(app, f"agreement.sign:{agreement.id}.submit")
    assert "name_differs" in said(app)
    assert status(world, agreement) is AgreementStatus.OFFERED


def test_a_coordinator_countersigns_and_it_is_in_force(world: World) -> None:
    agreement = world.agreement(until="signed")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    app.checkbox(key=f"agreement.sign:{agreement.id}.read").check()
    app.text_input(key=f"agreement.sign:{agreement.id}.name").set_value("Cora Meridian")
    click(app, f"agreement.sign:{agreement.id}.submit")
    assert status(world, agreement) is AgreementStatus.IN_FORCE
    assert said(app).count("signature holds") == 2


def test_a_member_reads_but_is_not_asked_to_sign(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = world.screen(world.member, "agreements", agreement=agreement.id)
    assert existing(agreement.document_digest) in said(app)
    assert not app.text_input
    assert not app.text_area
    parts = {"Terms", "Changes", "Signatures", "Timeline", "Comments"}
    assert {button.label for button in app.main.button} == {"All agreements", *parts}


def test_declining_asks_for_a_reason_and_names_what_ends(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    form = f"agreement.decline:{agreement.id}"
    click(app, f"{form}.open")
    assert "Northfield University" in said(app)
    app.text_area(key=f"{form}.reason").set_value("The term is too short.")
    click(app, f"{form}.confirm")
    assert status(world, agreement) is AgreementStatus.DECLINED
    assert "too short" in said(app)


def test_terminating_says_how_many_grants_end_with_it(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.coordinator, "agreements", agreement=grant.agreement_id, part="life")
    form = f"agreement.terminate:{grant.agreement_id}"
    click(app, f"{form}.open")
    assert "active now: 1" in said(app)
    app.text_area(key=f"{form}.reason").set_value("x")
    click(app, f"{form}.confirm")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value("Breach of clause four.")
    click(app, f"{form}.confirm")
    assert not world.portal.grants.get(world.actor(world.lead), grant.id).active


def test_somebody_elses_agreement_and_a_draft_do_not_exist(world: World) -> None:
    foreign = world.agreement(until="offered", institution="open-press")
    draft = world.agreement(until="draft")
    for agreement in (foreign, draft):
        app = world.screen(world.lead, "agreements", agreement=agreement.id)
        assert "agreement_not_found" in said(app)


def test_without_agreements_a_partner_is_told_what_to_do(world: World) -> None:
    assert "has not offered your institution an agreement yet" in said(world.screen(world.lead, "agreements"))
