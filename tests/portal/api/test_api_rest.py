"""``/api`` as people use it: each object through its life, and each closed to those it is not for."""

import base64
from typing import Any

import pytest

from agreements.actors import Channel
from agreements.canonical import b64decode
from agreements.dsse import sign
from agreements.key_succession import hand_over, possession_challenge
from agreements.keys import SigningKey
from tests.portal.api.api_stand import CHECKPOINT, PARTNER, Stand

SOUTH = "south-institute"


def good(stand: Stand, method: str, path: str, who: str, body: object = None, **kwargs: Any) -> Any:
    """The JSON of an answer that must be good."""
    answer = stand.ask(method, f"/api{path}", as_=who, json=body, **kwargs)
    assert answer.is_success, answer.text
    return answer.json()


def code(stand: Stand, method: str, path: str, who: str | None, body: object = None) -> tuple[int, str]:
    """Status and code of a refusal."""
    answer = stand.ask(method, f"/api{path}", as_=who, json=body)
    return answer.status_code, answer.json()["code"]


def filed(stand: Stand, **fields: Any) -> Any:
    """A finding of the partner's."""
    draft = {
        "institution_id": PARTNER,
        "title": "Nothing found",
        "summary": "No misuse in a hundred samples.",
        "kind": "null_result",
        "checkpoint_ids": [CHECKPOINT],
        **fields,
    }
    return good(stand, "POST", "/findings", "lead", draft)


def test_lists_are_objects_with_items_and_next(stand: Stand) -> None:
    for path in (
        "/institutions",
        "/people",
        "/agreements",
        "/agreements/templates",
        "/grants",
        "/tokens",
        "/checkpoints",
        "/runs",
        "/findings",
        "/norms",
        "/release/decisions",
        "/log/entries",
    ):
        told = good(stand, "GET", path, "coordinator")
        assert isinstance(told["items"], list), path
        assert "next" in told, path


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "POST",
            "/institutions",
            {"institution_id": "x-1", "name": "Ex", "constituency": "academia", "contact_email": "a@b"},
        ),
        ("POST", "/agreements", {"institution_id": PARTNER}),
        (
            "POST",
            "/people",
            {"name": "Eve", "email": "e@x", "memberships": [{"institution_id": "lab", "role": "coordinator"}]},
        ),
        ("POST", "/checkpoints", {"source": "/etc", "checkpoint_id": "etc", "family": "etc"}),
        ("POST", "/log/verify", None),
    ],
)
def test_what_coordinators_do_is_refused_to_partners(stand: Stand, method: str, path: str, body: object) -> None:
    before = stand.log_size()
    answer = stand.ask(method, f"/api{path}", as_="lead", json=body)
    assert answer.status_code == 403, answer.text
    assert stand.log_size() == before


def test_an_institution_registers_its_own_key_and_signs_with_it(stand: Stand) -> None:
    key = SigningKey.generate()
    public = key.public.raw.hex()
    challenge = good(stand, "GET", f"/institutions/{SOUTH}/keys/challenge?public_key={public}", "stranger")
    proof = key.sign(b64decode(challenge["challenge_base64"])).hex()
    registered = good(stand, "POST", f"/institutions/{SOUTH}/keys", "stranger", {"public_key": public, "proof": proof})
    assert registered["keys"][-1]["custody"] == "own"
    wrong = {"public_key": SigningKey.generate().public.raw.hex(), "proof": proof}
    assert code(stand, "POST", f"/institutions/{SOUTH}/keys", "stranger", wrong) == (400, "no_possession")

    draft = good(stand, "POST", "/agreements", "coordinator", {"institution_id": SOUTH})
    assert code(stand, "GET", f"/agreements/{draft['id']}", "stranger") == (404, "agreement_not_found")
    good(stand, "POST", f"/agreements/{draft['id']}/offer", "coordinator")
    agreement = stand.portal.agreements.get(stand.people["stranger"].actor(Channel.API), draft["id"])
    envelope = sign("application/vnd.concordat.agreement.v1+json", agreement.document_bytes(), key).to_json()
    path = f"/agreements/{draft['id']}/signatures"
    assert good(stand, "POST", path, "stranger", {"envelope": envelope})["status"] == "signed"
    exported = good(stand, "GET", f"/agreements/{draft['id']}/export", "stranger")
    assert exported["document"]["parties"]["institution"]["id"] == SOUTH
    assert len(exported["signatures"]) == 1
    assert code(stand, "GET", f"/agreements/{draft['id']}", "lead")[0] == 404
    revoked = good(stand, "POST", f"/institutions/{SOUTH}/keys/{public}/revoke", "stranger", {"reason": "rotated"})
    assert revoked["keys"][-1]["revoked_at"]


def test_an_own_key_is_followed_by_its_word_or_by_two_people(stand: Stand) -> None:
    old, new, third = (SigningKey.generate() for _ in range(3))

    def claim(key: SigningKey) -> dict[str, Any]:
        public = key.public.raw.hex()
        return {"public_key": public, "proof": key.sign(possession_challenge(SOUTH, public)).hex()}

    keys, number = f"/institutions/{SOUTH}/keys", len(stand.portal.institutions.get(SOUTH).keys) + 1
    lost = {**claim(old), "reason": "The laptop was stolen."}
    if stand.portal.institutions.get(SOUTH).keeps_its_own:
        good(stand, "POST", f"{keys}/lost", "stranger", lost)
        good(stand, "POST", f"{keys}/{old.public.raw.hex()}/allow", "coordinator", {"note": "We called them."})
    else:
        good(stand, "POST", keys, "stranger", claim(old))
    assert code(stand, "POST", keys, "coordinator", claim(new)) == (403, "not_signatory")
    assert code(stand, "POST", keys, "stranger", claim(new)) == (400, "not_handed_over")
    assert code(stand, "POST", f"{keys}/custody", "stranger", {}) == (400, "not_handed_over")
    word = hand_over(SOUTH, old, public_key=new.public.raw.hex(), number=number + 1).to_json()
    key = good(stand, "POST", keys, "stranger", {**claim(new), "succession": word})["keys"][-1]
    assert (key["handed_over_by"], key["registered_by"]) == (old.public.raw.hex(), "Sam Stranger")
    lost = {**claim(third), "reason": "The laptop was stolen."}
    assert code(stand, "POST", f"{keys}/lost", "coordinator", lost) == (403, "not_signatory")
    good(stand, "POST", f"{keys}/lost", "stranger", lost)
    allow = f"{keys}/{third.public.raw.hex()}/allow"
    assert code(stand, "POST", allow, "stranger", {"note": "It is us."}) == (403, "not_coordinator")
    assert good(stand, "POST", allow, "coordinator", {"note": "We called them."})["keys"][-1]["allowed_by"]


def able_to_sign(stand: Stand) -> None:
    """The institution has a key: the portal's, or one in place of an own key that it has no more."""
    institution = stand.portal.institutions.get(SOUTH)
    if institution.active_keys:
        return
    if not institution.keeps_its_own:
        good(stand, "POST", f"/institutions/{SOUTH}/keys/custody", "stranger")
        return
    key = SigningKey.generate()
    public = key.public.raw.hex()
    asked = {
        "public_key": public,
        "proof": key.sign(possession_challenge(SOUTH, public)).hex(),
        "reason": "The old key was lost.",
    }
    good(stand, "POST", f"/institutions/{SOUTH}/keys/lost", "stranger", asked)
    good(stand, "POST", f"/institutions/{SOUTH}/keys/{public}/allow", "coordinator", {"note": "They told us by phone."})


def test_a_foreign_signature_changes_nothing(stand: Stand) -> None:
    able_to_sign(stand)
    draft = good(stand, "POST", "/agreements", "coordinator", {"institution_id": SOUTH})
    good(stand, "POST", f"/agreements/{draft['id']}/offer", "coordinator")
    payload = base64.b64encode(b"{}").decode()
    for envelope in (
        {"payloadType": "application/json", "payload": payload, "signatures": [{"keyid": "", "sig": payload}]},
        sign("application/vnd.concordat.agreement.v1+json", b"{}", SigningKey.generate()).to_json(),
        {},
    ):
        before = stand.log_size()
        answer = stand.ask(
            "POST", f"/api/agreements/{draft['id']}/signatures", as_="stranger", json={"envelope": envelope}
        )
        assert answer.status_code == 400
        assert stand.log_size() == before
    declined = good(stand, "POST", f"/agreements/{draft['id']}/decline", "stranger", {"reason": "not for us"})
    assert declined["status"] == "declined"


def test_a_draft_is_edited_and_withdrawn(stand: Stand) -> None:
    draft = good(stand, "POST", "/agreements", "coordinator", {"institution_id": SOUTH})
    text = {"title": "Another title", "clauses": draft["clauses"]}
    assert good(stand, "PUT", f"/agreements/{draft['id']}", "coordinator", text)["title"] == "Another title"
    ended = good(stand, "POST", f"/agreements/{draft['id']}/withdraw", "coordinator", {"reason": "a mistake"})
    assert ended["status"] == "withdrawn"


def test_people_come_in_by_a_link_and_leave(stand: Stand) -> None:
    newcomer = {
        "name": "Nia Newcomer",
        "email": "nia@north.example",
        "memberships": [{"institution_id": PARTNER, "role": "researcher"}],
    }
    person = good(stand, "POST", "/people", "lead", newcomer)
    link = good(stand, "POST", f"/people/{person['id']}/sign-in-link", "coordinator")
    assert "/session/enter?code=" in link["url"]
    assert code(stand, "POST", f"/people/{person['id']}/sign-in-link", "lead")[0] == 403
    assert good(stand, "GET", f"/people/{person['id']}", "member")["name"] == "Nia Newcomer"
    assert code(stand, "GET", f"/people/{person['id']}", "stranger") == (404, "person_not_found")
    left = good(stand, "POST", f"/people/{person['id']}/deactivate", "lead", {"reason": "left the study"})
    assert left["deactivated_at"]


def test_a_repeated_idempotency_key_issues_once(stand: Stand) -> None:
    agreement_id = good(stand, "GET", f"/grants/{stand.grant_id}", "lead")["grant"]["agreement_id"]
    body = {"agreement_id": agreement_id, "label": "Only once"}
    headers = {"idempotency-key": "grant-only-once"}
    first = good(stand, "POST", "/grants", "coordinator", body, headers=headers)
    size = stand.log_size()
    assert good(stand, "POST", "/grants", "coordinator", body, headers=headers)["id"] == first["id"]
    assert stand.log_size() == size


def test_a_grant_never_goes_beyond_its_agreement(stand: Stand) -> None:
    agreement_id = good(stand, "GET", f"/grants/{stand.grant_id}", "lead")["grant"]["agreement_id"]
    bounds = good(stand, "GET", f"/agreements/{agreement_id}/bounds", "coordinator")
    wider = {**bounds, "token_budget": bounds["token_budget"] + 1}
    body = {"agreement_id": agreement_id, "label": "Too much", "scope": wider}
    assert code(stand, "POST", "/grants", "coordinator", body) == (400, "beyond_agreement")
    assert code(stand, "GET", f"/grants/{stand.grant_id}", "stranger") == (404, "grant_not_found")


def test_access_is_explained(stand: Stand) -> None:
    yes = good(stand, "GET", f"/access?checkpoint={CHECKPOINT}&operation=generate&operation=logprobs", "partner")
    assert yes["allowed"]
    assert yes["answer"]["grant_id"] == stand.grant_id
    no = good(stand, "GET", f"/access?checkpoint={CHECKPOINT}&operation=activations", "partner")
    assert not no["allowed"]
    assert no["answer"]["code"] == "operation_not_granted"
    assert no["answer"]["fixer"] == "a coordinator"
    assert code(stand, "GET", f"/access?checkpoint={CHECKPOINT}&operation=steal", "partner") == (422, "bad_input")


def test_a_finding_lives_in_versions_and_only_for_its_audience(stand: Stand) -> None:
    finding = filed(stand, marking="TLP:AMBER", title="Amber at first")
    finding_id = finding["finding_id"]
    assert code(stand, "GET", f"/findings/{finding_id}", "stranger") == (404, "finding_not_found")
    assert code(stand, "GET", f"/findings/{finding_id}", None) == (404, "finding_not_found")
    draft = {
        "institution_id": PARTNER,
        "title": "Clear now",
        "summary": "For everyone.",
        "kind": "null_result",
        "marking": "TLP:CLEAR",
        "checkpoint_ids": [CHECKPOINT],
    }
    revision = {"draft": draft, "base": 1, "note": "cleared"}
    assert good(stand, "POST", f"/findings/{finding_id}/versions", "lead", revision)["version"] == 2
    assert code(stand, "POST", f"/findings/{finding_id}/versions", "lead", revision)[0] == 409
    public = stand.ask("GET", f"/api/findings/{finding_id}")
    assert public.json()["content"]["title"] == "Clear now"
    assert stand.ask("GET", f"/api/findings/{finding_id}?version=1").status_code == 404
    assert finding_id in [row["finding_id"] for row in stand.ask("GET", "/api/findings?q=clear").json()["items"]]
    assert stand.ask("GET", f"/api/findings/{finding_id}/export").json()["payloadType"].endswith("finding+json")
    assert good(stand, "POST", f"/findings/{finding_id}/acknowledge", "coordinator")["status"] == "acknowledged"
    closed = good(stand, "POST", f"/findings/{finding_id}/close", "coordinator", {"note": "nothing to do"})
    assert closed["status"] == "closed"
    withdrawn = good(stand, "POST", f"/findings/{finding_id}/withdraw", "lead", {"reason": "flawed sampling"})
    assert withdrawn["content"] is None


def test_findings_are_paged_by_cursor(stand: Stand) -> None:
    expected = {filed(stand, title=f"Paged {number}")["finding_id"] for number in range(5)}
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"q": "paged", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = good(stand, "GET", "/findings", "lead", params=params)
        assert page["total"] == 5
        seen += [row["finding_id"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert set(seen) == expected
    assert len(seen) == 5
    assert code(stand, "GET", "/findings?cursor=zzz", "lead") == (400, "bad_cursor")
    assert code(stand, "GET", "/findings?limit=0", "lead") == (422, "bad_input")


def test_a_duplicate_points_to_its_original(stand: Stand) -> None:
    original, repeat = filed(stand)["finding_id"], filed(stand)["finding_id"]
    marked = good(stand, "POST", f"/findings/{repeat}/duplicate", "coordinator", {"duplicate_of": original})
    assert marked["duplicate_of"] == original


def test_a_norm_is_answered_by_key_and_decided_with_dissent(stand: Stand) -> None:
    text = {"title": "Smaller first", "clauses": [{"clause_id": "c1", "text": "Release the smallest first."}]}
    norm = good(stand, "POST", "/norms", "lead", {"institution_id": PARTNER, "quorum": 1, "text": text})
    norm_id = norm["norm_id"]
    revised = good(
        stand,
        "POST",
        f"/norms/{norm_id}/revisions",
        "lead",
        {"text": {**text, "title": "Smallest first"}, "base": norm["revision_digest"], "note": "shorter"},
    )
    objection = {"clause_id": "c1", "harm": "Delays defence.", "cure": "Add a deadline."}
    position = {
        "institution_id": PARTNER,
        "revision_digest": revised["revision_digest"],
        "position": "object",
        "reason": "Too slow.",
        "objection": objection,
    }
    prepared = good(stand, "POST", f"/norms/{norm_id}/positions/prepare", "lead", position)
    assert b64decode(prepared["payload_base64"]).startswith(b"{")
    taken = good(stand, "POST", f"/norms/{norm_id}/positions", "lead", position)
    assert taken["positions"][0]["position"] == "object"
    outcome = {"decision": "adopted", "revision_digest": revised["revision_digest"], "rationale": "It holds."}
    assert code(stand, "POST", f"/norms/{norm_id}/outcome", "coordinator", outcome)[0] == 409
    outcome["decision"] = "adopted_with_dissent"
    decided = good(stand, "POST", f"/norms/{norm_id}/outcome", "coordinator", outcome)
    assert decided["outcome"]["dissent"][0]["harm"] == "Delays defence."
    assert norm_id not in [row["norm_id"] for row in good(stand, "GET", "/norms?open=true", "lead")["items"]]


def test_a_hold_is_recorded_and_signed(stand: Stand) -> None:
    finding = filed(stand, marking="TLP:GREEN")
    proposal = {
        "checkpoint_id": CHECKPOINT,
        "from_stage": "withheld",
        "verdict": "hold",
        "rationale": "More evidence is needed.",
        "findings": [{name: finding[name] for name in ("finding_id", "version", "digest")}],
    }
    assert code(stand, "POST", "/release/decisions", "lead", proposal)[0] == 403
    decision = good(stand, "POST", "/release/decisions", "coordinator", proposal)
    decision_id = decision["decision"]["decision_id"]
    exported = good(stand, "GET", f"/release/decisions/{decision_id}/export", "lead")
    assert exported == decision["envelope"]
    board = good(stand, "GET", "/release/board", "lead")
    assert board["families"][0]["cells"][0]["checkpoint"]["stage"] == "withheld"


def test_the_log_is_read_in_pages_and_proves_its_entries(stand: Stand) -> None:
    first = good(stand, "GET", "/log/entries?limit=3", "coordinator")
    second = good(stand, "GET", f"/log/entries?limit=3&cursor={first['next']}", "coordinator")
    positions = [line["position"] for line in first["items"] + second["items"]]
    assert positions == sorted(positions, reverse=True)
    assert len(set(positions)) == 6
    evidence = good(stand, "GET", f"/log/entries/{positions[0]}/evidence", "coordinator")
    assert evidence["index"] == positions[0]
    assert code(stand, "GET", "/log/entries?cursor=x", "lead") == (400, "bad_cursor")
    report = good(stand, "POST", "/log/verify", "coordinator")
    assert report["entries"] == stand.log_size()
    assert report["fault"] is None
    assert good(stand, "GET", "/log/head", "lead")["vkey"] == stand.portal.log.vkey


def test_a_token_lists_and_revokes_only_its_holders_own(stand: Stand) -> None:
    issued = good(stand, "POST", "/tokens", "member", {"label": "mine", "hours": 1})
    token_id = issued["record"]["id"]
    assert token_id in [one["id"] for one in good(stand, "GET", "/tokens", "member")["items"]]
    assert token_id not in [one["id"] for one in good(stand, "GET", "/tokens", "lead")["items"]]
    assert code(stand, "POST", f"/tokens/{token_id}/revoke", "lead") == (404, "token_not_found")
    reason = {"reason": "lost the laptop"}
    assert good(stand, "POST", f"/tokens/{token_id}/revoke", "coordinator", reason)["end_reason"] == "lost the laptop"
    assert issued["token"] not in str(good(stand, "GET", "/tokens", "coordinator"))
