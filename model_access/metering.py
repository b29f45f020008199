"""Metering: budgets reserved before a run and settled after it; rates over a sliding minute.

The meter lives in the one process that serves runs. What was settled is in the database and handed in at start, so a
restart loses only reservations, whose runs the portal settles when it opens.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from agreements.access import Draw
from agreements.errors import Fixer, Limited

RATE_WINDOW_S = 60.0


@dataclass
class _Account:
    settled: int = 0
    reserved: int = 0
    starts: deque[float] = field(default_factory=deque)


@dataclass(frozen=True)
class Usage:
    """Tokens of one account."""

    settled: int
    reserved: int


class Meter:
    """Accounts by key: a grant, a use, an agreement, or who a public run belongs to. Thread-safe."""

    def __init__(self, settled: Mapping[str, int], monotonic: Callable[[], float]) -> None:
        """``settled``: tokens per account so far. ``monotonic``: a clock in seconds that never goes back."""
        self._accounts = {key: _Account(settled=tokens) for key, tokens in settled.items()}
        self._monotonic = monotonic
        self._lock = threading.Lock()  # a check and the reservation it allows are one step

    def usage(self, key: str) -> Usage:
        """What the account has used and what is held for runs under way."""
        with self._lock:
            account = self._accounts.get(key, _Account())
            return Usage(settled=account.settled, reserved=account.reserved)

    def reserve(self, draws: Sequence[Draw], tokens: int) -> None:
        """Hold ``tokens`` on every account that is drawn on, or on none.

        Raises Limited ``rate_limited`` or ``budget_exhausted``, naming whose limit it is.
        """
        with self._lock:
            accounts = [(draw, self._accounts.setdefault(draw.account, _Account())) for draw in draws]
            for draw, account in accounts:
                self._check_rate(account, draw)
                _check_budget(account, draw, tokens)
            for _draw, account in accounts:
                account.reserved += tokens
                account.starts.append(self._monotonic())

    def settle(self, accounts: Iterable[str], *, reserved: int, used: int) -> None:
        """Turn a reservation into what was used, on each account."""
        with self._lock:
            for key in accounts:
                account = self._accounts.setdefault(key, _Account())
                account.reserved -= reserved
                account.settled += used

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


def _check_budget(account: _Account, draw: Draw, tokens: int) -> None:
    if draw.budget is None:
        return
    left = draw.budget - account.settled - account.reserved
    if tokens > left:
        raise Limited(
            "budget_exhausted",
            f"This run may use up to {tokens:,} tokens; {max(left, 0):,} of {draw.budget:,}, the budget of "
            f"{draw.says}, are left ({account.reserved:,} are held for runs under way).",
            hint="Ask for fewer tokens, wait for runs under way to settle, or ask for a larger grant.",
            fixer=Fixer.COORDINATOR,
        )
