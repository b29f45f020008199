"""Replays over HTTP, with the real engine: the same bits alone and in company, and every refusal by its code."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from model_access.build import Precision
from model_access.engine.kernels import products_of
from model_access.generation import ChoiceDelta, ChoiceSummary, Finished, GenerationRequest
from model_access.receipts import verify_receipt
from model_access.worker import Ticket
from tests.portal.api.api_stand import CHECKPOINT, Hear, Script, Stand

PROMPT = "The file is read, and"


def made(stand: Stand, **body: Any) -> tuple[str, dict[str, Any]]:
    """A run's id, and its answer."""
    answer = stand.ask(
        "POST", "/v1/completions", as_="partner", json={"model": CHECKPOINT, "prompt": PROMPT, "max_tokens": 12, **body}
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["x-concordat-run"], answer.json()


def again(stand: Stand, run_id: str, who: str = "partner", **body: Any) -> httpx.Response:
    """The answer to a request to replay."""
    return stand.ask("POST", f"/api/runs/{run_id}/replay", as_=who, json={"prompts": PROMPT, **body})


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"temperature": 0},
        {"n": 3, "top_p": 0.8, "top_k": 20, "presence_penalty": 0.5},
        {"n": 2, "best_of": 4, "stop": ["\n", "e"]},
        {"echo": True, "logprobs": 2},
        {"max_tokens": 0, "echo": True, "logprobs": 0},
        {"stream": True, "logit_bias": {"7": 3.5}},
        {"prompt": ["One thing", "and another, longer thing", PROMPT]},
        {"prompt": [5, 6, 7, 8]},
        {"prompt": "Grüße aus der Ferne, 🦆"},
    ],
    ids=lambda body: ", ".join(body) or "plain",
)
def test_it_is_identical(stand: Stand, body: dict[str, Any]) -> None:
    run_id = stand.ask(
        "POST", "/v1/completions", as_="partner", json={"model": CHECKPOINT, "prompt": PROMPT, "max_tokens": 12, **body}
    ).headers["x-concordat-run"]
    told = again(stand, run_id, prompts=body.get("prompt", PROMPT))
    assert told.status_code == 200, told.text
    assert told.json()["comparison"]["verdict"] == "identical", told.text
    assert told.json()["comparison"]["circumstances"] == []
    receipt = stand.ask("GET", f"/api/runs/{told.json()['run_id']}/receipt", as_="partner")
    proved = verify_receipt(receipt.content, vkey=stand.portal.log.vkey).statement.predicate
    assert proved.replays is not None
    assert (proved.replays.run_id, proved.replays.identical) == (run_id, True)


def test_it_is_identical_while_others_run_and_for_a_coordinator(stand: Stand) -> None:
    run_id, answer = made(stand, max_tokens=40, n=2)
    with ThreadPoolExecutor(5) as crowd:
        others = [
            crowd.submit(made, stand, prompt="Another " * (number + 1), max_tokens=48, n=number + 1)
            for number in range(3)
        ]
        replays = [crowd.submit(again, stand, run_id, who) for who in ("partner", "coordinator")]
        for replay in replays:
            told = replay.result().json()
            assert told["comparison"]["verdict"] == "identical", told
            assert told["outputs"] == [choice["text"] for choice in answer["choices"]]
        for other in others:
            other.result()
    listed = stand.ask("GET", f"/api/runs?replays={run_id}", as_="coordinator").json()["items"]
    assert {run["terms"]["basis"] for run in listed} == {"grant", "lab"}
    assert {(run["terms"]["replays"]["run_id"], run["replay_identical"]) for run in listed} == {(run_id, True)}


def test_where_it_parts_is_counted_in_the_replays_own_tokens(stand: Stand, scripts: list[Script]) -> None:
    run_id, answer = made(stand, temperature=0)
    text = answer["choices"][0]["text"]
    pool = stand.portal.pool
    (ids,) = pool.tokenize(CHECKPOINT, [text])
    other = next(
        token
        for token in range(60, 200)
        if pool.detokenize(CHECKPOINT, [token])[:1] not in ("", "\ufffd", text[0])
        and pool.detokenize(CHECKPOINT, [token])[0] != pool.detokenize(CHECKPOINT, [ids[3]])[0]
    )
    changed = (*ids[:3], other, *ids[4:])

    def answers(request: GenerationRequest, hear: Hear) -> Ticket:
        said = pool.detokenize(CHECKPOINT, changed)
        hear(ChoiceDelta(index=0, text=said, token_ids=changed, finish_reason="length"))
        summary = ChoiceSummary(index=0, text=said, token_ids=changed, finish_reason="length")
        same = products_of(Precision.FLOAT32)
        hear(Finished(prompt_tokens=5, completion_tokens=12, choices=(summary,), products=same))
        return Ticket(lambda: None)

    scripts.append(answers)
    told = again(stand, run_id, outputs=[text]).json()["comparison"]
    assert (told["verdict"], told["where"]["choice"], told["where"]["token"]) == ("parts", 0, 3)
    assert told["where"]["character"] == len(pool.detokenize(CHECKPOINT, ids[:3]))
    assert text[told["where"]["character"] :].startswith(told["where"]["then"])
    assert "to be explained" in told["says"]


@pytest.mark.parametrize(
    ("who", "body", "status", "code"),
    [
        ("partner", {"prompts": "The file is read, and "}, 400, "not_the_prompt"),
        ("partner", {"prompts": [PROMPT, PROMPT]}, 400, "not_the_prompt"),
        ("partner", {"outputs": ["something else"]}, 400, "not_the_output"),
        ("partner", {"prompts": []}, 422, "bad_input"),
        ("partner", {"prompts": {"a": 1}}, 422, "bad_input"),
        ("partner", {"seed": 4}, 400, "unknown_field"),
        ("partner", {"purpose": "marketing"}, 403, "purpose_not_granted"),
        ("partner", {"receipt": "{}"}, 400, "not_a_receipt"),
        ("partner", {"receipt": "\u0000"}, 400, None),
        ("stranger", {}, 404, "run_not_found"),
        (None, {}, 401, "no_credential"),
    ],
)
def test_refusals(stand: Stand, who: Any, body: dict[str, Any], status: int, code: str | None) -> None:
    run_id, _ = made(stand, max_tokens=2)
    before = stand.log_size()
    refused = again(stand, run_id, who, **body)
    assert (refused.status_code, code or refused.json()["code"]) == (status, refused.json()["code"]), refused.text
    assert stand.log_size() == before


def test_a_receipt_with_another_seed_does_not_hold(stand: Stand) -> None:
    run_id, _ = made(stand, max_tokens=2, seed=5)
    receipt = stand.ask("GET", f"/api/runs/{run_id}/receipt", as_="partner").text
    assert again(stand, run_id, receipt=receipt).json()["comparison"]["verdict"] == "identical"
    payload = json.loads(receipt)["receipt"]["payload"]
    forged = receipt.replace(payload, payload[:-8] + ("AAAA" if payload[-8:-4] != "AAAA" else "BBBB") + payload[-4:])
    refused = again(stand, run_id, receipt=forged)
    assert refused.status_code == 400, refused.text


def test_a_token_that_may_only_read_replays_nothing(stand: Stand) -> None:
    run_id, _ = made(stand, max_tokens=2)
    issued = stand.ask("POST", "/api/tokens", as_="coordinator", json={"label": "reads", "areas": ["read"]})
    assert issued.is_success, issued.text
    refused = stand.ask(
        "POST",
        f"/api/runs/{run_id}/replay",
        json={"prompts": PROMPT},
        headers={"authorization": f"Bearer {issued.json()['token']}"},
    )
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
