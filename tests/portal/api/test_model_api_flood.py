"""One institution floods ``/v1``: what it sends waits for its own turns, and nobody else's request does."""

import asyncio
import json
import threading
from typing import Any

import httpx
import pytest

from agreements.actors import Actor
from agreements.errors import Conflict
from tests.portal.api.api_stand import BASE_URL, CHECKPOINT, Stand, posted

WAIT_S = 60.0
FLOOD = 120
"""More than there are threads in the pool."""


class Stuck:
    """Begins nothing for members of the flooding institution until it is let go, and refuses everybody then."""

    def __init__(self, flooding: str) -> None:
        self._flooding = flooding
        self.let_go = threading.Event()
        self.stuck = threading.Semaphore(0)

    def __call__(self, actor: Actor, *_: Any, **__: Any) -> None:
        if actor.belongs_to(self._flooding):
            self.stuck.release()
            assert self.let_go.wait(WAIT_S)
        raise Conflict("told_apart", actor.institution_ids[0])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": "The"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "The"}]}),
    ],
)
def test_a_flood_that_takes_long_to_begin_holds_nobody_else_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, path: str, body: dict[str, Any]
) -> None:
    stuck = Stuck("north-university")
    monkeypatch.setattr(stand.portal.runs, "begin", stuck)

    async def asked() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(stand.app), base_url=BASE_URL) as client:

            async def ask(who: str) -> str:
                headers = {"authorization": f"Bearer {stand.tokens[who]}"}
                answer = await client.post(path, json={"model": CHECKPOINT, **body}, headers=headers)
                return str(answer.json()["error"]["message"])

            flood = [asyncio.create_task(ask("partner")) for _ in range(FLOOD)]
            await asyncio.to_thread(stuck.stuck.acquire)
            try:
                return [await asyncio.wait_for(ask("stranger"), WAIT_S)]
            finally:
                stuck.let_go.set()
                assert set(await asyncio.gather(*flood)) == {"north-university"}

    assert asyncio.run(asked()) == ["south-institute"]


def test_nothing_is_begun_for_who_has_left_before_their_turn(stand: Stand) -> None:
    body = json.dumps({"model": CHECKPOINT, "prompt": "The"}).encode()
    before = stand.log_size()
    coming: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return coming.pop() if coming else {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    asyncio.run(stand.app(posted("/v1/completions", stand.tokens["partner"], body), receive, send))
    assert stand.log_size() == before
