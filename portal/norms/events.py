"""What can happen to a norm."""

from agreements.deciders import Event
from portal.norms.model import Outcome, Position, Revision


class Proposed(Event, type="norm:proposed"):
    """A norm was proposed with its first revision."""

    norm_id: str
    institution_id: str
    proposer_id: str
    quorum: int
    revision: Revision


class NormRevised(Event, type="norm:revised"):
    """A new revision; positions on older ones become stale and stay visible."""

    revision: Revision


class PositionTaken(Event, type="norm:position_taken"):
    """An institution took, or replaced, its position on a revision."""

    position: Position


class OutcomeRecorded(Event, type="norm:outcome_recorded"):
    """The coordinator recorded how the norm ended."""

    outcome: Outcome
