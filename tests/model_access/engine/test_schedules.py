"""The same answer whoever else is served: every bit of it, under random schedules."""

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_access.build import Precision
from model_access.engine.decoder import Decoder, Widths
from model_access.engine.engine import Engine
from model_access.engine.loading import load
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceResult
from tests.model_access.engine.engine_stand import CONTEXT, PROMPTS, Heard, finish, submit

REQUESTS = 30
SCHEDULES = 1000
LONG = tuple(range(40, 80))
"""Several pieces, where a piece is 16 tokens."""


@pytest.fixture(scope="session")
def smallest(tmp_path_factory: pytest.TempPathFactory, checkpoint_maker: Callable[..., Path]) -> "list[Stand]":
    """One layer of GPT-2 in every precision."""
    folder = checkpoint_maker(tmp_path_factory.mktemp("smallest"), layers=1)
    return [Stand(folder, precision) for precision in Precision]


@pytest.fixture(scope="session")
def wide(tmp_path_factory: pytest.TempPathFactory, checkpoint_maker: Callable[..., Path]) -> "list[Stand]":
    """One layer of GPT-2 as wide as the third size: kernels sum wide rows in other ways than narrow ones."""
    folder = checkpoint_maker(tmp_path_factory.mktemp("wide"), layers=1, width=1280)
    return [Stand(folder, precision) for precision in Precision]


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory, checkpoint_maker: Callable[..., Path]) -> "list[Stand]":
    """By way of transformers."""
    folder = checkpoint_maker(tmp_path_factory.mktemp("llama"), "llama")
    return [Stand(folder, precision) for precision in Precision]


class Stand:
    """A model, requests of every kind, and what each answers when it is alone."""

    def __init__(self, folder: Path, precision: Precision) -> None:
        self.decoder: Decoder = load(folder, precision)
        self.decoder.chunk = 16
        if self.decoder.widths.most > 8:
            self.decoder.widths = Widths(self.decoder.widths.least, 8)  # so that some pieces are too long to share
        self.vocabulary = Vocabulary(folder)
        dice = random.Random(7)
        self.options = [_some_request(dice) for _ in range(REQUESTS)]
        self.alone: Callable[[int], tuple[ChoiceResult, ...]] = cache(self._alone)

    def engine(self, **options: Any) -> Engine:
        return Engine(self.decoder, self.vocabulary, context=CONTEXT, **options)

    def _alone(self, number: int) -> tuple[ChoiceResult, ...]:
        engine = self.engine()
        submit(engine, number, **self.options[number])
        return finish(engine).choices(number)


def _some_request(dice: random.Random) -> dict[str, Any]:
    prompts = dice.sample([*PROMPTS, LONG, LONG[:33], (*LONG[:20], 7)], dice.randint(1, 3))
    return {
        "prompts": tuple(prompts),
        "n": dice.randint(1, 3),
        "best_of": dice.choice([None, None, 4]),
        "top_k": dice.choice([None, 5]),
        "presence_penalty": dice.choice([0.0, 0.5]),
        "max_tokens": dice.randint(0, 8),
        "echo": True,
        "logprobs": dice.choice([None, 2]),
        "temperature": dice.choice([0.0, 0.7, 1.0]),
        "top_p": dice.choice([1.0, 0.8]),
        "stop": dice.choice([(), ("t",), ("he", "x y")]),
        "seed": dice.randint(0, 99),
    } | dice.choice([{}, {"echo": False, "max_tokens": dice.randint(1, 20)}])


def play(stand: Stand, schedule: int) -> None:
    """Requests join, leave and are cancelled at random, within random bounds; the rest answer as they do alone."""
    dice = random.Random(schedule)
    engine = stand.engine(
        max_rows=dice.choice([1, 4, 32]), cache_bytes=dice.choice([1, 200, 4000]) * stand.decoder.cell_bytes
    )
    pending = dice.sample(range(REQUESTS), dice.randint(2, 6))
    everyone, heard, cancelled = set(pending), Heard(), set()
    while pending or not engine.idle:
        if pending and dice.random() < 0.5:
            number = pending.pop()
            submit(engine, number, holder=dice.choice([None, "one", "two"]), **stand.options[number])
        heard.take(engine)
        if dice.random() < 0.05:
            number = dice.choice(sorted(everyone))
            if engine.cancel(number) is not None:
                cancelled.add(number)
    assert sorted(heard.done) == sorted(everyone - cancelled)
    for number in heard.done:
        assert heard.choices(number) == stand.alone(number)


schedules = st.integers(0, 2**32)


@pytest.mark.parametrize("place", range(len(Precision)), ids=list(Precision))
@settings(max_examples=SCHEDULES // len(Precision) + 1)
@given(schedule=schedules)
def test_an_answer_does_not_depend_on_the_company(smallest: list[Stand], place: int, schedule: int) -> None:
    play(smallest[place], schedule)


@pytest.mark.parametrize("place", range(len(Precision)), ids=list(Precision))
@settings(max_examples=10)
@given(schedule=schedules)
def test_nor_does_it_where_rows_are_wide(wide: list[Stand], place: int, schedule: int) -> None:
    play(wide[place], schedule)


@pytest.mark.parametrize("place", range(len(Precision)), ids=list(Precision))
@settings(max_examples=10)
@given(schedule=schedules)
def test_nor_does_it_on_another_architecture(llama: list[Stand], place: int, schedule: int) -> None:
    play(llama[place], schedule)
