"""When a delivery is tried again: the schedule that the Standard Webhooks specification 1.0.0 gives as its example."""

import hashlib
from datetime import UTC, datetime, timedelta

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after each failed attempt the next one follows; after the last, three days on, it is given up."""

ATTEMPTS = len(DELAYS) + 1
LONGEST = DELAYS[-1]
_SPREAD = 0.1


def next_attempt_at(
    attempt: int, now: datetime, *, spread_by: str, not_before: timedelta = timedelta(0)
) -> datetime | None:
    """When to try again after attempt number ``attempt`` failed at ``now``; None after the last.

    ``not_before`` is the pause the other side asked for, heeded up to a day. Each delay is lengthened by up to a
    tenth, fixed by ``spread_by`` and the attempt, so that what failed together does not return together.
    """
    if attempt > len(DELAYS):
        return None
    share = hashlib.sha256(f"{spread_by}.{attempt}".encode()).digest()[0] / 255
    delay = DELAYS[attempt - 1] * (1 + _SPREAD * share)
    return (now + max(delay, min(not_before, LONGEST))).astimezone(UTC)
