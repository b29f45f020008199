"""The access log over HTTP: pages, files with their digest, and evidence for exactly what is listed."""

import base64
import csv
import hashlib
import io
import json

import pytest

from agreements.inclusion import InclusionEvidence, verify
from tests.portal.api.api_stand import CHECKPOINT, PARTNER, Stand

LOG = "/api/access/log"


@pytest.fixture(scope="module")
def run_id(stand: Stand) -> str:
    """A run of the member's, on a token for the grant."""
    answer = stand.ask(
        "POST", "/v1/completions", as_="partner", json={"model": CHECKPOINT, "prompt": "def", "max_tokens": 2}
    )
    return answer.headers["x-concordat-run"]


def test_a_lead_pages_through_the_institutions_log(stand: Stand, run_id: str) -> None:
    seen: list[int] = []
    cursor = None
    while True:
        params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = stand.ask("GET", LOG, as_="lead", params=params).json()
        seen += [entry["leaf"] for entry in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(set(seen), reverse=True)
    runs = stand.ask("GET", LOG, as_="lead", params={"kind": "run", "grant": stand.grant_id}).json()["items"]
    assert run_id in {entry["object_id"] for entry in runs}
    assert stand.ask("GET", LOG, as_="lead", params={"kind": "agreement"}).json()["items"]


def test_evidence_is_for_what_is_listed(stand: Stand, run_id: str) -> None:
    items = stand.ask("GET", LOG, as_="member", params={"kind": "run"}).json()["items"]
    entry = next(one for one in items if one["object_id"] == run_id)
    for leaf in (entry["leaf"], entry["ended_leaf"]):
        answer = stand.ask("GET", f"{LOG}/{leaf}/evidence", as_="member")
        said = verify(InclusionEvidence.from_json(answer.json()), stand.portal.log.vkey)
        assert said["stream"] == f"run/{run_id}"
        refused = stand.ask("GET", f"{LOG}/{leaf}/evidence", as_="stranger")
        assert (refused.status_code, refused.json()["code"]) == (404, "no_such_entry")
    assert stand.ask("GET", f"{LOG}/999999999/evidence", as_="coordinator").status_code == 404
    assert stand.ask("GET", LOG, as_="stranger", params={"institution": PARTNER}).json()["items"] == []
    assert stand.ask("GET", LOG).status_code == 401


@pytest.mark.usefixtures("run_id")
def test_files_are_whole_and_name_their_digest(stand: Stand) -> None:
    for file_format, media_type in (("csv", "text/csv"), ("jsonl", "application/jsonl")):
        params = {"format": file_format, "institution": PARTNER}
        answer = stand.ask("GET", LOG, as_="coordinator", params=params)
        digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
        assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
        assert answer.headers["content-type"].startswith(media_type)
        assert answer.headers["content-disposition"] == f'attachment; filename="access-log.{file_format}"'
        if file_format == "csv":
            rows = list(csv.DictReader(io.StringIO(answer.text)))
            assert {row["institution_id"] for row in rows} == {PARTNER}
        else:
            rows = [json.loads(line) for line in answer.text.splitlines()]
            assert {row["institution_id"] for row in rows} == {PARTNER}
        assert rows


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"kind": "rumour"}, 422, None),
        ({"outcome": "maybe"}, 422, None),
        ({"from": "soon"}, 422, None),
        ({"format": "xlsx"}, 422, None),
        ({"who": "me"}, 400, None),
        ({"cursor": "next"}, 400, "bad_cursor"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, 400, "range_reversed"),
        ({"from": "2026-02-02", "to": "2026-02-01", "format": "csv"}, 400, "range_reversed"),
        ({"to": "9999-12-31"}, 400, "bad_date"),
    ],
)
def test_what_makes_no_sense_is_refused(stand: Stand, params: dict[str, str], status: int, code: str | None) -> None:
    answer = stand.ask("GET", LOG, as_="lead", params=params)
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code
