"""Batches: many requests in one file, checked whole, then run one by one, each a governed run with its own receipt.

validating ──start──▶ in_progress ──last line──▶ finalizing ──end──▶ completed
    │                   │      └──stop──────────▶ finalizing ──end──▶ failed, expired
    ├──refuse──▶ failed └──cancel──▶ cancelling ─────────────end──▶ cancelled
    └──cancel──▶ cancelling

What is in the files is not in the log: there are digests, run ids and counts. A line that has an outcome keeps it, so
that whoever takes a batch up again knows exactly which lines are left.
"""

from model_access.batches.decider import BATCH, decide, evolve
from model_access.batches.model import (
    MOST_PROBLEMS,
    Batch,
    BatchCommand,
    BatchCreated,
    BatchEnded,
    BatchStatus,
    CancelBatch,
    CompleteLine,
    CreateBatch,
    EndBatch,
    FailLine,
    FinishLines,
    LineCompleted,
    LineFailed,
    Problem,
    RefuseBatch,
    StartBatch,
    StopBatch,
    Submitter,
)

__all__ = [
    "BATCH",
    "MOST_PROBLEMS",
    "Batch",
    "BatchCommand",
    "BatchCreated",
    "BatchEnded",
    "BatchStatus",
    "CancelBatch",
    "CompleteLine",
    "CreateBatch",
    "EndBatch",
    "FailLine",
    "FinishLines",
    "LineCompleted",
    "LineFailed",
    "Problem",
    "RefuseBatch",
    "StartBatch",
    "StopBatch",
    "Submitter",
    "decide",
    "evolve",
]
