"""The engine against transformers, and against itself under every schedule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from model_access.engine.decoder import Decoder
from model_access.engine.engine import Engine
from model_access.engine.loading import load, load_general
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceResult, GenerationRequest
from model_access.ladder import Ladder
from tests.model_access.engine.engine_stand import CONTEXT, PROMPTS, Heard, finish, submit


@pytest.fixture(scope="session")
def engine_parts(tiny_checkpoint: Path) -> tuple[Decoder, Vocabulary]:
    return load(tiny_checkpoint), Vocabulary(tiny_checkpoint)


def reference(folder: Path, prompt: list[int], new: int) -> list[int]:
    """What transformers itself answers, greedily."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode():
        ids = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones((1, len(prompt))), max_new_tokens=new, do_sample=False
        )
    return [int(token) for token in ids[0, len(prompt) :]]


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt", "mistral", "gpt-neo", "mixtral"])
@pytest.mark.parametrize("by", [load, load_general])
def test_greedy_equals_transformers_token_by_token(
    by: Callable[[Path], Decoder], architecture: str, tmp_path: Path, checkpoint_maker: Callable[..., Path]
) -> None:
    folder = checkpoint_maker(tmp_path, architecture)
    engine = Engine(by(folder), Vocabulary(folder), context=CONTEXT)
    submit(engine, 0, prompts=PROMPTS, temperature=0.0, max_tokens=25)
    heard = finish(engine)
    for index, prompt in enumerate(engine.vocabulary.encode(PROMPTS)):
        assert list(heard.tokens[0, index]) == reference(folder, prompt, 25)


@pytest.mark.parametrize("place", [0, -1])
def test_greedy_equals_transformers_on_the_ladder(ladder: Ladder, place: int) -> None:
    folder = ladder.rungs[place].folder
    engine = Engine(load(folder), Vocabulary(folder), context=CONTEXT)
    prompts = ("Return the name of", "A list of all", "The dictionary is a mapping type that")
    submit(engine, 0, prompts=prompts, temperature=0.0, max_tokens=40)
    heard = finish(engine)
    for index, prompt in enumerate(engine.vocabulary.encode(prompts)):
        assert list(heard.tokens[0, index]) == reference(folder, prompt, 40)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt", "gpt-neo"])
def test_scores_are_the_models_own(architecture: str, tmp_path: Path, checkpoint_maker: Callable[..., Path]) -> None:
    folder = checkpoint_maker(tmp_path, architecture)
    engine = Engine(load(folder), Vocabulary(folder), context=CONTEXT)
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
    engine_parts: tuple[Decoder, Vocabulary],
) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
    submit(engine, 0, temperature=0.4, top_p=0.6, logprobs=0, echo=True)
    first = finish(engine).choices(0)[0]
    submit(engine, 1, prompts=(first.text,), max_tokens=0, echo=True, logprobs=0)
    again = finish(engine).choices(1)[0]
    if again.token_ids == first.token_ids:  # the text may encode differently than it was generated
        assert first.logprobs is not None
        assert again.logprobs is not None
        assert again.logprobs.token_logprobs[1:] == pytest.approx(first.logprobs.token_logprobs[1:], abs=1e-4)


def test_n_choices_differ_and_repeat_with_the_seed(engine_parts: tuple[Decoder, Vocabulary]) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
    submit(engine, 1, n=20, seed=5)
    submit(engine, 2, n=20, seed=5)
    submit(engine, 3, n=20, seed=6)
    heard = finish(engine)
    texts = {ticket: [choice.text for choice in heard.choices(ticket)] for ticket in (1, 2, 3)}
    assert texts[1] == texts[2] != texts[3]
    assert len(texts[1]) == 20
    assert len(set(texts[1])) > 10


def test_cancelling_ends_a_request_at_once_and_counts_what_it_used(
    engine_parts: tuple[Decoder, Vocabulary],
) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
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


def test_a_small_request_is_not_held_up_by_a_large_one(engine_parts: tuple[Decoder, Vocabulary]) -> None:
    engine = Engine(*engine_parts, context=CONTEXT, max_rows=4)
    submit(engine, 1, prompts=PROMPTS[:1] * 50, max_tokens=8)
    submit(engine, 2, prompts=("of",), max_tokens=2)
    assert finish(engine).done == [2, 1]


def test_prompts_that_come_together_begin_together_as_far_as_one_long_piece_goes(
    engine_parts: tuple[Decoder, Vocabulary],
) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
    fitting = engine.decoder.chunk // 40
    for ticket in range(fitting + 1):
        submit(engine, ticket, prompts=(tuple(range(40, 80)),), temperature=0.0)
    heard = Heard()
    heard.take(engine)
    assert set(heard.deltas) == set(range(fitting))
    heard.take(engine)
    assert set(heard.deltas) == set(range(fitting + 1))


def test_a_prompt_may_fill_the_whole_context(engine_parts: tuple[Decoder, Vocabulary]) -> None:
    engine = Engine(*engine_parts, context=CONTEXT, cache_bytes=1)
    request = GenerationRequest(prompts=((5,) * (CONTEXT - 1),), max_tokens=1, seed=1)
    engine.submit(0, request, [[5] * (CONTEXT - 1)])
    assert len(finish(engine).tokens[0, 0]) == 1


def mean(choice: ChoiceResult) -> float:
    assert choice.logprobs is not None
    values = [value for value in choice.logprobs.token_logprobs if value is not None]
    return sum(values) / len(values)


def test_the_best_of_several_are_the_likeliest_per_token(engine_parts: tuple[Decoder, Vocabulary]) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
    prompts = PROMPTS[:2]
    forced: dict[str, Any] = {
        "max_tokens": 6,
        "logit_bias": {0: -100.0},
    }  # no end of text: its probability would not be shown
    submit(engine, 0, prompts=prompts, n=8, seed=4, logprobs=0, **forced)
    submit(engine, 1, prompts=prompts, n=3, best_of=8, seed=4, logprobs=0, **forced)
    submit(engine, 2, prompts=prompts, n=3, best_of=8, seed=4, **forced)
    heard = finish(engine)
    every = heard.choices(0)
    for place in range(2):
        ranked = sorted(every[place * 8 : place * 8 + 8], key=mean, reverse=True)
        best = heard.choices(1)[place * 3 : place * 3 + 3]
        assert [choice.text for choice in best] == [choice.text for choice in ranked[:3]]
        assert [choice.index for choice in best] == [place * 3, place * 3 + 1, place * 3 + 2]
        lost = sum(len(heard.tokens[0, choice.index]) for choice in ranked[3:])
        assert heard.passed_over[1, place * 3] == lost
    assert [choice.text for choice in heard.choices(2)] == [choice.text for choice in heard.choices(1)]
    assert all(choice.logprobs is None for choice in heard.choices(2))


def test_a_bias_forces_a_token_and_its_probability_stays_the_models_own(
    engine_parts: tuple[Decoder, Vocabulary],
) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
    submit(engine, 0, logit_bias={7: 100.0}, max_tokens=3, logprobs=0)
    heard = finish(engine)
    assert heard.tokens[0, 0] == (7, 7, 7)
    logprobs = heard.choices(0)[0].logprobs
    assert logprobs is not None
    assert all(value is not None and value < -0.1 for value in logprobs.token_logprobs)


def test_penalties_end_a_repetition(engine_parts: tuple[Decoder, Vocabulary]) -> None:
    engine = Engine(*engine_parts, context=CONTEXT)
    for ticket, penalty in enumerate((0.0, 2.0)):
        submit(engine, ticket, logit_bias={7: 100.0}, temperature=0.0, max_tokens=80, frequency_penalty=penalty)
    heard = finish(engine)
    assert set(heard.tokens[0, 0]) == {7}
    assert len(set(heard.tokens[1, 0])) > 1
