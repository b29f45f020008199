"""Notices: raised once, by rules; seen by whom they are for, and by nobody else."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.actors import LAB, Actor, Channel, Membership, Role
from agreements.errors import ConcordatError, Forbidden, NotFound
from portal.notices.decider import (
    NOTICE,
    MarkRead,
    NoticeCommand,
    NoticeRaised,
    RaiseNotice,
    RecordDelivery,
    RecordFailure,
)
from portal.notices.model import BODY_LENGTH, SUBJECT_LENGTH, DeliveryChannel, DeliveryStatus, NoticeState, reader_keys
from portal.notices.projection import project
from tests.portal.notices.outside import RULE, notice
from tests.portal.services.world import CAST, START, World

EVERYONE = ("ada", *CAST)


def seen_by(world: World) -> set[str]:
    return {name for name in EVERYONE if world.portal.notices.inbox(world.actor(name))}


@pytest.mark.parametrize(
    ("institution", "audience", "readers"),
    [
        ("north", {"partner_lead"}, {"ben"}),
        ("north", {"partner_lead", "partner_member"}, {"ben", "cleo"}),
        ("south", {"researcher"}, {"eve"}),
        ("lab", {"researcher"}, {"rae"}),
        ("north", {"coordinator"}, {"ada"}),
        ("lab", {"coordinator", "observer"}, {"ada", "olga"}),
    ],
)
def test_a_role_is_that_role_at_that_institution(
    world: World, institution: str, audience: set[str], readers: set[str]
) -> None:
    world.portal.notices.raise_(notice("k-1", *audience, institution_id=institution))
    assert seen_by(world) == readers


def test_a_person_is_addressed_by_id(world: World) -> None:
    world.portal.notices.raise_(notice("k-1", world.people["eve"].id))
    assert seen_by(world) == {"eve"}


def test_what_is_not_for_the_caller_is_as_if_it_were_not_there(world: World) -> None:
    notices, dan = world.portal.notices, world.actor("dan")
    notices.raise_(notice("k-1"))
    size = world.size
    for do in (notices.get, notices.mark_read):
        refusals = []
        for key in ("k-1", "k-2"):
            with pytest.raises(NotFound) as refused:
                do(dan, key)
            refusals.append((refused.value.code, refused.value.message.replace(key, "…"), refused.value.hint))
        assert refusals[0] == refusals[1]
    assert world.size == size


def test_the_same_notice_is_never_raised_twice(world: World) -> None:
    notices = world.portal.notices
    notices.raise_(notice("k-1", subject="First"))
    size = world.size
    notices.raise_(notice("k-1", subject="Second"))
    assert world.size == size
    assert [one.subject for one in notices.inbox(world.actor("ben"))] == ["First"]


def test_only_rules_raise(world: World) -> None:
    with pytest.raises(Forbidden) as refused:
        world.portal.notices.raise_(notice(), by=world.actor("ada"))
    assert refused.value.code == "rules_only"


def test_reading_is_each_readers_own_and_kept_once(world: World) -> None:
    notices, ben, cleo = world.portal.notices, world.actor("ben"), world.actor("cleo")
    notices.raise_(notice("a/1", "partner_lead", "partner_member"))
    world.clock.advance(hours=1)
    notices.raise_(notice("a/2", "partner_lead", "partner_member"))
    assert [one.notice_id for one in notices.inbox(ben)] == ["a/2", "a/1"]
    read = notices.mark_read(ben, "a/1")
    size = world.size
    assert read.read_at == world.clock.now
    assert notices.mark_read(ben, "a/1") == read
    assert world.size == size
    assert [one.notice_id for one in notices.inbox(ben, unread_only=True)] == ["a/2"]
    assert (notices.unread(ben), notices.unread(cleo)) == (1, 2)


def test_a_notice_and_its_rows_survive_reopening_and_verification(world: World) -> None:
    world.portal.notices.raise_(notice("a/1"))
    world.portal.notices.mark_read(world.actor("ben"), "a/1")
    world.reopen(crash=True)
    assert [one.read_at for one in world.portal.notices.inbox(world.actor("ben"))] == [START]
    assert world.portal.log.verify(world.actor("ada")).ok


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "duty"},
        {"kind": "Duty.due"},
        {"link": "https://elsewhere.example"},
        {"link": "//elsewhere.example"},
        {"link": "/a b"},
        {"at": START.replace(tzinfo=None)},
        {"subject": "\x00"},
    ],
)
def test_what_is_no_notice(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        notice("k-1", **fields)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("audience", ["everyone", "ben", "auto:digest"])
def test_an_audience_is_roles_and_people(audience: str) -> None:
    with pytest.raises(ValidationError):
        notice("k-1", audience)


@given(st.text())
def test_any_title_makes_a_subject_that_fits_a_line(text: str) -> None:
    made = notice("k-1", subject=f"Due: {text}", body=text)
    assert 1 <= len(made.subject) <= SUBJECT_LENGTH
    assert len(made.body) <= BODY_LENGTH
    assert made.subject.isprintable() or not any(ord(char) < 32 for char in made.subject)
    made.model_dump_json().encode()


keys = st.sampled_from(["partner_lead", "partner_member", "researcher", "observer", "coordinator", "per_a", "per_b"])
people = st.builds(
    lambda name, roles: Actor(
        person_id=name,
        name=name,
        channel=Channel.SCREEN,
        memberships=tuple(Membership(institution_id=where, role=role) for where, role in roles),
    ),
    st.sampled_from(["per_a", "per_b", "per_c"]),
    st.lists(st.tuples(st.sampled_from([LAB, "north", "south"]), st.sampled_from(list(Role))), max_size=3, unique=True),
)


@given(st.frozensets(keys, min_size=1), st.sampled_from([LAB, "north", "south"]), people)
def test_who_is_addressed_is_what_the_rows_say(audience: frozenset[str], institution: str, actor: Actor) -> None:
    told = notice("k-1", *audience, institution_id=institution)
    meant = actor.person_id in audience or any(
        actor.has(Role(entry), LAB if entry == "coordinator" else institution)
        for entry in audience
        if not entry.startswith("per_")
    )
    mine = reader_keys(actor.person_id, actor.memberships)
    assert told.is_for(mine) == meant
    rows = project("k-1", 1, NoticeState(notice=told, raised_at=START))
    assert any(row.values.get("reader") in mine for row in rows) == meant


targets = st.sampled_from(["whk_a", "whk_b"])
commands: st.SearchStrategy[NoticeCommand] = st.one_of(
    st.just(RaiseNotice(notice=notice("k-1"))),
    st.builds(RecordDelivery, channel=st.just(DeliveryChannel.WEBHOOK), target_id=targets),
    st.builds(
        RecordFailure,
        channel=st.just(DeliveryChannel.WEBHOOK),
        target_id=targets,
        reason=st.just("down"),
        next_at=st.sampled_from([None, START + timedelta(hours=1)]),
    ),
    st.just(MarkRead(notice_id="k-1")),
)


@given(st.lists(commands, max_size=20))
def test_delivered_is_final_and_attempts_count_up(given_commands: list[NoticeCommand]) -> None:
    state = NOTICE.initial
    raised = False
    done: set[str] = set()
    for command in given_commands:
        before = state
        try:
            events = NOTICE.decide(state, command, RULE, START)
        except ConcordatError as refusal:
            assert isinstance(command, MarkRead) or not raised, refusal
            continue
        raised = True
        state = NOTICE.fold(events, state)
        assert NoticeState.model_validate_json(state.model_dump_json()) == state
        for event in events:
            assert type(event).parse(event.type_name, event.body()) == event
        for delivery in state.deliveries:
            last = before.delivery(delivery.channel, delivery.target_id)
            if last is not None and last != delivery and last.status is DeliveryStatus.WAITING:
                assert delivery.attempt == last.attempt + 1
        assert done <= {d.target_id for d in state.deliveries if d.status is DeliveryStatus.DELIVERED}
        done = {d.target_id for d in state.deliveries if d.status is DeliveryStatus.DELIVERED}
    assert state.read_by == ()  # a rule is nobody's reader


def test_an_audience_is_written_in_order() -> None:
    body = NoticeRaised(notice=notice("k-1", "researcher", "observer", "partner_lead"), at=START).body()
    assert body["notice"]["audience"] == ["observer", "partner_lead", "researcher"]
