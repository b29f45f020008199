"""``/v1/chat/completions`` with the real engine and a template of the checkpoint's own."""

import asyncio
import csv
import io
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from agreements.actors import Channel
from agreements.limits import Sampling
from model_access.receipts import verify_receipt
from tests.portal.api.api_stand import CHECKPOINT, Stand

HELLO: Any = [{"role": "user", "content": "What is in the file?"}]
LAID_OUT = "\nuser: What is in the file?\nassistant:"


def chat(stand: Stand, as_: str = "partner", **body: Any) -> Any:
    """The answer to a conversation with the granted checkpoint."""
    return stand.ask("POST", "/v1/chat/completions", as_=as_, json={"model": CHECKPOINT, "messages": HELLO, **body})


@pytest.fixture(scope="module")
def client(chat_stand: Stand, chat_address: str) -> Any:
    """The stock client, as it is."""
    return OpenAI(base_url=f"{chat_address}/v1", api_key=chat_stand.tokens["partner"], max_retries=0)


def test_a_conversation_is_answered_as_the_prompt_that_the_template_makes_of_it(chat_stand: Stand) -> None:
    told = chat(chat_stand, max_tokens=8, seed=4)
    assert told.status_code == 200, told.text
    prompt = {"model": CHECKPOINT, "prompt": LAID_OUT, "max_tokens": 8, "seed": 4}
    plain = chat_stand.ask("POST", "/v1/completions", as_="partner", json=prompt).json()
    answer = told.json()
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": plain["choices"][0]["text"],
        "refusal": None,
    }
    assert answer["usage"] == plain["usage"]
    run_id = told.headers["x-concordat-run"]
    assert (answer["id"], answer["object"]) == (f"chatcmpl-{run_id}", "chat.completion")
    receipt = chat_stand.ask("GET", f"/api/runs/{run_id}/receipt", as_="partner")
    proved = verify_receipt(receipt.content, vkey=chat_stand.portal.log.vkey).statement.predicate
    assert proved.prompts.matches([{"messages": HELLO}])
    assert proved.operation == "generate"
    assert proved.outputs.matches([answer["choices"][0]["message"]["content"]])


def test_the_stock_client_works_whole_streamed_and_async(client: Any) -> None:
    asked: dict[str, Any] = {"model": CHECKPOINT, "messages": HELLO, "seed": 9, "max_completion_tokens": 10, "n": 2}
    whole = client.chat.completions.create(**asked)
    texts = {0: "", 1: ""}
    reasons, roles, usage = {}, [], None
    for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            roles += [choice.index] if choice.delta.role == "assistant" else []
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert reasons == {choice.index: choice.finish_reason for choice in whole.choices}
    assert sorted(roles) == [0, 1]
    assert usage == whole.usage

    async def later() -> str:
        async with AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as other:
            parts = [chunk async for chunk in await other.chat.completions.create(**asked, stream=True)]
            return "".join(choice.delta.content or "" for part in parts for choice in part.choices if choice.index == 1)

    assert asyncio.run(later()) == texts[1]


def test_log_probabilities_have_the_shape_of_chat(client: Any) -> None:
    asked: dict[str, Any] = {"model": CHECKPOINT, "messages": HELLO, "max_tokens": 6, "temperature": 0, "seed": 1}
    (choice,) = client.chat.completions.create(**asked, logprobs=True, top_logprobs=3).choices
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    spoken = b"".join(bytes(token.bytes or ()) for token in choice.logprobs.content)
    assert spoken.decode() == choice.message.content
    for token in choice.logprobs.content:
        values = [one.logprob for one in token.top_logprobs]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)
        assert token.logprob == values[0]  # greedy: the first of them is the one that came
    streamed: list[Any] = []
    for chunk in client.chat.completions.create(**asked, logprobs=True, top_logprobs=3, stream=True):
        if chunk.choices[0].logprobs is not None:
            streamed += chunk.choices[0].logprobs.content or []
    assert streamed == choice.logprobs.content
    (bare,) = client.chat.completions.create(**asked, logprobs=True).choices
    assert bare.logprobs is not None
    assert all(token.top_logprobs == [] for token in bare.logprobs.content or ())


@pytest.mark.parametrize("words", [2, 200])
def test_without_a_number_as_much_is_written_as_there_is_room_for(chat_stand: Stand, words: int) -> None:
    asked = [{"role": "user", "content": "word " * words}]
    answer = chat(chat_stand, messages=asked, seed=2).json()
    run = chat_stand.ask("GET", f"/api/runs/{answer['id'].removeprefix('chatcmpl-')}", as_="partner").json()
    context = chat_stand.ask("GET", f"/v1/models/{CHECKPOINT}", as_="partner").json()["context_length"]
    parameters = run["terms"]["parameters"]
    assert parameters["max_tokens"] == context - answer["usage"]["prompt_tokens"]
    assert "fits" not in parameters
    # The receipt names the number, and so a replay does not depend on what would fit by then.
    again = chat(chat_stand, messages=asked, seed=2, max_tokens=parameters["max_tokens"]).json()
    assert again["choices"] == answer["choices"]


def test_parts_of_text_and_a_developer_are_taken(chat_stand: Stand) -> None:
    parts = [{"type": "text", "text": "What is in"}, {"type": "text", "text": "the file?"}]
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts}]
    answer = chat(chat_stand, messages=messages, max_tokens=1).json()
    laid_out = "\nsystem: Be brief.\nuser: What is in\nthe file?\nassistant:"
    assert answer["usage"]["prompt_tokens"] == len(chat_stand.portal.pool.tokenize(CHECKPOINT, [laid_out])[0])


IMAGE = {"type": "image_url", "image_url": {"url": "https://images.example/1.png"}}
REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "tools": ({"tools": [{"type": "function", "function": {"name": "x"}}]}, 400, "unsupported_parameter", "tools"),
    "tool choice": ({"tool_choice": "auto"}, 400, "unsupported_parameter", "tool_choice"),
    "JSON": ({"response_format": {"type": "json_object"}}, 400, "unsupported_parameter", "response_format"),
    "sound": ({"modalities": ["text", "audio"]}, 400, "unsupported_parameter", "modalities"),
    "keeping it": ({"store": True}, 400, "unsupported_parameter", "store"),
    "effort": ({"reasoning_effort": "high"}, 400, "unsupported_parameter", "reasoning_effort"),
    "image": (
        {"messages": [{"role": "user", "content": [IMAGE]}]},
        400,
        "unsupported_parameter",
        "messages.0.content.0",
    ),
    "tool's message": (
        {"messages": [*HELLO, {"role": "tool", "content": "4", "tool_call_id": "1"}]},
        400,
        "unsupported_parameter",
        "messages.1.role",
    ),
    "no text": ({"messages": [{"role": "user"}]}, 422, "bad_input", "messages.0.content"),
    "no messages": ({"messages": []}, 422, "bad_input", "messages"),
    "two numbers": ({"max_tokens": 3, "max_completion_tokens": 4}, 422, "bad_input", "max_completion_tokens"),
    "no tokens": ({"max_completion_tokens": 0}, 422, "bad_input", "max_completion_tokens"),
    "only alternatives": ({"top_logprobs": 2}, 422, "bad_input", "top_logprobs"),
    "echo": ({"echo": True}, 400, "unknown_field", "echo"),
    "what the template refuses": (
        {"messages": [{"role": "assistant", "content": "Hello"}]},
        400,
        "template_refused",
        "messages",
    ),
    "too long": ({"messages": [{"role": "user", "content": "word " * 3000}]}, 400, "prompt_too_long", "messages"),
}


@pytest.mark.parametrize(("body", "status", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_done_is_refused_by_name_and_leaves_no_trace(
    chat_stand: Stand, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    before, usage = chat_stand.log_size(), chat_stand.portal.grants.usage(chat_stand.grant_id)
    answer = chat(chat_stand, **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert chat_stand.log_size() == before
    assert chat_stand.portal.grants.usage(chat_stand.grant_id) == usage


def test_what_the_template_says_is_told(chat_stand: Stand) -> None:
    told = chat(chat_stand, messages=[{"role": "assistant", "content": "Hello"}]).json()["error"]["message"]
    assert "A conversation begins with the user." in told


def test_the_list_and_the_card_say_which_checkpoints_take_conversations(stand: Stand, chat_stand: Stand) -> None:
    for where, chat in ((stand, False), (chat_stand, True)):
        (one,) = where.ask("GET", "/v1/models", as_="partner").json()["data"]
        assert one["chat"] is chat
        assert where.ask("GET", f"/v1/models/{CHECKPOINT}", as_="partner").json() == one
        card = where.ask("GET", f"/api/checkpoints/{CHECKPOINT}/card", as_="member").json()
        assert card["facts"]["chat"] is chat


def test_a_checkpoint_without_a_template_names_what_to_use_instead(stand: Stand) -> None:
    answer = chat(stand)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_chat_template")
    assert "/v1/completions" in answer.json()["error"]["message"]


def test_values_that_ask_for_nothing_are_taken(chat_stand: Stand) -> None:
    nothing: dict[str, Any] = {
        "tools": [],
        "tool_choice": "none",
        "response_format": {"type": "text"},
        "modalities": ["text"],
        "store": False,
        "metadata": {"a": "b"},
        "user": "somebody",
        "logprobs": False,
        "seed": None,
    }
    assert chat(chat_stand, max_tokens=1, **nothing).status_code == 200


def test_it_is_governed_as_a_completion_is(chat_stand: Stand) -> None:
    assert (
        chat(chat_stand, as_="stranger").json()["error"]["code"]
        == chat_stand.ask("POST", "/v1/completions", as_="stranger", json={"model": CHECKPOINT, "prompt": "x"}).json()[
            "error"
        ]["code"]
    )
    before = chat_stand.portal.grants.usage(chat_stand.grant_id).settled
    used = chat(chat_stand, max_tokens=3).json()["usage"]["total_tokens"]
    assert chat_stand.portal.grants.usage(chat_stand.grant_id).settled == before + used


def test_the_replay_of_a_conversation_is_identical(chat_stand: Stand) -> None:
    told = chat(chat_stand, max_tokens=6, n=2)
    path = f"/api/runs/{told.headers['x-concordat-run']}/replay"
    again = chat_stand.ask("POST", path, as_="partner", json={"messages": HELLO})
    assert again.json()["comparison"]["verdict"] == "identical", again.text


def test_answers_say_what_is_left_and_how_long_they_took(client: Any, chat_stand: Stand) -> None:
    raw = client.chat.completions.with_raw_response.create(model=CHECKPOINT, messages=HELLO, max_tokens=1)
    headers = raw.headers
    assert headers["x-request-id"]
    assert int(headers["openai-processing-ms"]) >= 0
    limit, left = (int(headers[f"x-ratelimit-{what}-requests"]) for what in ("limit", "remaining"))
    assert 0 <= left < limit
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    budget = chat_stand.portal.grants.usage(chat_stand.grant_id)
    assert 0 < int(headers["x-ratelimit-remaining-tokens"]) < int(headers["x-ratelimit-limit-tokens"])
    assert budget.settled <= int(headers["x-ratelimit-limit-tokens"])
    listed = chat_stand.ask("GET", "/v1/models", as_="partner")
    assert "openai-processing-ms" in listed.headers
    refused = chat_stand.ask("POST", "/v1/chat/completions", json={})
    assert "openai-processing-ms" in refused.headers
    assert "x-request-id" in refused.headers


def test_conversations_can_be_lines_of_a_batch(client: Any, chat_stand: Stand) -> None:
    body = {"model": CHECKPOINT, "messages": HELLO, "max_tokens": 3, "seed": 8}
    lines = [
        {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body},
        {"custom_id": "b", "method": "POST", "url": "/v1/chat/completions", "body": {**body, "seed": 9}},
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    known = {"input_file_id": file.id}
    checked = chat_stand.ask("POST", "/api/batches/check", as_="partner", json=known).json()
    assert (checked["endpoint"], checked["lines"], checked["problems"]) == ("/v1/chat/completions", 2, [])
    theirs = chat_stand.ask("POST", "/api/batches", as_="partner", json=known).json()
    assert theirs["endpoint"] == "/v1/chat/completions"
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    chat_stand.portal.batch_runner.drain()
    done = client.batches.retrieve(batch.id)
    assert done.status == "completed", done
    assert done.output_file_id is not None
    rows = [json.loads(row) for row in client.files.content(done.output_file_id).text.splitlines()]
    first = next(row for row in rows if row["custom_id"] == "a")["response"]["body"]
    again = client.chat.completions.create(**body)
    assert first["choices"][0]["message"]["content"] == again.choices[0].message.content
    run_id = first["id"].removeprefix("chatcmpl-")
    kept = chat_stand.ask("GET", f"/api/runs/{run_id}/kept/texts", as_="partner").json()
    assert kept["prompts"] == [{"messages": HELLO}]
    assert kept["outputs"] == [again.choices[0].message.content]
    told = chat_stand.ask("POST", f"/api/runs/{run_id}/replay", as_="partner", json={})
    assert told.json()["comparison"]["verdict"] == "identical", told.text
    sheet = chat_stand.ask("GET", f"/api/batches/{batch.id}/results?format=csv", as_="partner")
    assert sheet.status_code == 200, sheet.text
    found = {row["custom_id"]: row for row in csv.DictReader(io.StringIO(sheet.text))}
    assert found["a"]["text"].removeprefix("'") == again.choices[0].message.content
    assert (found["a"]["finish_reason"], found["a"]["run_id"]) == (again.choices[0].finish_reason, run_id)


def test_what_is_refused_is_a_bad_request_to_the_client(client: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="tools"):
        client.chat.completions.create(model=CHECKPOINT, messages=HELLO, tools=[{"type": "function"}])


def issued(stand: Stand, **scope: Any) -> str:
    """A token for a grant with limits of its own."""
    ada, mia = stand.people["coordinator"].actor(Channel.CLI), stand.people["member"].actor(Channel.CLI)
    agreement_id = stand.portal.grants.get(ada, stand.grant_id).grant.agreement_id
    bounds = stand.portal.grants.bounds(ada, agreement_id).model_copy(update=scope)
    grant = stand.portal.grants.issue(ada, agreement_id=agreement_id, label="Of its own", scope=bounds)
    return stand.portal.tokens.issue(mia, label="tests", grant_id=grant.id, purpose="misuse-analysis").token


def test_whoever_asks_too_often_is_told_when_to_come_again(chat_stand: Stand, chat_address: str) -> None:
    token = issued(chat_stand, requests_per_minute=1)
    with OpenAI(base_url=f"{chat_address}/v1", api_key=token, max_retries=0) as client:
        client.chat.completions.create(model=CHECKPOINT, messages=HELLO, max_tokens=1)
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model=CHECKPOINT, messages=HELLO, max_tokens=1, stream=True)
    assert refused.value.code == "rate_limited"
    headers = refused.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert "x-should-retry" not in headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("1", "0")
    assert headers["x-ratelimit-reset-requests"].endswith("s")
    assert 0 < int(headers["x-ratelimit-remaining-tokens"]) <= int(headers["x-ratelimit-limit-tokens"])
    assert "/api/access/explain" in headers["link"]


def test_whoever_used_the_budget_up_is_told_that_waiting_does_not_help(chat_stand: Stand, chat_address: str) -> None:
    token = issued(chat_stand, token_budget=5)
    with (
        OpenAI(base_url=f"{chat_address}/v1", api_key=token, max_retries=3) as client,
        pytest.raises(openai.RateLimitError) as refused,
    ):
        client.chat.completions.create(model=CHECKPOINT, messages=HELLO, max_tokens=5)
    headers = refused.value.response.headers
    assert (refused.value.code, headers["x-should-retry"]) == ("budget_exhausted", "false")
    assert "retry-after" not in headers
    assert (headers["x-ratelimit-limit-tokens"], headers["x-ratelimit-remaining-tokens"]) == ("5", "5")
    assert "x-ratelimit-reset-tokens" not in headers


def test_log_probabilities_leave_with_the_decimals_of_the_grant(chat_stand: Stand, chat_address: str) -> None:
    asked: dict[str, Any] = {"model": CHECKPOINT, "messages": HELLO, "max_tokens": 6, "seed": 1, "logprobs": True}
    found: dict[bool, list[Any]] = {}
    for rounded in (False, True):
        token = issued(chat_stand, sampling=Sampling(logprob_decimals=1)) if rounded else chat_stand.tokens["partner"]
        with OpenAI(base_url=f"{chat_address}/v1", api_key=token, max_retries=0) as client:
            (choice,) = client.chat.completions.create(**asked, top_logprobs=3).choices
            assert choice.logprobs is not None
            found[rounded] = list(choice.logprobs.content or ())
            streamed: list[Any] = []
            for chunk in client.chat.completions.create(**asked, top_logprobs=3, stream=True):
                if chunk.choices[0].logprobs is not None:
                    streamed += chunk.choices[0].logprobs.content or []
        assert streamed == found[rounded]

    def values(tokens: list[Any]) -> list[float]:
        return [one.logprob for token in tokens for one in (token, *token.top_logprobs)]

    assert values(found[True]) == [round(value, 1) for value in values(found[False])]
    assert values(found[True]) != values(found[False])
