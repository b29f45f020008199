"""What each event makes of a grant."""

from agreements.deciders import Event
from agreements.grants.events import (
    GrantCarriedOver,
    GrantChildExtended,
    GrantDelegated,
    GrantExtended,
    GrantIssued,
    GrantNarrowed,
    GrantRevoked,
    GrantSuspended,
    GrantSuspensionLifted,
)
from agreements.grants.model import Grant, GrantStatus, GrantSuspension, Holder, HolderKind


def evolve(state: Grant, event: Event) -> Grant:
    """Fold one event into the state."""
    match event:
        case GrantIssued():
            return _issued(event)
        case GrantDelegated():
            children = (*state.children, event.child_id)
            return state.model_copy(update={"children": children, "tree_changes": state.tree_changes + 1})
        case GrantChildExtended():
            return state.model_copy(update={"tree_changes": state.tree_changes + 1})
        case GrantNarrowed() | GrantExtended():
            return state.model_copy(update={"scope": event.scope})
        case GrantSuspended():
            suspension = GrantSuspension(
                reason=event.reason, by=event.by, by_lab=event.by_lab, at=event.at, stands=event.stands
            )
            return state.model_copy(update={"status": GrantStatus.SUSPENDED, "suspension": suspension})
        case GrantSuspensionLifted():
            return state.model_copy(update={"status": GrantStatus.ACTIVE, "suspension": None})
        case GrantCarriedOver():
            return state.model_copy(update={"agreement_digest": event.agreement_digest, "scope": event.scope})
        case GrantRevoked():
            return state.model_copy(
                update={
                    "status": GrantStatus.REVOKED,
                    "revoked_at": event.at,
                    "revoked_reason": event.reason,
                    "revoked_with": event.ancestor_id,
                }
            )
        case _:
            raise TypeError(f"a grant has no event {event.type_name!r}")


def _issued(event: GrantIssued) -> Grant:
    return Grant(
        id=event.grant_id,
        institution_id=event.institution_id,
        agreement_id=event.agreement_id,
        agreement_digest=event.agreement_digest,
        label=event.label,
        scope=event.scope,
        issued_at=event.at,
        issued_by=event.issued_by,
        holder=event.holder or Holder(kind=HolderKind.INSTITUTION, id=event.institution_id),
        parent_id=event.parent_id,
        depth=event.depth,
        delegated_only=event.delegated_only,
        request_id=event.request_id,
    )
