"""Webhooks end to end on loopback: signed, tried again on schedule, paused and removed, and told to nobody else."""

import base64
import json
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Conflict, Forbidden, Invalid, Limited, NotFound
from portal.notices.retrying import ATTEMPTS, DELAYS, LONGEST, next_attempt_at
from portal.services.outbox import OUTBOX, PER_INSTITUTION, OutboxReport
from portal.services.webhooks import MOST_PER_INSTITUTION, WebhookView
from portal.webhooks.decider import ResumeWebhook, WebhookStatus
from portal.webhooks.posting import Outcome
from portal.webhooks.projection import WEBHOOKS
from tests.portal.notices.outside import Arrived, Endpoint, notice, reopened
from tests.portal.services.world import START, World

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "webhooks.md"


@pytest.fixture
def calling(world: World) -> World:
    """A portal that may call this machine."""
    return reopened(world, webhook_allow_loopback=True)


def registered(world: World, endpoint: Endpoint, by: str = "ben", at: str = "north", **more: Any) -> WebhookView:
    return world.portal.webhooks.register(world.actor(by), institution_id=at, url=endpoint.url, **more)


def seen(world: World, webhook_id: str) -> WebhookView:
    return world.portal.webhooks.get(world.actor("ada"), webhook_id)


def deliver(world: World) -> tuple[int, int]:
    report = world.portal.outbox.deliver_due()
    return report.delivered, report.failed


def told(endpoint: Endpoint) -> list[str]:
    return [json.loads(one.body)["data"]["notice_id"] for one in endpoint.arrived]


def verified(arrived: Arrived, public_key: str) -> None:
    """Check as a stranger would, with nothing of the portal's: Ed25519 over ``id.timestamp.payload``."""
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key.removeprefix("whpk_"), validate=True))
    version, signature = arrived.headers["webhook-signature"].split(",")
    assert version == "v1a"
    assert "." not in arrived.headers["webhook-id"] + arrived.headers["webhook-timestamp"]
    signed = f"{arrived.headers['webhook-id']}.{arrived.headers['webhook-timestamp']}.".encode() + arrived.body
    key.verify(base64.b64decode(signature, validate=True), signed)


def test_a_notice_arrives_signed(calling: World, endpoint: Endpoint) -> None:
    webhook = registered(calling, endpoint)
    calling.portal.notices.raise_(notice("duty:agr_1:feedback/1:remind"))
    assert deliver(calling) == (1, 0)
    assert deliver(calling) == (0, 0)
    [arrived] = endpoint.arrived
    assert arrived.path == "/hook?from=concordat"
    assert arrived.headers["content-type"] == "application/json"
    assert arrived.headers["webhook-timestamp"] == str(int(START.timestamp()))
    assert arrived.headers["webhook-id"].startswith("msg_")
    assert json.loads(arrived.body) == {
        "type": "duty.due_soon",
        "timestamp": "2026-11-23T09:00:00+00:00",
        "data": {
            "webhook_id": webhook.webhook.id,
            "notice_id": "duty:agr_1:feedback/1:remind",
            "institution_id": "north",
            "subject": "Feedback is due",
            "body": "By 1 March.\nOtherwise the grant is narrowed.",
            "link": f"{calling.settings.url}/duties",
        },
    }
    assert webhook.public_key == calling.portal.webhooks.public_key
    verified(arrived, webhook.public_key)
    for changed in (
        Arrived(arrived.path, arrived.headers, arrived.body + b" "),
        Arrived(arrived.path, {**arrived.headers, "webhook-id": "msg_2"}, arrived.body),
        Arrived(arrived.path, {**arrived.headers, "webhook-timestamp": "1"}, arrived.body),
    ):
        with pytest.raises(InvalidSignature):
            verified(changed, webhook.public_key)
    shown = seen(calling, webhook.webhook.id)
    assert (shown.delivered, shown.waiting, shown.last_problem) == (1, 0, "")


def test_the_code_of_the_guide_verifies(calling: World, endpoint: Endpoint) -> None:
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(code, scope)  # noqa: S102 - the guide's own code is what is tested
    calling.clock.now = datetime.now(UTC)
    webhook = registered(calling, endpoint)
    calling.portal.notices.raise_(notice("a"))
    deliver(calling)
    [arrived] = endpoint.arrived
    key, own = webhook.public_key, webhook.webhook.id
    assert scope["verify"](key, own, arrived.headers, arrived.body)["data"]["notice_id"] == "a"
    with pytest.raises(InvalidSignature):
        scope["verify"](key, own, arrived.headers, arrived.body.replace(b"due", b"duo"))
    with pytest.raises(ValueError, match="another endpoint"):
        scope["verify"](key, "whk_other", arrived.headers, arrived.body)
    late = {**arrived.headers, "webhook-timestamp": str(int(arrived.headers["webhook-timestamp"]) - 600)}
    with pytest.raises(ValueError, match="too old"):
        scope["verify"](key, own, late, arrived.body)
    with pytest.raises(ValueError, match="Ed25519"):
        scope["verify"](key, own, {**arrived.headers, "webhook-signature": "v1,AAAA"}, arrived.body)


def test_an_institution_hears_what_is_for_its_roles_and_the_lab_hears_all(calling: World, endpoint: Endpoint) -> None:
    registered(calling, endpoint)
    with Endpoint() as lab:
        registered(calling, lab, by="ada", at="lab")
        raise_ = calling.portal.notices.raise_
        raise_(notice("north-lead"))
        raise_(notice("south-lead", institution_id="south"))
        raise_(notice("north-but-for-coordinators", "coordinator"))
        raise_(notice("for-one-person", calling.people["ben"].id))
        deliver(calling)
    assert told(endpoint) == ["north-lead"]
    assert sorted(told(lab)) == ["north-but-for-coordinators", "north-lead", "south-lead"]


def test_kinds_stand_for_themselves_and_what_begins_with_them(calling: World, endpoint: Endpoint) -> None:
    registered(calling, endpoint, kinds=["duty", "agreement.suspended"])
    for key, kind in (
        ("1", "duty.overdue"),
        ("2", "duty.overdue.twice"),
        ("3", "agreement.suspended"),
        ("4", "agreement.offered"),
        ("5", "duty_free.shop"),
    ):
        calling.portal.notices.raise_(notice(key, kind=kind))
    deliver(calling)
    assert sorted(told(endpoint)) == ["1", "2", "3"]


def test_nothing_from_before_the_registration_is_sent(calling: World, endpoint: Endpoint) -> None:
    calling.portal.notices.raise_(notice("before"))
    calling.clock.advance(minutes=1)
    registered(calling, endpoint)
    assert deliver(calling) == (0, 0)


def test_a_failure_is_tried_again_on_schedule_under_the_same_id(calling: World, endpoint: Endpoint) -> None:
    webhook = registered(calling, endpoint)
    calling.portal.notices.raise_(notice("a"))
    endpoint.fail(3)
    waits = []
    for _ in range(3):
        assert deliver(calling) == (0, 1)
        assert deliver(calling) == (0, 0)
        [delivery] = calling.portal.notices.state("a").deliveries
        assert delivery.next_at is not None
        waits.append(delivery.next_at - calling.clock.now)
        calling.clock.now = delivery.next_at
    assert seen(calling, webhook.webhook.id).last_problem == "The endpoint answered with status 500."
    assert deliver(calling) == (1, 0)
    assert len({one.headers["webhook-id"] for one in endpoint.arrived}) == 1
    assert len({one.body for one in endpoint.arrived}) == 1
    for one in endpoint.arrived:
        verified(one, webhook.public_key)
    for waited, planned in zip(waits, DELAYS, strict=False):
        assert planned <= waited <= planned * 1.1
    types = [entry.event.type_name for entry in calling.portal.store.events("notice/a")]
    assert types == ["notice:raised", *["notice:failed"] * 3, "notice:delivered"]


def exhaust(world: World, key: str) -> int:
    """Let time pass until the notice is settled; returns how many attempts there were."""
    attempts = 0
    for _ in range(50):
        delivered, failed = deliver(world)
        attempts += delivered + failed
        latest = world.portal.notices.state(key).deliveries
        if latest and latest[0].next_at is None:
            break
        world.clock.now = latest[0].next_at  # type: ignore[assignment]  # just seen to be a time
    return attempts


def test_after_the_last_attempt_it_pauses_says_why_and_resuming_sends_what_was_missed(
    calling: World, endpoint: Endpoint
) -> None:
    webhook_id = registered(calling, endpoint).webhook.id
    calling.portal.notices.raise_(notice("a"))
    endpoint.fail(ATTEMPTS, status=503)
    assert exhaust(calling, "a") == ATTEMPTS
    assert timedelta(days=3) < calling.clock.now - START < timedelta(days=4)
    shown = seen(calling, webhook_id)
    assert (shown.webhook.status, shown.given_up) == (WebhookStatus.PAUSED, 1)
    assert shown.webhook.reason == "Given up after 10 attempts: The endpoint answered with status 503."
    [first, *_] = calling.portal.notices.inbox(calling.actor("ben"))
    assert first.kind == "webhook.paused"
    assert shown.webhook.reason in first.body
    calling.clock.advance(days=2)
    calling.portal.notices.raise_(notice("b"))
    assert deliver(calling) == (0, 0)
    assert calling.portal.webhooks.resume(calling.actor("ben"), webhook_id).waiting == 3
    assert deliver(calling) == (3, 0)
    assert told(endpoint)[-3:] == ["a", first.notice_id, "b"]
    assert (seen(calling, webhook_id).given_up, seen(calling, webhook_id).waiting) == (0, 0)


def test_gone_removes_it(calling: World, endpoint: Endpoint) -> None:
    webhook_id = registered(calling, endpoint).webhook.id
    calling.portal.notices.raise_(notice("a"))
    calling.clock.advance(minutes=1)
    endpoint.fail(1, status=410)
    report = calling.portal.outbox.deliver_due()
    assert report == OutboxReport(failed=1, stopped=(webhook_id,))
    shown = seen(calling, webhook_id)
    assert (shown.webhook.status, shown.waiting) == (WebhookStatus.REMOVED, 0)
    assert "410" in shown.webhook.reason
    assert calling.portal.notices.inbox(calling.actor("ben"))[0].kind == "webhook.removed"
    with pytest.raises(Conflict) as refused:
        calling.portal.webhooks.resume(calling.actor("ben"), webhook_id)
    assert refused.value.code == "webhook_removed"


def test_what_is_down_is_asked_once_a_pass_and_keeps_nobody_waiting(calling: World, endpoint: Endpoint) -> None:
    registered(calling, endpoint)
    with Endpoint() as lab:
        registered(calling, lab, by="ada", at="lab")
        for key in "abc":
            calling.portal.notices.raise_(notice(key))
        endpoint.fail(1)
        assert deliver(calling) == (3, 1)
    assert (len(endpoint.arrived), told(lab)) == (1, ["a", "b", "c"])


@dataclass
class Outside:
    """In place of the network: whom it was sent to and when, by the signed time and by the clock."""

    world: World
    seconds: dict[str, float] = field(default_factory=dict)
    """How long an endpoint takes, by its address."""
    meanwhile: Callable[[], None] = lambda: None
    sent: list[tuple[str, str, float]] = field(default_factory=list)

    def post(self, url: str, payload: bytes, headers: dict[str, str]) -> Outcome:
        late = self.world.clock().timestamp() - int(headers["webhook-timestamp"])
        self.sent.append((url.rpartition("/")[2], json.loads(payload)["data"]["notice_id"], late))
        self.world.clock.advance(seconds=self.seconds.get(self.sent[-1][0], 0))
        self.meanwhile()
        return Outcome(status_code=204)

    def to(self, name: str) -> list[str]:
        return [notice_id for sent_to, notice_id, _ in self.sent if sent_to == name]


def outside(
    world: World, *north: str, south: Sequence[str] = ("quick",), number: int = 40, seconds: float = 0
) -> Outside:
    """Endpoints of North, which take so long, and of South, and a number of notices to both."""
    network = Outside(world, seconds=dict.fromkeys(north, seconds))
    world.portal.webhooks._poster = network  # type: ignore[assignment]  # as far as it is used
    for by, at, names in (("ben", "north", north), ("dan", "south", south)):
        for name in names:
            world.portal.webhooks.register(world.actor(by), institution_id=at, url=f"https://hooks.example.org/{name}")
            world.clock.advance(seconds=1)
    for place in range(number):
        world.portal.notices.raise_(notice(f"n{place:03}"))
        world.portal.notices.raise_(notice(f"s{place:03}", institution_id="south"))
    return network


def test_who_answers_slowly_uses_up_the_time_of_their_own_institution(world: World) -> None:
    network = outside(world, "slow", "slower", seconds=9.5)
    began = world.clock()
    assert deliver(world) == (44, 0)
    assert [name for name, _, _ in network.sent[:6]] == ["slow", "quick", "slower", "quick", "slow", "quick"]
    assert network.to("quick") == [f"s{place:03}" for place in range(40)]
    assert world.clock() - began < PER_INSTITUTION + timedelta(seconds=10)
    assert {late for _, _, late in network.sent} <= {0.0, 0.5}, "each is signed at the moment of sending"


def test_in_the_next_pass_those_go_first_that_have_waited_longest(world: World) -> None:
    names = [f"slow{place}" for place in range(7)]
    network = outside(world, *names, number=1, seconds=10)
    passes = [deliver(world)[0] for _ in range(4)]
    assert passes == [4, 3, 1, 0]
    assert sorted(name for name, _, _ in network.sent) == ["quick", *names]


def test_a_pass_ends_with_the_attempt_under_way_and_the_next_goes_on(world: World) -> None:
    network, stop = outside(world, "one"), threading.Event()
    network.meanwhile = stop.set
    assert world.portal.outbox.deliver_due(stop).delivered == 1
    network.meanwhile = lambda: None
    assert deliver(world) == (79, 0)
    assert len(set(network.sent)) == len(network.sent) == 80


def test_closing_waits_for_the_attempt_under_way_and_nothing_is_sent_after(world: World) -> None:
    network, under_way, closing = outside(world, "one"), threading.Event(), threading.Event()

    def hang() -> None:
        under_way.set()
        assert closing.wait(30)

    network.meanwhile = hang
    reports: list[OutboxReport] = []
    passing = threading.Thread(target=lambda: reports.append(world.portal.outbox.deliver_due()))
    passing.start()
    assert under_way.wait(30)
    ending = threading.Thread(target=world.portal.outbox.close)
    ending.start()
    assert world.portal.outbox._closed.wait(30)
    closing.set()
    ending.join()
    passing.join()
    assert [report.delivered for report in reports] == [1]
    assert deliver(world) == (0, 0)


def test_what_nobody_foresaw_at_one_endpoint_keeps_nobody_waiting(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    network = outside(world, "odd", number=2)

    def fail() -> None:
        if network.sent[-1][0] == "odd":
            raise ZeroDivisionError

    network.meanwhile = fail
    with caplog.at_level(logging.ERROR):
        assert deliver(world) == (2, 1)
    assert "ZeroDivisionError" in caplog.text
    network.meanwhile = lambda: None
    assert deliver(world) == (2, 0)
    assert network.to("odd") == ["n000", "n000", "n001"]


def test_an_endpoint_paused_during_a_pass_is_sent_nothing_more(world: World) -> None:
    network = outside(world, "one", south=())
    [view] = world.portal.webhooks.list(world.actor("ben"))

    def pause() -> None:
        world.portal.webhooks.pause(world.actor("ben"), view.webhook.id, reason="we move house")

    network.meanwhile = pause
    assert deliver(world) == (1, 0)
    assert len(network.sent) == 1


def test_retry_after_is_heeded(calling: World, endpoint: Endpoint) -> None:
    registered(calling, endpoint)
    calling.portal.notices.raise_(notice("a"))
    endpoint.fail(1, status=429, retry_after="3600")
    deliver(calling)
    [delivery] = calling.portal.notices.state("a").deliveries
    assert delivery.next_at == START + timedelta(hours=1)


@given(st.integers(1, 12), st.text(max_size=9), st.timedeltas(timedelta(0), timedelta(days=11)))
def test_the_schedule_ends_and_never_hurries(attempt: int, seed: str, asked: timedelta) -> None:
    following = next_attempt_at(attempt, START, spread_by=seed, not_before=asked)
    assert following == next_attempt_at(attempt, START, spread_by=seed, not_before=asked)
    if attempt >= ATTEMPTS:
        assert following is None
        return
    assert following is not None
    assert DELAYS[attempt - 1] <= following - START <= LONGEST * 1.1
    assert following - START >= min(asked, LONGEST)


def test_two_passes_at_once_send_once(calling: World, endpoint: Endpoint) -> None:
    registered(calling, endpoint)
    calling.portal.notices.raise_(notice("a"))
    start, reports = threading.Barrier(4), []

    def one_pass() -> None:
        start.wait()
        reports.append(deliver(calling))

    threads = [threading.Thread(target=one_pass) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(delivered for delivered, _ in reports) == 1
    assert len(endpoint.arrived) == 1


def test_a_crash_between_sending_and_recording_sends_again_under_the_same_id(
    calling: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(calling, endpoint)
    calling.portal.notices.raise_(notice("a"))

    class PowerCut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patched:
        patched.setattr("portal.services.kernel.Kernel.execute", cut)
        with pytest.raises(PowerCut):
            deliver(calling)
    calling.reopen(crash=True)
    assert deliver(calling) == (1, 0)
    first, second = endpoint.arrived
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


def test_who_may_register(calling: World, endpoint: Endpoint) -> None:
    size = calling.size
    for by, at in (("ben", "south"), ("cleo", "north"), ("ada", "north"), ("ben", "lab"), ("rae", "lab"), ("ben", "x")):
        with pytest.raises(Forbidden) as refused:
            registered(calling, endpoint, by=by, at=at)
        assert refused.value.code == "not_lead"
    assert calling.size == size


def test_addresses_are_refused_before_anything_is_kept(world: World) -> None:
    size = world.size
    for url in ("http://127.0.0.1:1/", "https://10.0.0.1/", "nonsense"):
        with pytest.raises(Invalid) as refused:
            world.portal.webhooks.register(world.actor("ben"), institution_id="north", url=url)
        assert refused.value.code == "webhook_address_refused"
    with pytest.raises(Invalid) as refused:
        world.portal.webhooks.register(
            world.actor("ben"), institution_id="north", url="https://x.example/", kinds=["Duty!"]
        )
    assert refused.value.code == "bad_input"
    assert world.size == size


@pytest.mark.parametrize(
    ("setting", "opened"),
    [
        ("webhook_allow_private", {"https://10.0.0.1/"}),
        ("webhook_allow_loopback", {"http://127.0.0.1:1/", "https://[::1]/"}),
    ],
)
def test_private_networks_and_this_machine_are_opened_apart(world: World, setting: str, opened: set[str]) -> None:
    webhooks, ben = reopened(world, **{setting: True}).portal.webhooks, world.actor("ben")
    for url in ("https://10.0.0.1/", "http://127.0.0.1:1/", "https://[::1]/", "https://[fd00:ec2::254]/"):
        if url in opened:
            assert webhooks.register(ben, institution_id="north", url=url).webhook.url == url
            continue
        with pytest.raises(Invalid) as refused:
            webhooks.register(ben, institution_id="north", url=url)
        assert refused.value.code == "webhook_address_refused"


def test_others_webhooks_are_as_if_they_were_not_there(calling: World, endpoint: Endpoint) -> None:
    webhooks = calling.portal.webhooks
    webhook_id = registered(calling, endpoint).webhook.id
    for name in ("dan", "cleo", "rae"):
        actor = calling.actor(name)
        assert webhooks.list(actor) == ()
        for do in (
            webhooks.get,
            webhooks.resume,
            webhooks.test,
            lambda who, which: webhooks.pause(who, which, reason="because"),
            lambda who, which: webhooks.remove(who, which, reason="because"),
        ):
            words = []
            for key in (webhook_id, "whk_nowhere"):
                with pytest.raises(NotFound) as refused:
                    do(actor, key)
                words.append(str(refused.value).replace(key, "…"))
            assert words[0] == words[1]
    assert [view.webhook.id for view in webhooks.list(calling.actor("ada"))] == [webhook_id]
    assert endpoint.arrived == []


def test_a_paused_one_waits_and_goes_on(calling: World, endpoint: Endpoint) -> None:
    webhooks, ben = calling.portal.webhooks, calling.actor("ben")
    webhook_id = registered(calling, endpoint).webhook.id
    assert webhooks.pause(ben, webhook_id, reason="we move house").webhook.reason == "we move house"
    size = calling.size
    webhooks.pause(ben, webhook_id, reason="again")
    assert calling.size == size
    calling.portal.notices.raise_(notice("a"))
    assert deliver(calling) == (0, 0)
    assert webhooks.resume(ben, webhook_id).waiting == 1
    assert deliver(calling) == (1, 0)
    webhooks.remove(ben, webhook_id, reason="no more")
    calling.portal.notices.raise_(notice("b"))
    assert deliver(calling) == (0, 0)


def test_a_rule_only_pauses_and_removes(calling: World, endpoint: Endpoint) -> None:
    webhook_id = registered(calling, endpoint).webhook.id
    with pytest.raises(Forbidden) as refused:
        calling.portal.kernel.execute(WEBHOOKS, webhook_id, ResumeWebhook(), OUTBOX)
    assert refused.value.code == "people_only"


def test_a_test_delivery_says_what_came_of_it(calling: World, endpoint: Endpoint) -> None:
    webhooks, ben = calling.portal.webhooks, calling.actor("ben")
    webhook = registered(calling, endpoint)
    tried = webhooks.test(ben, webhook.webhook.id).webhook.tested
    assert tried is not None
    assert (tried.status_code, tried.reason) == (204, "")
    verified(endpoint.arrived[0], webhook.public_key)
    assert json.loads(endpoint.arrived[0].body)["type"] == "webhook.test"
    with pytest.raises(Limited) as refused:
        webhooks.test(ben, webhook.webhook.id)
    assert refused.value.code == "tested_just_now"
    assert len(endpoint.arrived) == 1
    calling.clock.advance(seconds=10)
    endpoint.fail(1, status=404)
    tried = webhooks.test(ben, webhook.webhook.id).webhook.tested
    assert tried is not None
    assert (tried.status_code, tried.reason) == (404, "The endpoint answered with status 404.")
    webhooks.remove(ben, webhook.webhook.id, reason="no more")
    calling.clock.advance(seconds=10)
    with pytest.raises(Conflict):
        webhooks.test(ben, webhook.webhook.id)
    assert len(endpoint.arrived) == 2


def test_registering_twice_under_one_idempotency_key_makes_one(calling: World, endpoint: Endpoint) -> None:
    first = registered(calling, endpoint, idempotency_key="a-key-of-mine")
    again = registered(calling, endpoint, idempotency_key="a-key-of-mine")
    assert first.webhook.id == again.webhook.id
    assert len(calling.portal.webhooks.list(calling.actor("ben"))) == 1


def test_an_institution_has_so_many_and_no_more(calling: World, endpoint: Endpoint) -> None:
    made = [registered(calling, endpoint).webhook.id for _ in range(MOST_PER_INSTITUTION - 1)]
    made.append(registered(calling, endpoint, idempotency_key="a-key-of-mine").webhook.id)
    assert registered(calling, endpoint, idempotency_key="a-key-of-mine").webhook.id == made[-1]
    for key in (None, "another-key"):
        with pytest.raises(Conflict) as refused:
            registered(calling, endpoint, idempotency_key=key)
        assert refused.value.code == "too_many_webhooks"
    calling.portal.webhooks.remove(calling.actor("ben"), made[0], reason="no more")
    assert registered(calling, endpoint).webhook.id not in made


def test_what_is_recorded_holds_up(calling: World, endpoint: Endpoint) -> None:
    registered(calling, endpoint, kinds=["duty"])
    calling.portal.notices.raise_(notice("a"))
    endpoint.fail(1)
    deliver(calling)
    calling.reopen()
    assert calling.portal.log.verify(calling.actor("ada")).ok
    calling.clock.advance(seconds=10)
    assert deliver(calling) == (1, 0)
