"""``/v1/embeddings`` with the real engine and the stock client."""

import csv
import io
import json
from typing import Any

import pytest
from openai import OpenAI

from model_access.embeddings import text_of, vector_of
from model_access.receipts import verify_receipt
from tests.portal.api.api_stand import CHECKPOINT, Stand


def embed(stand: Stand, as_: str = "partner", **body: Any) -> Any:
    return stand.ask("POST", "/v1/embeddings", as_=as_, json={"model": CHECKPOINT, "input": "The file", **body})


@pytest.fixture(scope="module")
def client(chat_stand: Stand, chat_address: str) -> Any:
    return OpenAI(base_url=f"{chat_address}/v1", api_key=chat_stand.tokens["partner"], max_retries=0)


def test_the_stock_client_gets_numbers_and_a_receipt_proves_them(client: Any, chat_stand: Stand) -> None:
    before = chat_stand.portal.grants.usage(chat_stand.grant_id).settled
    raw = client.embeddings.with_raw_response.create(model=CHECKPOINT, input=["The file", "is open"])
    told = raw.parse()  # the client asks for base64 of its own accord
    assert [one.index for one in told.data] == [0, 1]
    assert told.usage.prompt_tokens == told.usage.total_tokens > 0
    assert chat_stand.portal.grants.usage(chat_stand.grant_id).settled == before + told.usage.total_tokens
    plain = client.embeddings.create(model=CHECKPOINT, input=["The file", "is open"], encoding_format="float")
    for one, other in zip(told.data, plain.data, strict=True):
        assert text_of(one.embedding) == text_of(other.embedding)
    receipt = chat_stand.ask("GET", f"/api/runs/{raw.headers['x-concordat-run']}/receipt", as_="partner")
    proved = verify_receipt(receipt.content, vkey=chat_stand.portal.log.vkey).statement.predicate
    assert proved.operation == "embed"
    assert proved.outputs.matches([text_of(one.embedding) for one in plain.data])
    assert "x-ratelimit-remaining-tokens" in raw.headers


@pytest.mark.parametrize(("given", "count"), [("The", 1), (["The", "A file"], 2), ([5, 6, 7], 1), ([[5, 6], [7]], 2)])
def test_inputs_come_in_four_forms(chat_stand: Stand, given: object, count: int) -> None:
    told = embed(chat_stand, input=given).json()
    assert told["object"] == "list"
    assert [one["index"] for one in told["data"]] == list(range(count))
    widths = {len(one["embedding"]) for one in told["data"]}
    assert widths == {chat_stand.portal.pool.manifest(CHECKPOINT).hidden_size}


def test_what_stands_beside_an_input_changes_no_bit_of_it(chat_stand: Stand) -> None:
    alone = embed(chat_stand, encoding_format="base64").json()["data"][0]["embedding"]
    beside = embed(chat_stand, input=["word " * 50, "The file"], encoding_format="base64").json()["data"][1]
    assert beside["embedding"] == alone
    assert len(vector_of(alone)) > 1


REFUSED: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "fewer numbers": ({"dimensions": 8}, 400, "unsupported_parameter", "dimensions"),
    "another encoding": ({"encoding_format": "hex"}, 422, "bad_input", "encoding_format"),
    "nothing": ({"input": ""}, 400, "empty_prompt", "input"),
    "no inputs": ({"input": []}, 422, "bad_input", "input"),
    "too long": ({"input": "word " * 3000}, 400, "prompt_too_long", "input"),
    "a foreign token": ({"input": [10**9]}, 400, "token_out_of_vocabulary", "input"),
    "unknown": ({"truncate": True}, 400, "unknown_field", "truncate"),
}


@pytest.mark.parametrize(("body", "status", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_done_is_refused_by_name_and_leaves_no_trace(
    chat_stand: Stand, body: dict[str, Any], status: int, code: str, param: str
) -> None:
    before = chat_stand.log_size()
    answer = embed(chat_stand, **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert chat_stand.log_size() == before


def test_a_grant_to_generate_opens_no_embeddings(stand: Stand) -> None:
    answer = embed(stand)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "operation_not_granted")


def test_a_replay_is_identical_and_a_batch_has_lines_of_them(client: Any, chat_stand: Stand) -> None:
    run_id = embed(chat_stand).headers["x-concordat-run"]
    again = chat_stand.ask("POST", f"/api/runs/{run_id}/replay", as_="partner", json={"prompts": "The file"})
    assert again.json()["comparison"]["verdict"] == "identical", again.text
    line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}
    content = json.dumps({**line, "body": {"model": CHECKPOINT, "input": "The file"}}).encode()
    file = client.files.create(file=("lines.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
    chat_stand.portal.batch_runner.drain()
    done = client.batches.retrieve(batch.id)
    assert done.status == "completed", done
    (row,) = map(json.loads, client.files.content(done.output_file_id).text.splitlines())
    assert row["response"]["body"]["data"] == embed(chat_stand).json()["data"]
    sheet = chat_stand.ask("GET", f"/api/batches/{batch.id}/results?format=csv", as_="partner")
    (line,) = csv.DictReader(io.StringIO(sheet.text))
    (vector,) = (one["embedding"] for one in embed(chat_stand, encoding_format="base64").json()["data"])
    assert (line["text"].removeprefix("'"), line["completion_tokens"]) == (vector, "0")
    told = chat_stand.ask("POST", f"/api/runs/{row['receipt']['run_id']}/replay", as_="partner", json={})
    assert told.json()["comparison"]["verdict"] == "identical", told.text


def test_what_they_tell_adds_to_exposure(client: Any, chat_stand: Stand) -> None:
    def states() -> int:
        report = chat_stand.ask("GET", "/api/exposure", as_="lead", params={"checkpoint": CHECKPOINT}).json()
        return sum(one["states"] for seen in report["checkpoints"] for one in seen["institutions"])

    before = states()
    assert embed(chat_stand, input=["The file", "is open", "again"]).status_code == 200
    assert embed(chat_stand, dimensions=4).status_code == 400
    assert states() == before + 3
    line = {"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": CHECKPOINT, "input": "x"}}
    file = client.files.create(file=("lines.jsonl", json.dumps(line).encode()), purpose="batch")
    client.batches.create(input_file_id=file.id, endpoint="/v1/embeddings", completion_window="24h")
    chat_stand.portal.batch_runner.drain()
    assert states() == before + 4
