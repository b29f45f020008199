"""Release: signed decisions that cite findings and norms, the only thing that moves a checkpoint to another stage."""

from portal.release.board import Board, BoardCell, BoardFamily, DecisionRow
from portal.release.decider import Requirement
from portal.release.model import DissentEntry, FindingCitation, NormCitation, Proposal, ReleaseDecision, Verdict
from portal.release.projection import DECISIONS
from portal.release.service import DecisionView, ReleaseService

__all__ = [
    "DECISIONS",
    "Board",
    "BoardCell",
    "BoardFamily",
    "DecisionRow",
    "DecisionView",
    "DissentEntry",
    "FindingCitation",
    "NormCitation",
    "Proposal",
    "ReleaseDecision",
    "ReleaseService",
    "Requirement",
    "Verdict",
]
