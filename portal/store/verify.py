"""Verification: everything in the store recomputed from what was signed, and the first row that differs named.

Order: every event against its leaf hash and every signed head against the events before it; then the idempotency
records, the states and the read rows against what follows from the events. Nothing of it writes, so it can run on a
closed file and beside a portal that works on.

What it cannot know: the names of actors, which are kept apart from the log so that they can be erased, and a store
that was put back as a whole to an earlier moment. For the latter, give it a head that somebody kept.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import duckdb
from pydantic import ValidationError

from agreements.canonical import canonical_bytes
from agreements.errors import ConcordatError, VerificationError
from agreements.log_head import LogHead, NoteVerifier, open_head
from agreements.merkle import Tree
from portal.store.database import Database
from portal.store.idempotency import COLUMNS as IDEMPOTENCY_COLUMNS
from portal.store.idempotency import IdempotencyRow, digest_of_events, versions_text
from portal.store.kinds import Kinds
from portal.store.leaves import LEAF_COLUMNS, Leaf, read_body
from portal.store.projections import ReadTables, RowKey
from portal.store.records import Aggregate, Held
from portal.store.store import Store

Progress = Callable[[int, int], None]
"""Called with how many rows are checked and how many there are."""

_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Fault:
    """The first row that is not what it was."""

    table: str
    key: str
    """The value of its primary key; ``a-b`` for a run of events of which one was rewritten."""
    what: str
    """What differs."""

    def __str__(self) -> str:
        return f"{self.table} {self.key}: {self.what}"


@dataclass(frozen=True)
class VerifyReport:
    """What was checked, up to the first fault if there is one."""

    entries: int
    heads: int
    objects: int
    rows: int
    """Read rows."""
    head: str
    """The newest signed head; keep it, and a store put back to an earlier moment shows."""
    fault: Fault | None

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return self.fault is None

    def require(self) -> None:
        """Return if everything holds. Raises VerificationError ``store_tampered`` naming the fault."""
        if self.fault is not None:
            raise VerificationError(
                "store_tampered", f"The store does not hold. {self.fault}", hint="Restore a backup from before."
            )


def verify_store(
    source: Path | Store,
    vkey: str,
    *,
    aggregates: Sequence[Aggregate[Any]] = (),
    known_heads: Sequence[str] = (),
    progress: Progress | None = None,
) -> VerifyReport:
    """Recompute everything in an open store or, with its ``aggregates``, in a closed file.

    ``vkey`` is the log's verifier key as the verifier knows it; ``known_heads`` are signed heads kept elsewhere, which
    the log must still contain. Raises Unavailable ``store_in_use`` or ``store_unreadable``, Invalid ``bad_vkey``,
    and what ``open_head`` raises for a known head that is none of this log's.
    """
    NoteVerifier.parse(vkey)
    if isinstance(source, Store):
        return _verify(source.database, source.kinds, vkey, known_heads, progress)
    database = Database.open(source, read_only=True)
    try:
        return _verify(database, Kinds(aggregates), vkey, known_heads, progress)
    finally:
        database.close()


def _verify(
    database: Database, kinds: Kinds, vkey: str, known_heads: Sequence[str], progress: Progress | None
) -> VerifyReport:
    with database.snapshot() as cursor:
        verification = _Verification(cursor, kinds, vkey, progress)
        fault = None
        try:
            verification.run(known_heads)
        except _Found as found:
            fault = found.fault
        return verification.report(fault)


class _Found(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def _found(table: str, key: object, what: str) -> NoReturn:
    raise _Found(Fault(table, str(key), what))


@dataclass
class _Head:
    number: int
    head: LogHead
    note: str


@dataclass
class _Verification:
    """One pass over one snapshot. What a step has established, the later ones build on."""

    cursor: duckdb.DuckDBPyConnection
    kinds: Kinds
    vkey: str
    progress: Progress | None
    tree: Tree = field(default_factory=Tree)
    objects: dict[str, Held] = field(default_factory=dict)
    heads: list[_Head] = field(default_factory=list)
    rows_checked: int = 0
    _done: int = 0
    _total: int = 0

    def run(self, known_heads: Sequence[str]) -> None:
        """Check everything, raising ``_Found`` at the first fault."""
        self._total = sum(self._count(table) for table in ("event", "idempotency", "state"))
        self._check_heads()
        self._check_events()
        self._check_known(known_heads)
        self._check_actors()
        self._check_idempotency()
        self._check_states()
        self._check_read_rows()

    def report(self, fault: Fault | None) -> VerifyReport:
        """What came of it."""
        newest = self.heads[-1].note if self.heads else ""
        return VerifyReport(self.tree.size, len(self.heads), len(self.objects), self.rows_checked, newest, fault)

    def _check_heads(self) -> None:
        for number, size, note in self._rows("SELECT number, size, note FROM log_head ORDER BY number"):
            if number != len(self.heads):
                _found("log_head", len(self.heads), "it is missing")
            try:
                head = open_head(note, self.vkey)
            except ConcordatError as error:
                _found("log_head", number, f"its note does not hold: {error.message}")
            if head.size != size:
                _found("log_head", number, f"it is filed under size {size} and is for {head.size}")
            if self.heads and size <= self.heads[-1].head.size:
                _found("log_head", number, "the log did not grow before it")
            self.heads.append(_Head(number, head, note))
        if not self.heads or self.heads[0].head.size != 0:
            _found("log_head", 0, "the head of the empty log is missing")

    def _check_events(self) -> None:
        due = iter(self.heads)
        expected, previous = next(due), 0
        self._check_root(expected, previous)
        following = next(due, None)
        for row in self._rows(f"SELECT {LEAF_COLUMNS} FROM event ORDER BY position"):  # noqa: S608 - constants and placeholders only
            leaf = Leaf(*row)
            self._check_event(leaf)
            self.tree.append(leaf.leaf_hash)
            if following and following.head.size == self.tree.size:
                self._check_root(following, expected.head.size)
                expected, following = following, next(due, None)
            self._step()
        if following:
            _found("event", self.tree.size, f"it is missing: a signed head covers {following.head.size} entries")
        if expected.head.size != self.tree.size:
            _found("event", expected.head.size, "it stands behind the newest signed head")

    def _check_root(self, expected: _Head, previous: int) -> None:
        if self.tree.root() != expected.head.root:
            last = self.tree.size - 1
            key = str(last) if last <= previous else f"{previous}-{last}"
            _found(
                "event", key, f"rewritten together with its leaf hash: signed head {expected.number} has another root"
            )

    def _check_event(self, leaf: Leaf) -> None:
        position = self.tree.size
        if leaf.position != position:
            missing = leaf.position > position
            _found("event", position if missing else leaf.position, "it is missing" if missing else "it was put in")
        try:
            body = read_body(leaf.body)
            genuine = leaf.computed_hash() == leaf.leaf_hash and canonical_bytes(body).decode() == leaf.body
        except ConcordatError as error:
            _found("event", position, f"its body is not what was logged: {error.message}")
        if not genuine:
            _found("event", position, "its columns do not give its leaf hash")
        try:
            held = self.objects.get(leaf.stream) or self.kinds.begin(leaf.stream)
            if leaf.version != held.version + 1:
                _found("event", position, f"version {leaf.version} of {leaf.stream} follows {held.version}")
            self.objects[leaf.stream] = self.kinds.advance(held, leaf.stream, leaf.type, body)
        except ConcordatError as error:
            _found("event", position, f"this release cannot read it: {error.message}")

    def _check_known(self, notes: Sequence[str]) -> None:
        for note in notes:
            known = open_head(note, self.vkey)
            if known.size > self.tree.size:
                _found("event", self.tree.size, f"it is missing: a head kept elsewhere covers {known.size} entries")
            if self.tree.root(known.size) != known.root:
                _found(
                    "log_head", f"of size {known.size}", "a head kept elsewhere has another root: the log was forked"
                )

    def _check_actors(self) -> None:
        for actor_id, acted in self._rows(
            "SELECT coalesce(a.actor_id, e.actor_id), a.actor_id IS NULL FROM actor a "
            "FULL JOIN (SELECT DISTINCT actor_id FROM event) e USING (actor_id) "
            "WHERE a.actor_id IS NULL OR e.actor_id IS NULL ORDER BY 1"
        ):
            _found("actor", actor_id, "it is missing" if acted else "it was put in: nothing was done by that actor")

    def _check_idempotency(self) -> None:
        recorded = f"SELECT {', '.join(IDEMPOTENCY_COLUMNS)} FROM idempotency ORDER BY actor_id, key"  # noqa: S608 - constants and placeholders only
        for values in self.cursor.execute(recorded).fetchall():
            row = IdempotencyRow(*values)
            events = self.cursor.execute(
                "SELECT stream, version, type, body FROM event WHERE position >= ? AND position < ? AND actor_id = ? "
                "ORDER BY position",
                [row.first_position, row.first_position + row.event_count, row.actor_id],
            ).fetchall()
            logged = [(stream, version, name, read_body(body)) for stream, version, name, body in events]
            versions = {stream: version for stream, version, _, _ in logged}
            same = (digest_of_events(logged), versions_text(versions)) == (row.request_digest, row.versions)
            if len(events) != row.event_count or not same:
                _found("idempotency", f"{row.actor_id}, {row.key}", "it points to events of another request")
            self._step()

    def _check_states(self) -> None:
        stored: set[str] = set()
        for stream, version, body in self._rows("SELECT stream, version, body FROM state ORDER BY stream"):
            held = self.objects.get(stream)
            if held is None:
                _found("state", stream, "it was put in: no event stands behind it")
            if version != held.version:
                _found("state", stream, f"it is at version {version}, and {held.version} events made it")
            try:
                same = type(held.state).model_validate_json(body) == held.state
            except ValidationError:
                same = False
            if not same:
                _found("state", stream, "it is not the fold of its events")
            stored.add(stream)
            self._step()
        for stream in sorted(self.objects.keys() - stored):
            _found("state", stream, "it is missing")

    def _check_read_rows(self) -> None:
        tables = ReadTables(self.cursor)
        expected: dict[RowKey, dict[str, Any]] = {}
        for stream, held in self.objects.items():
            expected.update(tables.keyed(self.kinds.rows(stream, held)))
        for table in tables.names:
            self._check_table(table, tables.primary_key(table), expected)
        for table, key in sorted(expected, key=str):
            _found(table, _shown(key), "it is missing")

    def _check_table(self, table: str, primary_key: Sequence[str], expected: dict[RowKey, dict[str, Any]]) -> None:
        result = self.cursor.execute(f"SELECT * FROM {table} ORDER BY {', '.join(primary_key)}")  # noqa: S608 - constants and placeholders only
        names = [column[0] for column in result.description or ()]
        for values in _fetched(result):
            row = dict(zip(names, values, strict=True))
            key = tuple(row[column] for column in primary_key)
            wanted = expected.pop((table, key), None)
            if wanted is None:
                _found(table, _shown(key), "it was put in: no object has it")
            for column, value in wanted.items():
                if row[column] != value:
                    _found(table, _shown(key), f"its column {column} is not what follows from the events")
            self.rows_checked += 1

    def _count(self, table: str) -> int:
        (count,) = self.cursor.execute(f"SELECT count(*) FROM {table}").fetchall()[0]  # noqa: S608 - constants and placeholders only
        return int(count)

    def _rows(self, sql: str) -> Iterator[tuple[Any, ...]]:
        return _fetched(self.cursor.execute(sql))

    def _step(self) -> None:
        self._done += 1
        if self.progress and (self._done % _ROWS_AT_ONCE == 0 or self._done == self._total):
            self.progress(self._done, self._total)


def _fetched(result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while chunk := result.fetchmany(_ROWS_AT_ONCE):
        yield from chunk


def _shown(key: tuple[object, ...]) -> str:
    return ", ".join(str(part) for part in key)
