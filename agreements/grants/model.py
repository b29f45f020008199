"""What a grant is: whose it is, what it opens, and where it stands in its tree."""

from datetime import datetime
from enum import StrEnum

from agreements.deciders import Value
from agreements.scopes import Operation, Scope

MAX_DEPTH = 4
"""Steps from an institution's grant down to the deepest one, for instance lead, group leader, researcher, program."""

MAX_CHILDREN = 256
"""Grants that may ever be delegated from one, ended ones included."""


class GrantStatus(StrEnum):
    """Where a grant stands; expiry is computed, never stored."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class AccessLevel(StrEnum):
    """Depth of model access (Charnock et al. 2026): black, grey and white box."""

    AL1 = "AL1"
    AL2 = "AL2"
    AL3 = "AL3"


class HolderKind(StrEnum):
    """Who may hold a grant."""

    INSTITUTION = "institution"
    PERSON = "person"
    PROGRAM = "program"


class Holder(Value):
    """Whose grant it is. A root is held by the institution, a child by a person or a program of it."""

    kind: HolderKind
    id: str


class GrantSuspension(Value):
    """A grant stopped until it is lifted."""

    reason: str
    by: str
    by_lab: bool
    """What a coordinator suspended, only a coordinator lifts."""
    at: datetime
    stands: int | None = None
    """From where it was suspended, in steps from the root: only from there or higher is it lifted."""


class Grant(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    institution_id: str = ""
    agreement_id: str = ""
    agreement_digest: str = ""
    label: str = ""
    scope: Scope | None = None
    status: GrantStatus = GrantStatus.ACTIVE
    issued_at: datetime | None = None
    issued_by: str = ""
    revoked_at: datetime | None = None
    revoked_reason: str = ""
    revoked_with: str = ""
    """The grant above, whose revocation or narrowing ended this one; empty where it was ended itself."""
    holder: Holder = Holder(kind=HolderKind.INSTITUTION, id="")
    parent_id: str = ""
    """The grant that it was delegated from; empty at the root."""
    depth: int = 0
    """Steps from the root."""
    children: tuple[str, ...] = ()
    """Every grant ever delegated from it, ended ones included, in order."""
    tree_changes: int = 0
    """How often a part of it was passed on, or a child widened.

    The parent keeps count, so that passing on and narrowing cannot both succeed at once, each on an old view.
    """
    delegated_only: bool = False
    """Of an institution's grant: nobody runs on it directly, only the holders of what is delegated from it."""
    suspension: GrantSuspension | None = None
    request_id: str = ""
    """The access request that it answers, if one was made."""

    def live_on(self, now: datetime) -> bool:
        """Whether it is neither revoked nor over; a suspended grant is."""
        return self.status is not GrantStatus.REVOKED and self.scope is not None and now < self.scope.expires_at

    def active_on(self, now: datetime) -> bool:
        """Whether it opens anything at ``now``; the agreement, the stage and the grants above it aside."""
        return self.status is GrantStatus.ACTIVE and self.live_on(now)

    @property
    def access_level(self) -> AccessLevel:
        """Derived from the operations: outputs only, outputs with probabilities, or internals."""
        operations = self.scope.operations if self.scope else frozenset()
        if operations & {Operation.ACTIVATIONS, Operation.FINE_TUNE}:
            return AccessLevel.AL3
        if operations & {Operation.LOGPROBS, Operation.SCORE, Operation.EMBED}:
            return AccessLevel.AL2
        return AccessLevel.AL1
