"""``/v1`` with the real engine: answers, scoring, streams, refusals."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_access.receipts import verify_receipt
from tests.portal.api.api_stand import CHECKPOINT, WITHHELD, Stand


def complete(stand: Stand, as_: str = "partner", **body: Any) -> Any:
    """The answer to a completion request on the granted checkpoint."""
    return stand.ask("POST", "/v1/completions", as_=as_, json={"model": CHECKPOINT, "prompt": "The file", **body})


def events(text: str) -> list[str]:
    """The data of each server-sent event; anything else in the stream fails."""
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    return [block.removeprefix("data: ") for block in blocks]


def test_an_answer_has_choices_usage_and_a_receipt(stand: Stand) -> None:
    answer = complete(stand, max_tokens=5, seed=1)
    assert answer.status_code == 200
    told = answer.json()
    run_id = answer.headers["x-concordat-run"]
    assert told["id"] == f"cmpl-{run_id}"
    assert told["object"] == "text_completion"
    assert told["model"] == CHECKPOINT
    assert told["usage"]["completion_tokens"] == 5
    assert told["usage"]["total_tokens"] == told["usage"]["prompt_tokens"] + 5
    assert told["choices"][0]["finish_reason"] == "length"
    receipt = stand.ask("GET", f"/api/runs/{run_id}/receipt", as_="partner")
    proved = verify_receipt(receipt.content, vkey=stand.portal.log.vkey)
    assert proved.statement.predicate.outputs.matches([told["choices"][0]["text"]])
    assert proved.statement.predicate.purpose == "misuse-analysis"


def test_the_same_seed_gives_the_same_answer_streamed_or_not(stand: Stand) -> None:
    whole = complete(stand, max_tokens=12, seed=5, n=2).json()
    streamed = complete(stand, max_tokens=12, seed=5, n=2, stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.headers["x-concordat-run"].startswith("run_")
    *chunks, done = events(streamed.text)
    assert done == "[DONE]"
    texts = {0: "", 1: ""}
    for chunk in map(json.loads, chunks):
        assert "usage" not in chunk
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == {choice["index"]: choice["text"] for choice in whole["choices"]}


def test_a_stream_ends_with_usage_where_it_is_asked_for(stand: Stand) -> None:
    streamed = complete(stand, max_tokens=3, stream=True, stream_options={"include_usage": True})
    *chunks, usage, _done = events(streamed.text)
    assert all(json.loads(chunk)["usage"] is None for chunk in chunks)
    last = json.loads(usage)
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize(
    ("prompt", "choices"),
    [("The", 1), (["The", "A file"], 2), ([5, 6, 7], 1), ([[5, 6], [7]], 2)],
    ids=["text", "texts", "token ids", "lists of token ids"],
)
def test_prompts_come_in_four_forms(stand: Stand, prompt: object, choices: int) -> None:
    told = complete(stand, prompt=prompt, max_tokens=2, n=2).json()
    assert [choice["index"] for choice in told["choices"]] == list(range(choices * 2))


def test_scoring_gives_a_probability_for_every_token_but_the_first(stand: Stand) -> None:
    told = complete(stand, prompt=["The file is open."], max_tokens=0, echo=True, logprobs=1).json()
    choice = told["choices"][0]
    assert choice["text"] == "The file is open."
    columns = choice["logprobs"]
    assert columns["token_logprobs"][0] is None
    assert all(value <= 0 for value in columns["token_logprobs"][1:])
    assert "".join(columns["tokens"]) == choice["text"]
    assert told["usage"]["completion_tokens"] == 0


def test_stop_strings_are_no_part_of_the_answer(stand: Stand) -> None:
    free = complete(stand, max_tokens=12, seed=5).json()["choices"][0]["text"]
    stop = free[3:5]
    cut = complete(stand, max_tokens=12, seed=5, stop=stop).json()["choices"][0]
    assert cut["text"] == free[: free.index(stop)]
    assert cut["finish_reason"] == "stop"


def test_null_counts_as_left_out(stand: Stand) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("temperature", "top_p", "n", "stop", "seed", "logprobs", "echo", "stream", "user", "best_of", "suffix")
    )
    assert complete(stand, max_tokens=1, **nothing).status_code == 200
    assert complete(stand, max_tokens=1, user="somebody", n=2, best_of=2, presence_penalty=0).status_code == 200


def test_every_way_to_sample_reaches_the_engine_and_the_receipt(stand: Stand) -> None:
    only = {"8": 100, "9": -100}
    answer = complete(stand, max_tokens=3, top_k=4, presence_penalty=0.5, frequency_penalty=-0.5, logit_bias=only)
    assert answer.status_code == 200
    run = stand.ask("GET", f"/api/runs/{answer.headers['x-concordat-run']}", as_="partner").json()
    said = run["terms"]["parameters"]
    assert (said["top_k"], said["presence_penalty"], said["frequency_penalty"]) == (4, 0.5, -0.5)
    assert said["logit_bias"] == {"8": 100.0, "9": -100.0}


def test_the_best_of_several_is_charged_with_all_of_them(stand: Stand) -> None:
    answer = complete(stand, max_tokens=4, n=2, best_of=5, seed=3).json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert 8 < answer["usage"]["completion_tokens"] <= 20


REFUSED: dict[str, tuple[dict[str, Any], int, str, str | None]] = {
    "unknown model": ({"model": "gpt-9"}, 404, "checkpoint_not_found", "model"),
    "model not granted": ({"model": WITHHELD}, 403, "checkpoint_not_granted", None),
    "prompt too long": ({"prompt": "word " * 2000}, 400, "prompt_too_long", "prompt"),
    "too many new tokens": ({"max_tokens": 100_000}, 400, "prompt_too_long", "prompt"),
    "empty prompt": ({"prompt": ""}, 400, "empty_prompt", "prompt"),
    "no prompts": ({"prompt": []}, 422, "bad_input", "prompt"),
    "mixed prompts": ({"prompt": ["a", 1]}, 422, "bad_input", "prompt.1"),
    "prompt of another type": ({"prompt": {"text": "x"}}, 422, "bad_input", "prompt"),
    "foreign token": ({"prompt": [10**9]}, 400, "token_out_of_vocabulary", "prompt"),
    "negative token": ({"prompt": [-1]}, 422, "bad_input", None),
    "truth value as token": ({"prompt": [True]}, 422, "bad_input", None),
    "negative temperature": ({"temperature": -0.1}, 400, "bad_request", "temperature"),
    "high temperature": ({"temperature": 2.1}, 400, "bad_request", "temperature"),
    "top_p of nothing": ({"top_p": 0}, 400, "bad_request", "top_p"),
    "text as number": ({"max_tokens": "5"}, 422, "bad_input", "max_tokens"),
    "fraction of a token": ({"max_tokens": 1.5}, 422, "bad_input", "max_tokens"),
    "negative tokens": ({"max_tokens": -1}, 400, "bad_request", "max_tokens"),
    "n of none": ({"n": 0}, 400, "bad_request", "n"),
    "many choices": ({"n": 1000}, 400, "bad_request", "n"),
    "many prompts": ({"prompt": ["a"] * 1025}, 422, "bad_input", "prompt"),
    "many logprobs": ({"logprobs": 21}, 400, "bad_request", "logprobs"),
    "empty stop": ({"stop": [""]}, 400, "bad_request", "stop"),
    "many stops": ({"stop": ["x"] * 17}, 400, "bad_request", "stop"),
    "negative seed": ({"seed": -1}, 422, "bad_input", "seed"),
    "seed past exact JSON": ({"seed": 2**53}, 422, "bad_input", "seed"),
    "best of fewer": ({"n": 2, "best_of": 1}, 400, "too_few_candidates", "best_of"),
    "suffix": ({"suffix": "end"}, 400, "unsupported_parameter", "suffix"),
    "high presence penalty": ({"presence_penalty": 2.5}, 400, "bad_request", "presence_penalty"),
    "low frequency penalty": ({"frequency_penalty": -2.1}, 400, "bad_request", "frequency_penalty"),
    "bias of a word": ({"logit_bias": {"five": 1}}, 400, "bad_request", "logit_bias"),
    "bias of a foreign token": ({"logit_bias": {"1000000000": 1}}, 400, "token_out_of_vocabulary", "logit_bias"),
    "strong bias": ({"logit_bias": {"5": 101}}, 400, "bad_request", "logit_bias"),
    "top_k of none": ({"top_k": 0}, 400, "bad_request", "top_k"),
    "unknown parameter": ({"min_p": 0.1}, 400, "unknown_field", "min_p"),
    "nothing to do": ({"max_tokens": 0}, 400, "nothing_to_do", "max_tokens"),
}


@pytest.mark.parametrize(("body", "status", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_refused_and_leaves_no_trace(
    stand: Stand, body: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    before, usage = stand.log_size(), stand.portal.grants.usage(stand.grant_id)
    answer = complete(stand, **body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    if param is not None:
        assert answer.json()["error"]["param"] == param
    assert stand.log_size() == before
    assert stand.portal.grants.usage(stand.grant_id) == usage


def test_a_purpose_outside_the_grant_is_refused_and_one_inside_is_recorded(stand: Stand) -> None:
    body = {"model": CHECKPOINT, "prompt": "The", "max_tokens": 1}
    refused = stand.ask(
        "POST", "/v1/completions", as_="partner", json=body, headers={"x-concordat-purpose": "marketing"}
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "purpose_not_granted")
    allowed = stand.ask(
        "POST", "/v1/completions", as_="partner", json=body, headers={"x-concordat-purpose": "bias-analysis"}
    )
    run = stand.ask("GET", f"/api/runs/{allowed.headers['x-concordat-run']}", as_="partner").json()
    assert run["terms"]["purpose"] == "bias-analysis"


def test_a_revoked_grant_refuses_the_next_request_with_its_reason(stand: Stand) -> None:
    agreement_id = stand.ask("GET", f"/api/grants/{stand.grant_id}", as_="lead").json()["grant"]["agreement_id"]
    granted = {"agreement_id": agreement_id, "label": "A short one"}
    grant_id = stand.ask("POST", "/api/grants", as_="coordinator", json=granted).json()["id"]
    asked = {"label": "short", "grant_id": grant_id, "purpose": "bias-analysis"}
    stand.tokens["briefly"] = stand.ask("POST", "/api/tokens", as_="member", json=asked).json()["token"]
    assert complete(stand, as_="briefly", max_tokens=1).status_code == 200
    stand.ask("POST", f"/api/grants/{grant_id}/revoke", as_="coordinator", json={"reason": "misuse was found"})
    refused = complete(stand, as_="briefly", max_tokens=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "grant_revoked")
    assert "misuse was found" in refused.json()["error"]["message"]


def test_models_are_those_the_caller_may_query(stand: Stand) -> None:
    def listed(who: str) -> list[str]:
        return [model["id"] for model in stand.ask("GET", "/v1/models", as_=who).json()["data"]]

    assert listed("partner") == [CHECKPOINT]
    assert listed("member") == [CHECKPOINT]
    assert set(listed("coordinator")) == {CHECKPOINT, WITHHELD}
    assert listed("stranger") == []
    one = stand.ask("GET", f"/v1/models/{CHECKPOINT}", as_="partner").json()
    assert (one["object"], one["stage"]) == ("model", "withheld")
    assert stand.ask("GET", f"/v1/models/{WITHHELD}", as_="partner").status_code == 403


fields: dict[str, st.SearchStrategy[object]] = {
    name: st.none()
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.text(max_size=8)
    | st.lists(st.integers(), max_size=3)
    for name in (
        "prompt",
        "max_tokens",
        "temperature",
        "top_p",
        "n",
        "stop",
        "seed",
        "logprobs",
        "echo",
        "best_of",
        "top_k",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
    )
}


@given(body=st.fixed_dictionaries({}, optional=fields))
def test_any_parameters_are_refused_by_type_or_answered(stand: Stand, body: dict[str, Any]) -> None:
    asked = {"model": WITHHELD, "prompt": "x", **body}  # never granted, so that nothing is run
    answer = stand.ask(
        "POST",
        "/v1/completions",
        as_="partner",
        content=json.dumps(asked).encode(),
        headers={"content-type": "application/json"},
    )
    assert 400 <= answer.status_code < 500
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
