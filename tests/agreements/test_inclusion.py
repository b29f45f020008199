"""Evidence of inclusion: holds for what was logged, and for nothing that differs in one bit."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.canonical import b64decode, b64encode, canonical_bytes, parse_json
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.inclusion import InclusionEvidence, verify, verify_head
from agreements.keys import SigningKey
from agreements.log_head import LogHead, NoteSigner, sign_head
from agreements.merkle import Tree, leaf_hash

SIZE = 23
ORIGIN = "portal.example/log"
SIGNER = NoteSigner(ORIGIN, SigningKey.from_seed(bytes(range(32))))
WITNESS = NoteSigner("witness.example", SigningKey.from_seed(bytes(32)))
ENTRIES: list[dict[str, Any]] = [
    {"position": index, "type": "run:completed", "body": {"flop": 2.5e20, "text": "é\n"}} for index in range(SIZE)
]
TREE = Tree([leaf_hash(canonical_bytes(entry)) for entry in ENTRIES])


def head_of(tree: Tree, size: int | None = None) -> str:
    size = tree.size if size is None else size
    return sign_head(LogHead(origin=ORIGIN, size=size, root=tree.root(size)), SIGNER)


def evidence_of(index: int, size: int = SIZE) -> InclusionEvidence:
    head, hashes = head_of(TREE, size), TREE.inclusion_proof(index, size)
    return InclusionEvidence.of(canonical_bytes(ENTRIES[index]), index, hashes, head)


EVIDENCE = evidence_of(17)
TEXT = canonical_bytes(EVIDENCE.to_json())


def read(data: bytes) -> dict[str, Any]:
    return verify(InclusionEvidence.from_json(parse_json(data, 100_000)), SIGNER.vkey)


@given(st.data())
def test_evidence_of_every_entry_under_every_later_head_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, SIZE))
    index = data.draw(st.integers(0, size - 1))
    evidence = evidence_of(index, size)
    assert verify(evidence, SIGNER.vkey) == ENTRIES[index]
    assert read(canonical_bytes(evidence.to_json())) == ENTRIES[index]
    assert verify_head(evidence, SIGNER.vkey).size == size


@pytest.mark.parametrize("mask", [0x01, 0x02, 0x04, 0x10, 0x20, 0x80])
def test_no_byte_of_the_evidence_can_change(mask: int) -> None:
    assert read(TEXT) == ENTRIES[17]
    holding = []
    for place in range(len(TEXT)):
        changed = bytearray(TEXT)
        changed[place] ^= mask
        with suppress(ConcordatError):
            read(bytes(changed))
            holding.append(place)
    assert holding == []


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_no_byte_can_be_replaced_removed_or_doubled(place: int, byte: int) -> None:
    others = (
        TEXT[:place] + bytes([byte]) + TEXT[place + 1 :],
        TEXT[:place] + TEXT[place + 1 :],
        TEXT[:place] + TEXT[place : place + 1] + TEXT[place:],
    )
    for data in others:
        if data == TEXT:
            continue
        with pytest.raises(ConcordatError):
            read(data)


def altered(**changes: object) -> InclusionEvidence:
    return InclusionEvidence.from_json({**EVIDENCE.to_json(), **changes})


def code_of(evidence: InclusionEvidence, vkey: str = SIGNER.vkey) -> str:
    with pytest.raises(ConcordatError) as refused:
        verify(evidence, vkey)
    return refused.value.code


def test_each_part_is_bound_to_the_others() -> None:
    other, smaller = evidence_of(16), evidence_of(17, 18)
    assert code_of(altered(entry=other.entry)) == "not_included"
    assert code_of(altered(index=16)) == "not_included"
    assert code_of(altered(index=SIZE)) == "not_included"
    assert code_of(altered(hashes=other.hashes)) == "not_included"
    assert code_of(altered(hashes=[*EVIDENCE.hashes, EVIDENCE.hashes[0]])) == "not_included"
    assert code_of(altered(hashes=EVIDENCE.hashes[:-1])) == "not_included"
    assert code_of(altered(hashes=[])) == "not_included"
    assert code_of(altered(head=smaller.head)) == "not_included"


def test_a_node_of_the_tree_is_no_entry() -> None:
    # What a second-preimage attack would hand in: the two leaf hashes under a node, one proof step shorter.
    pair = TREE.nodes(0, 16, 2)
    evidence = altered(entry=b64encode(pair), index=8, hashes=EVIDENCE.hashes[1:])
    assert code_of(evidence) == "not_included"


def test_the_head_carries_the_log_s_signature_and_no_other() -> None:
    line = EVIDENCE.head.splitlines(keepends=True)[-1]
    witnessed = EVIDENCE.head + WITNESS.sign(head_of(TREE)).splitlines(keepends=True)[-1]
    assert code_of(altered(head=witnessed)) == "signature_count"
    assert code_of(altered(head=EVIDENCE.head + line)) == "signature_count"
    assert code_of(EVIDENCE, WITNESS.vkey) == "note_unsigned"
    assert code_of(EVIDENCE, "not a key") == "bad_vkey"


def test_a_head_that_names_another_log_does_not_count() -> None:
    text = LogHead(origin="another.example/log", size=SIZE, root=TREE.root()).text()
    assert code_of(altered(head=SIGNER.sign(text))) == "other_origin"


@pytest.mark.parametrize(
    "entry", [b'{"b":1,"a":2}', b'{"a":1.0}', b'{ "a":1}', b"[]", b"1", b"\xff", b"", b'{"a":1,"a":1}'], ids=repr
)
def test_a_logged_entry_that_is_no_canonical_object_is_refused(entry: bytes) -> None:
    tree = Tree([leaf_hash(entry)])
    evidence = InclusionEvidence.of(entry, 0, [], head_of(tree))
    with pytest.raises(Invalid) as refused:
        verify(evidence, SIGNER.vkey)
    assert refused.value.code in {"bad_entry", "bad_json"}


GOOD = EVIDENCE.to_json()


@pytest.mark.parametrize(
    "form",
    [
        None,
        [],
        {},
        {**GOOD, "extra": 1},
        {name: value for name, value in GOOD.items() if name != "index"},
        {**GOOD, "index": "17"},
        {**GOOD, "index": 17.0},
        {**GOOD, "index": True},
        {**GOOD, "index": -1},
        {**GOOD, "index": 2**53},
        {**GOOD, "hashes": "AA=="},
        {**GOOD, "hashes": [1]},
        {**GOOD, "hashes": ["AA=="] * 65},
        {**GOOD, "entry": b"AA=="},
        {**GOOD, "entry": None},
        {**GOOD, "head": 1},
        {**GOOD, "head": "\ud800"},
    ],
    ids=lambda form: ascii(form)[-30:],
)
def test_what_is_no_evidence_is_refused(form: object) -> None:
    with pytest.raises(Invalid) as refused:
        InclusionEvidence.from_json(form)
    assert refused.value.code == "bad_evidence"


@pytest.mark.parametrize("spelling", ["{0}\n", " {0}", "{0}=", "{0}===="])
def test_other_spellings_of_its_base64_are_refused(spelling: str) -> None:
    assert code_of(altered(entry=spelling.format(EVIDENCE.entry))) == "bad_base64"
    first, *rest = EVIDENCE.hashes
    assert code_of(altered(hashes=[spelling.format(first), *rest])) == "bad_base64"


def test_a_hash_of_another_length_is_refused() -> None:
    first, *rest = EVIDENCE.hashes
    for data in (b"", b64decode(first)[:-1], b64decode(first) + b"\0"):
        assert code_of(altered(hashes=[b64encode(data), *rest])) == "not_included"


def test_a_false_proof_is_a_verification_error() -> None:
    with pytest.raises(VerificationError):
        verify(altered(index=16), SIGNER.vkey)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(json_values, st.sampled_from(sorted(GOOD)), st.text(max_size=40))
def test_only_refusals_leave_the_verifier(value: Any, member: str, text: str) -> None:
    for form in (value, {**GOOD, member: value}, {**GOOD, member: text}, {**GOOD, "hashes": [text]}):
        with suppress(ConcordatError):
            verify(InclusionEvidence.from_json(form), SIGNER.vkey)
