"""What may happen to a batch and to a file, by every order of commands."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.access import Basis
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Conflict
from model_access.batches import (
    BATCH,
    Batch,
    BatchCommand,
    BatchStatus,
    CancelBatch,
    CompleteLine,
    CreateBatch,
    EndBatch,
    FailLine,
    FinishLines,
    Problem,
    RefuseBatch,
    StartBatch,
    StopBatch,
    Submitter,
)
from model_access.batches.model import Ground
from model_access.stored_files import (
    STORED_FILE,
    DestroyFile,
    FilePurpose,
    NoteFetched,
    SetClock,
    StoredFile,
    StoreFile,
)

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
SOMEBODY = Actor(person_id="per_1", name="Cleo")
TOTAL = 5

CREATE = CreateBatch(
    batch_id="batch_1",
    by=Submitter(person_id="per_1", name="Cleo"),
    input_file_id="file_1",
    input_digest="sha256:" + "0" * 64,
    endpoint="/v1/completions",
    completion_window="24h",
    expires_at=NOW + timedelta(days=1),
)
GROUND = Ground(basis=Basis.LAB, grant_id=None, institution_id=None, agreement_digest=None, purpose="lab-use")
START = StartBatch(model="ladder-l", ground=GROUND, total=TOTAL, most_tokens=40, keep_days=None)

lines = st.integers(min_value=1, max_value=TOTAL + 1)
commands: st.SearchStrategy[BatchCommand] = st.one_of(
    st.just(START),
    st.just(RefuseBatch(problems=(Problem(line=1, code="bad_json", message="x"),), problem_count=1)),
    lines.map(
        lambda line: CompleteLine(
            line=line,
            run_id=f"run_{line}",
            receipt_digest="r",
            output_digest="o",
            prompt_tokens=4,
            completion_tokens=4,
            finish_reasons=("length",),
            began_at=NOW,
        )
    ),
    lines.map(lambda line: FailLine(line=line, code="worker_died", message="x")),
    st.just(CancelBatch()),
    st.just(StopBatch(outcome="failed", code="grant_revoked", message="x")),
    st.just(StopBatch(outcome="expired", code="batch_expired", message="x")),
    st.just(FinishLines()),
    st.just(EndBatch()),
)

NEXT = {
    BatchStatus.VALIDATING: {BatchStatus.IN_PROGRESS, BatchStatus.FAILED, BatchStatus.CANCELLING},
    BatchStatus.IN_PROGRESS: {BatchStatus.FINALIZING, BatchStatus.CANCELLING},
    BatchStatus.FINALIZING: {BatchStatus.COMPLETED, BatchStatus.FAILED, BatchStatus.EXPIRED},
    BatchStatus.CANCELLING: {BatchStatus.CANCELLED},
}


@given(st.lists(commands, max_size=30))
def test_every_order_keeps_what_a_batch_promises(asked: list[BatchCommand]) -> None:
    state = BATCH.fold(BATCH.decide(BATCH.initial, CREATE, SOMEBODY, NOW))
    settled: set[int] = set()
    for command in asked:
        before = state
        try:
            events = BATCH.decide(state, command, SOMEBODY, NOW)
        except Conflict:
            continue
        state = BATCH.fold(events, state)
        assert not before.status.is_over, "nothing happens to one that is over"
        assert state.status is before.status or state.status in NEXT[before.status]
        if isinstance(command, CompleteLine | FailLine):
            assert command.line not in settled, "a line has one outcome"
            settled.add(command.line)
        assert set(state.open_lines) == set(range(1, state.total + 1)) - settled
        assert state.completed + state.failed == len(settled) <= state.total
        assert (state.prompt_tokens, state.completion_tokens) == (4 * state.completed, 4 * state.completed)
        assert Batch.model_validate_json(state.model_dump_json()) == state
    if state.status is BatchStatus.COMPLETED:
        assert len(settled) == TOTAL, "completed means that every line has an outcome"


def test_a_batch_is_created_once() -> None:
    state = BATCH.fold(BATCH.decide(BATCH.initial, CREATE, SOMEBODY, NOW))
    with pytest.raises(Conflict) as refusal:
        BATCH.decide(state, CREATE, SOMEBODY, NOW)
    assert refusal.value.code == "batch_exists"
    with pytest.raises(Conflict):
        BATCH.decide(BATCH.initial, START, SOMEBODY, NOW)


STORE = StoreFile(
    file_id="file_1",
    owner_id="per_1",
    purpose=FilePurpose.BATCH_OUTPUT,
    filename="out.jsonl",
    size=3,
    digest="sha256:" + "0" * 64,
    keep_until=NOW + timedelta(days=3),
    until_fetched=True,
)


def stored(**changes: object) -> StoredFile:
    command = STORE.model_copy(update=changes)
    return STORED_FILE.fold(STORED_FILE.decide(STORED_FILE.initial, command, SOMEBODY, NOW))


def then(state: StoredFile, *commands: Value) -> StoredFile:
    for command in commands:
        state = STORED_FILE.fold(STORED_FILE.decide(state, command, SOMEBODY, NOW), state)  # type: ignore[arg-type]  # any of its commands
    return state


def test_fetching_shortens_what_waits_to_be_fetched_and_nothing_else() -> None:
    soon = NoteFetched(keep_until=NOW + timedelta(hours=1))
    assert then(stored(), soon).keep_until == NOW + timedelta(hours=1)
    kept = then(stored(until_fetched=False), soon)
    assert (kept.keep_until, kept.fetched_at) == (NOW + timedelta(days=3), NOW)
    late = NoteFetched(keep_until=NOW + timedelta(days=9))
    assert then(stored(), late).keep_until == NOW + timedelta(days=3), "it is never kept longer for it"
    assert STORED_FILE.decide(then(stored(), soon), soon, SOMEBODY, NOW) == []


def test_what_was_destroyed_is_gone_for_good() -> None:
    gone = then(stored(), DestroyFile(because="it was fetched"))
    assert (gone.kept, gone.destroyed_at, gone.due_on(NOW + timedelta(days=9))) == (False, NOW, False)
    for command in (DestroyFile(because="again"), SetClock(keep_until=NOW, until_fetched=True), STORE):
        with pytest.raises(Conflict):
            STORED_FILE.decide(gone, command, SOMEBODY, NOW)
