"""Budgets of grants: what is used, held and left of each, and on which day it would be used up at the present pace."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from math import ceil
from typing import Final

from agreements.actors import Actor
from agreements.errors import NotFound
from portal.services.grant_views import GrantView
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.usage_views import GrantBudget, Pace

PACE_DAYS: Final = 28
LEAST_DAYS: Final = 7
LEAST_ACTIVE_DAYS: Final = 3
PACE_RULE: Final = (
    f"The pace is what was charged per day over the last {PACE_DAYS} days, or since the first run in them. It is given "
    f"where these are at least {LEAST_DAYS} days, and on at least {LEAST_ACTIVE_DAYS} of them runs began."
)
_FURTHEST = 3653
"""Days ahead beyond which no day is named."""


class UsageBudgets:
    """Answers how far each grant's budget reaches."""

    def __init__(self, kernel: Kernel, grants: GrantService) -> None:
        self._kernel = kernel
        self._grants = grants

    def list(
        self, actor: Actor, *, institution_id: str | None = None, grant_id: str | None = None, ended: bool = False
    ) -> tuple[GrantBudget, ...]:
        """The grants the actor may see, each with those below it right after it; those that ended only if asked for.

        ``grant_id`` asks for one and what is below it. Raises NotFound for one that the actor may not see.
        """
        views = {
            view.grant.id: view
            for view in self._grants.list(actor)
            if institution_id in (None, view.grant.institution_id)
        }
        if grant_id is not None:
            self._grants.get(actor, grant_id)
            if grant_id not in views:
                raise NotFound("grant_not_found", f"There is no grant {grant_id!r} of that institution.")
        now = self._kernel.clock()
        days = self._daily(list(views), now)
        ordered = _tree(views, grant_id)
        return tuple(
            _budget(view, days.get(view.grant.id, {}), now)
            for view in ordered
            if ended or view.grant.live_on(now) or view.grant.id == grant_id
        )

    def _daily(self, grant_ids: Sequence[str], now: datetime) -> dict[str, dict[date, int]]:
        """Tokens charged to each grant's account on each of the last days that had a run."""
        first = _today(now) - timedelta(days=PACE_DAYS - 1)
        rows = self._kernel.store.query(
            """
            SELECT a.account, left(r.started_at, 10) AS day, sum(a.charged_tokens)::BIGINT AS tokens
            FROM run_account a JOIN run r ON r.run_id = a.run_id
            WHERE list_contains(?::VARCHAR[], a.account) AND r.started_at >= ?
            GROUP BY ALL
            """,
            [list(grant_ids), first.isoformat()],
        )
        found: dict[str, dict[date, int]] = {}
        for row in rows:
            found.setdefault(row["account"], {})[date.fromisoformat(row["day"])] = row["tokens"]
        return found


def pace_of(daily: dict[date, int], left: int, ends_on: date, today: date) -> tuple[Pace | None, str]:
    """The pace by ``PACE_RULE``, or why there is none. ``daily``: tokens of each day with runs, of the last days."""
    if not daily:
        return None, f"no run in the last {PACE_DAYS} days"
    over = (today - min(daily)).days + 1
    if over < LEAST_DAYS or len(daily) < LEAST_ACTIVE_DAYS:
        ran = f"{_days(len(daily))} with runs in the last {_days(over)}"
        return None, f"too few days to tell a pace: {ran}"
    per_day = sum(daily.values()) / over
    if per_day == 0:
        return None, "nothing was charged in these days"
    ahead = ceil(left / per_day)
    used_up = today + timedelta(days=ahead) if ahead <= _FURTHEST else None
    before = used_up is not None and used_up < ends_on
    return Pace(tokens_per_day=per_day, over_days=over, used_up_on=used_up, before_end=before), ""


def _days(number: int) -> str:
    return f"{number} day{'s' if number != 1 else ''}"


def _budget(view: GrantView, daily: dict[date, int], now: datetime) -> GrantBudget:
    grant, scope = view.grant, view.grant.scope
    if scope is None:
        raise TypeError("a grant that was issued has a scope")
    ends_on = scope.expires_at.astimezone(UTC).date()
    if not view.active:
        pace, none = None, "it opens nothing now"
    elif not view.left_tokens:
        pace, none = None, "it is used up"
    else:
        pace, none = pace_of(daily, view.left_tokens, ends_on, _today(now))
    return GrantBudget(
        grant_id=grant.id,
        label=grant.label,
        parent_id=grant.parent_id,
        depth=grant.depth,
        institution_id=grant.institution_id,
        institution_name=view.institution_name,
        holder_name=view.holder_name,
        active=view.active,
        ends_on=ends_on,
        budget_tokens=scope.token_budget,
        used_tokens=view.used_tokens,
        held_tokens=view.held_tokens,
        left_tokens=view.left_tokens,
        budget_requests=scope.request_budget,
        used_requests=view.used_requests,
        periods=view.periods,
        pace=pace,
        no_pace=none,
    )


def _tree(views: dict[str, GrantView], root_id: str | None) -> list[GrantView]:
    """Each grant with those below it right after it. One whose parent is not seen stands by itself."""
    below: dict[str, list[str]] = {}
    for view in views.values():
        parent = view.grant.parent_id if view.grant.parent_id in views else ""
        below.setdefault(parent, []).append(view.grant.id)
    found: list[GrantView] = []

    def add(grant_id: str) -> None:
        found.append(views[grant_id])
        for child in sorted(below.get(grant_id, ()), key=lambda one: (views[one].grant.label, one)):
            add(child)

    roots = below.get("", []) if root_id is None else [root_id]
    for one in sorted(roots, key=lambda one: (views[one].institution_name, views[one].grant.label, one)):
        add(one)
    return found


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()
