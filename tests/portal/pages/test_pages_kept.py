"""What is kept of a run, on its page: until when, by which clause, shown when asked for, deleted after a warning."""

import pytest

from portal.pages import context
from portal.pages.words import literal
from tests.portal.pages.pages_world import World, click, existing, said

PROMPT = "Once upon a time"
ANSWER = " the sea is calm"


def keeping(world: World, **more: object) -> None:
    """A grant under an agreement that keeps runs for thirty days."""
    portal, lab, lead = world.portal, world.actor(world.coordinator), world.actor(world.lead)
    clauses = [clause.model_dump(mode="json") for clause in portal.agreements.templates()[0].clauses]
    for clause in clauses:
        if clause["kind"] == "confidentiality":
            clause.update({"runs_kept_days": 30, **more})
    draft = portal.agreements.draft(lab, institution_id="northfield", clauses=clauses)
    digest = portal.agreements.offer(lab, draft.id).document_digest or ""
    for signer in (lead, lab):
        portal.agreements.sign(signer, draft.id, typed_name=signer.name, document_digest=digest)
    portal.grants.issue(lab, agreement_id=draft.id, label="Misuse study")


@pytest.fixture
def run_id(world: World) -> str:
    """A run of the member's under such an agreement."""
    keeping(world)
    return world.run(world.member)


def test_it_is_shown_only_when_asked_for_and_the_reading_is_there(world: World, run_id: str) -> None:
    app = world.screen(world.member, "runs", run=run_id)
    words = said(app)
    assert literal("Kept until 2026-03-31 09:") in words
    assert "by clause " in words
    assert "nobody else, the lab included" in words
    assert PROMPT not in words
    app = click(app, f"kept_show_{run_id}.act")
    shown = [element.value for element in app.code]
    assert PROMPT in shown
    assert ANSWER in shown
    assert "1 reading on record" in [one.label for one in app.expander]
    app = click(app, "kept_hide")
    assert PROMPT not in [element.value for element in app.code]


def test_others_see_that_it_is_kept_and_not_what_it_says(world: World, run_id: str) -> None:
    for person in (world.lead, world.coordinator):
        app = world.screen(person, "runs", run=run_id)
        assert "They are not yours to read." in said(app)
        assert not [one.key for one in app.button if str(one.key).startswith(("kept_show", "kept_delete"))]


def test_it_is_deleted_after_the_consequence_was_read(world: World, run_id: str) -> None:
    app = click(world.screen(world.member, "runs", run=run_id), f"kept_delete_{run_id}.open")
    assert f"Prompt and answer of `{run_id}` are destroyed now" in said(app)
    app = click(app, f"kept_delete_{run_id}.confirm")
    view = existing(context.portal()).keeping.view(world.actor(world.member), run_id)
    assert view.destroyed_because == "whoever made the run deleted it"
    words = said(world.screen(world.member, "runs", run=run_id))
    assert literal("whoever made the run deleted it. It was kept by clause") in words


def test_a_replay_takes_what_is_kept(world: World, run_id: str) -> None:
    app = world.screen(world.member, "runs", run=run_id)
    assert "leave both empty" in said(app)
    assert "Identical: every character" in said(click(app, "replay.submit"))


def test_where_nothing_is_agreed_it_says_so(world: World) -> None:
    world.grant()
    app = world.screen(world.member, "runs", run=world.run(world.member))
    assert literal("Not kept: the agreement does not ask for it.") in said(app)
    assert "needs the prompt that was sent" in said(click(app, "replay.submit"))
