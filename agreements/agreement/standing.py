"""Who may do something to an agreement, and in which state of it; said once for all commands."""

from datetime import datetime

from agreements.actors import Actor, PartyKind, Role
from agreements.agreement.state import Agreement, AgreementStatus
from agreements.agreement.versions import Version, VersionStatus
from agreements.errors import Conflict, Fixer, Forbidden


def coordinator(actor: Actor) -> None:
    """Raises Forbidden for everybody but a coordinator."""
    if not actor.is_coordinator:
        raise Forbidden("not_coordinator", "Only a coordinator of the lab may do this.")


def signatory(state: Agreement, actor: Actor) -> None:
    """Raises Forbidden for everybody but a lead of the institution."""
    if not actor.has(Role.PARTNER_LEAD, state.institution_id):
        raise Forbidden(
            "not_signatory",
            f"Only a partner lead of {state.institution_name} may do this.",
            hint="Ask your partner lead to sign in.",
            fixer=Fixer.LEAD,
        )


def side_of(state: Agreement, actor: Actor) -> PartyKind:
    """For which side the actor speaks. Raises Forbidden for those who speak for neither."""
    if actor.is_coordinator:
        return PartyKind.LAB
    signatory(state, actor)
    return PartyKind.INSTITUTION


def wrong_status(state: Agreement, *wanted: str, stands: str | None = None) -> Conflict:
    """The refusal that names how it stands and how it would have to stand."""
    return Conflict(
        "wrong_agreement_status",
        f"Agreement {state.id} is {stands or state.status.label}; this needs it to be {' or '.join(wanted)}.",
    )


def running(state: Agreement, now: datetime) -> None:
    """Raises Conflict where its term does not run."""
    if not state.runs_on(now):
        raise wrong_status(state, AgreementStatus.IN_FORCE.label, stands=state.status_on(now).label)


def on_the_table(state: Agreement, *allowed: VersionStatus, to: PartyKind = PartyKind.LAB) -> Version:
    """The version under negotiation, if it stands in one of these ways. Raises Conflict.

    ``to`` the institution a draft of the lab is not there, in what is refused either.
    """
    proposal = state.proposal
    if proposal is not None and proposal.status is VersionStatus.DRAFT and to is PartyKind.INSTITUTION:
        proposal = None
    if proposal is None or proposal.status not in allowed:
        stands = proposal.status.label if proposal is not None else None
        raise wrong_status(state, *(status.label for status in allowed), stands=stands)
    return proposal
