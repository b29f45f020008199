"""People over the API: found by filters, taken away as a spreadsheet, and what stops before their roles change."""

import csv
import io

import httpx

from agreements.actors import Actor
from agreements.credentials import SignInMethod
from agreements.people import RequestMembership
from portal.api.auth import SESSION_COOKIE
from portal.spreadsheets import csv_text
from tests.portal.api.api_stand import Stand

OWN = {"sec-fetch-site": "same-origin"}


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["name"] for one in answer.json()["items"]]


def waits(stand: Stand, called: str) -> None:
    """Somebody who came by a provider, under a name that a spreadsheet would calculate."""
    command = RequestMembership(
        person_id=f"per_{called}",
        name=f"={called}()",
        email=f"{called}@partner.example",
        institution_id=stand.people["lead"].memberships[0].institution_id,
    )
    steps = stand.portal.people.admitting(command)
    stand.portal.kernel.execute_all(steps, Actor.automatic("sign-in"))


def test_people_are_found_by_what_the_address_says(stand: Stand) -> None:
    lead = stand.people["lead"]
    place = lead.memberships[0].institution_id
    everyone = names(stand.ask("GET", "/api/people", as_="coordinator"))
    waits(stand, "wes")
    assert names(stand.ask("GET", "/api/people", as_="coordinator")) == everyone, "who waits is asked for"
    for query, expected in (
        ({"q": lead.email.upper()}, [lead.name]),
        ({"role": "partner_lead", "institution": place}, [lead.name]),
        ({"state": "waiting", "q": "wes@"}, ["=wes()"]),
        ({"state": "deactivated"}, []),
    ):
        assert names(stand.ask("GET", "/api/people", as_="coordinator", params=query)) == expected
    assert stand.ask("GET", "/api/people", as_="coordinator", params={"state": "drowned"}).status_code == 422
    assert names(stand.ask("GET", "/api/people", as_="member", params={"state": "waiting"})) == []


def test_the_list_is_taken_away_with_nothing_that_calculates(stand: Stand) -> None:
    waits(stand, "cmd")
    answer = stand.ask("GET", "/api/people/list.csv", as_="coordinator", params={"state": "waiting", "q": "cmd"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "people.csv" in answer.headers["content-disposition"]
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["name"], row["state"], row["role"], row["last_sign_in"]) == ("'=cmd()", "waiting", "", "")
    theirs = csv.DictReader(io.StringIO(stand.ask("GET", "/api/people/list.csv", as_="member").text))
    own = stand.people["member"].memberships[0].institution_id
    assert {row["institution"] for row in theirs} == {own}


def test_every_way_to_begin_a_formula_is_told_as_text() -> None:
    cells = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "plain", ""]
    (row,) = list(csv.reader(io.StringIO(csv_text(["c"] * len(cells), [cells])), strict=True))[1:]
    assert row == ["'=1+1", "'+1", "'-1", "'@sum", "'\tx", "'\rx", "plain", ""]


def test_what_a_change_stops_is_asked_before_it(stand: Stand) -> None:
    lead = stand.people["lead"]
    path = f"/api/people/{lead.id}/consequences"
    answer = stand.ask("POST", path, as_="coordinator", json={"memberships": []})
    assert answer.status_code == 200
    assert answer.json()["leaves"] is True
    assert answer.json()["without_lead"] == [lead.memberships[0].institution_id]
    assert stand.portal.people.get(lead.id) == lead
    assert stand.ask("POST", path, as_="member", json={"memberships": []}).status_code == 403
    assert stand.ask("POST", "/api/people/per_nobody/consequences", as_="lead", json={}).status_code == 404


def test_who_comes_by_a_provider_is_told_to_its_lead_and_coordinators(stand: Stand) -> None:
    lead = stand.people["lead"]
    place = lead.memberships[0].institution_id
    body = {
        "institution_id": place,
        "label": "Accounts",
        "issuer": "https://login.partner.example",
        "client_id": "portal",
        "domains": ["partner.example"],
    }
    made = stand.ask("POST", "/api/identity-providers", as_="coordinator", json=body).json()
    path = f"/api/identity-providers/{made['id']}/people"
    for who, status in (("coordinator", 200), ("lead", 200), ("member", 404)):
        assert stand.ask("GET", path, as_=who).status_code == status
    assert stand.ask("GET", path, as_="lead").json()["people"] == []
    session = stand.portal.sessions.open(lead, method=SignInMethod.PROVIDER, provider_id=made["id"])
    cookies = {SESSION_COOKIE: session.secret}
    page = stand.ask("GET", "/session/signout", cookies=cookies).text
    assert "Sign out here only" not in page, "nothing is promised that the provider never said"
    gone = stand.ask("POST", "/session/signout?only=here", cookies=cookies, headers=OWN)
    assert (gone.status_code, gone.headers["location"]) == (303, "/session/login")
