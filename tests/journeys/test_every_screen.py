"""Every screen of every role as people see it: wide and narrow, light and dark, and as a screen reader is told it."""

from collections.abc import Iterator
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from model_access.ladder import Ladder
from portal.pages.menu import SCREENS
from tests.journeys.browsing import HEIGHT, NARROW, PATIENCE_MS, WIDE, Visitor, launched
from tests.journeys.conftest import Server, free_port, make_portal, running
from tests.journeys.furnished import HOSTILE, Furnished, furnish

pytestmark = pytest.mark.browser

ROLES: Final = ("coordinator", "lead", "member", "researcher", "observer")

FRAMEWORK: Final = {
    "list": "Streamlit's sectioned menu puts headings between the items of its list",
    "listitem": "the same menu",
}
"""Rules that Streamlit's own markup breaks and the portal cannot mend, with the reason; every other finding is ours."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[tuple[Server, Furnished, Browser]]:
    """A running portal with something on every screen, and a browser."""
    server = Server(data=tmp_path_factory.mktemp("screens") / "data", port=free_port())
    there = furnish(server, make_portal(server.data, server.port, ladder))
    with running(server), launched() as browser:
        yield server, there, browser


def overflow(page: Page) -> int:
    """By how many CSS pixels the page is wider than the window."""
    wider: int = page.evaluate(
        """() => {
            const pages = [document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')];
            return Math.max(...pages.map(page => page.scrollWidth - page.clientWidth));
        }"""
    )
    return wider


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
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for rule in found
        if rule["id"] not in FRAMEWORK
        for node in rule["nodes"]
    ]


def look(visitor: Visitor, where: str, problems: list[str]) -> None:
    """See the screen as it stands in both widths and both schemes."""
    page = visitor.page
    for scheme in ("light", "dark"):
        shade(page, scheme)
        problems += [f"{where}, {scheme}: {barrier}" for barrier in barriers(page)]
        page.set_viewport_size({"width": NARROW, "height": HEIGHT})
        if (wider := overflow(page)) > 0:
            problems.append(f"{where}, {scheme}: {wider} px wider than a window of {NARROW}")
        page.set_viewport_size({"width": WIDE, "height": HEIGHT})
    visitor.no_exception()


@pytest.mark.parametrize("role", ROLES)
def test_every_screen_in_both_widths_and_both_schemes(furnished: tuple[Server, Furnished, Browser], role: str) -> None:
    server, there, browser = furnished
    # axe is a script of its own, which the portal's content policy would keep out.
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor, problems = Visitor(context.new_page(), server.url), []
        visitor.open(there.links[role])
        titles = visitor.page.get_by_test_id("stSidebarNavLink").all_inner_texts()
        mine = [screen for screen in SCREENS if any(title.endswith(screen.title) for title in titles)]
        assert len(mine) == len(titles)
        for screen in mine:
            visitor.menu(screen.title)
            expect(visitor.page).to_have_title(f"{screen.title} · Concordat", timeout=PATIENCE_MS)
            look(visitor, screen.title, problems)
        assert problems == []
        assert visitor.faults == []


def test_every_object_in_both_widths_and_both_schemes(furnished: tuple[Server, Furnished, Browser]) -> None:
    server, there, browser = furnished
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor, problems = Visitor(context.new_page(), server.url), []
        visitor.open(there.more["lead"])
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


def test_what_a_reporter_wrote_is_shown_as_it_is(furnished: tuple[Server, Furnished, Browser]) -> None:
    server, there, browser = furnished
    with browser.new_context() as context:
        visitor = Visitor(context.new_page(), server.url)
        visitor.open(there.more["coordinator"])
        visitor.open(f"/findings?finding={there.hostile}")
        expect(visitor.page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
        visitor.reads("# Not a heading")
        expect(visitor.page.get_by_text("Injected").first.locator("strong, img, script")).to_have_count(0)
        assert visitor.faults == []
