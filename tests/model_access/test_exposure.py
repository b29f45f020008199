"""What is counted of a run: an upper bound that only grows, adds up, and is nothing without probabilities or biases."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.access import Basis
from agreements.keys import SigningKey
from agreements.scopes import Operation
from model_access.build import engine_build
from model_access.exposure import Exposure, Level, Thresholds, states_of, values_of
from model_access.receipts import RunPredicate, RunStatement, SaltedDigest, sign_receipt
from model_access.runs import INTERRUPTED, Run, RunStatus, RunTerms

LAB = SigningKey.from_seed(b"l" * 32)
TOKENS = st.integers(0, 500)
ASKED = st.fixed_dictionaries(
    {"logprobs": st.none() | st.integers(0, 20), "echo": st.booleans(), "logit_bias": st.sampled_from([{}, {"5": 1.0}])}
)
TERMS = RunTerms(
    run_id="run_1",
    checkpoint_id="ladder-l",
    manifest_digest="sha256:" + "0" * 64,
    person_id="per_1",
    institution_id="north",
    basis=Basis.GRANT,
    grant_id="grt_1",
    agreement_digest=None,
    token_id=None,
    purpose="misuse-analysis",
    operation=Operation.GENERATE,
    parameters={},
    seed=1,
    reserved_tokens=1000,
)


def run(prompt: int, completion: int, asked: dict[str, Any], **more: Any) -> Run:
    """A run that ended."""
    changed: dict[str, Any] = {name: more.pop(name) for name in ("basis", "batch_id") if name in more}
    terms = TERMS.model_copy(update={"parameters": asked, **changed})
    state = {"status": RunStatus.COMPLETED, "prompt_tokens": prompt, "completion_tokens": completion, **more}
    return Run(terms=terms, **state)


def receipt_about(choices: int) -> dict[str, Any]:
    """A receipt of a run of so many choices."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    predicate = RunPredicate(
        **TERMS.model_dump(include=RunPredicate.model_fields.keys() - {"replays"}),
        prompts=SaltedDigest.of([]),
        outputs=SaltedDigest.of([]),
        prompt_tokens=1,
        completion_tokens=0,
        finish_reasons=("stop",) * choices,
        engine=engine_build(),
        sandbox="none",
        started_at=now,
        finished_at=now,
    )
    return sign_receipt(RunStatement.about(predicate), LAB).to_json()


@given(TOKENS, TOKENS, st.booleans())
def test_without_probabilities_or_biases_nothing_is_seen(prompt: int, completion: int, echo: bool) -> None:
    assert values_of(run(prompt, completion, {"logprobs": None, "echo": echo, "logit_bias": {}})) == 0
    assert values_of(run(prompt, completion, {})) == 0


@given(TOKENS, TOKENS, ASKED)
def test_no_more_is_counted_than_could_be_seen_and_no_less(prompt: int, completion: int, asked: dict[str, Any]) -> None:
    columns = 0 if asked["logprobs"] is None else asked["logprobs"] + 1
    places = completion + (prompt if asked["echo"] else 0)
    expected = places * columns if columns else (completion if asked["logit_bias"] else 0)
    assert values_of(run(prompt, completion, asked)) == expected


@given(TOKENS, TOKENS, TOKENS, TOKENS, ASKED)
def test_more_answers_never_count_less(prompt: int, completion: int, p: int, c: int, asked: dict[str, Any]) -> None:
    less = values_of(run(prompt, completion, asked))
    assert values_of(run(prompt + p, completion + c, asked)) >= less
    if asked["logprobs"] is not None:
        assert values_of(run(prompt, completion, {**asked, "logprobs": asked["logprobs"] + 1})) >= less


@given(TOKENS, TOKENS, ASKED)
def test_what_failed_counts_as_what_it_made(prompt: int, completion: int, asked: dict[str, Any]) -> None:
    whole = values_of(run(prompt, completion, asked))
    assert values_of(run(prompt, completion, asked, status=RunStatus.FAILED, failure_code="withdrawn")) == whole
    cut_off = values_of(run(0, 0, asked, status=RunStatus.FAILED, failure_code=INTERRUPTED))
    assert cut_off >= whole
    assert values_of(run(prompt, completion, asked, status=RunStatus.FAILED, batch_id="batch_1")) == 0
    assert values_of(run(prompt, completion, asked, status=RunStatus.STARTED)) == 0
    assert values_of(run(prompt, completion, asked, basis=Basis.LAB)) == 0


@given(st.integers(1, 100), TOKENS)
def test_each_embedding_is_a_state_once_its_run_completed(inputs: int, prompt: int) -> None:
    asked = {"embed": True, "logprobs": None}
    receipt = receipt_about(inputs)
    given_out = run(prompt, 0, asked, receipt=receipt)
    assert (states_of(given_out), values_of(given_out)) == (inputs, 0)
    assert states_of(run(prompt, 0, asked, receipt=receipt, basis=Basis.LAB)) == 0
    assert states_of(run(prompt, 0, asked, status=RunStatus.FAILED)) == 0
    assert states_of(run(prompt, 4, {"logprobs": 1}, receipt=receipt)) == 0


SEEN = st.tuples(st.integers(0, 10**9), st.integers(0, 10**6))


@given(st.lists(SEEN), st.integers(1, 10**5), st.integers(1, 10**4))
def test_holders_add_up_and_hidden_vectors_are_the_whole(
    parts: list[tuple[int, int]], vocabulary: int, hidden: int
) -> None:
    def of(values: int, states: int = 0) -> Exposure:
        return Exposure(values=values, states=states, vocabulary_size=vocabulary, hidden_size=hidden)

    together = of(sum(values for values, _ in parts), sum(states for _, states in parts))
    assert together.vectors == pytest.approx(sum(of(*part).vectors for part in parts))
    assert together.share == pytest.approx(sum(of(*part).share for part in parts))
    # A state is worth a full vector of values, and as many of either as the layer is wide are all of it.
    assert of(vocabulary).vectors == of(0, 1).vectors == 1
    assert of(vocabulary * hidden).share == of(0, hidden).share == 1
    assert of(vocabulary, hidden - 1).share == pytest.approx(1)


@given(st.floats(0, 3), st.floats(0, 3))
def test_a_greater_share_is_never_at_a_lower_level(one: float, other: float) -> None:
    levels, thresholds = list(Level), Thresholds(warn=0.1, alert=0.5)
    low, high = sorted((one, other))
    assert levels.index(thresholds.level(low)) <= levels.index(thresholds.level(high))
    assert [thresholds.level(share) for share in (0.0999, 0.1, 0.4999, 0.5)] == [
        Level.LOW,
        Level.WARN,
        Level.WARN,
        Level.ALERT,
    ]


def test_an_alert_before_its_warning_is_refused() -> None:
    with pytest.raises(ValidationError):
        Thresholds(warn=0.5, alert=0.1)
