"""Delegated grants over the API."""

from tests.portal.api.api_stand import Stand


def test_a_grant_is_delegated_previewed_changed_and_ended(stand: Stand) -> None:
    root = stand.ask("GET", f"/api/grants/{stand.grant_id}", as_="coordinator").json()["grant"]
    holder = {"kind": "person", "id": stand.people["lead"].id}
    body = {"holder": holder, "label": "a part of it", "scope": {**root["scope"], "token_budget": 500}}
    wider = {**body, "scope": {**root["scope"], "token_budget": root["scope"]["token_budget"] + 1}}
    refused = stand.ask("POST", f"/api/grants/{stand.grant_id}/children", as_="coordinator", json=wider)
    assert (refused.status_code, "beyond_parent" in refused.text) == (400, True)
    made = stand.ask("POST", f"/api/grants/{stand.grant_id}/children", as_="coordinator", json=body)
    assert made.status_code == 201
    child = made.json()
    assert (child["parent_id"], child["holder"]) == (stand.grant_id, holder)
    listed = stand.ask("GET", f"/api/grants/{stand.grant_id}/children", as_="coordinator").json()["items"]
    assert child["id"] in [one["grant"]["id"] for one in listed]

    def post(verb: str, **body: object) -> dict[str, object]:
        answer = stand.ask("POST", f"/api/grants/{child['id']}/{verb}", as_="coordinator", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    narrower = {**child["scope"], "token_budget": 300}
    assert post("preview", act="narrow", scope=narrower)["grants"] == []
    assert post("narrow", scope=narrower, reason="less work")["scope"] == narrower
    assert post("extend", scope=child["scope"], reason="more work")["scope"] == child["scope"]
    assert post("suspend", reason="looked into")["status"] == "suspended"
    assert post("lift", reason="all is well")["status"] == "active"
    assert post("revoke", reason="it is over")["status"] == "revoked"
    stale = stand.ask("GET", "/api/grants/stale", as_="coordinator")
    assert stale.status_code == 200
    assert isinstance(stale.json()["items"], list)


def test_a_stranger_finds_nothing_to_delegate(stand: Stand) -> None:
    for verb in ("children", "preview"):
        method = "GET" if verb == "children" else "POST"
        body = {"act": "revoke"} if method == "POST" else None
        answer = stand.ask(method, f"/api/grants/{stand.grant_id}/{verb}", as_="stranger", json=body)
        assert answer.status_code == 404
