"""Every screen of every role as people see it: wide and narrow, light and dark, and as a screen reader is told it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from model_access.ladder import Ladder
from portal.pages.menu import SCREENS
from tests.journeys.browsing import HEIGHT, WIDE, Visitor, launched
from tests.journeys.conftest import Server, free_port, make_portal, running
from tests.journeys.furnished import HOSTILE, Furnished, furnish
from tests.journeys.granted import grant
from tests.journeys.inspecting import Inspection
from tests.journeys.lived import live, long_ago

pytestmark = pytest.mark.browser

ROLES: Final = ("coordinator", "lead", "member", "researcher", "named", "observer")


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[tuple[Server, Furnished, Browser]]:
    """A running portal with something on every screen, and a browser."""
    server = Server(data=tmp_path_factory.mktemp("screens") / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder, clock=long_ago)
    there = furnish(server, cast)
    there = replace(there, granted=grant(server, cast, there.people, there.agreement))
    there = replace(there, lived=live(server, cast))
    with running(server), launched() as browser:
        yield server, there, browser


@pytest.fixture(scope="module")
def seen() -> set[str]:
    """The screens that somebody has inspected."""
    return set()


@pytest.mark.parametrize("role", ROLES)
def test_every_screen_in_both_widths_and_both_schemes(
    furnished: tuple[Server, Furnished, Browser], seen: set[str], role: str
) -> None:
    server, there, browser = furnished
    # axe is a script of its own, which the portal's content policy would keep out.
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), server.url)
        inspection = Inspection(visitor, seen)
        visitor.open(there.links[role])
        titles = visitor.page.get_by_test_id("stSidebarNavLink").all_inner_texts()
        mine = [screen for screen in SCREENS if any(title.endswith(screen.title) for title in titles)]
        assert len(mine) == len(titles)
        for screen in mine:
            visitor.menu(screen.title)
            inspection.look(screen.title)
        inspection.conclude()


def test_every_object_in_both_widths_and_both_schemes(
    furnished: tuple[Server, Furnished, Browser], seen: set[str]
) -> None:
    server, there, browser = furnished
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), server.url)
        inspection = Inspection(visitor, seen)
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
            inspection.look(address)
        inspection.conclude()


@pytest.mark.parametrize("role", ["lead", "coordinator"])
def test_every_part_of_a_lived_agreement_in_both_widths_and_both_schemes(
    furnished: tuple[Server, Furnished, Browser], seen: set[str], role: str
) -> None:
    server, there, browser = furnished
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), server.url)
        inspection = Inspection(visitor, seen)
        visitor.open(there.again(role))
        # The lead comes by each address from elsewhere, the coordinator from one to the next.
        come = visitor.open if role == "lead" else visitor.pass_to
        for address in there.lived[role]:
            come(address)
            inspection.look(address)
        inspection.conclude()


@pytest.mark.parametrize("role", ["coordinator", "lead"])
def test_every_part_of_access_opens(furnished: tuple[Server, Furnished, Browser], role: str) -> None:
    server, there, browser = furnished
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}) as context:
        visitor = Visitor(context.new_page(), server.url)
        visitor.open(there.again(role))
        for address in there.granted[role]:
            visitor.open(address)
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
