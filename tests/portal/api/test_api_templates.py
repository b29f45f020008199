"""``/api/templates`` and ``/api/campaigns``: published, compared, put to a partner, closed to everybody else."""

from typing import Any

import pytest

from agreements.standard_terms import template
from tests.portal.api.api_stand import PARTNER, Stand


def good(stand: Stand, method: str, path: str, who: str, body: object = None, **kwargs: Any) -> Any:
    answer = stand.ask(method, f"/api{path}", as_=who, json=body, **kwargs)
    assert answer.is_success, answer.text
    return answer.json()


def text(template_id: str, version: int = 1, **feedback: int) -> dict[str, Any]:
    """A template of the test's own, so that no other test drafts from it."""
    usual = template("software-access")
    return {
        "template_id": template_id,
        "version": version,
        "title": "Terms of a test",
        "summary": "Terms that only this test offers.",
        "clauses": [
            {**clause.model_dump(mode="json"), **(feedback if clause.kind == "feedback" else {})}
            for clause in usual.clauses
        ],
    }


def test_a_template_through_its_versions(stand: Stand) -> None:
    published = good(stand, "POST", "/templates", "coordinator", text("api-terms"))
    assert (published["version"], published["form"], published["retired_at"]) == (1, "standalone", None)
    good(stand, "POST", "/templates", "coordinator", text("api-terms", 2, every_weeks=6))
    versions = good(stand, "GET", "/templates/api-terms/versions", "lead")["items"]
    assert [entry["version"] for entry in versions] == [1, 2]
    assert good(stand, "GET", "/templates/api-terms", "lead")["version"] == 2
    assert good(stand, "GET", "/templates/api-terms?version=1", "lead")["version"] == 1
    changes = good(stand, "GET", "/templates/api-terms/changes?before=1", "lead")["items"]
    (changed,) = [change for change in changes if change["kind"] == "changed"]
    assert changed["fields"] == [{"name": "every weeks", "before": "4", "after": "6"}]
    retired = good(stand, "POST", "/templates/api-terms/retire", "coordinator", {"reason": "The test is over."})
    assert retired["retired_at"] is not None
    listed = {entry["template_id"] for entry in good(stand, "GET", "/templates", "lead")["items"]}
    every = {entry["template_id"] for entry in good(stand, "GET", "/templates?retired=true", "lead")["items"]}
    assert every - listed >= {"api-terms"}


def test_the_earlier_address_lists_what_a_draft_can_start_from(stand: Stand) -> None:
    assert good(stand, "GET", "/agreements/templates", "lead") == good(stand, "GET", "/templates", "lead")


def test_a_campaign_from_preview_to_its_close(stand: Stand) -> None:
    good(stand, "POST", "/templates", "coordinator", text("campaign-terms"))
    body = {"institution_id": PARTNER, "template_id": "campaign-terms"}
    drafted = good(stand, "POST", "/agreements", "coordinator", body)["id"]
    digest = good(stand, "POST", f"/agreements/{drafted}/offer", "coordinator")["document_digest"]
    for who in ("lead", "coordinator"):
        name = stand.people[who].name
        good(stand, "POST", f"/agreements/{drafted}/sign", who, {"typed_name": name, "document_digest": digest})
    good(stand, "POST", "/templates", "coordinator", text("campaign-terms", 2, every_weeks=6))

    preview = good(stand, "GET", "/campaigns/preview?template_id=campaign-terms", "coordinator")
    assert [(one["agreement_id"], one["changed"]) for one in preview["candidates"]] == [(drafted, ["feedback"])]
    headers = {"Idempotency-Key": "campaign-of-a-test"}
    asked = {"template_id": "campaign-terms", "to_version": 2, "note": "Six weeks suit everybody."}
    started = good(stand, "POST", "/campaigns", "coordinator", asked, headers=headers)
    assert started == good(stand, "POST", "/campaigns", "coordinator", asked, headers=headers)
    assert [entry["step"] for entry in started["entries"]] == ["offered"]
    campaign_id = started["campaign"]["id"]
    assert good(stand, "GET", f"/campaigns/{campaign_id}", "coordinator") == started
    closed = good(stand, "POST", f"/campaigns/{campaign_id}/close", "coordinator", {"note": "Enough."})
    assert closed["campaign"]["close_note"] == "Enough."
    assert campaign_id in {one["id"] for one in good(stand, "GET", "/campaigns", "coordinator")["items"]}
    refused = stand.ask("GET", f"/api/campaigns/{campaign_id}", as_="lead")
    assert (refused.status_code, refused.json()["code"]) == (404, "campaign_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/templates", text("of-a-partner")),
        ("POST", "/templates/red-team/retire", {"reason": "Too strict."}),
        ("GET", "/campaigns", None),
        ("GET", "/campaigns/preview?template_id=red-team", None),
        ("POST", "/campaigns", {"template_id": "red-team"}),
    ],
)
def test_what_coordinators_do_is_refused_to_partners(stand: Stand, method: str, path: str, body: object) -> None:
    before = stand.log_size()
    answer = stand.ask(method, f"/api{path}", as_="lead", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_coordinator")
    assert stand.log_size() == before


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/templates/no-such", 404, "template_not_found"),
        ("/templates/red-team?version=9", 404, "template_version_not_found"),
        ("/templates/red-team/changes?before=9", 404, "template_version_not_found"),
        ("/campaigns/cmp_none", 404, "campaign_not_found"),
        ("/campaigns/preview?template_id=no-such", 404, "template_not_found"),
    ],
)
def test_what_is_not_there_is_not_found(stand: Stand, path: str, status: int, code: str) -> None:
    answer = stand.ask("GET", f"/api{path}", as_="coordinator")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_templates_are_for_those_who_are_signed_in(stand: Stand) -> None:
    assert stand.ask("GET", "/api/templates").status_code == 401
