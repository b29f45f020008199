"""The passport: an institution's vetting, done once and relied on by every agreement.

An institution hands in, a coordinator who did not hand it in accepts until a date of their choice or returns it with a
reason, and may revoke. What another portal accepted can be taken over on that portal's signed word.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from agreements.actors import LAB, Actor, Role
from agreements.canonical import parse_json, sha256_hex
from agreements.deciders import Decider, Event, Value
from agreements.dsse import Envelope
from agreements.errors import Conflict, Fixer, Forbidden, Invalid
from agreements.institutions import KeyHex
from agreements.keys import PublicKey
from agreements.passport_credential import MAX_PASSPORT_BYTES, PassportCredential, VettedItem, verify_passport
from agreements.scopes import Moment
from agreements.vetting import (
    MAX_EVIDENCE,
    MAX_PEOPLE,
    MAX_STATEMENT,
    Evidence,
    ItemRecord,
    ItemStanding,
    ItemStatus,
    OneLine,
    Passport,
    Review,
    Revocation,
    Submission,
    Takeover,
    VettingItem,
)

MOST_VALID = timedelta(days=5 * 365 + 2)
"""Guards against a mistyped year. How long an acceptance holds is the reviewer's to say, each time."""

_REASON = Field(min_length=3, max_length=1000)


class Submitted(Event, type="passport:submitted"):
    """The institution, or a coordinator on its behalf, handed something in."""

    institution_id: str
    item: VettingItem
    statement: str
    evidence: tuple[Evidence, ...] = ()
    people: tuple[str, ...] = ()
    submitted_by: str
    submitter_name: str
    at: Moment


class Accepted(Event, type="passport:accepted"):
    """A coordinator accepted a submission until a date."""

    item: VettingItem
    submission: int
    reason: str = ""
    reviewer_id: str
    reviewer_name: str
    valid_until: Moment
    at: Moment


class Returned(Event, type="passport:returned"):
    """A coordinator gave a submission back."""

    item: VettingItem
    submission: int
    reason: str
    reviewer_id: str
    reviewer_name: str
    at: Moment


class Revoked(Event, type="passport:revoked"):
    """A coordinator ended what had been accepted."""

    item: VettingItem
    reason: str
    revoked_by: str
    revoker_name: str
    at: Moment


class Imported(Event, type="passport:imported"):
    """Another portal's acceptances were taken over on its word; the envelope that proves it is kept here."""

    institution_id: str
    items: tuple[VettedItem, ...]
    """Only what was taken over."""
    issuer_name: str
    issuer_key: KeyHex
    subject_name: str
    credential_digest: str
    envelope: dict[str, Any]
    imported_by: str
    importer_name: str
    at: Moment


class Submit(Value):
    """Hand in one item."""

    institution_id: str
    item: VettingItem
    statement: Annotated[str, Field(min_length=1, max_length=MAX_STATEMENT)]
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=MAX_EVIDENCE)] = ()
    people: Annotated[tuple[OneLine, ...], Field(max_length=MAX_PEOPLE)] = ()


class ReviewItem(Value):
    """Accept until ``valid_until``, or return with a reason. ``submission`` is the one read; None takes the latest."""

    item: VettingItem
    accepted: bool
    reason: Annotated[str, Field(max_length=1000)] = ""
    valid_until: Moment | None = None
    submission: int | None = None


class Revoke(Value):
    """End what was accepted."""

    item: VettingItem
    reason: Annotated[str, _REASON]


class ImportCredential(Value):
    """Take over what a passport credential attests. ``data`` is the file; ``issuer_key`` the issuer's, in hex."""

    institution_id: str
    institution_name: str
    data: bytes
    issuer_key: KeyHex
    own_key: KeyHex
    earlier_own_keys: tuple[KeyHex, ...] = ()
    """Keys with which the lab signed before."""
    """This portal's own key: it takes nothing over from itself."""
    subject_confirmed: bool = False
    """Whether the coordinator says that the subject, though named otherwise, is this institution."""


PassportCommand = Submit | ReviewItem | Revoke | ImportCredential


def decide(state: Passport, command: PassportCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict, Invalid or VerificationError."""
    match command:
        case Submit():
            return _submit(command, actor, now)
        case ReviewItem():
            return _review(state, command, actor, now)
        case Revoke():
            return _revoke(state, command, actor, now)
        case ImportCredential():
            return _import(state, command, actor, now)


def _submit(command: Submit, actor: Actor, now: datetime) -> Sequence[Event]:
    if not (actor.is_coordinator or actor.has(Role.PARTNER_LEAD, command.institution_id)):
        raise Forbidden(
            "not_signatory",
            "Only a partner lead of the institution, or a coordinator on its behalf, hands in its vetting.",
            hint="Ask your partner lead.",
            fixer=Fixer.LEAD,
        )
    _refuse_lab(command.institution_id)
    if command.people and command.item is not VettingItem.TRAINING:
        raise Invalid("people_not_trained", "Only training names people.", param="people")
    return [
        Submitted(**dict(command), submitted_by=actor.person_id, submitter_name=actor.name, at=now),
    ]


def _review(state: Passport, command: ReviewItem, actor: Actor, now: datetime) -> Sequence[Event]:
    _require_coordinator(actor)
    pending = state.record(command.item).pending
    if pending is None:
        raise Conflict(
            "nothing_to_review",
            f"No {command.item.label} waits for review.",
            hint="The institution's partner lead hands it in.",
            fixer=Fixer.LEAD,
        )
    if command.submission is not None and command.submission != pending.number:
        raise Conflict(
            "other_submission",
            f"Submission {pending.number} waits for review, not {command.submission}.",
            hint="Read what is handed in now, and review that.",
        )
    if pending.submitted_by == actor.person_id:
        raise _own_evidence("Nobody reviews what they handed in themselves.")
    _refuse_own_institution(state.institution_id, actor)
    told = {
        "item": command.item,
        "submission": pending.number,
        "reviewer_id": actor.person_id,
        "reviewer_name": actor.name,
        "at": now,
        "reason": command.reason.strip(),
    }
    if not command.accepted:
        if not command.reason.strip():
            raise Invalid("reason_missing", "What is returned is returned with a reason.", param="reason")
        if command.valid_until is not None:
            raise Invalid("returned_until", "What is returned has no validity.", param="valid_until")
        return [Returned.model_validate(told)]
    if command.valid_until is None:
        raise Invalid(
            "valid_until_missing",
            "An acceptance says until when it holds.",
            hint="Give the date on which it has to be looked at again.",
            param="valid_until",
        )
    _check_validity(command.valid_until, now)
    return [Accepted.model_validate({**told, "valid_until": command.valid_until})]


def _revoke(state: Passport, command: Revoke, actor: Actor, now: datetime) -> Sequence[Event]:
    _require_coordinator(actor)
    standing = state.standing(command.item, now)
    if not standing.valid:
        raise Conflict(
            "not_valid", f"There is nothing to revoke. {standing.message}", hint="Only what is valid is revoked."
        )
    return [
        Revoked(
            item=command.item,
            reason=command.reason,
            revoked_by=actor.person_id,
            revoker_name=actor.name,
            at=now,
        )
    ]


def _import(state: Passport, command: ImportCredential, actor: Actor, now: datetime) -> Sequence[Event]:
    _require_coordinator(actor)
    _refuse_lab(command.institution_id)
    _refuse_own_institution(command.institution_id, actor)
    issuer = PublicKey.from_raw(bytes.fromhex(command.issuer_key))
    credential = verify_passport(command.data, [issuer])
    if command.issuer_key in (command.own_key, *command.earlier_own_keys):
        raise Conflict(
            "own_credential",
            "This portal issued the passport itself; it adds nothing to what is recorded here.",
            hint="Review what the institution hands in.",
        )
    if credential.subject_name != command.institution_name and not command.subject_confirmed:
        raise Conflict(
            "other_subject",
            f"The passport is of {credential.subject_name!r}, and the institution is {command.institution_name!r}.",
            hint="If they are the same, confirm the subject.",
            param="subject_confirmed",
        )
    if credential.valid_from > now:
        raise Invalid("not_yet_valid", "The passport is not valid yet.", hint="Check the clocks of both portals.")
    items = tuple(one for one in credential.vetting if _adds(state.record(one.item), one, now))
    if not items:
        raise Conflict(
            "nothing_to_import",
            "Nothing in the passport is valid now and goes beyond what is recorded here.",
            hint="Ask the institution for a newer one.",
        )
    for one in items:
        _check_validity(one.valid_until, now)
    return [_imported(command, credential, items, actor, now)]


def _imported(
    command: ImportCredential,
    credential: PassportCredential,
    items: tuple[VettedItem, ...],
    actor: Actor,
    now: datetime,
) -> Imported:
    return Imported(
        institution_id=command.institution_id,
        items=items,
        issuer_name=credential.issuer_name,
        issuer_key=credential.issuer_key,
        subject_name=credential.subject_name,
        credential_digest=f"sha256:{sha256_hex(command.data)}",
        envelope=Envelope.from_json(parse_json(command.data, MAX_PASSPORT_BYTES)).to_json(),
        imported_by=actor.person_id,
        importer_name=actor.name,
        at=now,
    )


def _adds(record: ItemRecord, vetted: VettedItem, now: datetime) -> bool:
    if vetted.valid_until <= now or (record.valid_until is not None and vetted.valid_until <= record.valid_until):
        return False
    # What was revoked here is not brought back by an acceptance from before.
    return record.revoked_at is None or record.revoked_at < vetted.accepted_at


def _check_validity(until: datetime, now: datetime) -> None:
    if not now < until <= now + MOST_VALID:
        raise Invalid(
            "validity_out_of_range",
            "Vetting is valid until a day that is still to come and at most five years off.",
            param="valid_until",
        )


def _require_coordinator(actor: Actor) -> None:
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator decides what counts in a passport.")


def _refuse_lab(institution_id: str) -> None:
    if institution_id == LAB:
        raise Invalid("lab_has_no_passport", "The lab vets its partners; it has no passport at its own portal.")


def _refuse_own_institution(institution_id: str, actor: Actor) -> None:
    if actor.belongs_to(institution_id):
        raise _own_evidence("Nobody vets an institution that they belong to.")


def _own_evidence(message: str) -> Conflict:
    return Conflict("own_evidence", message, hint="Ask another coordinator.", fixer=Fixer.COORDINATOR)


def evolve(state: Passport, event: Event) -> Passport:
    """Fold one event into the state."""
    match event:
        case Submitted():
            number = len(state.record(event.item).submissions) + 1
            told = event.model_dump(exclude={"institution_id", "item"})
            named = state.model_copy(update={"institution_id": event.institution_id})
            return named.added(event.item, Submission.model_validate({**told, "number": number}))
        case Accepted():
            return state.added(event.item, Review(accepted=True, **event.model_dump(exclude={"item"})))
        case Returned():
            return state.added(event.item, Review(accepted=False, **event.model_dump(exclude={"item"})))
        case Revoked():
            return state.added(event.item, Revocation(**event.model_dump(exclude={"item"})))
        case Imported():
            grown = state.model_copy(update={"institution_id": event.institution_id})
            for one in event.items:
                grown = grown.added(one.item, _takeover(event, one))
            return grown
        case _:
            raise TypeError(f"a passport has no event {event.type_name!r}")


def _takeover(event: Imported, vetted: VettedItem) -> Takeover:
    return Takeover(
        issuer_name=event.issuer_name,
        issuer_key=event.issuer_key,
        credential_digest=event.credential_digest,
        reviewer=vetted.reviewer,
        accepted_at=vetted.accepted_at,
        evidence_digests=vetted.evidence,
        valid_until=vetted.valid_until,
        imported_by=event.imported_by,
        importer_name=event.importer_name,
        at=event.at,
    )


PASSPORT: Decider[Passport, PassportCommand] = Decider(
    category="passport", initial=Passport(), decide=decide, evolve=evolve
)

__all__ = [
    "MOST_VALID",
    "PASSPORT",
    "Accepted",
    "Evidence",
    "ImportCredential",
    "Imported",
    "ItemRecord",
    "ItemStanding",
    "ItemStatus",
    "Passport",
    "PassportCommand",
    "Returned",
    "Review",
    "ReviewItem",
    "Revocation",
    "Revoke",
    "Revoked",
    "Submission",
    "Submit",
    "Submitted",
    "Takeover",
    "VettingItem",
    "decide",
    "evolve",
]
