"""People join in a real browser: one who came by their institution's account, one who was invited, and one who goes."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, expect

from agreements.actors import Channel, Role
from model_access.ladder import Ladder
from portal.api.auth import SESSION_COOKIE
from portal.composition import Portal
from portal.config import load
from portal.oidc.id_token import IdClaims
from tests.journeys.acting import Arrive, arrivals, fresh_link
from tests.journeys.browsing import HEIGHT, PATIENCE_MS, WIDE, Visitor, launched
from tests.journeys.conftest import PARTNER, Cast, Server, free_port, make_portal, running
from tests.journeys.inspecting import Inspection

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class House:
    """A running portal, its cast, what the browser of somebody who waits holds, and the provider they came by."""

    server: Server
    cast: Cast
    waiting: str
    provider: str

    @property
    def pair(self) -> tuple[Server, Cast]:
        """The portal and its cast."""
        return self.server, self.cast


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[House]:
    """A portal where somebody came by the partner's provider for the first time, who is asked nothing here."""
    server = Server(data=tmp_path_factory.mktemp("joining") / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder, checkpoints=1)
    with Portal.open(load(server.data, port=server.port)) as portal:
        provider = portal.identity_providers.register(
            cast.coordinator.actor(Channel.CLI),
            institution_id=PARTNER,
            label="North University account",
            issuer="https://login.north.example",
            client_id="concordat",
            domains=["north.example"],
        )
        claims = IdClaims(subject="wes", email="wes@north.example", email_verified=True, name="Wes Newcomer")
        waiting = portal.oidc.admit(provider, claims, browser="Firefox on Linux").secret
    with running(server):
        yield House(server, cast, waiting, provider.id)


@pytest.fixture
def arrive(browser: Browser, house: House) -> Iterator[Arrive]:
    """Lets people in, and out after the test."""
    with arrivals(browser, house.server) as arrived:
        yield arrived


def plain_page(visitor: Visitor, address: str, heading: str) -> None:
    """Open one of the pages that are not screens."""
    visitor.page.goto(address)
    expect(visitor.page.get_by_role("heading", level=1, name=heading)).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.parametrize("role", ["coordinator", "lead"])
def test_every_part_in_both_widths_and_both_schemes(house: House, browser: Browser, role: str) -> None:
    # axe is a script of its own, which the portal's content policy would keep out.
    with browser.new_context(viewport={"width": WIDE, "height": HEIGHT}, bypass_csp=True) as context:
        visitor = Visitor(context.new_page(), house.server.url)
        inspection = Inspection(visitor, set())
        visitor.open(fresh_link(house.pair, role))
        for address in (
            "/people?as=table",
            "/people?view=waiting",
            "/people?view=invitations",
            f"/people?person={house.cast.lead.id}",
            f"/sign-in-methods?provider={house.provider}",
        ):
            visitor.open(address)
            inspection.look(address)
        inspection.conclude()


def test_a_lead_lets_in_who_came_by_the_institutions_account(house: House, arrive: Arrive) -> None:
    wes = arrive()
    wes.page.context.add_cookies([{"name": SESSION_COOKIE, "value": house.waiting, "url": house.server.url}])
    plain_page(wes, house.server.url, "You are known, and wait to be let in")
    lead = arrive(fresh_link(house.pair, "lead"))
    lead.menu("People")
    lead.page.get_by_text("Waiting (1)").click()
    lead.reads("The provider verified the address")
    lead.choose("Let in as", "Partner member")
    lead.reads("May then use the screens of agreements")
    lead.press("Let in")
    lead.reads("Wes Newcomer is let in.")
    wes.page.get_by_role("link", name="Look again").click()
    wes.heads("Welcome, Wes")
    expect(wes.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Agreements", exact=True)).to_be_visible()


def test_who_was_invited_accepts_and_is_changed_and_let_go(house: House, arrive: Arrive) -> None:
    lead = arrive(fresh_link(house.pair, "lead"))
    lead.open("/people?view=invitations")
    lead.page.get_by_text("Invite somebody").click()
    lead.write("E-mail", "nora@north.example")
    lead.choose("Role", "Researcher")
    lead.press("Invite")
    lead.reads("is ready to copy")
    link = lead.page.locator("[data-testid=stCode]").inner_text().strip()
    nora = arrive(expects_refusals=True)
    plain_page(nora, link, "You are invited")
    nora.page.get_by_text("researcher, North University").wait_for()
    nora.page.get_by_label("Your name, as you sign").fill("Nora Invited")
    nora.page.get_by_role("button", name="Accept and sign in").click()
    nora.heads("Welcome, Nora")
    plain_page(arrive(expects_refusals=True), link, "That did not work")
    lead.open("/people?q=nora")
    lead.press("Nora Invited")
    lead.heads("Nora Invited")
    lead.choose("Make them", "Observer")
    lead.press("Change the role")
    dialog = lead.page.get_by_role("dialog")
    expect(dialog).to_contain_text("May no longer file findings or propose norms")
    lead.press("Change it", within=dialog)
    lead.reads("Nora Invited is observer at North University now.")
    nora.open("/")
    expect(nora.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Playground")).to_have_count(0)
    lead.press("Deactivate")
    dialog = lead.page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 open session ends")
    lead.write("Reason", "the visit is over", within=dialog)
    lead.press("Deactivate", within=dialog)
    lead.reads("Nora Invited may not sign in any more.")
    plain_page(nora, house.server.url, "Sign in")
    lead.press("All people")
    lead.heads("People")
    assert "q=nora" in lead.page.url
    lead.reads("deactivated")


def test_the_last_lead_goes_only_when_that_is_ticked(house: House, arrive: Arrive) -> None:
    lab = arrive(fresh_link(house.pair, "coordinator"))
    lab.open(f"/people?person={house.cast.lead.id}")
    lab.choose("Make them", "Partner member")
    lab.press("Change the role")
    dialog = lab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("North University is left without a partner lead")
    lab.press("Change it", within=dialog)
    expect(dialog).to_contain_text("last_lead")
    dialog.get_by_text("is to be without a partner lead").click()
    lab.press("Change it", within=dialog)
    lab.reads("is partner member at North University now.")
    lead = Role.PARTNER_LEAD.label
    expect(lab.page.get_by_text(f"{lead}, North University")).to_have_count(0)
