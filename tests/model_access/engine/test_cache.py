"""Room, beginnings that are shared, and long prompts that hold nobody up."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model_access.engine.decoder import Decoder, Segment, Widths
from model_access.engine.engine import Engine
from model_access.engine.loading import load
from model_access.engine.prefixes import Prefixes
from model_access.engine.slots import Slot
from model_access.engine.vocabulary import Vocabulary
from tests.model_access.engine.engine_stand import CONTEXT, Heard, finish, submit

CHUNK = 16
LONG = tuple(range(20, 20 + 3 * CHUNK))


class Counting:
    """A decoder that counts the tokens it runs."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.tokens = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._decoder, name)

    def run(self, segments: Sequence[Segment]) -> torch.Tensor:
        self.tokens += sum(len(segment.tokens) for segment in segments)
        return self._decoder.run(segments)


@pytest.fixture(scope="module")
def decoder(tiny_checkpoint: Path) -> Decoder:
    decoder = load(tiny_checkpoint)
    decoder.chunk, decoder.widths = CHUNK, Widths(decoder.widths.least, 8)
    return decoder


@pytest.fixture
def counting(decoder: Decoder) -> Counting:
    return Counting(decoder)


@pytest.fixture
def engine(counting: Counting, tiny_checkpoint: Path) -> Engine:
    return Engine(counting, Vocabulary(tiny_checkpoint), context=CONTEXT)  # type: ignore[arg-type]  # it passes all on


def test_choices_of_one_prompt_share_its_run(engine: Engine, counting: Counting) -> None:
    submit(engine, 0, prompts=(LONG,), n=5, max_tokens=1)
    finish(engine)
    assert counting.tokens == len(LONG)


def test_a_holders_prompts_share_their_beginning(engine: Engine, counting: Counting) -> None:
    submit(engine, 0, holder="one", prompts=(LONG,), max_tokens=1)
    finish(engine)
    counting.tokens = 0
    submit(engine, 1, holder="one", prompts=((*LONG[:40], 7, 8, 9),), max_tokens=1)
    finish(engine)
    assert counting.tokens == 43 - 2 * CHUNK


@pytest.mark.parametrize("other", ["two", None])
def test_nobody_else_gains_by_what_a_holder_asked(engine: Engine, counting: Counting, other: str | None) -> None:
    for holder in ("one", None):
        submit(engine, 0, holder=holder, prompts=(LONG,), max_tokens=1)
        finish(engine)
    counting.tokens = 0
    submit(engine, 1, holder=other, prompts=(LONG,), max_tokens=1)
    finish(engine)
    assert counting.tokens == len(LONG)


def test_a_scored_prompt_is_run_whole(engine: Engine, counting: Counting) -> None:
    for ticket in (0, 1):
        submit(engine, ticket, holder="one", prompts=(LONG,), max_tokens=0, echo=True, logprobs=0)
        finish(engine)
    assert counting.tokens == 2 * len(LONG)


def test_slots_stay_within_their_room(decoder: Decoder, tiny_checkpoint: Path) -> None:
    most = 400
    engine = Engine(decoder, Vocabulary(tiny_checkpoint), context=CONTEXT, cache_bytes=most * decoder.cell_bytes)
    for ticket in range(12):
        submit(engine, ticket, holder="one", prompts=(LONG[ticket:],), n=3, max_tokens=20)
    heard = Heard()
    while not engine.idle:
        heard.take(engine)
        assert engine.cells_used <= most
    assert sorted(heard.done) == list(range(12))


def test_a_request_that_needs_much_room_is_not_overtaken_for_ever(decoder: Decoder, tiny_checkpoint: Path) -> None:
    engine = Engine(decoder, Vocabulary(tiny_checkpoint), context=CONTEXT, cache_bytes=1)
    submit(engine, 0, prompts=((5,) * 20,), max_tokens=10, logprobs=0)
    submit(engine, 1, prompts=((5,) * 60,), max_tokens=30)
    for ticket in range(2, 8):
        submit(engine, ticket, prompts=((5,),), max_tokens=10)
    heard = Heard()
    while 0 not in heard.done:
        heard.take(engine)
        assert set(heard.deltas) <= {0}  # there would be room for the small ones
    heard.take(engine)
    assert engine.cells_used > 96
    assert sorted(finish(engine).done) == [1, 2, 3, 4, 5, 6, 7]


def test_a_long_prompt_does_not_hold_the_others_up(engine: Engine) -> None:
    submit(engine, 0, prompts=((5,),), max_tokens=8)
    engine.step()
    submit(engine, 1, prompts=(LONG,), max_tokens=1)
    heard = Heard()
    for pieces in range(3):
        assert 1 not in heard.done, f"it takes more than {pieces} steps"
        heard.take(engine)
    assert heard.done == [1]
    assert engine.cancel(0) == 4


def test_cancelling_gives_the_room_back(engine: Engine) -> None:
    for _ in range(3):
        submit(engine, 0, holder="one", prompts=(LONG, LONG[:3]), n=4, max_tokens=20)
        engine.step()
        engine.step()
        assert engine.cells_used
        engine.cancel(0)
        assert not engine.cells_used
        assert engine.idle


pieces = st.lists(st.integers(0, 1), min_size=1, max_size=24)


@given(st.lists(st.tuples(st.sampled_from("ab"), pieces), max_size=8), st.sampled_from("ab"), pieces)
def test_the_longest_beginning_in_whole_chunks_is_found(
    known: list[tuple[str, list[int]]], holder: str, prompt: list[int]
) -> None:
    chunk = 3
    prefixes = Prefixes(chunk)
    for whose, earlier in known:
        prefixes.learn(whose, earlier, Slot(0))
    found = prefixes.longest(holder, prompt)
    whole = [
        length
        for whose, earlier in known
        for length in range(chunk, len(prompt), chunk)
        if whose == holder and earlier[:length] == prompt[:length] and len(earlier) >= length
    ]
    assert (found[1] if found else 0) == max(whole, default=0)


def test_what_was_of_use_longest_ago_is_given_up_first() -> None:
    prefixes = Prefixes(2)
    slots = [Slot(0) for _ in range(3)]
    for place, slot in enumerate(slots):
        prefixes.learn("one", (place, place), slot)
    assert prefixes.give_up() is None
    assert all(prefixes.rest(slot) for slot in slots)
    prefixes.longest("one", (0, 0, 5))
    assert [prefixes.give_up() for _ in range(4)] == [slots[1], slots[2], slots[0], None]
    assert not prefixes.rest(slots[0])
