"""Invitations: somebody is asked by e-mail to take roles, and becomes a person by accepting.

The link's secret is nowhere on record; an invitation knows its SHA-256, and sending it again replaces that.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from agreements.actors import Actor, Membership
from agreements.deciders import Decider, Event, Value
from agreements.errors import Conflict, Forbidden, Unauthenticated
from agreements.people import Email, Roles, Why, check_admits, may_admit


class InvitationStatus(StrEnum):
    """How far an invitation has come; one that is open may be past its time."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


class Invitation(Value):
    """Current state. An empty ``id`` means that nobody was invited."""

    id: str = ""
    email: str = ""
    memberships: tuple[Membership, ...] = ()
    invited_by: str = ""
    invited_at: datetime | None = None
    expires_at: datetime | None = None
    status: InvitationStatus = InvitationStatus.OPEN
    reason: str = ""
    """Why it was revoked."""
    person_id: str = ""
    """Who accepted it."""
    code_id: str = ""
    """The SHA-256 of the link's secret."""

    def open_on(self, now: datetime) -> bool:
        """Whether it can be accepted at ``now``."""
        within = self.expires_at is not None and now < self.expires_at
        return bool(self.id) and self.status is InvitationStatus.OPEN and within


class PersonInvited(Event, type="invitation:sent"):
    """Somebody was asked to take roles."""

    invitation_id: str
    email: str
    memberships: tuple[Membership, ...]
    invited_by: str
    code_id: str
    expires_at: datetime
    at: datetime


class InvitationRenewed(Event, type="invitation:renewed"):
    """A new link was made; the one before is dead."""

    code_id: str
    invited_by: str
    expires_at: datetime
    at: datetime


class InvitationRevoked(Event, type="invitation:revoked"):
    """It can be accepted no more."""

    reason: str
    at: datetime


class InvitationAccepted(Event, type="invitation:accepted"):
    """Who was invited is a person now."""

    person_id: str
    at: datetime


class Invite(Value):
    """Ask somebody to take roles."""

    invitation_id: str
    email: Email
    memberships: Roles
    code_id: str
    expires_at: datetime


class RenewInvitation(Value):
    """Make a new link."""

    code_id: str
    expires_at: datetime


class RevokeInvitation(Value):
    """Take it back."""

    reason: Why


class AcceptInvitation(Value):
    """Become a person. ``code_id`` is that of the link that was opened."""

    code_id: str
    person_id: str


InvitationCommand = Invite | RenewInvitation | RevokeInvitation | AcceptInvitation


def may_manage(actor: Actor, invitation: Invitation) -> bool:
    """Whether the actor may see and change it: who could give all its roles."""
    return bool(invitation.id) and all(may_admit(actor, membership) for membership in invitation.memberships)


def invitation_over() -> Unauthenticated:
    """The refusal of a link that opens nothing, whatever the cause."""
    return Unauthenticated(
        "invitation_over",
        "This invitation was accepted or taken back, was replaced by a newer link, or its time is over.",
        hint="Ask whoever invited you for a new link.",
    )


def decide(state: Invitation, command: InvitationCommand, actor: Actor, now: datetime) -> Sequence[Event]:
    """The events a command causes. Raises Forbidden, Conflict, Invalid or Unauthenticated."""
    match command:
        case Invite():
            if state.id:
                raise Conflict("invitation_exists", "An invitation with this id exists.")
            check_admits(actor, command.memberships)
            fields = {name: getattr(command, name) for name in Invite.model_fields}
            return [PersonInvited(**fields, invited_by=actor.person_id, at=now)]
        case AcceptInvitation():
            if not actor.is_automatic:
                raise Forbidden("rules_only", "Only the rule that opens links accepts an invitation.")
            if command.code_id != state.code_id or not state.open_on(now):
                raise invitation_over()
            return [InvitationAccepted(person_id=command.person_id, at=now)]
        case RenewInvitation():
            _manageable(state, actor)
            return [
                InvitationRenewed(
                    code_id=command.code_id, invited_by=actor.person_id, expires_at=command.expires_at, at=now
                )
            ]
        case RevokeInvitation():
            _manageable(state, actor)
            return [InvitationRevoked(reason=command.reason, at=now)]


def _manageable(state: Invitation, actor: Actor) -> None:
    if not may_manage(actor, state):
        raise Forbidden("not_lead", "Only a coordinator, or a partner lead for their own members, invites people.")
    if state.status is not InvitationStatus.OPEN:
        raise Conflict("invitation_closed", f"The invitation was {state.status.value} before.")


def evolve(state: Invitation, event: Event) -> Invitation:
    """Fold one event into the state."""
    match event:
        case PersonInvited():
            return Invitation(
                id=event.invitation_id,
                email=event.email,
                memberships=event.memberships,
                invited_by=event.invited_by,
                invited_at=event.at,
                expires_at=event.expires_at,
                code_id=event.code_id,
            )
        case InvitationRenewed():
            renewed = {"code_id": event.code_id, "invited_by": event.invited_by, "expires_at": event.expires_at}
            return state.model_copy(update=renewed)
        case InvitationRevoked():
            return state.model_copy(update={"status": InvitationStatus.REVOKED, "reason": event.reason})
        case InvitationAccepted():
            return state.model_copy(update={"status": InvitationStatus.ACCEPTED, "person_id": event.person_id})
        case _:
            raise TypeError(f"an invitation has no event {event.type_name!r}")


INVITATION: Decider[Invitation, InvitationCommand] = Decider(
    category="invitation", initial=Invitation(), decide=decide, evolve=evolve
)
