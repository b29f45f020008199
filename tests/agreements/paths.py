"""What tests of long histories share: several people on each side, their keys, texts to agree on, hostile envelopes."""

import base64
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agreements.actors import LAB, Actor, Role
from agreements.agreement import AGREEMENT, PAYLOAD_TYPE, Agreement, AgreementCommand, DraftAgreement, PartyKind, Sign
from agreements.canonical import canonical_bytes, sha256_hex
from agreements.clauses import Clause, parse_clauses
from agreements.deciders import Event
from agreements.dsse import Envelope, sign
from agreements.keys import SigningKey
from agreements.standard_terms import templates
from tests.agreements.parties import PARTNER, person


def at(name: str, *memberships: tuple[str, Role]) -> Actor:
    """Somebody with an address by which clauses may name them."""
    return person(name, *memberships).model_copy(update={"email": f"{name}@people.example"})


ADA, ABE = at("ada", (LAB, Role.COORDINATOR)), at("abe", (LAB, Role.COORDINATOR))
BEN, BEA = at("ben", (PARTNER, Role.PARTNER_LEAD)), at("bea", (PARTNER, Role.PARTNER_LEAD))
CLEO = at("cleo", (PARTNER, Role.PARTNER_MEMBER))
DAN = at("dan", ("south-institute", Role.PARTNER_LEAD))
ZOE = at("zoe", (LAB, Role.COORDINATOR), (PARTNER, Role.PARTNER_LEAD))
"""Of both sides at once."""
LADDER, APPEALS = Actor.automatic("duty-ladder"), Actor.automatic("appeals-clock")
EVERYBODY = (ADA, ABE, BEN, BEA, CLEO, DAN, ZOE, LADDER, APPEALS)

KEYS = {
    PartyKind.LAB: (SigningKey.from_seed(b"l" * 32), SigningKey.from_seed(b"m" * 32)),
    PartyKind.INSTITUTION: (SigningKey.from_seed(b"n" * 32), SigningKey.from_seed(b"o" * 32)),
}
"""Two keys of each side, the second one registered later."""
STRANGE_KEY = SigningKey.from_seed(b"x" * 32)


def clause_data(**changed: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The first software access agreement as data by kind, some of it changed; new kinds are added."""
    first = next(one for one in templates() if (one.template_id, one.version) == ("software-access", 1))
    data: dict[str, dict[str, Any]] = {clause.kind: clause.model_dump(mode="json") for clause in first.clauses}
    words = {"title": "A clause", "text": "It is agreed."}
    for kind, values in changed.items():
        fresh = {"kind": kind, "clause_id": kind.replace("_", "-"), **words}
        data[kind] = {**data.get(kind, fresh), **values}
    return data


def text(**changed: dict[str, Any]) -> tuple[Clause, ...]:
    """The same as clauses."""
    return parse_clauses(list(clause_data(**changed).values()))


def places(*named: tuple[str, str | None]) -> dict[str, Any]:
    """The data of a clause on signatories: side and address of each, in order."""
    return {"order": [{"party": party, "role": "signatory", "email": email} for party, email in named]}


FOUR = places(
    ("institution", "bea@people.example"), ("lab", None), ("institution", None), ("lab", "ada@people.example")
)
HARBOUR = {
    "notice_hours": 48,
    "immediate_reasons": ["security_incident"],
    "appeal_days": 14,
    "decision_days": 10,
    "on_silence": "lifted",
}

TEXTS = (
    text(),
    text(amendments={"grace_days": 30}),
    text(signatories=FOUR, amendments={"grace_days": 7}),
    text(term={"days": 40, "renewals": 2, "renewal_window_days": 20}, safe_harbour=HARBOUR),
    text(term={"days": 40}, safe_harbour={**HARBOUR, "on_silence": "stands"}, signatories=FOUR),
)


def drafting(clauses: tuple[Clause, ...], title: str = "Software access agreement") -> DraftAgreement:
    """The command that begins an agreement over these clauses."""
    return DraftAgreement(
        agreement_id="agr_paths",
        institution_id=PARTNER,
        institution_name="North University",
        lab_name="The Lab",
        title=title,
        template_id="software-access",
        template_version=1,
        clauses=clauses,
    )


def sealed(document: bytes, key: SigningKey, payload_type: str = PAYLOAD_TYPE) -> Envelope:
    """The document in an envelope with one signature."""
    return sign(payload_type, document, key)


def signing(
    agreement: Agreement, party: PartyKind, *, key: SigningKey | None = None, envelope: Envelope | None = None
) -> Sign:
    """A signature over what is on the table, by the party's first key unless something else is said."""
    tabled = agreement.proposal or agreement.shown
    made = envelope or sealed(agreement.document_bytes(tabled.number), key or KEYS[party][0])
    return Sign(party=party, envelope=made, keys=tuple(own.public.raw.hex() for own in KEYS[party]))


def done(state: Agreement, command: AgreementCommand, actor: Actor, now: datetime) -> Agreement:
    """The agreement after a command."""
    return AGREEMENT.fold(AGREEMENT.decide(state, command, actor, now), state)


def next_to_sign(state: Agreement) -> tuple[PartyKind, Actor] | None:
    """Whose signature is awaited, and somebody who may give it and has not signed before."""
    proposal = state.proposal
    place = proposal.next_signatory if proposal is not None else None
    if proposal is None or place is None:
        return None
    # Those whom a text may name come last: their signature may still be needed.
    people = (ABE, ADA) if place.party is PartyKind.LAB else (BEN, BEA)
    named = [who for who in people if place.email in {None, who.email}]
    before = {signature.signer_id for signature in proposal.signatures}
    return next(((place.party, who) for who in named if who.person_id not in before), None)


def signed_by_all(state: Agreement, now: datetime) -> Agreement:
    """What is on the table, signed by everybody in order."""
    while (awaited := next_to_sign(state)) is not None:
        party, who = awaited
        state = done(state, signing(state, party), who, now)
    return state


def holds(envelope: dict[str, Any], public_key: str, document: dict[str, Any]) -> bool:
    """Whether an envelope as JSON is signed by the key over the document: DSSE by its specification, none of our code.

    The document's canonical bytes are the one thing taken over; they have tests and vectors of their own.
    """
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    message = b"DSSEv1 " + b" ".join([str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    (signature,) = envelope["signatures"]
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(
            base64.b64decode(signature["sig"], validate=True), message
        )
    except InvalidSignature:
        return False
    return payload == canonical_bytes(document)


def digest(document: dict[str, Any]) -> str:
    """The document's digest, computed anew."""
    return f"sha256:{sha256_hex(canonical_bytes(document))}"


def replayed(stored: list[tuple[str, dict[str, Any]]]) -> Agreement:
    """The state that stored events add up to."""
    return AGREEMENT.fold(Event.parse(name, body) for name, body in stored)
