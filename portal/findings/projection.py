"""The read rows of a finding, as a function of its whole state.

Rows are only ever upserted, so whatever an earlier version put there is named again: as a posting without occurrences,
a reader who may not read, a checkpoint no longer cited.
"""

from collections.abc import Iterable, Sequence

from portal.findings.decider import FINDING
from portal.findings.model import Finding, Status
from portal.findings.search import occurrences
from portal.numbering import ordinal
from portal.store import Aggregate, Row


def _link_rows(
    table: str, finding_id: str, column: str, flag: str, *, now: Iterable[str], ever: Iterable[str]
) -> list[Row]:
    holding = set(now)
    return [
        Row(table, {"finding_id": finding_id, column: value, flag: value in holding})
        for value in sorted(holding | set(ever))
    ]


def project(finding_id: str, version: int, state: Finding) -> Sequence[Row]:  # noqa: ARG001 - the store's signature
    """Every row that stands for the finding."""
    if not state.exists:
        return []
    current, content = state.current, state.current.content
    withdrawn = state.status is Status.WITHDRAWN
    counts = {} if withdrawn else occurrences(content.title, content.summary)
    ever_said = {term for v in state.versions for term in occurrences(v.content.title, v.content.summary)}
    summary = Row(
        "finding",
        {
            "finding_id": finding_id,
            "ordinal": ordinal(finding_id),
            "version": current.number,
            "digest": current.digest,
            "title": "" if withdrawn else content.title,
            "kind": content.kind.value,
            "severity": content.severity.value if content.severity else None,
            "marking": content.marking.value,
            "institution_id": state.institution_id,
            "status": state.status.value,
            "duplicate_of": state.duplicate_of,
            "words": sum(counts.values()),
            "filed_at": state.versions[0].made_at.isoformat(),
            "changed_at": current.made_at.isoformat(),
        },
    )
    readers = _link_rows(
        "finding_reader",
        finding_id,
        "reader",
        "may_read",
        now=state.audience.keys,
        ever=(key for v in state.versions for key in state.audience_of(v).keys),
    )
    checkpoints = _link_rows(
        "finding_checkpoint",
        finding_id,
        "checkpoint_id",
        "cited",
        now=() if withdrawn else content.checkpoint_ids,
        ever=(checkpoint_id for v in state.versions for checkpoint_id in v.content.checkpoint_ids),
    )
    postings = [
        Row("finding_posting", {"finding_id": finding_id, "term": term, "occurrences": counts.get(term, 0)})
        for term in sorted(ever_said)
    ]
    return [summary, *readers, *checkpoints, *postings]


FINDINGS = Aggregate(decider=FINDING, state_type=Finding, project=project)
"""The store's view of findings."""
