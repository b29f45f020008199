"""What the findings service needs from the rest of the portal."""

from collections.abc import Collection
from typing import Protocol

from agreements.actors import Actor
from portal.findings.evidence import RunFacts


class RunRecords(Protocol):
    """The runs made through this portal."""

    def facts(self, run_id: str, actor: Actor) -> RunFacts:
        """What the receipt says. Raises NotFound for a run the actor may not see."""


class Checkpoints(Protocol):
    """The registered checkpoints."""

    def unknown(self, checkpoint_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids under which nothing is registered."""


class People(Protocol):
    """The persons who can sign in."""

    def coordinator_ids(self) -> tuple[str, ...]:
        """Everyone who coordinates for the lab today."""

    def unknown(self, person_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that belong to nobody."""

    def institution_name(self, institution_id: str) -> str:
        """How the institution is called."""

    def name(self, person_id: str) -> str:
        """How the person is called."""
