"""What an adversarial reading of the services asked: schedules, crossing signatures, replays, hidden characters."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from agreements.access import Denied
from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus, Change
from agreements.agreement.room import MAX_DOCUMENT_BYTES
from agreements.duties import IncidentKind, ledger
from agreements.errors import ConcordatError, Conflict, Fixer, Invalid, TooLarge
from agreements.institutions import Constituency
from portal.services.agreement_facts import Act
from tests.portal.services.duty_world import MODEL, amended, granted, in_force, sign_by_both, terms
from tests.portal.services.world import World, ask

WORDS = "Said at sufficient length."
ANYBODY: dict[str, Any] = {"named_users": None, "vetting": None}
NO_HARBOUR: dict[str, Any] = {**ANYBODY, **dict.fromkeys(("safe_harbour", "late_duties", "signatories"))}


def schedule(world: World, **changes: Any) -> tuple[Agreement, Agreement]:
    """A framework with a safe harbour, and a schedule without one under it, both in force."""
    ada, service = world.actor("ada"), world.portal.agreements
    harbour = {
        "notice_hours": 72,
        "immediate_reasons": ["security_incident"],
        "appeal_days": 30,
        "decision_days": 14,
        "on_silence": "lifted",
    }
    common = terms(permitted_uses=None, usage_limits=None, feedback=None, vetting=None, named_users=None,
                   safe_harbour=harbour)  # fmt: skip
    framework = service.draft(ada, institution_id="north", template_id="framework", clauses=common)
    framework = sign_by_both(world, service.offer(ada, framework.id))
    drafted = service.draft(
        ada,
        institution_id="north",
        template_id="model-schedule",
        clauses=terms(**{**NO_HARBOUR, **changes}),
        framework_id=framework.id,
    )
    return framework, sign_by_both(world, service.offer(ada, drafted.id))


def test_a_schedule_is_suspended_by_its_frameworks_rules_and_appealed_by_its_clocks(world: World) -> None:
    _framework, agreement = schedule(world)
    service, now = world.portal.agreements, world.clock.now
    state = service.suspend(world.actor("ada"), agreement.id, reason="breach_of_terms", statement=WORDS)
    assert state.suspension is not None
    assert state.suspension.takes_effect_at == now + timedelta(hours=72)
    assert state.suspension.appeal_until == now + timedelta(days=30)
    assert state.status_on(now) is AgreementStatus.IN_FORCE
    state = service.appeal(world.actor("ben"), agreement.id, number=1, text=WORDS)
    appeal = state.suspensions[0].appeal
    assert appeal is not None
    assert appeal.decide_by == now + timedelta(days=14)
    world.clock.advance(days=14)
    ticked = world.portal.clockwork.tick()
    assert (ticked.appeals_lapsed, ticked.failed) == (1, ())
    assert service.get(world.actor("ben"), agreement.id).suspension is None


def answer(world: World, actor: Actor) -> str:
    """``open``, or the code with which a run is refused."""
    try:
        world.portal.runs.begin(actor, MODEL, ask(), purpose="misuse-analysis").result()
    except ConcordatError as refused:
        return refused.code
    return "open"


def test_a_suspension_of_the_lab_opens_nothing_that_the_institution_asked_to_close(world: World) -> None:
    agreement = in_force(world, **ANYBODY)
    world.checkpoint(MODEL)
    granted(world, agreement)
    ada, ben, cleo, service = *map(world.actor, ("ada", "ben", "cleo")), world.portal.agreements
    service.suspend(ben, agreement.id, reason="requested", statement="Our cluster was broken into.")
    world.clock.advance(hours=1)
    service.suspend(ada, agreement.id, reason="breach_of_terms", statement="They told us too late.")
    for _ in range(4):
        assert answer(world, cleo) == "agreement_suspended"
        world.clock.advance(days=1)
    service.lift(ben, agreement.id, number=1, reason="All machines are set up anew.")
    assert answer(world, cleo) == "agreement_suspended"
    world.clock.advance(hours=1)
    service.lift(ada, agreement.id, number=2, reason="They explained it.")
    assert answer(world, cleo) == "open"
    world.portal.clockwork.tick()
    titles = [notice.subject for notice in world.portal.notices.inbox(ben) if "suspension_lifted" in notice.kind]
    assert sorted(title.split(":")[0] for title in titles) == ["Access open again", "Suspension lifted"]


def test_an_immediate_reason_of_the_framework_is_immediate_for_the_schedule(world: World) -> None:
    _framework, agreement = schedule(world)
    state = world.portal.agreements.suspend(
        world.actor("ada"), agreement.id, reason="security_incident", statement=WORDS
    )
    assert state.status_on(world.clock.now) is AgreementStatus.SUSPENDED


def test_the_ladder_too_gives_a_schedule_the_notice_of_its_framework(world: World) -> None:
    _framework, agreement = schedule(world)
    world.clock.advance(days=28 + 31)
    ticked = world.portal.clockwork.tick()
    assert (ticked.suspended, ticked.failed) == (1, ())
    suspension = world.portal.agreements.get(world.actor("ben"), agreement.id).suspension
    assert suspension is not None
    assert suspension.takes_effect_at == world.clock.now + timedelta(hours=72)


def test_amending_a_framework_ends_no_grant_of_its_schedules(world: World) -> None:
    framework, agreement = schedule(world)
    granted(world, agreement)
    ada, service = world.actor("ada"), world.portal.agreements
    service.propose(ada, framework.id, change=Change.AMENDMENT, title="New terms")
    service.offer(ada, framework.id)
    seen = world.portal.agreement_facts.consequences(ada, framework.id, Act.AMEND)
    assert ([fate.goes_on for fate in seen.grants], seen.tokens, seen.runs, seen.people) == ([True], 0, (), ())
    assert seen.schedules == (agreement.id,)
    ended = world.portal.agreement_facts.consequences(ada, framework.id, Act.TERMINATE)
    assert [fate.goes_on for fate in ended.grants] == [False]


def test_the_first_of_two_signatures_on_an_amendment_can_be_sent_twice(world: World) -> None:
    agreement = in_force(world, **ANYBODY)
    grant = granted(world, agreement)
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    service.propose(ada, agreement.id, change=Change.AMENDMENT, title="New terms")
    tabled = service.offer(ada, agreement.id).proposal
    assert tabled is not None
    asked: dict[str, Any] = {"document_digest": tabled.digest, "idempotency_key": "once"}
    for _ in range(2):
        signed = service.sign(ben, agreement.id, typed_name=ben.name, **asked)
        assert signed.proposal is not None
        assert len(signed.proposal.signatures) == 1
    asked = {**asked, "idempotency_key": "last"}
    size = 0
    for _ in range(2):
        assert service.sign(ada, agreement.id, typed_name=ada.name, **asked).title == "New terms"
        assert size in {0, world.size}
        size = world.size
    carried = world.portal.grants.get(ada, grant.id).grant
    assert carried.agreement_digest == tabled.digest


def test_whoever_looks_before_another_signs_cannot_bring_it_into_force_unchecked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lab's request reads the agreement, the institution signs, and only then is the lab's signature decided."""
    portal = world.portal
    # Without vetting it cannot come into force; the check is made for what looks like the last signature only.
    drafted = portal.agreements.draft(
        world.actor("ada"), institution_id="north", clauses=[*terms(named_users=None, vetting=None), VETTING]
    )
    offered = portal.agreements.offer(world.actor("ada"), drafted.id)
    ada, ben = world.actor("ada"), world.actor("ben")
    digest = offered.document_digest or ""
    keys = portal.institutions.active_keys

    def signed_in_between(institution_id: str) -> tuple[str, ...]:
        if institution_id == "lab":
            monkeypatch.setattr(portal.institutions, "active_keys", keys)
            portal.agreements.sign(ben, drafted.id, typed_name=ben.name, document_digest=digest)
        return keys(institution_id)

    monkeypatch.setattr(portal.institutions, "active_keys", signed_in_between)
    with pytest.raises(Conflict) as refused:
        portal.agreements.sign(ada, drafted.id, typed_name=ada.name, document_digest=digest)
    assert refused.value.code == "signed_meanwhile"
    with pytest.raises(Conflict) as missing:
        portal.agreements.sign(ada, drafted.id, typed_name=ada.name, document_digest=digest)
    assert missing.value.code == "prerequisites_missing"


VETTING = {
    "kind": "vetting",
    "clause_id": "vetting",
    "title": "Vetting",
    "text": "It is looked at.",
    "items": ["identity"],
    "grace_days": 0,
}


@pytest.mark.parametrize("mark", ["\u202e", "\x1b", "\x00"])
def test_what_is_said_about_an_agreement_hides_nothing(world: World, mark: str) -> None:
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    spoilt = f"Not{mark} for us at all."
    offered = world.agreement("north", until="offered")
    running = in_force(world, "south")
    dan = world.actor("dan")
    acts: list[Callable[[], object]] = [
        lambda: service.draft(ada, institution_id="north", title=spoilt),
        lambda: service.comment(ben, offered.id, text=spoilt),
        lambda: service.counter(ben, offered.id, title=spoilt, clauses=terms(feedback=None)),
        lambda: service.counter(ben, offered.id, clauses=terms(feedback=None), note=spoilt),
        lambda: service.decline(ben, offered.id, reason=spoilt),
        lambda: service.propose(dan, running.id, change=Change.AMENDMENT, title=spoilt),
        lambda: service.suspend(ada, running.id, reason="breach_of_terms", statement=spoilt),
        lambda: service.terminate(dan, running.id, reason=spoilt),
    ]
    size = world.size
    for act in acts:
        with pytest.raises(Invalid) as refused:
            act()
        assert refused.value.code == "bad_input"
        assert mark not in refused.value.message
    assert world.size == size


def test_a_title_is_one_line_and_a_reason_may_have_paragraphs(world: World) -> None:
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    with pytest.raises(Invalid):
        service.draft(ada, institution_id="north", title="Two\nlines")
    offered = world.agreement("north", until="offered")
    said = service.comment(ben, offered.id, text="First,\r\nsecond: re\u0301sume\u0301.").comments[0].text
    assert said == "First,\nsecond: r\u00e9sum\u00e9."


def test_no_token_is_given_out_for_a_grant_whose_framework_has_ended(world: World) -> None:
    ben, portal = world.actor("ben"), world.portal
    framework, under = schedule(world)
    granted_under = granted(world, under)
    assert portal.grants.get(ben, granted_under.id).active
    portal.agreements.terminate(ben, framework.id, reason="It is over.")
    assert not portal.grants.get(ben, granted_under.id).active
    with pytest.raises(Conflict) as over:
        portal.tokens.issue(ben, label="Late", grant_id=granted_under.id)
    assert over.value.code == "grant_not_active"


def test_an_agreement_too_long_for_the_log_is_refused_as_ours(world: World) -> None:
    long = [{"kind": "general", "clause_id": f"c{number}", "title": "t", "text": "é" * 8000} for number in range(80)]
    with pytest.raises(TooLarge) as refused:
        world.portal.agreements.draft(world.actor("ada"), institution_id="north", clauses=[*terms(), *long])
    assert refused.value.code == "event_too_large"


def test_what_can_be_drafted_can_be_offered_and_countered(world: World) -> None:
    """A draft is recorded once as data, an offer with its words as well: it must not be stuck between the two."""
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    long = [{"kind": "general", "clause_id": f"c{number}", "title": "t", "text": "x" * 8000} for number in range(20)]
    drafted = service.draft(ada, institution_id="north", clauses=[*terms(), *long])
    assert service.offer(ada, drafted.id).proposal is not None
    assert service.counter(ben, drafted.id, clauses=[*terms(), *long[:-1]]).proposal is not None


def test_the_longest_text_that_can_be_offered_can_be_signed(world: World) -> None:
    """A signature is recorded with the text in base64: what is put on the table has to leave room for that."""
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    named = {
        "kind": "named_users",
        "clause_id": "named-users",
        "title": "Named users",
        "text": "{users}" * 700,
        "users": [{"name": "\u6587" * 120, "email": "ben@people.example"}],
    }
    wide = [
        {"kind": "general", "clause_id": f"c{length}", "title": "t", "text": "\u6587" * length}
        for length in (8000, 5300)
    ]
    standard = [one for one in terms() if one["kind"] != "named_users"]
    drafted = service.draft(ada, institution_id="north", clauses=[*standard, named, *wide])
    tabled = service.offer(ada, drafted.id)
    assert 0.95 * MAX_DOCUMENT_BYTES < len(tabled.document_bytes()) <= MAX_DOCUMENT_BYTES
    for who in (ben, ada):
        signed = service.sign(who, tabled.id, typed_name=who.name, document_digest=tabled.document_digest or "")
    assert signed.in_force_on(world.clock())


def test_another_institution_learns_nothing_of_a_schedules_framework(world: World) -> None:
    framework, _agreement = schedule(world)
    world.portal.institutions.register(
        world.actor("ada"),
        institution_id="east",
        name="East",
        constituency=Constituency.ACADEMIA,
        contact_email="office@east.example",
    )
    service = world.portal.agreements
    with pytest.raises(Conflict) as refused:
        service.draft(
            world.actor("ada"), institution_id="east", template_id="model-schedule", framework_id=framework.id
        )
    assert refused.value.code == "no_such_framework"


def test_an_amended_framework_keeps_the_harbour_of_what_it_says_now(world: World) -> None:
    framework, agreement = schedule(world)
    harbour = {"notice_hours": 24, "immediate_reasons": ["key_compromise"], "appeal_days": 30, "decision_days": 14}
    common = {"permitted_uses": None, "usage_limits": None, "feedback": None, "vetting": None, "named_users": None}
    amended(world, framework, **common, safe_harbour=harbour)
    state = world.portal.agreements.suspend(world.actor("ada"), agreement.id, reason="breach_of_terms", statement=WORDS)
    assert state.suspension is not None
    assert state.suspension.takes_effect_at == world.clock.now + timedelta(hours=24)


def test_what_a_coordinator_suspended_by_hand_does_not_promise_to_open_by_itself(world: World) -> None:
    world.checkpoint("ladder-l")
    uses = {"checkpoints": ["ladder-l"], "operations": ["generate"], "purposes": ["misuse-analysis"], "uses": None}
    agreement = in_force(world, **ANYBODY, permitted_uses=uses)
    granted(world, agreement)
    world.portal.agreements.suspend(world.actor("ada"), agreement.id, reason="overdue_duty", statement=WORDS)
    world.clock.advance(days=31)
    checkpoint = world.portal.checkpoints.state("ladder-l")
    denied = world.portal.checkpoints.access(world.actor("cleo"), checkpoint)
    assert isinstance(denied, Denied)
    assert denied.code == "agreement_suspended"
    assert denied.fixer is Fixer.COORDINATOR


def test_the_key_under_which_a_campaign_was_closed_starts_no_other(world: World) -> None:
    ada, portal = world.actor("ada"), world.portal
    agreement = in_force(world)
    newest = portal.templates.versions("software-access")[-1]
    portal.templates.publish(
        ada,
        template_id="software-access",
        version=newest.version + 1,
        title=newest.title,
        summary=newest.summary,
        clauses=[*newest.clauses, {"kind": "general", "clause_id": "added", "title": "Added", "text": "It is new."}],
    )
    started = portal.campaigns.start(ada, "software-access", idempotency_key="start").campaign
    assert [entry.agreement_id for entry in started.entries] == [agreement.id]
    assert portal.campaigns.start(ada, "software-access", idempotency_key="start").campaign.id == started.id
    portal.campaigns.close(ada, started.id, idempotency_key="close")
    with pytest.raises(Conflict) as refused:
        portal.campaigns.start(ada, "software-access", idempotency_key="close")
    assert refused.value.code == "idempotency_key_reused"


def test_incidents_under_one_agreement_are_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MAX_INCIDENTS", 2)
    agreement = in_force(world)

    def report() -> None:
        world.portal.duties.report_incident(
            world.actor("cleo"), agreement.id, kind=IncidentKind.LEAK, aware_at=world.clock.now, statement=WORDS
        )

    report()
    report()
    with pytest.raises(Conflict) as refused:
        report()
    assert refused.value.code == "too_many_incidents"
    assert "coordinator" in (refused.value.hint or "")
