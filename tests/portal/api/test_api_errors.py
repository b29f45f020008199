"""Refusals on the wire: status, shape and headers."""

import asyncio
import json
import logging

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from agreements import errors
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, Limited, StaleVersion, Unavailable
from portal.api.errors import STATUSES, openai_response, problem_response, status_of
from portal.api.guards import LastResort
from tests.portal.api.api_stand import BASE_URL, Stand


def test_every_class_of_refusal_has_its_status() -> None:
    direct = {kind for kind in vars(errors).values() if isinstance(kind, type) and ConcordatError in kind.__bases__}
    assert direct == set(STATUSES)
    assert status_of(StaleVersion("agreement/x", 1, 2)) == 409


def test_a_problem_says_what_and_who_can_clear_it() -> None:
    answer = problem_response(Forbidden("no_grant", "You hold none.", hint="Ask for one.", param="model"))
    assert answer.status_code == 403
    assert answer.media_type == "application/problem+json"
    assert json.loads(bytes(answer.body)) == {
        "type": "urn:concordat:problem:no_grant",
        "title": "Forbidden",
        "status": 403,
        "detail": "You hold none.",
        "code": "no_grant",
        "hint": "Ask for one.",
        "fixer": "a coordinator",
        "param": "model",
    }


def test_waiting_times_are_whole_seconds_and_never_none() -> None:
    assert problem_response(Limited("rate_limited", "Slow.", retry_after_s=0.2)).headers["retry-after"] == "1"
    assert problem_response(Limited("rate_limited", "Slow.", retry_after_s=7.01)).headers["retry-after"] == "8"
    assert "retry-after" in problem_response(Unavailable("down", "Down.")).headers


def test_clients_are_told_not_to_repeat_what_waiting_does_not_cure() -> None:
    spent = openai_response(Limited("budget_exhausted", "Spent."))
    assert spent.headers["x-should-retry"] == "false"
    assert "retry-after" not in spent.headers
    assert "x-should-retry" not in openai_response(Limited("rate_limited", "Slow.", retry_after_s=3)).headers


def test_the_model_api_words_errors_as_openai_does() -> None:
    answer = openai_response(Invalid("bad_request", "n: too many.", hint="Fewer.", param="n"))
    assert json.loads(bytes(answer.body)) == {
        "error": {
            "message": "n: too many. Fewer.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "bad_request",
        }
    }


@pytest.mark.parametrize("path", ["/api/nothing", "/v1/nothing", "/log/nothing", "/nothing", "/api", "/api/me/"])
def test_an_unknown_address_is_a_typed_404(stand: Stand, path: str) -> None:
    answer = stand.ask("GET", path, as_="lead")
    assert answer.status_code == 404
    told = answer.json()
    assert told.get("code", told.get("error", {}).get("code")) == "no_such_route"


def test_a_wrong_method_is_a_typed_405_that_names_the_right_ones(stand: Stand) -> None:
    answer = stand.ask("DELETE", "/api/me", as_="lead")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    assert stand.ask("GET", "/v1/completions", as_="lead").json()["error"]["code"] == "method_not_allowed"


def test_an_unknown_query_parameter_is_refused_with_those_there_are(stand: Stand) -> None:
    answer = stand.ask("GET", "/api/findings?kinds=benefit", as_="lead")
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "unknown_parameter", "kinds")
    assert "kind" in answer.json()["hint"]
    assert stand.ask("GET", "/api/me?x=1", as_="lead").json()["hint"] == "It has none."


@pytest.mark.parametrize(
    "path",
    [
        "/api/grants/x",
        "/api/agreements/x",
        "/api/runs/x",
        "/api/checkpoints/x",
        "/api/findings/x",
        "/api/norms/x",
        "/api/release/decisions/x",
        "/api/people/x",
        "/api/institutions/x",
        "/api/log/entries/999999/evidence",
        "/v1/models/x",
        "/api/grants/" + "x" * 120,
        "/api/grants/%00",
    ],
)
def test_an_unknown_object_is_a_typed_404(stand: Stand, path: str) -> None:
    answer = stand.ask("GET", path, as_="lead")
    assert answer.status_code == 404
    assert "no_such_route" not in answer.text


def test_what_nobody_foresaw_is_an_incident_without_the_words_of_the_exception(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("secret prompt")

    async def ask() -> httpx.Response:
        application = LastResort(broken, render=problem_response, new_id=lambda: "c0ffee")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url=BASE_URL) as client:
            return await client.get("/")

    with caplog.at_level(logging.ERROR):
        answer = asyncio.run(ask())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "c0ffee" in answer.json()["detail"]
    assert answer.headers["x-request-id"] == "c0ffee"
    assert "incident c0ffee: RuntimeError" in caplog.text
    assert "secret prompt" not in caplog.text + answer.text


def test_a_fault_of_a_service_is_a_500_of_the_same_shape(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stand.portal.people, "directory", fail)
    answer = stand.ask("GET", "/api/people", as_="lead")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    monkeypatch.setattr(stand.portal.checkpoints, "queryable", fail)
    assert stand.ask("GET", "/v1/models", as_="lead").json()["error"]["code"] == "internal_error"


def test_every_answer_carries_a_request_id_and_is_not_kept(stand: Stand) -> None:
    seen = {stand.ask("GET", "/api/me", as_="lead").headers["x-request-id"] for _ in range(3)}
    assert len(seen) == 3
    assert stand.ask("GET", "/api/me", as_="lead").headers["cache-control"] == "no-store"


def test_conflicts_keep_their_code(stand: Stand) -> None:
    body = {"reason": "the study is over"}
    draft = stand.ask("POST", "/api/agreements", as_="coordinator", json={"institution_id": "south-institute"}).json()
    answer = stand.ask("POST", f"/api/agreements/{draft['id']}/terminate", as_="coordinator", json=body)
    assert answer.status_code == status_of(Conflict("x", "x"))
    assert answer.json()["code"]
