"""What the release service needs from the rest of the portal."""

from collections.abc import Collection
from typing import Protocol

from agreements.actors import Actor
from agreements.deciders import Value
from model_access.stages import Stage
from portal.findings.model import Kind
from portal.norms.model import Decision
from portal.norms.reads import NormRow
from portal.services.kernel import Step


class LadderCheckpoint(Value):
    """A registered checkpoint as the release board shows it."""

    checkpoint_id: str
    family: str
    parameters: int
    """How many weights it has; orders the sizes of a family."""
    stage: Stage


class Ladder(Protocol):
    """The registered checkpoints and their stages."""

    def checkpoints(self) -> tuple[LadderCheckpoint, ...]:
        """Every registered checkpoint, in any order."""

    def checkpoint(self, checkpoint_id: str) -> LadderCheckpoint:
        """One checkpoint. Raises NotFound."""

    def stage_change(self, checkpoint_id: str, decision_id: str, from_stage: Stage, to_stage: Stage) -> Step:
        """The step that moves the checkpoint, refused by its decider unless it is at ``from_stage``."""


class Evidence(Protocol):
    """Findings as far as decisions rest on them."""

    def check_citation(
        self, actor: Actor, finding_id: str, version: int, digest: str, *, current: bool = False
    ) -> None:
        """Raises NotFound, Invalid or Conflict unless the actor may cite that version under that digest."""

    def readable(self, finding_ids: Collection[str], actor: Actor | None) -> frozenset[str]:
        """Those of the ids that the actor may know of."""

    def evidence_by_kind(self, actor: Actor | None) -> dict[str, dict[Kind, int]]:
        """For each checkpoint, how many findings of each kind about it the caller may see."""

    def checkpoints_of(self, actor: Actor | None) -> dict[str, tuple[str, ...]]:
        """For each finding the caller may see, the checkpoints it is about."""


class Practice(Protocol):
    """Norms as far as decisions follow them."""

    def check_citation(self, actor: Actor, norm_id: str, revision_digest: str) -> Decision:
        """How the norm ended, if that revision is the one decided. Raises NotFound, Conflict or Invalid."""

    def list(self, actor: Actor, *, open_only: bool = False) -> tuple[NormRow, ...]:
        """All norms, newest first, or only those still open."""

    def open_objections(self) -> dict[str, tuple[str, ...]]:
        """For each finding linked by an open norm, the objections that stand against that norm."""
