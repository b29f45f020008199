import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model_access.engine.sampling import Logits, log_probabilities, pick, uniform

DRAWS = 20_000
CHI_SQUARE_999 = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}
"""The 99.9th percentile by degrees of freedom."""

LOGITS = np.log(np.array([0.05, 0.4, 0.02, 0.25, 0.13, 0.15], dtype=np.float32))

logits = arrays(np.float32, st.integers(1, 12), elements=st.floats(-30, 30, width=32))
unit = st.floats(0, 1, exclude_max=True)


def exact(temperature: float, top_p: float) -> dict[int, float]:
    """The distribution by its definition, over plain Python floats."""
    weights = [float(np.exp(np.float64(value) / temperature)) for value in LOGITS]
    shares = {token: weight / sum(weights) for token, weight in enumerate(weights)}
    kept: dict[int, float] = {}
    for token in sorted(shares, key=lambda token: (-shares[token], token)):
        if sum(kept.values()) >= top_p:
            break
        kept[token] = shares[token]
    return {token: share / sum(kept.values()) for token, share in kept.items()}


@pytest.mark.parametrize(
    ("temperature", "top_p"), [(1.0, 1.0), (0.5, 1.0), (2.0, 1.0), (1.0, 0.7), (0.7, 0.9), (1.5, 0.5)]
)
def test_draws_follow_the_exact_distribution(temperature: float, top_p: float) -> None:
    expected = exact(temperature, top_p)
    drawn = [
        pick(LOGITS, temperature=temperature, top_p=top_p, u=uniform(seed=7, choice=0, position=place))
        for place in range(DRAWS)
    ]
    counts = np.bincount(drawn, minlength=len(LOGITS))
    assert {token for token in range(len(LOGITS)) if counts[token]} <= set(expected)
    statistic = sum((counts[token] - DRAWS * share) ** 2 / (DRAWS * share) for token, share in expected.items())
    assert statistic < CHI_SQUARE_999[len(expected) - 1]


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


@given(logits)
def test_log_probabilities_make_a_distribution(values: Logits) -> None:
    result = log_probabilities(values)
    assert np.isclose(np.exp(result).sum(), 1.0)
    assert np.isfinite(result).all()
