"""Bundles: what they prove, that one byte changed is found and named, and that hostile files are refused in words."""

import io
import json
import struct
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse as second
from securesystemslib.signer import SSlibKey

from agreements.actors import LAB
from agreements.agreement import PAYLOAD_TYPE
from agreements.bundle import CONTAINER, MAX_BUNDLE_BYTES, BundleProof, KeyRecord, verify_bundle
from agreements.bundle.container import is_canonical, pack, unpack
from agreements.bundle.contents import MANIFEST, MANIFEST_TYPE, Manifest, PartDigest, written
from agreements.canonical import canonical_bytes, sha256_hex
from agreements.dsse import sign
from agreements.errors import ConcordatError, Invalid, TooLarge, VerificationError
from agreements.institutions import Custody
from agreements.key_succession import hand_over
from agreements.keys import SigningKey
from agreements.log_head import NoteSigner
from tests.agreements.bundles import (
    LOG,
    bundle_of,
    entries_of,
    evidence_of,
    key_entries,
    key_record,
    registered,
    short_agreement,
    signed_version,
)
from tests.agreements.parties import LAB_KEY, LATER, NOW, PARTNER, PARTNER_KEY

AGREEMENT = short_agreement()
BUNDLE = bundle_of(AGREEMENT)
PARTS = unpack(BUNDLE)


def regions() -> dict[str, range]:
    """Where each part's content lies in the file."""
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as archive:
        return {
            info.filename: range(start := info.header_offset + 30 + len(info.filename), start + info.file_size)
            for info in archive.infolist()
        }


def resigned(parts: dict[str, bytes], signer: SigningKey = LAB_KEY, **changed: Any) -> bytes:
    """A bundle of other parts, whose manifest a lab that lies, or another, has signed."""
    parts = {name: data for name, data in parts.items() if name != MANIFEST}
    told = {
        "agreement_id": AGREEMENT.id,
        "document_digest": AGREEMENT.document_digest,
        "made_at": LATER,
        "lab_key": signer.public.raw.hex(),
        "parts": tuple(PartDigest(name=n, sha256=sha256_hex(d), size=len(d)) for n, d in sorted(parts.items())),
    }
    manifest = Manifest.model_validate(told | changed)
    return pack(parts | {MANIFEST: canonical_bytes(sign(MANIFEST_TYPE, written(manifest), signer).to_json())})


def refusal(data: bytes, **trusted: Any) -> ConcordatError:
    with pytest.raises(ConcordatError) as refused:
        verify_bundle(data, **trusted)
    return refused.value


def test_what_a_bundle_proves() -> None:
    proof = verify_bundle(BUNDLE, keys=[LAB_KEY.public], vkey=LOG.vkey)
    assert isinstance(proof, BundleProof)
    assert (proof.agreement_id, proof.version, proof.document_digest) == ("agr_test", 1, AGREEMENT.document_digest)
    assert [(one.signer_name, one.custody) for one in proof.signatures] == [
        ("Ben", Custody.OWN),
        ("Ada", Custody.PORTAL),
    ]
    assert proof.vouched == {LAB_KEY.public.raw.hex(), PARTNER_KEY.public.raw.hex()}
    assert verify_bundle(BUNDLE, vkey=LOG.vkey) == proof
    assert verify_bundle(BUNDLE) == proof.model_copy(update={"vouched": frozenset()})


def test_the_same_agreement_gives_the_same_bytes() -> None:
    assert bundle_of(AGREEMENT) == BUNDLE


def test_the_container_is_spelled_alike_by_every_python() -> None:
    data = pack({"b/c.json": b"{}", "A.txt": b"words"})
    assert sha256_hex(data) == "9aa244bd5742a9fd3e825a9eddc4c97ae52984532990e010df6010466ea0a43d"


def test_any_zip_reader_opens_it() -> None:
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == PARTS


def test_a_second_implementation_verifies_every_envelope() -> None:
    names = {
        "signatures/1-institution.dsse.json": (PARTNER_KEY, PAYLOAD_TYPE),
        "signatures/2-lab.dsse.json": (LAB_KEY, PAYLOAD_TYPE),
        MANIFEST: (LAB_KEY, MANIFEST_TYPE),
    }
    assert {name for name in PARTS if name.endswith(".dsse.json")} == set(names)
    for name, (key, kind) in names.items():
        envelope = second.Envelope.from_dict(json.loads(PARTS[name]))
        known = SSlibKey(key.public.key_id, "ed25519", "ed25519", {"public": key.public.raw.hex()})
        assert list(envelope.verify([known], threshold=1)) == [key.public.key_id]
        assert envelope.payload_type == kind
        if name != MANIFEST:
            assert envelope.payload == PARTS["agreement.json"]


def test_one_changed_byte_is_found_and_its_part_named() -> None:
    where = {place: name for name, places in regions().items() for place in places}
    wrong = []
    for place in range(len(BUNDLE)):
        expected = where.get(place, CONTAINER)
        changed = bytearray(BUNDLE)
        changed[place] ^= 1 << place % 8
        error = refusal(bytes(changed))
        if error.param != expected:
            wrong.append((place, expected, error.param))
    assert wrong == []


@pytest.mark.parametrize("name", sorted(PARTS))
def test_a_part_taken_away_or_put_in_is_named(name: str) -> None:
    assert refusal(pack({n: d for n, d in PARTS.items() if n != name})).param in {name, CONTAINER}
    added = refusal(pack(PARTS | {"log/99.json": PARTS["log/1.json"]}))
    assert (added.code, added.param) == ("parts_differ", "log/99.json")


@given(st.integers(0, len(BUNDLE) - 1))
def test_a_truncated_bundle_is_refused(length: int) -> None:
    assert refusal(BUNDLE[:length]).param == CONTAINER


@given(st.binary(max_size=400), st.integers(0, len(BUNDLE)), st.integers(0, 400))
def test_whatever_arrives_only_our_refusals_leave(noise: bytes, place: int, cut: int) -> None:
    changed = BUNDLE[:place] + noise + BUNDLE[place + cut :]
    if changed != BUNDLE:
        refusal(changed)
    refusal(b"PK\x03\x04" + noise)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8}\.json)?", fullmatch=True), st.binary(max_size=60), min_size=1
    )
)
def test_parts_come_out_as_they_went_in(parts: dict[str, bytes]) -> None:
    data = pack(parts)
    assert unpack(data) == parts
    assert is_canonical(data, parts)


def zipped(entries: list[tuple[str, bytes]], **how: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **how) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=how.get("compression"))
    return file.getvalue()


def test_another_programs_packing_is_refused() -> None:
    same = sorted(PARTS.items())
    assert refusal(zipped(same)).code == "not_a_bundle"
    assert refusal(zipped(same, compression=zipfile.ZIP_DEFLATED)).param == CONTAINER
    assert refusal(zipped(list(reversed(same)))).param == CONTAINER
    assert refusal(BUNDLE + b"\n").param == CONTAINER
    assert refusal(b"\n" + BUNDLE).param == CONTAINER


def test_a_bomb_is_never_unpacked() -> None:
    bomb = zipped([("agreement.json", b"\0" * (64 * 2**20))], compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**20
    assert refusal(bomb).code == "not_a_bundle"


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/../b", "a\\b", "", ".hidden", "a//b", "a\0b", "é"])
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    hostile = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 1, 1, len(name.encode()), 0)
    assert refusal(hostile + name.encode() + b"x" + BUNDLE).code == "not_a_bundle"
    with pytest.raises(Invalid, match="name"):
        pack({name: b""})


def test_a_name_given_twice_is_refused() -> None:
    first = BUNDLE[: regions()["README.txt"].stop]
    assert refusal(first + BUNDLE).code == "not_a_bundle"


def test_an_encrypted_entry_is_refused() -> None:
    flagged = bytearray(BUNDLE)
    flagged[6] |= 1
    assert refusal(bytes(flagged)).param == CONTAINER


def test_size_is_bounded_on_both_ways() -> None:
    assert refusal(bytes(MAX_BUNDLE_BYTES + 1)).code == "bundle_too_large"
    with pytest.raises(TooLarge):
        pack({"a": bytes(MAX_BUNDLE_BYTES)})


def test_the_keys_given_are_the_ones_believed() -> None:
    other = SigningKey.generate()
    assert refusal(BUNDLE, keys=[other.public]).code == "other_lab_key"
    assert refusal(BUNDLE, vkey=NoteSigner("other.example", other).vkey).code == "other_log"


def test_a_manifest_by_a_key_that_is_not_the_labs_is_refused() -> None:
    parts = {name: data for name, data in PARTS.items() if name != MANIFEST}
    stranger = SigningKey.generate()
    manifest = Manifest.model_validate(
        {
            "agreement_id": AGREEMENT.id,
            "document_digest": AGREEMENT.document_digest,
            "made_at": LATER,
            "lab_key": stranger.public.raw.hex(),
            "parts": tuple(PartDigest(name=n, sha256=sha256_hex(d), size=len(d)) for n, d in parts.items()),
        }
    )
    parts[MANIFEST] = canonical_bytes(sign(MANIFEST_TYPE, written(manifest), stranger).to_json())
    error = refusal(pack(parts))
    assert (error.code, error.param) == ("key_not_registered", MANIFEST)


def refused_at_making(**made: Any) -> ConcordatError:
    with pytest.raises(VerificationError) as refused:
        bundle_of(AGREEMENT, **made)
    return refused.value


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"revoked_at": NOW - timedelta(hours=1)}, "key_not_active"),
        ({"registered_at": NOW + timedelta(hours=1)}, "key_not_active"),
        ({"proof": "00" * 64}, "no_possession"),
    ],
)
def test_a_signature_needs_a_key_that_could_sign(changed: dict[str, Any], code: str) -> None:
    assert refused_at_making(keys=key_record(institution=[registered(PARTNER, PARTNER_KEY, **changed)])).code == code


def test_a_key_revoked_later_keeps_its_signatures() -> None:
    keys = key_record(institution=[registered(PARTNER, PARTNER_KEY, revoked_at=LATER)])
    assert verify_bundle(bundle_of(AGREEMENT, keys=keys)).signatures[0].signer_name == "Ben"


def test_a_proof_of_possession_cannot_be_moved_between_parties() -> None:
    moved = registered("south-institute", PARTNER_KEY)
    error = refused_at_making(keys=key_record(institution=[moved]))
    assert (error.code, error.param) == ("no_possession", "keys.json")


def test_a_key_of_nobody_is_refused() -> None:
    error = refused_at_making(keys=key_record(institution=[]))
    assert (error.code, error.param) == ("key_not_registered", "signatures/1-institution.dsse.json")


def test_both_have_to_sign_this_document() -> None:
    version = signed_version(AGREEMENT)
    alone = version.model_copy(update={"signers": version.signers[:1], "envelopes": version.envelopes[:1]})
    assert refused_at_making(version=alone).code == "not_signed"
    other = sign(PAYLOAD_TYPE, canonical_bytes({**AGREEMENT.document(), "title": "Another"}), PARTNER_KEY).to_json()
    swapped = version.model_copy(update={"envelopes": (other, version.envelopes[1])})
    error = refused_at_making(version=swapped)
    assert (error.code, error.param) == ("other_document", "signatures/1-institution.dsse.json")


@pytest.mark.parametrize("missing", range(4))
def test_the_log_has_to_tell_every_step(missing: int) -> None:
    entries = entries_of(AGREEMENT)
    del entries[missing]
    error = refused_at_making(evidence=evidence_of(entries))
    assert error.code == "not_logged"
    names = ("agreement.json", "signatures/1-institution.dsse.json", "signatures/2-lab.dsse.json")
    assert error.param == (*names, "signatures/signers.json")[missing]


def test_the_log_has_to_tell_the_same() -> None:
    entries = entries_of(AGREEMENT)
    entries[1]["body"]["signature"]["signer_name"] = "Somebody else"
    assert refused_at_making(evidence=evidence_of(entries)).code == "not_logged"
    entries = entries_of(AGREEMENT)
    entries[2]["stream"] = "agreement/agr_other"
    error = refused_at_making(evidence=evidence_of(entries))
    assert (error.code, error.param) == ("other_entry", "log/3.json")
    stranger = NoteSigner(LOG.name, SigningKey.generate())
    assert refused_at_making(evidence=evidence_of(entries_of(AGREEMENT), stranger)).param == "log/1.json"


def test_a_lab_that_lies_is_found_out_part_by_part() -> None:
    document = canonical_bytes({**AGREEMENT.document(), "title": "Better terms"})
    lie = resigned(PARTS | {"agreement.json": document}, document_digest=f"sha256:{sha256_hex(document)}")
    assert refusal(lie).param == "signatures/1-institution.dsse.json"
    for name in ("agreement.pdf", "keys.json", "signatures/signers.json", "signatures/2-lab.dsse.json"):
        error = refusal(resigned({n: d for n, d in PARTS.items() if n != name}))
        assert (error.code, error.param) == ("parts_differ", name)
    added = refusal(resigned(PARTS | {"appendix.txt": b"and one more thing"}))
    assert (added.code, added.param) == ("parts_differ", "appendix.txt")
    for name in ("keys.json", "signatures/signers.json", "log/1.json", "signatures/2-lab.dsse.json"):
        assert refusal(resigned(PARTS | {name: b"{}"})).param == name
        assert refusal(resigned(PARTS | {name: PARTS[name] + b"\n"})).param == name
    assert refusal(resigned(PARTS, agreement_id="agr_other")).code == "other_document"


STRANGER = SigningKey.generate()
KEY_EVIDENCE = {f"log/{number}.json" for number in (5, 6)}


def forged(*, evidence: bool) -> bytes:
    """A genuine agreement around another paper, another custody and a key that the lab never had."""
    record = key_record(institution=[registered(PARTNER, PARTNER_KEY, custody=Custody.PORTAL)])
    lab = record.lab.model_copy(update={"keys": (*record.lab.keys, registered(LAB, STRANGER))})
    parts = {name: data for name, data in PARTS.items() if evidence or name not in KEY_EVIDENCE}
    parts |= {
        "agreement.pdf": b"%PDF-1.7\nbetter terms\n",
        "README.txt": b"Trust this.\n",
        "keys.json": written(record.model_copy(update={"lab": lab})),
    }
    return resigned(parts, STRANGER)


def test_a_bundle_the_lab_never_made_is_refused_under_every_key_that_is_pinned() -> None:
    lab, partner = LAB_KEY.public, PARTNER_KEY.public
    for trusted in ({}, {"vkey": LOG.vkey}, {"keys": [lab]}, {"keys": [lab, partner], "vkey": LOG.vkey}):
        error = refusal(forged(evidence=True), **trusted)
        assert (error.code, error.param) == ("keys_differ", "keys.json")
    for keys in ([lab], [partner], [lab, partner]):
        for vkey in (None, LOG.vkey):
            error = refusal(forged(evidence=False), keys=keys, vkey=vkey)
            assert (error.code, error.param) == ("other_lab_key", MANIFEST)
    error = refusal(forged(evidence=False), vkey=LOG.vkey)
    assert (error.code, error.param) == ("key_not_logged", "keys.json")
    assert verify_bundle(forged(evidence=False)).vouched == frozenset()


def test_a_bundle_from_before_the_log_told_of_keys_holds_under_keys_that_are_given() -> None:
    old = resigned({name: data for name, data in PARTS.items() if name not in KEY_EVIDENCE})
    lab, partner = LAB_KEY.public, PARTNER_KEY.public
    assert verify_bundle(old).vouched == frozenset()
    assert verify_bundle(old, keys=[lab]).vouched == {lab.raw.hex()}
    assert verify_bundle(old, keys=[lab, partner], vkey=LOG.vkey).vouched == {lab.raw.hex(), partner.raw.hex()}
    assert refusal(old, keys=[lab], vkey=LOG.vkey).code == "key_not_logged"
    assert refusal(old, keys=[partner]).code == "other_lab_key"


def test_the_log_vouches_for_the_manifest_when_only_the_partners_key_is_given() -> None:
    proof = verify_bundle(BUNDLE, keys=[PARTNER_KEY.public], vkey=LOG.vkey)
    assert LAB_KEY.public.raw.hex() in proof.vouched
    assert refusal(BUNDLE, keys=[STRANGER.public], vkey=LOG.vkey).code == "key_did_not_sign"


def test_the_log_has_to_tell_of_the_very_keys() -> None:
    keys = key_record(institution=[registered(PARTNER, PARTNER_KEY, revoked_at=LATER)])
    told = [*entries_of(AGREEMENT), *key_entries(keys)]
    proof = verify_bundle(bundle_of(AGREEMENT, keys=keys, evidence=evidence_of(told)), vkey=LOG.vkey)
    assert PARTNER_KEY.public.raw.hex() in proof.vouched
    for entries in (
        [*told[:4], told[6]],
        [*told[:5], told[6]],
        [*told[:4], *told[5:]],
        [*told, {**told[4], "version": 9}],
        [*told[:4], {**told[4], "body": told[4]["body"] | {"custody": "portal"}}, *told[5:]],
    ):
        assert refused_at_making(keys=keys, evidence=evidence_of(entries)).code == "keys_differ"
    for wrong in ({**told[4], "type": "institution:registered"}, {**told[4], "body": {"public_key": "of nobody"}}):
        with pytest.raises(Invalid) as refused:
            bundle_of(AGREEMENT, keys=keys, evidence=evidence_of([*told[:4], wrong, *told[5:]]))
        assert refused.value.code == "bad_entry"
    assert refused_at_making(evidence=evidence_of(entries_of(AGREEMENT))).code == "key_not_logged"


def handed(statement: dict[str, Any] | None, *, by: SigningKey = PARTNER_KEY) -> KeyRecord:
    """The institution's key, and one that says that the first signed it over."""
    new = SigningKey.from_seed(b"n" * 32)
    after = registered(PARTNER, new, succession=statement, handed_over_by=by.public.raw.hex(), registered_by="Ben")
    return key_record(institution=[registered(PARTNER, PARTNER_KEY), after])


def test_that_a_key_was_signed_over_is_verified_offline() -> None:
    new = SigningKey.from_seed(b"n" * 32).public.raw.hex()
    word = hand_over(PARTNER, PARTNER_KEY, public_key=new, number=2).to_json()
    assert verify_bundle(bundle_of(AGREEMENT, keys=handed(word)), vkey=LOG.vkey).version == 1
    stranger = SigningKey.generate()
    for statement, by in (
        (None, PARTNER_KEY),
        (hand_over(PARTNER, PARTNER_KEY, public_key=new, number=3).to_json(), PARTNER_KEY),
        (hand_over(PARTNER, stranger, public_key=new, number=2).to_json(), PARTNER_KEY),
        (hand_over(PARTNER, stranger, public_key=new, number=2).to_json(), stranger),
    ):
        with pytest.raises(VerificationError) as error:
            bundle_of(AGREEMENT, keys=handed(statement, by=by))
        assert error.value.code == "not_handed_over"
