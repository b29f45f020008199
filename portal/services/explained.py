"""What an explanation of access says: who was meant, what stands in the way, what is left of each limit, what comes."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.access import AskedSampling, Draw
from agreements.access.explanation import Ahead, Explanation
from agreements.access.sources import Source
from agreements.actors import Membership, Role
from agreements.areas import Area
from agreements.deciders import Value
from agreements.errors import Fixer
from agreements.narrowing import Narrowing
from agreements.scopes import Moment, Operation

_GENERATING = frozenset({Operation.GENERATE, Operation.LOGPROBS})
_Id = Annotated[str, Field(min_length=1, max_length=128)]


class Ask(Value):
    """What to explain, and of whom: oneself, somebody known, or somebody invented by role and institution."""

    checkpoint: _Id
    operations: frozenset[Operation] = Field(default=frozenset({Operation.GENERATE}), min_length=1)
    purpose: Annotated[str, Field(max_length=120)] | None = None
    person: _Id | None = None
    """The id of a person or a program."""
    role: Role | None = None
    institution: _Id | None = None
    email: Annotated[str, Field(max_length=200)] | None = None
    """Of somebody invented, for agreements that name people."""
    at: Moment | None = None
    """A moment to come; None for now."""
    grant: _Id | None = None
    """As with an access token that names this grant."""
    proves_key: bool | None = None
    """Whether the request proves the key of its token; None as the asker's own request does."""
    narrowing: Narrowing | None = None
    """As with an access token that is narrowed so."""
    areas: frozenset[Area] | None = Field(default=None, min_length=1)
    """As with an access token for these areas."""
    sampling: AskedSampling | None = None

    @property
    def tokens(self) -> int:
        """What a run might generate at most; at least one token, for what is used up allows none."""
        return max(self.sampling.max_tokens * self.sampling.choices, 1) if self.sampling is not None else 1

    @property
    def outputs(self) -> int:
        """Of those, what counts against a budget of generated tokens: nothing where none are."""
        return self.tokens if self.operations & _GENERATING else 0


class WhoKind(StrEnum):
    """Of whom it is asked."""

    SELF = "self"
    PERSON = "person"
    PROGRAM = "program"
    INVENTED = "invented"


class Who(Value):
    """Of whom it is asked."""

    kind: WhoKind
    id: str
    """Empty for somebody invented."""
    name: str
    memberships: tuple[Membership, ...]
    """What is looked at: a lead is told nothing of what somebody is at other institutions."""
    only_at: tuple[str, ...] = ()
    """The institutions to which the answer is held, where a lead asks; empty where it is held to none."""


class Refusal(Value):
    """Something that stands in the way, whichever part of the portal would say so."""

    code: str
    message: str
    hint: str
    fixer: Fixer
    clears: str
    """Who can clear it, by name as far as the asker may know them; empty where nobody can."""


class Limit(Value):
    """One account that a run would draw on, with what is left of it."""

    draw: Draw
    source: Source | None
    """What sets the limit; None where the portal itself does."""
    used: int
    held: int
    """Tokens held for runs under way."""
    left: int | None
    """Tokens; None without a budget."""
    requests: int
    """Runs begun."""
    requests_left: int | None
    outputs_left: int | None
    """Tokens that may still be generated; None without such a budget."""
    recent: int
    """Runs begun within the last minute."""
    running: int
    refused: str = ""
    """The code with which this limit would refuse the next run; empty where it would not."""


class Remedy(Value):
    """Something that would change the answer, and who can do it."""

    says: str
    fixer: Fixer
    clears: str
    screen: str = ""
    """Where it is done; empty where it is done outside the screens."""
    query: Mapping[str, str] = Field(default_factory=dict)
    """What that screen is opened with."""


class Dimension(StrEnum):
    """In what an alternative differs."""

    PURPOSE = "purpose"
    OPERATION = "operation"
    CHECKPOINT = "checkpoint"
    PROOF = "proof"
    TIME = "time"


class Alternative(Value):
    """Another question about the same actor, to which the answer is yes."""

    dimension: Dimension
    value: str
    """The other purpose, operation or checkpoint; for a time, ISO 8601."""
    says: str


class DutyNote(Value):
    """A duty on which the answer depends."""

    agreement_id: str
    key: str
    title: str
    due_at: datetime
    state: str
    says: str


class Explained(Value):
    """Whether somebody may do something, and why; the same as a run would be told. Nothing was written for it."""

    ask: Ask
    who: Who
    at: datetime
    open: bool
    verdict: str
    """The answer in one sentence."""
    refusals: tuple[Refusal, ...]
    """What stands in the way, what a run would be refused for first ahead; empty where nothing does."""
    explanation: Explanation
    limits: tuple[Limit, ...]
    """Every limit that a run would be held to, in the order in which they are asked; none where access is denied."""
    tightest: int | None
    """Which of the limits has least left; None where none of them is bounded."""
    duties: tuple[DutyNote, ...]
    remedies: tuple[Remedy, ...]
    alternatives: tuple[Alternative, ...]
    ahead: tuple[Ahead, ...]
    """What is known to come that changes the answer, by date; only where it is open."""
    notes: tuple[str, ...]
    """What the answer leaves out."""
