"""What is kept of a run, over HTTP: said to who sees the run, read by whom the agreement says, destroyed on request."""

from collections.abc import Iterator

import pytest

from portal.api.root import create_app
from tests.portal.api.browser import OWN, Browser
from tests.portal.services.kept_world import ANSWER, SECRET, keeping, kept_run
from tests.portal.services.world import World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A portal whose agreement keeps runs."""
    made = make_world(tmp_path_factory.mktemp("kept"))
    made.checkpoint("ladder-l")
    keeping(made, runs_kept_days=30)
    yield made
    made.portal.close()


def browser(world: World, name: str) -> Browser:
    """Somebody signed in."""
    found = Browser(create_app(world.portal, with_screens=False))
    found.get(world.portal.sign_in.issue_link(world.actor("ada"), world.people[name].id))
    return found


def test_it_is_read_by_whoever_made_it_and_each_reading_is_there_to_see(world: World) -> None:
    run_id, cleo, ben = kept_run(world), browser(world, "cleo"), browser(world, "ben")
    said = ben.get(f"/api/runs/{run_id}/kept").json()
    assert (said["state"], said["may_read"], said["until"]) == ("kept", False, "2026-12-23T09:00:00Z")
    refused = ben.get(f"/api/runs/{run_id}/kept/texts")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours_to_read")
    assert browser(world, "eve").get(f"/api/runs/{run_id}/kept").status_code == 404
    taken = cleo.get(f"/api/runs/{run_id}/kept/texts")
    assert taken.headers["cache-control"] == "no-store"
    assert (taken.json()["prompts"], taken.json()["outputs"]) == ([SECRET], ["".join(ANSWER)])
    assert [one["by_name"] for one in ben.get(f"/api/runs/{run_id}/kept").json()["readings"]] == ["Cleo"]
    log = ben.get("/api/access/log?kind=kept").json()["items"]
    assert [(one["object_id"], one["outcome"]) for one in log] == [(run_id, "read")]


def test_it_is_replayed_without_bringing_it_and_destroyed_on_request(world: World) -> None:
    run_id, cleo, ben = kept_run(world), browser(world, "cleo"), browser(world, "ben")
    told = cleo.ask("POST", f"/api/runs/{run_id}/replay", json={"purpose": "misuse-analysis"}, headers=OWN)
    assert told.json()["comparison"]["verdict"] == "identical", told.text
    refused = ben.ask("POST", f"/api/runs/{run_id}/replay", json={}, headers=OWN)
    assert (refused.status_code, refused.json()["code"]) == (400, "prompt_needed")
    assert ben.ask("POST", f"/api/runs/{run_id}/kept/destroy", headers=OWN).status_code == 403
    gone = cleo.ask("POST", f"/api/runs/{run_id}/kept/destroy", headers=OWN)
    assert gone.json()["state"] == "destroyed", gone.text
    again = cleo.ask("POST", f"/api/runs/{run_id}/kept/destroy", headers=OWN)
    assert (again.status_code, again.json()["code"]) == (409, "text_destroyed")
