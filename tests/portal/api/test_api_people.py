"""People, invitations, identity providers, sessions and programs over HTTP: what is done, and who is told no."""

from collections.abc import Iterator
from typing import Any

import pytest

from agreements.actors import Channel
from portal.api.root import create_app
from tests.portal.api.browser import Browser
from tests.portal.services.token_world import jwks_of, new_key
from tests.portal.services.world import World, make_world

WHO = ("ada", "ben", "cleo", "rae", "dan")
"""The coordinator, north's lead, its member, a researcher of the lab, and south's lead."""


class Api:
    """The API, asked by people with their tokens."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._browser = Browser(create_app(world.portal, with_screens=False))
        self._tokens = {
            who: world.portal.tokens.issue(world.people[who].actor(Channel.CLI), label="tests").token for who in WHO
        }
        self._count = 0

    def ask(self, who: str | None, method: str, path: str, body: Any = None) -> Any:
        """The status and the answer."""
        headers = {"authorization": f"Bearer {self._tokens[who]}"} if who else {}
        answer = self._browser.ask(method, f"/api/{path}", headers=headers, json=body)
        if answer.status_code >= 400:
            told = answer.json()
            assert answer.headers["content-type"] == "application/problem+json"
            assert told["code"]
            assert told["title"]
            assert self._tokens[who or "ada"] not in answer.text
        return answer

    def done(self, who: str, method: str, path: str, body: Any = None) -> Any:
        """What comes of a request that is allowed."""
        answer = self.ask(who, method, path, body)
        assert answer.status_code in (200, 201, 204), answer.text
        return answer.json() if answer.content else None

    def only(self, allowed: str, method: str, path: str, body: Any = None) -> None:
        """Nobody but those named, and nobody without a token; what is refused writes nothing."""
        before = self.world.size
        for who in (*WHO, None):
            if who not in allowed.split():
                answer = self.ask(who, method, path, body)
                assert answer.status_code in ((403, 404) if who else (401,)), (who, method, path, answer.text)
        assert self.world.size == before, path

    def person(self) -> Any:
        """Somebody new at north."""
        self._count += 1
        member = {"institution_id": "north", "role": "partner_member"}
        body = {"name": f"Person {self._count}", "email": f"p{self._count}@north.example", "memberships": [member]}
        return self.done("ben", "POST", "people", body)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Shared by all tests here: each makes the objects it changes."""
    world = make_world(tmp_path_factory.mktemp("people"))
    yield Api(world)
    world.portal.close()


def test_a_person_from_registration_to_return(api: Api) -> None:
    made = api.person()
    path, body = f"people/{made['id']}", {"reason": "left"}
    api.only("ada ben cleo", "GET", path)
    api.only("ada ben", "POST", f"{path}/deactivate", body)
    assert api.done("cleo", "GET", path)["email"] == made["email"]
    assert api.done("ben", "POST", f"{path}/deactivate", body)["deactivated_at"]
    api.only("ada ben", "POST", f"{path}/reactivate", {"reason": "is back"})
    assert api.done("ada", "POST", f"{path}/reactivate", {"reason": "is back"})["deactivated_at"] is None
    assert api.ask("ada", "POST", f"{path}/reactivate", {"reason": "again"}).json()["code"] == "not_deactivated"
    south = {"institution_id": "south", "role": "partner_member"}
    elsewhere = {"name": "Elsewhere", "email": "else@south.example", "memberships": [south]}
    assert api.ask("ben", "POST", "people", elsewhere).status_code == 403
    api.only("ada dan", "POST", "people", elsewhere)
    taken = {**elsewhere, "email": made["email"].upper()}
    assert api.ask("ada", "POST", "people", taken).json()["code"] == "address_taken"
    assert api.ask("ada", "GET", "people/per_unknown").json()["code"] == api.ask("dan", "GET", path).json()["code"]


def test_roles_are_given_changed_and_taken(api: Api) -> None:
    path = f"people/{api.person()['id']}/memberships"
    observer = {"institution_id": "north", "role": "observer"}
    api.only("ada ben", "POST", path, observer)
    assert len(api.done("ben", "POST", path, observer)["memberships"]) == 2
    change = {"institution_id": "north", "before": "observer", "after": "researcher"}
    api.only("ada ben", "POST", f"{path}/change", change)
    roles = {one["role"] for one in api.done("ada", "POST", f"{path}/change", change)["memberships"]}
    assert roles == {"partner_member", "researcher"}
    gone = {"membership": {"institution_id": "north", "role": "researcher"}, "reason": "a mistake"}
    api.only("ada ben", "POST", f"{path}/remove", gone)
    assert len(api.done("ben", "POST", f"{path}/remove", gone)["memberships"]) == 1
    everything = {"institution_id": "lab", "role": "coordinator"}
    api.only("ada", "POST", path, everything)
    own = f"people/{api.world.people['ben'].id}/memberships"
    assert api.ask("ben", "POST", own, everything).status_code == 403, "nobody makes themselves a coordinator"
    last = {"membership": {"institution_id": "lab", "role": "coordinator"}, "reason": "bye"}
    ada = f"people/{api.world.people['ada'].id}/memberships/remove"
    assert api.ask("ada", "POST", ada, last).json()["code"] == "own_account"


def test_a_link_is_for_coordinators_to_hand_out(api: Api) -> None:
    person = api.person()["id"]
    api.only("ada", "POST", f"people/{person}/sign-in-link")
    link = api.done("ada", "POST", f"people/{person}/sign-in-link")
    browser = Browser(create_app(api.world.portal, with_screens=False))
    browser.get(link["url"])
    assert browser.who() == person
    for path in ("people", f"people/{person}", f"sessions?person={person}"):
        assert link["url"].partition("code=")[2] not in str(api.done("ada", "GET", path))


def test_an_invitation_from_sending_to_taking_back(api: Api) -> None:
    body = {"email": "ida@north.example", "memberships": [{"institution_id": "north", "role": "researcher"}]}
    api.only("ada ben", "POST", "invitations", body)
    sent = api.done("ben", "POST", "invitations", body)
    path = f"invitations/{sent['invitation']['id']}"
    code = sent["url"].partition("code=")[2]
    assert api.ask("ben", "POST", "invitations", body).json()["code"] == "invitation_open"
    assert (sent["mailed"], sent["mail_problem"]) == (False, ""), "there is no mail server, and that is no problem"
    for who in WHO:
        shown = api.done(who, "GET", "invitations")["items"]
        assert bool(shown) == (who in ("ada", "ben"))
        assert code not in str(shown)
        assert "code_id" not in str(shown)
    api.only("ada ben", "POST", f"{path}/renew")
    assert api.done("ada", "POST", f"{path}/renew")["url"] != sent["url"]
    api.only("ada ben", "POST", f"{path}/revoke", {"reason": "a mistake"})
    assert api.done("ben", "POST", f"{path}/revoke", {"reason": "a mistake"})["status"] == "revoked"
    assert api.ask("ben", "POST", f"{path}/renew").json()["code"] == "invitation_closed"
    more = {**body, "memberships": [{"institution_id": "lab", "role": "coordinator"}]}
    assert api.ask("ben", "POST", "invitations", more).status_code == 403


def test_an_identity_provider_from_registration_to_removal(api: Api) -> None:
    body = {
        "institution_id": "north",
        "label": "North's accounts",
        "issuer": "https://login.north.example",
        "client_id": "portal",
        "domains": ["north.example"],
        "client_authentication": "client_secret_basic",
        "client_secret": "handed-out-by-the-provider",
    }
    api.only("ada", "POST", "identity-providers", body)
    made = api.done("ada", "POST", "identity-providers", body)
    path = f"identity-providers/{made['id']}"
    assert made["redirect_uri"].endswith(f"/session/oidc/callback/{made['id']}")
    assert api.ask("ada", "POST", "identity-providers", {**body, "client_id": "x"}).json()["code"] == "domain_taken"
    inside = {**body, "issuer": "https://169.254.169.254", "domains": ["other.example"]}
    assert api.ask("ada", "POST", "identity-providers", inside).json()["code"] == "provider_address_refused"
    details = {name: value for name, value in body.items() if name not in ("institution_id", "issuer")}
    api.only("ada", "PUT", path, details)
    changed = {**details, "label": "Accounts of North", "client_secret": ""}
    assert api.done("ada", "PUT", path, changed)["label"] == "Accounts of North"
    assert (
        api.world.portal.identity_providers.secret(
            api.world.portal.identity_providers.get(api.world.actor("ada"), made["id"])
        )
        == body["client_secret"]
    ), "an empty secret keeps the one there is"
    api.only("ada", "POST", f"{path}/check")
    for move, status in (("pause", "paused"), ("resume", "active"), ("remove", "removed")):
        reason = None if move == "resume" else {"reason": "it was broken into"}
        api.only("ada", "POST", f"{path}/{move}", reason)
        assert api.done("ada", "POST", f"{path}/{move}", reason)["status"] == status
    assert api.ask("ada", "POST", f"{path}/resume").json()["code"] == "provider_removed"
    seen = [api.done(who, "GET", "identity-providers") for who in WHO]
    assert body["client_secret"] not in str([made, *seen])
    bad = api.ask(
        "ada", "POST", "identity-providers", {**body, "client_secret": "with\nnewline", "domains": ["y.example"]}
    )
    assert bad.json()["code"] == "secret_missing"
    assert "newline" not in bad.text
    wrong = api.ask("ada", "POST", "identity-providers", {**body, "client_secret": ["a-list-with-a-secret"]})
    assert (wrong.status_code, "a-list-with-a-secret" in wrong.text) == (422, False), "refused without being quoted"


def test_a_program_from_registration_to_its_end(api: Api) -> None:
    body = {
        "institution_id": "north",
        "name": "Nightly probes",
        "contact": "ops@north.example",
        "jwks": jwks_of(new_key()),
    }
    api.only("ada ben", "POST", "programs", body)
    made = api.done("ben", "POST", "programs", body)
    path = f"programs/{made['id']}"
    api.only("ada ben cleo", "GET", path)
    assert api.done("cleo", "GET", path)["name"] == "Nightly probes"
    keys = {"jwks": jwks_of(new_key("P-256"))}
    api.only("ada ben", "POST", f"{path}/keys", keys)
    api.done("ben", "POST", f"{path}/keys", keys)
    private = {"jwks": {"keys": [new_key().as_dict(private=True)]}}
    refusal = api.ask("ben", "POST", f"{path}/keys", private)
    assert refusal.status_code == 400
    assert private["jwks"]["keys"][0]["d"] not in refusal.text, "a private key is not told again"
    for move in ("suspend", "resume", "end"):
        reason = None if move == "resume" else {"reason": "it misbehaved"}
        api.only("ada ben", "POST", f"{path}/{move}", reason)
        api.done("ben", "POST", f"{path}/{move}", reason)
    assert api.ask("ben", "POST", f"{path}/resume").status_code == 409
    assert [bool(api.done(who, "GET", "programs")["items"]) for who in WHO] == [True, True, True, False, False]


@pytest.mark.parametrize(
    "path", ["people", "invitations", "identity-providers", "programs", "sessions", "people/waiting"]
)
def test_lists_ask_who_one_is(api: Api, path: str) -> None:
    assert api.ask(None, "GET", path).status_code == 401
    assert api.ask("dan", "GET", f"{path}?surprise=1").json()["code"] == "unknown_parameter"
    for who in WHO:
        assert "items" in api.done(who, "GET", path)


def test_a_token_for_reading_changes_nothing(api: Api) -> None:
    portal, ada = api.world.portal, api.world.people["ada"].actor(Channel.CLI)
    narrow = portal.tokens.issue(ada, label="reads", areas=["read"]).token
    browser = Browser(create_app(portal, with_screens=False))
    headers = {"authorization": f"Bearer {narrow}"}
    assert browser.ask("GET", "/api/people", headers=headers).status_code == 200
    before = api.world.size
    for path in ("people", "invitations", "identity-providers", "programs", "sessions/end-all", "sessions/ses_x/end"):
        answer = browser.ask("POST", f"/api/{path}", headers=headers, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope"), path
    assert api.world.size == before
