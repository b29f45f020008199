"""The measurements of revocations over HTTP: for coordinators, as JSON and as a table."""

import csv
import io

from agreements.actors import Channel
from tests.portal.api.api_stand import Stand


def test_coordinators_see_what_was_measured_and_take_it_away(stand: Stand) -> None:
    ada, mia = stand.people["coordinator"].actor(Channel.CLI), stand.people["member"].actor(Channel.CLI)
    issued = stand.portal.tokens.issue(mia, label="=1+1", grant_id=stand.grant_id, purpose="misuse-analysis")
    answer = stand.ask("POST", f"/api/tokens/{issued.record.id}/revoke", as_="member", json={"reason": "it leaked"})
    assert answer.status_code == 200, answer.text
    assert stand.portal.watch.settled(30)
    report = stand.ask("GET", "/api/access/revocations", as_="coordinator").json()
    first = report["items"][0]
    assert (first["what"], first["about"]) == ("Token or session ended", f"credential/{issued.record.id}")
    assert (first["asked"], first["still_open"]) == (1, 0)
    assert report["refused"]["median"] >= 0
    table = stand.ask("GET", "/api/access/revocations.csv", as_="coordinator")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert rows[0]["about"] == first["about"]
    assert "=1+1" not in table.text, "no word that somebody wrote"
    assert stand.portal.revocations.report(ada).items[0].position == first["position"]


def test_nobody_else_sees_them(stand: Stand) -> None:
    for path in ("/api/access/revocations", "/api/access/revocations.csv"):
        for name in ("lead", "member", "partner", "researcher"):
            answer = stand.ask("GET", path, as_=name)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_coordinator"), name
        assert stand.ask("GET", path).status_code == 401


def test_who_one_is_does_not_tell_the_session(stand: Stand) -> None:
    told = stand.ask("GET", "/api/me", as_="partner").json()
    assert {"session_id", "token_key"}.isdisjoint(told["actor"])
