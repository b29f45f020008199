"""Bodies that no route may see, refused by size, type and form; each leaves nothing behind."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.api.errors import problem_response
from portal.api.guards import BodyGuard
from tests.portal.api.api_stand import BASE_URL, Stand

JSON = {"content-type": "application/json"}

MALFORMED = {
    "not json": b"{",
    "trailing text": b"{} x",
    "NaN": b'{"label": NaN}',
    "infinity": b'{"hours": 1e999}',
    "name twice": b'{"label": "a", "label": "b"}',
    "nesting bomb": b"[" * 5000 + b"]" * 5000,
    "not utf-8": b'{"label": "\xff"}',
    "half a surrogate": b'{"label": "\\ud800"}',
    "huge integer": b'{"hours": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("path", ["/api/tokens", "/api/findings", "/v1/completions"])
def test_malformed_json_is_refused_with_its_reason(stand: Stand, path: str, body: bytes) -> None:
    before = stand.log_size()
    answer = stand.ask("POST", path, as_="lead", content=body, headers=JSON)
    assert answer.status_code == 400
    told = answer.json()
    assert told.get("code", told.get("error", {}).get("code")) == "bad_json"
    assert stand.log_size() == before


@pytest.mark.parametrize("path", ["/api/tokens", "/v1/completions", "/session/demo", "/oauth/revoke"])
def test_an_announced_body_over_the_limit_is_refused(stand: Stand, path: str) -> None:
    answer = stand.ask("POST", path, as_="lead", content=b"x" * (10 * 2**20), headers=JSON)
    assert answer.status_code == 413
    assert "body" in answer.text


def test_a_body_over_the_limit_is_refused_as_soon_as_the_limit_is_passed() -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1024
            yield b" " * 1024

    async def application(_scope: object, _receive: object, _send: object) -> None:
        pytest.fail("the application saw an oversized body")

    async def ask() -> httpx.Response:
        guarded = BodyGuard(application, max_bytes=10 * 1024, render=problem_response)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded), base_url=BASE_URL) as client:
            return await client.post("/", content=chunks(), headers=JSON)

    answer = asyncio.run(ask())
    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"
    assert sent == 11 * 1024


def test_a_body_that_is_not_json_is_refused_by_name(stand: Stand) -> None:
    for headers in ({"content-type": "text/plain"}, {"content-type": "multipart/form-data"}, {}):
        answer = stand.ask("POST", "/api/tokens", as_="lead", content=b'{"label": "x"}', headers=headers)
        assert answer.status_code == 400
        assert answer.json()["code"] == "not_json"


def test_an_unknown_field_is_refused_by_name(stand: Stand) -> None:
    answer = stand.ask("POST", "/api/tokens", as_="lead", json={"label": "x", "lable": "y"})
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (400, "unknown_field", "lable")


def test_a_field_of_another_type_is_refused_by_place(stand: Stand) -> None:
    draft = {"institution_id": "north-university", "quorum": "many", "text": {"title": "T", "clauses": []}}
    answer = stand.ask("POST", "/api/norms", as_="lead", json=draft)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_input")
    assert answer.json()["param"] == "quorum"


def test_what_was_sent_is_not_repeated(stand: Stand) -> None:
    secret = "correct-horse-battery"
    answer = stand.ask("POST", "/api/tokens", as_="lead", json={"label": {"x": secret}, "hours": secret})
    assert answer.status_code == 422
    assert secret not in answer.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
paths = st.sampled_from(
    [
        "/api/institutions",
        "/api/people",
        "/api/agreements",
        "/api/grants",
        "/api/tokens",
        "/api/checkpoints",
        "/api/findings",
        "/api/norms",
        "/api/release/decisions",
        "/v1/completions",
    ]
)


@given(path=paths, body=json_values | st.dictionaries(st.sampled_from(["label", "name", "model"]), json_values))
def test_any_json_is_answered_with_a_typed_refusal_and_leaves_nothing(stand: Stand, path: str, body: object) -> None:
    before = stand.log_size()
    answer = stand.ask("POST", path, as_="researcher", content=json.dumps(body).encode(), headers=JSON)
    if answer.status_code == 201:  # a label alone is a good request for a token
        assert path == "/api/tokens"
        return
    assert 400 <= answer.status_code < 500, answer.text
    told = answer.json()
    assert told.get("code", told.get("error", {}).get("code"))
    assert stand.log_size() == before


@given(raw=st.binary(max_size=300), path=paths)
def test_any_bytes_are_answered_with_a_typed_refusal(stand: Stand, raw: bytes, path: str) -> None:
    answer = stand.ask("POST", path, as_="researcher", content=raw, headers=JSON)
    assert 400 <= answer.status_code < 500
