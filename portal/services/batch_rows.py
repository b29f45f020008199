"""The read rows of batches and of the files that are kept for them."""

from collections.abc import Sequence

from model_access.batches import BATCH, Batch
from model_access.stored_files import STORED_FILE, StoredFile
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def _batch(batch_id: str, _version: int, state: Batch) -> Sequence[Row]:
    return [
        Row(
            "batch",
            {
                "batch_id": batch_id,
                "person_id": state.by.person_id if state.by else "",
                "institution_id": state.institution_id,
                "grant_id": state.ground.grant_id if state.ground else None,
                "status": state.status.value,
                "input_file_id": state.input_file_id,
                "output_file_id": state.output_file_id,
                "error_file_id": state.error_file_id,
                "retry_of": state.retry_of,
                "created_at": stamp(state.created_at),
            },
        )
    ]


def _file(file_id: str, _version: int, state: StoredFile) -> Sequence[Row]:
    return [
        Row(
            "stored_file",
            {
                "file_id": file_id,
                "person_id": state.owner_id,
                "institution_id": state.institution_id,
                "purpose": state.purpose.value,
                "size": state.size,
                "stored_at": stamp(state.stored_at),
                "keep_until": stamp(state.keep_until),
                "destroyed_at": stamp(state.destroyed_at),
            },
        )
    ]


BATCHES = Aggregate(decider=BATCH, state_type=Batch, project=_batch)
"""The store's view of batches."""

STORED_FILES = Aggregate(decider=STORED_FILE, state_type=StoredFile, project=_file)
"""The store's view of files."""
