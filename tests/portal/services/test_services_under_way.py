"""What is taken away is gone for runs under way too: whatever the act, whenever it comes, and for good."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from agreements.actors import Actor
from agreements.errors import ConcordatError, Conflict, Forbidden, Unavailable, Withdrawn
from agreements.grants import Grant
from agreements.passports import Evidence, VettingItem
from model_access.runs import RunStatus
from model_access.stages import Stage
from portal.services.under_way import ASKED_EVERY, CHANGED_MEANWHILE, UnderWay
from tests.portal.services import under_way_world as acts
from tests.portal.services.under_way_world import MODEL, PROMPT, Act, Running, Scene, begin
from tests.portal.services.world import ANSWER, PURPOSE, World, ask


@pytest.fixture
def root(world: World) -> Grant:
    """A grant of north's for a withheld checkpoint."""
    world.checkpoint(MODEL)
    return world.grant()


def charged(world: World, grant: Grant) -> tuple[int, int]:
    """Tokens used on the grant, and those held for runs under way."""
    usage = world.portal.meter.usage(grant.id)
    return usage.settled, usage.reserved


def started_and_completed(world: World) -> list[str]:
    """The types of what was recorded of runs, in order."""
    return [one.event.type_name for one in world.portal.store.events() if one.stream.startswith("run/")]


@pytest.mark.parametrize(
    ("who", "act", "reason"),
    [
        (acts.by_name, acts.revoke_root, "grant_revoked"),
        (acts.by_name, acts.suspend_root, "grant_suspended"),
        (acts.by_name, acts.narrow_root, "purpose_not_granted"),
        (acts.by_name, acts.terminate, "agreement_not_in_force"),
        (acts.by_name, acts.suspend_agreement, "agreement_suspended"),
        (acts.by_name, acts.narrow_agreement, "access_narrowed"),
        (acts.by_name, acts.retire, "checkpoint_retired"),
        (acts.by_name, acts.deactivate, "person_deactivated"),
        (acts.by_name, acts.leave, "not_a_member"),
        (acts.by_name, acts.expire, "grant_expired"),
        (acts.by_session, acts.sign_out, "session_over"),
        (acts.by_session, acts.sign_out_everywhere, "session_over"),
        (acts.by_child, acts.revoke_root, "grant_revoked"),
        (acts.by_child, acts.suspend_root, "grant_suspended"),
        (acts.by_child, acts.narrow_root, "purpose_not_granted"),
        (acts.by_token, acts.end_token, "token_revoked"),
        (acts.by_token, acts.end_parent_token, "token_revoked"),
        (acts.by_token, acts.compromise_key, "token_key_withdrawn"),
        (acts.by_token, acts.revoke_root, "grant_revoked"),
        (acts.by_token, acts.deactivate, "person_deactivated"),
        (acts.by_token, acts.token_expires, "token_expired"),
        (acts.by_program, acts.end_program, "program_stopped"),
        (acts.by_program, acts.suspend_program, "program_stopped"),
        (acts.by_program, acts.revoke_root, "grant_revoked"),
    ],
)
def test_a_run_under_way_stops_with_the_reason(
    world: World, root: Grant, who: Callable[[World, Grant], Actor], act: Act, reason: str
) -> None:
    actor = who(world, root)
    running = begin(world, actor)
    running.engine.say(" the", " sea")
    act(Scene(world, root, actor))
    running.engine.say(" is", " calm")
    assert running.stopped, "the engine was told"
    running.engine.stop(completion_tokens=3)
    refusal = running.withdrawn()
    assert (refusal.code, refusal.reason) == ("access_withdrawn", reason)
    assert refusal.hint
    assert [delta.text for delta in running.run.deltas()] == [" the", " sea"], "nothing was given after the act"
    recorded = world.portal.runs.get(world.actor("ada"), running.run.run_id)
    assert (recorded.status, recorded.failure_code, recorded.failure_reason) == (
        RunStatus.FAILED,
        "access_withdrawn",
        reason,
    )
    assert (recorded.stopped, recorded.receipt) == (True, None)
    assert charged(world, root) == (PROMPT + 3, 0), "what was made is charged, and the rest is let go"


def test_a_run_that_says_nothing_yet_is_stopped_all_the_same(world: World, root: Grant) -> None:
    running = begin(world, world.actor("cleo"))
    told = threading.Event()
    world.pool.on_cancel = told.set
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    assert told.wait(30), "nobody has to ask for the next token"
    running.engine.stop(completion_tokens=0)
    assert running.withdrawn().reason == "grant_revoked"
    assert charged(world, root) == (0, 0)


def test_an_answer_that_is_ready_is_not_given_after_the_act(world: World, root: Grant) -> None:
    world.pool.holds = True
    run = world.portal.runs.begin(world.actor("cleo"), MODEL, ask(), purpose=PURPOSE)
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    world.pool.asked[-1].answer()
    refusal = run.outcome.exception(timeout=30)
    assert isinstance(refusal, Withdrawn)
    assert list(run.deltas()) == []
    assert started_and_completed(world) == ["run:started", "run:failed"]
    assert charged(world, root) == (8, 0)


def test_what_lets_others_in_or_stops_others_stops_nothing(world: World, root: Grant) -> None:
    world.clock.advance(minutes=1)
    other = world.grant()
    running = begin(world, world.actor("cleo"))
    assert running.run.terms.grant_id == other.id, "the newest is drawn on"
    world.portal.grants.revoke(world.actor("ada"), root.id, reason="not needed")
    world.portal.agreements.comment(world.actor("ben"), other.agreement_id, text="Thank you.")
    world.portal.people.deactivate(world.actor("ada"), world.people["nina"].id, reason="left")
    running.engine.answer()
    assert running.run.result().run.status is RunStatus.COMPLETED


def test_another_grant_that_would_do_is_another_run(world: World, root: Grant) -> None:
    world.clock.advance(minutes=1)
    newer = world.grant()
    running = begin(world, world.actor("cleo"))
    world.portal.grants.revoke(world.actor("ada"), newer.id, reason="a breach")
    running.engine.say(" sea")
    assert running.stopped, "its receipt would have named a grant that was revoked"
    again = begin(world, world.actor("cleo"))
    assert again.run.terms.grant_id == root.id
    running.engine.stop(completion_tokens=1)
    again.engine.answer()
    again.run.result()


def test_public_use_ends_with_the_stage_and_the_labs_with_the_role(world: World) -> None:
    world.checkpoint(MODEL, to=Stage.PUBLIC)
    world.portal.people.register(
        world.actor("ada"),
        name="Bob",
        email="bob@lab.example",
        memberships=[("lab", world.people["ada"].memberships[0].role)],
    )
    bob = next(one for one in world.portal.people.list(world.actor("ada")) if one.name == "Bob")
    world.people["bob"] = bob
    lab, public = begin(world, world.actor("bob")), begin(world, world.actor("eve"))
    world.portal.people.change_role(
        world.actor("ada"),
        bob.id,
        institution_id="lab",
        before=bob.memberships[0].role,
        after=world.people["rae"].memberships[0].role,
    )
    lab.engine.say(" sea")
    public.engine.say(" sea")
    assert (lab.stopped, public.stopped) == (True, False)
    lab.engine.stop(completion_tokens=1)
    assert lab.withdrawn().reason == "ground_gone"
    acts.retire(Scene(world, Grant(), world.actor("eve")))
    public.engine.say(" is")
    public.engine.stop(completion_tokens=2)
    assert public.withdrawn().reason == "checkpoint_retired"


def test_vetting_that_is_revoked_or_lapses_stops_runs(world: World) -> None:
    world.checkpoint(MODEL)
    passports, ada, ben = world.portal.passports, world.actor("ada"), world.actor("ben")
    passports.submit(
        ben,
        "north",
        item=VettingItem.IDENTITY,
        statement="As the register says.",
        evidence=[Evidence(label="Charter", sha256="a" * 64)],
    )
    passports.review(
        ada, "north", item=VettingItem.IDENTITY, accepted=True, valid_until=world.clock() + timedelta(days=30)
    )
    clauses = [one.model_dump(mode="json") for one in world.portal.agreements.templates()[0].clauses]
    clauses.append(
        {
            "kind": "vetting",
            "clause_id": "vetting",
            "title": "Vetting",
            "text": "Who they are.",
            "items": ["identity"],
            "grace_days": 0,
        }
    )
    offered = world.portal.agreements.offer(
        ada, world.portal.agreements.draft(ada, institution_id="north", clauses=clauses).id
    )
    for who in (ben, ada):
        world.portal.agreements.sign(
            who, offered.id, typed_name=who.name, document_digest=offered.document_digest or ""
        )
    world.portal.grants.issue(ada, agreement_id=offered.id, label="A study")
    first = begin(world, world.actor("cleo"))
    passports.revoke(ada, "north", item=VettingItem.IDENTITY, reason="the charter was false")
    first.engine.say(" sea")
    first.engine.stop(completion_tokens=1)
    assert first.withdrawn().reason == "vetting_lapsed"


def test_a_yes_is_good_for_a_second_at_most(world: World, root: Grant) -> None:
    assert root.scope is not None
    running = begin(world, world.actor("cleo"))
    world.clock.now = root.scope.expires_at - timedelta(milliseconds=1)
    running.engine.say(" the")
    world.clock.now = root.scope.expires_at
    running.engine.say(" sea")
    world.clock.now += ASKED_EVERY
    running.engine.say(" is")
    running.engine.stop(completion_tokens=3)
    assert running.withdrawn().reason == "grant_expired"
    assert [delta.text for delta in running.run.deltas()] == [" the", " sea"]


# ---- the moment at which it comes ----------------------------------------------------------------------------------


def test_an_act_between_being_allowed_and_being_recorded_is_seen(
    world: World, root: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter, reserve = world.portal.meter, world.portal.meter.reserve

    def meanwhile(*given: Any, **named: Any) -> None:
        reserve(*given, **named)
        acts.revoke_root(Scene(world, root, world.actor("cleo")))

    monkeypatch.setattr(meter, "reserve", meanwhile)
    with pytest.raises(Forbidden) as refusal:
        begin(world, world.actor("cleo"))
    assert refusal.value.code == "grant_revoked"
    assert (started_and_completed(world), charged(world, root)) == ([], (0, 0)), "it never began"


@pytest.mark.parametrize("when", ["start", "end"])
def test_an_act_between_the_last_question_and_the_writing_is_seen(
    world: World, root: Grant, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    execute = world.portal.kernel.store.commit
    revoked: list[bool] = []

    def meanwhile(appends: list[Any], **named: Any) -> object:
        wanted = "run:started" if when == "start" else "run:receipt_signed"
        if not revoked and any(event.type_name == wanted for one in appends for event in one.events):
            revoked.append(True)
            acts.revoke_root(Scene(world, root, world.actor("cleo")))
        return execute(appends, **named)

    monkeypatch.setattr(world.portal.kernel.store, "commit", meanwhile)
    if when == "start":
        with pytest.raises(Forbidden) as refusal:
            begin(world, world.actor("cleo"))
        assert refusal.value.code == "grant_revoked"
        assert started_and_completed(world) == []
    else:
        running = begin(world, world.actor("cleo"))
        running.engine.answer()
        assert running.withdrawn().reason == "grant_revoked"
        assert started_and_completed(world) == ["run:started", "run:failed"], "no receipt for it"


def test_of_two_that_share_a_transaction_the_first_counts(world: World, root: Grant) -> None:
    store, running = world.portal.store, begin(world, world.actor("cleo"))
    reached, go_on = threading.Event(), threading.Event()
    writer = store._writer._queue
    with ThreadPoolExecutor(2) as threads:
        held = threads.submit(store.between_transactions, lambda _: _pause(reached, go_on))
        assert reached.wait(30)
        threads.submit(acts.revoke_root, Scene(world, root, world.actor("cleo")))
        _until(lambda: writer.qsize() == 1)
        running.engine.answer()
        _until(lambda: writer.qsize() == 2)
        go_on.set()
        held.result()
    assert running.withdrawn().reason == "grant_revoked"
    assert started_and_completed(world) == ["run:started", "run:failed"]


def test_what_cannot_be_looked_up_is_not_allowed(world: World, root: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    running = begin(world, world.actor("cleo"))
    monkeypatch.setattr(world.portal.grants, "usable_by", _broken)
    world.clock.advance(seconds=1)
    running.engine.say(" sea")
    running.engine.stop(completion_tokens=1)
    assert running.withdrawn().reason == "access_not_checked"


def test_who_listens_keeps_nobody_from_writing(world: World, root: Grant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.portal.watch, "admitted", _broken)
    monkeypatch.setattr(world.portal.watch, "committed", _broken)
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    assert not world.portal.grants.get(world.actor("ada"), root.id).active


def test_a_stopped_run_stays_stopped_when_the_suspension_is_lifted(world: World, root: Grant) -> None:
    running = begin(world, world.actor("cleo"))
    acts.suspend_root(Scene(world, root, world.actor("cleo")))
    running.engine.say(" sea")
    world.portal.grants.lift(world.actor("ada"), root.id, reason="cleared")
    running.engine.say(" is")
    running.engine.answer()
    assert running.withdrawn().reason == "grant_suspended"
    assert list(running.run.deltas()) == []
    again = begin(world, world.actor("cleo"))
    again.engine.answer()
    assert again.run.result().run.status is RunStatus.COMPLETED


def test_a_crowd_under_way_is_stopped_by_one_act_and_nothing_is_left(world: World, root: Grant) -> None:
    crowd = [begin(world, world.actor("cleo")) for _ in range(20)]
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(_go_on, crowd))
    assert {one.withdrawn().reason for one in crowd} == {"grant_revoked"}
    assert charged(world, root) == (20 * (PROMPT + 1), 0)
    assert world.portal.watch._all == {}
    assert world.portal.watch._by_stream == {}


def test_a_job_of_many_requests_is_stopped_by_the_same_watch(world: World, root: Grant) -> None:
    stopped: list[str] = []

    def ask_again() -> None:
        view = world.portal.grants.get(world.actor("ada"), root.id)
        if not view.active:
            raise Forbidden("grant_revoked", "It was revoked.")

    job = world.portal.watch.enter("job_1", ask_again, lambda: stopped.append("job_1"))
    assert job.holds() is None
    acts.revoke_root(Scene(world, root, world.actor("cleo")))
    refusal = job.holds()
    assert isinstance(refusal, ConcordatError)
    assert (refusal.code, stopped) == ("grant_revoked", ["job_1"])
    job.leave()
    job.leave()


def _go_on(one: Running) -> None:
    one.engine.say(" sea")
    one.engine.stop(completion_tokens=1)
    one.withdrawn()


def _broken(*_: object) -> None:
    raise RuntimeError("out of order")


def _pause(reached: threading.Event, go_on: threading.Event) -> None:
    reached.set()
    go_on.wait(30)


def _until(met: Callable[[], bool]) -> None:
    while not met():
        threading.Event().wait(0.001)


def test_a_run_whose_end_is_overtaken_again_and_again_is_settled_all_the_same(
    world: World, root: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = begin(world, acts.by_name(world, root))

    def overtaken(_: UnderWay) -> None:
        raise Conflict(CHANGED_MEANWHILE, "What this rests on changed meanwhile.")

    monkeypatch.setattr(UnderWay, "guard", overtaken)
    running.engine.answer()
    refusal = running.run.outcome.exception(timeout=30)
    assert isinstance(refusal, Unavailable)
    run = world.portal.runs.get(world.actor("cleo"), running.run.run_id)
    assert (run.status, run.failure_code, run.receipt) == (RunStatus.FAILED, CHANGED_MEANWHILE, None)
    assert charged(world, root) == (run.charged_tokens, 0)
    assert run.charged_tokens == PROMPT + len(ANSWER)
