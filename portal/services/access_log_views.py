"""What an access log shows: one entry for each access and for each change of access, with the leaf that proves it."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.deciders import Value


class AccessKind(StrEnum):
    """What an entry is about."""

    RUN = "run"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    SIGN_IN = "sign_in"
    GRANT = "grant"
    AGREEMENT = "agreement"
    PROGRAM = "program"
    REQUEST = "access_request"
    """What was asked for, and what was said to it, from when it was submitted."""
    KEPT = "kept"
    """What is kept of a run: who was given its words, and that they were destroyed."""

    @property
    def label(self) -> str:
        """The kind as people read it."""
        return _LABELS.get(self, self.value.replace("_", "-"))


_LABELS = {AccessKind.KEPT: "kept words", AccessKind.REQUEST: "access request"}


class Outcome(StrEnum):
    """What became of it."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    ISSUED = "issued"
    DELEGATED = "delegated"
    NARROWED = "narrowed"
    REFRESHED = "refreshed"
    EXTENDED = "extended"
    WIDENED = "widened"
    CARRIED_OVER = "carried_over"
    SUSPENDED = "suspended"
    SUSPENSION_LIFTED = "suspension_lifted"
    REVOKED = "revoked"
    ENDED = "ended"
    ENTERED_INTO_FORCE = "entered_into_force"
    REGISTERED = "registered"
    KEYS_REPLACED = "keys_replaced"
    RESUMED = "resumed"
    OPENED = "opened"
    SUBMITTED = "submitted"
    ALTERNATIVE_OFFERED = "alternative_offered"
    ALTERNATIVE_ACCEPTED = "alternative_accepted"
    ALTERNATIVE_DECLINED = "alternative_declined"
    APPROVED = "approved"
    GRANTED = "granted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    READ = "read"
    DESTROYED = "destroyed"

    @property
    def label(self) -> str:
        """The outcome as people read it."""
        return self.value.replace("_", " ")


_Id = Annotated[str, Field(max_length=128)]


class AccessFilter(Value):
    """Which entries are wanted; None leaves a dimension open."""

    institution: _Id | None = None
    person: _Id | None = None
    """A person or program: whom it is about, or who did it."""
    checkpoint: _Id | None = None
    grant: _Id | None = None
    purpose: _Id | None = None
    kind: AccessKind | None = None
    outcome: Outcome | None = None
    code: _Id | None = None
    """Why runs failed."""
    since: date | None = None
    until: date | None = None
    """The last day, included; days are in UTC."""


class AccessEntry(Value):
    """One access, or one change of access."""

    leaf: int
    """The place of its event in the transparency log, from 0. A run's is that of its beginning."""
    leaf_hash: str
    """The hash of that leaf (RFC 6962) in hex, as the public tiles of the log have it."""
    ended_leaf: int | None = None
    """The leaf with which a run ended; a receipt is about that one."""
    at: datetime
    kind: AccessKind
    outcome: Outcome
    says: str
    """What happened, in words."""
    reason: str = ""
    """Why, in the words of whoever did it, or the code with which a run failed."""
    object_id: str
    """The run, also of kept words, the grant, agreement, program or access request; of a token its prefix, of a session
    a name that opens nothing."""
    person_id: str = ""
    person_name: str = ""
    """Whom it is about: who ran, who holds the token or the grant, who signed in."""
    by_id: str
    by_name: str
    """Who did it; a rule that acts by itself goes by its name."""
    on_behalf_of: tuple[str, ...] = ()
    """Whose rights the token carried on, the first of them first."""
    institution_id: str = ""
    institution_name: str = ""
    token: str = ""
    """The first characters of the token's ``jti``."""
    grant_id: str = ""
    grant_label: str = ""
    checkpoint_id: str = ""
    purpose: str = ""
    operation: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    charged_tokens: int | None = None
    receipt: bool = False
    """Whether there is a signed receipt."""


class AccessPage(Value):
    """Entries, the newest first."""

    entries: tuple[AccessEntry, ...]
    next: str | None
    """The cursor of the page with older ones; None on the last."""
