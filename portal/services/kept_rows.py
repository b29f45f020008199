"""The read rows of what is kept of runs."""

from collections.abc import Sequence

from model_access.kept_texts import KEPT_TEXT, KeptText
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def _kept(run_id: str, _version: int, state: KeptText) -> Sequence[Row]:
    if state.terms is None:
        return []
    return [
        Row(
            "kept_text",
            {
                "run_id": run_id,
                "agreement_id": state.terms.agreement_id,
                "grant_id": state.grant_id,
                "person_id": state.owner_id,
                "institution_id": state.institution_id,
                "outlives": state.terms.outlives,
                "kept_at": stamp(state.kept_at),
                "keep_until": stamp(state.keep_until),
                "destroyed_at": stamp(state.destroyed_at),
            },
        )
    ]


KEPT_TEXTS = Aggregate(decider=KEPT_TEXT, state_type=KeptText, project=_kept)
"""The store's view of what is kept of runs."""
