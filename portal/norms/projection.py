"""The read rows of a norm, as a function of its whole state."""

from collections.abc import Sequence

from portal.norms.decider import NORM
from portal.norms.model import Norm
from portal.numbering import ordinal
from portal.store import Aggregate, Row


def project(norm_id: str, version: int, state: Norm) -> Sequence[Row]:  # noqa: ARG001 - the store's signature
    """Every row that stands for the norm; links and positions of older revisions included, as no longer held."""
    if not state.exists:
        return []
    current = state.current
    linked = {link.finding_id for link in current.text.evidence}
    ever_linked = {link.finding_id for revision in state.revisions for link in revision.text.evidence}
    standing = {p.statement.institution_id: p.statement.position for p in state.positions_on(current.digest)}
    ever_stood = {p.statement.institution_id for p in state.positions}
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
                "proposed_at": state.revisions[0].made_at.isoformat(),
                "decided_at": outcome.recorded_at.isoformat() if outcome else None,
            },
        ),
        *(
            Row("norm_evidence", {"norm_id": norm_id, "finding_id": finding_id, "linked": finding_id in linked})
            for finding_id in sorted(ever_linked)
        ),
        *(
            Row(
                "norm_position",
                {
                    "norm_id": norm_id,
                    "institution_id": institution_id,
                    "position": standing[institution_id].value if institution_id in standing else None,
                },
            )
            for institution_id in sorted(ever_stood)
        ),
    ]


NORMS = Aggregate(decider=NORM, state_type=Norm, project=project)
"""The store's view of norms."""
