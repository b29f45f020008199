"""How each event changes the state of an agreement."""

from agreements.actors import PartyKind
from agreements.agreement.events import (
    AgreementClosed,
    AgreementCommented,
    AgreementCountered,
    AgreementDrafted,
    AgreementEdited,
    AgreementEnded,
    AgreementEnteredIntoForce,
    AgreementNarrowed,
    AgreementOffered,
    AgreementProposed,
    AgreementSigned,
    AgreementSuspended,
    AgreementWidened,
    AppealDecided,
    ProposalDropped,
    SuspensionAppealed,
    SuspensionLifted,
)
from agreements.agreement.measures import Suspension
from agreements.agreement.negotiation import version_begun
from agreements.agreement.state import Agreement, AgreementStatus
from agreements.agreement.versions import Version, VersionStatus
from agreements.deciders import Event


def evolve(state: Agreement, event: Event) -> Agreement:
    """Fold one event into the state."""
    match event:
        case AgreementDrafted():
            return _drafted(event)
        case AgreementEdited():
            return _last(state, title=event.title, clauses=event.clauses, note=event.note)
        case AgreementProposed():
            return state.model_copy(update={"versions": (*state.versions, version_begun(event))})
        case AgreementOffered() | AgreementCountered():
            return _tabled(state, event)
        case AgreementCommented():
            return state.model_copy(update={"comments": (*state.comments, event.comment)})
        case AgreementSigned():
            signed = (*state.versions[-1].signatures, event.signature)
            return _stands(_last(state, status=VersionStatus.SIGNED, signatures=signed), AgreementStatus.SIGNED)
        case AgreementEnteredIntoForce():
            return _entered(state, event)
        case ProposalDropped():
            return _last(state, status=event.status, drop_reason=event.reason)
        case AgreementEnded():
            return _ended(state, event)
        case AgreementClosed():
            return _without_proposal(state).model_copy(
                update={
                    "status": AgreementStatus.CLOSED,
                    "closed_at": event.at,
                    "close_note": event.note,
                    "fulfilled": event.fulfilled,
                    "ended_at": state.ended_at or state.expires_at,
                }
            )
        case _:
            return _measure(state, event)


def _measure(state: Agreement, event: Event) -> Agreement:
    match event:
        case AgreementSuspended():
            return state.model_copy(update={"suspensions": (*state.suspensions, event.suspension)})
        case SuspensionLifted():
            lifted = {
                "lifted_at": event.at,
                "lifted_by": event.by_id,
                "lifted_by_name": event.by_name,
                "lift_reason": event.reason,
            }
            return _suspension(state, event.number, lifted)
        case SuspensionAppealed():
            return _suspension(state, event.number, {"appeal": event.appeal})
        case AppealDecided():
            return _appeal(state, event)
        case AgreementNarrowed():
            return state.model_copy(update={"narrowings": (*state.narrowings, event.narrowing)})
        case AgreementWidened():
            widened = {
                "widened_at": event.at,
                "widened_by": event.by_id,
                "widened_by_name": event.by_name,
                "widen_reason": event.reason,
            }
            narrowings = tuple(
                entry.model_copy(update=widened) if entry.number == event.number else entry
                for entry in state.narrowings
            )
            return state.model_copy(update={"narrowings": narrowings})
        case _:
            raise TypeError(f"an agreement has no event {event.type_name!r}")


def _drafted(event: AgreementDrafted) -> Agreement:
    first = Version(number=1, title=event.title, clauses=event.clauses, template_version=event.template_version)
    return Agreement(
        id=event.agreement_id,
        institution_id=event.institution_id,
        institution_name=event.institution_name,
        lab_name=event.lab_name,
        form=event.form,
        framework=event.framework,
        template_id=event.template_id,
        versions=(first,),
        drafted_at=event.at,
    )


def _tabled(state: Agreement, event: AgreementOffered | AgreementCountered) -> Agreement:
    """A text comes onto the table; one it overtakes goes off it."""
    if isinstance(event, AgreementOffered):
        last = state.versions[-1]
        document = event.document or state.composed(last)
        offered = _last(
            state,
            status=VersionStatus.OFFERED,
            document=document,
            digest=event.document_digest,
            tabled_at=last.tabled_at or event.at,
        )
        return _stands(offered, AgreementStatus.OFFERED)
    last = state.versions[-1]
    if last.number != event.version:
        overtaken = last.model_copy(update={"status": VersionStatus.SUPERSEDED})
        answer = last.model_copy(update={"number": event.version, "signatures": ()})
        state = state.model_copy(update={"versions": (*state.versions[:-1], overtaken, answer)})
    by_lab = event.by is PartyKind.LAB
    countered = _last(
        state,
        title=event.title,
        clauses=event.clauses,
        note=event.note,
        proposed_by=event.by,
        status=VersionStatus.OFFERED if by_lab else VersionStatus.COUNTERED,
        document=event.document,
        digest=event.document_digest,
        tabled_at=event.at,
    )
    return _stands(countered, AgreementStatus.OFFERED if by_lab else AgreementStatus.COUNTERED)


def _entered(state: Agreement, event: AgreementEnteredIntoForce) -> Agreement:
    versions = tuple(
        version.model_copy(
            update={
                "status": VersionStatus.REPLACED,
                "replaced_at": event.at,
                "grace_ends_at": event.grace_ends_at or event.at,
            }
        )
        if version.status is VersionStatus.IN_FORCE
        else version
        for version in state.versions
    )
    entered = versions[-1].model_copy(update={"status": VersionStatus.IN_FORCE, "effective_at": event.at})
    return state.model_copy(
        update={
            "versions": (*versions[:-1], entered),
            "status": AgreementStatus.IN_FORCE,
            "in_force_at": state.in_force_at or event.at,
            "term_starts_at": event.term_starts_at or event.at,
        }
    )


def _ended(state: Agreement, event: AgreementEnded) -> Agreement:
    gone = VersionStatus.DECLINED if event.status is AgreementStatus.DECLINED else VersionStatus.WITHDRAWN
    return _without_proposal(state, gone).model_copy(
        update={"status": event.status, "ended_at": event.at, "end_reason": event.reason}
    )


def _without_proposal(state: Agreement, gone: VersionStatus = VersionStatus.WITHDRAWN) -> Agreement:
    """With the end of the whole, what was still negotiated goes too."""
    return state if state.proposal is None else _last(state, status=gone)


def _stands(state: Agreement, status: AgreementStatus) -> Agreement:
    """The status of the whole follows the negotiation only until a version governs."""
    return state if state.governing is not None else state.model_copy(update={"status": status})


def _last(state: Agreement, **changes: object) -> Agreement:
    last = state.versions[-1].model_copy(update=changes)
    return state.model_copy(update={"versions": (*state.versions[:-1], last)})


def _suspension(state: Agreement, number: int, changes: dict[str, object]) -> Agreement:
    def changed(entry: Suspension) -> Suspension:
        return entry.model_copy(update=changes) if entry.number == number else entry

    return state.model_copy(update={"suspensions": tuple(changed(entry) for entry in state.suspensions)})


def _appeal(state: Agreement, event: AppealDecided) -> Agreement:
    decided = {
        "outcome": event.outcome,
        "decided_by": event.by_id,
        "decided_by_name": event.by_name,
        "decided_at": event.at,
        "reasons": event.reasons,
    }
    appeals = {entry.number: entry.appeal for entry in state.suspensions}
    appeal = appeals.get(event.number)
    if appeal is None:
        raise TypeError("an appeal is decided after it was filed")
    return _suspension(state, event.number, {"appeal": appeal.model_copy(update=decided)})
