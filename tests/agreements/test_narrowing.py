"""Narrowing: a child is within its parent in every dimension, however long the chain."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agreements.narrowing import Narrowing, beyond, narrowed, widens
from agreements.scopes import Operation, Scope, excesses

GRANT = Scope(
    checkpoints=frozenset({"ladder-s", "ladder-m", "ladder-l"}),
    operations=frozenset({Operation.GENERATE, Operation.SCORE, Operation.LOGPROBS}),
    purposes=frozenset({"bias-analysis", "misuse-analysis"}),
    token_budget=1000,
    requests_per_minute=60,
    expires_at=datetime(2026, 12, 1, tzinfo=UTC),
)


def subsets(names: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    """Nothing said, or some of the names."""
    return st.none() | st.frozensets(st.sampled_from(names), min_size=1)


NARROWINGS = st.builds(
    Narrowing,
    checkpoints=subsets(["ladder-s", "ladder-m", "ladder-l", "other"]),
    operations=subsets(["generate", "score", "logprobs", "embed"]),
    purposes=subsets(["bias-analysis", "misuse-analysis", "marketing"]),
    token_budget=st.none() | st.integers(1, 1500),
    requests_per_minute=st.none() | st.integers(1, 90),
)


@given(st.lists(NARROWINGS, max_size=5))
def test_whatever_is_let_through_stays_within_all_that_is_above(wished: list[Narrowing]) -> None:
    chain: list[Narrowing] = []
    for narrowing in wished:
        above = narrowed(GRANT, chain)
        if not beyond(narrowing, above):
            chain.append(narrowing)
            assert not excesses(narrowed(GRANT, chain), above)
            assert not widens(narrowing, chain[:-1])
    assert not excesses(narrowed(GRANT, chain), GRANT)


@given(NARROWINGS, NARROWINGS)
def test_what_is_wider_than_one_above_it_is_noticed_without_the_grant(child: Narrowing, above: Narrowing) -> None:
    said = {name for name in Narrowing.model_fields if None not in (getattr(child, name), getattr(above, name))}
    wider = {
        name
        for name in said
        if (
            getattr(child, name) > getattr(above, name)
            if isinstance(getattr(child, name), int)
            else not getattr(child, name) <= getattr(above, name)
        )
    }
    assert (widens(child, [above]) in wider) if wider else not widens(child, [above])


@given(NARROWINGS)
def test_a_narrowing_says_what_it_is_and_its_actor_carries_it(narrowing: Narrowing) -> None:
    assert bool(narrowing) == (narrowing != Narrowing())
    bounds = narrowing.bounds("tok_x")
    assert (bounds.token_budget, bounds.checkpoints) == (narrowing.token_budget, narrowing.checkpoints)
    assert Narrowing.model_validate_json(narrowing.model_dump_json()) == narrowing
