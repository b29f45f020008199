"""A norm: clauses of publication practice in revisions, with each institution's position on an exact revision."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from agreements.canonical import canonical_bytes, digest_of
from agreements.deciders import Value
from portal import media_types
from portal.inputs import Digest, Identifier, Line, Prose

POSITION_TYPE = media_types.NORM_POSITION
"""DSSE payload type of a signed position."""


class Relation(StrEnum):
    """What a linked finding says about a norm."""

    SUPPORTS = "supports"
    OPPOSES = "opposes"


class NormClause(Value):
    """One clause; its id stays the same from revision to revision."""

    clause_id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    text: Prose


class EvidenceLink(Value):
    """A link from one exact version of a finding to the norm, or to one of its clauses."""

    finding_id: Identifier
    version: Annotated[int, Field(ge=1)]
    digest: Digest
    clause_id: str | None = None
    relation: Relation = Relation.SUPPORTS

    @property
    def link_digest(self) -> str:
        """SHA-256 of the link; it contains the finding's digest, so it cannot be guessed from the finding's id."""
        return digest_of(self.model_dump(mode="json"))


class NormText(Value):
    """What a revision says."""

    title: Line
    clauses: Annotated[tuple[NormClause, ...], Field(min_length=1, max_length=50)]
    evidence: Annotated[tuple[EvidenceLink, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        clause_ids = [clause.clause_id for clause in self.clauses]
        if len(set(clause_ids)) != len(clause_ids):
            raise ValueError("a clause id is used twice")
        for link in self.evidence:
            if link.clause_id is not None and link.clause_id not in clause_ids:
                raise ValueError(f"the link to {link.finding_id} names a clause that is not there")
        return self

    def has_clause(self, clause_id: str) -> bool:
        """Whether a clause of that id is in the text."""
        return any(clause.clause_id == clause_id for clause in self.clauses)


class Revision(Value):
    """One immutable revision and the digest that positions are pinned to."""

    number: int
    text: NormText
    digest: Digest
    note: str
    author_id: str
    made_at: datetime


def revision_document(norm_id: str, quorum: int, number: int, text: NormText) -> dict[str, Any]:
    """The JSON that a revision's digest is taken over; the decision rule is part of what is agreed to.

    Evidence enters by digest: a reader who may not know of a linked finding is given the link's digest instead of the
    link, and can still recompute what is being signed.
    """
    return {
        "type": "concordat.norm-revision/1",
        "norm_id": norm_id,
        "revision": number,
        "quorum": quorum,
        "title": text.title,
        "clauses": [clause.model_dump(mode="json") for clause in text.clauses],
        "evidence": sorted(link.link_digest for link in text.evidence),
    }


def revision_digest(norm_id: str, quorum: int, number: int, text: NormText) -> str:
    """SHA-256 of the revision's document in RFC 8785 form."""
    return digest_of(revision_document(norm_id, quorum, number, text))


class Choice(StrEnum):
    """What an institution says to a revision."""

    SUPPORT = "support"
    NO_OBJECTION = "no_objection"
    STAND_ASIDE = "stand_aside"
    OBJECT = "object"
    RECUSE = "recuse"

    @property
    def label(self) -> str:
        """The choice as people read it."""
        return self.value.replace("_", " ")


class Objection(Value):
    """What an objection must say to be one: where, what harm, and what would cure it."""

    clause_id: str
    harm: Prose
    cure: Prose


class PositionStatement(Value):
    """The bytes an institution signs: one position on one exact revision."""

    norm_id: Identifier
    revision_digest: Digest
    institution_id: Identifier
    position: Choice
    reason: Annotated[str, Field(max_length=4000)] = ""
    objection: Objection | None = None
    taken_at: datetime

    @model_validator(mode="after")
    def _reasoned(self) -> Self:
        if (self.position is Choice.OBJECT) != (self.objection is not None):
            raise ValueError("an objection names clause, harm and cure; another position has none")
        if self.position is Choice.OBJECT and not self.reason.strip():
            raise ValueError("an objection gives its reason")
        if self.taken_at.tzinfo is None:
            raise ValueError("the time of a position names its zone")
        return self

    def payload(self) -> bytes:
        """The canonical bytes (RFC 8785) that go into the DSSE envelope."""
        return canonical_bytes(self.model_dump(mode="json"))


class Position(Value):
    """A position as received: the statement, its signature, and who handed it in."""

    statement: PositionStatement
    envelope: dict[str, Any]
    """The DSSE envelope as JSON; it verifies by itself."""
    public_key: str
    """The institution's key it was made with (raw, hex)."""
    given_by: str


class Decision(StrEnum):
    """How a norm ends."""

    ADOPTED = "adopted"
    ADOPTED_WITH_DISSENT = "adopted_with_dissent"
    RETURNED = "returned"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"

    @property
    def label(self) -> str:
        """The decision as people read it."""
        return self.value.replace("_", " ")

    @property
    def adopts(self) -> bool:
        """Whether the norm is in force afterwards."""
        return self in (Decision.ADOPTED, Decision.ADOPTED_WITH_DISSENT)


class Dissent(Value):
    """An objection that was overruled, carried into the outcome in the objector's own words."""

    institution_id: str
    clause_id: str
    reason: str
    harm: str
    cure: str


class Outcome(Value):
    """The recorded end: decision, why, and the standing objections."""

    decision: Decision
    revision_digest: Digest
    rationale: Prose
    tally: dict[Choice, int]
    """Positions on the decided revision by choice; silence is not in it."""
    dissent: tuple[Dissent, ...]
    by: str
    recorded_at: datetime


class Norm(Value):
    """The state of one norm; ``revisions`` is empty before it is proposed."""

    norm_id: str = ""
    institution_id: str = ""
    """The proposing institution."""
    proposer_id: str = ""
    quorum: int = 1
    """How many institutions must have taken a position, recusals not counted, before the norm can be decided."""
    revisions: tuple[Revision, ...] = ()
    positions: tuple[Position, ...] = ()
    """The latest position of each institution on each revision, stale ones included, in the order taken."""
    outcome: Outcome | None = None

    @property
    def exists(self) -> bool:
        """Whether the norm has been proposed."""
        return bool(self.revisions)

    @property
    def is_open(self) -> bool:
        """Whether positions may still be taken."""
        return self.exists and self.outcome is None

    @property
    def current(self) -> Revision:
        """The newest revision of a norm that exists."""
        return self.revisions[-1]

    def positions_on(self, digest: str) -> tuple[Position, ...]:
        """The positions pinned to one revision."""
        return tuple(p for p in self.positions if p.statement.revision_digest == digest)

    def position_of(self, institution_id: str, digest: str) -> Position | None:
        """One institution's position on one revision, if it took one."""
        return next((p for p in self.positions_on(digest) if p.statement.institution_id == institution_id), None)

    @property
    def standing_objections(self) -> tuple[Position, ...]:
        """Objections to the current revision that the objector has not replaced."""
        return tuple(p for p in self.positions_on(self.current.digest) if p.statement.position is Choice.OBJECT)

    @property
    def counted(self) -> tuple[Position, ...]:
        """The positions on the current revision that count towards the quorum."""
        return tuple(p for p in self.positions_on(self.current.digest) if p.statement.position is not Choice.RECUSE)
