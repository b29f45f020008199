"""The rules of institutions, their keys, and the people who act for them."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import LAB, Actor, Membership, Role
from agreements.deciders import Event
from agreements.errors import Conflict, Forbidden, Invalid, VerificationError
from agreements.institutions import (
    INSTITUTION,
    AllowKey,
    AskForKey,
    Constituency,
    Custody,
    Institution,
    InstitutionCommand,
    RegisterInstitution,
    RegisterKey,
    RevokeKey,
)
from agreements.key_succession import hand_over, possession_challenge
from agreements.keys import SigningKey
from agreements.people import PERSON, DeactivatePerson, Person, PersonCommand, RegisterPerson
from tests.agreements.parties import COORDINATOR, LATER, LEAD, MEMBER, NOW, OUTSIDER, PARTNER, RESEARCHER, person

SETUP = Actor.automatic("setup")
KEY = SigningKey.from_seed(b"k" * 32)

REGISTER = RegisterInstitution(
    institution_id=PARTNER,
    name="North University",
    constituency=Constituency.ACADEMIA,
    contact_email="office@north.example",
)


def apply(command: InstitutionCommand, state: Institution, actor: Actor = LEAD) -> Institution:
    events = INSTITUTION.decide(state, command, actor, NOW)
    assert [Event.parse(event.type_name, event.body()) for event in events] == list(events)
    return INSTITUTION.fold(events, state)


def registered() -> Institution:
    return apply(REGISTER, Institution(), COORDINATOR)


def possession(key: SigningKey = KEY, institution_id: str = PARTNER, claimed: SigningKey | None = None) -> RegisterKey:
    """A claim to ``claimed`` (by default ``key`` itself), proved with ``key`` for an institution."""
    public_key = (claimed or key).public.raw.hex()
    return RegisterKey(public_key=public_key, proof=key.sign(possession_challenge(institution_id, public_key)).hex())


def test_an_institution_is_registered_once() -> None:
    state = registered()
    assert (state.id, state.registered_at, state.active_keys) == (PARTNER, NOW, ())
    with pytest.raises(Conflict) as refusal:
        apply(REGISTER, state, COORDINATOR)
    assert refusal.value.code == "institution_exists"


@pytest.mark.parametrize("actor", [LEAD, MEMBER, OUTSIDER, RESEARCHER])
def test_only_coordinators_and_rules_register_institutions(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        apply(REGISTER, Institution(), actor)
    assert apply(REGISTER, Institution(), SETUP).id == PARTNER


def test_a_key_is_registered_with_proof_of_possession() -> None:
    state = apply(possession(), registered())
    (key,) = state.active_keys
    assert (key.public, key.key_id, key.custody) == (KEY.public, KEY.public.key_id, Custody.OWN)


@pytest.mark.parametrize("custody", Custody)
@pytest.mark.parametrize("actor", [COORDINATOR, SETUP, MEMBER, OUTSIDER])
def test_nobody_of_the_lab_gives_a_partner_a_key(actor: Actor, custody: Custody) -> None:
    command = possession().model_copy(update={"custody": custody})
    with pytest.raises(Forbidden) as refusal:
        apply(command, registered(), actor)
    assert refusal.value.code == "not_signatory"


@pytest.mark.parametrize("actor", [MEMBER, OUTSIDER, RESEARCHER])
def test_others_manage_no_keys(actor: Actor) -> None:
    held = apply(possession(), registered())
    revoke = RevokeKey(public_key=KEY.public.raw.hex(), reason="it leaked")
    for command, state in ((possession(), registered()), (revoke, held)):
        with pytest.raises(Forbidden) as refusal:
            apply(command, state, actor)
        assert refusal.value.code == "not_signatory"


@pytest.mark.parametrize(
    "claim",
    [
        possession(institution_id="south-institute"),
        possession(SigningKey.generate(), claimed=KEY),
        RegisterKey(public_key=KEY.public.raw.hex(), proof="00" * 64),
        RegisterKey(public_key=KEY.public.raw.hex(), proof=KEY.sign(KEY.public.raw).hex()),
    ],
    ids=["moved from another institution", "another key's", "no signature", "over something else"],
)
def test_a_proof_is_bound_to_key_and_institution(claim: RegisterKey) -> None:
    with pytest.raises(VerificationError) as refusal:
        apply(claim, registered())
    assert refusal.value.code == "no_possession"


@pytest.mark.parametrize("weak", ["00" * 32, "01" + "00" * 31, "ff" * 32])
def test_a_key_under_which_anything_verifies_is_refused(weak: str) -> None:
    with pytest.raises(Invalid):
        apply(RegisterKey(public_key=weak, proof="00" * 64), registered())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_only_refusals_leave_the_proof_check(public_key: bytes, proof: bytes) -> None:
    with pytest.raises((Invalid, VerificationError)):
        apply(RegisterKey(public_key=public_key.hex(), proof=proof.hex()), registered())


def handed_over(new: SigningKey, by: SigningKey = KEY, number: int = 2, **what: object) -> RegisterKey:
    """The claim to ``new`` with the word of the key before it."""
    terms: dict[str, Any] = {"institution_id": PARTNER, "public_key": new.public.raw.hex(), **what}
    statement = hand_over(terms["institution_id"], by, public_key=terms["public_key"], number=number)
    return possession(new).model_copy(update={"succession": statement.to_json()})


NEXT, STRANGER = SigningKey.from_seed(b"n" * 32), SigningKey.from_seed(b"s" * 32)


def test_an_own_key_signs_over_to_the_next() -> None:
    state = apply(handed_over(NEXT), apply(possession(), registered()))
    key = state.active_keys[-1]
    assert (key.public, key.handed_over_by) == (NEXT.public, KEY.public.raw.hex())
    assert key.origin == f"registered by {LEAD.name}, signed over by the own key before it"
    third = SigningKey.generate()
    assert len(apply(handed_over(third, NEXT, 3), state).active_keys) == 3


@pytest.mark.parametrize(
    "command",
    [
        possession(NEXT),
        possession(NEXT).model_copy(update={"custody": Custody.PORTAL}),
        handed_over(NEXT, by=STRANGER),
        handed_over(NEXT, by=NEXT),
        handed_over(NEXT, number=3),
        handed_over(NEXT, institution_id="south-institute"),
        handed_over(NEXT, public_key=STRANGER.public.raw.hex()),
        handed_over(NEXT, public_key=None),
        handed_over(NEXT).model_copy(update={"custody": Custody.PORTAL}),
        possession(NEXT).model_copy(update={"succession": {"payload": "no envelope"}}),
    ],
    ids=[
        "no word",
        "custody without a word",
        "a stranger's",
        "its own",
        "an old one",
        "another institution's",
        "another key's",
        "for custody",
        "custody by the word for an own key",
        "no envelope",
    ],
)
@pytest.mark.parametrize("revoked", [False, True])
def test_no_role_adds_a_key_once_the_institution_keeps_its_own(command: RegisterKey, revoked: bool) -> None:
    state = apply(possession(), registered())
    if revoked:
        state = apply(RevokeKey(public_key=KEY.public.raw.hex(), reason="it leaked"), state, COORDINATOR)
    with pytest.raises(VerificationError) as refusal:
        apply(command, state)
    assert refusal.value.code == "not_handed_over"


def test_a_revoked_key_hands_nothing_over() -> None:
    state = apply(possession(), registered())
    state = apply(RevokeKey(public_key=KEY.public.raw.hex(), reason="it leaked"), state)
    with pytest.raises(VerificationError):
        apply(handed_over(NEXT), state)


def test_an_institution_goes_into_custody_by_the_word_of_its_key_once() -> None:
    state = apply(possession(), registered())
    word = hand_over(PARTNER, KEY, public_key=None, number=2).to_json()
    kept = possession(NEXT).model_copy(update={"custody": Custody.PORTAL, "succession": word})
    state = apply(kept, state)
    assert state.active_keys[-1].custody is Custody.PORTAL
    again = possession(STRANGER).model_copy(update={"custody": Custody.PORTAL, "succession": word})
    with pytest.raises(VerificationError):
        apply(again, state)


def asked(key: SigningKey = NEXT) -> AskForKey:
    claim = possession(key)
    return AskForKey(public_key=claim.public_key, proof=claim.proof, reason="The laptop was stolen.")


ALLOW = AllowKey(public_key=NEXT.public.raw.hex(), note="Called their legal office.")


def test_a_lost_key_is_replaced_at_the_word_of_two_and_shows_it() -> None:
    state = apply(asked(), apply(possession(), registered()))
    assert [key.public for key in state.active_keys] == [KEY.public]
    state = apply(ALLOW, state, COORDINATOR)
    key = state.active_keys[-1]
    assert (key.public, key.allowed_by, state.key_request) == (NEXT.public, COORDINATOR.name, None)
    assert f"asked for by {LEAD.name}, allowed by {COORDINATOR.name}" in key.origin


@pytest.mark.parametrize("actor", [COORDINATOR, SETUP, MEMBER, OUTSIDER])
def test_a_lead_alone_asks_for_a_key(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        apply(asked(), apply(possession(), registered()), actor)


@pytest.mark.parametrize("actor", [LEAD, SETUP, MEMBER])
def test_a_coordinator_alone_allows_it(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        apply(ALLOW, apply(asked(), apply(possession(), registered())), actor)


def test_nobody_allows_what_they_asked_for() -> None:
    both = person("both", (PARTNER, Role.PARTNER_LEAD), (LAB, Role.COORDINATOR))
    with pytest.raises(Forbidden) as refusal:
        apply(ALLOW, apply(asked(), apply(possession(), registered()), both), both)
    assert refusal.value.code == "own_request"


def test_only_the_key_that_was_asked_for_is_allowed() -> None:
    held = apply(possession(), registered())
    for state in (held, apply(asked(STRANGER), held)):
        with pytest.raises(Conflict) as refusal:
            apply(ALLOW, state, COORDINATOR)
        assert refusal.value.code == "key_not_asked"


def test_keys_of_before_who_registered_them_was_kept_still_fold() -> None:
    event = Event.parse(
        "institution:key_registered",
        {"public_key": KEY.public.raw.hex(), "custody": "own", "proof": "00" * 64, "at": NOW.isoformat()},
    )
    (key,) = INSTITUTION.fold([event], registered()).keys
    assert (key.origin, key.custody) == ("", Custody.OWN)


def test_a_revoked_key_signs_no_more_and_never_comes_back() -> None:
    other = SigningKey.generate()
    state = apply(handed_over(other), apply(possession(), registered()))
    state = apply(RevokeKey(public_key=KEY.public.raw.hex(), reason="it leaked"), state, LEAD)
    assert [key.public for key in state.active_keys] == [other.public]
    assert [key.revoked_at for key in state.keys] == [NOW, None]
    with pytest.raises(Conflict) as refusal:
        apply(possession(), state)
    assert refusal.value.code == "key_known"
    for unknown in (KEY, SigningKey.generate()):
        with pytest.raises(Invalid) as gone:
            apply(RevokeKey(public_key=unknown.public.raw.hex(), reason="it leaked"), state)
        assert gone.value.code == "key_not_active"


def admit(memberships: list[tuple[str, Role]], actor: Actor) -> Person:
    return become(
        RegisterPerson(
            person_id="per_finn",
            name="Finn",
            email="finn@people.example",
            memberships=tuple(Membership(institution_id=where, role=role) for where, role in memberships),
        ),
        Person(),
        actor,
    )


def become(command: PersonCommand, state: Person, actor: Actor) -> Person:
    events = PERSON.decide(state, command, actor, LATER)
    assert [Event.parse(event.type_name, event.body()) for event in events] == list(events)
    return PERSON.fold(events, state)


LEAVE = DeactivatePerson(reason="left the project")


@pytest.mark.parametrize("role", [Role.PARTNER_MEMBER, Role.RESEARCHER, Role.OBSERVER])
def test_a_lead_adds_people_to_the_own_institution_only(role: Role) -> None:
    assert admit([(PARTNER, role)], LEAD).memberships[0].role is role
    for memberships in ([("south-institute", role)], [(PARTNER, role), ("south-institute", role)]):
        with pytest.raises(Forbidden):
            admit(memberships, LEAD)


@pytest.mark.parametrize(
    "memberships", [[(PARTNER, Role.PARTNER_LEAD)], [(LAB, Role.COORDINATOR)], [(LAB, Role.RESEARCHER)]]
)
def test_a_lead_makes_no_leads_and_nobody_of_the_lab(memberships: list[tuple[str, Role]]) -> None:
    with pytest.raises(Forbidden):
        admit(memberships, LEAD)
    assert admit(memberships, COORDINATOR).id == "per_finn"


@pytest.mark.parametrize("actor", [MEMBER, RESEARCHER, OUTSIDER])
def test_others_add_nobody(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        admit([(PARTNER, Role.OBSERVER)], actor)


@pytest.mark.parametrize(
    ("where", "role"), [(PARTNER, Role.COORDINATOR), (LAB, Role.PARTNER_LEAD), (LAB, Role.PARTNER_MEMBER)]
)
def test_a_role_belongs_to_its_side(where: str, role: Role) -> None:
    with pytest.raises(Invalid) as refusal:
        admit([(where, role)], COORDINATOR)
    assert refusal.value.code == "role_does_not_fit"


def test_nobody_is_registered_twice() -> None:
    finn = admit([(PARTNER, Role.OBSERVER)], COORDINATOR)
    with pytest.raises(Conflict):
        become(
            RegisterPerson(person_id="per_finn", name="Finn", email="f@p.example", memberships=finn.memberships),
            finn,
            COORDINATOR,
        )


@pytest.mark.parametrize("actor", [COORDINATOR, LEAD])
def test_a_person_is_deactivated_once(actor: Actor) -> None:
    finn = admit([(PARTNER, Role.PARTNER_MEMBER)], COORDINATOR)
    gone = become(LEAVE, finn, actor)
    assert gone.deactivated_at == NOW + timedelta(days=1)
    with pytest.raises(Conflict) as refusal:
        become(LEAVE, gone, actor)
    assert refusal.value.code == "already_deactivated"


@pytest.mark.parametrize("actor", [MEMBER, RESEARCHER, OUTSIDER, SETUP])
def test_others_deactivate_nobody(actor: Actor) -> None:
    with pytest.raises(Forbidden):
        become(LEAVE, admit([(PARTNER, Role.PARTNER_MEMBER)], COORDINATOR), actor)


@pytest.mark.parametrize("elsewhere", [(LAB, Role.COORDINATOR), ("south-institute", Role.RESEARCHER)])
def test_a_lead_takes_nobody_from_another_institution(elsewhere: tuple[str, Role]) -> None:
    both = admit([(PARTNER, Role.RESEARCHER), elsewhere], COORDINATOR)
    with pytest.raises(Forbidden):
        become(LEAVE, both, LEAD)
    assert become(LEAVE, both, COORDINATOR).deactivated_at


@pytest.mark.parametrize("who", ["coordinator", "lead"])
def test_nobody_deactivates_the_own_account(who: str) -> None:
    where, role = (LAB, Role.COORDINATOR) if who == "coordinator" else (PARTNER, Role.PARTNER_LEAD)
    finn = admit([(where, role)], COORDINATOR)
    with pytest.raises(Conflict) as refusal:
        become(LEAVE, finn, person("finn", (where, role)))
    assert refusal.value.code == "own_account"
