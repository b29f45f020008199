"""Notices and webhooks over HTTP: each caller's own, and nothing of others'."""

import asyncio
from typing import Any

import httpx
import pytest

from agreements.actors import Channel
from portal.api.root import create_app
from tests.portal.notices.outside import Endpoint, notice, reopened
from tests.portal.services.world import World


class Asking:
    """The portal's API, asked as one person or nobody."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._app = create_app(world.portal, with_screens=False)
        self._tokens = {
            name: world.portal.tokens.issue(world.people[name].actor(Channel.CLI), label="tests").token
            for name in ("ada", "ben", "dan")
        }

    def __call__(self, who: str | None, method: str, path: str, body: object = None, **params: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            base = self._world.settings.url
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url=base) as client:
                headers = {"authorization": f"Bearer {self._tokens[who]}"} if who else {}
                return await client.request(method, f"/api{path}", json=body, params=params, headers=headers)

        return asyncio.run(send())


@pytest.fixture
def ask(world: World) -> Asking:
    return Asking(reopened(world, webhook_allow_loopback=True))


def test_notices_are_listed_and_read(world: World, ask: Asking) -> None:
    key = "duty:agr_1:feedback/2026-03-01:remind"
    world.portal.notices.raise_(notice(key))
    listed = ask("ben", "GET", "/notices").json()
    assert listed["next"] is None
    [shown] = listed["items"]
    assert (shown["notice_id"], shown["read_at"], shown["link"]) == (key, None, "/duties")
    assert "audience" not in shown
    assert ask("dan", "GET", "/notices").json()["items"] == []
    assert key in ask("ben", "GET", "/notices/digest").json()["notice_ids"]
    assert ask("ben", "POST", "/notices/read", {"notice_id": key}).json()["read_at"] is not None
    assert ask("ben", "GET", "/notices", unread=True).json()["items"] == []
    refused = ask("dan", "POST", "/notices/read", {"notice_id": key})
    assert (refused.status_code, refused.json()["code"]) == (404, "notice_not_found")


@pytest.mark.parametrize("path", ["/notices", "/notices/digest", "/webhooks", "/webhooks/whk_1"])
def test_nobody_reads_them_without_a_token(ask: Asking, path: str) -> None:
    assert ask(None, "GET", path).status_code == 401


def test_a_webhook_through_its_life(world: World, ask: Asking, endpoint: Endpoint) -> None:
    body = {"institution_id": "north", "url": endpoint.url, "kinds": ["duty"]}
    refused = ask("dan", "POST", "/webhooks", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_lead")
    made = ask("ben", "POST", "/webhooks", body)
    assert made.status_code == 201, made.text
    shown = made.json()
    webhook_id = shown["webhook"]["id"]
    assert shown["webhook"]["kinds"] == ["duty"]
    assert ask(None, "GET", "/webhooks/key").json() == {"public_key": shown["public_key"]}
    assert ask("dan", "GET", f"/webhooks/{webhook_id}").status_code == 404
    assert ask("dan", "GET", "/webhooks").json()["items"] == []
    tested = ask("ben", "POST", f"/webhooks/{webhook_id}/test").json()["webhook"]["tested"]
    assert tested["status_code"] == 204
    again = ask("ben", "POST", f"/webhooks/{webhook_id}/test")
    assert (again.status_code, again.json()["code"]) == (429, "tested_just_now")
    assert "retry-after" in again.headers
    for what, body_, status in (
        ("pause", {"reason": "we move house"}, "paused"),
        ("resume", None, "active"),
        ("remove", {"reason": "no more"}, "removed"),
    ):
        answer = ask("ada", "POST", f"/webhooks/{webhook_id}/{what}", body_)
        assert answer.json()["webhook"]["status"] == status, answer.text
    gone = ask("ben", "POST", f"/webhooks/{webhook_id}/resume")
    assert (gone.status_code, gone.json()["code"]) == (409, "webhook_removed")


def test_an_address_inside_is_refused_by_name(ask: Asking) -> None:
    answer = ask("ben", "POST", "/webhooks", {"institution_id": "north", "url": "https://169.254.169.254/"})
    assert (answer.status_code, answer.json()["code"], answer.json()["param"]) == (
        400,
        "webhook_address_refused",
        "url",
    )
