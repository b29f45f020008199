"""An agreement's life on screen: suspension and appeal, narrowing, the end, what it allows, and its history."""

import pytest

from agreements.actors import LAB, Role
from agreements.agreement import Agreement, AgreementStatus, AppealOutcome
from agreements.clauses import SuspensionReason
from agreements.people import Person
from agreements.scopes import Operation
from agreements.standard_terms import template
from tests.portal.pages.life_world import first_duty, in_force, let_pass
from tests.portal.pages.pages_world import World, click, existing, said

WHY = "Requests of two days look like extraction."
APPEAL = "It is the very study that the clause permits."


def get(world: World, agreement_id: str) -> Agreement:
    return world.portal.agreements.get(world.actor(world.coordinator), agreement_id)


def second_coordinator(world: World) -> Person:
    return world.portal.people.register(
        world.actor(world.coordinator),
        name="Dora Second",
        email="dora@meridian.example",
        memberships=[(LAB, Role.COORDINATOR)],
    )


def suspended(world: World, reason: str = "suspected_misuse") -> str:
    agreement_id = world.grant().agreement_id
    lab = world.actor(world.coordinator)
    world.portal.agreements.suspend(lab, agreement_id, reason=reason, statement=WHY)
    return agreement_id


def appealed(world: World) -> str:
    agreement_id = suspended(world)
    world.portal.agreements.appeal(world.actor(world.lead), agreement_id, number=1, text=APPEAL)
    return agreement_id


def test_suspending_says_first_what_it_stops_and_what_rights_remain(world: World) -> None:
    agreement_id = world.grant().agreement_id
    app = world.screen(world.coordinator, "agreements", agreement=agreement_id, part="life")
    form = f"agreement.suspend:{agreement_id}"
    assert "72 hours after the notice" in said(app)
    app.selectbox(key=f"{form}.reason").set_value(SuspensionReason.SUSPECTED_MISUSE).run()
    words = said(app)
    assert "takes effect at once" in words
    assert "can appeal for" in words
    assert "Grant *Misuse study* is refused until the suspension is lifted" in words
    app.text_area(key=f"{form}.statement").set_value("No.")
    click(app, f"{form}.act")
    assert "bad_input" in said(app)
    assert app.text_area(key=f"{form}.statement").value == "No."
    app.text_area(key=f"{form}.statement").set_value(WHY)
    click(app, f"{form}.act")
    assert get(world, agreement_id).status_on(world.portal.kernel.clock()) is AgreementStatus.SUSPENDED
    assert "Suspended for suspected misuse" in said(app)


def scheduled(world: World) -> Agreement:
    """The shipped schedule, which has no clause on suspension, under the shipped framework, which has."""
    lab, lead, service = world.actor(world.coordinator), world.actor(world.lead), world.portal.agreements
    signed: Agreement | None = None
    for template_id in ("framework", "model-schedule"):
        clauses = [one.model_dump(mode="json") for one in template(template_id).clauses if one.kind != "vetting"]
        drafted = service.draft(
            lab,
            institution_id="northfield",
            template_id=template_id,
            clauses=clauses,
            framework_id=None if signed is None else signed.id,
        )
        digest = service.offer(lab, drafted.id).document_digest or ""
        for signer in (lead, lab):
            signed = service.sign(signer, drafted.id, typed_name=signer.name, document_digest=digest)
    return existing(signed)


def test_a_schedule_is_said_to_be_suspended_by_the_rules_of_its_framework(world: World) -> None:
    agreement = scheduled(world)
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id, part="life")
    app.selectbox(key=f"agreement.suspend:{agreement.id}.reason").set_value(SuspensionReason.BREACH_OF_TERMS).run()
    words = said(app)
    assert "72 hours after the notice" in words
    assert "can appeal for 30 days" in words
    assert "silence lifts the suspension" in words
    lab, lead, service = world.actor(world.coordinator), world.actor(world.lead), world.portal.agreements
    service.suspend(lab, agreement.id, reason="breach_of_terms", statement=WHY)
    service.appeal(lead, agreement.id, number=1, text=APPEAL)
    ours = said(world.screen(world.lead, "agreements", agreement=agreement.id, part="life"))
    assert "If it does not, the suspension is lifted" in ours
    assert "notice within 72 hours" in str(
        [box.options for box in world.screen(world.lead, "duties").selectbox if "agreement" in (box.key or "")]
    )


def test_narrowing_says_first_which_grants_lose_what(world: World) -> None:
    agreement_id = world.grant().agreement_id
    app = world.screen(world.coordinator, "agreements", agreement=agreement_id, part="life")
    app.multiselect(key=f"agreement.narrow:{agreement_id}.operations").set_value(["generate"]).run()
    assert "Grant *Misuse study* loses" in said(app)


def test_the_institution_appeals_and_another_coordinator_upholds_it(world: World) -> None:
    agreement_id = suspended(world)
    ours = world.screen(world.lead, "agreements", agreement=agreement_id)
    assert "**Your turn.** Suspended for suspected misuse" in said(ours)
    form = f"agreement.appeal:{agreement_id}:1"
    ours.text_area(key=f"{form}.text").set_value(APPEAL)
    click(ours, f"{form}.submit")
    assert "If it does not, the suspension is lifted" in said(ours)
    own = world.screen(world.coordinator, "agreements", agreement=agreement_id, part="life")
    assert "another coordinator decides the appeal" in said(own)
    assert not own.radio
    other = world.screen(second_coordinator(world), "agreements", agreement=agreement_id)
    form = f"agreement.decide:{agreement_id}:1"
    other.text_area(key=f"{form}.reasons").set_value("The prompts were agreed on beforehand.")
    click(other, f"{form}.submit")
    assert "no_decision" in said(other)
    other.radio(key=f"{form}.decision").set_value("Uphold the appeal: the suspension is lifted")
    click(other, f"{form}.submit")
    suspension = get(world, agreement_id).suspensions[0]
    assert (existing(suspension.appeal).outcome, suspension.lifted_at is None) == (AppealOutcome.UPHELD, False)
    words = said(world.screen(world.member, "agreements", agreement=agreement_id, part="life"))
    assert "Upheld" in words
    assert "agreed on beforehand" in words


def test_a_dismissed_appeal_leaves_the_suspension_and_its_record(world: World) -> None:
    agreement_id = appealed(world)
    other = world.screen(second_coordinator(world), "agreements", agreement=agreement_id)
    form = f"agreement.decide:{agreement_id}:1"
    other.radio(key=f"{form}.decision").set_value("Dismiss the appeal: the suspension stands")
    other.text_area(key=f"{form}.reasons").set_value("Nothing of that was agreed on.")
    click(other, f"{form}.submit")
    ours = world.screen(world.lead, "agreements", agreement=agreement_id, part="life")
    assert "Dismissed" in said(ours)
    assert not ours.text_area


def test_an_appeal_that_comes_too_late_is_not_offered(world: World) -> None:
    agreement_id = suspended(world)
    let_pass(world, 40)
    app = world.screen(world.lead, "agreements", agreement=agreement_id, part="life")
    assert "It could be appealed until" in said(app)
    assert not app.text_area


def test_a_coordinator_lifts_with_a_reason(world: World) -> None:
    agreement_id = suspended(world)
    app = world.screen(world.coordinator, "agreements", agreement=agreement_id, part="life")
    form = f"agreement.lift:{agreement_id}:1"
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("It was a mistake of ours.")
    click(app, f"{form}.confirm")
    assert get(world, agreement_id).suspension is None
    assert "mistake of ours" in said(app)


def test_an_institution_suspends_at_its_own_request_and_lifts_it_again(world: World) -> None:
    agreement = in_force(world)
    app = world.screen(world.lead, "agreements", agreement=agreement.id, part="life")
    form = f"agreement.suspend:{agreement.id}"
    assert "your institution can lift it again" in said(app)
    app.text_area(key=f"{form}.statement").set_value("A laptop was stolen; we check what was on it.")
    click(app, f"{form}.act")
    assert get(world, agreement.id).status_on(world.portal.kernel.clock()) is AgreementStatus.SUSPENDED
    form = f"agreement.lift:{agreement.id}:1"
    lab = world.screen(world.coordinator, "agreements", agreement=agreement.id, part="life")
    assert not [button for button in lab.button if button.key == f"{form}.open"]
    assert f"agreement.suspend:{agreement.id}.statement" in {area.key for area in lab.text_area}
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("Nothing was on it.")
    click(app, f"{form}.confirm")
    assert get(world, agreement.id).suspension is None


def test_access_is_narrowed_and_widened_again(world: World) -> None:
    agreement = in_force(world)
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id, part="life")
    form = f"agreement.narrow:{agreement.id}"
    app.text_area(key=f"{form}.statement").set_value("The report is late by a week.")
    click(app, f"{form}.act")
    assert "bad_input" in said(app)
    app.multiselect(key=f"{form}.operations").set_value(["generate"])
    app.number_input(key=f"{form}.rate").set_value(5)
    click(app, f"{form}.act")
    assert existing(get(world, agreement.id).narrowing).operations == {Operation.GENERATE}
    closed = said(world.screen(world.member, "agreements", agreement=agreement.id, part="allows"))
    assert "is narrowed to generate" in closed
    form = f"agreement.widen:{agreement.id}:1"
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("The report came.")
    click(app, f"{form}.confirm")
    assert get(world, agreement.id).narrowing is None


def test_a_member_reads_the_record_and_is_offered_nothing(world: World) -> None:
    agreement_id = appealed(world)
    app = world.screen(world.member, "agreements", agreement=agreement_id, part="life")
    assert "look like extraction" in said(app)
    assert not app.text_area
    parts = {"Terms", "Changes", "Signatures", "Life", "Allows today", "Timeline", "Comments"}
    assert {button.label for button in app.main.button} == {"All agreements", *parts}


def test_the_books_are_closed_as_fulfilled_only_when_nothing_is_open(world: World) -> None:
    agreement = in_force(world)
    key = first_duty(world, agreement)
    lab = world.actor(world.coordinator)
    let_pass(world, 40)
    world.portal.agreements.terminate(lab, agreement.id, reason="The pilot is over.")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    assert "**Your turn.** Terminated" in said(app)
    form = f"agreement.close:{agreement.id}"
    click(app, f"{form}.act")
    assert "duties_open" in said(app)
    assert key.split(":", maxsplit=1)[0] in said(app).replace("\\", "")
    app.radio(key=f"{form}.fulfilled").set_value(False)
    app.text_area(key=f"{form}.note").set_value("The last report never came.")
    click(app, f"{form}.act")
    assert get(world, agreement.id).status is AgreementStatus.CLOSED
    words = said(world.screen(world.lead, "agreements", agreement=agreement.id))
    assert "Closed as not fulfilled" in words
    assert "never came" in words


@pytest.mark.parametrize("role", ["coordinator", "lead", "member"])
def test_what_it_allows_is_said_in_words_for_both_sides(world: World, role: str) -> None:
    agreement_id = world.grant().agreement_id
    world.run(world.member)
    app = world.screen(getattr(world, role), "agreements", agreement=agreement_id, part="allows")
    assert "In force until" in said(app).replace("\\", "")
    table = str(app.table[0].value)
    assert "open for" in table
    assert "ladder" in table
    bar = app.get("progress")[-1]
    assert "tokens left" in bar.proto.text


def test_what_is_closed_names_the_reason_and_who_clears_it(world: World) -> None:
    agreement_id = suspended(world)
    words = said(world.screen(world.lead, "agreements", agreement=agreement_id, part="allows"))
    assert "Why the rest is closed" in words
    assert "nothing is open under it" in words
    assert "can clear this" in words


def test_the_timeline_tells_who_did_what_and_leads_to_the_log(world: World) -> None:
    agreement_id = appealed(world)
    app = world.screen(world.lead, "agreements", agreement=agreement_id, part="timeline")
    words = said(app)
    assert "Drafted from the template" not in words
    assert "> " + APPEAL.replace(".", "\\.") in words
    assert words.index("was appealed") < words.index("Entered into force")
    assert "/api/log/entries/" in app.get("link_button")[-1].proto.url
    assert "Drafted from the template" in said(
        world.screen(world.coordinator, "agreements", agreement=agreement_id, part="timeline")
    )


def test_the_inbox_tells_each_side_of_a_suspension(world: World) -> None:
    agreement_id = suspended(world)
    assert "can appeal" in said(world.screen(world.lead))
    world.portal.agreements.appeal(world.actor(world.lead), agreement_id, number=1, text=APPEAL)
    assert "awaits the lab's decision" not in said(world.screen(world.coordinator))
    assert "awaits the lab's decision" in said(world.screen(second_coordinator(world)))


def test_a_statement_cannot_draw_on_the_page(world: World) -> None:
    agreement_id = world.grant().agreement_id
    evil = "[x](javascript:alert(1)) **bold** :red[no] <script>"
    world.portal.agreements.suspend(
        world.actor(world.coordinator), agreement_id, reason="suspected_misuse", statement=evil
    )
    for part in ("life", "timeline", "allows"):
        words = said(world.screen(world.lead, "agreements", agreement=agreement_id, part=part))
        assert "**bold**" not in words
        assert ":red[no]" not in words


def test_the_parts_are_turned_by_buttons_and_kept_in_the_address(world: World) -> None:
    agreement = in_force(world)
    app = world.screen(world.lead, "agreements", agreement=agreement.id, part="no such part")
    assert app.query_params["part"] == "terms"
    for part in ("changes", "sign", "life", "allows", "timeline", "comments"):
        click(app, f"agreement.part:{part}")
        assert app.query_params["part"] == part
