"""Metering: budgets reserved before a run and settled after it; rates over a sliding minute; runs at once.

The meter lives in the one process that serves runs. What was settled is in the database and handed in at start, so a
restart loses only reservations, whose runs the portal settles when it opens.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil

from agreements.access import Draw
from agreements.errors import Fixer, Limited

RATE_WINDOW_S = 60.0


@dataclass(frozen=True)
class Settled:
    """What an account had used when the portal opened."""

    tokens: int = 0
    requests: int = 0
    """Every run that was begun, however it ended."""


@dataclass
class _Account:
    settled: int = 0
    reserved: int = 0
    requests: int = 0
    running: int = 0
    starts: deque[float] = field(default_factory=deque)


@dataclass(frozen=True)
class Usage:
    """What one account has used and holds."""

    settled: int
    """Tokens of runs that ended."""
    reserved: int
    """Tokens held for runs under way."""
    requests: int = 0
    """Runs begun, those under way included."""
    running: int = 0


class Meter:
    """Accounts by key: a grant, its day, a use, an agreement, or who a public run belongs to. Thread-safe."""

    def __init__(self, settled: Mapping[str, Settled], monotonic: Callable[[], float]) -> None:
        """``settled``: what each account has used so far. ``monotonic``: a clock in seconds that never goes back."""
        self._accounts = {key: _Account(settled=one.tokens, requests=one.requests) for key, one in settled.items()}
        self._monotonic = monotonic
        self._lock = threading.Lock()  # a check and the reservation it allows are one step

    def usage(self, key: str) -> Usage:
        """What the account has used and what is held for runs under way."""
        with self._lock:
            account = self._accounts.get(key, _Account())
            return Usage(account.settled, account.reserved, account.requests, account.running)

    def reserve(self, draws: Sequence[Draw], tokens: int, *, now: datetime | None = None) -> None:
        """Hold ``tokens`` and one request on every account that is drawn on, or on none.

        Raises Limited naming whose limit it is: ``rate_limited``, ``too_many_at_once``, ``requests_exhausted`` or
        ``budget_exhausted``. ``now`` says how long it is until a period's account begins anew.
        """
        with self._lock:
            accounts = [(draw, self._accounts.setdefault(draw.account, _Account())) for draw in draws]
            for draw, account in accounts:
                self._check_rate(account, draw)
                _check_at_once(account, draw)
                _check_requests(account, draw, now)
                _check_budget(account, draw, tokens, now)
            for _draw, account in accounts:
                account.reserved += tokens
                account.requests += 1
                account.running += 1
                account.starts.append(self._monotonic())

    def settle(self, accounts: Iterable[str], *, reserved: int, used: int) -> None:
        """Turn a reservation into what was used, on each account."""
        with self._lock:
            for key in accounts:
                account = self._accounts.setdefault(key, _Account())
                account.reserved -= reserved
                account.settled += used
                account.running -= 1

    def release(self, accounts: Iterable[str], *, reserved: int) -> None:
        """Take back a reservation whose run never began: nothing recorded it."""
        with self._lock:
            for key in accounts:
                account = self._accounts[key]
                account.reserved -= reserved
                account.requests -= 1
                account.running -= 1

    def charge(self, accounts: Iterable[str], *, used: int) -> None:
        """Settle a run that an earlier process began: its request is counted already, and it holds nothing here."""
        with self._lock:
            for key in accounts:
                self._accounts.setdefault(key, _Account()).settled += used

    def _check_rate(self, account: _Account, draw: Draw) -> None:
        now = self._monotonic()
        while account.starts and now - account.starts[0] >= RATE_WINDOW_S:
            account.starts.popleft()
        if draw.per_minute is not None and len(account.starts) >= draw.per_minute:
            wait = RATE_WINDOW_S - (now - account.starts[0])
            raise Limited(
                "rate_limited",
                f"More than {draw.per_minute:,} requests within a minute, the limit of {draw.says}.",
                hint=f"Try again in {ceil(wait)} seconds.",
                fixer=Fixer.CALLER,
                retry_after_s=wait,
            )


def _check_at_once(account: _Account, draw: Draw) -> None:
    if draw.at_once is not None and account.running >= draw.at_once:
        runs = "run is" if account.running == 1 else "runs are"
        raise Limited(
            "too_many_at_once",
            f"{account.running:,} {runs} under way, and {draw.at_once:,} at once is the limit of {draw.says}.",
            hint="Wait for one to end.",
            fixer=Fixer.CALLER,
            retry_after_s=1.0,
        )


def _check_requests(account: _Account, draw: Draw, now: datetime | None) -> None:
    if draw.requests is not None and account.requests >= draw.requests:
        message = f"All {draw.requests:,} requests, {_budget_of(draw)}, are used."
        raise _exhausted("requests_exhausted", message, "Ask for a larger grant.", draw, now)


def _check_budget(account: _Account, draw: Draw, tokens: int, now: datetime | None) -> None:
    if draw.budget is None:
        return
    left = draw.budget - account.settled - account.reserved
    if tokens > left:
        message = (
            f"This run may use up to {tokens:,} tokens; {max(left, 0):,} of {draw.budget:,}, {_budget_of(draw)}, "
            f"are left ({account.reserved:,} are held for runs under way)."
        )
        hint = "Ask for fewer tokens, wait for runs under way to settle, or ask for a larger grant."
        raise _exhausted("budget_exhausted", message, hint, draw, now)


def _budget_of(draw: Draw) -> str:
    return draw.says if draw.frees_at is not None else f"the budget of {draw.says}"


def _exhausted(code: str, message: str, hint: str, draw: Draw, now: datetime | None) -> Limited:
    if draw.frees_at is None:
        return Limited(code, message, hint=hint, fixer=Fixer.COORDINATOR)
    wait = (draw.frees_at - now).total_seconds() if now is not None else None
    return Limited(
        code,
        message,
        hint=f"It begins anew on {draw.frees_at:%Y-%m-%d at %H:%M} UTC.",
        fixer=Fixer.NOBODY,
        retry_after_s=wait,
    )
