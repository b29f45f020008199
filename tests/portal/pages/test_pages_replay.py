"""Replaying a run on its page: identical, where it parts, and what is refused."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from agreements.people import Person
from model_access.build import Precision, engine_build
from model_access.generation import Failed
from portal.pages import replay_view
from portal.services import run_ends
from tests.portal.pages.pages_world import World, click, existing, said

PROMPT = "Once upon a time"
ANSWER = " the sea is calm"


def page(world: World, run_id: str, person: Person | None = None) -> AppTest:
    """The run's page, as the member sees it."""
    return world.screen(person or world.member, "runs", run=run_id)


def replay(app: AppTest, prompt: str = PROMPT, output: str = "", *, as_json: bool = False) -> AppTest:
    """Fill in the form and send it."""
    app.text_area(key="replay.prompt").set_value(prompt)
    app.text_area(key="replay.output").set_value(output)
    if as_json:
        app.checkbox(key="replay.json").check()
    return click(app, "replay.submit")


@pytest.fixture
def run_id(world: World) -> str:
    """A run of the lead's, which the member may see."""
    world.grant()
    return world.run(world.lead)


def test_a_run_replays_identically_and_both_pages_say_so(world: World, run_id: str) -> None:
    app = replay(page(world, run_id))
    words = said(app)
    assert "Identical: every character" in words
    assert "are those of the receipt" in words
    assert ANSWER in words
    (made,) = world.portal.replaying.of(world.actor(world.member), run_id)
    replayed = existing(made.terms).run_id
    again = page(world, run_id)
    assert replayed in [button.label for button in again.button]
    other = page(world, replayed)
    assert f"of {run_id}" in [button.label for button in other.button]
    assert "identical" in said(other)
    assert "replay" in said(world.screen(world.member, "runs"))


def test_what_parts_stands_side_by_side_and_is_never_markup(world: World, run_id: str) -> None:
    world.pool.words = (" the", " <script>alert(1)</script>", " is", " calm")
    app = replay(page(world, run_id), output=ANSWER)
    words = said(app)
    assert (
        "Parts at token 1 of choice 0 (character 5), counted from 0; nothing that the receipt names has changed"
        in words
    )
    then, now = [element.proto.body for element in app.get("html") if "pre-wrap" in element.proto.body]
    assert "<del" in then
    assert "sea is calm</del>" in then
    assert "<ins" in now
    assert "&lt;script&gt;" in now
    assert "<script" not in now


def test_without_the_original_it_is_said_that_nobody_can_say_where(world: World, run_id: str) -> None:
    world.pool.words = (" a", " <b>b</b>")
    words = said(replay(page(world, run_id)))
    assert "the original is not here to say where" in words


def test_what_changed_meanwhile_is_told_with_what_it_means(
    world: World, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_ends, "engine_build", lambda *_: engine_build(Precision.INT8, 1))
    app = replay(page(world, run_id))
    assert "though not all was as it was then" in said(app)
    tables = " ".join(table.value.to_string() for table in app.table)
    assert "float32" in tables
    assert "int8" in tables
    assert "another answer is to be expected" in tables


@pytest.mark.parametrize(
    ("prompt", "output", "as_json", "code"),
    [
        ("Once upon a time ", "", False, "not_the_prompt"),
        ("", "", False, "prompt_needed"),
        (PROMPT, "another answer", False, "not_the_output"),
        (PROMPT, "", True, "bad_json"),
        ('{"a": 1}', "", True, "bad_prompts"),
        ("[true]", "", True, "bad_prompts"),
        ("[1, 2, 3]", "", True, "not_the_prompt"),
    ],
)
def test_refusals_are_said_and_keep_what_was_typed(
    world: World, run_id: str, prompt: str, output: str, as_json: bool, code: str
) -> None:
    app = replay(page(world, run_id), prompt, output, as_json=as_json)
    assert code in said(app)
    assert app.text_area(key="replay.prompt").value == prompt
    assert world.portal.replaying.of(world.actor(world.member), run_id) == ()


def test_json_says_the_same_prompt(world: World, run_id: str) -> None:
    assert "Identical" in said(replay(page(world, run_id), json.dumps(PROMPT), as_json=True))
    assert "Identical" in said(replay(page(world, run_id), json.dumps([PROMPT]), as_json=True))


def test_a_second_click_replays_nothing(world: World, run_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = replay(page(world, run_id))
    followed = app.session_state["replay.under_way"]
    # As if it were under way still: a click that waits for the one before comes before the screen is drawn again.
    followed.playing._over.clear()
    monkeypatch.setattr(replay_view, "_follow", lambda *_: None)
    app.text_area(key="replay.prompt.1").set_value(PROMPT)
    click(app, "replay.submit")
    assert app.session_state["replay.under_way"] is followed
    assert len(world.portal.replaying.of(world.actor(world.member), run_id)) == 1


def test_a_replay_that_fails_says_so(world: World, run_id: str) -> None:
    world.pool.failure = Failed(code="worker_died", message="The worker died.", retriable=True)
    assert "worker_died" in said(replay(page(world, run_id)))


def test_only_a_run_with_a_receipt_is_replayed(world: World) -> None:
    world.grant()
    world.pool.failure = Failed(code="worker_died", message="The worker died.", retriable=True)
    with pytest.raises(Exception, match="died"):
        world.run(world.lead)
    _run, terms = world.newest_run(world.lead)
    app = page(world, terms.run_id)
    assert not [area for area in app.text_area if area.key == "replay.prompt"]
