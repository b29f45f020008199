"""A finding: what someone learned about a checkpoint, in immutable, content-addressed versions."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from agreements.canonical import digest_of
from agreements.deciders import Value
from portal import media_types
from portal.findings.evidence import RunFacts, access_statement
from portal.findings.marking import DEFAULT_MARKING, Audience, Tlp
from portal.inputs import Digest, Identifier, Line, Prose

DOCUMENT_TYPE = media_types.FINDING
"""DSSE payload type of a signed finding."""


class Kind(StrEnum):
    """What sort of thing was learned. Benefits and null results count as findings."""

    MISUSE_FINDING = "misuse_finding"
    CAPABILITY_MEASUREMENT = "capability_measurement"
    BIAS_MEASUREMENT = "bias_measurement"
    DETECTION_RESULT = "detection_result"
    CREDIBILITY_MEASUREMENT = "credibility_measurement"
    VULNERABILITY = "vulnerability"
    HAZARD = "hazard"
    INCIDENT = "incident"
    NEAR_MISS = "near_miss"
    BENEFIT = "benefit"
    NULL_RESULT = "null_result"

    @property
    def label(self) -> str:
        """The kind as people read it."""
        return self.value.replace("_", " ")

    @property
    def needs_severity(self) -> bool:
        """A benefit or a null result has no severity to state."""
        return self not in (Kind.BENEFIT, Kind.NULL_RESULT)


class Severity(StrEnum):
    """How bad the worst plausible case is."""

    NEGLIGIBLE = "negligible"
    LOW = "low"
    MODERATE = "moderate"
    HIGH = "high"
    CRITICAL = "critical"


class Credit(StrEnum):
    """How the reporter wishes to be named to readers."""

    NAMED = "named"
    INSTITUTION = "institution"
    NONE = "none"


class Status(StrEnum):
    """Where a finding stands with the lab."""

    FILED = "filed"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class Content(Value):
    """Everything one version says. A new version repeats it whole, so that each can be read alone."""

    title: Line
    summary: Prose
    kind: Kind
    severity: Severity | None = None
    """Worst plausible case; left out for a benefit or a null result."""
    marking: Tlp = DEFAULT_MARKING
    recipients: Annotated[tuple[Identifier, ...], Field(max_length=100)] = ()
    """Person ids named as readers besides the reporter."""
    checkpoint_ids: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    runs: Annotated[tuple[RunFacts, ...], Field(max_length=200)] = ()
    credit: Credit = Credit.NAMED
    ai_usage: bool = False
    """Whether a language model helped to write the report itself."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.kind.needs_severity and self.severity is None:
            raise ValueError(f"a {self.kind.label} needs a severity")
        if len(set(self.recipients)) != len(self.recipients):
            raise ValueError("a recipient is named twice")
        missing = {run.checkpoint_id for run in self.runs} - set(self.checkpoint_ids)
        if missing:
            raise ValueError(f"a cited run used {min(missing)}, which the finding does not list")
        return self


class Version(Value):
    """One immutable version and its digest."""

    number: int
    content: Content
    digest: Digest
    note: str
    """What changed and why; empty for the first version."""
    author_id: str
    made_at: datetime


class Withdrawal(Value):
    """Why a finding was taken back: what stays where its words were."""

    reason: Prose
    by: str
    withdrawn_at: datetime


class Finding(Value):
    """The state of one finding; ``versions`` is empty before it is filed."""

    finding_id: str = ""
    institution_id: str = ""
    """The originating institution."""
    reporter_id: str = ""
    status: Status = Status.FILED
    versions: tuple[Version, ...] = ()
    withdrawal: Withdrawal | None = None
    duplicate_of: str | None = None
    closing_note: str = ""

    @property
    def exists(self) -> bool:
        """Whether the finding has been filed."""
        return bool(self.versions)

    @property
    def current(self) -> Version:
        """The newest version of a finding that exists."""
        return self.versions[-1]

    def audience_of(self, version: Version) -> Audience:
        """Who may read one version, as far as that version alone decides."""
        return Audience(
            marking=version.content.marking,
            institution_id=self.institution_id,
            named=tuple(dict.fromkeys((self.reporter_id, *version.content.recipients))),
        )

    @property
    def audience(self) -> Audience:
        """Who may know of the finding: the current version's audience.

        An older version is read by those whom both its own marking and the current one admit: raising a marking closes
        what was open, and lowering it does not open what was written under the stricter one.
        """
        return self.audience_of(self.current)

    def version(self, number: int) -> Version | None:
        """The version of that number, if there is one."""
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None


def document(finding_id: str, institution_id: str, reporter_id: str, version: Version) -> dict[str, Any]:
    """The JSON that a version's digest is taken over and that an export signs.

    Carries no digest of itself: whoever holds the document recomputes it and compares with the citation.
    """
    return {
        "type": "concordat.finding/1",
        "finding_id": finding_id,
        "version": version.number,
        "institution_id": institution_id,
        "reporter_id": reporter_id if version.content.credit is Credit.NAMED else None,
        "content": version.content.model_dump(mode="json"),
        "access_statement": access_statement(version.content.runs),
        "note": version.note,
        "made_at": version.model_dump(mode="json")["made_at"],
    }


def seal(
    finding_id: str,
    institution_id: str,
    reporter_id: str,
    *,
    number: int,
    content: Content,
    note: str,
    author_id: str,
    made_at: datetime,
) -> Version:
    """A version with the digest of its document (RFC 8785 canonical JSON, SHA-256)."""
    unsealed = Version.model_construct(
        number=number, content=content, digest="", note=note, author_id=author_id, made_at=made_at
    )
    digest = digest_of(document(finding_id, institution_id, reporter_id, unsealed))
    return Version(number=number, content=content, digest=digest, note=note, author_id=author_id, made_at=made_at)
