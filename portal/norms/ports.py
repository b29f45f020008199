"""What the norms service needs from the rest of the portal."""

from collections.abc import Collection
from typing import Protocol

from agreements.actors import Actor
from agreements.dsse import Envelope


class InstitutionKeys(Protocol):
    """The signing keys that institutions have registered."""

    def active_keys(self, institution_id: str) -> tuple[str, ...]:
        """The active Ed25519 public keys (raw, hex). Raises NotFound for an unknown institution."""


class InstitutionSigner(Protocol):
    """The keys that the portal keeps for institutions that asked it to."""

    def sign(self, institution_id: str, actor: Actor, payload_type: str, payload: bytes) -> Envelope:
        """A DSSE envelope with the institution's key. Raises Conflict if the portal keeps none for it."""


class CitedFindings(Protocol):
    """Findings as far as somebody who cites them needs them."""

    def check_citation(
        self, actor: Actor, finding_id: str, version: int, digest: str, *, current: bool = False
    ) -> None:
        """Raises NotFound, Invalid or Conflict unless the actor may cite that version under that digest."""

    def readable(self, finding_ids: Collection[str], actor: Actor | None) -> frozenset[str]:
        """Those of the ids that the actor may know of."""
