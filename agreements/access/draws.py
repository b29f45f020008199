"""The accounts that a run draws on: of its grant and every grant above it, of its use, and of the agreement."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from agreements.access.answers import Draw, Held
from agreements.clauses import UsageLimits
from agreements.limits import PeriodBudget


def account_of_agreement(agreement_id: str, purpose: str | None = None) -> str:
    """The account of all runs under an agreement, or of those for one listed use."""
    return agreement_id if purpose is None else f"{agreement_id}/{purpose}"


def account_of_period(account: str, budget: PeriodBudget, now: datetime) -> str:
    """The account of one day, week or month: ``grt_x@day:2026-03-01``. A run counts where it begins."""
    return f"{account}@{budget.period.value}:{budget.period.start(now):%Y-%m-%d}"


def draws_of(held: Held, purpose: str, now: datetime) -> tuple[Draw, ...]:
    """Every limit that holds for a run, the narrowest account first."""
    return tuple(_draws(held, purpose, now))


def _draws(held: Held, purpose: str, now: datetime) -> Iterator[Draw]:
    limits, use = held.clause(UsageLimits), held.listed_use(purpose)
    rates = [agreement.narrowing.requests_per_minute for agreement in held.agreements if agreement.narrowing]
    for grant in (held.grant, *held.path):
        scope = grant.scope
        if scope is None:
            continue
        whose = held.called(grant)
        yield Draw(
            account=grant.id,
            says=f"the grant of {whose}",
            budget=scope.token_budget,
            # A narrowing slows the whole agreement down: two grants under it are not twice as fast.
            per_minute=min([scope.requests_per_minute, *rates]),
            requests=scope.request_budget,
            outputs=scope.output_budget,
            at_once=scope.concurrency,
        )
        yield from draws_of_periods(grant.id, whose, scope.periods, now)
    if use is not None and (use.token_budget or use.requests_per_minute):
        yield Draw(
            account=account_of_agreement(held.agreement.id, purpose),
            says=f"the use {purpose}",
            budget=use.token_budget,
            per_minute=use.requests_per_minute,
        )
    if limits is not None:
        account = account_of_agreement(held.agreement.id)
        yield Draw(
            account=account,
            says="the agreement",
            budget=limits.token_budget,
            per_minute=min([limits.requests_per_minute, *rates]),
            requests=limits.request_budget,
            outputs=limits.output_budget,
            at_once=limits.concurrency,
        )
        yield from draws_of_periods(account, "the agreement", limits.periods or (), now)


def draws_of_periods(account: str, whose: str, budgets: Sequence[PeriodBudget], now: datetime) -> Iterator[Draw]:
    """The accounts of the current day, week and month, for those that have a budget."""
    for budget in budgets:
        yield Draw(
            account=account_of_period(account, budget, now),
            says=f"the {budget.period.value}'s budget of {whose}",
            budget=budget.tokens,
            per_minute=None,
            requests=budget.requests,
            frees_at=budget.period.end(now),
        )
