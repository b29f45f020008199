"""``/v1/files`` and ``/v1/batches`` with the stock client over a real socket, and what they refuse."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch

from model_access.receipts import verify_receipt
from tests.portal.api.api_stand import CHECKPOINT, WITHHELD, Script, Stand

ENDED = {"completed", "failed", "expired", "cancelled"}


@pytest.fixture(scope="module")
def served(stand: Stand, address: str) -> Iterator[str]:
    """The address of the portal while batches are carried out."""
    with stand.portal.batch_runner.running():
        yield address


@pytest.fixture
def client(stand: Stand, served: str) -> Iterator[openai.OpenAI]:
    """The stock client, told nothing but address and token."""
    with openai.OpenAI(base_url=f"{served}/v1", api_key=stand.tokens["partner"], max_retries=0) as made:
        yield made


def rows(*bodies: dict[str, Any], model: str = CHECKPOINT) -> bytes:
    """An input file; what is not said is asked for the least."""
    return b"".join(
        json.dumps(
            {
                "custom_id": f"request-{number}",
                "method": "POST",
                "url": "/v1/completions",
                "body": {"model": model, "prompt": "The file", "max_tokens": 3, "seed": number, **body},
            }
        ).encode()
        + b"\n"
        for number, body in enumerate(bodies, start=1)
    )


def submitted(client: openai.OpenAI, content: bytes, **more: Any) -> Batch:
    """Upload and submit."""
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint="/v1/completions", completion_window="24h", **more)


def until(client: openai.OpenAI, batch: Batch, holds: Callable[[Batch], bool]) -> Batch:
    """The batch as soon as something holds of it; a test that waits in vain is ended by its time-out."""
    pause = threading.Event()
    while not holds(batch):
        pause.wait(0.05)
        batch = client.batches.retrieve(batch.id)
    return batch


def ended(client: openai.OpenAI, batch: Batch) -> Batch:
    """The batch once it is over."""
    return until(client, batch, lambda one: one.status in ENDED)


def lines_of(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The rows of a file."""
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).text.splitlines()]


def test_the_stock_client_runs_a_batch(stand: Stand, client: openai.OpenAI, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(rows({}, {"n": 2}, {"logprobs": 1}))
    with path.open("rb") as opened:
        file = client.files.create(file=opened, purpose="batch")
    assert (file.object, file.filename, file.bytes, file.purpose) == (
        "file",
        "in.jsonl",
        path.stat().st_size,
        "batch",
    )
    assert client.files.retrieve(file.id).id == file.id
    assert file.id in {one.id for one in client.files.list(purpose="batch")}
    assert client.files.content(file.id).content == path.read_bytes()
    batch = client.batches.create(
        input_file_id=file.id,
        endpoint="/v1/completions",
        completion_window="24h",
        metadata={"study": "a first one"},
    )
    assert batch.object == "batch"
    batch = ended(client, batch)
    assert (batch.status, batch.errors, batch.error_file_id) == ("completed", None, None)
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 3, "completed": 3, "failed": 0}
    assert (batch.model, batch.metadata) == (CHECKPOINT, {"study": "a first one"})
    assert batch.usage is not None
    answers = lines_of(client, batch.output_file_id)
    assert batch.usage.total_tokens == sum(one["response"]["body"]["usage"]["total_tokens"] for one in answers)
    assert [one["custom_id"] for one in answers] == ["request-1", "request-2", "request-3"]
    alone = client.completions.create(model=CHECKPOINT, prompt="The file", max_tokens=3, seed=1)
    assert answers[0]["response"]["body"]["choices"][0]["text"] == alone.choices[0].text
    for one in answers:
        receipt = stand.ask("GET", one["receipt"]["url"], as_="partner")
        said = verify_receipt(receipt.content, vkey=stand.portal.log.vkey).statement.predicate
        assert said.outputs.matches([choice["text"] for choice in one["response"]["body"]["choices"]])
    assert batch.id in {one.id for one in client.batches.list(limit=2)}


def test_lists_are_paged(client: openai.OpenAI) -> None:
    files = [client.files.create(file=("in.jsonl", rows({})), purpose="batch").id for _ in range(3)]
    listed = [file.id for file in client.files.list(limit=1)]
    assert listed[:3] == files[::-1], "the client follows the pages by itself"
    oldest = [file.id for file in client.files.list(order="asc")]
    assert oldest == listed[::-1]
    for file_id in files:
        assert client.files.delete(file_id).deleted
    with pytest.raises(openai.ConflictError):
        client.files.content(files[0])
    assert not set(files) & {file.id for file in client.files.list()}


def test_a_file_with_bad_lines_fails_and_names_them(client: openai.OpenAI) -> None:
    batch = ended(client, submitted(client, rows({}, {"temperature": 9}) + b"{\n"))
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(one.line, one.code, one.param) for one in batch.errors.data] == [
        (2, "bad_request", "body.temperature"),
        (3, "bad_json", None),
    ]


def test_a_batch_of_what_is_not_granted_fails(client: openai.OpenAI) -> None:
    batch = ended(client, submitted(client, rows({}, model=WITHHELD)))
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [one.code for one in batch.errors.data] == ["checkpoint_not_granted"]


def test_cancelling_while_it_runs_keeps_what_is_there(
    stand: Stand, client: openai.OpenAI, scripts: list[Script]
) -> None:
    reached = threading.Event()

    def never_ends(request: Any, hear: Any) -> Any:
        from model_access.generation import Failed
        from model_access.worker import Ticket

        reached.set()
        stop = Failed(code="cancelled", message="Cancelled.", retriable=False, prompt_tokens=2)
        return Ticket(lambda: hear(stop))

    scripts += [never_ends, never_ends]
    batch = submitted(client, rows({}, {}, {}))
    assert reached.wait(60)
    with pytest.raises(openai.ConflictError) as refusal:
        client.files.delete(batch.input_file_id)
    assert refusal.value.code == "file_in_use"
    assert client.batches.cancel(batch.id).status == "cancelling"
    batch = ended(client, batch)
    assert batch.status == "cancelled"
    assert batch.cancelled_at is not None
    assert {one["error"]["code"] for one in lines_of(client, batch.error_file_id)} == {"batch_cancelled"}
    with pytest.raises(openai.ConflictError):
        client.batches.cancel(batch.id)


def test_nobody_else_reads_or_finds_it(stand: Stand, client: openai.OpenAI, served: str) -> None:
    batch = ended(client, submitted(client, rows({})))
    assert batch.output_file_id is not None
    with openai.OpenAI(base_url=f"{served}/v1", api_key=stand.tokens["lead"], max_retries=0) as lead:
        assert lead.batches.retrieve(batch.id).id == batch.id, "that it exists, the institution sees"
        with pytest.raises(openai.NotFoundError):
            lead.files.content(batch.output_file_id)
        assert batch.id not in {one.id for one in lead.batches.list()}
    with openai.OpenAI(base_url=f"{served}/v1", api_key=stand.tokens["stranger"], max_retries=0) as stranger:
        with pytest.raises(openai.NotFoundError):
            stranger.batches.retrieve(batch.id)
        with pytest.raises(openai.NotFoundError):
            stranger.batches.cancel(batch.id)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"purpose": "fine-tune"}, "unsupported_purpose"),
        ({"file": ("in.jsonl", b"")}, "empty_file"),
        ({"expires_after": {"anchor": "created_at", "seconds": 0}}, "bad_expiry"),
    ],
)
def test_uploads_that_are_refused(client: openai.OpenAI, asked: dict[str, Any], code: str) -> None:
    given: dict[str, Any] = {"file": ("in.jsonl", rows({})), "purpose": "batch", **asked}
    with pytest.raises(openai.BadRequestError) as refusal:
        client.files.create(**given)
    assert refusal.value.code == code


def test_a_file_is_kept_no_longer_than_its_owner_says(client: openai.OpenAI) -> None:
    file = client.files.create(
        file=("in.jsonl", rows({})), purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600


@pytest.mark.parametrize(
    ("headers", "content", "status", "code"),
    [
        ({"content-type": "application/json"}, b"{}", 400, "bad_multipart"),
        ({"content-type": "multipart/form-data"}, b"x", 400, "bad_multipart"),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x\r\n\r\n", 400, None),
        ({"content-type": "multipart/form-data; boundary=x"}, b"--x--\r\n", 400, "missing_field"),
        ({"content-type": "text/plain"}, b"x", 400, "not_json"),
    ],
)
def test_bodies_that_are_no_upload(
    stand: Stand, headers: dict[str, str], content: bytes, status: int, code: str | None
) -> None:
    answer = stand.ask("POST", "/v1/files", as_="partner", headers=headers, content=content)
    assert answer.status_code == status
    assert code in (None, answer.json()["error"]["code"])


def test_an_upload_over_the_limit_is_refused_before_it_is_read(stand: Stand) -> None:
    most = stand.portal.settings.batch_file_bytes
    headers = {"content-type": "multipart/form-data; boundary=x", "content-length": str(2 * most)}
    answer = stand.ask("POST", "/v1/files", as_="partner", headers=headers, content=b"--x")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    elsewhere = stand.ask(
        "POST", "/v1/batches", as_="partner", headers={"content-type": "multipart/form-data; boundary=x"}, content=b"x"
    )
    assert elsewhere.json()["error"]["code"] == "not_json"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"input_file_id": "file_none", "endpoint": "/v1/completions"}, 404, "file_not_found"),
        ({"input_file_id": "file_none", "endpoint": "/v1/chat"}, 400, "unsupported_endpoint"),
        ({"endpoint": "/v1/completions"}, 422, "bad_input"),
        ({"input_file_id": "f", "endpoint": "/v1/completions", "priority": 1}, 400, "unknown_field"),
    ],
)
def test_batches_that_are_refused(stand: Stand, body: dict[str, Any], status: int, code: str) -> None:
    answer = stand.ask("POST", "/v1/batches", as_="partner", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_the_description_has_them(stand: Stand) -> None:
    paths = stand.ask("GET", "/v1/openapi.json").json()["paths"]
    assert {"/files", "/files/{file_id}", "/files/{file_id}/content", "/batches", "/batches/{batch_id}/cancel"} <= set(
        paths
    )
