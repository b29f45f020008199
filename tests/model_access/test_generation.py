from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import Conflict, Invalid, Unavailable
from model_access.generation import ChoiceDelta, Failed, GenerationRequest, Logprobs, assemble

PLAIN: dict[str, Any] = {"prompts": ("Once",), "seed": 1}

BAD: list[tuple[str, dict[str, Any]]] = [
    ("prompts", {"prompts": ()}),
    ("prompts", {"prompts": ((-1,),)}),
    ("prompts", {"prompts": (1.5,)}),
    ("max_tokens", {"max_tokens": -1}),
    ("temperature", {"temperature": float("nan")}),
    ("temperature", {"temperature": float("inf")}),
    ("temperature", {"temperature": 2.1}),
    ("top_p", {"top_p": 0.0}),
    ("top_p", {"top_p": 1.01}),
    ("top_k", {"top_k": 0}),
    ("presence_penalty", {"presence_penalty": 2.1}),
    ("frequency_penalty", {"frequency_penalty": float("nan")}),
    ("logit_bias", {"logit_bias": {-1: 1.0}}),
    ("logit_bias", {"logit_bias": {1: 100.5}}),
    ("logit_bias", {"logit_bias": dict.fromkeys(range(301), 1.0)}),
    ("best_of", {"best_of": 129}),
    ("n", {"n": 0}),
    ("n", {"n": 129}),
    ("stop", {"stop": ("",)}),
    ("stop", {"stop": ("x" * 257,)}),
    ("stop", {"stop": ("x",) * 17}),
    ("seed", {"seed": -1}),
    ("seed", {"seed": 2**53}),
    ("logprobs", {"logprobs": 21}),
    ("colour", {"colour": "red"}),
]


@pytest.mark.parametrize(("param", "change"), BAD)
def test_names_the_field_that_does_not_fit(param: str, change: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refusal:
        GenerationRequest.parse({**PLAIN, **change})
    assert (refusal.value.code, refusal.value.param) == ("bad_request", param)


def test_bounds_the_number_of_choices() -> None:
    with pytest.raises(Invalid) as refusal:
        GenerationRequest.parse({"prompts": ("a",) * 100, "n": 11, "seed": 1})
    assert refusal.value.code == "too_many_choices"


def test_candidates_count_and_are_no_fewer_than_the_choices() -> None:
    request = GenerationRequest.parse({**PLAIN, "prompts": ("a", "b"), "n": 2, "best_of": 5})
    assert (request.choice_count, request.candidate_count) == (4, 10)
    for change, code in (({"n": 2, "best_of": 1}, "too_few_candidates"), ({"best_of": 128}, "too_many_choices")):
        with pytest.raises(Invalid) as refusal:
            GenerationRequest.parse({**PLAIN, "prompts": ("a",) * 9, **change})
        assert (refusal.value.code, refusal.value.param) == (code, "best_of")


def test_a_refusal_never_repeats_the_prompt() -> None:
    with pytest.raises(Invalid) as refusal:
        GenerationRequest.parse({"prompts": ("my secret",), "seed": "my secret"})
    assert "my secret" not in str(refusal.value)


def _logprobs(text: str) -> Logprobs:
    return Logprobs(tokens=(text,), token_logprobs=(-1.0,), top_logprobs=({text: -1.0},), text_offset=(0,))


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=3)), max_size=20), st.booleans())
def test_assembling_keeps_every_piece_in_order(pieces: list[tuple[int, str]], scored: bool) -> None:
    deltas = [
        ChoiceDelta(index=index, text=text, token_ids=(place,), logprobs=_logprobs(text) if scored else None)
        for place, (index, text) in enumerate(pieces)
    ]
    choices = assemble(deltas)
    assert [choice.index for choice in choices] == sorted({index for index, _ in pieces})
    for choice in choices:
        own = [place for place, (index, _) in enumerate(pieces) if index == choice.index]
        assert choice.text == "".join(pieces[place][1] for place in own)
        assert choice.token_ids == tuple(own)
        assert (choice.logprobs is not None) == scored
        if choice.logprobs is not None:
            assert choice.logprobs.tokens == tuple(pieces[place][1] for place in own)


def test_the_last_delta_says_why_it_ended() -> None:
    choice = assemble([ChoiceDelta(index=0, text="a"), ChoiceDelta(index=0, text="", finish_reason="stop")])[0]
    assert choice.finish_reason == "stop"


def test_a_failure_becomes_the_refusal_to_raise() -> None:
    retriable = Failed(code="worker_died", message="It died.", retriable=True).error()
    final = Failed(code="cancelled", message="Enough.", retriable=False).error()
    assert isinstance(retriable, Unavailable)
    assert retriable.retry_after_s is not None
    assert isinstance(final, Conflict)
    assert (retriable.code, final.code) == ("worker_died", "cancelled")
