"""Batches: checked whole, run line by line, stopped with what they rest on, taken up again where they were."""

import json
from typing import Any

import pytest

from agreements.actors import Channel
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound, Unavailable
from model_access.batches import BatchStatus
from model_access.presets import Recipe
from model_access.receipts import verify_receipt
from portal.services.batches import MOST_OPEN
from tests.portal.services import under_way_world as acts
from tests.portal.services.batch_world import (
    MODEL,
    PER_LINE,
    completed_runs,
    drained,
    row,
    rows_of,
    submit,
    written,
)
from tests.portal.services.world import PURPOSE, World, ask


@pytest.fixture
def grant(world: World) -> str:
    """A grant of north's with room for twenty lines."""
    world.checkpoint(MODEL)
    return world.grant(token_budget=20 * PER_LINE).id


def used(world: World, grant: str) -> tuple[int, int]:
    view = world.portal.grants.get(world.actor("ada"), grant)
    return view.used_tokens, view.held_tokens


def test_a_batch_leaves_an_answer_and_a_receipt_for_each_line(world: World, grant: str) -> None:
    cleo = world.actor("cleo")
    batch = submit(world, cleo, *(row(number) for number in range(1, 6)), metadata={"study": "bias"})
    assert batch.status is BatchStatus.VALIDATING
    batch = drained(world, batch)
    assert (batch.status, batch.completed, batch.failed) == (BatchStatus.COMPLETED, 5, 0)
    assert batch.error_file_id is None
    rows = rows_of(world, cleo, batch.output_file_id)
    assert [one["custom_id"] for one in rows] == [f"line-{number}" for number in range(1, 6)]
    for one in rows:
        assert (one["response"]["status_code"], one["error"]) == (200, None)
        body = one["response"]["body"]
        proved = verify_receipt(world.portal.runs.receipt(cleo, one["receipt"]["run_id"]))
        assert proved.statement.predicate.outputs.matches([body["choices"][0]["text"]])
        assert body["usage"]["total_tokens"] == PER_LINE
        run = world.portal.runs.get(cleo, one["receipt"]["run_id"])
        assert run.receipt_digest == one["receipt"]["digest"]
        assert run.terms is not None
        assert (run.terms.batch_id, run.terms.grant_id, run.terms.purpose) == (batch.id, grant, PURPOSE)
    assert used(world, grant) == (5 * PER_LINE, 0)
    lines = world.portal.batches.lines(cleo, batch.id)
    assert [(line.line, line.state, line.completion_tokens) for line in lines] == [
        (number, "completed", 4) for number in range(1, 6)
    ]


BAD_LINES: dict[str, tuple[Any, str, str | None]] = {
    "no JSON": (b"{", "bad_json", None),
    "a list": ([], "not_an_object", None),
    "nothing": (b"  ", "empty_line", None),
    "a name twice": (b'{"custom_id":"a","custom_id":"b"}', "bad_json", None),
    "no custom_id": ({k: v for k, v in row(2).items() if k != "custom_id"}, "missing_field", "custom_id"),
    "more than it has": (row(2) | {"priority": 1}, "unknown_field", None),
    "custom_id of another type": (row(2) | {"custom_id": 2}, "bad_custom_id", "custom_id"),
    "a custom_id twice": (row(1), "duplicate_custom_id", "custom_id"),
    "another method": (row(2) | {"method": "GET"}, "bad_method", "method"),
    "another address": (row(2) | {"url": "/v1/embeddings"}, "url_mismatch", "url"),
    "a body that is none": (row(2) | {"body": "x"}, "bad_body", "body"),
    "a stream": (row(2, stream=True), "unsupported_parameter", "body.stream"),
    "an unknown parameter": (row(2, top_z=5), "unknown_field", "body.top_z"),
    "a parameter out of bounds": (row(2, temperature=3), "bad_request", "body.temperature"),
    "another checkpoint": (row(2, model="ladder-m"), "model_mismatch", "body.model"),
    "an empty prompt": (row(2, prompt=""), "empty_prompt", "prompt"),
}


@pytest.mark.parametrize(("bad", "code", "param"), BAD_LINES.values(), ids=BAD_LINES)
def test_one_bad_line_refuses_the_whole_batch_and_says_which(
    world: World, grant: str, bad: Any, code: str, param: str | None
) -> None:
    batch = drained(world, submit(world, world.actor("cleo"), row(1), bad, row(3)))
    assert batch.status is BatchStatus.FAILED
    (problem,) = batch.problems
    assert (problem.line, problem.code, problem.param) == (2, code, param)
    assert (batch.total, world.pool.asked, used(world, grant)) == (0, [], (0, 0))


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row(number) for number in range(1, 22)], "over_budget"),
        ([row(number, max_tokens=200) for number in range(1, 3)], "over_budget"),
    ],
)
def test_a_batch_that_may_use_more_than_is_left_is_not_begun(
    world: World, grant: str, rows: list[Any], code: str
) -> None:
    cleo = world.actor("cleo")
    file = world.portal.files.upload(cleo, filename="in.jsonl", content=written(*rows))
    before = world.size
    checked = world.portal.batches.check(cleo, file.id, purpose=PURPOSE)
    assert (world.size, checked.good, checked.budget_left) == (before, False, 20 * PER_LINE)
    batch = drained(world, submit(world, cleo, *rows))
    assert (batch.status, batch.problems[0].code, batch.problems[0].line) == (BatchStatus.FAILED, code, None)
    assert world.pool.asked == []


def test_a_check_tells_the_cost_and_how_long_files_are_kept(world: World, grant: str) -> None:
    cleo = world.actor("cleo")
    file = world.portal.files.upload(cleo, filename="in.jsonl", content=written(row(1), row(2)))
    checked = world.portal.batches.check(cleo, file.id, purpose=PURPOSE)
    assert (checked.good, checked.lines, checked.prompt_tokens, checked.most_tokens) == (True, 2, 8, 2 * PER_LINE)
    assert checked.retention is not None
    assert checked.retention.days is None
    assert world.pool.asked == []


def test_access_that_is_missing_is_told_by_line(world: World, grant: str) -> None:
    batch = drained(world, submit(world, world.actor("eve"), row(1), row(2)))
    assert batch.status is BatchStatus.FAILED
    assert {problem.line for problem in batch.problems} == {1, 2}
    batch = drained(world, submit(world, world.actor("cleo"), row(1), purpose="marketing"))
    assert batch.problems[0].code == "purpose_not_granted"


def test_a_revocation_stops_the_whole_job_and_what_was_made_is_kept(world: World, grant: str) -> None:
    cleo, runner = world.actor("cleo"), world.portal.batch_runner
    world.pool.holds = True
    batch = submit(world, cleo, *(row(number) for number in range(1, 6)))
    runner.step()
    runner.step()
    first, second = world.pool.asked
    first.answer()
    second.say(" the")
    world.portal.grants.revoke(world.actor("ada"), grant, reason="a breach")
    second.say(" sea")
    assert second in world.pool.cancelled
    second.stop(completion_tokens=2)
    batch = drained(world, batch)
    assert (batch.status, batch.problems[0].code) == (BatchStatus.FAILED, "grant_revoked")
    assert "a breach" in batch.problems[0].message
    assert len(world.pool.asked) == 2, "no further line was begun"
    kept = len(rows_of(world, cleo, batch.output_file_id))
    assert kept == batch.completed
    assert [one["error"]["code"] for one in rows_of(world, cleo, batch.error_file_id)] == ["grant_revoked"] * (5 - kept)


def test_a_job_that_waits_is_stopped_too(world: World, grant: str) -> None:
    world.pool.holds = True
    batch = submit(world, world.actor("cleo"), row(1), row(2), row(3))
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    world.portal.people.deactivate(world.actor("ada"), world.people["cleo"].id, reason="left")
    world.portal.watch.look()
    for asked in world.pool.asked:
        asked.stop(completion_tokens=0)
    batch = drained(world, batch)
    assert (batch.status, batch.completed) == (BatchStatus.FAILED, 0)


def test_a_token_that_ends_ends_its_batch(world: World, grant: str) -> None:
    tokens = world.portal.tokens
    issued = tokens.issue(world.actor("cleo"), label="nightly", grant_id=grant, purpose=PURPOSE)
    actor = tokens.authenticate(issued.token).actor
    world.pool.holds = True
    batch = submit(world, actor, row(1), row(2), row(3))
    assert batch.expires_at == issued.record.expires_at
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    tokens.revoke(world.actor("cleo"), issued.record.id)
    for asked in world.pool.asked:
        asked.stop(completion_tokens=0)
    batch = drained(world, batch)
    assert (batch.status, batch.problems[0].code) == (BatchStatus.FAILED, "token_revoked")


def test_time_that_is_over_expires_it(world: World, grant: str) -> None:
    cleo = world.actor("cleo")
    world.pool.holds = True
    batch = submit(world, cleo, row(1), row(2), row(3))
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    world.pool.asked[0].answer()
    world.clock.advance(hours=24)
    world.portal.batch_runner.step()
    world.pool.asked[1].stop(completion_tokens=0)
    batch = drained(world, batch)
    assert batch.status is BatchStatus.EXPIRED
    codes = {one["error"]["code"] for one in rows_of(world, cleo, batch.error_file_id)}
    assert codes == {"batch_expired"}


def test_cancelling_keeps_what_is_there(world: World, grant: str) -> None:
    cleo = world.actor("cleo")
    world.pool.holds = True
    batch = submit(world, cleo, row(1), row(2), row(3))
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    world.pool.asked[0].answer()
    for who, error in (("eve", NotFound), ("nina", Forbidden)):
        with pytest.raises(error):
            world.portal.batches.cancel(world.actor(who), batch.id)
    assert world.portal.batches.cancel(world.actor("ben"), batch.id).status is BatchStatus.CANCELLING
    world.portal.batch_runner.step()
    assert world.pool.asked[1] in world.pool.cancelled
    world.pool.asked[1].stop(completion_tokens=1)
    batch = drained(world, batch)
    assert (batch.status, batch.completed) == (BatchStatus.CANCELLED, 1)
    assert [one["custom_id"] for one in rows_of(world, cleo, batch.output_file_id)] == ["line-1"]
    assert [one["error"]["code"] for one in rows_of(world, cleo, batch.error_file_id)] == ["batch_cancelled"] * 2
    assert used(world, grant) == (PER_LINE + 5, 0), "what the second line used is charged"
    with pytest.raises(Conflict) as refusal:
        world.portal.batches.cancel(cleo, batch.id)
    assert refusal.value.code == "batch_over"


def test_one_that_was_not_checked_yet_is_cancelled_without_a_trace(world: World, grant: str) -> None:
    batch = submit(world, world.actor("cleo"), row(1))
    world.portal.batches.cancel(world.actor("cleo"), batch.id)
    batch = drained(world, batch)
    assert (batch.status, batch.output_file_id, batch.error_file_id) == (BatchStatus.CANCELLED, None, None)


@pytest.mark.parametrize("crash", [True, False])
@pytest.mark.parametrize("settled", [0, 1, 2])
def test_it_goes_on_where_it_stopped_and_no_line_is_charged_twice(
    world: World, grant: str, crash: bool, settled: int
) -> None:
    cleo = world.actor("cleo")
    world.pool.holds = True
    batch = submit(world, cleo, *(row(number) for number in range(1, 8)))
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    under_way = list(world.portal.batch_runner._jobs[batch.id].active.values())
    for asked, run in zip(world.pool.asked[:settled], under_way, strict=False):
        asked.answer()
        run.outcome.result()
    if not crash:
        for asked in world.pool.asked[settled:]:
            asked.fail(completion_tokens=2)  # as a worker that is stopped with the portal does
    world.reopen(crash=crash)
    world.pool.holds = False
    batch = drained(world, batch)
    assert (batch.status, batch.completed, batch.failed) == (BatchStatus.COMPLETED, 7, 0)
    rows = rows_of(world, cleo, batch.output_file_id)
    assert [one["custom_id"] for one in rows] == [f"line-{number}" for number in range(1, 8)]
    assert completed_runs(world) == 7
    assert used(world, grant) == (7 * PER_LINE, 0)
    assert world.portal.log.verify(world.actor("ada")).ok


def test_an_answer_that_was_sealed_and_not_recorded_is_made_again_and_counts_once(
    world: World, grant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The crash between sealing an answer and recording it: the worst place there is."""
    cleo = world.actor("cleo")
    batch = submit(world, cleo, row(1), row(2))
    world.portal.batch_runner.step()
    kernel = type(world.portal.kernel)
    real = kernel.execute_all

    def dies(self: Any, steps: Any, *args: Any, **more: Any) -> Any:
        if any(type(step.command).__name__ == "CompleteRun" for step in steps):
            raise Unavailable("store_gone", "The disk is gone.")
        return real(self, steps, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(kernel, "execute_all", dies)
        world.portal.batch_runner.step()
        for run in world.portal.batch_runner._jobs[batch.id].active.values():
            assert run.outcome.exception() is not None
    world.reopen(crash=True)
    batch = drained(world, batch)
    assert (batch.completed, len(rows_of(world, cleo, batch.output_file_id))) == (2, 2)
    assert (completed_runs(world), used(world, grant)) == (2, (2 * PER_LINE, 0))


def test_a_worker_that_dies_is_tried_again_and_then_given_up(world: World, grant: str) -> None:
    cleo = world.actor("cleo")
    world.pool.holds = True
    batch = submit(world, cleo, row(1), row(2))
    runner = world.portal.batch_runner
    runner.step()
    runner.step()
    world.pool.asked[1].answer()
    world.pool.asked[0].fail(completion_tokens=1)
    for tries in (3, 4):
        for run in runner._jobs[batch.id].active.values():
            run.outcome.exception()
        runner.step()
        world.clock.advance(seconds=6)
        runner.step()
        assert len(world.pool.asked) == tries
        world.pool.asked[-1].fail(completion_tokens=1)
    batch = drained(world, batch)
    assert (batch.status, batch.completed, batch.failed) == (BatchStatus.COMPLETED, 1, 1)
    (failure,) = rows_of(world, cleo, batch.error_file_id)
    assert (failure["custom_id"], failure["error"]["code"]) == ("line-1", "worker_died")
    assert used(world, grant) == (PER_LINE, 0), "what gave nothing is not charged"
    world.pool.holds = False
    again = world.portal.batches.retry_failed(cleo, batch.id)
    assert again.retry_of == batch.id
    again = drained(world, again)
    assert [one["custom_id"] for one in rows_of(world, cleo, again.output_file_id)] == ["line-1"]
    with pytest.raises(Conflict) as refusal:
        world.portal.batches.retry_failed(cleo, again.id)
    assert refusal.value.code == "nothing_failed"


def test_only_one_line_goes_on_while_somebody_waits(world: World, grant: str) -> None:
    world.pool.holds = True
    waiting = world.portal.runs.begin(world.actor("ada"), MODEL, ask())
    batch = submit(world, world.actor("cleo"), *(row(number) for number in range(1, 5)))
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    assert len(world.portal.batch_runner.under_way(batch.id)) == 1
    world.pool.asked[0].answer()
    waiting.result()
    world.portal.batch_runner.step()
    assert len(world.portal.batch_runner.under_way(batch.id)) == 2
    assert [line.state for line in world.portal.batches.lines(world.actor("cleo"), batch.id)] == [
        "running",
        "running",
        "waiting",
        "waiting",
    ]
    world.pool.holds = False
    for asked in world.pool.asked[1:]:
        asked.answer()
    assert drained(world, batch).completed == 4


def test_half_of_a_rate_is_left_to_others(world: World) -> None:
    world.checkpoint(MODEL)
    world.grant(requests_per_minute=4)
    cleo = world.actor("cleo")
    batch = drained(world, submit(world, cleo, *(row(number) for number in range(1, 5))))
    assert (batch.status, batch.completed) == (BatchStatus.IN_PROGRESS, 2)
    assert world.portal.runs.begin(cleo, MODEL, ask(), purpose=PURPOSE).result().choices


def test_batches_take_turns(world: World, grant: str) -> None:
    world.pool.holds = True
    first = submit(world, world.actor("cleo"), *(row(number) for number in range(1, 6)))
    second = submit(world, world.actor("ben"), row(1))
    for _ in range(4):
        world.portal.batch_runner.step()
    assert [len(world.portal.batch_runner.under_way(one.id)) for one in (first, second)] == [1, 1]
    world.pool.holds = False
    for asked in world.pool.asked:
        asked.answer()
    assert (drained(world, first).completed, drained(world, second).completed) == (5, 1)


def test_who_sees_a_batch_and_who_reads_its_files(world: World, grant: str) -> None:
    batch = drained(world, submit(world, world.actor("cleo"), row(1)))
    assert batch.output_file_id is not None
    for name in ("ben", "nina", "ada"):
        view = world.portal.batches.view(world.actor(name), batch.id)
        assert (view.own, view.batch.id) == (False, batch.id)
        with pytest.raises(NotFound):
            world.portal.files.content(world.actor(name), batch.output_file_id)
        assert batch.id in {one.id for one in world.portal.batches.list(world.actor(name))}
    with pytest.raises(NotFound):
        world.portal.batches.get(world.actor("eve"), batch.id)
    assert world.portal.batches.list(world.actor("eve")) == ()
    assert world.portal.batches.list(world.actor("ben"), mine=True) == ()
    with pytest.raises(Forbidden):
        world.portal.batches.retry_failed(world.actor("ben"), batch.id)


def test_a_token_for_a_grant_reads_nothing_from_another(world: World, grant: str) -> None:
    batch = drained(world, submit(world, world.actor("cleo"), row(1)))
    assert batch.output_file_id is not None
    world.clock.advance(minutes=1)
    other = world.grant()
    issued = world.portal.tokens.issue(world.actor("cleo"), label="other", grant_id=other.id, purpose=PURPOSE)
    actor = world.portal.tokens.authenticate(issued.token).actor
    with pytest.raises(NotFound):
        world.portal.files.content(actor, batch.output_file_id)
    assert batch.output_file_id not in {file.id for file in world.portal.files.list(actor)}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"endpoint": "/v1/chat"}, "unsupported_endpoint"),
        ({"completion_window": "1h"}, "unsupported_window"),
        ({"metadata": {"x" * 65: "y"}}, "bad_input"),
        ({"metadata": {str(n): "y" for n in range(17)}}, "bad_input"),
    ],
)
def test_what_a_batch_cannot_be_is_refused(world: World, grant: str, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        submit(world, world.actor("cleo"), row(1), **fields)
    assert refusal.value.code == code


@pytest.mark.parametrize("first", [b"", b"{", b"[]", row(1) | {"url": 7}, row(1) | {"url": "/v1/audio"}])
def test_a_first_line_that_goes_nowhere_is_told_by_line(world: World, grant: str, first: Any) -> None:
    cleo = world.actor("cleo")
    file = world.portal.files.upload(cleo, filename="in.jsonl", content=written(first, row(2)))
    checked = world.portal.batches.check(cleo, file.id, purpose=PURPOSE)
    assert checked.endpoint == "/v1/completions"
    assert [problem.line for problem in checked.problems] == [1]
    assert drained(world, world.portal.batches.create(cleo, input_file_id=file.id)).status is BatchStatus.FAILED


def test_there_are_only_so_many_at_a_time(world: World, grant: str) -> None:
    for _ in range(MOST_OPEN):
        submit(world, world.actor("cleo"), row(1))
    with pytest.raises(ConcordatError) as refusal:
        submit(world, world.actor("cleo"), row(1))
    assert refusal.value.code == "too_many_batches"


def test_the_log_holds_no_prompt_and_no_answer(world: World, grant: str) -> None:
    drained(world, submit(world, world.actor("cleo"), row(1, prompt="a secret phrase here")))
    bodies = json.dumps([one["body"] for one in world.portal.store.query("SELECT body::VARCHAR AS body FROM event")])
    assert "secret phrase" not in bodies
    assert " the sea" not in bodies
    lying = b"".join(path.read_bytes() for path in world.settings.files_dir.iterdir())
    assert lying
    assert b"secret phrase" not in lying


def test_a_program_submits_too(world: World, grant: str) -> None:
    root = world.portal.grants.get(world.actor("ada"), grant).grant
    program = acts.by_program(world, root)
    batch = drained(world, submit(world, program, row(1), row(2)))
    assert (batch.status, batch.completed) == (BatchStatus.COMPLETED, 2)
    assert batch.by is not None
    assert batch.by.program


def test_it_goes_on_after_its_submitter_signed_out(world: World, grant: str) -> None:
    root = world.portal.grants.get(world.actor("ada"), grant).grant
    actor = acts.by_session(world, root)
    batch = submit(world, actor, row(1), row(2))
    assert actor.session_id is not None
    world.portal.sign_in.sign_out(actor.session_id)
    assert drained(world, batch).status is BatchStatus.COMPLETED
    assert world.actor("cleo").channel is Channel.SCREEN


def test_what_is_sent_twice_is_one_batch_however_many_may_be_open(
    world: World, grant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.services.batches.MOST_OPEN", 1)
    cleo, service = world.actor("cleo"), world.portal.batches
    first = submit(world, cleo, row(1), idempotency_key="the same key")
    assert submit(world, cleo, row(1), idempotency_key="the same key") == first
    world.portal.batch_runner.step()
    service.cancel(cleo, first.id)
    drained(world, first)
    again = service.retry_failed(cleo, first.id, idempotency_key="another key")
    lying = len(world.portal.files.list(cleo))
    assert service.retry_failed(cleo, first.id, idempotency_key="another key") == again
    assert len(world.portal.files.list(cleo)) == lying
    world.portal.presets.save(cleo, name="Cold", recipe=Recipe(temperature=0.1), idempotency_key="for a preset")
    with pytest.raises(Conflict) as refusal:
        submit(world, cleo, row(2), idempotency_key="for a preset")
    assert refusal.value.code == "idempotency_key_reused"
