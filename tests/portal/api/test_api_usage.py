"""Usage over HTTP: counted for who may see the runs, with ranges and groupings that are refused by name."""

import csv
import io
from datetime import UTC, datetime

import pytest

from tests.portal.api.api_stand import CHECKPOINT, PARTNER, Stand

TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture(scope="module")
def ran(stand: Stand) -> str:
    """A run of the member's."""
    answer = stand.ask(
        "POST",
        "/v1/completions",
        as_="partner",
        json={"model": CHECKPOINT, "prompt": "def", "max_tokens": 2, "seed": 1},
    )
    assert answer.status_code == 200, answer.text
    return answer.headers["x-concordat-run"]


@pytest.mark.usefixtures("ran")
def test_usage_is_counted_and_filtered(stand: Stand) -> None:
    answer = stand.ask("GET", "/api/usage", as_="lead", params={"group_by": "checkpoint", "period": "week"})
    report = answer.json()
    assert answer.status_code == 200
    assert [group["key"] for group in report["groups"]] == [CHECKPOINT]
    assert report["until"] == TODAY
    assert report["total"]["runs"] >= 1
    assert sum(bucket["counts"]["runs"] for bucket in report["buckets"]) == report["total"]["runs"]
    assert all("-W" in bucket["label"] for bucket in report["buckets"])
    for params in ({"purpose": "bias-analysis"}, {"checkpoint": "other"}, {"to": "2020-01-31", "from": "2020-01-01"}):
        assert stand.ask("GET", "/api/usage", as_="lead", params=params).json()["total"]["runs"] == 0
    of_grant = stand.ask("GET", "/api/usage", as_="member", params={"grant": stand.grant_id}).json()
    assert of_grant["total"]["runs"] == report["total"]["runs"]


@pytest.mark.usefixtures("ran")
def test_the_table_has_the_numbers_of_the_report(stand: Stand) -> None:
    params = {"group_by": "purpose", "period": "month"}
    report = stand.ask("GET", "/api/usage", as_="lead", params=params).json()
    answer = stand.ask("GET", "/api/usage", as_="lead", params={**params, "format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert sum(int(row["charged_tokens"]) for row in rows) == report["total"]["charged_tokens"]
    assert {row["purpose"] for row in rows} == {group["key"] for group in report["groups"]}


@pytest.mark.usefixtures("ran")
def test_nobody_counts_the_runs_of_others(stand: Stand) -> None:
    for params in ({}, {"institution": PARTNER}, {"grant": stand.grant_id}):
        report = stand.ask("GET", "/api/usage", as_="stranger", params=params).json()
        assert (report["total"]["runs"], report["groups"], report["failures"]) == (0, [], [])
    assert stand.ask("GET", "/api/usage/hours", as_="stranger").json()["items"] == []
    assert stand.ask("GET", "/api/usage/unusual", as_="stranger").json()["items"] == []
    assert stand.ask("GET", "/api/usage/budgets", as_="stranger").json()["items"] == []
    answer = stand.ask("GET", "/api/usage/budgets", as_="stranger", params={"grant": stand.grant_id})
    assert (answer.status_code, answer.json()["code"]) == (404, "grant_not_found")
    assert stand.ask("GET", "/api/usage").status_code == 401


@pytest.mark.usefixtures("ran")
def test_hours_and_budgets(stand: Stand) -> None:
    hours = stand.ask("GET", "/api/usage/hours", as_="lead").json()["items"]
    assert sum(hour["runs"] for hour in hours) >= 1
    budgets = stand.ask("GET", "/api/usage/budgets", as_="lead").json()["items"]
    mine = next(one for one in budgets if one["grant_id"] == stand.grant_id)
    assert mine["used_tokens"] > 0
    assert mine["used_tokens"] + mine["held_tokens"] + mine["left_tokens"] == mine["budget_tokens"]
    assert mine["pace"] is None
    assert "too few days" in mine["no_pace"]


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({"from": "yesterday"}, 422, None),
        ({"from": "2026-02-30"}, 422, None),
        ({"group_by": "star_sign"}, 422, None),
        ({"period": "year"}, 422, None),
        ({"operation": "dance"}, 422, None),
        ({"group": "person"}, 400, None),
        ({"from": "2026-02-02", "to": "2026-02-01"}, 400, "range_reversed"),
        ({"from": "2020-01-01", "to": "2026-01-01"}, 400, "range_too_wide"),
        ({"from": "1900-01-01"}, 400, "bad_date"),
        ({"to": "9999-12-31"}, 400, "bad_date"),
    ],
)
def test_what_makes_no_sense_is_refused(stand: Stand, params: dict[str, str], status: int, code: str | None) -> None:
    answer = stand.ask("GET", "/api/usage", as_="lead", params=params)
    problem = answer.json()
    assert answer.status_code == status, answer.text
    assert code is None or problem["code"] == code
    assert problem["code"]
    assert problem["hint"]


def test_exposure_is_added_up_for_who_may_see_the_runs(stand: Stand) -> None:
    def seen(who: str, **params: str) -> dict[str, int]:
        report = stand.ask("GET", "/api/exposure", as_=who, params=params).json()
        assert (report["warn"], report["alert"]) == (0.1, 0.5)
        return {
            holder["name"]: holder["values"]
            for checkpoint in report["checkpoints"]
            for institution in checkpoint["institutions"]
            for holder in institution["holders"]
        }

    before = seen("coordinator").get("Mia Member", 0)
    body = {"model": CHECKPOINT, "prompt": "def", "max_tokens": 2, "seed": 1, "logprobs": 3}
    answer = stand.ask("POST", "/v1/completions", as_="partner", json=body)
    assert answer.status_code == 200, answer.text
    expected = before + answer.json()["usage"]["completion_tokens"] * 4
    assert {seen(who)["Mia Member"] for who in ("coordinator", "lead", "member")} == {expected}
    assert seen("stranger") == seen("stranger", institution=PARTNER) == seen("lead", checkpoint="other") == {}
    assert stand.ask("GET", "/api/exposure").status_code == 401
