"""Receipts: verified offline, broken by any changed byte, worth as much as the log key they are checked under."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.canonical import b64encode, canonical_bytes
from agreements.dsse import Envelope, add_signature, sign
from agreements.errors import ConcordatError, Invalid, VerificationError
from agreements.inclusion import InclusionEvidence
from agreements.keys import SigningKey
from agreements.log_head import LogHead, NoteSigner, sign_head
from agreements.merkle import Tree, leaf_hash
from model_access.build import ARITHMETIC, EngineBuild, Precision, Products, engine_build
from model_access.receipts import (
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    PREDICATE_V1,
    SINCE_V2,
    RunPredicate,
    RunStatement,
    SaltedDigest,
    envelope_digest,
    receipt_file,
    sign_receipt,
    verify_receipt,
)

LAB = SigningKey.from_seed(b"l" * 32)
LOG = NoteSigner("portal.example/log", SigningKey.from_seed(b"o" * 32))
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def predicate(run_id: str = "run_1") -> RunPredicate:
    """What is said of a run."""
    return RunPredicate(
        run_id=run_id,
        checkpoint_id="ladder-l",
        manifest_digest="sha256:" + "a" * 64,
        person_id="per_cleo",
        institution_id="north",
        basis="grant",
        grant_id="grt_1",
        agreement_digest="sha256:" + "b" * 64,
        purpose="misuse-analysis",
        operation="generate",
        parameters={"max_tokens": 4, "temperature": 0.7, "stop": []},
        seed=7,
        prompts=SaltedDigest.of(["once"], "0" * 32),
        outputs=SaltedDigest.of([" upon"], "1" * 32),
        prompt_tokens=1,
        completion_tokens=1,
        finish_reasons=("length",),
        engine=engine_build(),
        sandbox="landlock+seccomp/1",
        started_at=NOW,
        finished_at=NOW,
    )


def entry(envelope: Envelope, run_id: str = "run_1", **changes: Any) -> dict[str, Any]:
    """The log entry that names an envelope."""
    body = {"receipt_digest": envelope_digest(envelope), "lab_key": LAB.public.raw.hex(), "prompt_tokens": 1}
    return {"type": "run:completed", "stream": f"run/{run_id}", "body": body, "salt": "00", **changes}


def logged(envelope: Envelope, said: dict[str, Any], signer: NoteSigner = LOG) -> bytes:
    """A receipt file whose log has the entry among others."""
    leaves = [b'{"other":1}', canonical_bytes(said), b'{"other":2}']
    tree = Tree([leaf_hash(leaf) for leaf in leaves])
    head = sign_head(LogHead(origin=signer.name, size=3, root=tree.root()), signer)
    evidence = InclusionEvidence.of(leaves[1], 1, tree.inclusion_proof(1, 3), head)
    return receipt_file(envelope, evidence, signer.vkey)


ENVELOPE = sign_receipt(RunStatement.about(predicate()), LAB)
RECEIPT = logged(ENVELOPE, entry(ENVELOPE))


def test_a_receipt_holds_and_says_what_was_done() -> None:
    verified = verify_receipt(RECEIPT, vkey=LOG.vkey)
    assert verified.statement.predicate == predicate()
    assert (verified.head.size, verified.vkey) == (3, LOG.vkey)
    assert verified.statement.subject[0]["digest"] == {"sha256": predicate().outputs.sha256}
    assert verified.statement.predicate.outputs.matches([" upon"])
    assert not verified.statement.predicate.outputs.matches([" down"])


def test_a_receipt_of_the_first_version_verifies_for_good() -> None:
    """The file is as the release before wrote it."""
    old = (Path(__file__).parent / "receipt-v1.json").read_bytes()
    verified = verify_receipt(old, vkey=LOG.vkey)
    assert verified.statement.predicate_type == PREDICATE_V1
    said = verified.statement.predicate
    assert (said.engine.precision, said.engine.threads, said.replays is not None) == ("int8", 2, True)
    assert {getattr(said, name) for name in SINCE_V2} == {None}


FIELDS = {
    "manifest_digest": "the checkpoint's files",
    "grant_id": "the grant",
    "agreement_digest": "the version of the agreement",
    "purpose": "the purpose",
    "parameters": "the request",
    "prompts": "salted digest of the prompt",
    "outputs": "salted digest of the answer",
    "seed": "the random numbers",
    "engine": "versions, precision, threads",
    "sandbox": "the isolation profile",
    "prompt_tokens": "read",
    "completion_tokens": "written",
    "started_at": "from",
    "finished_at": "to",
}
"""What a receipt always says."""


@pytest.mark.parametrize("name", FIELDS)
def test_a_statement_without_what_it_has_to_say_is_none(name: str) -> None:
    said = json.loads(RunStatement.about(predicate()).payload())
    assert said["predicate"].pop(name) is not None
    with pytest.raises(Invalid):
        RunStatement.parse(canonical_bytes(said))


LATER = {
    "batch_id": "batch_1",
    "logprobs_of": "model",
    "kept_until": "2026-12-23T09:00:00Z",
    "logprob_decimals": 3,
}


@pytest.mark.parametrize("name", sorted(LATER))
def test_what_came_with_the_second_version_is_not_said_in_the_first(name: str) -> None:
    assert LATER.keys() == SINCE_V2
    said = json.loads(RunStatement.about(predicate()).payload())
    said["predicate"][name] = LATER[name]
    assert RunStatement.parse(canonical_bytes(said)).predicate_type == PREDICATE_TYPE
    with pytest.raises(Invalid) as refusal:
        RunStatement.parse(canonical_bytes({**said, "predicateType": PREDICATE_V1}))
    assert refusal.value.code == "bad_statement"


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_every_byte_counts(flip: int) -> None:
    for place in range(len(RECEIPT)):
        changed = bytearray(RECEIPT)
        changed[place] ^= flip
        with pytest.raises(ConcordatError):
            verify_receipt(bytes(changed), vkey=LOG.vkey)


def test_every_byte_counts_without_a_pinned_key_too() -> None:
    for place in range(0, len(RECEIPT), 3):
        changed = bytearray(RECEIPT)
        changed[place] ^= 0x02
        with pytest.raises(ConcordatError):
            verify_receipt(bytes(changed))


def test_no_byte_can_go_and_none_can_come() -> None:
    for place in range(0, len(RECEIPT), 5):
        for changed in (RECEIPT[:place] + RECEIPT[place + 1 :], RECEIPT[:place] + b" " + RECEIPT[place:]):
            with pytest.raises(ConcordatError):
                verify_receipt(changed)
    for changed in (RECEIPT + b"\n", RECEIPT[:-1], b"\xef\xbb\xbf" + RECEIPT, RECEIPT + RECEIPT, b""):
        with pytest.raises(ConcordatError):
            verify_receipt(changed)


def test_the_same_receipt_laid_out_otherwise_is_refused() -> None:
    with pytest.raises(VerificationError) as refusal:
        verify_receipt(json.dumps(json.loads(RECEIPT), indent=1).encode())
    assert refusal.value.code == "not_canonical"


def test_a_log_of_somebodys_own_does_not_pass_for_the_pinned_one() -> None:
    forger = NoteSigner(LOG.name, SigningKey.generate())
    forged = logged(ENVELOPE, entry(ENVELOPE), forger)
    assert verify_receipt(forged).vkey == forger.vkey
    with pytest.raises(VerificationError) as refusal:
        verify_receipt(forged, vkey=LOG.vkey)
    assert refusal.value.code == "other_log"


def test_the_pinned_key_has_to_have_signed_the_head() -> None:
    """Writing the pinned key into a forged file does not help."""
    forged = json.loads(logged(ENVELOPE, entry(ENVELOPE), NoteSigner(LOG.name, SigningKey.generate())))
    forged["log_vkey"] = LOG.vkey
    with pytest.raises(VerificationError):
        verify_receipt(canonical_bytes(forged) + b"\n", vkey=LOG.vkey)


OTHER = sign_receipt(RunStatement.about(predicate("run_2")), LAB)
FOREIGN = sign_receipt(RunStatement.about(predicate()), SigningKey.generate())


@pytest.mark.parametrize(
    ("envelope", "said", "code"),
    [
        (OTHER, entry(ENVELOPE), "other_receipt"),
        (OTHER, entry(OTHER), "other_run"),
        (FOREIGN, entry(FOREIGN), "bad_signature"),
        (ENVELOPE, entry(ENVELOPE, type="run:failed"), "other_entry"),
        (ENVELOPE, entry(ENVELOPE, type="credential:issued"), "other_entry"),
        (ENVELOPE, entry(ENVELOPE, body=[]), "other_entry"),
        (ENVELOPE, entry(ENVELOPE, body={"receipt_digest": envelope_digest(ENVELOPE)}), "bad_lab_key"),
        (
            ENVELOPE,
            entry(ENVELOPE, body={"receipt_digest": envelope_digest(ENVELOPE), "lab_key": "00" * 32}),
            "bad_lab_key",
        ),
    ],
)
def test_an_entry_proves_no_other_receipt_than_its_own(envelope: Envelope, said: dict[str, Any], code: str) -> None:
    with pytest.raises(VerificationError) as refusal:
        verify_receipt(logged(envelope, said))
    assert refusal.value.code == code


def test_a_second_signature_is_refused() -> None:
    twice = add_signature(ENVELOPE, SigningKey.generate())
    with pytest.raises(VerificationError) as refusal:
        verify_receipt(logged(twice, entry(twice)))
    assert refusal.value.code == "signature_count"


def test_what_the_lab_signed_for_another_use_is_no_receipt() -> None:
    other = sign("text/plain", RunStatement.about(predicate()).payload(), LAB)
    with pytest.raises(VerificationError) as refusal:
        verify_receipt(logged(other, entry(other)))
    assert refusal.value.code == "other_payload"


def _altered(**changes: Any) -> bytes:
    return canonical_bytes({**json.loads(RunStatement.about(predicate()).payload()), **changes})


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b"[]",
        b"null",
        _altered(extra=1),
        _altered(_type="https://in-toto.io/Statement/v0.1"),
        _altered(predicateType="https://slsa.dev/provenance/v1"),
        _altered(subject=[]),
        _altered(subject=[{"name": "run_1/output", "digest": {"sha256": "0" * 64}}]),
        _altered(predicate={}),
        json.dumps(json.loads(RunStatement.about(predicate()).payload())).encode(),
    ],
)
def test_a_payload_that_is_no_statement_is_refused_even_when_signed(payload: bytes) -> None:
    envelope = sign(PAYLOAD_TYPE, payload, LAB)
    with pytest.raises(Invalid) as refusal:
        verify_receipt(logged(envelope, entry(envelope)))
    assert refusal.value.code == "bad_statement"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_MEMBER = st.sampled_from(["type", "receipt", "inclusion", "log_vkey"])


@given(st.binary(max_size=200))
def test_only_refusals_leave_the_verifier(data: bytes) -> None:
    with pytest.raises(ConcordatError):
        verify_receipt(data)


@given(_MEMBER, _JSON)
def test_only_refusals_leave_it_for_any_member(name: str, value: Any) -> None:
    document = json.loads(RECEIPT)
    if document[name] == value:
        return
    document[name] = value
    with pytest.raises(ConcordatError):
        verify_receipt(json.dumps(document).encode())


@given(st.sampled_from(["payload", "payloadType", "signatures"]), _JSON)
def test_only_refusals_leave_it_for_any_part_of_the_envelope(name: str, value: Any) -> None:
    document = json.loads(RECEIPT)
    document["receipt"][name] = value
    with pytest.raises(ConcordatError):
        verify_receipt(json.dumps(document).encode())


@given(st.binary(max_size=100))
def test_only_refusals_leave_the_statement_decoder(payload: bytes) -> None:
    with pytest.raises(ConcordatError):
        RunStatement.parse(payload)


def test_a_receipt_is_bounded() -> None:
    document = {**json.loads(RECEIPT), "log_vkey": b64encode(b"x" * (1 << 20))}
    with pytest.raises(ConcordatError):
        verify_receipt(canonical_bytes(document) + b"\n")


@given(st.lists(st.text(), max_size=3))
def test_a_salted_digest_matches_its_value_and_is_fresh_each_time(texts: list[str]) -> None:
    first, second = SaltedDigest.of(list(texts)), SaltedDigest.of(list(texts))
    assert first.matches(list(texts))
    assert not first.matches([*texts, "more"])
    assert first.salt != second.salt


def test_the_build_names_precision_and_threads_and_old_ones_keep_their_bytes() -> None:
    build = engine_build(Precision.INT8, 4)
    assert (build.precision, build.threads, build.arithmetic) == ("int8", 4, ARITHMETIC)
    assert (build.kernel, build.weight_bits) == (None, None)
    said = engine_build(Precision.INT8, 4, Products(kernel="fbgemm", weight_bits=7))
    assert (said.kernel, said.weight_bits, said.threads) == ("fbgemm", 7, 4)
    assert "threads" not in EngineBuild.model_validate(engine_build().model_dump()).model_dump()
