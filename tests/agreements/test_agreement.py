"""Agreements: nothing enters into force without both signatures over the same bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agreements.actors import Actor
from agreements.agreement import (
    AGREEMENT,
    PAYLOAD_TYPE,
    Agreement,
    AgreementCommand,
    AgreementStatus,
    Decline,
    EditDraft,
    Offer,
    PartyKind,
    Sign,
    Terminate,
    Withdraw,
)
from agreements.canonical import digest_of
from agreements.clauses import parse_clauses
from agreements.dsse import Envelope, sign
from agreements.dsse import verify as verify_envelope
from agreements.errors import ConcordatError, Conflict, Forbidden, VerificationError
from agreements.keys import PublicKey, SigningKey
from tests.agreements.parties import (
    COORDINATOR,
    LAB_KEY,
    LATER,
    LEAD,
    MEMBER,
    NOW,
    OUTSIDER,
    PARTNER_KEY,
    RESEARCHER,
    apply,
    drafted,
    in_force,
    offered,
    signature,
)


def test_it_enters_into_force_with_the_second_signature() -> None:
    agreement = offered()
    assert agreement.document_digest == digest_of(agreement.document())
    signed = apply(agreement, signature(agreement, PartyKind.INSTITUTION), LEAD)
    assert signed.status is AgreementStatus.SIGNED
    assert not signed.in_force_on(LATER)
    countersigned = apply(signed, signature(signed, PartyKind.LAB), COORDINATOR)
    assert countersigned.status is AgreementStatus.IN_FORCE
    assert countersigned.in_force_on(LATER)
    assert [s.document_digest for s in countersigned.signatures] == [agreement.document_digest] * 2


def test_it_ends_with_its_term() -> None:
    agreement = in_force()
    assert agreement.expires_at is not None
    assert not agreement.in_force_on(agreement.expires_at)


def test_the_lab_cannot_sign_first() -> None:
    agreement = offered()
    with pytest.raises(Conflict) as refused:
        apply(agreement, signature(agreement, PartyKind.LAB), COORDINATOR)
    assert refused.value.code == "wrong_agreement_status"


@pytest.mark.parametrize("actor", [MEMBER, OUTSIDER, RESEARCHER, COORDINATOR])
def test_only_a_lead_of_the_institution_signs_for_it(actor: Actor) -> None:
    agreement = offered()
    with pytest.raises(Forbidden):
        apply(agreement, signature(agreement, PartyKind.INSTITUTION), actor)


def test_a_foreign_key_is_refused() -> None:
    agreement = offered()
    with pytest.raises(VerificationError) as refused:
        apply(agreement, signature(agreement, PartyKind.INSTITUTION, SigningKey.generate()), LEAD)
    assert refused.value.code == "foreign_key"


def test_a_signature_over_another_document_is_refused() -> None:
    agreement = offered()
    altered = apply(
        apply(drafted(), EditDraft(title="Something else", clauses=drafted().clauses), COORDINATOR),
        Offer(),
        COORDINATOR,
    )
    with pytest.raises(VerificationError) as refused:
        apply(agreement, signature(altered, PartyKind.INSTITUTION), LEAD)
    assert refused.value.code == "other_document"


def test_one_key_cannot_sign_for_both() -> None:
    agreement = offered()
    signed = apply(agreement, signature(agreement, PartyKind.INSTITUTION), LEAD)
    envelope = sign(PAYLOAD_TYPE, signed.document_bytes(), PARTNER_KEY)
    both = Sign(party=PartyKind.LAB, envelope=envelope, keys=(PARTNER_KEY.public.raw.hex(),))
    with pytest.raises(VerificationError) as refused:
        apply(signed, both, COORDINATOR)
    assert refused.value.code == "same_key_twice"


def test_an_offer_cannot_be_edited() -> None:
    with pytest.raises(Conflict):
        apply(offered(), EditDraft(title="New title", clauses=drafted().clauses), COORDINATOR)


def test_every_kept_signature_verifies_by_itself() -> None:
    agreement = in_force()
    for kept in agreement.signatures:
        envelope = Envelope.from_json(kept.envelope)
        payload = verify_envelope(envelope, [PublicKey.from_raw(bytes.fromhex(kept.public_key))])
        assert payload == agreement.document_bytes()


COMMANDS = st.one_of(
    st.just("offer"),
    st.just("edit"),
    st.sampled_from(["sign", "countersign", "forged", "wrong-party"]),
    st.sampled_from(["decline", "withdraw", "terminate"]),
)
ACTORS = st.sampled_from([COORDINATOR, LEAD, MEMBER, OUTSIDER])


def _command(name: str, state: Agreement) -> AgreementCommand:
    match name:
        case "offer":
            return Offer()
        case "edit":
            return EditDraft(title="Edited title", clauses=state.clauses)
        case "sign":
            return signature(state, PartyKind.INSTITUTION)
        case "countersign":
            return signature(state, PartyKind.LAB)
        case "forged":
            return signature(state, PartyKind.INSTITUTION, SigningKey.generate())
        case "wrong-party":
            return signature(state, PartyKind.LAB, PARTNER_KEY)
        case "decline":
            return Decline(reason="not for us")
        case "withdraw":
            return Withdraw(reason="taken back")
        case _:
            return Terminate(reason="it is over")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(COMMANDS, ACTORS), max_size=14))
def test_no_path_reaches_force_without_both_signatures_over_the_same_bytes(
    steps: list[tuple[str, Actor]],
) -> None:
    state = drafted()
    ever_in_force = False
    for name, actor in steps:
        before = state
        try:
            state = apply(state, _command(name, state), actor)
        except ConcordatError:
            assert state is before
            continue
        ever_in_force |= state.status is AgreementStatus.IN_FORCE
        if ever_in_force:
            assert state.in_force_at == NOW
            keys = [s.public_key for s in state.signatures]
            assert keys == [PARTNER_KEY.public.raw.hex(), LAB_KEY.public.raw.hex()]
            for kept in state.signatures:
                payload = verify_envelope(
                    Envelope.from_json(kept.envelope), [PublicKey.from_raw(bytes.fromhex(kept.public_key))]
                )
                assert payload == state.document_bytes()
        if before.signatures:
            assert state.signatures[: len(before.signatures)] == before.signatures
            assert state.document_bytes() == before.document_bytes()


def test_deciding_twice_gives_the_same_events() -> None:
    state = drafted()
    once = AGREEMENT.decide(state, Offer(), COORDINATOR, NOW)
    assert AGREEMENT.decide(state, Offer(), COORDINATOR, NOW) == once


def test_changing_any_clause_changes_the_digest() -> None:
    agreement = drafted()
    data = [clause.model_dump(mode="json") for clause in agreement.clauses]
    for clause in data:
        changed = [{**other, "title": other["title"] + "!"} if other is clause else other for other in data]
        altered = apply(agreement, EditDraft(title=agreement.title, clauses=parse_clauses(changed)), COORDINATOR)
        assert digest_of(altered.document()) != digest_of(agreement.document())
