"""Lists, searches and counts of findings, filtered to the caller's audience before anything is ranked or counted."""

from collections.abc import Collection
from typing import Any

from agreements.actors import Actor
from agreements.deciders import Value
from portal.findings.decider import FINDING
from portal.findings.marking import Tlp, reader_keys
from portal.findings.model import Kind, Severity, Status
from portal.findings.search import RANKED, UNRANKED, query_terms
from portal.paging import PageSize, Place
from portal.store import Store

_VISIBLE = """
    readable AS (
        SELECT f.* FROM finding f
        WHERE EXISTS (
            SELECT 1 FROM finding_reader r
            WHERE r.finding_id = f.finding_id AND list_contains(?::VARCHAR[], r.reader)
        )
    )
"""


class Filters(Value):
    """Which findings to list; everything left out does not restrict."""

    text: str = ""
    kind: Kind | None = None
    marking: Tlp | None = None
    checkpoint_id: str | None = None
    status: Status | None = None
    """Without it, withdrawn findings are left out."""


class FindingRow(Value):
    """One line of a list. A withdrawn finding has no title any more."""

    finding_id: str
    ordinal: int
    version: int
    digest: str
    title: str
    kind: Kind
    severity: Severity | None
    marking: Tlp
    institution_id: str
    status: Status
    duplicate_of: str | None
    checkpoint_ids: tuple[str, ...]
    filed_at: str
    changed_at: str


class FindingPage(Value):
    """A page of findings. ``total`` counts all that match, as far as the caller may know."""

    rows: tuple[FindingRow, ...]
    total: int
    next_cursor: str | None


class FindingCounts(Value):
    """How many findings the caller may see, withdrawn ones apart."""

    total: int
    by_kind: dict[Kind, int]
    by_marking: dict[Tlp, int]
    by_status: dict[Status, int]


class FindingReads:
    """Read side of findings."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def latest_ordinal(self, low: int, high: int) -> int | None:
        """The greatest ordinal in ``[low, high)`` that is taken, hidden findings included."""
        rows = self._store.query(
            "SELECT max(ordinal) AS latest FROM finding WHERE ordinal >= ? AND ordinal < ?", [low, high]
        )
        latest: int | None = rows[0]["latest"]
        return latest

    def page(self, actor: Actor | None, filters: Filters, *, limit: PageSize, cursor: str | None) -> FindingPage:
        """One page: best match first with a text, else newest first. Raises Invalid ``bad_cursor``."""
        words = query_terms(filters.text)
        if filters.text.strip() and not words:
            return FindingPage(rows=(), total=0, next_cursor=None)
        where, params = _restrictions(filters)
        place = Place.of(cursor) if cursor else None
        after = "WHERE score < ? OR (score = ? AND ordinal < ?)" if place else ""
        rows = self._store.query(
            f"""
            WITH {_VISIBLE},
            visible AS (SELECT * FROM readable WHERE {where}),
            {RANKED if words else UNRANKED},
            matched AS (SELECT v.*, k.score, count(*) OVER () AS total FROM visible v JOIN ranked k USING (finding_id))
            SELECT m.* REPLACE (
                CASE WHEN m.duplicate_of IN (SELECT finding_id FROM readable) THEN m.duplicate_of END AS duplicate_of
            ), (
                SELECT list(c.checkpoint_id ORDER BY c.checkpoint_id) FROM finding_checkpoint c
                WHERE c.finding_id = m.finding_id
            ) AS checkpoint_ids
            FROM matched m {after}
            ORDER BY score DESC, ordinal DESC
            LIMIT ?
            """,  # noqa: S608 - only constants of this module are spliced in
            [
                sorted(reader_keys(actor)),
                *params,
                *([words] if words else []),
                *([place.score, place.score, place.ordinal] if place else []),
                limit + 1,
            ],
        )
        shown, more = rows[:limit], len(rows) > limit
        total = rows[0]["total"] if rows else 0
        last = Place(score=shown[-1]["score"], ordinal=shown[-1]["ordinal"]) if more else None
        return FindingPage(
            rows=tuple(_row(row) for row in shown), total=total, next_cursor=last.cursor() if last else None
        )

    def counts(self, actor: Actor | None) -> FindingCounts:
        """How many findings of each kind, marking and status the caller may see."""
        rows = self._store.query(
            f"WITH {_VISIBLE} SELECT kind, marking, status, count(*) AS n FROM readable GROUP BY ALL",  # noqa: S608 - constants and placeholders only
            [sorted(reader_keys(actor))],
        )
        live = [row for row in rows if row["status"] != Status.WITHDRAWN]
        return FindingCounts(
            total=sum(row["n"] for row in live),
            by_kind={kind: sum(r["n"] for r in live if r["kind"] == kind) for kind in Kind},
            by_marking={label: sum(r["n"] for r in live if r["marking"] == label) for label in Tlp},
            by_status={status: sum(r["n"] for r in rows if r["status"] == status) for status in Status},
        )

    def evidence_by_kind(self, actor: Actor | None) -> dict[str, dict[Kind, int]]:
        """For each checkpoint, how many findings of each kind about it the caller may see."""
        rows = self._store.query(
            f"""
            WITH {_VISIBLE}
            SELECT c.checkpoint_id, r.kind, count(*) AS n
            FROM readable r JOIN finding_checkpoint c USING (finding_id)
            WHERE r.duplicate_of IS NULL
            GROUP BY ALL
            """,  # noqa: S608 - constants and placeholders only
            [sorted(reader_keys(actor))],
        )
        evidence: dict[str, dict[Kind, int]] = {}
        for row in rows:
            evidence.setdefault(row["checkpoint_id"], {})[Kind(row["kind"])] = row["n"]
        return evidence

    def checkpoints_of(self, actor: Actor | None) -> dict[str, tuple[str, ...]]:
        """For each finding the caller may see, the checkpoints it is about."""
        rows = self._store.query(
            f"""
            WITH {_VISIBLE}
            SELECT r.finding_id, list(c.checkpoint_id ORDER BY c.checkpoint_id) AS checkpoint_ids
            FROM readable r JOIN finding_checkpoint c USING (finding_id)
            GROUP BY r.finding_id
            """,  # noqa: S608 - constants and placeholders only
            [sorted(reader_keys(actor))],
        )
        return {row["finding_id"]: tuple(row["checkpoint_ids"]) for row in rows}

    def readable(self, finding_ids: Collection[str], actor: Actor | None) -> frozenset[str]:
        """Those of the ids that the caller may know of."""
        rows = self._store.query(
            f"WITH {_VISIBLE} SELECT finding_id FROM readable WHERE list_contains(?::VARCHAR[], finding_id)",  # noqa: S608 - constants and placeholders only
            [sorted(reader_keys(actor)), sorted(finding_ids)],
        )
        return frozenset(row["finding_id"] for row in rows)

    def hidden_streams(self, actor: Actor | None) -> tuple[str, ...]:
        """The event streams of the findings the caller may not know of, for whoever shows events."""
        rows = self._store.query(
            f"WITH {_VISIBLE} SELECT finding_id FROM finding WHERE finding_id NOT IN (SELECT finding_id FROM readable)",  # noqa: S608 - constants and placeholders only
            [sorted(reader_keys(actor))],
        )
        return tuple(FINDING.stream(row["finding_id"]) for row in rows)


def _restrictions(filters: Filters) -> tuple[str, list[object]]:
    clauses: list[str] = []
    params: list[object] = []
    for column, value in (("kind", filters.kind), ("marking", filters.marking), ("status", filters.status)):
        if value is not None:
            clauses.append(f"{column} = ?")
            params.append(value.value)
    if filters.status is None:
        clauses.append("status <> ?")
        params.append(Status.WITHDRAWN.value)
    if filters.checkpoint_id is not None:
        clauses.append("finding_id IN (SELECT finding_id FROM finding_checkpoint WHERE checkpoint_id = ?)")
        params.append(filters.checkpoint_id)
    return " AND ".join(clauses), params


def _row(row: dict[str, Any]) -> FindingRow:
    values = {name: row[name] for name in FindingRow.model_fields}
    return FindingRow.model_validate(values | {"checkpoint_ids": tuple(row["checkpoint_ids"] or ())})
