"""The engine against transformers, and against itself under every schedule."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from model_access.engine.engine import Delta, Done, Ended, Engine
from model_access.engine.model import CausalModel
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceDelta, ChoiceResult, GenerationRequest, assemble
from model_access.ladder import Ladder

CONTEXT = 96
PROMPTS = ("the theory", "that other there", "x", "then — ü the the the the the the", "of")


@dataclass
class Heard:
    """Everything an engine said, by ticket."""

    deltas: dict[int, list[ChoiceDelta]] = field(default_factory=dict)
    tokens: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)

    def take(self, engine: Engine) -> None:
        for event in engine.step():
            if isinstance(event, Delta):
                self.deltas.setdefault(event.ticket, []).append(event.delta)
            elif isinstance(event, Ended):
                assert (event.ticket, event.index) not in self.tokens
                self.tokens[event.ticket, event.index] = event.token_ids
            elif isinstance(event, Done):
                self.done.append(event.ticket)

    def choices(self, ticket: int) -> tuple[ChoiceResult, ...]:
        return assemble(self.deltas[ticket])


@pytest.fixture(scope="session")
def engine_parts(tiny_checkpoint: Path) -> tuple[CausalModel, Vocabulary]:
    return CausalModel(tiny_checkpoint), Vocabulary(tiny_checkpoint)


def submit(engine: Engine, ticket: int, **options: Any) -> GenerationRequest:
    request = GenerationRequest.parse({"prompts": PROMPTS[:1], "seed": ticket, "max_tokens": 12, **options})
    engine.submit(ticket, request, engine.vocabulary.encode([str(prompt) for prompt in request.prompts]))
    return request


def finish(engine: Engine) -> Heard:
    heard = Heard()
    while not engine.idle:
        heard.take(engine)
    return heard


def reference(folder: Path, prompt: list[int], new: int) -> list[int]:
    """What transformers itself answers, greedily."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        ids = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones((1, len(prompt))), max_new_tokens=new, do_sample=False
        )
    return [int(token) for token in ids[0, len(prompt) :]]


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt"])
def test_greedy_equals_transformers_token_by_token(
    architecture: str, tmp_path: Path, checkpoint_maker: Callable[..., Path]
) -> None:
    folder = checkpoint_maker(tmp_path, architecture)
    engine = Engine(CausalModel(folder), Vocabulary(folder))
    submit(engine, 0, prompts=PROMPTS, temperature=0.0, max_tokens=25)
    heard = finish(engine)
    for index, prompt in enumerate(engine.vocabulary.encode(PROMPTS)):
        assert list(heard.tokens[0, index]) == reference(folder, prompt, 25)


@pytest.mark.parametrize("place", [0, -1])
def test_greedy_equals_transformers_on_the_ladder(ladder: Ladder, place: int) -> None:
    folder = ladder.rungs[place].folder
    engine = Engine(CausalModel(folder), Vocabulary(folder))
    prompts = ("Return the name of", "A list of all", "The dictionary is a mapping type that")
    submit(engine, 0, prompts=prompts, temperature=0.0, max_tokens=40)
    heard = finish(engine)
    for index, prompt in enumerate(engine.vocabulary.encode(prompts)):
        assert list(heard.tokens[0, index]) == reference(folder, prompt, 40)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt"])
def test_scores_are_the_models_own(architecture: str, tmp_path: Path, checkpoint_maker: Callable[..., Path]) -> None:
    folder = checkpoint_maker(tmp_path, architecture)
    engine = Engine(CausalModel(folder), Vocabulary(folder))
    submit(engine, 0, prompts=PROMPTS, max_tokens=0, echo=True, logprobs=3, temperature=0.3, top_p=0.5)
    heard = finish(engine)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    for choice, prompt in zip(heard.choices(0), engine.vocabulary.encode(PROMPTS), strict=True):
        with torch.inference_mode():
            expected = model(torch.tensor([prompt])).logits[0].log_softmax(-1)
        logprobs = choice.logprobs
        assert logprobs is not None
        assert choice.text == PROMPTS[choice.index]
        assert choice.token_ids == tuple(prompt)
        assert logprobs.token_logprobs[0] is None
        for place, (token, value) in enumerate(zip(prompt[1:], logprobs.token_logprobs[1:], strict=True)):
            assert value == pytest.approx(float(expected[place, token]), abs=1e-4)
            top = logprobs.top_logprobs[place + 1]
            assert top is not None
            assert max(top.values()) == pytest.approx(float(expected[place].max()), abs=1e-4)
            assert len(top) in (3, 4)


def test_generated_tokens_carry_the_probability_before_temperature(
    engine_parts: tuple[CausalModel, Vocabulary],
) -> None:
    engine = Engine(*engine_parts)
    submit(engine, 0, temperature=0.4, top_p=0.6, logprobs=0, echo=True)
    first = finish(engine).choices(0)[0]
    submit(engine, 1, prompts=(first.text,), max_tokens=0, echo=True, logprobs=0)
    again = finish(engine).choices(1)[0]
    if again.token_ids == first.token_ids:  # the text may encode differently than it was generated
        assert first.logprobs is not None
        assert again.logprobs is not None
        assert again.logprobs.token_logprobs[1:] == pytest.approx(first.logprobs.token_logprobs[1:], abs=1e-4)


def test_n_choices_differ_and_repeat_with_the_seed(engine_parts: tuple[CausalModel, Vocabulary]) -> None:
    engine = Engine(*engine_parts)
    submit(engine, 1, n=20, seed=5)
    submit(engine, 2, n=20, seed=5)
    submit(engine, 3, n=20, seed=6)
    heard = finish(engine)
    texts = {ticket: [choice.text for choice in heard.choices(ticket)] for ticket in (1, 2, 3)}
    assert texts[1] == texts[2] != texts[3]
    assert len(texts[1]) == 20
    assert len(set(texts[1])) > 10


@pytest.mark.parametrize("schedule", range(25))
def test_an_answer_does_not_depend_on_the_company(engine_parts: tuple[CausalModel, Vocabulary], schedule: int) -> None:
    """Requests join, leave and are cancelled in random order; each answer is what it is alone."""
    dice = random.Random(schedule)
    options = [
        {
            "prompts": tuple(dice.sample(PROMPTS, dice.randint(1, 3))),
            "n": dice.randint(1, 3),
            "max_tokens": dice.randint(0, 20),
            "echo": True,
            "temperature": dice.choice([0.0, 0.7, 1.0]),
            "stop": dice.choice([(), ("t",), ("he", "x y")]),
            "seed": dice.randint(0, 99),
        }
        for _ in range(5)
    ]
    crowded = Engine(*engine_parts, max_rows=dice.choice([1, 4, 32]))
    heard, cancelled, pending = Heard(), set(), list(enumerate(options))
    while pending or not crowded.idle:
        if pending and dice.random() < 0.5:
            ticket, option = pending.pop()
            submit(crowded, ticket, **option)
        heard.take(crowded)
        if dice.random() < 0.05:
            ticket = dice.randrange(5)
            if crowded.cancel(ticket) is not None:
                cancelled.add(ticket)
    assert sorted(heard.done) == sorted(set(range(5)) - cancelled)
    for ticket in heard.done:
        alone = Engine(*engine_parts)
        submit(alone, ticket, **options[ticket])
        assert heard.choices(ticket) == finish(alone).choices(ticket)


def test_cancelling_ends_a_request_at_once_and_counts_what_it_used(
    engine_parts: tuple[CausalModel, Vocabulary],
) -> None:
    engine = Engine(*engine_parts)
    submit(engine, 1, n=2, max_tokens=50)
    submit(engine, 2, max_tokens=5)
    heard = Heard()
    heard.take(engine)
    used = engine.cancel(1)
    assert used is not None
    assert 0 < used <= 4
    heard.take(engine)
    assert engine.cancel(1) is None
    while not engine.idle:
        heard.take(engine)
    assert heard.done == [2]


def test_a_small_request_is_not_held_up_by_a_large_one(engine_parts: tuple[CausalModel, Vocabulary]) -> None:
    engine = Engine(*engine_parts, max_rows=4)
    submit(engine, 1, prompts=PROMPTS[:1] * 50, max_tokens=8)
    submit(engine, 2, prompts=("of",), max_tokens=2)
    assert finish(engine).done == [2, 1]


def test_a_prompt_may_fill_the_whole_context(engine_parts: tuple[CausalModel, Vocabulary]) -> None:
    engine = Engine(*engine_parts)
    request = GenerationRequest(prompts=((5,) * (CONTEXT - 1),), max_tokens=1, seed=1)
    engine.submit(0, request, [[5] * (CONTEXT - 1)])
    assert len(finish(engine).tokens[0, 0]) == 1
