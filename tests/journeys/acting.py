"""What people do in the journeys: arrive, sign, ask a model, and be there before anybody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
from playwright.sync_api import Browser

from tests.journeys.browsing import HEIGHT, WIDE, Visitor
from tests.journeys.conftest import Cast, Server

Arrive = Callable[..., Visitor]


@contextmanager
def arrivals(browser: Browser, server: Server) -> Iterator[Arrive]:
    """Lets people in, each in a browser context of their own; fails the test for whatever went wrong on their pages."""
    visitors: list[Visitor] = []

    def arrived(link: str = "", *, headers: dict[str, str] | None = None, expects_refusals: bool = False) -> Visitor:
        context = browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, extra_http_headers=headers or {})
        visitor = Visitor(context.new_page(), server.url, expects_refusals=expects_refusals)
        visitors.append(visitor)
        if link:
            visitor.open(link)
        return visitor

    yield arrived
    for visitor in visitors:
        visitor.page.context.close()
    assert [fault for visitor in visitors for fault in visitor.faults] == []


def api(server: Server, cast: Cast, who: str = "coordinator") -> httpx.Client:
    """The API as one of the cast, for what a test needs to be there before anybody looks."""
    return httpx.Client(
        base_url=f"{server.url}/api", headers={"authorization": f"Bearer {cast.tokens[who]}"}, timeout=60
    )


def fresh_link(house: tuple[Server, Cast], who: str) -> str:
    """Another one-time link for one of the cast."""
    server, cast = house
    with api(server, cast) as lab:
        answer = lab.post(f"/people/{getattr(cast, who).id}/sign-in-link")
        url: str = answer.raise_for_status().json()["url"]
        return url


def sign(visitor: Visitor, name: str, verb: str, *, read: str = "I have read every clause.") -> None:
    """Read and sign the agreement on the screen."""
    visitor.page.get_by_text(read).click()
    visitor.write(f"Type your name to sign: {name}", name)
    visitor.press(verb)


def run(partner: Visitor) -> None:
    """Press Run, by its place: its name goes on with the keys that press it too."""
    partner.page.locator(".st-key-play_run button").click()


def ask(partner: Visitor, prompt: str) -> None:
    """Type a prompt into the playground and run it."""
    partner.write("Prompt", prompt)
    partner.reads("are left in the budget")
    run(partner)
