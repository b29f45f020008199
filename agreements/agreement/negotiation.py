"""From a draft to signatures: what each side may put on the table, and when a text comes into force."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from agreements.actors import LAB, Actor, PartyKind
from agreements.agreement.commands import (
    AddComment,
    Counter,
    Decline,
    DraftAgreement,
    EditDraft,
    Propose,
    Sign,
    Withdraw,
)
from agreements.agreement.events import (
    AgreementCommented,
    AgreementCountered,
    AgreementDrafted,
    AgreementEdited,
    AgreementEnded,
    AgreementEnteredIntoForce,
    AgreementOffered,
    AgreementProposed,
    AgreementSigned,
    ProposalDropped,
)
from agreements.agreement.room import fitting, next_number, room_for_comment
from agreements.agreement.signatures import signed_already, signed_by, still_due
from agreements.agreement.standing import coordinator, on_the_table, running, side_of, signatory, wrong_status
from agreements.agreement.state import Agreement, AgreementStatus
from agreements.agreement.versions import Change, Comment, Signature, Version, VersionStatus
from agreements.canonical import digest_of
from agreements.clauses import Clause, Signatory, Term, check_clauses, only
from agreements.deciders import Event
from agreements.dsse import Envelope
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, VerificationError
from agreements.keys import PublicKey
from agreements.recurrence import LONGEST

_TABLED = (VersionStatus.OFFERED, VersionStatus.COUNTERED, VersionStatus.SIGNED)


def draft(state: Agreement, command: DraftAgreement, actor: Actor, now: datetime) -> Sequence[Event]:
    """A first draft, by the lab."""
    coordinator(actor)
    if state.id:
        raise Conflict("agreement_exists", f"Agreement {state.id} exists.")
    if command.institution_id == LAB:
        raise Invalid("lab_with_itself", "The lab makes no agreement with itself.", param="institution_id")
    check_clauses(command.clauses, command.form)
    return [AgreementDrafted(**{name: getattr(command, name) for name in DraftAgreement.model_fields}, at=now)]


def edit(state: Agreement, command: EditDraft, actor: Actor, now: datetime) -> Sequence[Event]:
    """A draft's text, replaced."""
    coordinator(actor)
    on_the_table(state, VersionStatus.DRAFT)
    check_clauses(command.clauses, state.form)
    return [AgreementEdited(title=command.title, clauses=command.clauses, note=command.note, at=now)]


def offer(state: Agreement, actor: Actor, now: datetime) -> Sequence[Event]:
    """The lab's word: this text, frozen from now on."""
    coordinator(actor)
    proposal = on_the_table(state, VersionStatus.DRAFT, VersionStatus.COUNTERED)
    _lasts(state, proposal, now)
    if proposal.status is VersionStatus.COUNTERED:
        fitting(state.document(proposal.number))
        return [AgreementOffered(document_digest=proposal.digest or "", document=proposal.document, at=now)]
    check_clauses(proposal.clauses, state.form)
    if proposal.change is Change.AMENDMENT:
        _differs(state.shown, proposal.title, proposal.clauses)
    document = fitting(state.composed(proposal))
    return [AgreementOffered(document_digest=digest_of(document), document=document, at=now)]


def counter(state: Agreement, command: Counter, actor: Actor, now: datetime) -> Sequence[Event]:
    """The answer of the side whose turn it is: a new version, which overtakes the one on the table."""
    side = side_of(state, actor)
    turn = VersionStatus.OFFERED if side is PartyKind.INSTITUTION else VersionStatus.COUNTERED
    tabled = on_the_table(state, turn, to=side)
    check_clauses(command.clauses, state.form)
    _differs(tabled, command.title, command.clauses)
    answer = tabled.model_copy(
        update={
            "number": next_number(state, side),
            "title": command.title,
            "clauses": command.clauses,
            "proposed_by": side,
            "note": command.note,
        }
    )
    _lasts(state, answer, now)
    document = fitting(state.composed(answer))
    return [
        AgreementCountered(
            version=answer.number,
            by=side,
            title=command.title,
            clauses=command.clauses,
            note=command.note,
            document_digest=digest_of(document),
            document=document,
            at=now,
        )
    ]


def propose(state: Agreement, command: Propose, actor: Actor, now: datetime) -> Sequence[Event]:
    """Begin to change what is in force: a draft of the lab, or at once on the table by the institution."""
    side = side_of(state, actor)
    running(state, now)
    governing = state.governing
    if governing is None or state.expires_at is None:
        raise wrong_status(state, AgreementStatus.IN_FORCE.label)
    if state.proposal is not None and state.proposal.status is VersionStatus.DRAFT and side is PartyKind.INSTITUTION:
        raise Conflict(
            "proposal_open",
            f"{state.lab_name} is preparing a change of agreement {state.id}, and there is one at a time.",
            hint="Ask a coordinator to offer it or to take it back.",
            fixer=Fixer.COORDINATOR,
        )
    if state.proposal is not None:
        raise Conflict(
            "proposal_open",
            f"Version {state.proposal.number} of agreement {state.id} is still {state.proposal.status.label}.",
            hint="Finish, decline or withdraw it first.",
        )
    check_clauses(command.clauses, state.form)
    if command.change is Change.FIRST:
        raise Invalid("not_a_change", "A proposal is an amendment or a renewal.", param="change")
    if command.change is Change.RENEWAL:
        _renewable(state, governing, now)
    elif side is PartyKind.INSTITUTION:
        _differs(governing, command.title, command.clauses)
    begun = AgreementProposed(
        version=next_number(state, side),
        change=command.change,
        title=command.title,
        clauses=command.clauses,
        template_version=command.template_version,
        proposed_by=side,
        amends=governing.digest or "",
        note=command.note,
        at=now,
    )
    document = fitting(state.composed(version_begun(begun)))
    if side is PartyKind.LAB:
        return [begun]
    _lasts(state, version_begun(begun), now)
    return [
        begun,
        AgreementCountered(
            version=begun.version,
            by=side,
            title=begun.title,
            clauses=begun.clauses,
            note=begun.note,
            document_digest=digest_of(document),
            document=document,
            at=now,
        ),
    ]


def version_begun(event: AgreementProposed) -> Version:
    """The version that a proposal begins as."""
    return Version(
        number=event.version,
        change=event.change,
        title=event.title,
        clauses=event.clauses,
        template_version=event.template_version,
        proposed_by=event.proposed_by,
        amends=event.amends,
        note=event.note,
    )


def comment(state: Agreement, command: AddComment, actor: Actor, now: datetime) -> Sequence[Event]:
    """A remark, kept with the version it is about."""
    side = side_of(state, actor)
    proposal = state.proposal
    about = proposal if proposal is not None and (actor.is_coordinator or proposal.tabled_at) else state.shown
    if command.clause_id is not None and command.clause_id not in {clause.clause_id for clause in about.clauses}:
        raise Invalid(
            "clause_unknown", f"Version {about.number} has no clause {command.clause_id!r}.", param="clause_id"
        )
    room_for_comment(state, side)
    return [
        AgreementCommented(
            comment=Comment(
                number=len(state.comments) + 1,
                version=about.number,
                clause_id=command.clause_id,
                party=side,
                by_id=actor.person_id,
                by_name=actor.name,
                text=command.text,
                at=now,
            )
        )
    ]


def sign(state: Agreement, command: Sign, actor: Actor, now: datetime) -> Sequence[Event]:
    """A signature in its turn; with the last one the text comes into force."""
    proposal = on_the_table(state, VersionStatus.OFFERED, VersionStatus.SIGNED, to=command.party)
    place = proposal.next_signatory
    if place is None:
        raise wrong_status(state, "awaiting a signature")
    _in_turn(state, place, command.party, actor)
    if signed_already(proposal.signatures, place.party, actor.person_id):
        raise Conflict("signed_already", "You have signed this version; the next signature is somebody else's.")
    if any(one.signer_id == actor.person_id for one in proposal.signatures):
        raise Conflict(
            "signed_for_other_side",
            "You have signed this version for the other side; nobody makes an agreement with themselves.",
            hint="Somebody else has to sign for this side.",
        )
    if proposal.change is not Change.FIRST:
        running(state, now)
        _lasts(state, proposal, now)
    if command.signed_before not in {None, len(proposal.signatures)}:
        raise Conflict(
            "signed_meanwhile",
            f"Somebody else has signed version {proposal.number} meanwhile.",
            hint="Look at it again, and sign it then.",
        )
    public_key = _signing_key(state.document_bytes(proposal.number), command.envelope, command.keys)
    signature = Signature(
        party=place.party,
        signer_id=actor.person_id,
        signer_name=actor.name,
        public_key=public_key,
        document_digest=proposal.digest or "",
        envelope=command.envelope.to_json(),
        signed_at=now,
        role=place.role,
    )
    events: list[Event] = [AgreementSigned(signature=signature)]
    if not still_due((*proposal.signatures, signature), [one.party for one in proposal.order]):
        if command.missing:
            raise Conflict(
                "prerequisites_missing",
                f"The agreement cannot enter into force yet: {'; '.join(command.missing)}.",
                hint="The agreement's checklist says who can clear each.",
            )
        events.append(_enter(state, proposal, now))
    return events


def _in_turn(state: Agreement, place: Signatory, party: PartyKind, actor: Actor) -> None:
    if party is PartyKind.INSTITUTION:
        signatory(state, actor)
    else:
        coordinator(actor)
    if place.party is not party:
        raise wrong_status(state, f"awaiting the signature {place}", stands="awaiting another signature")
    if place.email is not None and actor.email.casefold() != place.email.casefold():
        raise Forbidden("other_signatory", f"The agreement names {place.email} for this signature.", fixer=Fixer.NOBODY)


def _enter(state: Agreement, proposal: Version, now: datetime) -> AgreementEnteredIntoForce:
    governing = state.governing
    if governing is None:
        return AgreementEnteredIntoForce(at=now, term_starts_at=now)
    starts = state.expires_at if proposal.change is Change.RENEWAL else state.term_starts_at
    return AgreementEnteredIntoForce(at=now, term_starts_at=starts, grace_ends_at=now + governing.grace)


def _signing_key(document: bytes, envelope: Envelope, keys: Sequence[str]) -> str:
    """The one of ``keys`` (raw, in hex) that signed exactly the offered ``document``. Raises VerificationError."""
    if not keys:
        raise VerificationError(
            "no_active_key",
            "The signing institution has no active key.",
            hint="Register a signing key first.",
        )
    try:
        return signed_by(envelope, document, [PublicKey.from_raw(bytes.fromhex(key)) for key in keys]).raw.hex()
    except VerificationError as error:
        if error.code != "bad_signature":
            raise
    raise VerificationError(
        "foreign_key",
        "The signature was not made by an active key of the signing institution.",
        hint="Sign with a key that your institution has registered here.",
    )


def decline(state: Agreement, command: Decline, actor: Actor, now: datetime) -> Sequence[Event]:
    """The other side's text is refused; also after signatures, since nobody is bound before the last one."""
    side = side_of(state, actor)
    proposal = on_the_table(state, *_TABLED, to=side)
    if _text_of(proposal) is side:
        raise Forbidden(
            "own_text", "One's own text is withdrawn, not declined.", hint="Withdraw it.", fixer=Fixer.CALLER
        )
    return _drop(state, proposal, AgreementStatus.DECLINED, command.reason, now)


def withdraw(state: Agreement, command: Withdraw, actor: Actor, now: datetime) -> Sequence[Event]:
    """One's own text is taken back."""
    side = side_of(state, actor)
    open_to_lab = (VersionStatus.DRAFT, VersionStatus.OFFERED, VersionStatus.COUNTERED, VersionStatus.SIGNED)
    proposal = on_the_table(state, *open_to_lab, to=side)
    if _text_of(proposal) is not side:
        raise Forbidden(
            "not_own_text", "The other side's text is declined, not withdrawn.", hint="Decline it.", fixer=Fixer.CALLER
        )
    return _drop(state, proposal, AgreementStatus.WITHDRAWN, command.reason, now)


def _text_of(proposal: Version) -> PartyKind:
    """Who stands for the text as it is now: the lab, unless the institution has just put its own on the table."""
    return PartyKind.INSTITUTION if proposal.status is VersionStatus.COUNTERED else PartyKind.LAB


def _drop(state: Agreement, proposal: Version, status: AgreementStatus, reason: str, now: datetime) -> Sequence[Event]:
    if proposal.change is Change.FIRST:
        return [AgreementEnded(status=status, reason=reason, at=now)]
    return [ProposalDropped(version=proposal.number, status=VersionStatus(status.value), reason=reason, at=now)]


def _lasts(state: Agreement, proposal: Version, now: datetime) -> None:
    """A change that ended the agreement in the past would undo what was allowed then, and move what is owed."""
    ends = state.end_under(proposal)
    if ends is not None and ends <= now:
        raise Conflict(
            "term_over_at_once",
            f"The term of {proposal.term_days:,} days was over on {ends:%Y-%m-%d %H:%M} UTC.",
            hint="Agree on a longer term, or terminate the agreement.",
        )
    if ends is not None and state.in_force_at is not None and ends - state.in_force_at > LONGEST:
        # What is owed is computed to the end; nobody could read it any more.
        raise Conflict(
            "term_too_far",
            f"The term would end on {ends:%Y-%m-%d}, and no agreement runs for more than {LONGEST.days:,} days in all.",
            hint="Agree on a shorter term, or begin a new agreement.",
        )


def _differs(before: Version, title: str, clauses: Sequence[Clause]) -> None:
    if before.title == title and before.clauses == tuple(clauses):
        raise Invalid(
            "nothing_changed",
            f"The text is the same as that of version {before.number}.",
            hint="Change a clause, or sign what is on the table.",
        )


def _renewable(state: Agreement, governing: Version, now: datetime) -> None:
    term = only(governing.clauses, Term)
    if term is None or state.expires_at is None:
        raise wrong_status(state, AgreementStatus.IN_FORCE.label)
    if term.renewals is not None and state.renewals() >= term.renewals:
        raise Conflict(
            "renewals_used_up",
            f"The agreement allows {term.renewals} renewals, and as many were made.",
            hint="Amend the term first, or begin a new agreement.",
        )
    if term.renewal_window_days is not None:
        opens = state.expires_at - timedelta(days=term.renewal_window_days)
        if now < opens:
            raise Conflict(
                "renewal_too_early",
                f"A renewal can be proposed from {opens:%Y-%m-%d} on.",
                hint="Until then the term can be changed by an amendment.",
            )
