"""Questions about access and their answers; a denial is data and names what would clear it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field

from agreements.actors import Actor
from agreements.agreement import Agreement, Version
from agreements.clauses import ClauseBase, PermittedUses, Use
from agreements.deciders import Value
from agreements.errors import ConcordatError, Fixer, Forbidden
from agreements.grants import Grant
from agreements.limits import Sampling
from agreements.precision import Precision
from agreements.scopes import Operation

C = TypeVar("C", bound=ClauseBase)


class Basis(StrEnum):
    """On what ground a run is allowed."""

    GRANT = "grant"
    PUBLIC = "public"
    LAB = "lab"


class Subject(Value):
    """The checkpoint asked for, as far as access is concerned. ``stage`` is the stage's name."""

    checkpoint_id: str
    family: str
    stage: Literal["withheld", "partner_access", "public", "retired"]
    precision: Precision | None = None
    """In which its answers are computed; None where it is asked before anything would be."""
    halted: str = ""
    """Why a coordinator halted it; empty where it is not halted."""


class AskedSampling(Value):
    """How a request is to sample."""

    max_tokens: int
    """Tokens generated per choice."""
    choices: int
    """Choices in all: prompts × ``n``."""
    top_logprobs: int
    temperature: float
    logit_bias: bool = False
    """Whether it biases logits."""


class Question(Value):
    """What is to be done, and for what purpose."""

    operations: frozenset[Operation] = Field(min_length=1)
    purpose: Annotated[str, Field(max_length=120)] | None = None
    sampling: AskedSampling | None = None
    """None where it is asked before there is a request; limits on sampling are then not held against it."""


@dataclass(frozen=True)
class Stated(Generic[C]):
    """A clause, and where it stands."""

    clause: C
    number: int
    """Its place in the text, from 1."""
    agreement: Agreement
    version: Version


class Held(Value):
    """A grant with what it rests on. Under a schedule, the framework's terms hold besides the schedule's own."""

    grant: Grant
    agreement: Agreement
    framework: Agreement | None = None
    path: tuple[Grant, ...] = ()
    """The grants above it, the parent first and the root last; empty for a root."""
    terms_digest: str | None = None
    """The version of the agreement whose clauses hold; None for the one that the grant pins."""
    framework_digest: str | None = None
    """The version of the framework whose clauses hold; None for the one that governs."""
    names: Mapping[str, str] = Field(default_factory=dict)
    """How the people and programs that hold these grants are called, by id."""
    lacking: tuple[str, ...] = ()
    """Vetting that the agreement asks for and the institution's passport does not show, as the service found it."""

    @property
    def version(self) -> Version | None:
        """The version of the agreement whose clauses hold."""
        return self.agreement.version_of(self.terms_digest or self.grant.agreement_digest)

    @property
    def texts(self) -> tuple[tuple[Agreement, Version], ...]:
        """What holds, the text that goes first ahead: the agreement's own version, then the framework's."""
        found = [(self.agreement, self.version)]
        if self.framework is not None:
            digest, shown = self.framework_digest, self.framework.shown if self.framework.versions else None
            found.append((self.framework, (self.framework.version_of(digest) if digest is not None else None) or shown))
        return tuple((agreement, version) for agreement, version in found if version is not None)

    def stated(self, kind: type[C]) -> Stated[C] | None:
        """The clause of that type and where it stands: the version's own, else the framework's."""
        for agreement, version in self.texts:
            for number, clause in enumerate(version.clauses, start=1):
                if isinstance(clause, kind):
                    return Stated(clause, number, agreement, version)
        return None

    def clause(self, kind: type[C]) -> C | None:
        """The clause of that type: the version's own, else the framework's."""
        found = self.stated(kind)
        return found.clause if found is not None else None

    def listed_use(self, purpose: str) -> Use | None:
        """The use of that purpose, where uses are listed."""
        uses = self.clause(PermittedUses)
        return uses.use(purpose) if uses is not None else None

    def called(self, grant: Grant) -> str:
        """Whose grant it is, as people read it."""
        return self.names.get(grant.holder.id, self.agreement.institution_name or grant.institution_id)

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """The agreement, and the framework it belongs to."""
        return (self.agreement,) if self.framework is None else (self.agreement, self.framework)


def readings(
    grant: Grant, agreement: Agreement, framework: Agreement | None, actor: Actor, now: datetime
) -> tuple[Held, ...]:
    """The terms under which somebody holds a grant, the oldest first.

    A token is held to the version of the agreement that it names. A framework is named by neither token nor grant:
    each version that governed since the grant was issued works on for its grace, beside the one that took over.
    """
    held = Held(grant=grant, agreement=agreement, framework=framework, terms_digest=actor.agreement_digest)
    issued_at = grant.issued_at
    if framework is None or issued_at is None:
        return (held,)
    in_grace = (
        version
        for version in framework.history
        if version.replaced_at is not None and issued_at < version.replaced_at and version.works_on(now)
    )
    return (*(held.model_copy(update={"framework_digest": version.digest}) for version in in_grace), held)


class Draw(Value):
    """An account that a run draws on, with what it may still take. None stands for no bound."""

    account: str
    says: str
    """Whose limit it is, as people read it."""
    budget: int | None
    """Tokens."""
    per_minute: int | None
    requests: int | None = None
    outputs: int | None = None
    """Tokens generated."""
    at_once: int | None = None
    """Runs under way."""
    frees_at: datetime | None = None
    """When the account begins anew, for one of a period."""


class Allowed(Value):
    """Yes, on this ground and for this purpose."""

    basis: Basis
    purpose: str
    grant_id: str | None = None
    agreement_digest: str | None = None
    institution_id: str | None = None
    draws: tuple[Draw, ...] = ()
    """Every limit that holds, the narrowest account first: the grant's, the use's, the agreement's."""
    sampling: Sampling | None = None
    """Every limit on sampling that holds: the grant's, those above it, the token's."""

    @property
    def logprob_decimals(self) -> int | None:
        """To how many decimals log-probabilities are rounded before they leave; None for as they are."""
        return self.sampling.logprob_decimals if self.sampling is not None else None

    def __bool__(self) -> bool:
        return True


class Denied(Value):
    """No: the condition that failed, and who can clear it."""

    code: str
    message: str
    hint: str
    fixer: Fixer

    def __bool__(self) -> bool:
        return False

    def error(self) -> ConcordatError:
        """The refusal to raise."""
        return Forbidden(self.code, self.message, hint=self.hint, fixer=self.fixer)
