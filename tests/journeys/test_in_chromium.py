"""The main job in a real browser: two people at once, links that work once, and addresses that open what they name."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from model_access.ladder import Ladder
from tests.journeys.acting import Arrive, api, arrivals, ask, fresh_link, run, sign
from tests.journeys.browsing import Visitor, launched
from tests.journeys.conftest import PARTNER, Cast, Server, free_port, make_portal, running

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[tuple[Server, Cast]]:
    """One portal for all of these: each test makes its own agreements and uses its own links."""
    server = Server(data=tmp_path_factory.mktemp("chromium") / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder)
    with running(server):
        yield server, cast


@pytest.fixture
def arrive(browser: Browser, house: tuple[Server, Cast]) -> Iterator[Arrive]:
    """Lets people in, and out after the test."""
    with arrivals(browser, house[0]) as arrived:
        yield arrived


@pytest.fixture(scope="module")
def reader(browser: Browser, house: tuple[Server, Cast]) -> Iterator[Visitor]:
    """The partner's lead at one tab, for tests that only look."""
    visitor = Visitor(browser.new_page(), house[0].url)
    visitor.open(fresh_link(house, "lead"))
    yield visitor
    visitor.page.close()
    assert visitor.faults == []


def offered_agreement(house: tuple[Server, Cast], title: str) -> str:
    """The id of an agreement that awaits the partner's signature."""
    server, cast = house
    with api(server, cast) as lab:
        drafted = lab.post("/agreements", json={"institution_id": PARTNER, "title": title}).raise_for_status().json()
        lab.post(f"/agreements/{drafted['id']}/offer").raise_for_status()
        agreement_id: str = drafted["id"]
        return agreement_id


def test_from_agreement_to_finding_to_revocation_on_the_screens(house: tuple[Server, Cast], arrive: Arrive) -> None:
    agreement_id = offered_agreement(house, "Misuse study of the largest size")
    lab, partner = arrive(fresh_link(house, "coordinator")), arrive(fresh_link(house, "lead"))

    partner.reads("it awaits your signature")
    partner.open(f"/agreements?agreement={agreement_id}")
    partner.heads("Misuse study of the largest size")
    sign(partner, "Ben Lead", "Sign")
    partner.reads("Signed. The lab countersigns next.")

    lab.open(f"/agreements?agreement={agreement_id}")
    sign(lab, "Ada Coordinator", "Countersign")
    lab.reads("Countersigned: the agreement is in force.")
    lab.open(f"/grants?agreement={agreement_id}")
    lab.write("What it is for", "Spring misuse study")
    lab.press("Issue the grant")
    lab.reads("The grant is issued: North University may begin.")

    partner.open("/playground?checkpoint=ladder-l")
    ask(partner, "The module")
    partner.reads("Reads 2 tokens, uses at most 66 tokens")
    partner.reads("were left before")
    partner.follow("File a finding from this run")
    partner.heads("File a finding")
    partner.write("Title", "Fluent module documentation")
    partner.write("Summary", "Sixty tokens of plausible documentation.")
    partner.reads("Will be read by")
    partner.press("File it")
    partner.heads("Fluent module documentation")
    partner.reads("from its receipt")
    finding_id = partner.page.url.split("finding=")[1]

    lab.open("/")
    lab.reads(f"Finding {finding_id}, Fluent module documentation, is not acknowledged yet.")
    lab.open(f"/findings?finding={finding_id}")
    lab.reads("from its receipt")
    lab.press("Acknowledge")
    lab.reads("is acknowledged; its reporter sees that you have read it.")

    partner.open("/playground?checkpoint=ladder-l")
    partner.write("Prompt", "The module")
    partner.reads("are left in the budget")
    lab.menu("Grants")
    card = lab.page.locator("[class*=st-key-grant_]").filter(has_text="Spring misuse study")
    card.get_by_role("button").first.click()
    lab.heads("Grant")
    lab.press("Revoke")
    dialog = lab.page.get_by_role("dialog")
    expect(dialog.get_by_text("opens nothing any more")).to_be_visible()
    lab.write("Reason", "the study is over", within=dialog)
    lab.press("Revoke the grant", within=dialog)
    lab.reads("The grant is revoked; the next request under it is refused.")

    run(partner)
    partner.reads("the study is over")
    partner.reads("Refusal code")


def test_a_link_works_once_and_says_so(house: tuple[Server, Cast], arrive: Arrive) -> None:
    link = fresh_link(house, "researcher")
    first = arrive(link)
    first.reads("Welcome, Cleo")
    second = arrive(expects_refusals=True)
    second.page.goto(link)
    expect(second.page.get_by_role("heading", level=1)).to_have_text("That did not work")
    second.reads("Ask for a new one")
    second.follow("Go to the sign-in page")
    expect(second.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    second.page.goto(f"{second.base}/findings")
    expect(second.page).to_have_url(f"{second.base}/session/login?next=%2Ffindings")
    first.page.goto(link)
    first.settle()
    first.reads("Welcome, Cleo")


def test_signing_out_ends_every_open_tab_at_its_next_step(house: tuple[Server, Cast], arrive: Arrive) -> None:
    visitor = arrive(fresh_link(house, "researcher"), expects_refusals=True)
    visitor.open("/findings")
    other = visitor.beside()
    other.open("/")
    other.press("Sign out")
    other.heads("You are signed out")
    visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="Norms", exact=True).click()
    visitor.heads("You are signed out")
    expect(visitor.page.get_by_test_id("stSidebarNav")).to_have_count(0)
    visitor.follow("Sign in again")
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_a_session_header_of_ones_own_opens_nothing(house: tuple[Server, Cast], arrive: Arrive) -> None:
    server, cast = house
    forged = {"x-portal-session": cast.coordinator.id}
    stranger = arrive(headers=forged, expects_refusals=True)
    stranger.page.goto(f"{server.url}/people")
    expect(stranger.page.get_by_role("heading", level=1)).to_have_text("Sign in")
    visitor = arrive(fresh_link(house, "researcher"), headers=forged)
    visitor.reads("Cleo Researcher")
    expect(visitor.page.get_by_test_id("stSidebarNav").get_by_role("link", name="People", exact=True)).to_have_count(0)


def test_an_address_opens_what_it_names_after_signing_in(house: tuple[Server, Cast], arrive: Arrive) -> None:
    server, cast = house
    agreement_id = offered_agreement(house, "A study by its address")
    visitor = arrive(expects_refusals=True)
    visitor.page.goto(f"{server.url}/agreements?agreement={agreement_id}")
    onward = visitor.page.url.partition("next=")[2]
    assert onward
    visitor.open(f"{fresh_link(house, 'lead')}&next={onward}")
    visitor.heads("A study by its address")
    with api(server, cast, "lead") as partner:
        filed = partner.post(
            "/findings",
            json={
                "institution_id": PARTNER,
                "title": "Nothing alarming",
                "summary": "We looked.",
                "kind": "null_result",
                "marking": "TLP:AMBER",
                "checkpoint_ids": ["ladder-xs"],
            },
        ).raise_for_status()
    visitor.open(f"/findings?finding={filed.json()['finding_id']}")
    visitor.heads("Nothing alarming")


@pytest.mark.parametrize(
    "address",
    [
        "/agreements?agreement=agr_none",
        "/findings?finding=CDT-2026-9999",
        "/findings?finding=%3Cb%3E",
        "/grants?grant=none",
        "/runs?run=run_none",
        "/norms?norm=NRM-9999",
        "/release?decision=DEC-9999",
    ],
)
def test_an_address_of_nothing_is_refused_in_words(reader: Visitor, address: str) -> None:
    reader.open(address)
    reader.reads("Refusal code")
