"""Lists of norms. Every signed-in partner may read them."""

from agreements.actors import Actor
from agreements.deciders import Value
from portal.norms.model import Decision
from portal.standing import represents
from portal.store import Store


class NormRow(Value):
    """One line of a list."""

    norm_id: str
    title: str
    institution_id: str
    decision: Decision | None
    """None while the norm is open."""
    revision: int
    revision_digest: str
    quorum: int
    counted: int
    """Institutions with a position on the current revision, recusals left out."""
    objections: int
    """Objections that stand against the current revision."""
    proposed_at: str
    decided_at: str | None
    awaiting: tuple[str, ...]
    """Institutions the reader may bind that have taken no position on the current revision of an open norm."""


class NormReads:
    """Read side of norms."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def latest_ordinal(self, low: int, high: int) -> int | None:
        """The greatest ordinal in ``[low, high)`` that is taken."""
        rows = self._store.query(
            "SELECT max(ordinal) AS latest FROM norm WHERE ordinal >= ? AND ordinal < ?", [low, high]
        )
        latest: int | None = rows[0]["latest"]
        return latest

    def rows(self, actor: Actor, *, open_only: bool = False) -> tuple[NormRow, ...]:
        """All norms, newest first, or only those still open."""
        bound = [i for i in actor.institution_ids if represents(actor, i)]
        rows = self._store.query(
            """
            SELECT n.* EXCLUDE (ordinal), (
                SELECT list(p.institution_id) FROM norm_position p
                WHERE p.norm_id = n.norm_id
            ) AS heard
            FROM norm n WHERE n.decision IS NULL OR NOT ? ORDER BY n.ordinal DESC
            """,
            [open_only],
        )
        listed = []
        for row in rows:
            heard = row.pop("heard") or ()
            awaiting = tuple(i for i in bound if i not in heard) if row["decision"] is None else ()
            listed.append(NormRow.model_validate(row | {"awaiting": awaiting}))
        return tuple(listed)

    def open_objections(self) -> dict[str, tuple[str, ...]]:
        """For each finding linked by an open norm, its standing objections as ``NRM-NNNN institution``.

        Unfiltered: callers show only what belongs to findings their reader may know of.
        """
        rows = self._store.query(
            """
            SELECT e.finding_id, list(DISTINCT p.norm_id || ' ' || p.institution_id) AS objections
            FROM norm n JOIN norm_evidence e USING (norm_id) JOIN norm_position p USING (norm_id)
            WHERE n.decision IS NULL AND p.position = 'object'
            GROUP BY e.finding_id
            """
        )
        return {row["finding_id"]: tuple(row["objections"]) for row in rows}
