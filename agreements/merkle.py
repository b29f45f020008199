"""Merkle trees as in RFC 6962 section 2.1 and RFC 9162 section 2.1, over SHA-256.

A leaf here is always a leaf hash (32 bytes): the tree never holds what was logged.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

from agreements.errors import Invalid, VerificationError

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of the tree without leaves."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one logged entry; the 0x00 keeps leaves and nodes apart (second preimages)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """An append-only tree in memory: every node over a full subtree is kept, about 64 bytes per leaf.

    One thread may append while others read: a reader sees the size of some moment and all that belongs to it. Sizes of
    the past stay answerable, since full subtrees never change.
    """

    def __init__(self, leaves: Sequence[bytes] = ()) -> None:
        """A tree over the given leaf hashes, in order."""
        # Level l holds, end to end, the hashes of the full subtrees of 2^l leaves.
        self._levels: list[bytearray] = [bytearray()]
        self._size = 0
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash at the end and return its index, from 0. Raises Invalid ``bad_hash``."""
        if len(leaf) != HASH_BYTES:
            raise Invalid("bad_hash", f"A leaf hash has {HASH_BYTES} bytes, not {len(leaf)}.")
        index, level, node = self._size, 0, leaf
        self._levels[0] += node
        while index >> level & 1:
            node = node_hash(self._node(level, (index >> level) - 1), node)
            level += 1
            if level == len(self._levels):
                self._levels.append(bytearray())
            self._levels[level] += node
        # Last, so that a reader never sees a size whose nodes are not there yet.
        self._size = index + 1
        return index

    def nodes(self, level: int, start: int, count: int) -> bytes:
        """``count`` hashes, end to end, of the full subtrees of 2^level leaves from number ``start`` on.

        Raises Invalid ``no_such_nodes`` unless the tree holds all of them.
        """
        if min(level, start, count) < 0 or start + count > self._size >> level:
            raise Invalid("no_such_nodes", f"A tree of {self._size} leaves has no such nodes on level {level}.")
        if count == 0:
            return b""
        return bytes(self._levels[level][start * HASH_BYTES : (start + count) * HASH_BYTES])

    def root(self, size: int | None = None) -> bytes:
        """The root over the first ``size`` leaves, by default all. Raises Invalid ``bad_tree_size``."""
        size = self._checked(self._size if size is None else size)
        return self._subtree(0, size) if size else EMPTY_ROOT

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """PATH(index, D[size]) of RFC 6962 section 2.1.1: sibling hashes from the leaf up.

        Raises Invalid ``bad_tree_size`` or ``no_such_leaf``.
        """
        size = self._checked(self._size if size is None else size)
        if not 0 <= index < size:
            raise Invalid("no_such_leaf", f"There is no leaf {index} among the first {size}.")
        proof: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                proof.append(self._subtree(middle, end))
                end = middle
            else:
                proof.append(self._subtree(start, middle))
                start = middle
        proof.reverse()
        return proof

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """PROOF(old, D[new]) of RFC 6962 section 2.1.2; empty for ``old`` 0 or ``old`` = ``new``.

        Raises Invalid ``bad_tree_size``.
        """
        new = self._checked(self._size if new is None else new)
        if not 0 <= old <= new:
            raise Invalid("bad_tree_size", f"A tree of {new} leaves did not grow from one of {old}.")
        if old in (0, new):
            return []
        proof: list[bytes] = []
        start, end = 0, new
        while end != old:
            middle = start + _split(end - start)
            if old <= middle:
                proof.append(self._subtree(middle, end))
                end = middle
            else:
                proof.append(self._subtree(start, middle))
                start = middle
        if start:
            # The verifier knows the old root itself only where the old tree is a full subtree from the left edge.
            proof.append(self._subtree(start, end))
        proof.reverse()
        return proof

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self._size:
            raise Invalid("bad_tree_size", f"The tree has {self._size} leaves; {size} were asked for.")
        return size

    def _node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def _subtree(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]); the recursion of the RFC only ever asks for ranges whose start is aligned."""
        width = end - start
        if width & (width - 1) == 0:
            level = width.bit_length() - 1
            return self._node(level, start >> level)
        middle = start + _split(width)
        return node_hash(self._subtree(start, middle), self._subtree(middle, end))


def verify_inclusion(leaf: bytes, *, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return if ``leaf`` is number ``index`` of the tree of ``size`` leaves with ``root`` (RFC 9162 section 2.1.3.2).

    Raises VerificationError ``not_included``.
    """
    if not 0 <= index < size or not _all_hashes(leaf, root, *proof):
        raise _not_included()
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise _not_included()
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or computed != root:
        raise _not_included()


def verify_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return if the new tree begins with the whole old one (RFC 9162 section 2.1.4.2).

    Every tree grew from the empty one and from itself, with an empty proof. Raises VerificationError
    ``not_consistent``.
    """
    if not 0 <= old_size <= new_size or not _all_hashes(old_root, new_root, *proof):
        raise _not_consistent()
    if old_size in (0, new_size):
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if proof or old_root != expected or (new_size == 0 and new_root != EMPTY_ROOT):
            raise _not_consistent()
        return
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    if not path:
        raise _not_consistent()
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_computed = new_computed = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise _not_consistent()
        if node & 1 or node == last:
            old_computed = node_hash(sibling, old_computed)
            new_computed = node_hash(sibling, new_computed)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new_computed = node_hash(new_computed, sibling)
        node, last = node >> 1, last >> 1
    if last != 0 or old_computed != old_root or new_computed != new_root:
        raise _not_consistent()


def _split(width: int) -> int:
    """The largest power of two below ``width`` (``width`` at least 2)."""
    return 1 << (width - 1).bit_length() - 1


def _all_hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _not_included() -> VerificationError:
    return VerificationError("not_included", "The proof does not lead from this entry to the log's root.")


def _not_consistent() -> VerificationError:
    return VerificationError("not_consistent", "The newer log does not begin with all of the older one.")
