"""What can be done with a grant.

``above`` are the holders of the grants above it, its parent's first. ``seen`` is the ``tree_changes`` of the grant when
the service planned what becomes of those below: where more was passed on since, it plans anew.
"""

from typing import Annotated

from pydantic import Field

from agreements.bounds import Bounds
from agreements.deciders import Value
from agreements.grants.model import Holder
from agreements.scopes import Moment, Scope

Label = Annotated[str, Field(min_length=3, max_length=120)]
Reason = Annotated[str, Field(min_length=3, max_length=1000)]


class IssueGrant(Value):
    """Open access to an institution. ``bounds`` is what the agreement allows, given by the service.

    With a ``child_id`` all of it is passed on at once to ``child_holder``: asked together with ``ReceiveGrant`` of that
    child.
    """

    grant_id: str
    institution_id: str
    agreement_id: str
    agreement_digest: str
    label: Label
    scope: Scope
    bounds: Bounds
    delegated_only: bool = False
    request_id: str = ""
    """The access request that it answers. A rule issues only what coordinators agreed to on such a request."""
    child_id: str = ""
    child_holder: Holder | None = None
    high_risk: tuple[str, ...] = ()
    """Why two coordinators have to stand behind it, in words; empty where one is enough."""
    agreed_by: tuple[str, ...] = ()
    """Who signed the agreement for the lab, where it has somebody else who could agree."""


class DelegateGrant(Value):
    """Pass part of a grant on: asked of the parent."""

    child_id: str
    holder: Holder
    scope: Scope
    agreement_digest: str
    """The version that the child is about to pin; it has to be the parent's."""


class ReceiveGrant(Value):
    """Come to be as a child: asked of the child, together with ``DelegateGrant``, which proves that it lies within."""

    grant_id: str
    institution_id: str
    agreement_id: str
    agreement_digest: str
    label: Label
    scope: Scope
    holder: Holder
    parent_id: str
    depth: Annotated[int, Field(ge=1)]
    request_id: str = ""


class NarrowGrant(Value):
    """Allow less. Its descendants follow in the same transaction."""

    scope: Scope
    reason: Reason
    above: tuple[Holder, ...] = ()
    seen: int = 0


class ExtendGrant(Value):
    """Allow more: a root within ``bounds`` of its agreement, a child together with ``MakeRoom`` of its parent."""

    scope: Scope
    reason: Reason
    above: tuple[Holder, ...] = ()
    bounds: Bounds | None = None
    high_risk: tuple[str, ...] = ()
    """Of a root: why it becomes high risk in a way that it was not."""
    agreed_by: tuple[str, ...] = ()


class MakeRoom(Value):
    """Let a child be widened: asked of the parent, which proves that the child still lies within."""

    child_id: str
    scope: Scope


class SuspendGrant(Value):
    """Stop it, and all that is delegated from it, until it is lifted."""

    reason: Reason
    above: tuple[Holder, ...] = ()


class LiftGrantSuspension(Value):
    """Let it go on."""

    reason: Reason
    above: tuple[Holder, ...] = ()


class RevokeGrant(Value):
    """End access. Its descendants follow in the same transaction."""

    reason: Reason
    above: tuple[Holder, ...] = ()
    seen: int = 0


class NarrowWithAncestor(Value):
    """Follow a grant above that was narrowed. Given by the service, in the transaction that narrows that one."""

    ancestor_id: str
    scope: Scope
    reason: Reason
    seen: int = 0


class RevokeWithAncestor(Value):
    """End because a grant above was revoked, or narrowed to nothing that this one has. Given by the service."""

    ancestor_id: str
    reason: Reason
    seen: int = 0


class CarryOverGrant(Value):
    """Go on under a new version of the agreement. All of it is given by the service that brings the version into force.

    A grant that ran until the old end of the term runs until the new one. A child goes on with what it has in common
    with its parent, which is then its ``bounds``.
    """

    agreement_digest: str
    bounds: Bounds
    old_end: Moment


GrantCommand = (
    IssueGrant
    | DelegateGrant
    | ReceiveGrant
    | NarrowGrant
    | ExtendGrant
    | MakeRoom
    | SuspendGrant
    | LiftGrantSuspension
    | RevokeGrant
    | NarrowWithAncestor
    | RevokeWithAncestor
    | CarryOverGrant
)
