"""Pieces leave no quicker than they can be read, and nothing of an answer is lost or out of order."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from model_access.engine.engine import Delta, Done, Ended, EngineEvent
from model_access.generation import ChoiceDelta, Logprobs, joined
from model_access.worker.pacing import EVERY_S, MOST_TOKENS, Pacing

Key = tuple[int, int]


class Clock:
    """Seconds, as the test says."""

    now = 0.0

    def __call__(self) -> float:
        """Them."""
        return self.now


def delta(index: int, tokens: int, *, reason: str | None = None) -> ChoiceDelta:
    """A piece of so many tokens, each with its column."""
    texts = tuple(f"t{number}" for number in range(tokens))
    columns = Logprobs(
        tokens=texts,
        token_logprobs=(-1.0,) * tokens,
        top_logprobs=({"a": -1.0},) * tokens,
        text_offset=tuple(range(tokens)),
    )
    return ChoiceDelta.model_validate(
        {
            "index": index,
            "text": "".join(texts),
            "token_ids": tuple(range(tokens)),
            "logprobs": columns,
            "finish_reason": reason,
        }
    )


steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2), st.sampled_from([1, 1, 1, 2, 200])), max_size=6),
        st.floats(0, 3 * EVERY_S),
    ),
    max_size=40,
)


@given(steps)
def test_an_answer_leaves_whole_in_order_and_never_quicker(
    steps: list[tuple[list[tuple[int, int, int]], float]],
) -> None:
    clock = Clock()
    pacing = Pacing(clock)
    made: dict[Key, list[ChoiceDelta]] = defaultdict(list)
    left: dict[Key, list[ChoiceDelta]] = defaultdict(list)
    when: dict[Key, float] = {}

    def leave(events: list[EngineEvent]) -> None:
        for event in pacing.paced(events):
            if not isinstance(event, Delta):
                continue
            key = event.ticket, event.delta.index
            left[key].append(event.delta)
            tokens = len(event.delta.token_ids)
            assert tokens <= MOST_TOKENS
            waited = clock.now - when.get(key, -1.0)
            full = tokens + max(len(one.token_ids) for one in made[key]) > MOST_TOKENS
            assert waited >= EVERY_S or full or event.delta.finish_reason
            if waited >= EVERY_S:
                when[key] = clock.now

    for pieces, pause_s in steps:
        events: list[EngineEvent] = []
        for ticket, index, tokens in pieces:
            piece = delta(index, tokens)
            made[ticket, index].append(piece)
            events.append(Delta(ticket, piece))
        leave(events)
        for ticket, index, _ in pieces:
            assert left[ticket, index], "the first piece of a choice does not wait"
        clock.now += pause_s
    for (ticket, index), pieces_made in made.items():
        pieces_made.append(delta(index, 1, reason="stop"))
        leave([Delta(ticket, pieces_made[-1]), Ended(ticket, index, (1,))])
    assert {key: joined(pieces) for key, pieces in left.items()} == {key: joined(all_) for key, all_ in made.items()}
    assert list(pacing.paced([Done(0)])) == [Done(0)]


def test_what_is_held_leaves_when_it_is_due_even_if_its_choice_made_nothing_since() -> None:
    clock = Clock()
    pacing = Pacing(clock)
    assert list(pacing.paced([Delta(0, delta(0, 1))])) == [Delta(0, delta(0, 1))]
    assert list(pacing.paced([Delta(0, delta(0, 1)), Delta(1, delta(0, 1))])) == [Delta(1, delta(0, 1))]
    assert list(pacing.paced([])) == []
    clock.now += EVERY_S
    assert list(pacing.paced([])) == [Delta(0, delta(0, 1))]


def test_what_is_held_of_a_request_that_is_given_up_leaves_and_is_forgotten() -> None:
    pacing = Pacing(Clock())
    events: list[EngineEvent] = [Delta(ticket, delta(index, 1)) for ticket in (0, 1) for index in (0, 1)]
    assert list(pacing.paced(events)) == events
    assert list(pacing.paced(events)) == []
    assert list(pacing.called_off(0)) == events[:2]
    assert list(pacing.called_off(0)) == []
    assert list(pacing.called_off(1)) == events[2:]
    assert list(pacing.paced(events[:1])) == events[:1], "of another request by that number, the first piece"
