from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model_access.engine.sampling import Logits, adjusted, pick, uniform
from model_access.generation import GenerationRequest

DRAWS = 20_000
CHI_SQUARE_999 = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}
"""The 99.9th percentile by degrees of freedom."""

LOGITS = np.log(np.array([0.05, 0.4, 0.02, 0.25, 0.13, 0.15], dtype=np.float32))

logits = arrays(np.float32, st.integers(1, 12), elements=st.floats(-30, 30, width=32))
unit = st.floats(0, 1, exclude_max=True)


def exact(values: Logits, temperature: float, top_p: float = 1.0, top_k: int | None = None) -> dict[int, float]:
    """The distribution by its definition, over plain Python floats."""
    weights = [float(np.exp(np.float64(value) / temperature)) for value in values]
    ranked = sorted(range(len(weights)), key=lambda token: (-weights[token], token))[:top_k]
    whole = sum(weights[token] for token in ranked)
    kept: dict[int, float] = {}
    for token in ranked:
        if sum(kept.values()) >= top_p * whole:
            break
        kept[token] = weights[token]
    return {token: weight / sum(kept.values()) for token, weight in kept.items()}


def statistic(values: Logits, expected: dict[int, float], **options: Any) -> float:
    """Pearson's, of ``DRAWS`` draws; infinite if one fell outside."""
    drawn = [pick(values, u=uniform(seed=7, choice=0, position=place), **options) for place in range(DRAWS)]
    counts = np.bincount(drawn, minlength=len(values))
    if not set(np.flatnonzero(counts).tolist()) <= set(expected):
        return float("inf")
    return float(sum((counts[token] - DRAWS * share) ** 2 / (DRAWS * share) for token, share in expected.items()))


@pytest.mark.parametrize(
    ("temperature", "top_p", "top_k"),
    [
        (1.0, 1.0, None),
        (0.5, 1.0, None),
        (2.0, 1.0, None),
        (1.0, 0.7, None),
        (0.7, 0.9, None),
        (1.5, 0.5, None),
        (1.0, 1.0, 3),
        (1.3, 1.0, 2),
        (1.0, 0.9, 4),
        (1.0, 0.8, 5),
        (1.0, 1.0, 100),
    ],
)
def test_draws_follow_the_exact_distribution(temperature: float, top_p: float, top_k: int | None) -> None:
    expected = exact(LOGITS, temperature, top_p, top_k)
    found = statistic(LOGITS, expected, temperature=temperature, top_p=top_p, top_k=top_k)
    assert found < CHI_SQUARE_999[len(expected) - 1]


def test_draws_with_biases_and_penalties_follow_theirs() -> None:
    request = GenerationRequest(
        prompts=("x",), seed=0, presence_penalty=0.5, frequency_penalty=0.25, logit_bias={0: 1.5, 2: -2.0}
    )
    values = adjusted(LOGITS, request, [1, 3, 3, 1, 1])
    by_hand = LOGITS + np.array([1.5, -0.5 - 0.75, -2.0, -0.5 - 0.5, 0, 0], dtype=np.float32)
    assert values == pytest.approx(by_hand)
    expected = exact(by_hand, 1.0)
    assert statistic(values, expected, temperature=1.0) < CHI_SQUARE_999[len(expected) - 1]


def test_without_biases_or_penalties_logits_are_as_they_were() -> None:
    assert adjusted(LOGITS, GenerationRequest(prompts=("x",), seed=0), [1, 2]) is LOGITS
    penalised = GenerationRequest(prompts=("x",), seed=0, presence_penalty=1.0)
    assert adjusted(LOGITS, penalised, []) is LOGITS


many = arrays(np.float32, st.integers(1, 700), elements=st.floats(-6, 6, width=16))


@given(many, st.floats(0.2, 2), st.floats(0.05, 1), st.none() | st.integers(1, 800), unit)
def test_a_draw_falls_where_the_definition_says(
    values: Logits, temperature: float, top_p: float, top_k: int | None, u: float
) -> None:
    """Whichever short cut ranks the tokens, also among many equals."""
    token = pick(values, temperature=temperature, top_p=top_p, top_k=top_k, u=u)
    assert token in exact(values, temperature, min(top_p + 1e-9, 1.0), top_k)


@given(logits, st.floats(0.01, 2), st.floats(0.01, 1), unit)
def test_a_draw_is_always_inside_the_nucleus(values: Logits, temperature: float, top_p: float, u: float) -> None:
    token = pick(values, temperature=temperature, top_p=top_p, u=u)
    assert 0 <= token < len(values)
    shares = np.exp((values.astype(np.float64) - values.max()) / temperature)
    shares /= shares.sum()
    better = shares[shares > shares[token]].sum()
    assert better <= top_p + 1e-9


@given(logits, unit)
def test_temperature_nought_takes_the_first_of_the_most_likely(values: Logits, u: float) -> None:
    token = pick(values, temperature=0.0, top_p=1.0, u=u)
    assert values[token] == values.max()
    assert not (values[:token] == values.max()).any()


@given(logits, unit)
def test_a_tiny_nucleus_is_greedy(values: Logits, u: float) -> None:
    token = pick(values, temperature=1.0, top_p=1e-9, u=u)
    assert values[token] == pytest.approx(values.max())


def test_numbers_depend_on_seed_choice_and_position_only() -> None:
    one = [uniform(1, 0, place) for place in range(50)]
    assert one == [uniform(1, 0, place) for place in range(50)]
    assert len({*one, *(uniform(1, 1, p) for p in range(50)), *(uniform(2, 0, p) for p in range(50))}) == 150
    assert all(0 <= value < 1 for value in one)


def test_positions_are_independent_of_each_other() -> None:
    values = np.array([uniform(3, 0, place) for place in range(4000)])
    assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.06
    assert abs(values.mean() - 0.5) < 0.02
