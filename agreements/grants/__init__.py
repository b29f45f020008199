"""Grants: what an agreement allows an institution, and the tree of what is delegated from it."""

from agreements.grants.authority import may_delegate, may_lift, may_suspend, stands_above
from agreements.grants.commands import (
    CarryOverGrant,
    DelegateGrant,
    ExtendGrant,
    IssueGrant,
    LiftGrantSuspension,
    MakeRoom,
    NarrowGrant,
    ReceiveGrant,
    RevokeGrant,
    SuspendGrant,
)
from agreements.grants.decider import GRANT
from agreements.grants.model import (
    MAX_CHILDREN,
    MAX_DEPTH,
    AccessLevel,
    Grant,
    GrantStatus,
    GrantSuspension,
    Holder,
    HolderKind,
)
from agreements.grants.tree import carried_scope

__all__ = [
    "GRANT",
    "MAX_CHILDREN",
    "MAX_DEPTH",
    "AccessLevel",
    "CarryOverGrant",
    "DelegateGrant",
    "ExtendGrant",
    "Grant",
    "GrantStatus",
    "GrantSuspension",
    "Holder",
    "HolderKind",
    "IssueGrant",
    "LiftGrantSuspension",
    "MakeRoom",
    "NarrowGrant",
    "ReceiveGrant",
    "RevokeGrant",
    "SuspendGrant",
    "carried_scope",
    "may_delegate",
    "may_lift",
    "may_suspend",
    "stands_above",
]
