"""What agreements keep of runs: sealed, read by whom they say, on record, and gone when they say."""

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.agreement import Change
from agreements.canonical import parse_json
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from model_access.conversations import Conversation, Message
from model_access.generation import Prompt
from model_access.kept_texts import DROPPED, ENDED, OVER, SHORTENED, How
from model_access.receipts import statement_of
from portal.archive import read_backup, write_backup
from portal.composition import Portal
from portal.keyring import Keyring
from portal.services.access_log_views import AccessFilter, AccessKind, Outcome
from portal.services.keeping import KeptState
from portal.services.kept_box import KEY_NAME, KeptBox
from tests.portal.services.batch_world import drained, row, submit
from tests.portal.services.kept_world import ANSWER, SECRET, keeping, kept_run, lying, said_anywhere
from tests.portal.services.world import PURPOSE, World, ask, make_world

OUTPUT = ("".join(ANSWER),)
OTHERS = ("ben", "nina", "ada", "rae")
"""They see the run, of whom Ada is a coordinator."""


@pytest.fixture
def box(tmp_path: Path) -> KeptBox:
    """A box of its own."""
    return KeptBox(tmp_path / "kept", Keyring(tmp_path / "keys"))


def parts_of(world: World, run_id: str) -> tuple[bytes, ...]:
    """Pieces of what lies sealed for a run, and of its key."""
    found = [(folder / run_id).read_bytes() for folder in (world.settings.kept_dir, world.settings.kept_dir / "keys")]
    return tuple(part for one in found for part in (one[16:48], one[-32:]))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for what only reads."""
    world = make_world(tmp_path_factory.mktemp("kept"))
    world.checkpoint("ladder-l")
    yield world
    world.portal.close()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=2000))
def test_what_is_sealed_opens_and_is_not_there_in_clear(box: KeptBox, content: bytes) -> None:
    said = b"\x00said\x01" + content
    box.seal("run_1", said)
    assert box.open("run_1") == said
    assert not [path for path in box._folder.rglob("*") if path.is_file() and said in path.read_bytes()]


@pytest.mark.parametrize("what", ["text", "key"])
@pytest.mark.parametrize("place", [0, 20, -1])
def test_a_changed_byte_is_refused(box: KeptBox, what: str, place: int) -> None:
    box.seal("run_1", b"once upon a time")
    path = (box._keys if what == "key" else box._folder) / "run_1"
    found = bytearray(path.read_bytes())
    found[place] ^= 1
    path.write_bytes(bytes(found))
    with pytest.raises(Unavailable) as refusal:
        box.open("run_1")
    assert refusal.value.code == "text_unreadable"


def test_the_words_of_one_run_are_not_taken_for_anothers(box: KeptBox) -> None:
    box.seal("run_1", b"one")
    for folder in (box._folder, box._keys):
        (folder / "run_2").write_bytes((folder / "run_1").read_bytes())
    with pytest.raises(Unavailable):
        box.open("run_2")


def test_a_copy_of_the_sealed_text_opens_no_more_once_its_key_is_shredded(box: KeptBox) -> None:
    box.seal("run_1", b"once upon a time")
    copy = (box._folder / "run_1").read_bytes()
    box.shred("run_1")
    assert box.names() == frozenset()
    box.shred("run_1")
    box.seal("run_1", b"another text")
    (box._folder / "run_1").write_bytes(copy)
    with pytest.raises(Unavailable):
        box.open("run_1")


def test_a_lost_key_is_said_and_not_made_anew(box: KeptBox, tmp_path: Path) -> None:
    box.seal("run_1", b"x")
    Keyring(tmp_path / "keys").drop_secret(KEY_NAME)
    for act in (lambda: box.open("run_1"), lambda: box.seal("run_2", b"y")):
        with pytest.raises(Unavailable) as refusal:
            act()
        assert refusal.value.code == "file_key_lost"


def test_all_that_is_sealed_first_at_once_opens(box: KeptBox) -> None:
    together = threading.Barrier(8)

    def sealed(number: int) -> str:
        together.wait()
        box.seal(f"run_{number}", f"text {number}".encode())
        return f"run_{number}"

    with ThreadPoolExecutor(8) as hands:
        runs = list(hands.map(sealed, range(8)))
    assert [box.open(run_id) for run_id in runs] == [f"text {number}".encode() for number in range(8)]


@pytest.mark.parametrize("nth", range(1, 5))
def test_what_could_not_be_sealed_leaves_no_file(box: KeptBox, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    box.seal("run_0", b"so that there is a key")
    lying, calls, really = box.names(), count(1), os.fsync

    def full(descriptor: int) -> None:
        if next(calls) == nth:
            raise OSError(28, "No space left on device")
        really(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable) as refusal:
        box.seal("run_1", b"once upon a time")
    assert refusal.value.code == "text_not_written"
    assert box.names() == lying


def test_without_a_word_in_the_agreement_nothing_is_kept(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world)
    run_id = kept_run(world)
    view = world.portal.keeping.view(world.actor("cleo"), run_id)
    assert (view.state, view.says) == (KeptState.NOT_KEPT, "Not kept: the agreement does not ask for it.")
    assert (view.may_read, view.may_delete) == (False, False)
    receipt = world.portal.runs.get(world.actor("cleo"), run_id).receipt
    assert statement_of(receipt).predicate.kept_until is None
    assert said_anywhere(world) == []
    for act in (world.portal.keeping.texts, world.portal.keeping.delete):
        with pytest.raises(Conflict) as refusal:
            act(world.actor("cleo"), run_id)
        assert refusal.value.code == "nothing_kept"
    lab = world.portal.runs.begin(world.actor("ada"), "ladder-l", ask(SECRET))
    lab.result()
    assert "lab's own" in world.portal.keeping.view(world.actor("ada"), lab.run_id).says


def test_what_an_agreement_keeps_is_sealed_dated_and_read_on_record(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = keeping(world, runs_kept_days=30)
    run_id, cleo = kept_run(world), world.actor("cleo")
    view = world.portal.keeping.view(cleo, run_id)
    until = world.clock.now + timedelta(days=30)
    assert (view.state, view.until, view.may_read, view.may_delete) == (KeptState.KEPT, until, True, True)
    agreement = world.portal.grants.get(world.actor("ada"), grant).grant.agreement_id
    assert view.says.startswith("Kept until 2026-12-23 09:00 UTC, by clause ")
    assert view.agreement_id == agreement
    assert agreement in view.says
    said = statement_of(world.portal.runs.get(cleo, run_id).receipt).predicate
    assert said.kept_until == until
    assert said_anywhere(world) == []
    assert world.portal.keeping.texts(cleo, run_id).prompts == (SECRET,)
    file = world.portal.keeping.export(cleo, run_id)
    taken = parse_json(file.strip(), 1 << 20)
    assert isinstance(taken, dict)
    assert (taken["prompts"], taken["outputs"]) == ([SECRET], list(OUTPUT))
    readings = world.portal.keeping.view(world.actor("ben"), run_id).readings
    assert [(one.by_name, one.how) for one in readings] == [("Cleo", How.SHOWN), ("Cleo", How.EXPORTED)]
    assert world.portal.keeping.view(world.actor("nina"), run_id).readings == ()
    entries = world.portal.access_log.page(world.actor("ben"), AccessFilter(kind=AccessKind.KEPT)).entries
    assert [(one.outcome, one.by_name, one.object_id) for one in entries] == [(Outcome.READ, "Cleo", run_id)] * 2
    assert world.portal.access_log.evidence(cleo, entries[0].leaf).index == entries[0].leaf
    assert world.portal.access_log.page(world.actor("nina"), AccessFilter(kind=AccessKind.KEPT)).entries == ()


@pytest.mark.parametrize("name", OTHERS)
def test_nobody_reads_what_another_asked_where_the_agreement_does_not_say_so(shared: World, name: str) -> None:
    keeping(shared, runs_kept_days=30)
    run_id, size = kept_run(shared), shared.size
    actor, service = shared.actor(name), shared.portal.keeping
    error = Forbidden if name != "rae" else NotFound
    for act in (service.texts, service.export, service.delete):
        with pytest.raises(error) as refusal:
            act(actor, run_id)
        assert refusal.value.code in ("not_yours_to_read", "not_yours_to_delete", "run_not_found")
    with pytest.raises((Invalid, NotFound)):
        service.for_replay(actor, run_id)
    if name != "rae":
        view = service.view(actor, run_id)
        assert (view.state, view.may_read, view.may_delete) == (KeptState.KEPT, False, False)
    assert shared.size == size


def test_who_does_not_see_the_run_does_not_hear_of_it(shared: World) -> None:
    keeping(shared, runs_kept_days=30)
    run_id, service = kept_run(shared), shared.portal.keeping
    for act in (service.view, service.texts, service.export, service.delete, service.for_replay):
        with pytest.raises(NotFound):
            act(shared.actor("eve"), run_id)


def test_the_lab_reads_where_the_agreement_says_so_and_then_alone_deletes(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30, lab_reads_runs=True)
    run_id, service, ada, cleo = kept_run(world), world.portal.keeping, world.actor("ada"), world.actor("cleo")
    assert service.texts(ada, run_id).outputs == OUTPUT
    with pytest.raises(Forbidden):
        service.texts(world.actor("ben"), run_id)
    assert [one.by_name for one in service.view(cleo, run_id).readings] == ["Ada"]
    with pytest.raises(Forbidden) as refusal:
        service.delete(cleo, run_id)
    assert refusal.value.code == "not_yours_to_delete"
    view = service.delete(ada, run_id)
    assert (view.state, view.destroyed_because) == (KeptState.DESTROYED, "the lab deleted it")


def test_a_token_for_another_grant_reads_nothing(world: World) -> None:
    world.checkpoint("ladder-l")
    first = keeping(world, runs_kept_days=30)
    run_id, cleo = kept_run(world), world.actor("cleo")
    other = keeping(world, runs_kept_days=30)
    tokens = {one: world.portal.tokens.issue(cleo, label="t", grant_id=one, purpose=PURPOSE) for one in (first, other)}
    actors = {one: world.portal.tokens.authenticate(issued.token).actor for one, issued in tokens.items()}
    with pytest.raises(Forbidden):
        world.portal.keeping.texts(actors[other], run_id)
    assert world.portal.keeping.texts(actors[first], run_id).prompts == (SECRET,)


def test_whoever_made_it_deletes_it_early_and_nothing_is_left(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30)
    run_id, cleo = kept_run(world), world.actor("cleo")
    view = world.portal.keeping.delete(cleo, run_id)
    assert (view.state, view.destroyed_because) == (KeptState.DESTROYED, "whoever made the run deleted it")
    for act in (world.portal.keeping.texts, world.portal.keeping.delete):
        with pytest.raises(Conflict) as refusal:
            act(cleo, run_id)
        assert refusal.value.code == "text_destroyed"
    assert [path for path in world.settings.kept_dir.rglob("*") if path.is_file()] == []
    (entry,) = world.portal.access_log.page(cleo, AccessFilter(kind=AccessKind.KEPT)).entries
    assert (entry.outcome, entry.reason) == (Outcome.DESTROYED, "whoever made the run deleted it")
    assert world.portal.runs.receipt(cleo, run_id)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.integers(1, 150), read=st.booleans())
def test_once_the_clock_has_passed_no_byte_of_it_is_anywhere(world: World, days: int, read: bool) -> None:
    if world.portal.checkpoints.unknown(["ladder-l"]):
        world.checkpoint("ladder-l")
    grant = keeping(world, runs_kept_days=days)
    run_id = kept_run(world)
    assert said_anywhere(world) == []
    if read:
        world.portal.keeping.texts(world.actor("cleo"), run_id)
    parts = parts_of(world, run_id)
    world.clock.advance(days=days, seconds=-1)
    assert world.portal._keeper.sweep() == 0
    world.clock.advance(seconds=1)
    with pytest.raises(Conflict):
        world.portal.keeping.texts(world.actor("cleo"), run_id)
    assert world.portal._keeper.sweep() == 1
    assert world.portal._keeper.sweep() == 0
    assert said_anywhere(world) == []
    assert [one for one in lying(world) if any(part in one for part in parts)] == []
    view = world.portal.keeping.view(world.actor("cleo"), run_id)
    assert (view.state, view.destroyed_because) == (KeptState.DESTROYED, OVER)
    world.portal.grants.revoke(world.actor("ada"), grant, reason="the next example")


def test_it_goes_with_the_agreement_unless_that_says_otherwise(world: World) -> None:
    world.checkpoint("ladder-l")
    ended, runs = {}, {}
    for outlives in (False, True):
        grant = keeping(world, runs_kept_days=30, runs_outlive_agreement=outlives or None)
        runs[outlives] = kept_run(world)
        ended[outlives] = world.portal.grants.get(world.actor("ada"), grant).grant.agreement_id
        world.portal.agreements.terminate(world.actor("ada"), ended[outlives], reason="it is over")
    cleo = world.actor("cleo")
    with pytest.raises(Conflict) as refusal:
        world.portal.keeping.texts(cleo, runs[False])
    assert ENDED in refusal.value.message
    assert world.portal.keeping.texts(cleo, runs[True]).prompts == (SECRET,)
    assert world.portal.clockwork.carry_out().texts_destroyed == 1
    world.clock.advance(days=30)
    assert world.portal.clockwork.carry_out().texts_destroyed == 1
    assert world.portal.keeping.view(cleo, runs[True]).destroyed_because == OVER


def amended(world: World, agreement_id: str, **said: int | bool | None) -> None:
    """Say otherwise in the confidentiality clause from now on."""
    agreements, ada, ben = world.portal.agreements, world.actor("ada"), world.actor("ben")
    agreement = agreements.get(ada, agreement_id)
    clauses = [clause.model_dump(mode="json") for clause in agreement.clauses]
    for clause in clauses:
        if clause["kind"] == "confidentiality":
            clause.update(said)
    agreements.propose(ada, agreement.id, change=Change.AMENDMENT, clauses=clauses)
    offered = agreements.offer(ada, agreement.id)
    digest = (offered.proposal.digest if offered.proposal else "") or ""
    agreements.sign(ben, agreement.id, typed_name=ben.name, document_digest=digest)
    agreements.sign(ada, agreement.id, typed_name=ada.name, document_digest=digest)


def test_an_amendment_that_keeps_less_holds_for_what_is_there(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = keeping(world, runs_kept_days=30)
    run_id, ada, ben = kept_run(world), world.actor("ada"), world.actor("ben")
    amended(world, world.portal.grants.get(ada, grant).grant.agreement_id, runs_kept_days=None)
    assert world.portal.keeping.view(ben, run_id).destroyed_because == DROPPED
    assert world.portal.clockwork.carry_out().texts_destroyed == 1


def test_the_end_of_an_agreement_gives_back_nothing_that_was_amended_away(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = keeping(world, runs_kept_days=30, lab_reads_runs=True, runs_outlive_agreement=True)
    run_id, ada, service = kept_run(world), world.actor("ada"), world.portal.keeping
    agreement_id = world.portal.grants.get(ada, grant).grant.agreement_id
    amended(world, agreement_id, runs_kept_days=5, lab_reads_runs=None)
    world.portal.agreements.terminate(ada, agreement_id, reason="it is over")
    with pytest.raises(Forbidden):
        service.texts(ada, run_id)
    assert service.view(ada, run_id).until == world.clock.now + timedelta(days=5)
    world.clock.advance(days=5)
    assert world.portal.clockwork.carry_out().texts_destroyed == 1
    assert service.view(ada, run_id).destroyed_because == SHORTENED


def test_what_is_no_longer_to_outlive_the_agreement_ends_with_it(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = keeping(world, runs_kept_days=30, runs_outlive_agreement=True)
    run_id, ada = kept_run(world), world.actor("ada")
    agreement_id = world.portal.grants.get(ada, grant).grant.agreement_id
    amended(world, agreement_id, runs_outlive_agreement=None)
    world.portal.agreements.terminate(ada, agreement_id, reason="it is over")
    assert world.portal.clockwork.carry_out().texts_destroyed == 1
    assert world.portal.keeping.view(ada, run_id).destroyed_because == ENDED


WORDS = st.text(max_size=20).map(lambda more: f"heron {more}")
MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant"]),
    content=WORDS,
    name=st.none() | st.text(min_size=1, max_size=8),
)
PROMPTS = (
    WORDS
    | st.lists(st.integers(0, 300), min_size=1, max_size=5).map(tuple)
    | st.lists(MESSAGES, min_size=1, max_size=3).map(lambda said: Conversation(messages=tuple(said)))
)


@settings(max_examples=20, deadline=None)
@given(prompts=st.lists(PROMPTS, min_size=1, max_size=3).map(tuple))
def test_every_kind_of_prompt_is_read_and_replayed_as_it_was_sent(shared: World, prompts: tuple[Prompt, ...]) -> None:
    cleo = shared.actor("cleo")
    if not shared.portal.grants.list(cleo):
        keeping(shared, runs_kept_days=30)
    asked = ask().model_copy(update={"prompts": prompts})
    run = shared.portal.runs.begin(cleo, "ladder-l", asked, purpose=PURPOSE)
    run.result()
    assert shared.portal.keeping.texts(cleo, run.run_id).prompts == prompts
    assert shared.portal.replaying.begin(cleo, run.run_id).result().comparison.identical


def test_a_replay_takes_the_kept_prompt_and_says_where_it_parts(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30)
    run_id, cleo = kept_run(world), world.actor("cleo")
    world.pool.words = (" zebra", " quill", " amber", " lake")
    told = world.portal.replaying.begin(cleo, run_id).result()
    assert told.comparison.where is not None
    assert told.comparison.where.then == "fjord"
    assert [one.how for one in world.portal.keeping.view(cleo, run_id).readings] == [How.REPLAYED]
    size = world.size
    with pytest.raises(Invalid) as refusal:
        world.portal.replaying.begin(world.actor("ben"), run_id)
    assert (refusal.value.code, world.size) == ("prompt_needed", size)


def test_a_line_of_a_batch_is_replayed_from_the_files_of_the_batch(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world, portal_keeps_days=30)
    cleo = world.actor("cleo")
    batch = drained(world, submit(world, cleo, row(1, prompt=SECRET), row(2)))
    run_id = world.portal.batches.lines(cleo, batch.id)[0].run_id or ""
    view = world.portal.keeping.view(cleo, run_id)
    assert (view.state, view.batch_id, view.may_read) == (KeptState.IN_BATCH, batch.id, True)
    assert world.portal.keeping.texts(cleo, run_id).prompts == (SECRET,)
    assert world.portal.replaying.begin(cleo, run_id).result().comparison.identical
    assert batch.output_file_id is not None
    assert world.portal.files.get(cleo, batch.output_file_id).fetched_at is None
    ben = world.actor("ben")
    assert not world.portal.keeping.view(ben, run_id).may_read
    with pytest.raises(Forbidden):
        world.portal.keeping.texts(ben, run_id)
    world.clock.advance(days=30)
    assert world.portal.keeping.view(cleo, run_id).state is KeptState.NOT_KEPT
    with pytest.raises(Invalid):
        world.portal.replaying.begin(cleo, run_id)


def test_an_agreement_that_keeps_runs_is_not_got_round_by_a_batch(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30, lab_reads_runs=True)
    cleo = world.actor("cleo")
    batch = drained(world, submit(world, cleo, row(1, prompt=SECRET)))
    run_id = world.portal.batches.lines(cleo, batch.id)[0].run_id or ""
    assert world.portal.keeping.texts(world.actor("ada"), run_id).prompts == (SECRET,)


def test_a_run_that_cannot_be_kept_has_failed_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30)

    def full(*_: object) -> int:
        raise Unavailable("text_not_written", "Prompt and answer cannot be kept (No space left on device).")

    monkeypatch.setattr(KeptBox, "seal", full)
    with pytest.raises(ConcordatError) as refusal:
        kept_run(world)
    assert refusal.value.code == "text_not_written"
    (run,) = world.portal.runs.list(world.actor("cleo"))
    assert (run.status.value, run.receipt) == ("failed", None)


def test_a_run_that_is_stopped_at_the_last_moment_leaves_nothing(world: World) -> None:
    world.checkpoint("ladder-l")
    grant = keeping(world, runs_kept_days=30)
    world.pool.holds, world.pool.words = True, ANSWER
    run = world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(SECRET), purpose=PURPOSE)
    world.portal.grants.revoke(world.actor("ada"), grant, reason="a breach")
    world.pool.asked[-1].answer(ANSWER)
    with pytest.raises(ConcordatError):
        run.result()
    assert [path for path in world.settings.kept_dir.rglob("*") if path.is_file()] == []


def test_what_a_crash_left_is_cleared_when_the_portal_opens(world: World) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30)
    run_id = kept_run(world)
    stray = KeptBox(world.settings.kept_dir, Keyring(world.settings.keys_dir))
    stray.seal("run_stray", SECRET.encode())
    world.reopen(crash=True)
    assert stray.names() == {run_id}
    assert world.portal.keeping.texts(world.actor("cleo"), run_id).prompts == (SECRET,)


def test_a_portal_restored_from_a_backup_says_that_the_words_are_not_there(world: World, tmp_path: Path) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30)
    run_id = kept_run(world)
    write_backup(world.portal, tmp_path / "backup.tar", with_checkpoints=False)
    world.portal.close()
    shutil.rmtree(world.settings.data_dir)
    read_backup(tmp_path / "backup.tar", world.settings.data_dir, report=lambda *_: None)
    world.portal = Portal.open(world.settings, clock=world.clock, pool_factory=lambda *_: world.pool)
    cleo, size = world.actor("cleo"), world.size
    with pytest.raises(Conflict) as refusal:
        world.portal.keeping.texts(cleo, run_id)
    assert (refusal.value.code, bool(refusal.value.hint)) == ("text_not_there", True)
    with pytest.raises(Invalid, match="not there"):
        world.portal.replaying.begin(cleo, run_id)
    assert world.size == size, "nobody has read anything"
    world.clock.advance(days=30)
    assert world.portal.clockwork.carry_out().texts_destroyed == 1


def test_nothing_of_it_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.checkpoint("ladder-l")
    keeping(world, runs_kept_days=30)
    with caplog.at_level(logging.DEBUG):
        run_id = kept_run(world)
        world.portal.keeping.texts(world.actor("cleo"), run_id)
        world.clock.advance(days=30)
        world.portal.clockwork.carry_out()
    assert [one for one in (SECRET, *ANSWER) if one in caplog.text] == []
    events = [json.dumps(one.event.body(), default=str) for one in world.portal.store.events(f"kept/{run_id}")]
    assert len(events) == 3
    assert [one for one in (SECRET, *ANSWER) if one in "".join(events)] == []
