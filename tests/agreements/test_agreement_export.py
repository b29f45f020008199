"""An exported agreement: held against the rules by which it was signed, and no weaker ones."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import PartyKind
from agreements.agreement import Agreement, Offer, Version
from agreements.agreement.export import EXPORT_TYPE, verify_export
from agreements.agreement.signatures import order_of
from agreements.canonical import canonical_bytes
from agreements.dsse import add_signature, sign
from agreements.errors import ConcordatError
from tests.agreements.parties import NOW
from tests.agreements.paths import (
    ADA,
    FOUR,
    KEYS,
    STRANGE_KEY,
    TEXTS,
    done,
    drafting,
    next_to_sign,
    sealed,
    signing,
    text,
)

LAB, INSTITUTION = PartyKind.LAB, PartyKind.INSTITUTION


def signed(count: int, **changed: dict[str, Any]) -> Agreement:
    """An agreement with its first ``count`` signatures."""
    agreement = done(done(Agreement(), drafting(text(**changed)), ADA, NOW), Offer(), ADA, NOW)
    for _ in range(count):
        turn = next_to_sign(agreement)
        assert turn is not None
        agreement = done(agreement, signing(agreement, turn[0]), turn[1], NOW)
    return agreement


def exported(agreement: Agreement) -> dict[str, Any]:
    """As the portal writes it."""
    return {
        "type": EXPORT_TYPE,
        "document": agreement.document(),
        "document_digest": agreement.document_digest,
        "status": agreement.status.value,
        "signatures": [one.model_dump(mode="json") for one in agreement.signatures],
    }


def refusal(value: dict[str, Any]) -> str:
    with pytest.raises(ConcordatError) as refused:
        verify_export(value)
    return refused.value.code


def test_both_have_signed() -> None:
    export = verify_export(exported(signed(2)))
    assert [one.party for one in export.signatures] == [INSTITUTION, LAB]
    assert export.due == ()


def test_four_sign_in_the_order_of_the_document() -> None:
    export = verify_export(exported(signed(4, signatories=FOUR)))
    assert [one.party for one in export.signatures] == [INSTITUTION, LAB, INSTITUTION, LAB]
    assert export.due == ()


def test_who_has_not_signed_is_named() -> None:
    assert verify_export(exported(signed(1))).due == (LAB,)
    assert verify_export(exported(signed(2, signatories=FOUR))).due == (INSTITUTION, LAB)
    assert refusal(exported(signed(0))) == "not_signed"


def test_one_signature_is_not_made_two_by_calling_it_the_labs() -> None:
    forged = exported(signed(1))
    forged["signatures"].append(forged["signatures"][0] | {"party": "lab", "signer_id": "per_ada"})
    assert refusal(forged) == "same_key_twice"


def _lab_first(value: dict[str, Any]) -> None:
    value["signatures"].reverse()


def _repeated(value: dict[str, Any]) -> None:
    value["signatures"].append(value["signatures"][1])


def _by_one_person(value: dict[str, Any]) -> None:
    value["signatures"][2] = value["signatures"][0]


def _of_nobody(value: dict[str, Any]) -> None:
    value["signatures"][0]["party"] = "regulator"


def _key_in_capitals(value: dict[str, Any]) -> None:
    value["signatures"][0]["public_key"] = value["signatures"][0]["public_key"].upper()


def _not_whole(value: dict[str, Any]) -> None:
    del value["signatures"][0]["envelope"]


def _another_digest(value: dict[str, Any]) -> None:
    value["signatures"][0]["document_digest"] = "sha256:" + "0" * 64


def _another_key(value: dict[str, Any]) -> None:
    value["signatures"][0]["public_key"] = STRANGE_KEY.public.raw.hex()


def _another_document(value: dict[str, Any]) -> None:
    other = canonical_bytes({**value["document"], "title": "Better terms"})
    value["signatures"][0]["envelope"] = sealed(other, KEYS[INSTITUTION][0]).to_json()


def _another_type(value: dict[str, Any]) -> None:
    same = canonical_bytes(value["document"])
    value["signatures"][0]["envelope"] = sign("application/json", same, KEYS[INSTITUTION][0]).to_json()


def _two_in_one_envelope(value: dict[str, Any]) -> None:
    alone = sealed(canonical_bytes(value["document"]), KEYS[INSTITUTION][0])
    value["signatures"][0]["envelope"] = add_signature(alone, STRANGE_KEY).to_json()


def _changed_document(value: dict[str, Any]) -> None:
    value["document"]["title"] = "Better terms"


def _no_list(value: dict[str, Any]) -> None:
    value["signatures"] = {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_lab_first, "out_of_order"),
        (_repeated, "out_of_order"),
        (_by_one_person, "signed_already"),
        (_of_nobody, "bad_agreement_file"),
        (_key_in_capitals, "bad_agreement_file"),
        (_not_whole, "bad_agreement_file"),
        (_no_list, "bad_agreement_file"),
        (_another_digest, "other_document"),
        (_another_document, "other_document"),
        (_another_type, "other_document"),
        (_another_key, "bad_signature"),
        (_two_in_one_envelope, "signature_count"),
        (_changed_document, "digest_differs"),
    ],
)
def test_what_could_not_have_been_signed_so_is_refused(change: Callable[[dict[str, Any]], None], code: str) -> None:
    value = exported(signed(4, signatories=FOUR))
    change(value)
    assert refusal(value) == code


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_the_document_names_the_order_that_the_portal_keeps(number: int) -> None:
    version = Version(number=1, title="Terms", clauses=TEXTS[number])
    agreement = done(Agreement(), drafting(TEXTS[number]), ADA, NOW)
    assert order_of(agreement.document()) == tuple(one.party for one in version.order)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.sampled_from(["lab", "signatories", "institution"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["clauses", "data", "kind", "order", "party"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_whatever_an_order_is_only_our_refusals_leave(clauses: Any) -> None:
    try:
        assert set(order_of({"clauses": clauses})) == set(PartyKind)
    except ConcordatError as error:
        assert error.code == "bad_order"
