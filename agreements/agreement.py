"""Agreements: versioned terms between the lab and one institution, signed by both over the same canonical bytes.

    draft ──offer──▶ offered ──sign──▶ signed ──countersign──▶ in_force ──▶ terminated
      │                 ├──decline──▶ declined
      └──── withdraw ───┴──withdraw──▶ withdrawn

The document is frozen at the offer: from then on its digest is what both parties sign and what every grant pins.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from agreements.actors import LAB, Actor, PartyKind, Role
from agreements.canonical import canonical_bytes, sha256_hex
from agreements.clauses import Clause, Term, check_clauses, grant_bounds
from agreements.deciders import Decider, Event, Value
from agreements.dsse import Envelope, verify
from agreements.errors import Conflict, Forbidden, Invalid, VerificationError
from agreements.keys import PublicKey
from agreements.scopes import Scope

PAYLOAD_TYPE = "application/vnd.concordat.agreement.v1+json"
"""The DSSE payload type under which agreements are signed."""

Reason = Annotated[str, Field(min_length=3, max_length=1000)]


class AgreementStatus(StrEnum):
    """Where an agreement stands."""

    DRAFT = "draft"
    OFFERED = "offered"
    SIGNED = "signed"
    IN_FORCE = "in_force"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    TERMINATED = "terminated"

    @property
    def label(self) -> str:
        """The status as people read it."""
        return self.value.replace("_", " ")


class Signature(Value):
    """One party's signature: who signed, with which key, over which digest."""

    party: PartyKind
    signer_id: str
    signer_name: str
    public_key: str
    document_digest: str
    envelope: dict[str, Any]
    """The DSSE envelope as JSON, payload included: it verifies by itself."""
    signed_at: datetime


class Agreement(Value):
    """Current state. An empty ``id`` means it does not exist yet."""

    id: str = ""
    institution_id: str = ""
    institution_name: str = ""
    lab_name: str = ""
    title: str = ""
    template_id: str = ""
    template_version: int = 0
    clauses: tuple[Clause, ...] = ()
    status: AgreementStatus = AgreementStatus.DRAFT
    document_digest: str | None = None
    signatures: tuple[Signature, ...] = ()
    drafted_at: datetime | None = None
    offered_at: datetime | None = None
    in_force_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str = ""

    @property
    def expires_at(self) -> datetime | None:
        """When the term ends, once it runs."""
        if self.in_force_at is None:
            return None
        days = next(clause.days for clause in self.clauses if isinstance(clause, Term))
        return self.in_force_at + timedelta(days=days)

    def in_force_on(self, now: datetime) -> bool:
        """Whether grants under it are good at ``now``."""
        return self.status is AgreementStatus.IN_FORCE and self.expires_at is not None and now < self.expires_at

    def bounds(self) -> Scope:
        """The widest grant under it. Raises Conflict ``not_in_force`` before it enters into force."""
        if self.in_force_at is None:
            raise Conflict("not_in_force", f"Agreement {self.id} is {self.status.label}, not in force.")
        return grant_bounds(self.clauses, self.expires_at or self.in_force_at).scope

    def document(self) -> dict[str, Any]:
        """What both parties sign: data and human text together, nothing that changes later."""
        return {
            "type": "concordat-agreement/v1",
            "agreement_id": self.id,
            "title": self.title,
            "template": {"id": self.template_id, "version": self.template_version},
            "parties": {
                "institution": {"id": self.institution_id, "name": self.institution_name},
                "lab": {"id": LAB, "name": self.lab_name},
            },
            "clauses": [{"data": clause.model_dump(mode="json"), "text": clause.rendered()} for clause in self.clauses],
        }

    def document_bytes(self) -> bytes:
        """The canonical bytes (RFC 8785) that are signed."""
        return canonical_bytes(self.document())


class AgreementDrafted(Event, type="agreement:drafted"):
    """A coordinator made a draft from a template."""

    agreement_id: str
    institution_id: str
    institution_name: str
    lab_name: str
    title: str
    template_id: str
    template_version: int
    clauses: tuple[Clause, ...]
    at: datetime


class AgreementEdited(Event, type="agreement:edited"):
    """The draft's clauses or title were replaced."""

    title: str
    clauses: tuple[Clause, ...]
    at: datetime


class AgreementOffered(Event, type="agreement:offered"):
    """The document was frozen and offered."""

    document_digest: str
    at: datetime


class AgreementSigned(Event, type="agreement:signed"):
    """A party signed. The agreement enters into force with the second signature."""

    signature: Signature


class AgreementEnteredIntoForce(Event, type="agreement:entered_into_force"):
    """Both signatures stand over the same bytes."""

    at: datetime


class AgreementEnded(Event, type="agreement:ended"):
    """Declined, withdrawn or terminated."""

    status: AgreementStatus
    reason: str
    at: datetime


class DraftAgreement(Value):
    """Start a draft. Names are copied in, so that the signed text stands by itself."""

    agreement_id: str
    institution_id: str
    institution_name: str
    lab_name: str
    title: Annotated[str, Field(min_length=3, max_length=200)]
    template_id: str
    template_version: int
    clauses: tuple[Clause, ...]


class EditDraft(Value):
    """Replace title and clauses of a draft."""

    title: Annotated[str, Field(min_length=3, max_length=200)]
    clauses: tuple[Clause, ...]


class Offer(Value):
    """Freeze the document and offer it to the institution."""


class Sign(Value):
    """Sign for a party. ``keys`` are that party's active public keys (raw, hex), given by the service."""

    party: PartyKind
    envelope: Envelope
    keys: tuple[str, ...]


class Decline(Value):
    """The institution says no."""

    reason: Reason


class Withdraw(Value):
    """The lab takes the draft or offer back."""

    reason: Reason


class Terminate(Value):
    """Either party ends an agreement in force."""

    reason: Reason


AgreementCommand = DraftAgreement | EditDraft | Offer | Sign | Decline | Withdraw | Terminate


def decide(state: Agreement, command: AgreementCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict, Invalid or VerificationError."""
    match command:
        case DraftAgreement():
            return _draft(state, command, actor, now)
        case EditDraft():
            _coordinator(actor)
            _status(state, AgreementStatus.DRAFT)
            check_clauses(command.clauses)
            return [AgreementEdited(title=command.title, clauses=command.clauses, at=now)]
        case Offer():
            _coordinator(actor)
            _status(state, AgreementStatus.DRAFT)
            check_clauses(state.clauses)
            return [AgreementOffered(document_digest=f"sha256:{sha256_hex(state.document_bytes())}", at=now)]
        case Sign():
            return _sign(state, command, actor, now)
        case Decline():
            _signatory(state, actor)
            _status(state, AgreementStatus.OFFERED)
            return [AgreementEnded(status=AgreementStatus.DECLINED, reason=command.reason, at=now)]
        case Withdraw():
            _coordinator(actor)
            _status(state, AgreementStatus.DRAFT, AgreementStatus.OFFERED, AgreementStatus.SIGNED)
            return [AgreementEnded(status=AgreementStatus.WITHDRAWN, reason=command.reason, at=now)]
        case Terminate():
            if not actor.is_coordinator:
                _signatory(state, actor)
            _status(state, AgreementStatus.IN_FORCE)
            return [AgreementEnded(status=AgreementStatus.TERMINATED, reason=command.reason, at=now)]


def _coordinator(actor: Actor) -> None:
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator of the lab may do this.")


def _signatory(state: Agreement, actor: Actor) -> None:
    if not actor.has(Role.PARTNER_LEAD, state.institution_id):
        raise Forbidden(
            "not_signatory",
            f"Only a partner lead of {state.institution_name} may do this.",
            hint="Ask your partner lead to sign in.",
        )


def _status(state: Agreement, *allowed: AgreementStatus) -> None:
    if state.status not in allowed:
        wanted = " or ".join(status.label for status in allowed)
        raise Conflict(
            "wrong_agreement_status", f"Agreement {state.id} is {state.status.label}; this needs it to be {wanted}."
        )


def _draft(state: Agreement, command: DraftAgreement, actor: Actor, now: datetime) -> Sequence[Event]:
    _coordinator(actor)
    if state.id:
        raise Conflict("agreement_exists", f"Agreement {state.id} exists.")
    if command.institution_id == LAB:
        raise Invalid("lab_with_itself", "The lab makes no agreement with itself.", param="institution_id")
    check_clauses(command.clauses)
    return [AgreementDrafted(**{name: getattr(command, name) for name in DraftAgreement.model_fields}, at=now)]


def _sign(state: Agreement, command: Sign, actor: Actor, now: datetime) -> Sequence[Event]:
    if command.party is PartyKind.INSTITUTION:
        _signatory(state, actor)
        _status(state, AgreementStatus.OFFERED)
    else:
        _coordinator(actor)
        _status(state, AgreementStatus.SIGNED)
    public_key = check_signature(state, command.envelope, command.keys)
    if any(signature.public_key == public_key for signature in state.signatures):
        raise VerificationError("same_key_twice", "The other party signed with this very key.")
    signature = Signature(
        party=command.party,
        signer_id=actor.person_id,
        signer_name=actor.name,
        public_key=public_key,
        document_digest=state.document_digest or "",
        envelope=command.envelope.to_json(),
        signed_at=now,
    )
    events: list[Event] = [AgreementSigned(signature=signature)]
    if command.party is PartyKind.LAB:
        events.append(AgreementEnteredIntoForce(at=now))
    return events


def check_signature(state: Agreement, envelope: Envelope, keys: Sequence[str]) -> str:
    """The public key (hex) that signed this agreement's document. Raises VerificationError.

    The envelope must carry exactly one signature by one of ``keys``, over exactly the offered bytes.
    """
    if not keys:
        raise VerificationError(
            "no_active_key",
            "The signing institution has no active key.",
            hint="Register a signing key first.",
        )
    if envelope.payload_type != PAYLOAD_TYPE or envelope.payload != state.document_bytes():
        raise VerificationError(
            "other_document",
            "The signature covers another document than the one offered.",
            hint="Export the agreement again and sign that file.",
        )
    if len(envelope.signatures) != 1:
        raise VerificationError("signature_count", "Exactly one signature is expected in the envelope.")
    for key in keys:
        try:
            verify(envelope, [PublicKey.from_raw(bytes.fromhex(key))])
        except VerificationError:
            continue
        return key
    raise VerificationError(
        "foreign_key",
        "The signature was not made by an active key of the signing institution.",
        hint="Sign with a key that your institution has registered here.",
    )


def evolve(state: Agreement, event: Event) -> Agreement:
    """Fold one event into the state."""
    match event:
        case AgreementDrafted():
            return Agreement(
                id=event.agreement_id,
                institution_id=event.institution_id,
                institution_name=event.institution_name,
                lab_name=event.lab_name,
                title=event.title,
                template_id=event.template_id,
                template_version=event.template_version,
                clauses=event.clauses,
                drafted_at=event.at,
            )
        case AgreementEdited():
            return state.model_copy(update={"title": event.title, "clauses": event.clauses})
        case AgreementOffered():
            return state.model_copy(
                update={
                    "status": AgreementStatus.OFFERED,
                    "document_digest": event.document_digest,
                    "offered_at": event.at,
                }
            )
        case AgreementSigned():
            return state.model_copy(
                update={"status": AgreementStatus.SIGNED, "signatures": (*state.signatures, event.signature)}
            )
        case AgreementEnteredIntoForce():
            return state.model_copy(update={"status": AgreementStatus.IN_FORCE, "in_force_at": event.at})
        case AgreementEnded():
            return state.model_copy(update={"status": event.status, "ended_at": event.at, "end_reason": event.reason})
        case _:
            raise TypeError(f"an agreement has no event {event.type_name!r}")


AGREEMENT: Decider[Agreement, AgreementCommand] = Decider(
    category="agreement", initial=Agreement(), decide=decide, evolve=evolve
)
