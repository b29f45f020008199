"""A release decision: go, go with conditions or hold for one step of one checkpoint, with its evidence and dissent."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from agreements.canonical import canonical_bytes, digest_of
from agreements.deciders import Value
from model_access.stages import Move, Stage, move_between
from portal import media_types
from portal.inputs import Digest, Identifier, Prose
from portal.norms.model import Decision as NormDecision

DECISION_TYPE = media_types.RELEASE_DECISION
"""DSSE payload type of a signed release decision."""


class Verdict(StrEnum):
    """What was decided."""

    GO = "go"
    GO_WITH_CONDITIONS = "go_with_conditions"
    HOLD = "hold"

    @property
    def label(self) -> str:
        """The verdict as people read it."""
        return self.value.replace("_", " ")


class FindingCitation(Value):
    """One exact version of a finding that the decision rests on."""

    finding_id: Identifier
    version: Annotated[int, Field(ge=1)]
    digest: Digest
    about_checkpoint: bool = False
    """Whether the finding is about the checkpoint that is decided on; the service fills it in from the records."""

    @property
    def citation_digest(self) -> str:
        """SHA-256 of the citation; it contains the finding's digest, so it cannot be guessed from the finding's id."""
        return digest_of(self.model_dump(mode="json"))


class NormCitation(Value):
    """One exact revision of a norm that the decision follows."""

    norm_id: Identifier
    revision_digest: Digest
    outcome: NormDecision | None = None
    """How the norm ended; the service fills it in from the records."""

    @property
    def adopted(self) -> bool:
        """Whether the norm is in force."""
        return self.outcome is not None and self.outcome.adopts


class DissentEntry(Value):
    """What a party held against the decision, kept with it."""

    institution_id: Identifier
    text: Prose


class Proposal(Value):
    """What a coordinator puts down; the portal adds number, time and signature."""

    checkpoint_id: Identifier
    from_stage: Stage
    verdict: Verdict
    to_stage: Stage | None = None
    """The stage to move to; none for a hold, which changes nothing."""
    rationale: Prose
    conditions: Annotated[tuple[Prose, ...], Field(max_length=30)] = ()
    findings: Annotated[tuple[FindingCitation, ...], Field(max_length=200)] = ()
    norms: Annotated[tuple[NormCitation, ...], Field(max_length=50)] = ()
    dissent: Annotated[tuple[DissentEntry, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.verdict is Verdict.HOLD) != (self.to_stage is None):
            raise ValueError("a hold names no stage to move to, and a go names one")
        if (self.verdict is Verdict.GO_WITH_CONDITIONS) != bool(self.conditions):
            raise ValueError("go with conditions lists them, and no other verdict has any")
        for name, ids in (
            ("finding", [citation.finding_id for citation in self.findings]),
            ("norm", [citation.norm_id for citation in self.norms]),
        ):
            if len(set(ids)) != len(ids):
                raise ValueError(f"a {name} is cited twice")
        return self

    @property
    def move(self) -> Move | None:
        """Which way the checkpoint would move; none for a hold. Raises Conflict ``no_such_step``."""
        return None if self.to_stage is None else move_between(self.from_stage, self.to_stage)


class ReleaseDecision(Value):
    """The record that is signed and logged."""

    decision_id: Identifier
    proposal: Proposal
    decided_by: str
    decided_at: datetime

    def document(self) -> dict[str, Any]:
        """The JSON that the lab signs.

        Findings enter by the digests of their citations: the signed decision can be shown to everyone, and each reader
        is given the citations of the findings that reader may know of.
        """
        body = self.model_dump(mode="json")
        body["proposal"]["findings"] = sorted(c.citation_digest for c in self.proposal.findings)
        return {"type": "concordat.release-decision/1", **body}

    def payload(self) -> bytes:
        """The canonical bytes (RFC 8785) that go into the DSSE envelope."""
        return canonical_bytes(self.document())

    @property
    def digest(self) -> str:
        """SHA-256 of the document in RFC 8785 form."""
        return digest_of(self.document())


class RecordedDecision(Value):
    """The state of one decision stream: one record, never changed."""

    decision: ReleaseDecision | None = None
    envelope: dict[str, Any] = Field(default_factory=dict)
    """The lab's DSSE envelope as JSON; it verifies by itself."""
