"""An agreement's life in a real browser: three people, each at a browser of their own, from a draft to an appeal."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, expect

from agreements.actors import LAB, Channel, Role
from model_access.ladder import Ladder
from portal.composition import Portal
from portal.config import load
from portal.documents import verify_document
from tests.journeys.acting import Arrive, api, arrivals, ask, fresh_link, sign
from tests.journeys.browsing import Visitor, launched
from tests.journeys.conftest import Cast, Server, free_port, make_portal, running

pytestmark = pytest.mark.browser

TITLE = "Half a year of misuse research"


@dataclass(frozen=True)
class House:
    """A running portal, its cast, and a way in for a second coordinator."""

    server: Server
    cast: Cast
    second: str

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
    """A portal with a second coordinator, who decides what the first one may not."""
    server = Server(data=tmp_path_factory.mktemp("negotiation") / "data", port=free_port())
    cast = make_portal(server.data, server.port, ladder)
    with Portal.open(load(server.data, port=server.port)) as portal:
        ada = cast.coordinator.actor(Channel.CLI)
        eve = portal.people.register(
            ada, name="Eve Coordinator", email="eve@lab.example", memberships=[(LAB, Role.COORDINATOR)]
        )
        second = portal.sign_in.issue_link(ada, eve.id)
    with running(server):
        yield House(server, cast, second)


@pytest.fixture
def arrive(browser: Browser, house: House) -> Iterator[Arrive]:
    """Lets people in, and out after the test."""
    with arrivals(browser, house.server) as arrived:
        yield arrived


def turn_to(visitor: Visitor, agreement_id: str, part: str) -> None:
    """Open one part of the agreement by its address."""
    visitor.open(f"/agreements?agreement={agreement_id}&part={part}")
    visitor.heads(TITLE)


def draft(lab: Visitor) -> str:
    """Draft from the usual template, name it, and offer it as it is; returns its id."""
    lab.menu("Agreements")
    lab.choose("Template", "Software access agreement")
    lab.write("Title (the template's, if left empty)", TITLE)
    lab.press("Make the draft")
    lab.heads(TITLE)
    lab.reads("A draft: only coordinators see it.")
    agreement_id = lab.page.url.split("agreement=")[1].partition("&")[0]
    lab.press("Offer it to North University")
    lab.reads("Offered to North University")
    return agreement_id


def rewrite(visitor: Visitor, clause: str, label: str, value: int) -> None:
    """Set a number in a clause's card of the editor."""
    heading = visitor.page.locator("summary", has_text=clause)
    card = visitor.page.get_by_test_id("stExpander").filter(has=heading).first
    card.locator("summary").click()
    box = card.get_by_role("spinbutton", name=label)
    box.fill(str(value))
    box.press("Tab")
    visitor.reads("What you changed: 1 clause")


def answer(visitor: Visitor, agreement_id: str, *, weeks: int, note: str) -> None:
    """Put another text on the table: findings are shared every so many weeks."""
    turn_to(visitor, agreement_id, "changes")
    visitor.press("Answer with another text")
    visitor.reads("Your answer to version")
    rewrite(visitor, "Feedback", "Every weeks", weeks)
    visitor.write("Note: what changed, and why", note)
    visitor.press("Put it on the table")
    visitor.reads("Your text is on the table; the other side moves next.")


def remark(visitor: Visitor, agreement_id: str, text: str) -> None:
    """Say something about the clause on feedback."""
    turn_to(visitor, agreement_id, "terms")
    visitor.press("Comment", within=visitor.page.locator(".st-key-clause_feedback"))
    visitor.write("Your remark", text)
    visitor.press("Send")
    visitor.reads("Your remark is with the text.")


def changed_words(visitor: Visitor) -> tuple[list[str], list[str]]:
    """What the comparison on the screen strikes out, and what it underlines."""
    main = visitor.page.get_by_test_id("stMain")
    expect(main.locator("ins:visible").first).to_be_visible()
    return main.locator("del:visible").all_inner_texts(), main.locator("ins:visible").all_inner_texts()


def signs_stale_text(partner: Visitor, stale: Visitor) -> None:
    """A tab left open on a text that was overtaken still has its button; pressing it signs nothing."""
    sign(stale, "Ben Lead", "Sign")
    stale.reads("Refusal code")
    expect(stale.page.get_by_text("Signed. The lab countersigns next.")).to_have_count(0)
    stale.page.close()
    assert partner.faults == []


def negotiate(lab: Visitor, partner: Visitor) -> str:
    """Draft, offer, counter-offer with a comment, answer, both signatures; returns the agreement's id."""
    agreement_id = draft(lab)
    turn_to(partner, agreement_id, "sign")
    stale = partner.beside()
    turn_to(stale, agreement_id, "sign")

    remark(partner, agreement_id, "Four weeks is shorter than our review takes.")
    answer(partner, agreement_id, weeks=8, note="Our review board meets every second month.")
    partner.reads("awaits the lab's answer to version 2")
    signs_stale_text(partner, stale)

    lab.open("/")
    lab.reads("awaits the lab's answer to version 2")
    turn_to(lab, agreement_id, "changes")
    removed, added = changed_words(lab)
    assert "4" in " ".join(removed)
    assert "8" in " ".join(added)
    lab.reads("16 clauses unchanged")
    lab.reads("Our review board meets every second month.")
    turn_to(lab, agreement_id, "comments")
    lab.reads("Four weeks is shorter than our review takes.")
    answer(lab, agreement_id, weeks=6, note="Half-way between both.")

    partner.open("/")
    partner.reads("it awaits your signature")
    turn_to(partner, agreement_id, "changes")
    partner.reads("Half-way between both.")
    removed, added = changed_words(partner)
    assert "8" in " ".join(removed)
    assert "6" in " ".join(added)
    turn_to(partner, agreement_id, "sign")
    sign(partner, "Ben Lead", "Sign")
    partner.reads("Signed. The lab countersigns next.")
    turn_to(lab, agreement_id, "sign")
    sign(lab, "Ada Coordinator", "Countersign")
    lab.reads("Countersigned: the agreement is in force.")
    return agreement_id


def open_access(house: House, lab: Visitor, agreement_id: str) -> str:
    """A grant issued on its screen, and a token of the partner's under it; returns the token."""
    lab.open(f"/grants?agreement={agreement_id}")
    lab.write("What it is for", "Spring misuse study")
    lab.press("Issue the grant")
    lab.reads("The grant is issued: North University may begin.")
    with api(*house.pair, "lead") as partner:
        (granted,) = partner.get("/grants").raise_for_status().json()["items"]
        wanted = {"label": "notebook", "grant_id": granted["grant"]["id"], "purpose": "misuse-analysis"}
        token: str = partner.post("/tokens", json=wanted).raise_for_status().json()["token"]
        return token


def complete(house: House, token: str) -> httpx.Response:
    """Ask the largest checkpoint for four tokens, by the gateway."""
    return httpx.post(
        f"{house.server.url}/v1/completions",
        headers={"authorization": f"Bearer {token}"},
        json={"model": "ladder-l", "prompt": "The module", "max_tokens": 4, "seed": 7},
        timeout=120,
    )


def amend(lab: Visitor, partner: Visitor, agreement_id: str) -> None:
    """The lab amends one clause; the partner accepts only that one anew."""
    turn_to(lab, agreement_id, "terms")
    lab.press("Draft an amendment")
    lab.reads("The draft of the amendment is made")
    rewrite(lab, "Confidentiality and security", "Retention days", 180)
    lab.press("Save the draft")
    lab.reads("The draft is saved.")
    lab.press("Offer it to North University")
    lab.reads("Offered to North University")

    turn_to(partner, agreement_id, "sign")
    partner.reads("1 clause changed")
    partner.reads("16 clauses stay word for word")
    expect(partner.page.get_by_test_id("stMain").get_by_text("Confidentiality and security").first).to_be_visible()
    expect(partner.page.get_by_test_id("stMain").get_by_text("Safe harbour, suspension and appeal")).not_to_be_visible()
    removed, added = changed_words(partner)
    assert "365" in " ".join(removed)
    assert "180" in " ".join(added)
    partner.reads("goes on under the new version")
    sign(partner, "Ben Lead", "Sign", read="I have read every change.")
    partner.reads("Signed. The lab countersigns next.")
    turn_to(lab, agreement_id, "sign")
    sign(lab, "Ada Coordinator", "Countersign", read="I have read every change.")
    lab.reads("Signed by all: the amendment is in force.")


def suspend(lab: Visitor, agreement_id: str) -> None:
    """Suspend for suspected misuse, with what it stops shown before."""
    turn_to(lab, agreement_id, "life")
    lab.page.get_by_text("Suspend access").click()
    lab.choose("Reason", "Suspected misuse")
    lab.reads("For suspected misuse it takes effect at once.")
    lab.reads("What it would stop")
    lab.reads("Spring misuse study")
    lab.reads("1 live access token")
    lab.write("Statement; the other side reads it", "Prompts that ask for working exploits.")
    lab.press("Suspend")
    lab.reads("The suspension is on record, and the other side is notified.")


def appeal(lab: Visitor, other: Visitor, partner: Visitor, agreement_id: str) -> None:
    """The partner objects; whoever suspended cannot judge it, the other coordinator upholds it."""
    turn_to(partner, agreement_id, "life")
    partner.reads("Prompts that ask for working exploits.")
    partner.write("Why the suspension is wrong", "They came from the red-team plan that you approved.")
    partner.press("File the appeal")
    partner.reads("The appeal is filed; the lab's clock runs.")

    turn_to(lab, agreement_id, "life")
    lab.reads("You imposed this suspension, so another coordinator decides the appeal.")
    expect(lab.page.get_by_role("button", name="Decide", exact=True)).to_have_count(0)

    other.open("/")
    other.reads("the appeal awaits the lab's decision")
    turn_to(other, agreement_id, "life")
    other.page.get_by_text("Uphold the appeal: the suspension is lifted").click()
    other.write("Reasons; the institution reads them", "The plan of 3 March covers these prompts.")
    other.press("Decide")
    other.reads("The appeal is decided.")

    turn_to(partner, agreement_id, "life")
    partner.reads("The plan of 3 March covers these prompts.")
    partner.reads("lifted")


def fetched(visitor: Visitor, name: str) -> bytes:
    """The file behind a link on the screen, as the browser of whoever is signed in gets it."""
    link = visitor.page.get_by_role("link", name=name, exact=True).get_attribute("href")
    assert link
    answer = visitor.page.context.request.get(link if "://" in link else f"{visitor.base}{link}")
    assert answer.ok
    assert "attachment" in answer.headers["content-disposition"]
    return answer.body()


def take_along(house: House, partner: Visitor, agreement_id: str) -> None:
    """The paper, and the bundle, which proves itself by its bytes and the log's key alone."""
    turn_to(partner, agreement_id, "terms")
    assert fetched(partner, "PDF to read").startswith(b"%PDF-")
    bundle = fetched(partner, "Bundle that proves itself")
    vkey = httpx.get(f"{house.server.url}/log/vkey").text.strip()
    proof = verify_document(bundle, vkey=vkey)
    facts = {fact.name: fact.value for fact in proof.facts}
    assert proof.kind == "agreement bundle"
    assert facts["agreement"] == agreement_id
    assert facts["title"] == TITLE
    assert "Ben Lead" in facts["signature 1"]


def test_three_people_negotiate_amend_suspend_and_appeal(house: House, arrive: Arrive) -> None:
    lab, partner = arrive(fresh_link(house.pair, "coordinator")), arrive(fresh_link(house.pair, "lead"))
    other = arrive(house.second)

    agreement_id = negotiate(lab, partner)
    token = open_access(house, lab, agreement_id)
    assert complete(house, token).status_code == 200
    amend(lab, partner, agreement_id)
    assert complete(house, token).status_code == 200

    suspend(lab, agreement_id)
    refused = complete(house, token)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "agreement_suspended"
    partner.open("/playground?checkpoint=ladder-l")
    partner.reads("is suspended since")
    appeal(lab, other, partner, agreement_id)
    assert complete(house, token).status_code == 200
    partner.open("/playground?checkpoint=ladder-l")
    ask(partner, "The module")
    partner.reads("were left before")

    take_along(house, partner, agreement_id)
