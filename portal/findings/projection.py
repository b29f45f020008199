"""The read rows of a finding, as a function of its whole state."""

from collections.abc import Sequence

from portal.findings.decider import FINDING
from portal.findings.model import Finding, Status
from portal.findings.search import occurrences
from portal.numbering import ordinal
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def project(finding_id: str, _version: int, state: Finding) -> Sequence[Row]:
    """Every row that stands for the finding. A withdrawn one has neither words nor checkpoints."""
    if not state.exists:
        return []
    current, content = state.current, state.current.content
    withdrawn = state.status is Status.WITHDRAWN
    counts = {} if withdrawn else occurrences(content.title, content.summary)
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
            "filed_at": stamp(state.versions[0].made_at),
            "changed_at": stamp(current.made_at),
        },
    )
    readers = [Row("finding_reader", {"finding_id": finding_id, "reader": key}) for key in sorted(state.audience.keys)]
    checkpoints = [
        Row("finding_checkpoint", {"finding_id": finding_id, "checkpoint_id": checkpoint_id})
        for checkpoint_id in (() if withdrawn else dict.fromkeys(content.checkpoint_ids))
    ]
    postings = [
        Row("finding_posting", {"finding_id": finding_id, "term": term, "occurrences": number})
        for term, number in sorted(counts.items())
    ]
    return [summary, *readers, *checkpoints, *postings]


FINDINGS = Aggregate(decider=FINDING, state_type=Finding, project=project)
"""The store's view of findings."""
