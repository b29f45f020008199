"""Narrowing: a child is within its parent in every dimension, at issue and at use, however long the chain."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agreements.access.answers import AskedSampling, Question, Subject
from agreements.access.narrowed import outside_token, token_draws
from agreements.actors import Actor, TokenBounds
from agreements.limits import Hours, Period, PeriodBudget, Sampling, Weekday
from agreements.narrowing import LIMITS, Narrowing, beyond, narrowed, widens
from agreements.precision import Precision
from agreements.scopes import Operation, Scope
from agreements.tokens import AuthorizationDetails

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FAMILIES = {"ladder-s": "ladder", "ladder-m": "ladder", "ladder-l": "ladder", "other": "others"}
NAMES = ["ladder-s", "ladder-m", "ladder-l", "ladder/*", "other"]

GRANT = Scope(
    checkpoints=frozenset({"ladder-s", "ladder-l", "ladder/*"}),
    operations=frozenset({Operation.GENERATE, Operation.SCORE, Operation.LOGPROBS}),
    purposes=frozenset({"bias-analysis", "misuse-analysis"}),
    token_budget=1000,
    requests_per_minute=60,
    expires_at=datetime(2026, 12, 1, tzinfo=UTC),
    sampling=Sampling(max_tokens=2, max_temperature=1.0),
    concurrency=2,
    logit_bias=True,
    precisions=frozenset({Precision.BFLOAT16, Precision.INT8}),
)


def family_of(checkpoint_id: str) -> str:
    """As the portal's registry says."""
    return FAMILIES.get(checkpoint_id, "")


def subsets(names: list[str]) -> st.SearchStrategy[frozenset[str] | None]:
    """Nothing said, or some of the names."""
    return st.none() | st.frozensets(st.sampled_from(names), min_size=1)


FEW = st.none() | st.integers(1, 3)
SAMPLINGS = st.builds(
    Sampling,
    max_tokens=FEW,
    choices=st.integers(1, 3),
    top_logprobs=st.none() | st.integers(0, 2),
    max_temperature=st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.0]),
)
PERIODS = st.lists(
    st.builds(PeriodBudget, period=st.sampled_from(Period), tokens=FEW, requests=st.integers(1, 3)),
    max_size=2,
    unique_by=lambda budget: budget.period,
).map(tuple)
HOURS = st.builds(
    Hours,
    weekdays=st.frozensets(st.sampled_from(list(Weekday)[:3]), min_size=1),
    opens=st.sampled_from(["00:00", "09:30"]),
    closes=st.sampled_from(["12:00", "24:00"]),
    zone=st.sampled_from(["UTC", "Europe/Zurich"]),
)
NARROWINGS = st.builds(
    Narrowing,
    checkpoints=subsets(NAMES),
    operations=subsets(["generate", "score", "logprobs", "embed"]),
    purposes=subsets(["bias-analysis", "misuse-analysis", "marketing"]),
    token_budget=st.none() | st.integers(1, 1500),
    requests_per_minute=st.none() | st.integers(1, 90),
    request_budget=FEW,
    periods=PERIODS,
    concurrency=FEW,
    sampling=st.none() | SAMPLINGS,
    hours=st.none() | HOURS,
    output_budget=FEW,
    logit_bias=st.none() | st.booleans(),
    precisions=st.none() | st.frozensets(st.sampled_from(Precision), min_size=1),
)
SUBJECTS = st.builds(
    lambda name, stage, served: Subject(checkpoint_id=name, family=FAMILIES[name], stage=stage, precision=served),
    st.sampled_from(list(FAMILIES)),
    st.sampled_from(["withheld", "partner_access", "public"]),
    st.none() | st.sampled_from(Precision),
)
QUESTIONS = st.builds(
    Question,
    operations=st.frozensets(st.sampled_from(Operation), min_size=1),
    sampling=st.builds(
        AskedSampling,
        max_tokens=st.integers(0, 4),
        choices=st.integers(1, 4),
        top_logprobs=st.integers(0, 3),
        temperature=st.sampled_from([0.0, 0.7, 1.0, 1.5]),
        logit_bias=st.booleans(),
    ),
)
MOMENTS = st.integers(0, 7 * 24 * 2).map(lambda halves: NOW + timedelta(minutes=30 * halves))


def bearer(chain: list[Narrowing]) -> Actor:
    """Whoever comes with the last token of a chain."""
    bounds = tuple(TokenBounds(token_id=f"tok_{n}", narrowing=one) for n, one in enumerate(chain))
    return Actor(person_id="per_x", name="X", token_id=f"tok_{len(chain) - 1}", bounds=bounds)


def whole(scope: Scope) -> Narrowing:
    """A narrowing that says of every dimension what a scope says."""
    return Narrowing(**{name: getattr(scope, name) for name in Narrowing.model_fields})


@given(st.lists(NARROWINGS, max_size=5))
def test_whatever_is_let_through_stays_within_all_that_is_above(wished: list[Narrowing]) -> None:
    chain: list[Narrowing] = []
    for narrowing in wished:
        above = narrowed(GRANT, chain)
        if not beyond(narrowing, above, family_of):
            assert not widens(narrowing, chain, family_of)
            chain.append(narrowing)
    assert not beyond(whole(narrowed(GRANT, chain)), GRANT, family_of)


@given(NARROWINGS, SUBJECTS, QUESTIONS, st.sampled_from(["bias-analysis", "marketing"]), MOMENTS)
def test_what_lies_within_opens_nothing_that_is_closed_above(
    child: Narrowing, subject: Subject, question: Question, purpose: str, now: datetime
) -> None:
    if beyond(child, GRANT, family_of):
        return
    inside = outside_token(bearer([whole(child.applied(GRANT))]), subject, question, purpose, now) is None
    above = outside_token(bearer([whole(GRANT)]), subject, question, purpose, now) is None
    # The one thing that only use can tell: a member named one by one is withheld still, and the selector waits for it.
    by_selector = subject.stage == "withheld" and subject.checkpoint_id not in GRANT.checkpoints
    assert above or not inside or by_selector


@given(st.lists(NARROWINGS, min_size=1, max_size=4), SUBJECTS, QUESTIONS, MOMENTS)
def test_a_token_opens_at_use_only_what_every_token_above_it_opens(
    chain: list[Narrowing], subject: Subject, question: Question, now: datetime
) -> None:
    # Of any chain at all: no rule relies on what was proved when the token was made.
    answers = [outside_token(bearer(chain[:n]), subject, question, "bias-analysis", now) for n in range(len(chain) + 1)]
    for above, below in pairwise(answers):
        assert below is not None or above is None


@given(NARROWINGS, SUBJECTS, QUESTIONS, st.sampled_from(["bias-analysis", "marketing"]), MOMENTS)
def test_a_token_opens_exactly_what_it_says(
    said: Narrowing, subject: Subject, question: Question, purpose: str, now: datetime
) -> None:
    asked, limits = question.sampling, said.sampling
    assert asked is not None
    named = {subject.checkpoint_id} | (set() if subject.stage == "withheld" else {f"{subject.family}/*"})
    wanted = (asked.max_tokens, asked.choices, asked.top_logprobs, asked.temperature)
    allowed = (
        (None,) * 4
        if limits is None
        else (limits.max_tokens, limits.choices, limits.top_logprobs, limits.max_temperature)
    )
    opens = all(
        (
            said.checkpoints is None or bool(named & said.checkpoints),
            said.operations is None or question.operations <= said.operations,
            said.purposes is None or purpose in said.purposes,
            said.hours is None or said.hours.open_at(now),
            said.logit_bias is not False or not asked.logit_bias,
            None in (said.precisions, subject.precision) or subject.precision in (said.precisions or ()),
            *(most is None or value <= most for value, most in zip(wanted, allowed, strict=True)),
        )
    )
    assert (outside_token(bearer([said]), subject, question, purpose, now) is None) is opens


@given(st.lists(NARROWINGS, min_size=1, max_size=4))
def test_a_run_is_charged_to_each_token_with_a_limit_on_use(chain: list[Narrowing]) -> None:
    draws = token_draws(bearer(chain), NOW)
    charged = [draw.account for draw in draws if "@" not in draw.account]
    assert charged == [f"tok_{n}" for n in reversed(range(len(chain))) if chain[n].limits_use]
    of_periods = {draw.account: (draw.budget, draw.requests) for draw in draws if "@" in draw.account}
    assert of_periods == {
        f"tok_{n}@{budget.period.value}:{budget.period.start(NOW):%Y-%m-%d}": (budget.tokens, budget.requests)
        for n, one in enumerate(chain)
        for budget in one.periods
    }
    assert {draw.says for draw in draws if draw.account.split("@")[0] == f"tok_{len(chain) - 1}"} <= {
        "the access token",
        *(f"the {period.value}'s budget of the access token" for period in Period),
    }


def test_a_token_that_took_the_place_of_another_is_charged_where_that_one_was() -> None:
    bounds = TokenBounds(token_id="tok_new", narrowing=Narrowing(token_budget=5), account="tok_old")
    actor = Actor(person_id="per_x", name="X", token_id="tok_new", bounds=(bounds,))
    assert [draw.account for draw in token_draws(actor, NOW)] == ["tok_old"]


@given(NARROWINGS, NARROWINGS)
def test_what_is_wider_than_one_above_it_is_noticed_without_the_grant(child: Narrowing, above: Narrowing) -> None:
    # Said in every dimension above, the grant adds nothing: then both rules have to agree.
    parent = whole(above.applied(GRANT))
    wider = {one.dimension for one in beyond(child, above.applied(GRANT), family_of)}
    assert (widens(child, [parent], family_of) in wider) if wider else not widens(child, [parent], family_of)
    if not wider:
        assert not widens(child, [above], family_of)


def test_the_right_to_bias_is_taken_away_for_good_and_never_given() -> None:
    without = Narrowing(logit_bias=False)
    for above in (narrowed(GRANT, [without]), GRANT.model_copy(update={"logit_bias": False})):
        (excess,) = beyond(Narrowing(logit_bias=True), above, family_of)
        assert excess.dimension == "logit_bias"
        assert not beyond(Narrowing(), above, family_of)
    assert widens(Narrowing(logit_bias=True), [without], family_of) == "logit_bias"
    assert not beyond(Narrowing(logit_bias=True), GRANT, family_of)


def test_precisions_are_some_of_those_above() -> None:
    fewer = Narrowing(precisions=frozenset({Precision.INT8}))
    more = Narrowing(precisions=frozenset({Precision.INT8, Precision.FLOAT32}))
    assert not beyond(fewer, GRANT, family_of)
    (excess,) = beyond(more, GRANT, family_of)
    assert (excess.dimension, "float32 or int8 does not lie within" in excess.message) == ("precisions", True)
    assert widens(more, [fewer], family_of) == "precisions"


def test_a_family_may_be_narrowed_to_its_members_and_to_no_others() -> None:
    family = GRANT.model_copy(update={"checkpoints": frozenset({"ladder/*"})})
    member = Narrowing(checkpoints=frozenset({"ladder-m"}))
    assert not beyond(member, family, family_of)
    assert not widens(member, [Narrowing(checkpoints=frozenset({"ladder/*"}))], family_of)
    for name in ("other", "nobody-knows-it", "others/*", "ladder-m/*"):
        stranger = Narrowing(checkpoints=frozenset({"ladder-m", name}))
        assert [one.dimension for one in beyond(stranger, family, family_of)] == ["checkpoints"]
        assert widens(stranger, [Narrowing(checkpoints=frozenset({"ladder/*"}))], family_of) == "checkpoints"
    # And never back: who was given a member cannot make the family of it.
    back = Narrowing(checkpoints=frozenset({"ladder/*"}))
    assert beyond(back, narrowed(family, [member]), family_of)
    assert widens(back, [member], family_of) == "checkpoints"


def test_a_selector_in_a_token_opens_nothing_that_is_withheld() -> None:
    actor = bearer([Narrowing(checkpoints=frozenset({"ladder/*"})), Narrowing(checkpoints=frozenset({"ladder-l"}))])
    asked = Question(operations=frozenset({Operation.GENERATE}))
    for stage, opens in (("withheld", False), ("partner_access", True)):
        subject = Subject.model_validate({"checkpoint_id": "ladder-l", "family": "ladder", "stage": stage})
        assert (outside_token(actor, subject, asked, "bias-analysis", NOW) is None) is opens


@given(NARROWINGS)
def test_a_narrowing_says_what_it_is_and_so_do_its_details(narrowing: Narrowing) -> None:
    assert bool(narrowing) == (narrowing != Narrowing())
    assert Narrowing.model_validate_json(narrowing.model_dump_json()) == narrowing
    details = AuthorizationDetails.of(narrowing, grant_id="grt_x", agreement_digest=None, purpose=None)
    assert details.narrowing() == narrowing
    again = AuthorizationDetails.model_validate_json(details.model_dump_json(exclude_none=True), strict=True)
    assert again == details
    assert (details.limits is None) == all(getattr(narrowing, name) in (None, ()) for name in LIMITS)


def test_what_was_recorded_before_there_were_finer_limits_keeps_its_bytes() -> None:
    recorded = {
        "checkpoints": ["ladder-s"],
        "operations": None,
        "purposes": None,
        "token_budget": 5,
        "requests_per_minute": None,
    }
    assert Narrowing.model_validate(recorded).model_dump(mode="json") == recorded
