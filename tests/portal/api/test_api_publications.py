"""``/api/publications``: each side's moves over HTTP, and nothing for anybody else."""

import json
from typing import Any

import pytest

from agreements.standard_terms import template
from portal.documents import verify_document
from tests.portal.api.api_stand import PARTNER, Stand

FILE, CHANGED = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REASON = "It tells how to get around the filter."


def good(stand: Stand, method: str, path: str, who: str, body: object = None, **kwargs: Any) -> Any:
    """The JSON of an answer that must be good."""
    answer = stand.ask(method, f"/api{path}", as_=who, json=body, **kwargs)
    assert answer.is_success, answer.text
    return answer.json()


def code(stand: Stand, method: str, path: str, who: str | None, body: object = None) -> tuple[int, str]:
    """Status and code of a refusal."""
    answer = stand.ask(method, f"/api{path}", as_=who, json=body)
    return answer.status_code, answer.json()["code"]


def agreed(stand: Stand) -> str:
    """An agreement in force with a closed list of one ground."""
    review = {
        "kind": "publication_review",
        "clause_id": "publication",
        "title": "Publication",
        "text": "Cleared after {window_days} days.",
        "window_days": 30,
        "grounds": ["safety"],
    }
    kept = [c.model_dump(mode="json") for c in template("software-access").clauses if c.kind != "publication_review"]
    body = {"institution_id": PARTNER, "clauses": [*kept, review]}
    draft = good(stand, "POST", "/agreements", "coordinator", body)["id"]
    digest = good(stand, "POST", f"/agreements/{draft}/offer", "coordinator")["document_digest"]
    for who, name in (("lead", "Ben Lead"), ("coordinator", "Ada Coordinator")):
        good(stand, "POST", f"/agreements/{draft}/sign", who, {"typed_name": name, "document_digest": digest})
    return str(draft)


def submission(stand: Stand, **fields: Any) -> dict[str, Any]:
    return {"agreement_id": agreed(stand), "title": "What models remember", "kind": "talk", "sha256": FILE, **fields}


def test_a_publication_from_submission_to_its_letter(stand: Stand) -> None:
    made = good(stand, "POST", "/publications", "member", submission(stand, planned_for="2199-01-01"))
    path = f"/publications/{made['publication']['id']}"
    assert (made["status"], made["turn"], made["may"]) == ("under_review", "lab", ["withdraw"])
    wanted = {"redactions": [{"where": "Slide 3", "ground": "safety", "reason": REASON}]}
    good(stand, "POST", f"{path}/redactions", "coordinator", wanted)
    asked = good(stand, "POST", f"{path}/redactions", "coordinator", wanted)
    assert [entry["status"] for entry in asked["redactions"]] == ["asked", "asked"]
    contested = good(stand, "POST", f"{path}/redactions/1/contest", "lead", {"reason": "It is public since last May."})
    assert contested["redactions"][0]["status"] == "contested"
    good(stand, "POST", f"{path}/redactions/1/maintain", "coordinator", {"reason": "The recipe itself is not public."})
    good(stand, "POST", f"{path}/redactions/1/drop", "coordinator", {"note": "We looked again."})
    good(stand, "POST", f"{path}/redactions/2/accept", "member", {"sha256": CHANGED})
    assert code(stand, "GET", f"{path}/letter", "member") == (409, "not_cleared")
    cleared = good(stand, "POST", f"{path}/clear", "coordinator", {})
    assert cleared["status"] == "cleared"
    letter = good(stand, "GET", f"{path}/letter", "member")
    proof = verify_document(json.dumps(letter).encode(), keys=[stand.portal.kernel.lab_key.public])
    assert ("file cleared", CHANGED) in [(fact.name, fact.value) for fact in proof.facts]
    appearance = {"doi": "10.5555/1", "credits": ["Mia Member"], "published_on": "2020-01-01"}
    published = good(stand, "POST", f"{path}/publish", "member", appearance)
    assert published["publication"]["outcome"]["credits"] == ["Mia Member"]


def test_lists_narrow_to_an_agreement_and_to_what_runs(stand: Stand) -> None:
    body = submission(stand)
    made = good(stand, "POST", "/publications", "lead", body, headers={"idempotency-key": "put-forward-once"})
    again = good(stand, "POST", "/publications", "lead", body, headers={"idempotency-key": "put-forward-once"})
    assert made["publication"] == again["publication"]
    publication_id = made["publication"]["id"]
    of_it = f"?agreement={body['agreement_id']}"
    for query in (of_it, f"{of_it}&open=true"):
        listed = good(stand, "GET", f"/publications{query}", "lead")
        assert [view["publication"]["id"] for view in listed["items"]] == [publication_id]
    good(stand, "POST", f"/publications/{publication_id}/withdraw", "lead", {"reason": "another paper"})
    assert good(stand, "GET", f"/publications{of_it}&open=true", "lead")["items"] == []
    assert good(stand, "GET", "/publications", "stranger")["items"] == []


@pytest.mark.parametrize("who", ["stranger", "researcher"])
def test_others_meet_no_publication(stand: Stand, who: str) -> None:
    path = f"/publications/{good(stand, 'POST', '/publications', 'lead', submission(stand))['publication']['id']}"
    wanted = {"redactions": [{"where": "All", "ground": "safety", "reason": REASON}]}
    for method, below, body in (
        ("GET", "", None),
        ("GET", "/letter", None),
        ("POST", "/redactions", wanted),
        ("POST", "/redactions/1/accept", {"sha256": CHANGED}),
        ("POST", "/redactions/1/contest", {"reason": REASON}),
        ("POST", "/redactions/1/maintain", {"reason": REASON}),
        ("POST", "/redactions/1/drop", {}),
        ("POST", "/clear", {}),
        ("POST", "/withdraw", {"reason": "not ours"}),
        ("POST", "/publish", {"doi": "10.5555/1", "credits": ["X"], "published_on": "2020-01-01"}),
    ):
        assert code(stand, method, path + below, who, body) == (404, "publication_not_found")
    assert code(stand, "GET", path, None)[0] == 401


def test_neither_side_moves_for_the_other(stand: Stand) -> None:
    body = submission(stand)
    assert code(stand, "POST", "/publications", "coordinator", body) == (403, "not_author")
    path = f"/publications/{good(stand, 'POST', '/publications', 'lead', body)['publication']['id']}"
    assert code(stand, "POST", f"{path}/clear", "lead", {}) == (403, "not_coordinator")
    wanted = {"redactions": [{"where": "All", "ground": "embarrassing", "reason": REASON}]}
    assert code(stand, "POST", f"{path}/redactions", "coordinator", wanted) == (400, "ground_not_permitted")
    assert code(stand, "POST", f"{path}/redactions/1/accept", "lead", {"sha256": CHANGED}) == (
        404,
        "redaction_not_found",
    )
    assert code(stand, "POST", f"{path}/publish", "lead", {"credits": ["X"], "published_on": "2020-01-01"}) == (
        409,
        "wrong_publication_status",
    )
    assert code(stand, "POST", "/publications", "lead", {**body, "sha256": "md5:1"})[0] == 422
