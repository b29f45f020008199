"""The stages of staged release, and the single steps between them."""

from enum import StrEnum

from agreements.errors import Conflict


class Stage(StrEnum):
    """How far a checkpoint is released."""

    WITHHELD = "withheld"
    """The lab, and those institutions whose grant names this very checkpoint."""
    PARTNER_ACCESS = "partner_access"
    """Also every institution whose grant covers the checkpoint's family."""
    PUBLIC = "public"
    """Everyone who is signed in, within the portal's public limits; the weights may be published."""
    RETIRED = "retired"
    """Nobody may query it any more."""

    @property
    def label(self) -> str:
        """The stage as people read it."""
        return self.value.replace("_", " ")

    @property
    def next(self) -> "Stage | None":
        """The stage one step further, or none after the last."""
        following = _LADDER.index(self) + 1
        return _LADDER[following] if following < len(_LADDER) else None

    @property
    def previous(self) -> "Stage | None":
        """The stage a recall goes back to, or none before the first."""
        position = _LADDER.index(self)
        return _LADDER[position - 1] if position else None


_LADDER = tuple(Stage)


class Move(StrEnum):
    """Which way a checkpoint moves on the ladder."""

    ADVANCE = "advance"
    RECALL = "recall"


def move_between(from_stage: Stage, to_stage: Stage) -> Move:
    """Which single step leads from one stage to the other. Raises Conflict ``no_such_step`` if none does."""
    if to_stage is from_stage.next:
        return Move.ADVANCE
    if to_stage is from_stage.previous:
        return Move.RECALL
    raise Conflict(
        "no_such_step",
        f"A checkpoint does not move from {from_stage.label} to {to_stage.label} in one step.",
        hint="Stages follow each other one at a time: " + " → ".join(stage.label for stage in _LADDER) + ".",
    )
