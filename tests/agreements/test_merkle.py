"""Merkle trees: published roots, RFC 6962's example, a second implementation and proofs that must fail."""

import threading
from contextlib import suppress
from itertools import pairwise

import pytest
import scitt_cose
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.merkle import EMPTY_ROOT, Tree, leaf_hash, node_hash, verify_consistency, verify_inclusion

CT_ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Published with the Certificate Transparency reference implementation: the root after 0, 1, ... 8 entries."""

LARGEST = 130
ENTRIES = [index.to_bytes(2, "big") * (index % 3) for index in range(LARGEST)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
TREE = Tree(LEAVES)

sizes = st.integers(0, LARGEST)


def test_the_published_roots() -> None:
    tree = Tree()
    assert tree.root().hex() == CT_ROOTS[0]
    for entry, root in zip(CT_ENTRIES, CT_ROOTS[1:], strict=True):
        tree.append(leaf_hash(bytes.fromhex(entry)))
        assert tree.root().hex() == root
    assert [tree.root(size).hex() for size in range(9)] == CT_ROOTS


def test_the_example_of_rfc_6962_section_2_1_3() -> None:
    a, b, c, d, e, f, j = leaves = [leaf_hash(bytes([number])) for number in range(7)]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)
    tree = Tree(leaves)
    assert tree.root() == node_hash(k, m)
    # The RFC calls m "l".
    assert tree.inclusion_proof(0) == [b, h, m]
    assert tree.inclusion_proof(3) == [c, g, m]
    assert tree.inclusion_proof(4) == [f, j, k]
    assert tree.inclusion_proof(6) == [i, k]
    assert tree.consistency_proof(3, 7) == [c, d, g, m]
    assert tree.consistency_proof(4, 7) == [m]
    assert tree.consistency_proof(6, 7) == [i, j, k]


@given(st.lists(st.binary(max_size=40), max_size=40), st.data())
def test_roots_and_proofs_agree_with_scitt_cose(entries: list[bytes], data: st.DataObject) -> None:
    theirs = [entry.hex() for entry in entries]
    tree = Tree([leaf_hash(entry) for entry in entries])
    assert tree.root().hex() == scitt_cose.merkle_root(theirs)
    old = data.draw(st.integers(0, len(entries)))
    assert [one.hex() for one in tree.consistency_proof(old)] == scitt_cose.consistency_proof(theirs, old, len(entries))
    if entries:
        index = data.draw(st.integers(0, len(entries) - 1))
        assert [one.hex() for one in tree.inclusion_proof(index)] == scitt_cose.inclusion_proof(theirs, index)


@given(sizes.filter(bool), st.data())
def test_every_leaf_is_proved_included_and_scitt_cose_agrees(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = TREE.inclusion_proof(index, size), TREE.root(size)
    verify_inclusion(LEAVES[index], index=index, size=size, proof=proof, root=root)
    assert len(proof) <= (size - 1).bit_length()
    assert scitt_cose.verify_inclusion(ENTRIES[index].hex(), index, size, [one.hex() for one in proof], root.hex())


@given(sizes, sizes)
def test_growth_is_proved_and_scitt_cose_agrees(one: int, other: int) -> None:
    old, new = sorted((one, other))
    proof = TREE.consistency_proof(old, new)
    old_root, new_root = TREE.root(old), TREE.root(new)
    verify_consistency(old_size=old, old_root=old_root, new_size=new, new_root=new_root, proof=proof)
    assert scitt_cose.verify_consistency(old_root.hex(), new_root.hex(), old, new, [one.hex() for one in proof])


@given(sizes.filter(bool), st.data())
def test_an_inclusion_proof_proves_nothing_else(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = TREE.inclusion_proof(index, size), TREE.root(size)
    other_index = data.draw(st.integers(-1, LARGEST).filter(lambda number: number != index))
    with pytest.raises(VerificationError):
        verify_inclusion(LEAVES[index], index=other_index, size=size, proof=proof, root=root)
    with pytest.raises(VerificationError):
        verify_inclusion(LEAVES[index - 1], index=index, size=size, proof=[*proof, root], root=root)
    for altered in _altered(proof, data):
        with pytest.raises(VerificationError) as refused:
            verify_inclusion(LEAVES[index], index=index, size=size, proof=altered, root=root)
        assert refused.value.code == "not_included"


@given(st.integers(1, LARGEST), st.integers(1, LARGEST), st.data())
def test_a_consistency_proof_proves_nothing_else(one: int, other: int, data: st.DataObject) -> None:
    old, new = sorted((one, other))
    proof, old_root, new_root = TREE.consistency_proof(old, new), TREE.root(old), TREE.root(new)
    foreign = leaf_hash(b"foreign")
    cases = [(old_root, new_root, altered) for altered in _altered(proof, data)]
    cases += [(foreign, new_root, proof), (old_root, foreign, proof)]
    for first, second, path in cases:
        with pytest.raises(VerificationError) as refused:
            verify_consistency(old_size=old, old_root=first, new_size=new, new_root=second, proof=path)
        assert refused.value.code == "not_consistent"


def _altered(proof: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    """Longer, shorter, with one hash exchanged, cut short or in another order."""
    altered = [[*proof, leaf_hash(b"more")], [leaf_hash(b"more"), *proof]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        altered += [
            proof[:-1],
            proof[1:],
            [*proof[:place], leaf_hash(b"other"), *proof[place + 1 :]],
            [*proof[:place], proof[place][:-1], *proof[place + 1 :]],
        ]
    if len(proof) > 1:
        altered.append(proof[::-1])
    return altered


def test_a_history_that_was_rewritten_is_not_consistent() -> None:
    rewritten = Tree([*LEAVES[:5], leaf_hash(b"rewritten"), *LEAVES[6:]])
    for old in range(6, LARGEST):
        with pytest.raises(VerificationError):
            verify_consistency(
                old_size=old,
                old_root=TREE.root(old),
                new_size=LARGEST,
                new_root=rewritten.root(),
                proof=rewritten.consistency_proof(old),
            )


def test_the_empty_tree_and_the_same_tree_need_no_proof() -> None:
    root = TREE.root()
    verify_consistency(old_size=0, old_root=EMPTY_ROOT, new_size=LARGEST, new_root=root, proof=[])
    verify_consistency(old_size=0, old_root=EMPTY_ROOT, new_size=0, new_root=EMPTY_ROOT, proof=[])
    for old_size, old_root, new_size, new_root, proof in [
        (0, root, LARGEST, root, []),
        (0, EMPTY_ROOT, 0, root, []),
        (0, EMPTY_ROOT, LARGEST, root, [root]),
        (5, TREE.root(4), 5, TREE.root(5), []),
        (5, TREE.root(5), 5, TREE.root(5), [root]),
        (5, TREE.root(5), 4, TREE.root(4), []),
        (-1, EMPTY_ROOT, 4, TREE.root(4), []),
        (3, TREE.root(3), 7, TREE.root(7), []),
    ]:
        with pytest.raises(VerificationError):
            verify_consistency(old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root, proof=proof)


def test_an_inclusion_proof_binds_the_size_even_where_the_hashes_fit() -> None:
    leaf, above = LEAVES[0], leaf_hash(b"above")
    verify_inclusion(leaf, index=0, size=2, proof=[LEAVES[1]], root=TREE.root(2))
    longer = node_hash(above, TREE.root(2))
    for size, proof, root in [
        (4, [LEAVES[1]], TREE.root(2)),
        (1, [above], node_hash(above, leaf)),
        (2, [LEAVES[1], above], longer),
    ]:
        with pytest.raises(VerificationError):
            verify_inclusion(leaf, index=0, size=size, proof=proof, root=root)


def test_a_consistency_proof_binds_the_size_even_where_the_hashes_fit() -> None:
    proof, above = TREE.consistency_proof(3, 7), leaf_hash(b"above")
    verify_consistency(old_size=3, old_root=TREE.root(3), new_size=7, new_root=TREE.root(7), proof=proof)
    for new_size, path, old_root, new_root in [
        (13, proof, TREE.root(3), TREE.root(7)),
        (7, [*proof, above], node_hash(above, TREE.root(3)), node_hash(above, TREE.root(7))),
    ]:
        with pytest.raises(VerificationError):
            verify_consistency(old_size=3, old_root=old_root, new_size=new_size, new_root=new_root, proof=path)


def test_a_leaf_is_no_node() -> None:
    # RFC 6962 section 2.1: without the prefixes, the concatenation of two hashes would be an entry with the same hash.
    left, right = LEAVES[0], LEAVES[1]
    assert leaf_hash(left + right) != node_hash(left, right)


def test_every_level_holds_the_roots_of_full_subtrees() -> None:
    for level in range(8):
        width = 1 << level
        held = TREE.nodes(level, 0, LARGEST // width)
        for number, (start, end) in enumerate(pairwise(range(0, LARGEST + 1, width))):
            assert held[number * 32 : number * 32 + 32] == Tree(LEAVES[start:end]).root()


@pytest.mark.parametrize(
    ("level", "start", "count"), [(0, 0, 131), (0, 130, 1), (1, 65, 1), (7, 1, 1), (99, 0, 1), (-1, 0, 1), (0, -1, 1)]
)
def test_nodes_beyond_the_tree_are_refused(level: int, start: int, count: int) -> None:
    with pytest.raises(Invalid) as refused:
        TREE.nodes(level, start, count)
    assert refused.value.code == "no_such_nodes"


def test_no_nodes_are_an_empty_answer() -> None:
    assert TREE.nodes(50, 0, 0) == b""


def test_sizes_and_leaves_beyond_the_tree_are_refused() -> None:
    tree = Tree(LEAVES[:3])
    for refused in (
        lambda: tree.root(4),
        lambda: tree.root(-1),
        lambda: tree.inclusion_proof(3),
        lambda: tree.inclusion_proof(-1),
        lambda: tree.inclusion_proof(2, 2),
        lambda: tree.consistency_proof(4),
        lambda: tree.consistency_proof(-1),
        lambda: tree.consistency_proof(2, 1),
    ):
        with pytest.raises(Invalid):
            refused()


@pytest.mark.parametrize("leaf", [b"", bytes(31), bytes(33)], ids=len)
def test_only_hashes_are_leaves(leaf: bytes) -> None:
    tree = Tree()
    with pytest.raises(Invalid) as refused:
        tree.append(leaf)
    assert (refused.value.code, tree.size) == ("bad_hash", 0)


def test_readers_see_a_whole_tree_while_it_grows() -> None:
    tree, total = Tree(), 3000
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(total)]
    failures: list[ConcordatError] = []

    def read() -> None:
        while (size := tree.size) < total:
            if size:
                try:
                    proof = tree.inclusion_proof(size // 2, size)
                    root = tree.root(size)
                    verify_inclusion(leaves[size // 2], index=size // 2, size=size, proof=proof, root=root)
                except ConcordatError as error:
                    failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    indexes = [tree.append(leaf) for leaf in leaves]
    reader.join()
    assert (indexes, failures) == (list(range(total)), [])


@given(st.integers(), st.integers(), st.lists(st.binary(max_size=33), max_size=8), st.binary(max_size=33))
def test_only_refusals_leave_the_verifiers(one: int, other: int, proof: list[bytes], root: bytes) -> None:
    padded = [part.ljust(32, b"\0")[:32] for part in proof]
    for path in (proof, padded):
        with suppress(ConcordatError):
            verify_inclusion(root.ljust(32, b"\0")[:32], index=one, size=other, proof=path, root=root)
        with suppress(ConcordatError):
            verify_consistency(old_size=one, old_root=LEAVES[0], new_size=other, new_root=LEAVES[1], proof=path)
