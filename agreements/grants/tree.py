"""The tree of grants: who stands above whom, and what becomes of those below when one is narrowed or ended."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from agreements.bounds import Bounds
from agreements.deciders import Value
from agreements.grants.commands import NarrowWithAncestor, RevokeWithAncestor
from agreements.grants.model import Grant, GrantStatus
from agreements.scopes import Apart, Scope, excesses, meet

Find = Callable[[str], Grant]
"""A grant by its id."""


def path_to_root(grant: Grant, find: Find) -> tuple[Grant, ...]:
    """The grants above, the parent first and the root last."""
    found: list[Grant] = []
    while grant.parent_id:
        grant = find(grant.parent_id)
        found.append(grant)
    return tuple(found)


def standing_children(grant: Grant, find: Find) -> Iterator[Grant]:
    """The grants delegated from this one that were not revoked."""
    for child_id in grant.children:
        child = find(child_id)
        if child.status is not GrantStatus.REVOKED:
            yield child


def descendants(grant: Grant, find: Find) -> Iterator[Grant]:
    """Every grant below that was not revoked, each parent before its children."""
    for child in standing_children(grant, find):
        yield child
        yield from descendants(child, find)


class Becomes(StrEnum):
    """What a change above makes of a grant."""

    NARROWED = "narrowed"
    REVOKED = "revoked"
    STOPPED = "stopped"
    """Opens nothing until the suspension above is lifted."""
    UNTOUCHED = "untouched"


class Consequence(Value):
    """One grant below, and what becomes of it."""

    grant: Grant
    becomes: Becomes
    scope: Scope | None = None
    """What it allows then; None where it ends or stops."""
    dimensions: tuple[str, ...] = ()
    """In which respects it is cut."""


def if_revoked(grant: Grant, find: Find) -> tuple[Consequence, ...]:
    """What becomes of those below when the grant ends."""
    return tuple(Consequence(grant=one, becomes=Becomes.REVOKED) for one in descendants(grant, find))


def if_suspended(grant: Grant, find: Find) -> tuple[Consequence, ...]:
    """What becomes of those below while the grant is suspended. Nothing is recorded of them."""
    return tuple(Consequence(grant=one, becomes=Becomes.STOPPED) for one in descendants(grant, find))


def if_narrowed(grant: Grant, scope: Scope, find: Find) -> tuple[Consequence, ...]:
    """What becomes of those below when the grant allows only ``scope``.

    Each goes on with what it has in common with its parent; one that has nothing in common with it ends.
    """
    return tuple(_narrowed(grant, scope, find))


def _narrowed(grant: Grant, scope: Scope, find: Find) -> Iterator[Consequence]:
    for child in standing_children(grant, find):
        if child.scope is None:
            continue
        cut = tuple(excess.dimension for excess in excesses(child.scope, scope))
        if not cut:
            # Then those below lie within it too.
            yield Consequence(grant=child, becomes=Becomes.UNTOUCHED, scope=child.scope)
            yield from (
                Consequence(grant=one, becomes=Becomes.UNTOUCHED, scope=one.scope) for one in descendants(child, find)
            )
            continue
        try:
            common = meet(child.scope, scope)
        except Apart as apart:
            yield Consequence(grant=child, becomes=Becomes.REVOKED, dimensions=apart.args)
            yield from if_revoked(child, find)
            continue
        yield Consequence(grant=child, becomes=Becomes.NARROWED, scope=common, dimensions=cut)
        yield from _narrowed(child, common, find)


def following(
    ancestor: Grant, consequences: Sequence[Consequence], reason: str
) -> Iterator[tuple[Grant, NarrowWithAncestor | RevokeWithAncestor]]:
    """The commands by which those below follow, for those of which something is recorded."""
    for consequence in consequences:
        one = consequence.grant
        if consequence.becomes is Becomes.REVOKED:
            yield one, RevokeWithAncestor(ancestor_id=ancestor.id, reason=reason, seen=one.tree_changes)
        elif consequence.becomes is Becomes.NARROWED and consequence.scope is not None:
            yield (
                one,
                NarrowWithAncestor(
                    ancestor_id=ancestor.id, scope=consequence.scope, reason=reason, seen=one.tree_changes
                ),
            )


def carried_scope(grant: Grant, bounds: Bounds, old_end: datetime) -> Scope:
    """What the grant would allow under a new version; of a child, what it then has in common with ``bounds``.

    Raises TypeError for a grant that does not exist. A child that has nothing in common keeps its scope, and so goes
    beyond the bounds.
    """
    scope = grant.scope
    if scope is None:
        raise TypeError("a grant that exists has a scope")
    if scope.expires_at == old_end:
        scope = scope.model_copy(update={"expires_at": bounds.scope.expires_at})
    if not grant.parent_id:
        return scope
    try:
        return meet(scope, bounds.scope)
    except Apart:
        return scope


def by_parent(grants: Sequence[Grant]) -> Mapping[str, tuple[Grant, ...]]:
    """Grants by the one they were delegated from; roots, and those whose parent is not among them, under ``""``."""
    known = {grant.id for grant in grants}
    found: dict[str, list[Grant]] = {}
    for grant in grants:
        found.setdefault(grant.parent_id if grant.parent_id in known else "", []).append(grant)
    return {parent: tuple(children) for parent, children in found.items()}
