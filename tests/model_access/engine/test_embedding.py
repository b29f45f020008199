"""Embeddings: what ``transformers`` holds of a text, and the same bits whatever else is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from agreements.errors import Invalid
from model_access.embeddings import text_of, vector_of
from model_access.engine.engine import Engine
from model_access.engine.loading import load
from model_access.engine.one_by_one import OneByOneDecoder
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import GenerationRequest
from tests.model_access.engine.engine_stand import CONTEXT, PROMPTS, Heard, finish, submit

TEXTS = (*PROMPTS, "the theory of that " * 5)


def engine_on(folder: Path) -> Engine:
    decoder = load(folder)
    if not isinstance(decoder, OneByOneDecoder):
        decoder.chunk = 16
    return Engine(decoder, Vocabulary(folder), context=CONTEXT)


def embed(engine: Engine, ticket: int, texts: tuple[str, ...]) -> None:
    submit(engine, ticket, prompts=texts, embed=True, max_tokens=0)


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "opt", "mixtral"])
def test_it_is_the_mean_of_the_last_hidden_states(
    architecture: str, checkpoint_maker: Callable[..., Path], tmp_path: Path
) -> None:
    folder = checkpoint_maker(tmp_path, architecture)
    engine = engine_on(folder)
    embed(engine, 1, TEXTS)
    heard = finish(engine)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    for text, choice in zip(TEXTS, heard.choices(1), strict=True):
        ids = torch.tensor(engine.vocabulary.encode([text]))
        with torch.inference_mode():
            expected = model.base_model(ids).last_hidden_state[0].mean(dim=0)
        assert torch.allclose(torch.tensor(vector_of(choice.text)), expected, atol=1e-4, rtol=1e-4)
    assert engine.idle
    assert engine.cells_used == 0
    assert heard.done == [1]


def test_the_bits_are_the_same_whatever_else_is_asked_for(tiny_checkpoint: Path) -> None:
    alone = []
    for text in TEXTS:
        engine = engine_on(tiny_checkpoint)
        embed(engine, 1, (text,))
        alone.append(finish(engine).choices(1)[0].text)
    engine = engine_on(tiny_checkpoint)
    submit(engine, 1, n=3, holder="mia")
    embed(engine, 2, tuple(reversed(TEXTS)))
    submit(engine, 3, prompts=TEXTS, max_tokens=4, holder="mia")
    embed(engine, 4, TEXTS)
    heard = finish(engine)
    assert [choice.text for choice in heard.choices(4)] == alone
    assert [choice.text for choice in heard.choices(2)] == alone[::-1]


def test_a_request_that_is_cancelled_leaves_nothing_behind(tiny_checkpoint: Path) -> None:
    engine = engine_on(tiny_checkpoint)
    embed(engine, 1, TEXTS)
    engine.step()
    assert engine.cancel(1) == 0
    assert engine.cancel(1) is None
    assert engine.idle
    assert engine.cells_used == 0


@pytest.mark.parametrize("embeds", [True, False])
def test_embeddings_and_answers_without_end_leave_each_other_room(tiny_checkpoint: Path, embeds: bool) -> None:
    """An answer takes one step of cells, an embedding two, of two and a half: what one leaves, the next takes."""
    engine = Engine(load(tiny_checkpoint), Vocabulary(tiny_checkpoint), context=CONTEXT, cache_bytes=1)
    heard, flood = Heard(), 1

    def asked(ticket: int, *, embed: bool) -> None:
        prompt = tuple([3] * (90 if embed else 2))
        submit(engine, ticket, prompts=(prompt,), embed=embed, max_tokens=0 if embed else 6 + ticket % 5)

    asked(0, embed=embeds)
    while 0 not in heard.done:
        while flood < len(heard.done) + 5:
            asked(flood, embed=not embeds)
            flood += 1
        assert len(heard.done) < 40
        heard.take(engine)


def test_what_waits_for_room_and_is_cancelled_keeps_it_from_nobody(tiny_checkpoint: Path) -> None:
    engine = Engine(load(tiny_checkpoint), Vocabulary(tiny_checkpoint), context=CONTEXT, cache_bytes=1)
    submit(engine, 1, prompts=((3, 4),), max_tokens=20)
    engine.step()
    submit(engine, 2, prompts=((3,) * 90,), embed=True, max_tokens=0)
    engine.step()
    assert engine.cancel(2) == 0
    submit(engine, 3, prompts=((3, 4),), max_tokens=2)
    assert finish(engine).done == [3, 1]


def test_a_vector_survives_as_text() -> None:
    vector = torch.randn(48).tolist()
    assert vector_of(text_of(vector)) == tuple(vector)


@pytest.mark.parametrize("text", ["", "AAA", "AAAA", "!!!!", "AADAfw==", "AACAfwAAAAA=", "ü"])
def test_what_is_no_vector_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        vector_of(text)


@pytest.mark.parametrize("more", [{"max_tokens": 1}, {"echo": True}, {"n": 2}, {"best_of": 2}])
def test_nothing_else_is_asked_for_with_it(more: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        GenerationRequest.parse({"prompts": ("x",), "seed": 0, "max_tokens": 0, "embed": True, **more})
