"""Access in a real browser: asked for, bargained over, passed on, used, and taken away in the middle of a run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import pytest
from playwright.sync_api import Browser, expect

from agreements.actors import LAB, Channel, Role
from model_access.ladder import Ladder
from portal.composition import Portal, utc_now
from portal.config import load
from tests.journeys.acting import Arrive, arrivals, ask, fresh_link, run
from tests.journeys.browsing import PATIENCE_MS, Visitor, launched
from tests.journeys.conftest import PARTNER, Cast, Server, free_port, make_portal, running

pytestmark = pytest.mark.browser

CHECKPOINT = "ladder-l"
PURPOSE = "misuse-analysis"
NAMED = "Finn Researcher"
AGREEMENT = "Misuse research by query"
TITLE = "Does it write phishing mail?"
USE = "We ask for three hundred continuations of office mail and have two people judge each of them."
WHY_LESS = "A tenth of that is enough for the three hundred answers of your plan."
STARTED_MS = 4 * PATIENCE_MS
"""How long a worker may take to start, and to say something."""

PART = "The first fifty answers"
REASON = "the prompts ask for other people's passwords"


@dataclass(frozen=True)
class House:
    """A running portal with an agreement in force, its cast, and ways in for three more."""

    server: Server
    cast: Cast
    links: dict[str, str]

    @property
    def pair(self) -> tuple[Server, Cast]:
        """The portal and its cast."""
        return self.server, self.cast


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def house(tmp_path_factory: pytest.TempPathFactory, ladder: Ladder) -> Iterator[House]:
    """A portal that pauses in the middle of answers, with a second coordinator, a member and a researcher."""
    data = tmp_path_factory.mktemp("access") / "data"
    server = Server(data=data, port=free_port(), program=("tests.journeys.pausing",))
    cast = make_portal(server.data, server.port, ladder, checkpoints=1)
    with Portal.open(load(server.data, port=server.port)) as portal:
        ada, ben = cast.coordinator.actor(Channel.CLI), cast.lead.actor(Channel.CLI)
        more = {
            "second": ("Eve Coordinator", LAB, Role.COORDINATOR),
            "member": ("Dee Member", PARTNER, Role.PARTNER_MEMBER),
            "named": (NAMED, PARTNER, Role.RESEARCHER),
        }
        links = {}
        for who, (name, institution, role) in more.items():
            person = portal.people.register(
                ada, name=name, email=f"{who}@people.example", memberships=[(institution, role)]
            )
            links[who] = portal.sign_in.issue_link(ada, person.id)
        drafted = portal.agreements.draft(ada, institution_id=PARTNER, title=AGREEMENT)
        offered = portal.agreements.offer(ada, drafted.id)
        for signer in (ben, ada):
            portal.agreements.sign(
                signer, drafted.id, typed_name=signer.name, document_digest=offered.document_digest or ""
            )
    with running(server):
        yield House(server, cast, links)


@pytest.fixture
def arrive(browser: Browser, house: House) -> Iterator[Arrive]:
    """Lets people in, and out after the test."""
    with arrivals(browser, house.server) as arrived:
        yield arrived


def several(visitor: Visitor, label: str, option: str) -> None:
    """Choose one of several, and close the list: while it is open nothing else can be reached."""
    visitor.choose(label, option)
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_test_id("stMultiSelect").filter(has_text=label)).to_contain_text(option)


def amount(visitor: Visitor, label: str, value: int) -> None:
    """Type a number into the field whose name begins so."""
    box = visitor.page.get_by_role("spinbutton", name=label)
    box.fill(str(value))
    box.press("Tab")
    visitor.settle()


def until(visitor: Visitor, label: str, day: date) -> None:
    """Type a day as its field takes it, year, month, day; the page hears of it when another field is entered."""
    field = visitor.page.get_by_test_id("stDateInput").filter(has_text=label)
    field.get_by_role("spinbutton").first.click()
    visitor.page.keyboard.type(f"{day:%Y%m%d}")
    visitor.page.get_by_role("spinbutton", name="Requests a minute").click()


def unfold(visitor: Visitor, title: str) -> None:
    """Open the expander of that title, unless it is open."""
    card = visitor.page.locator("details", has=visitor.page.locator("summary", has_text=title)).last
    if card.get_attribute("open") is None:
        card.locator("summary").first.click()


def drafts(member: Visitor) -> str:
    """Fill a request in, find it as it was after a reload, and submit it; returns its id."""
    member.menu("Requests")
    member.press("Ask for access")
    member.heads("Ask for access")
    member.write("What it is called", TITLE)
    member.write("What you will do", USE)
    several(member, "Checkpoints", CHECKPOINT)
    several(member, "Operations", "generate")
    several(member, "Purposes", PURPOSE)
    amount(member, "Tokens in all", 500_000)
    amount(member, "Requests a minute", 30)
    until(member, "Until", (utc_now() + timedelta(days=30)).date())
    expect(member.page.get_by_text("say until when")).to_have_count(0)
    member.settle()
    member.page.reload()
    member.heads("Ask for access")
    expect(member.page.get_by_role("textbox", name="What it is called")).to_have_value(TITLE)
    expect(member.page.get_by_role("textbox", name="What you will do")).to_have_value(USE)
    expect(member.page.get_by_role("spinbutton", name="Tokens in all")).to_have_value("500000")
    expect(member.page.get_by_test_id("stMultiSelect").filter(has_text="Checkpoints")).to_contain_text(CHECKPOINT)
    member.reads("Two coordinators have to agree")
    member.press("Submit the request")
    member.reads("The request is before the lab.")
    return member.page.url.split("request=")[1]


def bargain(lab: Visitor, second: Visitor, member: Visitor, request_id: str) -> None:
    """The lab offers less, the member takes it, and the second coordinator agrees: the grant opens."""
    lab.open("/requests?show=waiting")
    lab.press(request_id)
    lab.heads(TITLE)
    lab.reads(USE)
    unfold(lab, "Offer an alternative")
    amount(lab, "Tokens in all", 50_000)
    lab.write("Why; the institution reads it", WHY_LESS)
    lab.press_until("Offer it", "The alternative is offered.")

    member.open(f"/requests?request={request_id}")
    member.reads("The lab offers an alternative")
    member.reads(WHY_LESS)
    member.press("Accept the alternative")
    dialog = member.page.get_by_role("dialog")
    expect(dialog).to_contain_text("Another coordinator still has to agree")
    member.press("Accept it", within=dialog)
    member.reads("Accepted. The lab goes on.")

    second.open(f"/requests?request={request_id}")
    second.press("Approve it")
    dialog = second.page.get_by_role("dialog")
    expect(dialog).to_contain_text("50,000 tokens in all")
    second.press("Approve", within=dialog)
    second.reads("Approved: the grant is issued.")


def granted(member: Visitor, request_id: str) -> str:
    """The id of the grant that came of the request, as the request tells it."""
    member.open(f"/requests?request={request_id}")
    member.reads("Access is open until")
    link = member.page.get_by_test_id("stMain").get_by_role("link", name="Open grant")
    found: str = link.inner_text().rpartition(" ")[2]
    link.click()
    member.heads("Grant")
    return found


def delegate(lead: Visitor, grant_id: str) -> None:
    """Pass a narrower part on to one person by name."""
    lead.open(f"/grants?grant={grant_id}")
    unfold(lead, "Delegate a part of it")
    lead.choose("To whom", NAMED)
    lead.write("What it is for", PART)
    amount(lead, "Tokens in all", 5_000)
    lead.press("Delegate")
    lead.reads("The grant is delegated.")
    lead.reads("Delegated from it")


def revoke(lab: Visitor, grant_id: str) -> None:
    """Take the grant away, after reading what follows from it."""
    lab.open(f"/grants?grant={grant_id}")
    lab.press("Revoke")
    dialog = lab.page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 run under way will be stopped")
    expect(dialog).to_contain_text(f"{PART} of {NAMED} ends")
    lab.write("Reason", REASON, within=dialog)
    lab.press("Revoke the grant", within=dialog)
    lab.reads("The grant is revoked; the next request under it is refused.")


def test_access_from_a_request_to_its_end_in_the_middle_of_a_run(house: House, arrive: Arrive) -> None:
    member, lead = arrive(house.links["member"]), arrive(fresh_link(house.pair, "lead"))
    lab, second = arrive(fresh_link(house.pair, "coordinator")), arrive(house.links["second"])
    request_id = drafts(member)
    bargain(lab, second, member, request_id)
    grant_id = granted(member, request_id)
    delegate(lead, grant_id)

    named = arrive(house.links["named"])
    named.open(f"/playground?checkpoint={CHECKPOINT}")
    waiting = named.beside()
    waiting.open(f"/playground?checkpoint={CHECKPOINT}")
    waiting.write("Prompt", "Dear colleague")
    waiting.reads("are left in the budget")
    ask(named, "Dear colleague")
    streamed = named.page.get_by_test_id("stCode")
    expect(streamed).to_have_text(re.compile(r"\S"), timeout=STARTED_MS)
    begun = streamed.inner_text().strip()
    revoke(lab, grant_id)

    named.reads("The run was stopped between two tokens, because access was withdrawn while it ran.")
    named.reads(REASON)
    expect(streamed.first).to_contain_text(begun)
    run(waiting)
    waiting.reads("Refusal code")
    waiting.reads(REASON)
    waiting.follow("Why?")
    waiting.heads("Why?")
    verdict = waiting.page.locator(".st-key-explain_verdict")
    expect(verdict).to_contain_text(f"You may not use generate on {CHECKPOINT}")
    expect(verdict).to_contain_text(f"was revoked: {REASON}")

    lab.menu("Revocations")
    lab.reads("Grant revoked")
    lab.page.get_by_text(re.compile(r"Refused everywhere [\d,]+ ms after the click; 1 run stopped")).wait_for()
    lead.menu("Access log")
    ended = lead.page.locator("[class*=st-key-access_]").filter(has_text="A run was stopped")
    expect(ended).to_contain_text(f"{NAMED} · {CHECKPOINT} · {PURPOSE}")
    expect(ended).to_contain_text("access_withdrawn")
    lead.reads(f"{REASON} (because of {grant_id} above)")
