"""Templates and campaigns on screen, for coordinators."""

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from agreements.clauses import Feedback, only
from agreements.diffs import Segment, SegmentOp
from portal.pages.diff_view import marked
from portal.services.campaigns import CampaignProgress
from portal.services.templates import USUAL
from tests.portal.pages.life_world import in_force
from tests.portal.pages.pages_world import World, click, said

FORM = f"template.publish:{USUAL}"


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def opened(world: World, do: str = "read", **query: str) -> AppTest:
    return world.screen(world.coordinator, "templates", template=USUAL, do=do, **query)


def publish(world: World, **changes: dict[str, Any]) -> int:
    """The usual template's next version, with fields of some clauses changed by kind."""
    usual = world.portal.templates.get(USUAL)
    clauses = [{**one.model_dump(mode="json"), **changes.get(one.kind, {})} for one in usual.clauses]
    made = world.portal.templates.publish(
        world.actor(world.coordinator),
        template_id=USUAL,
        version=usual.version + 1,
        title=usual.title,
        summary=usual.summary,
        clauses=clauses,
        note="A new rhythm.",
    )
    return made.version


def started(world: World) -> CampaignProgress:
    return world.portal.campaigns.start(world.actor(world.coordinator), USUAL, note="A new rhythm.")


def test_templates_are_listed_with_form_version_and_clauses(world: World) -> None:
    words = said(world.screen(world.coordinator, "templates"))
    assert "a framework, vetted once" in words
    assert "for outputs only" in words
    assert "17 clauses" in words
    assert "No campaign yet" in words


@pytest.mark.parametrize("role", ["lead", "member", "researcher", "observer"])
def test_only_coordinators_have_the_screen(world: World, role: str) -> None:
    app = world.screen(getattr(world, role))
    with pytest.raises(ValueError, match="page"):
        app.switch_page("screens/templates.py").run()


def test_any_version_is_read(world: World) -> None:
    words = said(opened(world))
    assert "**1. Licence**" in words
    assert "Duties that are late" in words
    assert "Duties that are late" not in said(opened(world, version="1"))


def test_any_two_versions_are_compared_without_need_of_colour(world: World) -> None:
    app = opened(world, "compare")
    assert "underlined" in said(app)
    assert "<ins " in html(app)
    assert "<del " in html(app)
    app.selectbox(key="templates.filter.version").set_value("1").run()
    assert app.query_params["version"] == "1"
    assert app.selectbox(key="templates.filter.against").value == "2"


def test_a_new_version_is_edited_previewed_and_published(world: World) -> None:
    app = opened(world, "edit")
    app.number_input(key=f"{FORM}.feedback.every_weeks").set_value(6).run()
    assert "1 clause changed" in said(app)
    app.text_input(key=f"{FORM}.note").set_value("A new rhythm.")
    click(app, f"{FORM}.act")
    made = world.portal.templates.get(USUAL)
    feedback = only(made.clauses, Feedback)
    assert feedback is not None
    assert (made.version, made.note, feedback.every_weeks) == (3, "A new rhythm.", 6)
    assert "Version 3 is published" in said(app)
    assert "version 3" in said(opened(world))


def test_words_that_cite_what_is_not_there_are_refused_and_stay_typed(world: World) -> None:
    app = opened(world, "edit")
    app.text_area(key=f"{FORM}.general.text").set_value("As agreed in {nothing}.").run()
    assert "It cannot be published so" in said(app)
    click(app, f"{FORM}.act")
    assert world.portal.templates.get(USUAL).version == 2
    assert app.text_area(key=f"{FORM}.general.text").value == "As agreed in {nothing}."


def test_what_is_published_meanwhile_is_not_overwritten(world: World) -> None:
    app = opened(world, "edit")
    publish(world, feedback={"every_weeks": 8})
    click(app, f"{FORM}.act")
    feedback = only(world.portal.templates.get(USUAL).clauses, Feedback)
    assert feedback is not None
    assert (world.portal.templates.get(USUAL).version, feedback.every_weeks) == (3, 8)
    assert "template_version" in said(app)


def test_it_becomes_a_template_of_its_own(world: World) -> None:
    app = opened(world, "edit")
    copy = f"template.copy:{USUAL}"
    app.text_input(key=f"{copy}.id").set_value("Not an id")
    click(app, f"{copy}.act")
    assert "bad_input" in said(app)
    app.text_input(key=f"{copy}.id").set_value("press-access")
    click(app, f"{copy}.act")
    assert world.portal.templates.get("press-access").version == 1
    assert app.query_params["template"] == "press-access"


def test_retiring_needs_a_reason_and_says_what_stays(world: World) -> None:
    app = opened(world, "edit")
    click(app, f"template.retire:{USUAL}.open")
    assert "stay as they are" in said(app)
    click(app, f"template.retire:{USUAL}.confirm")
    assert world.portal.templates.get(USUAL).retired_at is None
    app.text_area(key=f"template.retire:{USUAL}.reason").set_value("Replaced by the framework.")
    click(app, f"template.retire:{USUAL}.confirm")
    assert world.portal.templates.get(USUAL).retired_at is not None
    assert "retired" in said(world.screen(world.coordinator, "templates"))


def test_what_is_not_there_is_said_so(world: World) -> None:
    assert "template_not_found" in said(world.screen(world.coordinator, "templates", template="nothing"))
    assert "campaign_not_found" in said(world.screen(world.coordinator, "templates", campaign="cmp_none"))


def test_a_campaign_shows_per_agreement_what_would_change_and_what_stays(world: World) -> None:
    in_force(world)
    in_force(world, "open-press", term={"days": 400})
    publish(world, feedback={"every_weeks": 6}, term={"days": 200})
    words = said(opened(world, "campaign")).replace("\\", "")
    assert "**Northfield University**" in words
    assert "2 clauses to accept" in words
    assert "Both the parties and the template changed **Term**" in words
    assert world.portal.campaigns.list(world.actor(world.coordinator)) == ()


def test_a_campaign_is_started_for_those_chosen_after_its_consequence_was_read(world: World) -> None:
    north = in_force(world)
    in_force(world, "open-press")
    version = publish(world, feedback={"every_weeks": 6})
    app = opened(world, "campaign")
    form = f"campaign.start:{USUAL}:{version}"
    app.multiselect(key=f"{form}.agreements").set_value([north.id])
    app.text_area(key=f"{form}.note").set_value("A new rhythm.").run()
    click(app, f"{form}.open")
    assert "offered at once to 1: **Northfield University**" in said(app)
    click(app, f"{form}.confirm")
    (campaign,) = world.portal.campaigns.list(world.actor(world.coordinator))
    assert [entry.agreement_id for entry in campaign.entries] == [north.id]
    assert app.query_params["campaign"] == campaign.id
    proposal = world.portal.agreements.get(world.actor(world.lead), north.id).proposal
    assert proposal is not None
    assert proposal.note == "A new rhythm."


def test_nothing_chosen_starts_nothing(world: World) -> None:
    in_force(world)
    version = publish(world, feedback={"every_weeks": 6})
    app = opened(world, "campaign")
    form = f"campaign.start:{USUAL}:{version}"
    app.multiselect(key=f"{form}.agreements").set_value([]).run()
    click(app, f"{form}.open")
    assert "nobody" in said(app)
    click(app, f"{form}.confirm")
    assert "nothing_to_propose" in said(app)


def test_an_amendment_already_open_stands_in_the_way_and_says_so(world: World) -> None:
    in_force(world)
    publish(world, feedback={"every_weeks": 6})
    started(world)
    publish(world, feedback={"every_weeks": 7})
    words = said(opened(world, "campaign"))
    assert "cannot be proposed" in words
    assert "proposal_open" in words
    assert "Nothing can be proposed now" in words


def test_progress_follows_the_answers(world: World) -> None:
    agreements, lead, rival = world.portal.agreements, world.actor(world.lead), world.actor(world.rival)
    north, press = in_force(world), in_force(world, "open-press")
    publish(world, feedback={"every_weeks": 6})
    campaign_id = started(world).campaign.id
    digest = agreements.get(lead, north.id).proposal
    assert digest is not None
    for signer in (lead, world.actor(world.coordinator)):
        agreements.sign(signer, north.id, typed_name=signer.name, document_digest=digest.digest or "")
    agreements.decline(rival, press.id, reason="Not this term.")
    app = world.screen(world.coordinator, "templates", campaign=campaign_id)
    words = said(app).replace("\\", "")
    assert "in force: 1 (50%)" in words
    assert "declined: 1 (50%)" in words
    assert "**50%**" in app.get("progress")[0].proto.text
    assert "A new rhythm." in words


def test_a_campaign_is_closed_once_with_a_note(world: World) -> None:
    in_force(world)
    publish(world, feedback={"every_weeks": 6})
    campaign_id = started(world).campaign.id
    app = world.screen(world.coordinator, "templates", campaign=campaign_id)
    form = f"campaign.close:{campaign_id}"
    click(app, f"{form}.open")
    assert "stay open in their agreements" in said(app)
    app.text_area(key=f"{form}.reason").set_value("All have answered.")
    click(app, f"{form}.confirm")
    assert "All have answered" in said(app)
    assert f"{form}.open" not in {button.key for button in app.button}
    assert "closed" in said(world.screen(world.coordinator, "templates"))


def test_marked_words_are_escaped() -> None:
    drawn = marked([Segment(op=op, text="<script>alert(1)</script> \u202e ends.") for op in SegmentOp])
    assert "<script" not in drawn
    assert "\u202e" not in drawn
