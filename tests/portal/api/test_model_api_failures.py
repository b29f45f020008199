"""``/v1`` when the engine fails or the client goes away, played by scripts in the engine's place."""

import asyncio
import json
import threading
from typing import Any

import pytest

from agreements.actors import Channel
from model_access.generation import ChoiceDelta, ChoiceSummary, Failed, Finished, GenerationRequest
from model_access.runs import Run, RunStatus
from model_access.worker import Ticket
from portal.services.active import ActiveRun
from tests.portal.api.api_stand import CHECKPOINT, Hear, Script, Stand, posted

BODY = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 4}
DIED = Failed(code="worker_died", message="The worker ended.", hint="Send it again.", retriable=True, prompt_tokens=1)


def dies_after(*texts: str) -> Script:
    """Says these pieces and dies."""

    def script(_request: GenerationRequest, hear: Hear) -> Ticket:
        for text in texts:
            hear(ChoiceDelta(index=0, text=text))
        hear(DIED)
        return Ticket(lambda: None)

    return script


class Waiting:
    """Says one piece, then nothing until it is cancelled."""

    def __init__(self, *, says: str = "") -> None:
        self._says = says
        self.begun = threading.Event()
        self.cancelled = threading.Event()

    def __call__(self, _request: GenerationRequest, hear: Hear) -> Ticket:
        if self._says:
            hear(ChoiceDelta(index=0, text=self._says))

        def cancel() -> None:
            if not self.cancelled.is_set():
                self.cancelled.set()
                hear(Failed(code="cancelled", message="Cancelled.", retriable=False, prompt_tokens=1))

        self.begun.set()
        return Ticket(cancel)


def run_of(stand: Stand, run_id: str) -> Run:
    """The settled run."""
    return stand.portal.runs.get(stand.people["coordinator"].actor(Channel.API), run_id)


def test_a_worker_that_dies_before_it_says_anything_is_a_503(stand: Stand, scripts: list[Script]) -> None:
    for stream in (False, True):
        scripts.append(dies_after())
        answer = stand.ask("POST", "/v1/completions", as_="partner", json={**BODY, "stream": stream})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "worker_died")
        assert answer.headers["retry-after"] == "1"
        assert run_of(stand, answer.headers["x-concordat-run"]).status is RunStatus.FAILED


def test_a_worker_that_dies_in_the_middle_of_a_stream_is_told_in_the_stream(
    stand: Stand, scripts: list[Script]
) -> None:
    scripts.append(dies_after("half", " an answer"))
    answer = stand.ask("POST", "/v1/completions", as_="partner", json={**BODY, "stream": True})
    assert answer.status_code == 200
    first, second, error, done, end = answer.text.split("\n\n")
    assert json.loads(first.removeprefix("data: "))["choices"][0]["text"] == "half"
    assert json.loads(second.removeprefix("data: "))["choices"][0]["text"] == " an answer"
    assert json.loads(error.removeprefix("data: "))["error"]["code"] == "worker_died"
    assert (done, end) == ("data: [DONE]", "")


def test_an_answer_without_any_piece_is_an_answer(stand: Stand, scripts: list[Script]) -> None:
    def silent(_request: GenerationRequest, hear: Hear) -> Ticket:
        summary = ChoiceSummary(index=0, text="", token_ids=(), finish_reason="stop")
        hear(Finished(prompt_tokens=1, completion_tokens=0, choices=(summary,)))
        return Ticket(lambda: None)

    scripts.append(silent)
    answer = stand.ask("POST", "/v1/completions", as_="partner", json={**BODY, "stream": True})
    assert answer.text == "data: [DONE]\n\n"


@pytest.mark.parametrize(("stream", "says"), [(False, ""), (True, ""), (True, "a piece")])
def test_a_client_that_goes_away_ends_its_run(
    stand: Stand, scripts: list[Script], stream: bool, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = Waiting(says=says)
    scripts.append(waiting)
    runs: list[ActiveRun] = []
    begin = stand.portal.runs.begin

    def noted(*args: Any, **kwargs: Any) -> ActiveRun:
        runs.append(begin(*args, **kwargs))
        return runs[-1]

    monkeypatch.setattr(stand.portal.runs, "begin", noted)
    asyncio.run(_ask_and_leave(stand, waiting, {**BODY, "stream": stream}, wait_for_piece=bool(says)))
    assert waiting.cancelled.wait(30)
    outcome = runs[0].outcome.exception(timeout=30)
    assert outcome is not None
    assert run_of(stand, runs[0].run_id).failure_code == "cancelled"


async def _ask_and_leave(stand: Stand, waiting: Waiting, body: dict[str, Any], *, wait_for_piece: bool) -> None:
    """Send the request as raw ASGI and hang up once the run is under way."""
    encoded = json.dumps(body).encode()
    sent = [{"type": "http.request", "body": encoded, "more_body": False}]
    piece = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if sent:
            return sent.pop()
        if wait_for_piece:
            await piece.wait()
        else:
            await asyncio.to_thread(waiting.begun.wait, 30)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            piece.set()

    scope = posted("/v1/completions", stand.tokens["partner"], encoded)
    await asyncio.wait_for(stand.app(scope, receive, send), 60)
