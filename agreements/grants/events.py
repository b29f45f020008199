"""What happens to grants. What is done to a grant because of one above it names that one as ``ancestor_id``."""

from datetime import datetime

from agreements.deciders import Event
from agreements.grants.model import Holder
from agreements.scopes import Scope


class GrantIssued(Event, type="grant:issued"):
    """Access was opened under an agreement in force, or delegated from another grant."""

    grant_id: str
    institution_id: str
    agreement_id: str
    agreement_digest: str
    label: str
    scope: Scope
    issued_by: str
    at: datetime
    holder: Holder | None = None
    """The institution, where it says nothing."""
    parent_id: str = ""
    depth: int = 0
    delegated_only: bool = False
    request_id: str = ""
    """The access request that it answers, if one was made."""


class GrantDelegated(Event, type="grant:delegated"):
    """Part of it was passed on: recorded at the parent, beside the child's ``grant:issued``."""

    child_id: str
    holder: Holder
    by: str
    at: datetime


class GrantChildExtended(Event, type="grant:child_extended"):
    """A child was widened within it: recorded at the parent, beside the child's ``grant:extended``."""

    child_id: str
    by: str
    at: datetime


class GrantNarrowed(Event, type="grant:narrowed"):
    """It allows less from now on."""

    scope: Scope
    reason: str
    by: str
    ancestor_id: str = ""
    at: datetime


class GrantExtended(Event, type="grant:extended"):
    """It allows more from now on."""

    scope: Scope
    reason: str
    by: str
    at: datetime


class GrantSuspended(Event, type="grant:suspended"):
    """It opens nothing until it is lifted, and neither does what is delegated from it."""

    reason: str
    by: str
    by_lab: bool
    at: datetime
    stands: int | None = None
    """From where it was suspended, in steps from the root; -1 is the lab. None in events that did not say yet."""


class GrantSuspensionLifted(Event, type="grant:suspension_lifted"):
    """It opens again what it did."""

    reason: str
    by: str
    at: datetime


class GrantRevoked(Event, type="grant:revoked"):
    """Access ended; effective with the next request, for good."""

    reason: str
    at: datetime
    by: str = ""
    ancestor_id: str = ""


class GrantCarriedOver(Event, type="grant:carried_over"):
    """The agreement was amended or renewed, and the grant goes on under its new version."""

    agreement_digest: str
    scope: Scope
    at: datetime
