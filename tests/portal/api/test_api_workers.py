"""Workers, halts and places in the queue over HTTP."""

import time
from threading import Thread

import pytest

from model_access.generation import ChoiceDelta, ChoiceSummary, Finished, GenerationRequest
from model_access.worker import Place, Ticket
from tests.portal.api.api_stand import CHECKPOINT, Hear, Script, Stand


def complete(stand: Stand, who: str = "partner") -> int:
    """The status of a completion."""
    body = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 2}
    return stand.ask("POST", "/v1/completions", as_=who, json=body).status_code


def test_workers_are_for_coordinators(stand: Stand) -> None:
    assert complete(stand) == 200
    told = stand.ask("GET", "/api/operator/workers", as_="coordinator").json()
    (worker,) = (one for one in told["workers"] if one["status"]["checkpoint_id"] == CHECKPOINT)
    assert worker["status"]["state"] == "ready"
    assert worker["status"]["tokens_per_s"] is None or worker["status"]["tokens_per_s"] > 0
    assert sum(one["served_tokens"] for one in told["shares"]) > 0
    for method, path in (
        ("GET", "/api/operator/workers"),
        ("POST", f"/api/operator/workers/{CHECKPOINT}/evict"),
        ("GET", f"/api/checkpoints/{CHECKPOINT}/halt"),
    ):
        assert stand.ask(method, path, as_="partner").status_code == 403


def test_a_halt_is_told_by_its_code_and_lifted(stand: Stand) -> None:
    path, why = f"/api/checkpoints/{CHECKPOINT}", {"reason": "A leak is being looked into."}
    assert stand.ask("POST", f"{path}/halt", as_="partner", json=why).status_code == 403
    assert stand.ask("GET", f"{path}/halt", as_="coordinator").json()["runs"] == 0
    try:
        halted = stand.ask("POST", f"{path}/halt", as_="coordinator", json=why)
        assert halted.status_code == 200, halted.text
        body = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 2}
        refused = stand.ask("POST", "/v1/completions", as_="partner", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "checkpoint_halted")
        assert "A leak is being looked into" in refused.json()["error"]["message"]
    finally:
        lifted = stand.ask("POST", f"{path}/lift", as_="coordinator", json={"reason": "It was nothing."})
    assert lifted.json()["halt"] is None
    assert complete(stand) == 200


def test_a_run_that_is_over_is_in_no_queue(stand: Stand) -> None:
    body = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 2}
    run_id = stand.ask("POST", "/v1/completions", as_="partner", json=body).headers["x-concordat-run"]
    told = stand.ask("GET", f"/api/runs/{run_id}/queue", as_="partner").json()
    assert (told["state"], told["place"]) == ("over", None)


def test_a_stream_says_where_its_run_stands_while_it_waits(
    stand: Stand, scripts: list[Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.api.openai.answering.PATIENCE_S", 0.01)
    places = [Place(position=1, waiting=2), Place(position=3, waiting=4, about_s=12.4)]
    told: list[Place] = []

    def script(_request: GenerationRequest, hear: Hear) -> Ticket:
        def answer() -> None:
            while places:
                time.sleep(0.005)  # until the stream has asked where it stands
            hear(ChoiceDelta(index=0, text=" word", token_ids=(0,), finish_reason="stop"))
            summary = ChoiceSummary(index=0, text=" word", token_ids=(0,), finish_reason="stop")
            hear(Finished(prompt_tokens=1, completion_tokens=1, choices=(summary,)))

        def place() -> Place | None:
            if places:
                told.append(places.pop())
            return told[-1]

        Thread(target=answer).start()
        return Ticket(lambda: None, place)

    scripts.append(script)
    body = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 2, "stream": True}
    pieces = stand.stream("/v1/completions", as_="partner", json=body, on_piece=lambda _piece: None)
    assert pieces[0].startswith(": queue position=")
    said = [piece for piece in pieces if not piece.startswith(":")]
    assert " word" in said[0]
    assert said[-1] == "data: [DONE]\n\n"
