"""Findings: what people learned, in immutable versions, each shown to exactly its audience."""

from portal.findings.decider import Action
from portal.findings.evidence import RunFacts
from portal.findings.marking import Audience, Tlp
from portal.findings.model import Content, Credit, Finding, Kind, Severity, Status
from portal.findings.projection import FINDINGS
from portal.findings.reads import Filters, FindingCounts, FindingPage, FindingRow
from portal.findings.service import FindingDraft, FindingService, FindingView, VersionLine

__all__ = [
    "FINDINGS",
    "Action",
    "Audience",
    "Content",
    "Credit",
    "Filters",
    "Finding",
    "FindingCounts",
    "FindingDraft",
    "FindingPage",
    "FindingRow",
    "FindingService",
    "FindingView",
    "Kind",
    "RunFacts",
    "Severity",
    "Status",
    "Tlp",
    "VersionLine",
]
