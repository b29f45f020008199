"""The passport as a signed credential: its shape, what it attests, and what another portal takes over from it."""

import json
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib import dsse as second
from securesystemslib.signer import SSlibKey

from agreements.actors import LAB, Actor, Role
from agreements.canonical import canonical_bytes, sha256_hex
from agreements.dsse import add_signature, sign
from agreements.errors import Conflict, Forbidden, Invalid, VerificationError
from agreements.institutions import Constituency, Institution
from agreements.keys import SigningKey
from agreements.passport_credential import (
    MAX_PASSPORT_BYTES,
    PASSPORT_TYPE,
    PassportCredential,
    credential_for,
    sign_passport,
    verify_passport,
)
from agreements.passports import ImportCredential, ItemStatus, Passport, Revoke, Takeover, VettingItem
from tests.agreements.parties import COORDINATOR, LAB_KEY, LEAD, NOW, PARTNER, person
from tests.agreements.test_passports import YEAR, accept, accepted, apply, submit

NORTH = Institution(id=PARTNER, name="North University", constituency=Constituency.ACADEMIA, country="Norway")
ISSUER = SigningKey.from_seed(b"i" * 32)
OTHER = SigningKey.from_seed(b"o" * 32)
ITEMS = (VettingItem.IDENTITY, VettingItem.TRAINING)


def credential(passport: Passport | None = None, *, now: datetime = NOW) -> PassportCredential:
    return credential_for(
        passport or accepted(*ITEMS), NORTH, issuer_name="Elsewhere Lab", issuer_key=ISSUER.public, now=now
    )


def as_file(given: PassportCredential | None = None, key: SigningKey = ISSUER) -> bytes:
    return json.dumps(sign_passport(given or credential(), key).to_json(), indent=2).encode()


def altered(key: SigningKey = ISSUER, **members: Any) -> bytes:
    """A file whose signed payload has other members."""
    payload = canonical_bytes({**credential().document(), **members})
    return json.dumps(sign(PASSPORT_TYPE, payload, key).to_json()).encode()


def importing(data: bytes, **more: Any) -> ImportCredential:
    return ImportCredential.model_validate(
        {
            "institution_id": PARTNER,
            "institution_name": NORTH.name,
            "data": data,
            "issuer_key": ISSUER.public.raw.hex(),
            "own_key": LAB_KEY.public.raw.hex(),
            **more,
        }
    )


def test_the_document_has_the_members_of_the_data_model() -> None:
    passport = apply(Passport(), submit(evidence=({"label": "Charter", "sha256": "a" * 64}, {"label": "Call"})), LEAD)
    passport = apply(passport, accept(until=NOW + timedelta(days=30)), COORDINATOR)
    document = credential(passport).document()
    assert document == {
        "@context": ["https://www.w3.org/ns/credentials/v2", {"@vocab": "https://concordat.example/passport/v1#"}],
        "type": ["VerifiableCredential", "InstitutionPassport"],
        "issuer": {
            "id": f"urn:concordat:key:{ISSUER.public.key_id}",
            "name": "Elsewhere Lab",
            "public_key": ISSUER.public.raw.hex(),
        },
        "validFrom": "2026-03-01T12:00:00Z",
        "validUntil": "2026-03-31T12:00:00Z",
        "credentialSubject": {
            "id": "urn:concordat:institution:north-university",
            "name": "North University",
            "constituency": "academia",
            "country": "Norway",
            "vetting": [
                {
                    "item": "identity",
                    "accepted_at": "2026-03-01T12:00:00Z",
                    "valid_until": "2026-03-31T12:00:00Z",
                    "reviewer": "Ada",
                    "evidence": ["a" * 64],
                }
            ],
        },
    }


def test_only_what_is_valid_is_attested_and_the_earliest_end_is_its_own() -> None:
    passport = accepted(VettingItem.IDENTITY)
    for item, days in ((VettingItem.TRAINING, 2), (VettingItem.CONFLICTS_OF_INTEREST, 20)):
        passport = apply(passport, submit(item), LEAD)
        passport = apply(passport, accept(item, until=NOW + timedelta(days=days)), COORDINATOR)
    passport = apply(passport, submit(VettingItem.SECURITY_QUESTIONNAIRE), LEAD)
    made = credential(passport, now=NOW + timedelta(days=3))
    assert [one.item for one in made.vetting] == [VettingItem.IDENTITY, VettingItem.CONFLICTS_OF_INTEREST]
    assert made.valid_until == NOW + timedelta(days=20)
    revoked = apply(accepted(), Revoke(item=VettingItem.IDENTITY, reason="struck off"), COORDINATOR)
    for nothing, when in ((revoked, NOW), (Passport(), NOW), (accepted(), NOW + YEAR)):
        with pytest.raises(Conflict) as refusal:
            credential(nothing, now=when)
        assert refusal.value.code == "nothing_to_export"


def test_what_is_signed_verifies_here_and_in_securesystemslib() -> None:
    data = as_file()
    assert verify_passport(data, [OTHER.public, ISSUER.public]) == credential()
    theirs = second.Envelope.from_dict(json.loads(data))
    public = SSlibKey.from_crypto(load_pem_public_key(ISSUER.public.to_pem()), keyid=ISSUER.public.key_id)
    theirs.verify([public], threshold=1)
    assert json.loads(theirs.payload) == credential().document()


def test_an_issuer_speaks_only_for_itself() -> None:
    with pytest.raises(VerificationError) as unsigned:
        verify_passport(as_file(), [OTHER.public])
    assert unsigned.value.code == "bad_signature"
    for keys in ([OTHER.public], [OTHER.public, ISSUER.public]):
        with pytest.raises(VerificationError) as refusal:
            verify_passport(as_file(key=OTHER), keys)
        assert refusal.value.code == "other_issuer"
    both = add_signature(sign_passport(credential(), OTHER), ISSUER)
    with pytest.raises(VerificationError):
        verify_passport(json.dumps(both.to_json()).encode(), [OTHER.public])


@pytest.mark.parametrize(
    "members",
    [
        {"validUntil": "2027-03-02T12:00:00Z"},
        {"validFrom": "2026-03-01T13:00:00+01:00"},
        {"type": ["VerifiableCredential"]},
        {"@context": []},
        {"more": 1},
        {"issuer": {**credential().document()["issuer"], "id": "urn:concordat:key:other"}},  # type: ignore[dict-item]  # an object, as the test above shows
    ],
    ids=lambda members: next(iter(members)),
)
def test_another_spelling_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(VerificationError) as refusal:
        verify_passport(altered(**members), [ISSUER.public])
    assert refusal.value.code == "not_canonical"


SUBJECT: Any = credential().document()["credentialSubject"]
VETTED: Any = SUBJECT["vetting"]


@pytest.mark.parametrize(
    "members",
    [
        {"issuer": "Elsewhere Lab"},
        {"issuer": {"name": "x", "public_key": "00" * 32}},
        {"validFrom": "yesterday"},
        {"validFrom": "2027-03-01T12:00:00Z"},
        {"credentialSubject": None},
        {"credentialSubject": {**SUBJECT, "id": "urn:concordat:institution:../lab"}},
        {"credentialSubject": {**SUBJECT, "vetting": []}},
        {"credentialSubject": {**SUBJECT, "vetting": VETTED[::-1]}},
        {"credentialSubject": {**SUBJECT, "vetting": [VETTED[0], VETTED[0]]}},
        {"credentialSubject": {**SUBJECT, "vetting": [{**VETTED[0], "item": "charm"}]}},
        {"credentialSubject": {**SUBJECT, "vetting": [{**VETTED[0], "evidence": ["short"]}]}},
        {"credentialSubject": {**SUBJECT, "vetting": [{**VETTED[0], "valid_until": "9999-12-31T23:59:59-12:00"}]}},
    ],
    ids=lambda members: str(members)[:60],
)
def test_what_is_no_passport_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        verify_passport(altered(**members), [ISSUER.public])


def test_another_documents_envelope_and_one_too_large_are_no_passports() -> None:
    other = json.dumps(sign("text/plain", credential().payload(), ISSUER).to_json()).encode()
    for data in (other, b" " * (MAX_PASSPORT_BYTES + 1), b"", b"{}", b"[" * 5000):
        with pytest.raises(Invalid):
            verify_passport(data, [ISSUER.public])


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_noticed_or_makes_no_difference(place: int, change: int) -> None:
    data = bytearray(as_file())
    data[place % len(data)] ^= change
    with suppress(VerificationError, Invalid):
        assert verify_passport(bytes(data), [ISSUER.public]) == credential()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.binary(max_size=300), st.sampled_from(sorted(credential().document())), json_values)
def test_only_our_refusals_leave_the_verifier(raw: bytes, member: str, value: Any) -> None:
    signed = json.dumps(sign(PASSPORT_TYPE, raw, ISSUER).to_json()).encode()
    for data in (raw, signed):
        with pytest.raises((VerificationError, Invalid)):
            verify_passport(data, [ISSUER.public])
    with suppress(VerificationError, Invalid):
        verify_passport(altered(**{member: value}), [ISSUER.public])
    with suppress(VerificationError, Invalid):
        verify_passport(altered(credentialSubject={**SUBJECT, "vetting": [{**VETTED[0], "item": value}]}), [])


def test_another_portal_takes_it_over_on_the_issuers_word() -> None:
    data = as_file()
    state = apply(Passport(), importing(data), COORDINATOR, NOW + timedelta(days=5))
    standing = state.standing(VettingItem.IDENTITY, NOW + timedelta(days=5))
    assert (standing.status, standing.valid_until) == (ItemStatus.VALID, NOW + YEAR)
    assert "on the word of Elsewhere Lab" in standing.message
    assert state.standing(VettingItem.IDENTITY, NOW + YEAR).status is ItemStatus.LAPSED
    (entry,) = state.record(VettingItem.TRAINING).entries
    assert isinstance(entry, Takeover)
    assert (entry.issuer_name, entry.issuer_key) == ("Elsewhere Lab", ISSUER.public.raw.hex())
    assert entry.credential_digest == f"sha256:{sha256_hex(data)}"
    assert (entry.accepted_at, entry.reviewer, entry.imported_by) == (NOW, "Ada", COORDINATOR.person_id)


def test_hearsay_is_not_passed_on() -> None:
    state = apply(Passport(), importing(as_file()), COORDINATOR)
    with pytest.raises(Conflict) as refusal:
        credential(state)
    assert refusal.value.code == "nothing_to_export"


def test_a_takeover_adds_and_never_shortens_or_revives() -> None:
    two_years = accepted(VettingItem.IDENTITY, until=NOW + 2 * YEAR)
    state = apply(two_years, importing(as_file()), COORDINATOR)
    assert state.standing(VettingItem.IDENTITY, NOW).valid_until == NOW + 2 * YEAR
    assert state.record(VettingItem.IDENTITY) == two_years.record(VettingItem.IDENTITY)
    assert state.standing(VettingItem.TRAINING, NOW).valid
    revoke = Revoke(item=VettingItem.IDENTITY, reason="struck off")
    revoked = apply(two_years, revoke, COORDINATOR, NOW + timedelta(days=1))
    later = apply(revoked, importing(as_file()), COORDINATOR, NOW + timedelta(days=2))
    assert later.standing(VettingItem.IDENTITY, NOW + timedelta(days=2)).status is ItemStatus.REVOKED
    for again, when in ((state, NOW), (Passport(), NOW + YEAR)):
        with pytest.raises(Conflict) as refusal:
            apply(again, importing(as_file()), COORDINATOR, when)
        assert refusal.value.code == "nothing_to_import"


def test_a_passport_of_another_name_needs_the_coordinators_word() -> None:
    with pytest.raises(Conflict) as refusal:
        apply(Passport(), importing(as_file(), institution_name="Universitetet i Nord"), COORDINATOR)
    assert (refusal.value.code, refusal.value.param) == ("other_subject", "subject_confirmed")
    confirmed = importing(as_file(), institution_name="Universitetet i Nord", subject_confirmed=True)
    assert apply(Passport(), confirmed, COORDINATOR).valid_items(NOW) == frozenset(ITEMS)


def test_a_passport_is_not_taken_over_from_oneself_too_early_too_long_or_unsigned() -> None:
    endless = credential().vetting[0].model_copy(update={"valid_until": NOW + 20 * YEAR})
    for command, kind, code in (
        (importing(as_file(), own_key=ISSUER.public.raw.hex()), Conflict, "own_credential"),
        (importing(as_file(), issuer_key=OTHER.public.raw.hex()), VerificationError, "bad_signature"),
        (importing(as_file(), institution_id=LAB), Invalid, "lab_has_no_passport"),
        (importing(as_file(credential(now=NOW + timedelta(days=1)))), Invalid, "not_yet_valid"),
        (importing(as_file(credential().model_copy(update={"vetting": (endless,)}))), Invalid, "validity_out_of_range"),
    ):
        with pytest.raises(kind) as refusal:
            apply(Passport(), command, COORDINATOR)
        assert refusal.value.code == code


@pytest.mark.parametrize("actor", [LEAD, Actor.automatic("rule"), person("rae", (LAB, Role.RESEARCHER))])
def test_only_a_coordinator_takes_over(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        apply(Passport(), importing(as_file()), actor)
    both = person("flo", (LAB, Role.COORDINATOR), (PARTNER, Role.RESEARCHER))
    with pytest.raises(Conflict) as refusal:
        apply(Passport(), importing(as_file()), both)
    assert refusal.value.code == "own_evidence"
