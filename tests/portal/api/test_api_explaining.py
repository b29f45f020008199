"""Access explained over the API."""

import pytest

from tests.portal.api.api_stand import CHECKPOINT, PARTNER, WITHHELD, Stand


def test_an_explanation_names_conditions_limits_and_who_is_meant(stand: Stand) -> None:
    before = stand.log_size()
    asked = {"checkpoint": CHECKPOINT, "operation": ["generate", "logprobs"], "purpose": "misuse-analysis"}
    answer = stand.ask("GET", "/api/access/explain", as_="member", params=asked)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["open"] is True
    assert told["who"]["kind"] == "self"
    [course] = [one for one in told["explanation"]["grants"] if one["decisive"]]
    # Tests that share the stand may have issued another grant that opens the same.
    shown = stand.ask("GET", "/api/grants", as_="lead").json()["items"]
    assert course["grant_id"] in {one["grant"]["id"] for one in shown}
    assert {step["state"] for step in course["steps"]} == {"held"}
    assert told["limits"][told["tightest"]]["left"] > 0
    assert stand.log_size() == before


def test_the_purpose_of_a_token_counts_for_oneself(stand: Stand) -> None:
    answer = stand.ask("GET", "/api/access/explain", as_="partner", params={"checkpoint": CHECKPOINT}).json()
    assert (answer["open"], answer["ask"]["purpose"]) == (True, "misuse-analysis")
    without = stand.ask("GET", "/api/access/explain", as_="member", params={"checkpoint": CHECKPOINT}).json()
    assert without["refusals"][0]["code"] == "purpose_required"


@pytest.mark.parametrize(
    ("as_", "asked", "status", "code"),
    [
        ("coordinator", {"role": "partner_member", "institution": PARTNER}, 200, None),
        ("lead", {"role": "partner_member", "institution": PARTNER}, 200, None),
        ("member", {"role": "partner_member", "institution": PARTNER}, 403, "not_yours_to_ask"),
        ("stranger", {"role": "partner_member", "institution": PARTNER}, 403, "not_yours_to_ask"),
        ("partner", {"role": "partner_member", "institution": PARTNER}, 403, "not_yours_to_ask"),
        ("member", {"role": "no-such-role", "institution": PARTNER}, 422, None),
        ("member", {"at": "2001-01-01T00:00:00Z"}, 400, "time_past"),
        ("member", {"persn": "per_x"}, 400, "unknown_parameter"),
        ("member", {"only_operation": "score"}, 200, None),
        ("stranger", {"person": "per_nobody"}, 404, "person_not_found"),
        (None, {}, 401, "no_credential"),
    ],
)
def test_who_may_ask_what(stand: Stand, as_: str | None, asked: dict[str, str], status: int, code: str | None) -> None:
    params = {"checkpoint": WITHHELD, **asked}
    answer = stand.ask("GET", "/api/access/explain", as_=as_, params=params)
    assert answer.status_code == status, answer.text
    if code is not None:
        assert answer.json()["code"] == code
    if status == 200:
        assert answer.json()["open"] is False


def test_somebody_elses_people_are_not_there(stand: Stand) -> None:
    person = stand.people["member"].id
    params = {"checkpoint": CHECKPOINT, "person": person}
    assert stand.ask("GET", "/api/access/explain", as_="lead", params=params).status_code == 200
    assert stand.ask("GET", "/api/access/explain", as_="stranger", params=params).status_code == 404


def test_a_refusal_of_the_model_api_leads_to_its_explanation(stand: Stand) -> None:
    body = {"model": WITHHELD, "prompt": "Once upon a time", "max_tokens": 4}
    refused = stand.ask("POST", "/v1/completions", as_="partner", json=body)
    assert refused.status_code == 403
    address, relation = refused.headers["link"].split("; ")
    assert relation == 'rel="help"'
    told = stand.ask("GET", address.strip("<>"), as_="partner").json()
    assert told["refusals"][0]["code"] == refused.json()["error"]["code"]
    assert told["refusals"][0]["message"] in refused.json()["error"]["message"]
