"""``/api/passports``: an item through its life, and closed to those it is not for."""

import json
from datetime import timedelta
from typing import Any

from agreements.canonical import b64encode
from agreements.dsse import Envelope
from agreements.institutions import Constituency
from agreements.keys import SigningKey
from agreements.passport_credential import PassportCredential, VettedItem, sign_passport, verify_passport
from agreements.passports import VettingItem
from tests.portal.api.api_stand import PARTNER, Stand

SOUTH = "south-institute"
PASSPORT = f"/api/passports/{PARTNER}"


def good(stand: Stand, method: str, path: str, who: str, body: object = None, **kwargs: Any) -> Any:
    answer = stand.ask(method, path, as_=who, json=body, **kwargs)
    assert answer.is_success, answer.text
    return answer.json()


def refused(stand: Stand, method: str, path: str, who: str, body: object = None) -> tuple[int, str]:
    answer = stand.ask(method, path, as_=who, json=body)
    return answer.status_code, answer.json()["code"]


def line(view: Any, item: str) -> Any:
    return next(one for one in view["checklist"] if one["item"] == item)


def test_an_item_from_hand_to_hand(stand: Stand) -> None:
    until = (stand.portal.kernel.clock() + timedelta(days=100)).isoformat()
    handed = {"item": "training", "statement": "All trained.", "people": ["Mia Member"]}
    headers = {"Idempotency-Key": "hand-in-training"}
    first = good(stand, "POST", f"{PASSPORT}/submissions", "lead", handed, headers=headers)
    assert line(first, "training")["status"] == "submitted"
    assert good(stand, "POST", f"{PASSPORT}/submissions", "lead", handed, headers=headers) == first
    review = {"item": "training", "accepted": True, "valid_until": until, "submission": 1}
    assert refused(stand, "POST", f"{PASSPORT}/reviews", "lead", review) == (403, "not_coordinator")
    view = good(stand, "POST", f"{PASSPORT}/reviews", "coordinator", review)
    assert line(view, "training")["status"] == "valid"
    assert good(stand, "GET", PASSPORT, "member")["passport"] == view["passport"]
    envelope = good(stand, "GET", f"{PASSPORT}/export", "member")
    credential = verify_passport(json.dumps(envelope).encode(), [stand.portal.kernel.lab_key.public])
    assert [one.item for one in credential.vetting] == [VettingItem.TRAINING]
    assert Envelope.from_json(envelope).signatures
    revoked = good(
        stand, "POST", f"{PASSPORT}/revocations", "coordinator", {"item": "training", "reason": "struck off"}
    )
    assert line(revoked, "training")["status"] == "revoked"
    assert refused(stand, "GET", f"{PASSPORT}/export", "member") == (409, "nothing_to_export")


def test_a_passport_is_not_there_for_others(stand: Stand) -> None:
    for who in ("stranger", "researcher"):
        assert refused(stand, "GET", PASSPORT, who) == (404, "passport_not_found")
        assert refused(stand, "GET", f"{PASSPORT}/export", who) == (404, "passport_not_found")
    listed = good(stand, "GET", "/api/passports", "stranger")
    assert [one["institution_id"] for one in listed["items"]] == [SOUTH]
    assert listed["next"] is None
    assert len(good(stand, "GET", "/api/passports", "coordinator")["items"]) >= 2


def test_another_portals_passport_comes_in_as_its_files_bytes(stand: Stand) -> None:
    elsewhere = SigningKey.generate()
    now = stand.portal.kernel.clock()
    credential = PassportCredential(
        issuer_name="Elsewhere Lab",
        issuer_key=elsewhere.public.raw.hex(),
        valid_from=now,
        subject_id="south",
        subject_name="South Institute",
        constituency=Constituency.ACADEMIA,
        vetting=(
            VettedItem(
                item=VettingItem.IDENTITY, accepted_at=now, valid_until=now + timedelta(days=9), reviewer="Somebody"
            ),
        ),
    )
    data = json.dumps(sign_passport(credential, elsewhere).to_json()).encode()
    body = {"credential_base64": b64encode(data), "issuer_key": elsewhere.public.raw.hex()}
    path = f"/api/passports/{SOUTH}/credentials"
    assert refused(stand, "POST", path, "stranger", body) == (403, "not_coordinator")
    wrong = {**body, "issuer_key": SigningKey.generate().public.raw.hex()}
    assert refused(stand, "POST", path, "coordinator", wrong)[1] == "bad_signature"
    for unfit in ({**body, "credential_base64": "?"}, {**body, "issuer_key": "00" * 32}):
        assert refused(stand, "POST", path, "coordinator", unfit)[0] in (400, 422)
    assert line(good(stand, "POST", path, "coordinator", body), "identity")["status"] == "valid"
    assert refused(stand, "POST", path, "coordinator", body) == (409, "nothing_to_import")


def test_what_does_not_fit_is_refused_by_field(stand: Stand) -> None:
    before = stand.log_size()
    for body in (
        {"item": "charm", "statement": "x"},
        {"item": "identity", "statement": ""},
        {"item": "identity", "statement": "x", "more": 1},
        {"item": "identity", "statement": "x", "evidence": [{"label": "x", "url": "javascript:alert(1)"}]},
    ):
        assert stand.ask("POST", f"{PASSPORT}/submissions", as_="lead", json=body).status_code in (400, 422)
    assert stand.log_size() == before
