"""People, institutions and clauses that domain tests act with."""

from datetime import UTC, datetime, timedelta

from agreements.actors import LAB, Actor, Channel, Membership, Role
from agreements.agreement import (
    AGREEMENT,
    PAYLOAD_TYPE,
    Agreement,
    AgreementCommand,
    DraftAgreement,
    Offer,
    PartyKind,
    Sign,
)
from agreements.dsse import sign
from agreements.keys import SigningKey
from agreements.standard_terms import template

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)

PARTNER = "north-university"
LAB_KEY = SigningKey.generate()
PARTNER_KEY = SigningKey.generate()


def person(name: str, *memberships: tuple[str, Role]) -> Actor:
    """An actor with these roles."""
    return Actor(
        person_id=f"per_{name}",
        name=name.title(),
        memberships=tuple(Membership(institution_id=where, role=role) for where, role in memberships),
        channel=Channel.API,
    )


COORDINATOR = person("ada", (LAB, Role.COORDINATOR))
LEAD = person("ben", (PARTNER, Role.PARTNER_LEAD))
MEMBER = person("cleo", (PARTNER, Role.PARTNER_MEMBER))
OUTSIDER = person("dan", ("south-institute", Role.PARTNER_LEAD))
RESEARCHER = person("eve", ("south-institute", Role.RESEARCHER))


def apply(state: Agreement, command: AgreementCommand, actor: Actor, now: datetime = NOW) -> Agreement:
    """The agreement after a command."""
    return AGREEMENT.fold(AGREEMENT.decide(state, command, actor, now), state)


def drafted() -> Agreement:
    """A draft from the standard template."""
    standard = template("software-access")
    command = DraftAgreement(
        agreement_id="agr_test",
        institution_id=PARTNER,
        institution_name="North University",
        lab_name="The Lab",
        title=standard.title,
        template_id=standard.template_id,
        template_version=standard.version,
        clauses=standard.clauses,
    )
    return apply(Agreement(), command, COORDINATOR)


def offered() -> Agreement:
    """The draft, offered."""
    return apply(drafted(), Offer(), COORDINATOR)


def signature(agreement: Agreement, party: PartyKind, key: SigningKey | None = None) -> Sign:
    """A signature command by the party's own key, or by another."""
    own = PARTNER_KEY if party is PartyKind.INSTITUTION else LAB_KEY
    envelope = sign(PAYLOAD_TYPE, agreement.document_bytes(), key or own)
    return Sign(party=party, envelope=envelope, keys=(own.public.raw.hex(),))


def in_force() -> Agreement:
    """The offer, signed by both."""
    agreement = offered()
    agreement = apply(agreement, signature(agreement, PartyKind.INSTITUTION), LEAD)
    return apply(agreement, signature(agreement, PartyKind.LAB), COORDINATOR)
