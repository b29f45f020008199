"""``/api/access/requests``: drafted, decided, answered over HTTP, and nothing for anybody else."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agreements.access_requests import Draft
from agreements.actors import LAB, Channel, Role
from agreements.errors import ConcordatError
from portal.inputs import parse
from tests.portal.api.api_stand import PARTNER, Stand

PATH = "/api/access/requests"
REASON = "Half of it is enough for a first look."


def good(stand: Stand, method: str, path: str, who: str, body: object = None, **kwargs: Any) -> Any:
    """The JSON of an answer that must be good."""
    answer = stand.ask(method, f"{PATH}{path}", as_=who, json=body, **kwargs)
    assert answer.is_success, answer.text
    return answer.json()


def code(stand: Stand, method: str, path: str, who: str | None, body: object = None) -> tuple[int, str]:
    """Status and code of a refusal."""
    answer = stand.ask(method, f"{PATH}{path}", as_=who, json=body)
    return answer.status_code, answer.json()["code"]


def content(stand: Stand, **changes: Any) -> dict[str, Any]:
    """A draft that lacks nothing, under the agreement of the stand's grant."""
    grant = stand.portal.grants.get(stand.people["coordinator"].actor(Channel.CLI), stand.grant_id).grant
    assert grant.scope is not None
    scope = grant.scope.model_dump(mode="json")
    names = ("checkpoints", "operations", "purposes", "requests_per_minute", "expires_at")
    return {
        "title": "Bias in the larger sizes",
        "agreement_id": grant.agreement_id,
        "intended_use": "Scores of minimal pairs, published with the code.",
        "token_budget": 100,
        **{name: scope[name] for name in names},
        **changes,
    }


def submitted(stand: Stand, **changes: Any) -> str:
    made = good(stand, "POST", "", "member", {"content": content(stand, **changes)})
    request_id = made["request"]["id"]
    good(stand, "POST", f"/{request_id}/submit", "member")
    return str(request_id)


@pytest.fixture(scope="module", autouse=True)
def second(stand: Stand) -> None:
    """Another coordinator: what the stand's agreement opens is withheld, and so high risk."""
    person = stand.portal.people.register(
        stand.people["coordinator"].actor(Channel.CLI),
        name="Fay Coordinator",
        email="fay@lab.example",
        memberships=[(LAB, Role.COORDINATOR)],
    )
    stand.tokens["second"] = stand.portal.tokens.issue(person.actor(Channel.CLI), label="tests").token


def test_a_request_from_its_first_words_to_its_grant(stand: Stand) -> None:
    made = good(stand, "POST", "", "member", {})
    path = f"/{made['request']['id']}"
    assert (made["status"], made["may"]) == ("draft", ["save", "submit", "withdraw"])
    saved = good(stand, "PUT", f"{path}/draft", "member", {"title": "Bi"})
    assert saved["request"]["draft"]["title"] == "Bi"
    assert code(stand, "POST", f"{path}/submit", "member") == (400, "incomplete_request")
    assert code(stand, "GET", path, "coordinator") == (404, "access_request_not_found")
    good(stand, "PUT", f"{path}/draft", "member", content(stand))
    checklist = good(stand, "GET", f"{path}/checklist", "member")
    assert (checklist["gaps"], checklist["lines"][0]["met"]) == ([], True)
    asked = good(stand, "POST", f"{path}/submit", "member")
    assert sorted(asked["deciders"]) == ["Ada Coordinator", "Fay Coordinator"]
    assert ([mark["rule"] for mark in asked["marks"]], asked["approvals_needed"]) == (["stage"], 2)
    waiting = good(stand, "GET", "?waiting=true", "coordinator")["items"]
    assert made["request"]["id"] in [view["request"]["id"] for view in waiting]
    lines = good(stand, "GET", f"{path}/background", "coordinator")["comparison"]["lines"]
    assert not any(line["beyond"] for line in lines)
    first = good(stand, "POST", f"{path}/approve", "coordinator", {"note": "Go ahead."})
    assert (first["status"], first["request"]["granted"]) == ("submitted", None)
    assert code(stand, "POST", f"{path}/approve", "coordinator", {}) == (409, "second_person_needed")
    done = good(stand, "POST", f"{path}/approve", "second", {})
    grant = stand.ask("GET", f"/api/grants/{done['request']['granted']['grant_id']}", as_="lead").json()
    assert grant["grant"]["request_id"] == made["request"]["id"]


def test_an_alternative_is_offered_declined_offered_again_and_accepted(stand: Stand) -> None:
    path = f"/{submitted(stand)}"
    scope = good(stand, "GET", path, "lead")["terms"]["scope"]
    half = {"scope": {**scope, "token_budget": 50}, "reason": REASON}
    assert good(stand, "POST", f"{path}/offer", "coordinator", half)["status"] == "amended"
    assert code(stand, "POST", f"{path}/approve", "coordinator", {}) == (409, "alternative_unanswered")
    declined = good(stand, "POST", f"{path}/decline", "member", {"number": 1, "reason": "It takes more than that."})
    assert (declined["status"], declined["terms"]["scope"]["token_budget"]) == ("submitted", 100)
    assert code(stand, "POST", f"{path}/approve", "coordinator", {"scope": half["scope"]}) == (409, "request_changed")
    good(stand, "POST", f"{path}/offer", "coordinator", half)
    assert code(stand, "POST", f"{path}/accept", "member", {"number": 1}) == (409, "another_alternative")
    assert good(stand, "POST", f"{path}/accept", "lead", {"number": 2})["status"] == "submitted"
    assert good(stand, "POST", f"{path}/approve", "second", {})["status"] == "approved"


def test_each_side_moves_for_itself_and_nobody_else_learns_of_it(stand: Stand) -> None:
    path = f"/{submitted(stand)}"
    moves = {
        "approve": {},
        "refuse": {"reason": REASON},
        "offer": {"scope": good(stand, "GET", path, "lead")["terms"]["scope"], "reason": REASON},
    }
    for verb, body in moves.items():
        assert code(stand, "POST", f"{path}/{verb}", "lead", body) == (403, "not_coordinator")
        assert code(stand, "POST", f"{path}/{verb}", "stranger", body) == (404, "access_request_not_found")
    assert code(stand, "GET", f"{path}/background", "researcher") == (404, "access_request_not_found")
    assert code(stand, "POST", f"{path}/withdraw", "coordinator", {}) == (403, "not_asker")
    assert code(stand, "POST", f"{path}/withdraw", "partner", {}) == (403, "token_opens_only")
    assert code(stand, "POST", "", "coordinator", {"institution_id": PARTNER}) == (403, "not_asker")
    assert good(stand, "POST", f"{path}/refuse", "coordinator", {"reason": REASON})["status"] == "refused"
    copy = good(stand, "POST", "", "member", {"copy_of": path[1:]})
    assert copy["request"]["draft"]["title"] == "Bias in the larger sizes"
    assert good(stand, "POST", f"/{copy['request']['id']}/withdraw", "member", {})["status"] == "withdrawn"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.dictionaries(st.sampled_from(sorted(Draft.model_fields)) | st.text(max_size=8), json_values))
@settings(max_examples=200)
def test_whatever_is_sent_as_a_draft_is_a_draft_or_refused(data: dict[str, Any]) -> None:
    try:
        assert isinstance(parse(Draft, data), Draft)
    except ConcordatError as refusal:
        assert refusal.code == "bad_input"
