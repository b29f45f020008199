"""The read row of a release decision."""

from collections.abc import Sequence

from portal.numbering import ordinal
from portal.release.decider import DECISION
from portal.release.model import RecordedDecision
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(decision_id: str, version: int, state: RecordedDecision) -> Sequence[Row]:
    """The one row that stands for the decision."""
    if state.decision is None:
        return []
    proposal = state.decision.proposal
    return [
        Row(
            "release_decision",
            {
                "decision_id": decision_id,
                "ordinal": ordinal(decision_id),
                "checkpoint_id": proposal.checkpoint_id,
                "verdict": proposal.verdict.value,
                "from_stage": proposal.from_stage.value,
                "to_stage": proposal.to_stage.value if proposal.to_stage else None,
                "digest": state.decision.digest,
                "decided_at": stamp(state.decision.decided_at),
            },
        )
    ]


DECISIONS = Aggregate(decider=DECISION, state_type=RecordedDecision, project=project)
"""The store's view of release decisions."""
