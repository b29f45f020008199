"""A worker that lies about a request."""

from collections.abc import Callable
from typing import Any

import pytest

from agreements.errors import Invalid
from model_access.generation import ChoiceDelta, Failed, Finished, GenerationRequest, Logprobs, RunEvent
from model_access.worker.frames import Ended, Piece, Stopped
from model_access.worker.tickets import InFlight


def in_flight(heard: list[RunEvent], **options: Any) -> InFlight:
    request = GenerationRequest.parse({"prompts": ((1, 2),), "seed": 0, "max_tokens": 3, **options})
    return InFlight(request, (2,), 10, heard.append)


def piece(index: int = 0, ids: tuple[int, ...] = (1,), **rest: Any) -> Piece:
    return Piece(ticket=0, delta=ChoiceDelta(index=index, text="a", token_ids=ids, **rest))


def ended(index: int = 0, ids: tuple[int, ...] = (1,)) -> Ended:
    return Ended(ticket=0, index=index, token_ids=ids)


def test_an_honest_run_ends_with_its_counts() -> None:
    heard: list[RunEvent] = []
    flight = in_flight(heard, n=2)
    flight.piece(piece(0))
    flight.piece(piece(1, finish_reason="stop"))
    assert not flight.ended(ended(1, (1, 4)))
    flight.piece(piece(0, finish_reason="length"))
    assert flight.ended(ended(0, (1, 1, 1)))
    last = heard[-1]
    assert isinstance(last, Finished)
    assert (last.prompt_tokens, last.completion_tokens) == (2, 5)
    assert [choice.text for choice in last.choices] == ["aa", "a"]
    assert [choice.finish_reason for choice in last.choices] == ["length", "stop"]


def test_tokens_of_candidates_that_were_passed_over_count() -> None:
    heard: list[RunEvent] = []
    flight = in_flight(heard, n=1, best_of=3)
    flight.piece(piece(finish_reason="stop"))
    assert flight.ended(Ended(ticket=0, index=0, token_ids=(1,), passed_over=6))
    assert isinstance(heard[-1], Finished)
    assert heard[-1].completion_tokens == 7


LIES: dict[str, list[Callable[[InFlight], object]]] = {
    "a choice that was not asked for": [lambda flight: flight.piece(piece(index=1))],
    "a token outside the vocabulary": [lambda flight: flight.piece(piece(ids=(10,)))],
    "more tokens than were asked for": [lambda flight: flight.piece(piece(ids=(1,) * 4))],
    "more tokens, in pieces": [lambda flight: flight.piece(piece(ids=(1, 1)))] * 2,
    "text after the end": [lambda flight: flight.piece(piece(finish_reason="stop")), lambda f: f.piece(piece())],
    "an end without a reason": [lambda flight: flight.ended(ended())],
    "two ends": [
        lambda flight: flight.piece(piece(finish_reason="stop")),
        lambda flight: flight.ended(ended()),
        lambda flight: flight.ended(ended()),
    ],
    "an end with too many tokens": [
        lambda flight: flight.piece(piece(finish_reason="stop")),
        lambda flight: flight.ended(ended(ids=(1,) * 4)),
    ],
    "tokens of candidates that were not asked for": [
        lambda flight: flight.piece(piece(finish_reason="stop")),
        lambda flight: flight.ended(Ended(ticket=0, index=0, token_ids=(1,), passed_over=1)),
    ],
    "nothing": [lambda flight: flight.piece(Piece(ticket=0, delta=ChoiceDelta(index=0, text="")))],
    "more text than so many tokens have": [
        lambda flight: flight.piece(Piece(ticket=0, delta=ChoiceDelta(index=0, text="a" * 3000))),
        lambda flight: flight.piece(Piece(ticket=0, delta=ChoiceDelta(index=0, text="a" * 3000))),
    ],
    "log-probabilities that nobody asked for": [lambda flight: flight.piece(piece(logprobs=Logprobs()))],
    "an impossible count": [
        lambda flight: flight.stopped(Stopped(ticket=0, completion_tokens=4)),
    ],
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_noticed(lie: str) -> None:
    flight = in_flight([])
    *steps, last = LIES[lie]
    for step in steps:
        step(flight)
    with pytest.raises(Invalid) as refusal:
        last(flight)
    assert refusal.value.code == "bad_frame"


COLUMNS = Logprobs(
    tokens=("a",), token_logprobs=(-1.0,), top_logprobs=({"a": -1.0, "b": -2.0, "c": -3.0},), text_offset=(0,)
)


def test_log_probabilities_are_of_the_tokens_they_come_with_and_no_more_than_asked_for() -> None:
    in_flight([], logprobs=2).piece(piece(logprobs=COLUMNS))
    lies = {
        "fewer": Logprobs(),
        "more": Logprobs(**{name: getattr(COLUMNS, name) * 2 for name in Logprobs.model_fields}),
        "a column more": COLUMNS.model_copy(update={"text_offset": (0, 1)}),
        "a long name": COLUMNS.model_copy(update={"tokens": ("a" * 10_000,)}),
        "a long alternative": COLUMNS.model_copy(update={"top_logprobs": ({"a" * 10_000: -1.0},)}),
    }
    for lie in lies.values():
        with pytest.raises(Invalid, match="does not fit"):
            in_flight([], logprobs=2).piece(piece(logprobs=lie))
    with pytest.raises(Invalid, match="does not fit"):
        in_flight([], logprobs=1).piece(piece(logprobs=COLUMNS))


def test_a_failure_counts_what_was_delivered_and_not_the_echo() -> None:
    heard: list[RunEvent] = []
    flight = in_flight(heard, echo=True)
    flight.piece(piece(ids=(1, 2)))
    flight.piece(piece(ids=(3,)))
    flight.fail("worker_died", "It died.", retriable=True)
    flight.fail("worker_died", "It died again.", retriable=True)
    (failure,) = [event for event in heard if isinstance(event, Failed)]
    assert (failure.prompt_tokens, failure.completion_tokens) == (2, 1)


def test_a_receiver_that_fails_does_not_end_the_run(caplog: pytest.LogCaptureFixture) -> None:
    def deaf(_: RunEvent) -> None:
        raise ValueError("my secret prompt")

    request = GenerationRequest(prompts=((1,),), seed=0, max_tokens=3)
    flight = InFlight(request, (1,), 10, deaf)
    flight.piece(piece(finish_reason="stop"))
    assert flight.ended(ended())
    assert "ValueError" in caplog.text
    assert "my secret prompt" not in caplog.text
