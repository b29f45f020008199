"""What somebody may query now, for which purposes and on what is left of which budget."""

from dataclasses import dataclass

from agreements.access import Allowed, Basis, Denied
from agreements.actors import Actor
from agreements.scopes import Operation
from model_access.registry import Checkpoint
from portal.composition import Portal

GENERATE = frozenset({Operation.GENERATE})


@dataclass(frozen=True)
class Reach:
    """One checkpoint as one person reaches it."""

    checkpoint: Checkpoint
    answer: Allowed | Denied
    purposes: tuple[str, ...]
    """What the person may declare; empty where access is denied whatever they declare."""

    @property
    def open(self) -> bool:
        """Whether some declared purpose opens it."""
        return bool(self.purposes)


def reach_of(portal: Portal, actor: Actor, operations: frozenset[Operation] = GENERATE) -> tuple[Reach, ...]:
    """Every checkpoint by family and size, and how the actor reaches it for ``operations``."""
    declared = sorted(
        {
            purpose
            for held in portal.grants.usable_by(actor)
            if held.grant.scope
            for purpose in held.grant.scope.purposes
        }
    )
    found = []
    for view in portal.checkpoints.list(actor):
        answers = {
            purpose: portal.checkpoints.access(actor, view.checkpoint, operations, purpose)
            for purpose in (*declared, None)
        }
        granted = [
            purpose
            for purpose, answer in answers.items()
            if purpose and isinstance(answer, Allowed) and answer.basis is Basis.GRANT
        ]
        unasked = answers[None]
        if not granted and isinstance(unasked, Allowed):
            granted = [unasked.purpose]
        best = next((a for a in answers.values() if isinstance(a, Allowed)), unasked)
        found.append(Reach(checkpoint=view.checkpoint, answer=best, purposes=tuple(granted)))
    return tuple(found)
