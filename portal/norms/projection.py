"""The read rows of a norm, as a function of its whole state."""

from collections.abc import Sequence

from portal.norms.decider import NORM
from portal.norms.model import Norm
from portal.numbering import ordinal
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(norm_id: str, version: int, state: Norm) -> Sequence[Row]:
    """Every row that stands for the norm, as of its current revision."""
    if not state.exists:
        return []
    current = state.current
    outcome = state.outcome
    return [
        Row(
            "norm",
            {
                "norm_id": norm_id,
                "ordinal": ordinal(norm_id),
                "title": current.text.title,
                "institution_id": state.institution_id,
                "decision": outcome.decision.value if outcome else None,
                "revision": current.number,
                "revision_digest": current.digest,
                "quorum": state.quorum,
                "counted": len(state.counted),
                "objections": len(state.standing_objections),
                "proposed_at": stamp(state.revisions[0].made_at),
                "decided_at": stamp(outcome.recorded_at) if outcome else None,
            },
        ),
        *(
            Row("norm_evidence", {"norm_id": norm_id, "finding_id": finding_id})
            for finding_id in dict.fromkeys(link.finding_id for link in current.text.evidence)
        ),
        *(
            Row(
                "norm_position",
                {
                    "norm_id": norm_id,
                    "institution_id": position.statement.institution_id,
                    "position": position.statement.position.value,
                },
            )
            for position in state.positions_on(current.digest)
        ),
    ]


NORMS = Aggregate(decider=NORM, state_type=Norm, project=project)
"""The store's view of norms."""
