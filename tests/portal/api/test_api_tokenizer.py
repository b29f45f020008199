"""A tokenizer is had by whoever may query its checkpoint; harnesses that look elsewhere are told so."""

import io
import zipfile
from base64 import b64encode
from hashlib import sha256

import pytest

from tests.portal.api.api_stand import CHECKPOINT, WITHHELD, Stand


def test_whoever_may_query_a_checkpoint_gets_its_tokenizer(stand: Stand) -> None:
    for address, caller in (
        (f"/v1/models/{CHECKPOINT}/tokenizer", "partner"),
        (f"/api/checkpoints/{CHECKPOINT}/tokenizer", "lead"),
    ):
        answer = stand.ask("GET", address, as_=caller)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["repr-digest"] == f"sha-256=:{b64encode(sha256(answer.content).digest()).decode()}:"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.namelist() == ["tokenizer.json", "tokenizer_config.json"]


@pytest.mark.parametrize(
    ("address", "caller", "status", "code"),
    [
        (f"/v1/models/{WITHHELD}/tokenizer", "partner", 403, "checkpoint_not_granted"),
        (f"/v1/models/{CHECKPOINT}/tokenizer", "stranger", 403, None),
        ("/v1/models/gpt-9/tokenizer", "partner", 404, "checkpoint_not_found"),
        (f"/v1/models/{CHECKPOINT}/tokenizer", None, 401, "no_credential"),
        (f"/api/checkpoints/{WITHHELD}/tokenizer", "stranger", 403, None),
    ],
)
def test_nobody_else_does(stand: Stand, address: str, caller: str | None, status: int, code: str | None) -> None:
    answer = stand.ask("GET", address, as_=caller)
    assert answer.status_code == status
    said = answer.json()
    said = said.get("error", said)
    assert said["code"] == code or code is None


def test_a_harness_that_looks_for_anothers_tokenizer_is_told_there_is_none(stand: Stand) -> None:
    for method, address in (("GET", "/tokenizer_info"), ("POST", "/tokenize"), ("POST", "/detokenize")):
        answer = stand.ask(method, address)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_route")
