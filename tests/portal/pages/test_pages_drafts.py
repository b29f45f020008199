"""Drafts of every template on screen: each clause's data has its widget, and saving alone changes nothing."""

import pytest

from agreements.clauses import Form, LateDuties, SafeHarbour, only
from agreements.scopes import Operation
from agreements.standard_terms import templates
from tests.portal.pages.pages_world import World, click, existing, said

ALONE = sorted({entry.template_id for entry in templates() if entry.form is not Form.SCHEDULE})


@pytest.mark.parametrize("template_id", ALONE)
def test_a_draft_that_is_saved_as_it_stands_stays_as_it_is(world: World, template_id: str) -> None:
    ada = world.actor(world.coordinator)
    made = world.portal.agreements.draft(ada, institution_id="northfield", template_id=template_id)
    app = world.screen(world.coordinator, "agreements", agreement=made.id)
    click(app, f"agreement.edit:{made.id}.act")
    assert "The draft is saved." in said(app)
    assert world.portal.agreements.get(ada, made.id).clauses == made.clauses


def test_choices_that_a_clause_closes_are_offered_and_kept(world: World) -> None:
    ada = world.actor(world.coordinator)
    made = world.portal.agreements.draft(ada, institution_id="northfield")
    app = world.screen(world.coordinator, "agreements", agreement=made.id)
    form = f"agreement.edit:{made.id}"
    app.selectbox(key=f"{form}.safe-harbour.on_silence").set_value("stands")
    app.multiselect(key=f"{form}.late-duties.narrowed_operations").set_value(["logprobs", "score"])
    click(app, f"{form}.act")
    clauses = world.portal.agreements.get(ada, made.id).clauses
    assert existing(only(clauses, SafeHarbour)).on_silence == "stands"
    assert existing(only(clauses, LateDuties)).narrowed_operations == {Operation.LOGPROBS, Operation.SCORE}


def test_listed_uses_are_edited_one_by_one(world: World) -> None:
    ada = world.actor(world.coordinator)
    made = world.portal.agreements.draft(ada, institution_id="northfield", template_id="red-team")
    app = world.screen(world.coordinator, "agreements", agreement=made.id)
    form = f"agreement.edit:{made.id}"
    assert app.text_input(key=f"{form}.permitted-uses.uses.0.use_id").value == "detector-evasion"
    assert not [one for one in app.multiselect if one.key == f"agreement.edit:{made.id}.permitted-uses.purposes"]
