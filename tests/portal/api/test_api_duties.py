"""Duties over HTTP: a board, what each may do, a calendar for those who are signed in, and the operator's tick."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from tests.portal.api.api_stand import PARTNER, Stand

STATEMENT = "Four hundred runs, nothing that was not known."


@pytest.fixture
def owed(stand: Stand) -> tuple[str, list[str]]:
    """The agreement in force and the keys of what is still open under it."""
    answer = stand.ask("GET", "/api/duties", as_="lead", params={"horizon_days": 400})
    items = answer.json()["items"]
    found = [i["standing"]["duty"]["key"] for i in items if i["standing"]["state"] == "upcoming" and i["actions"]]
    return items[0]["agreement_id"], found


def _post(stand: Stand, agreement_id: str, what: str, body: dict[str, Any], as_: str) -> Any:
    return stand.ask("POST", f"/api/agreements/{agreement_id}/duties/{what}", as_=as_, json=body)


def test_the_board_and_its_filters(stand: Stand, owed: tuple[str, list[str]]) -> None:
    agreement_id, _ = owed
    items = stand.ask("GET", f"/api/agreements/{agreement_id}/duties", as_="member").json()["items"]
    assert {item["institution_id"] for item in items} == {PARTNER}
    for params, expected in (
        ({"agreement": agreement_id}, 200),
        ({"institution": PARTNER, "state": "overdue"}, 200),
        ({"agreement": "agr_none"}, 404),
        ({"state": "nearly"}, 422),
        ({"horizon_days": 99999}, 422),
        ({"agreement_id": agreement_id}, 400),
    ):
        assert stand.ask("GET", "/api/duties", as_="coordinator", params=params).status_code == expected
    assert stand.ask("GET", "/api/duties", as_="stranger").json()["items"] == []
    assert stand.ask("GET", f"/api/agreements/{agreement_id}/duties", as_="stranger").status_code == 404
    assert stand.ask("GET", "/api/duties").status_code == 401


def test_from_evidence_to_its_return(stand: Stand, owed: tuple[str, list[str]]) -> None:
    agreement_id, (key, *_) = owed
    handed_in = {"key": key, "statement": STATEMENT}
    assert _post(stand, agreement_id, "fulfil", handed_in, "coordinator").status_code == 403
    assert _post(stand, agreement_id, "fulfil", handed_in, "stranger").json()["code"] == "agreement_not_found"
    done = _post(stand, agreement_id, "fulfil", handed_in, "member")
    assert (done.status_code, done.json()["standing"]["state"]) == (200, "fulfilled")
    assert _post(stand, agreement_id, "fulfil", handed_in, "member").json()["code"] == "duty_fulfilled"
    back = _post(stand, agreement_id, "send-back", {"key": key, "reason": "Say what was tried."}, "coordinator")
    assert back.json()["standing"]["state"] in {"upcoming", "due"}
    refused = _post(stand, agreement_id, "send-back", {"key": key, "reason": "Once more."}, "coordinator")
    assert (refused.status_code, refused.json()["code"]) == (409, "no_evidence")


def test_relief_by_coordinators_alone(stand: Stand, owed: tuple[str, list[str]]) -> None:
    agreement_id, keys = owed
    later = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    postponing = {"key": keys[-1], "due_at": later, "reason": "a holiday"}
    assert _post(stand, agreement_id, "postpone", postponing, "lead").json()["code"] == "not_coordinator"
    assert _post(stand, agreement_id, "postpone", postponing, "coordinator").status_code == 200
    assert _post(stand, agreement_id, "postpone", postponing, "coordinator").json()["code"] == "not_later"
    naive = {**postponing, "due_at": "2030-01-01T00:00:00"}
    assert _post(stand, agreement_id, "postpone", naive, "coordinator").status_code == 422
    waiving = {"key": keys[-1], "reason": "one is enough"}
    assert _post(stand, agreement_id, "waive", waiving, "member").status_code == 403
    assert _post(stand, agreement_id, "waive", waiving, "coordinator").json()["standing"]["state"] == "waived"
    for what in ("fulfil", "waive", "postpone", "send-back"):
        body = {"fulfil": {"key": "feedback/1999-01-01", "statement": STATEMENT}}.get(
            what, {"key": "feedback/1999-01-01", "reason": "not there", "due_at": later}
        )
        if what == "waive":
            del body["due_at"]
        assert _post(stand, agreement_id, what, body, "coordinator").json()["code"] == "duty_not_found"


def test_an_incident_is_reported_and_listed(stand: Stand, owed: tuple[str, list[str]]) -> None:
    agreement_id, _ = owed
    path = f"/api/agreements/{agreement_id}/incidents"
    body = {
        "kind": "leak",
        "aware_at": (datetime.now(UTC) - timedelta(hours=1)).isoformat(),
        "statement": "A token was in a public notebook.",
    }
    told = stand.ask("POST", path, as_="member", json=body, headers={"idempotency-key": "incident-1"})
    assert (told.status_code, told.json()["key"]) == (201, f"incidents/{told.json()['number']}")
    again = stand.ask("POST", path, as_="member", json=body, headers={"idempotency-key": "incident-1"})
    assert again.json() == told.json()
    assert told.json() in stand.ask("GET", path, as_="coordinator").json()["items"]
    assert stand.ask("POST", path, as_="stranger", json=body).status_code == 404


def test_the_calendar_is_a_download_for_the_signed_in(stand: Stand, owed: tuple[str, list[str]]) -> None:
    agreement_id, _ = owed
    answer = stand.ask("GET", "/api/duties/calendar.ics", as_="lead")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="concordat.ics"'
    assert answer.headers["cache-control"] == "no-store"
    assert len(Calendar.from_ical(answer.content).walk("VEVENT")) >= 8
    assert stand.ask("GET", "/api/duties/calendar.ics").status_code == 401
    params = {"agreement": agreement_id}
    assert stand.ask("GET", "/api/duties/calendar.ics", as_="stranger", params=params).status_code == 404


def test_only_the_operator_winds_the_clockwork(stand: Stand) -> None:
    assert stand.ask("POST", "/api/operator/tick", as_="coordinator").json()["code"] == "operator_only"
    assert stand.ask("POST", "/api/operator/tick", as_="lead").status_code == 403
    ticked = stand.ask("POST", "/api/operator/tick", as_="operator")
    assert (ticked.status_code, ticked.json()["failed"]) == (200, [])
    assert ticked.json()["agreements"] >= 1
