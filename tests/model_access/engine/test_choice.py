from pathlib import Path

import pytest

from model_access.engine.choice import Choice, TokenScore
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceDelta, GenerationRequest, Logprobs, assemble


@pytest.fixture(scope="session")
def vocabulary(tiny_checkpoint: Path) -> Vocabulary:
    return Vocabulary(tiny_checkpoint)


def played(
    vocabulary: Vocabulary, text: str, *, prompt: str = "the", **options: object
) -> tuple[Choice, list[ChoiceDelta]]:
    """A choice that is given the tokens of ``text``, as far as it wants them."""
    request = GenerationRequest.parse({"prompts": (prompt,), "seed": 0, "max_tokens": 50, **options})
    ids, tokens = vocabulary.encode([prompt, text])
    choice = Choice(request, 0, ids, vocabulary, frozenset({0}))
    scored = request.logprobs is not None
    deltas = (
        choice.echo([TokenScore(None)] + [TokenScore(-1.0)] * (len(ids) - 1) if scored else None)
        if request.echo
        else []
    )
    for token in tokens:
        delta = choice.add(token, TokenScore(-2.0, ((token, -2.0),)) if scored else None)
        if delta is not None:
            deltas.append(delta)
        if choice.finish_reason is not None:
            break
    return choice, deltas


def joined_logprobs(deltas: list[ChoiceDelta]) -> Logprobs:
    logprobs = assemble(deltas)[0].logprobs
    assert logprobs is not None
    return logprobs


def test_deltas_add_up_to_the_text(vocabulary: Vocabulary) -> None:
    choice, deltas = played(vocabulary, "then — über there<|endoftext|>")
    assert "".join(delta.text for delta in deltas) == "then — über there"
    assert choice.finish_reason == "stop"
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)


def test_the_end_token_counts_and_is_not_shown(vocabulary: Vocabulary) -> None:
    choice, deltas = played(vocabulary, "x<|endoftext|>more", logprobs=0)
    assert choice.generated == [*vocabulary.encode(["x"])[0], 0]
    assert joined_logprobs(deltas).tokens == ("x",)


def test_a_stop_string_may_span_tokens_and_is_cut(vocabulary: Vocabulary) -> None:
    choice, deltas = played(vocabulary, "before STOP after", stop=("STOP",), logprobs=0)
    assert "".join(delta.text for delta in deltas) == "before "
    assert choice.finish_reason == "stop"
    assert "".join(joined_logprobs(deltas).tokens) == "before "
    assert vocabulary.decode(choice.generated) == "before STOP"


def test_a_stop_string_that_does_not_come_is_shown_after_all(vocabulary: Vocabulary) -> None:
    count = len(vocabulary.encode(["before STO"])[0])
    _, deltas = played(vocabulary, "before STO", stop=("STOP",), max_tokens=count)
    assert "".join(delta.text for delta in deltas) == "before STO"
    assert deltas[-1].finish_reason == "length"


def test_a_length_that_cuts_a_character_shows_the_replacement(vocabulary: Vocabulary) -> None:
    _, deltas = played(vocabulary, "€", max_tokens=2, logprobs=0)
    assert "".join(delta.text for delta in deltas) == "\N{REPLACEMENT CHARACTER}"
    assert joined_logprobs(deltas).tokens == ("bytes:\\xe2", "bytes:\\x82")


def test_echo_comes_first_and_its_first_token_has_no_probability(vocabulary: Vocabulary) -> None:
    _, deltas = played(vocabulary, " other<|endoftext|>", prompt="the theory of", echo=True, logprobs=1)
    choice = assemble(deltas)[0]
    assert choice.text == "the theory of other"
    logprobs = joined_logprobs(deltas)
    assert logprobs.token_logprobs[0] is None
    assert logprobs.top_logprobs[0] is None
    assert None not in logprobs.token_logprobs[1:]


@pytest.mark.parametrize("text", ["then there", "a€b — ü", "the the the"])
def test_offsets_point_at_each_token_in_the_text(vocabulary: Vocabulary, text: str) -> None:
    _, deltas = played(vocabulary, text + "<|endoftext|>", prompt="that — theory", echo=True, logprobs=0)
    logprobs, whole = joined_logprobs(deltas), assemble(deltas)[0].text
    assert list(logprobs.text_offset) == sorted(logprobs.text_offset)
    for token, offset in zip(logprobs.tokens, logprobs.text_offset, strict=True):
        assert token.startswith("bytes:") or whole.startswith(token, offset)


def test_a_stop_string_inside_the_prompt_does_not_stop(vocabulary: Vocabulary) -> None:
    _, deltas = played(vocabulary, " fine<|endoftext|>", prompt="STOP", echo=True, stop=("STOP",))
    assert assemble(deltas)[0].text == "STOP fine"


def test_a_long_prompt_is_echoed_in_pieces(vocabulary: Vocabulary) -> None:
    prompt = "€" * 300
    _, deltas = played(vocabulary, "x<|endoftext|>", prompt=prompt, echo=True, logprobs=0)
    assert max(len(delta.token_ids) for delta in deltas) <= 256
    assert assemble(deltas)[0].text == prompt + "x"
