"""How much is generated where a request names no number."""

from hypothesis import given
from hypothesis import strategies as st

from agreements.access import Draw
from agreements.limits import Sampling
from model_access.fitting import fitted
from model_access.generation import GenerationRequest
from model_access.metering import Meter, Settled, Unspent

ROOM = 60
COUNTS = st.integers(1, 400)


@given(
    cap=st.none() | COUNTS,
    tokens=st.none() | st.integers(-5, 400),
    outputs=st.none() | st.integers(-5, 400),
    prompt_tokens=COUNTS,
    n=st.integers(1, 4),
)
def test_it_is_the_most_that_nothing_refuses(
    cap: int | None, tokens: int | None, outputs: int | None, prompt_tokens: int, n: int
) -> None:
    asked = GenerationRequest(prompts=("x",), max_tokens=ROOM, n=n, seed=1)
    limits = None if cap is None else Sampling(max_tokens=cap)

    def goes(most: int) -> bool:
        return (
            most <= ROOM
            and (cap is None or most <= cap)
            and (tokens is None or prompt_tokens + n * most <= tokens)
            and (outputs is None or n * most <= outputs)
        )

    most = fitted(asked, prompt_tokens, limits, Unspent(tokens, outputs)).max_tokens
    assert most >= 1
    # Where not even one token goes, one is asked for, so that it is refused by whatever has no room for it.
    assert goes(most) or (most == 1 and not goes(1))
    assert not goes(most + 1)


def test_limits_on_something_else_leave_it_as_it_is() -> None:
    asked = GenerationRequest(prompts=("x",), max_tokens=ROOM, seed=1)
    assert fitted(asked, 1, Sampling(choices=1), Unspent()) == asked


def test_what_is_unspent_is_the_least_of_all_accounts_whatever_is_held() -> None:
    meter = Meter({"grant": Settled(tokens=70, outputs=10), "agreement": Settled(tokens=10)}, lambda: 0.0)
    grant = Draw(account="grant", says="the grant", budget=100, per_minute=None, outputs=90)
    agreement = Draw(account="agreement", says="the agreement", budget=50, per_minute=None)
    assert meter.unspent([grant, agreement]) == Unspent(tokens=30, outputs=80)
    meter.reserve([grant, agreement], 20, outputs=20)
    assert meter.unspent([grant, agreement]) == Unspent(tokens=30, outputs=80)
    meter.settle(["grant", "agreement"], reserved=20, used=5, outputs_reserved=20, outputs=3)
    assert meter.unspent([grant, agreement]) == Unspent(tokens=25, outputs=77)
    assert meter.unspent([]) == Unspent()
