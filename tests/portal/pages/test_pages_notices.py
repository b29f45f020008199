"""Notices, the digest and webhooks on screen."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from agreements.canonical import b64decode
from agreements.errors import NotFound
from agreements.keys import PublicKey
from portal.notices.model import Notice
from portal.pages.inbox import tasks_for
from portal.pages.webhook_view import snippet
from portal.services.webhooks import WebhookView
from portal.webhooks.decider import Webhook, WebhookStatus
from portal.webhooks.message import Message, trial_message
from portal.webhooks.posting import Outcome
from tests.portal.pages.life_world import in_force, let_pass
from tests.portal.pages.pages_world import World, click, said

URL = "https://hooks.example.org/concordat"


def told(world: World, number: int = 1, link: str = "/agreements?agreement=agr_1", **fields: Any) -> str:
    """A notice to Northfield's lead and members."""
    at = world.portal.kernel.clock()
    given = {
        "id": f"duty:agr_1:feedback/{number}:remind",
        "kind": "duty.due_soon",
        "institution_id": "northfield",
        "subject": f"Feedback {number} is due",
        "body": "Any member may file it.",
        "link": link,
        "at": at,
        "audience": frozenset({"partner_lead", "partner_member"}),
    }
    notice = Notice(**{**given, **fields})
    world.portal.notices.raise_(notice)
    return notice.id


def webhook(world: World, kinds: tuple[str, ...] = ()) -> WebhookView:
    return world.portal.webhooks.register(world.actor(world.lead), institution_id="northfield", url=URL, kinds=kinds)


@pytest.fixture
def answers(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[Outcome], list[Message]]:
    """Has the endpoint answer so from now on; the messages it got are in the list."""

    def answer(outcome: Outcome) -> list[Message]:
        sent: list[Message] = []

        def send(_webhook: Webhook, message: Message, _now: datetime) -> Outcome:
            sent.append(message)
            return outcome

        monkeypatch.setattr(world.portal.webhooks, "send", send)
        return sent

    return answer


def test_a_notice_is_read_once_and_found_again(world: World) -> None:
    notice_id = told(world)
    app = world.screen(world.lead, "notices")
    assert "Feedback 1 is due" in said(app)
    click(app, f"notice.read:{notice_id}.act")
    assert "You have read everything" in said(app)
    assert world.portal.notices.unread(world.actor(world.lead)) == 0
    assert world.portal.notices.unread(world.actor(world.member)) == 1
    again = world.screen(world.lead, "notices", show="all")
    assert "Any member may file it" in said(again)


def test_all_are_marked_as_read_at_once(world: World) -> None:
    for number in (1, 2, 3):
        told(world, number)
    app = world.screen(world.lead, "notices")
    click(app, "notice.read_all.act")
    assert "3 notices marked as read" in said(app)
    assert world.portal.notices.unread(world.actor(world.lead)) == 0


@pytest.mark.parametrize("role", ["rival", "observer", "researcher", "coordinator"])
def test_nobody_reads_what_is_for_others(world: World, role: str) -> None:
    told(world)
    assert "Feedback 1 is due" not in said(world.screen(getattr(world, role), "notices", show="all"))


def test_a_notice_leads_to_its_screen_and_nowhere_else(world: World) -> None:
    told(world, link="/duties?agreement=agr_1&duty=feedback%2F1")
    told(world, 2, link="/nowhere?x=1")
    app = world.screen(world.lead, "notices")
    links = [link.proto for link in app.main.get("page_link")]
    assert [(link.page, link.query_string) for link in links] == [("duties", "agreement=agr_1&duty=feedback%2F1")]


def test_words_of_a_notice_are_shown_as_words(world: World) -> None:
    told(world, subject="[x](javascript:alert(1)) **bold**", body="# Heading\n<b>x</b>")
    words = said(world.screen(world.lead, "notices"))
    assert "\\[x\\]" in words
    assert "\\# Heading" in words


def test_the_digest_reads_as_mail_would_bring_it(world: World) -> None:
    told(world)
    words = said(world.screen(world.member, "notices"))
    assert "This portal sends no mail" in words
    assert "Feedback 1 is due" in world.portal.digests.preview(world.actor(world.member)).text
    assert "Ben Okoro, this is what the portal has for you" in words


def test_unread_notices_wait_at_home(world: World) -> None:
    told(world)
    told(world, 2)
    assert "**2 notices** that you have not read" in said(world.screen(world.lead))
    assert not tasks_for(world.portal, world.actor(world.researcher), world.portal.kernel.clock())


def test_a_lead_adds_a_webhook_for_its_own_institution_only(world: World) -> None:
    app = world.screen(world.lead, "notices")
    assert app.selectbox(key="webhook.register.institution").options == ["Northfield University"]
    app.text_input(key="webhook.register.url").set_value(URL)
    app.multiselect(key="webhook.register.kinds").set_value(["duty"])
    click(app, "webhook.register.submit")
    (view,) = world.portal.webhooks.list(world.actor(world.lead))
    assert (view.webhook.url, view.webhook.kinds) == (URL, frozenset({"duty"}))
    assert view.public_key in [code.value for code in app.code]
    assert URL not in said(world.screen(world.rival, "notices"))


@pytest.mark.parametrize("url", ["http://hooks.example.org/x", "https://127.0.0.1/x", "ftp://x", ""])
def test_an_address_inside_or_without_tls_is_refused(world: World, url: str) -> None:
    app = world.screen(world.lead, "notices")
    app.text_input(key="webhook.register.url").set_value(url)
    click(app, "webhook.register.submit")
    assert "webhook_address_refused" in said(app)
    assert world.portal.webhooks.list(world.actor(world.lead)) == ()


@pytest.mark.parametrize("role", ["member", "researcher", "observer"])
def test_who_binds_no_institution_sees_no_webhooks(world: World, role: str) -> None:
    webhook(world)
    app = world.screen(getattr(world, role), "notices")
    assert URL not in said(app)
    assert "Webhooks" not in said(app)


def test_a_test_delivery_tells_what_came_of_it(world: World, answers: Callable[[Outcome], list[Message]]) -> None:
    made = webhook(world)
    sent = answers(Outcome(status_code=204))
    app = world.screen(world.lead, "notices")
    click(app, f"webhook.test:{made.webhook.id}.act")
    assert len(sent) == 1
    assert "it arrived, answered 204" in said(app)
    click(app, f"webhook.test:{made.webhook.id}.act")
    assert "tested_just_now" in said(app)
    assert len(sent) == 1


def test_a_test_delivery_that_fails_says_why(world: World, answers: Callable[[Outcome], list[Message]]) -> None:
    made = webhook(world)
    answers(Outcome(reason="The name of the host does not resolve."))
    app = world.screen(world.lead, "notices")
    click(app, f"webhook.test:{made.webhook.id}.act")
    assert "does not resolve" in said(app)


def test_the_last_deliveries_are_listed_with_what_came_of_them(
    world: World, answers: Callable[[Outcome], list[Message]]
) -> None:
    made = webhook(world)
    told(world)
    answers(Outcome(status_code=500, reason="The endpoint answered 500."))
    world.portal.outbox.deliver_due()
    (one,) = world.portal.webhooks.deliveries(world.actor(world.lead), made.webhook.id)
    assert (one.kind, one.delivery.status_code, one.delivery.attempt) == ("duty.due_soon", 500, 1)
    app = world.screen(world.lead, "notices")
    assert "answered 500" in said(app)
    shown = app.table[0].value
    assert list(shown["What came of it"]) == ["failed, will be tried again"]
    let_pass(world, 1)
    answers(Outcome(status_code=200))
    world.portal.outbox.deliver_due()
    assert "1 delivery arrived" in said(world.screen(world.lead, "notices"))


def test_deliveries_of_others_are_not_there(world: World) -> None:
    made = webhook(world)
    for who, which in ((world.rival, made.webhook.id), (world.lead, "whk_none")):
        with pytest.raises(NotFound, match="There is no webhook"):
            world.portal.webhooks.deliveries(world.actor(who), which)


def test_a_webhook_is_paused_resumed_and_removed_with_reasons(world: World) -> None:
    made = webhook(world)
    name = made.webhook.id

    def status() -> WebhookStatus:
        return world.portal.webhooks.get(world.actor(world.lead), name).webhook.status

    app = world.screen(world.lead, "notices")
    click(app, f"webhook.pause:{name}.open")
    click(app, f"webhook.pause:{name}.confirm")
    assert "bad_input" in said(app)
    app.text_area(key=f"webhook.pause:{name}.reason").set_value("We move house.")
    click(app, f"webhook.pause:{name}.confirm")
    assert status() is WebhookStatus.PAUSED
    assert "We move house" in said(app)
    click(app, f"webhook.resume:{name}.act")
    assert status() is WebhookStatus.ACTIVE
    click(app, f"webhook.remove:{name}.open")
    assert "ever sent" in said(app)
    app.text_area(key=f"webhook.remove:{name}.reason").set_value("The service is gone.")
    click(app, f"webhook.remove:{name}.confirm")
    assert status() is WebhookStatus.REMOVED
    assert "The service is gone" in said(app)


def test_the_code_shown_verifies_a_delivery_and_refuses_a_changed_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = webhook(world)
    now, key = world.portal.kernel.clock(), world.portal.keyring.own("webhook")
    message = trial_message(made.webhook.id, "northfield", now)
    headers = message.headers(key, now)
    shown = next(code.value for code in world.screen(world.lead, "notices").code if "Ed25519PublicKey" in code.value)
    assert shown.strip() == snippet(made.public_key, [made.webhook.id]).strip()
    monkeypatch.setattr("time.time", now.timestamp)
    names: dict[str, Any] = {}
    exec(shown, names)  # noqa: S102 - what people are told to run is run
    assert names["read"](headers, message.payload) == json.loads(message.payload)
    with pytest.raises(InvalidSignature):
        names["read"](headers, message.payload + b" ")
    names["MINE"] = ["whk_other"]
    with pytest.raises(ValueError, match="another endpoint"):
        names["read"](headers, message.payload)
    assert PublicKey.from_raw(b64decode(made.public_key.removeprefix("whpk_"))).raw == key.public.raw


def test_what_the_clockwork_raises_is_read_on_the_screen(world: World) -> None:
    in_force(world)
    let_pass(world, 32)
    world.portal.clockwork.tick()
    words = said(world.screen(world.lead, "notices")).replace("\\", "")
    assert "Overdue: Feedback" in words
