"""The read row of a publication under review."""

from collections.abc import Sequence

from agreements.publication import PUBLICATION, Publication
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(publication_id: str, _version: int, state: Publication) -> Sequence[Row]:
    """The one row that stands for it. How it stands today depends on the time, so it is in no row."""
    decided = state.outcome or state.cleared or state.withdrawn
    return [
        Row(
            "publication",
            {
                "publication_id": publication_id,
                "institution_id": state.institution_id,
                "agreement_id": state.agreement_id,
                "opened_at": stamp(state.opened_at),
                "decided": decided is not None,
            },
        )
    ]


PUBLICATIONS = Aggregate(decider=PUBLICATION, state_type=Publication, project=project)
"""The store's view of publications under review."""
