"""Grants as people see them: what each has used, what becomes of those below it, which ones are stale."""

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from agreements.access import Held, account_of_period
from agreements.deciders import Value
from agreements.grants import Grant
from agreements.grants.tree import Consequence
from agreements.limits import PeriodBudget
from model_access.metering import Usage


class PeriodUse(Value):
    """What the current day, week or month of a grant has used."""

    budget: PeriodBudget
    used_tokens: int
    held_tokens: int
    used_requests: int
    frees_at: datetime


class GrantView(Value):
    """A grant with what it has used, it and everything delegated from it."""

    grant: Grant
    institution_name: str
    holder_name: str
    used_tokens: int
    held_tokens: int
    used_requests: int
    running: int
    """Runs under way."""
    periods: tuple[PeriodUse, ...]
    active: bool
    """Whether it and all above it open something, under an agreement and a framework in force.

    Which version it pins is asked at each run.
    """
    closed_above: str
    """The nearest grant above it that opens nothing; empty where all of them do."""

    @property
    def left_tokens(self) -> int:
        """What a next run may still use of its own budget."""
        budget = self.grant.scope.token_budget if self.grant.scope else 0
        return max(budget - self.used_tokens - self.held_tokens, 0)


class GrantRights(Value):
    """What somebody may do with a grant by where they stand in its tree."""

    delegates: bool = False
    changes: bool = False
    """Narrow, extend or end it."""
    suspends: bool = False
    """What is suspended already, only from higher up."""
    lifts: bool = False


class GrantAct(StrEnum):
    """What somebody is about to do to a grant."""

    SUSPEND = "suspend"
    NARROW = "narrow"
    REVOKE = "revoke"


class GrantConsequences(Value):
    """What an act would bring about."""

    act: GrantAct
    grants: tuple[Consequence, ...]
    """Every grant below that was not revoked, each parent before its children."""
    tokens: int
    """Live access tokens of the grants that stop."""
    runs: tuple[str, ...]
    """Runs under way on the grants that stop, which stop with them."""


class Staleness(StrEnum):
    """Why somebody should look at a grant."""

    UNUSED = "unused"
    NEAR_EXPIRY = "near_expiry"
    AGREEMENT_SUSPENDED = "agreement_suspended"
    HOLDER_GONE = "holder_gone"

    @property
    def label(self) -> str:
        """The reason as people read it."""
        return self.value.replace("_", " ")


class StaleGrant(Value):
    """A grant that nobody uses, or that is about to stop, or whose holder cannot use it any more."""

    grant: Grant
    holder_name: str
    institution_name: str
    last_used_at: datetime | None
    why: dict[Staleness, str]
    """Each reason, in words."""


def view_of(held: Held, now: datetime, usage: Callable[[str], Usage]) -> GrantView:
    """The grant as it stands at ``now``."""
    grant, used = held.grant, usage(held.grant.id)
    periods = []
    for budget in grant.scope.periods if grant.scope else ():
        of_period = usage(account_of_period(grant.id, budget, now))
        periods.append(
            PeriodUse(
                budget=budget,
                used_tokens=of_period.settled,
                held_tokens=of_period.reserved,
                used_requests=of_period.requests,
                frees_at=budget.period.end(now),
            )
        )
    closed = next((above.id for above in held.path if not above.active_on(now)), "")
    return GrantView(
        grant=grant,
        institution_name=held.agreement.institution_name,
        holder_name=held.called(grant),
        used_tokens=used.settled,
        held_tokens=used.reserved,
        used_requests=used.requests,
        running=used.running,
        periods=tuple(periods),
        active=grant.active_on(now) and not closed and all(one.in_force_on(now) for one in held.agreements),
        closed_above=closed,
    )
