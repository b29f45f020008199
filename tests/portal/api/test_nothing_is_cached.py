"""No door remembers a yes: what was open a moment ago is refused by every one of them with the next request."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from agreements.actors import Channel, Role
from model_access.ladder import Ladder
from portal.api.auth import SESSION_COOKIE
from tests.portal.api.api_stand import CHECKPOINT, PARTNER, Stand, made_stand
from tests.portal.services.token_world import exchange

BODY = {"model": CHECKPOINT, "prompt": "Raise a", "max_tokens": 1}


@dataclass
class Let:
    """Somebody with a grant, a session, and tokens of every sort for it."""

    stand: Stand
    person_id: str
    grant_id: str
    cookie: str
    refresh: str

    def doors(self) -> dict[str, bool]:
        """Which doors are open now. Asking narrows and refreshes for real, so that nothing is only looked at."""
        stand = self.stand
        headers = {"sec-fetch-site": "same-origin", "x-concordat-purpose": "misuse-analysis"}
        in_browser: dict[str, Any] = {"cookies": {SESSION_COOKIE: self.cookie}, "headers": headers}
        refreshed = stand.ask(
            "POST", "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": self.refresh}
        )
        if refreshed.status_code == 200:
            self.refresh = refreshed.json()["refresh_token"]
        exchanged = stand.ask("POST", "/oauth/token", data=exchange(stand.tokens["let"]))
        asked = f"/api/access?checkpoint={CHECKPOINT}&purpose=misuse-analysis"
        return {
            "/v1 with the token": stand.ask("POST", "/v1/completions", as_="let", json=BODY).status_code == 200,
            "/v1 in the browser": stand.ask("POST", "/v1/completions", json=BODY, **in_browser).status_code == 200,
            "/api with the token": _allowed(stand.ask("GET", asked, as_="let").text),
            "/api in the browser": _allowed(stand.ask("GET", asked, **in_browser).text),
            "what was exchanged": self._opens(exchanged.json().get("access_token")),
            "what was refreshed": self._opens(refreshed.json().get("access_token")),
        }

    def _opens(self, token: str | None) -> bool:
        if token is None:
            return False
        self.stand.tokens["made"] = token
        return self.stand.ask("POST", "/v1/completions", as_="made", json=BODY).status_code == 200


def _allowed(answer: str) -> bool:
    return json.loads(answer).get("allowed") is True


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[Stand]:
    """A portal of these tests' own: what they take away, others would miss."""
    with made_stand(tmp_path_factory.mktemp("taken-away") / "data", ladder.rungs[0].folder) as made:
        yield made


@pytest.fixture
def let(stand: Stand) -> Let:
    """A new member of the partner, let in by every door."""
    ada = stand.people["coordinator"].actor(Channel.CLI)
    person = stand.portal.people.register(
        ada,
        name="Let In",
        email=f"let-{stand.log_size()}@partner.example",
        memberships=[(PARTNER, Role.PARTNER_MEMBER)],
    )
    agreement_id = stand.portal.grants.get(ada, stand.grant_id).grant.agreement_id
    grant = stand.portal.grants.issue(ada, agreement_id=agreement_id, label="For all doors")
    one = person.actor(Channel.CLI)
    issued = stand.portal.refresh.issue(one, label="kept fresh", grant_id=grant.id, purpose="misuse-analysis")
    stand.tokens["let"] = stand.portal.tokens.issue(
        one, label="plain", grant_id=grant.id, purpose="misuse-analysis"
    ).token
    code = stand.portal.sign_in.issue_link(ada, person.id).partition("code=")[2]
    signed_in = stand.portal.sign_in.enter(code, browser="Firefox on Linux")
    return Let(stand, person.id, grant.id, signed_in.secret, issued.refresh_token or "")


def deactivate(let: Let) -> None:
    """The person is let in no more."""
    ada = let.stand.people["coordinator"].actor(Channel.CLI)
    let.stand.portal.people.deactivate(ada, let.person_id, reason="left")


def remove(let: Let) -> None:
    """The person has no role at the partner any more."""
    ada = let.stand.people["coordinator"].actor(Channel.CLI)
    let.stand.portal.people.add_membership(ada, let.person_id, institution_id="lab", role=Role.OBSERVER)
    let.stand.portal.people.remove_membership(
        ada, let.person_id, institution_id=PARTNER, role=Role.PARTNER_MEMBER, reason="moved"
    )


def revoke(let: Let) -> None:
    """Every grant under which the person could run is revoked."""
    ada = let.stand.people["coordinator"].actor(Channel.CLI)
    let.stand.portal.grants.revoke(ada, let.grant_id, reason="a breach")


def everything_ends(let: Let) -> None:
    """All sessions and tokens are ended."""
    ada = let.stand.people["coordinator"].actor(Channel.CLI)
    for one in let.stand.portal.tokens.list(ada):
        if one.person_id == let.person_id and one.ended_at is None:
            let.stand.portal.tokens.revoke(ada, one.id)
    let.stand.portal.sessions.end_all(ada, let.person_id, tokens=True)


@pytest.mark.parametrize("act", [deactivate, remove, everything_ends])
def test_every_door_is_closed_by_the_next_request(let: Let, act: Callable[[Let], None]) -> None:
    assert [door for door, is_open in let.doors().items() if not is_open] == []
    act(let)
    assert [door for door, is_open in let.doors().items() if is_open] == []


def test_a_revoked_grant_is_closed_through_every_token(let: Let) -> None:
    assert all(let.doors().values())
    revoke(let)
    left = {door for door, is_open in let.doors().items() if is_open}
    assert left == {"/v1 in the browser", "/api in the browser"}, "by the institution's other grant"
