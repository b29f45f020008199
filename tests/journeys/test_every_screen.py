"""Every screen of every role as people see it: wide and narrow, light and dark, and as a screen reader is told it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import TimeoutError as NeverHappened

from model_access.ladder import Ladder
from portal.pages.menu import SCREENS
from tests.journeys.browsing import HEIGHT, NARROW, WIDE, Visitor, launched
from tests.journeys.conftest import Server, free_port, make_portal, running
from tests.journeys.furnished import HOSTILE, Furnished, furnish
from tests.journeys.lived import live, long_ago

pytestmark = pytest.mark.browser

ROLES: Final = ("coordinator", "lead", "member", "researcher", "observer")

REDRAWN_MS: Final = 10_000
"""How long a chart may take to follow the window; only a page that never fits waits for it."""

_WIDER: Final = """() => {
    const pages = [document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')];
    return Math.max(...pages.map(page => page.scrollWidth - page.clientWidth));
}"""

FRAMEWORK: Final = {
    "list": "Streamlit's sectioned menu puts headings between the items of its list",
    "listitem": "the same menu",
    "presentation-role-conflict": "Streamlit's file uploader gives its drop zone no role but a label",
}
"""Rules that Streamlit's own markup breaks and the portal cannot mend, with the reason; every other finding is ours."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[tuple[Server, Furnished, Browser]]:
    """A running portal with something on every screen, and a browser."""
    server = Server(data=tmp_path_factory.mktemp("screens") / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder, clock=long_ago)
    there = furnish(server, cast)
    lived = live(server, cast)
    with running(server), launched() as browser:
        yield server, replace(there, lived=lived), browser


def overflow(page: Page) -> int:
    """By how many CSS pixels the page stays wider than the window, once charts have followed it."""
    try:
        page.wait_for_function(f"() => ({_WIDER})() <= 0", timeout=REDRAWN_MS)
    except NeverHappened:
        wider: int = page.evaluate(_WIDER)
        return wider
    return 0


def shade(page: Page, scheme: str) -> None:
    """Let the system turn light or dark, and wait until the page has followed."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.wait_for_function(
        """scheme => {
            const colour = getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor;
            return (Number(colour.match(/\\d+/)[0]) < 128) === (scheme === 'dark');
        }""",
        arg=scheme,
    )


def barriers(page: Page) -> list[str]:
    """What axe finds on the page that is not the framework's own, one line each."""
    # What is still fading in would be told as too faint.
    page.evaluate("document.getAnimations().forEach(animation => animation.finish())")
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for rule in found
        if rule["id"] not in FRAMEWORK
        for node in rule["nodes"]
    ]


def look(visitor: Visitor, where: str, problems: list[str]) -> None:
    """See the screen wide and light, then narrow and dark."""
    page = visitor.page
    for width, scheme in ((WIDE, "light"), (NARROW, "dark")):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.mouse.move(0, 0)  # nothing is judged as it looks under the pointer
        shade(page, scheme)
        if (wider := overflow(page)) > 0:
            problems.append(f"{where}: {wider} px wider than a window of {width}")
        problems += [f"{where}, {scheme}, {width} wide: {barrier}" for barrier in barriers(page)]
    visitor.no_exception()
    page.set_viewport_size({"width": WIDE, "height": HEIGHT})


@pytest.mark.parametrize("role", ROLES)
def test_every_screen_in_both_widths_and_both_schemes(furnished: tuple[Server, Furnished, Browser], role: str) -> None:
    server, there, browser = furnished
    # axe is a script of its own, which the portal's content policy would keep out.
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), server.url)
        problems: list[str] = []
        visitor.open(there.links[role])
        titles = visitor.page.get_by_test_id("stSidebarNavLink").all_inner_texts()
        mine = [screen for screen in SCREENS if any(title.endswith(screen.title) for title in titles)]
        assert len(mine) == len(titles)
        for screen in mine:
            visitor.menu(screen.title)
            look(visitor, screen.title, problems)
        assert problems == []
        assert visitor.faults == []


def test_every_object_in_both_widths_and_both_schemes(furnished: tuple[Server, Furnished, Browser]) -> None:
    server, there, browser = furnished
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), server.url)
        problems: list[str] = []
        visitor.open(there.again("lead"))
        for address in (
            f"/agreements?agreement={there.agreement}",
            f"/agreements?agreement={there.offered}",
            f"/grants?grant={there.grant}",
            f"/runs?run={there.run}",
            f"/findings?finding={there.finding}",
            f"/findings?finding={there.hostile}",
            f"/norms?norm={there.norm}",
            f"/release?decision={there.decision}",
        ):
            visitor.open(address)
            look(visitor, address, problems)
        assert problems == []
        assert visitor.faults == []


@pytest.mark.parametrize("role", ["lead", "coordinator"])
def test_every_part_of_a_lived_agreement_in_both_widths_and_both_schemes(
    furnished: tuple[Server, Furnished, Browser], role: str
) -> None:
    server, there, browser = furnished
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), server.url)
        problems: list[str] = []
        visitor.open(there.again(role))
        for address in there.lived[role]:
            visitor.open(address)
            look(visitor, address, problems)
        assert problems == []
        assert visitor.faults == []


def test_what_a_reporter_wrote_is_shown_as_it_is(furnished: tuple[Server, Furnished, Browser]) -> None:
    server, there, browser = furnished
    with browser.new_context() as context:
        visitor = Visitor(context.new_page(), server.url)
        visitor.open(there.again("coordinator"))
        visitor.open(f"/findings?finding={there.hostile}")
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
        visitor.reads("# Not a heading")
        expect(visitor.page.get_by_text("Injected").first.locator("strong, a, img, script")).to_have_count(0)
        assert visitor.faults == []
