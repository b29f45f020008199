"""The release board: families by size, what is known about each, and what its next step still lacks."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from agreements.deciders import Value
from model_access.stages import Move, Stage
from portal.findings.model import Kind
from portal.release.decider import Requirement, requirements
from portal.release.model import Verdict
from portal.release.ports import LadderCheckpoint


class DecisionRow(Value):
    """One line of the list of decisions."""

    decision_id: str
    checkpoint_id: str
    verdict: Verdict
    from_stage: Stage
    to_stage: Stage | None
    digest: str
    decided_at: str


class BoardCell(Value):
    """One checkpoint on the board, as one reader may see it."""

    checkpoint: LadderCheckpoint
    evidence: dict[Kind, int]
    """Findings about it by kind, duplicates and withdrawn ones left out."""
    open_objections: tuple[str, ...]
    """``NRM-NNNN institution`` for each objection to an open norm that rests on one of those findings."""
    last_decision: DecisionRow | None
    next_stage: Stage | None
    missing: tuple[Requirement, ...]
    """What the step to ``next_stage`` must cite and cannot yet."""


class BoardFamily(Value):
    """The sizes of one family, smallest first."""

    family: str
    cells: tuple[BoardCell, ...]


class Board(Value):
    """Every family, by name."""

    families: tuple[BoardFamily, ...]


def build_board(
    checkpoints: Sequence[LadderCheckpoint],
    *,
    evidence: Mapping[str, Mapping[Kind, int]],
    objections: Mapping[str, Sequence[str]],
    decisions: Sequence[DecisionRow],
    has_adopted_norm: bool,
) -> Board:
    """The board from facts already cut to what the reader may know.

    ``objections`` are by checkpoint; ``decisions`` newest first.
    """
    last: dict[str, DecisionRow] = {}
    for decision in decisions:
        last.setdefault(decision.checkpoint_id, decision)

    def cell(checkpoint: LadderCheckpoint) -> BoardCell:
        known = dict(evidence.get(checkpoint.checkpoint_id, {}))
        held = {Requirement.FINDING: bool(known), Requirement.ADOPTED_NORM: has_adopted_norm}
        upcoming = checkpoint.stage.next
        return BoardCell(
            checkpoint=checkpoint,
            evidence=known,
            open_objections=tuple(sorted(objections.get(checkpoint.checkpoint_id, ()))),
            last_decision=last.get(checkpoint.checkpoint_id),
            next_stage=upcoming,
            missing=tuple(r for r in requirements(Move.ADVANCE) if upcoming and not held[r]),
        )

    ordered = sorted(checkpoints, key=lambda c: (c.family, c.parameters, c.checkpoint_id))
    return Board(
        families=tuple(
            BoardFamily(family=family, cells=tuple(cell(checkpoint) for checkpoint in sizes))
            for family, sizes in groupby(ordered, key=lambda c: c.family)
        )
    )
