"""Norms: clauses of publication practice, signed positions on exact revisions, and outcomes that keep dissent."""

from portal.norms.model import (
    POSITION_TYPE,
    Choice,
    Decision,
    EvidenceLink,
    NormClause,
    NormText,
    Objection,
    PositionStatement,
    Relation,
)
from portal.norms.projection import NORMS
from portal.norms.reads import NormRow
from portal.norms.service import NormDraft, NormService, NormView, PositionDraft, PositionView

__all__ = [
    "NORMS",
    "POSITION_TYPE",
    "Choice",
    "Decision",
    "EvidenceLink",
    "NormClause",
    "NormDraft",
    "NormRow",
    "NormService",
    "NormText",
    "NormView",
    "Objection",
    "PositionDraft",
    "PositionStatement",
    "PositionView",
    "Relation",
]
