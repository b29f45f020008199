"""The screen of batches: from an empty list over a checked file to answers, failures and their files."""

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from agreements.actors import Actor
from agreements.errors import NotFound
from agreements.people import Person
from model_access.batches import Batch
from model_access.generation import Failed
from portal.services.batches import BatchView
from tests.portal.pages.pages_world import World, click, said


def written(*prompts: str, **more: object) -> bytes:
    """An input file for the withheld checkpoint."""
    lines = [
        {
            "custom_id": f"p{number}",
            "method": "POST",
            "url": "/v1/completions",
            "body": {"model": "ladder-l", "prompt": prompt, "max_tokens": 4, **more},
        }
        for number, prompt in enumerate(prompts)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def submitted(world: World, person: Person, content: bytes) -> Batch:
    """A batch of the person's, carried out as far as it goes."""
    actor = world.actor(person)
    file = world.portal.files.upload(actor, filename="in.jsonl", content=content)
    batch = world.portal.batches.create(
        actor, input_file_id=file.id, endpoint="/v1/completions", purpose="misuse-analysis"
    )
    world.portal.batch_runner.drain()
    return world.portal.batches.get(actor, batch.id)


def found_in(world: World, person: Person, content: bytes) -> AppTest:
    """The screen with a file that was handed in and checked."""
    file = world.portal.files.upload(world.actor(person), filename="in.jsonl", content=content)
    app = world.screen(person, "batches", new="1", input=file.id)
    app.selectbox(key="batch_purpose").select("misuse-analysis").run()
    assert not app.exception
    return app


def labels(app: AppTest) -> list[Any]:
    """What the links say."""
    return [link.proto.label for link in app.get("link_button")]


def test_an_empty_list_says_what_to_do(world: World) -> None:
    app = world.screen(world.lead, "batches")
    assert "No batch yet." in said(app)
    world.grant()
    click(app, "batch_begin")
    assert app.query_params["new"] == "1"
    assert "Nothing is run before you have seen what it costs." in said(app)


def test_a_file_is_handed_in_and_checked(world: World) -> None:
    world.grant()
    app = world.screen(world.lead, "batches", new="1")
    app.file_uploader(key="batch_new.file").upload("in.jsonl", written("Raise a", "Return the"), "application/jsonl")
    click(app, "batch_new.submit")
    app.selectbox(key="batch_purpose").select("misuse-analysis").run()
    words = said(app)
    assert r"in\.jsonl" in words
    assert not world.pool.requests
    assert any("destroyed an hour after you fetched" in table.value.to_string(max_colwidth=None) for table in app.table)


def test_prompts_in_a_table_are_asked_with_what_the_form_says(world: World) -> None:
    world.grant()
    app = world.screen(world.lead, "batches", new="1")
    app.file_uploader(key="batch_new.file").upload("asked.csv", b"prompt\nRaise a\nReturn the\n", "text/csv")
    app.number_input(key="batch_new.max_tokens").set_value(3)
    click(app, "batch_new.submit")
    file = world.portal.files.get(world.actor(world.lead), app.query_params["input"])
    made = [json.loads(one) for one in world.portal.files.content(world.actor(world.lead), file.id).splitlines()]
    assert [one["body"]["prompt"] for one in made] == ["Raise a", "Return the"]
    assert {one["body"]["max_tokens"] for one in made} == {3}


def test_no_file_is_a_refusal(world: World) -> None:
    world.grant()
    app = world.screen(world.lead, "batches", new="1")
    click(app, "batch_new.submit")
    assert "no_file" in said(app)


def test_what_is_wrong_is_in_a_table_by_line(world: World) -> None:
    world.grant()
    app = found_in(world, world.lead, written("Raise a", "x " * 3, temperature=9))
    assert "2 problems found. Nothing was run." in said(app)
    (frame,) = (one.value for one in app.dataframe)
    assert (list(frame["Line"]), list(frame["Field"])) == ([1, 2], ["body.temperature"] * 2)
    assert all("body.temperature" in hint for hint in frame["What to do"])
    assert not any(button.key == "batch_start.open" for button in app.button)


def test_starting_names_the_cost_first_and_leads_to_the_batch(world: World) -> None:
    grant = world.grant()
    app = found_in(world, world.lead, written("Raise a", "Return the"))
    click(app, "batch_start.open")
    words = said(app)
    assert "**2 runs** begin" in words
    assert grant.id in words
    assert not world.portal.batches.list(world.actor(world.lead))
    click(app, "batch_start.confirm")
    (batch,) = world.portal.batches.list(world.actor(world.lead))
    assert app.query_params["batch"] == batch.id


def test_answers_are_counted_drawn_and_fetched(world: World) -> None:
    world.grant()
    batch = submitted(world, world.lead, written("Raise a", "Return the"))
    app = world.screen(world.lead, "batches", batch=batch.id)
    assert not app.exception
    words = said(app)
    assert "Files" in words
    assert "Destroyed an hour after the first download" in words
    assert labels(app) == ["Download as JSON Lines", "Download as CSV"]
    assert len(app.get("vega_lite_chart")) == 4
    (frame,) = (one.value for one in app.dataframe)
    assert list(frame["State"]) == ["completed", "completed"]
    lines = world.portal.batches.lines(world.actor(world.lead), batch.id)
    assert list(frame["Receipt"]) == [f"/api/runs/{line.run_id}/receipt" for line in lines]
    assert batch.id in {button.label for button in world.screen(world.lead, "batches").button}


def test_others_of_the_institution_see_it_and_not_what_is_in_it(world: World) -> None:
    world.grant()
    batch = submitted(world, world.lead, written("Raise a"))
    app = world.screen(world.member, "batches", batch=batch.id)
    assert "read by who submitted the batch, and by nobody else" in said(app)
    assert labels(app) == []
    assert "batch_not_found" in said(world.screen(world.rival, "batches", batch=batch.id))


def test_failures_are_told_and_run_again(world: World) -> None:
    world.grant()
    world.pool.failure = Failed(code="bad_state", message="It could not be done.", retriable=False)
    batch = submitted(world, world.lead, written("Raise a", "Return the"))
    world.pool.failure = None
    app = world.screen(world.lead, "batches", batch=batch.id)
    (frame,) = (one.value for one in app.dataframe)
    assert list(frame["Ended by"]) == ["bad_state", "bad_state"]
    click(app, f"batch_retry_{batch.id}.open")
    assert "Those that failed or were not run, **2 runs**" in said(app)
    click(app, f"batch_retry_{batch.id}.confirm")
    again = world.portal.batches.list(world.actor(world.lead))[0]
    assert (again.retry_of, app.query_params["batch"]) == (batch.id, again.id)
    first = world.screen(world.lead, "batches", batch=batch.id)
    assert f"Taken up again by {again.id}" in {button.label for button in first.button}


def test_one_that_waits_is_cancelled_after_saying_what_that_means(world: World) -> None:
    world.grant()
    actor = world.actor(world.lead)
    file = world.portal.files.upload(actor, filename="in.jsonl", content=written("Raise a", "Return the"))
    batch = world.portal.batches.create(
        actor, input_file_id=file.id, endpoint="/v1/completions", purpose="misuse-analysis"
    )
    app = world.screen(world.lead, "batches", batch=batch.id)
    click(app, f"batch_cancel_{batch.id}.open")
    assert "The answers that are there are kept." in said(app)
    click(app, f"batch_cancel_{batch.id}.confirm")
    world.portal.batch_runner.drain()
    assert world.portal.batches.get(actor, batch.id).status.value == "cancelled"


def test_who_may_not_see_it_any_more_is_told_while_it_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.grant()
    actor = world.actor(world.lead)
    file = world.portal.files.upload(actor, filename="in.jsonl", content=written("Raise a"))
    batch = world.portal.batches.create(actor, input_file_id=file.id, purpose="misuse-analysis")
    seen = [world.portal.batches.view(actor, batch.id)]

    def view(_actor: Actor, _batch_id: str) -> BatchView:
        if seen:
            return seen.pop()
        raise NotFound("batch_not_found", "There is no such batch that you may see.")

    monkeypatch.setattr(world.portal.batches, "view", view)
    app = world.screen(world.lead, "batches", batch=batch.id)
    assert not app.exception
    assert "batch_not_found" in said(app)


def test_a_stopped_batch_says_why(world: World) -> None:
    grant = world.grant()
    world.pool.meanwhile = lambda: world.portal.grants.revoke(
        world.actor(world.coordinator), grant.id, reason="a breach of the terms"
    )
    batch = submitted(world, world.lead, written("Raise a", "Return the"))
    words = said(world.screen(world.lead, "batches", batch=batch.id))
    assert "It was stopped:" in words
    assert "a breach of the terms" in words
    assert world.portal.watch.settled(30)
    revocations = world.screen(world.coordinator, "revocations")
    assert "1 batch and 1 run stopped" in said(revocations)
    targets = [str(link.proto) for link in revocations.get("page_link")]
    assert any(batch.id in target and '"batches"' in target for target in targets)


def test_a_run_leads_to_its_batch(world: World) -> None:
    world.grant()
    batch = submitted(world, world.lead, written("Raise a"))
    (line,) = world.portal.batches.lines(world.actor(world.lead), batch.id)
    app = world.screen(world.lead, "runs", run=line.run_id or "")
    assert any("The batch that it is a line of" in str(link.proto) for link in app.get("page_link"))
