"""What becomes of grants when a version of their agreement takes over from the one in force."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from agreements.agreement import Agreement, Version
from agreements.bounds import Bounds
from agreements.clauses import grant_bounds
from agreements.deciders import Value
from agreements.errors import Conflict
from agreements.grants import CarryOverGrant, Grant, carried_scope
from agreements.scopes import Excess


class Fate(Value):
    """One grant and what becomes of it."""

    grant: Grant
    carried: CarryOverGrant | None
    """How it goes on; None where it ends with the grace of the version it rests on."""
    reason: str
    """Why it does not go on; empty where it does."""


def fates(agreement: Agreement, coming: Version, grants: Iterable[Grant], now: datetime) -> tuple[Fate, ...]:
    """What becomes of each active grant when ``coming`` comes into force. Empty before anything governs."""
    old_end, new_end = agreement.expires_at, agreement.end_under(coming)
    bounds = _bounds(coming, new_end)
    if old_end is None:
        return ()
    found = []
    for grant in grants:
        scope = grant.scope
        if scope is None or not grant.live_on(now):
            continue
        if grant.agreement_digest != agreement.document_digest:
            reason = "it rests on an earlier version already"
        elif bounds is None:
            reason = "the new version opens nothing"
        else:
            reason = _beyond(bounds.beyond(carried_scope(grant, bounds, old_end)))
        carried = None
        if not reason and bounds is not None:
            carried = CarryOverGrant(agreement_digest=coming.digest or "", bounds=bounds, old_end=old_end)
        found.append(Fate(grant=grant, carried=carried, reason=reason))
    return tuple(found)


def _beyond(excesses: Sequence[Excess]) -> str:
    if not excesses:
        return ""
    first = excesses[0]
    return f"it goes beyond the new version in {first.dimension.replace('_', ' ')}: {first.message}"


def _bounds(version: Version, ends: datetime | None) -> Bounds | None:
    if ends is None:
        return None
    try:
        return grant_bounds(version.clauses, ends)
    except Conflict:
        return None
