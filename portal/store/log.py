"""The transparency log over the store's events: an RFC 6962 tree, its signed head, and proofs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
from pydantic import JsonValue

from agreements.errors import ConcordatError, NotFound, VerificationError
from agreements.inclusion import InclusionEvidence
from agreements.log_head import LogHead, NoteSigner, open_head, sign_head
from agreements.merkle import Tree
from agreements.tiles import TILE_WIDTH, tile_bytes
from portal.store.database import Database
from portal.store.leaves import LEAF_COLUMNS, Leaf

_HEAD = "The size of the latest head is the second line of GET /log/checkpoint."
_VERIFY_HINT = "Run: concordat log verify. It names what was changed; then restore a backup."


TILE_LEVEL_BITS = 8
"""Each level of tiles stands for 2^8 times as many leaves as the one below."""


@dataclass(frozen=True)
class _Published:
    """What readers may know: the tree up to a signed size. The tree may hold more that is not committed yet."""

    tree: Tree
    size: int
    note: str
    number: int
    """Of the head: how many came before it."""


class Log:
    """The log as readers see it. Everything is answered for the last committed head or an older size."""

    def __init__(self, database: Database, signer: NoteSigner) -> None:
        """Load the tree and check it against the stored head.

        Raises VerificationError ``log_head_mismatch`` if the two do not belong together, ``log_key_mismatch`` if
        another key signed the head.
        """
        self._database = database
        self._signer = signer
        self._published = self._load()

    @property
    def size(self) -> int:
        """How many entries the log has."""
        return self._published.size

    @property
    def vkey(self) -> str:
        """The verifier key (C2SP signed-note) that all heads are checked with."""
        return self._signer.vkey

    def head(self) -> str:
        """The signed head (C2SP tlog-checkpoint)."""
        return self._published.note

    def evidence(self, position: int) -> InclusionEvidence:
        """Proof that the entry at ``position`` stands in the log. Raises NotFound ``no_such_entry``."""
        published = self._published
        leaf = self._leaf(position, published.size)
        proof = published.tree.inclusion_proof(position, published.size)
        return InclusionEvidence.of(leaf.entry_bytes(), position, proof, published.note)

    def consistency(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the log of ``new`` entries, by default all, begins with that of ``old``. Raises Invalid."""
        published = self._published
        if new is not None and new > published.size:
            raise NotFound("no_such_head", f"The log has {published.size} entries, not yet {new}.", hint=_HEAD)
        return published.tree.consistency_proof(old, published.size if new is None else new)

    def tile(self, level: int, index: int, width: int = TILE_WIDTH) -> bytes:
        """``width`` hashes of 32 bytes (C2SP tlog-tiles). Raises NotFound ``no_such_tile``."""
        published = self._published
        tile = tile_bytes(published.tree, level, index, width)
        if (index * TILE_WIDTH + width) << (TILE_LEVEL_BITS * level) > published.size:
            raise NotFound(
                "no_such_tile",
                f"The log has {published.size} entries; that tile does not reach so far yet.",
                hint=_HEAD,
            )
        return tile

    def entry(self, position: int) -> dict[str, JsonValue]:
        """The logged value at ``position``; it may be confidential. Raises NotFound ``no_such_entry``."""
        return self._leaf(position, self._published.size).entry()

    def _leaf(self, position: int, size: int) -> Leaf:
        if not 0 <= position < size:
            raise NotFound("no_such_entry", f"The log has {size} entries, numbered from 0.", hint=_HEAD)
        with self._database.snapshot() as cursor:
            row = cursor.execute(f"SELECT {LEAF_COLUMNS} FROM event WHERE position = ?", [position]).fetchone()  # noqa: S608 - constants and placeholders only
        if row is None:
            raise VerificationError("entry_missing", f"The entry at {position} is gone.", hint=_VERIFY_HINT)
        return Leaf(*row)

    # The writer's side: a group's leaves are added and signed before the commit, and shown to readers after it.

    def extend(self, connection: duckdb.DuckDBPyConnection, leaves: Sequence[Leaf]) -> _Published:
        """Add the leaves of a transaction to the tree and their signed head to the transaction."""
        tree = self._published.tree
        for leaf in leaves:
            tree.append(leaf.leaf_hash)
        return self._signed(connection, tree, self._published.number + 1)

    def publish(self, grown: _Published) -> None:
        """Show readers what has been committed."""
        self._published = grown

    def rewind(self) -> None:
        """Go back to what is in the file, after a transaction that failed."""
        self._published = self._load()

    def _signed(self, connection: duckdb.DuckDBPyConnection, tree: Tree, number: int) -> _Published:
        head = LogHead(origin=self._signer.name, size=tree.size, root=tree.root())
        note = sign_head(head, self._signer)
        connection.execute("INSERT INTO log_head VALUES (?, ?, ?)", [number, head.size, note])
        return _Published(tree, head.size, note, number)

    def _load(self) -> _Published:
        with self._database.snapshot() as cursor:
            hashes = [row[0] for row in cursor.execute("SELECT leaf_hash FROM event ORDER BY position").fetchall()]
            newest: Any = cursor.execute("SELECT note, number FROM log_head ORDER BY size DESC LIMIT 1").fetchone()
        if newest is None:
            if hashes:
                raise _mismatch("it has entries and no head")
            # A signed empty log, so that emptying it later shows.
            with self._database.cursor() as cursor:
                return self._signed(cursor, Tree(), 0)
        tree = Tree(hashes)
        head = self._own_head(newest[0])
        if head.size != tree.size:
            raise _mismatch(f"it has {tree.size} entries and a head for {head.size}")
        if head.root != tree.root():
            raise _mismatch("its entries do not give the root of its head")
        return _Published(tree, tree.size, newest[0], newest[1])

    def _own_head(self, note: str) -> LogHead:
        try:
            return open_head(note, self.vkey)
        except ConcordatError:
            raise VerificationError(
                "log_key_mismatch",
                f"The newest head of the log is not signed by {self._signer.name} with the key at hand.",
                hint="Use the key folder that belongs to this store.",
            ) from None


def _mismatch(why: str) -> VerificationError:
    return VerificationError("log_head_mismatch", f"The log does not hold: {why}.", hint=_VERIFY_HINT)
