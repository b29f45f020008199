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
    found: list[Fate] = []
    allowed = {"": bounds}
    # Parents come first: a child goes on with what it has in common with what its parent goes on with.
    for grant in sorted(grants, key=lambda one: (one.depth, one.id)):
        if grant.scope is None or not grant.live_on(now):
            continue
        above = allowed.get(grant.parent_id)
        reason = _why_not(grant, agreement, above, old_end)
        carried = None
        if not reason and above is not None:
            carried = CarryOverGrant(agreement_digest=coming.digest or "", bounds=above, old_end=old_end)
            allowed[grant.id] = Bounds(scope=carried_scope(grant, above, old_end))
        found.append(Fate(grant=grant, carried=carried, reason=reason))
    return tuple(found)


def _why_not(grant: Grant, agreement: Agreement, above: Bounds | None, old_end: datetime) -> str:
    if grant.agreement_digest != agreement.document_digest:
        return "it rests on an earlier version already"
    if above is None:
        return "the grant above it does not go on" if grant.parent_id else "the new version opens nothing"
    return _beyond(above.beyond(carried_scope(grant, above, old_end)))


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
