"""Invitations: a one-time link that makes a person of whoever was asked, sent by mail where there is a mail server."""

import secrets
import threading
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import cached_property
from html import escape

from agreements.actors import Actor, Channel, Membership, Role
from agreements.credentials import SignInMethod, secret_id
from agreements.deciders import Value
from agreements.errors import Conflict, NotFound, Unauthenticated, Unavailable
from agreements.ids import new_id
from agreements.invitations import (
    AcceptInvitation,
    Invitation,
    InvitationStatus,
    Invite,
    RenewInvitation,
    RevokeInvitation,
    invitation_over,
    may_manage,
)
from agreements.people import Person, RegisterPerson
from portal.config import Settings
from portal.inputs import clean, parse
from portal.notices.mail import Mailer
from portal.services.aggregates import PEOPLE
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel, Step
from portal.services.people import PeopleService
from portal.services.people_rows import INVITATIONS
from portal.services.sessions import SECRET_BYTES, SessionService, SignedIn


class InvitationView(Value):
    """An invitation as those who manage it see it; what names its link stays inside."""

    id: str
    email: str
    memberships: tuple[Membership, ...]
    status: InvitationStatus
    expired: bool
    invited_by: str
    invited_at: datetime | None
    expires_at: datetime | None
    reason: str
    person_id: str


class Invited(Value):
    """An invitation at the one moment its link is shown. ``url`` is stored nowhere."""

    invitation: InvitationView
    url: str
    mailed: bool
    mail_problem: str
    """Why mail did not take it, if there is a mail server and it did not."""


class Offer(Value):
    """What somebody reads who opens the link."""

    email: str
    roles: tuple[str, ...]
    invited_by: str


class InvitationService:
    """Invites, and makes people of those who accept."""

    def __init__(
        self,
        kernel: Kernel,
        institutions: InstitutionService,
        people: PeopleService,
        sessions: SessionService,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._people = people
        self._sessions = sessions
        self._settings = settings
        self._inviting = threading.Lock()  # one open invitation per address

    def invite(self, actor: Actor, *, email: str, memberships: Collection[tuple[str, Role]]) -> Invited:
        """Ask somebody to take roles, as (institution id, role) pairs.

        Raises Forbidden, Invalid, NotFound, or Conflict ``address_taken`` or ``invitation_open``.
        """
        for institution_id, _role in memberships:
            self._institutions.get(institution_id)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        command = parse(
            Invite,
            clean(
                {
                    "invitation_id": new_id("inv"),
                    "email": email,
                    "memberships": tuple(
                        Membership(institution_id=institution_id, role=role) for institution_id, role in memberships
                    ),
                    "code_id": secret_id(secret),
                    "expires_at": self._expiry(),
                },
                lines=["email"],
            ),
        )
        # Refused before anything is looked up for somebody who may not.
        INVITATIONS.decider.decide(Invitation(), command, actor, self._kernel.clock())
        with self._inviting:
            self._people.refuse_taken(command.email)
            self._refuse_open(command.email)
            made = self._kernel.execute(INVITATIONS, command.invitation_id, command, actor)
        return self._handed_out(made, actor, secret)

    def renew(self, actor: Actor, invitation_id: str) -> Invited:
        """Make a new link and send it; the one before is dead. Raises NotFound or Conflict."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._visible(actor, invitation_id)
        command = RenewInvitation(code_id=secret_id(secret), expires_at=self._expiry())
        made = self._kernel.execute(INVITATIONS, invitation_id, command, actor)
        return self._handed_out(made, actor, secret)

    def revoke(self, actor: Actor, invitation_id: str, *, reason: str) -> InvitationView:
        """Take an invitation back. Raises NotFound or Conflict ``invitation_closed``."""
        self._visible(actor, invitation_id)
        command = parse(RevokeInvitation, clean({"reason": reason}))
        return self._view(self._kernel.execute(INVITATIONS, invitation_id, command, actor))

    def list(self, actor: Actor) -> tuple[InvitationView, ...]:
        """Those the actor may manage, the open ones first, then the newest."""
        rows = self._kernel.store.query(
            "SELECT invitation_id FROM invitation ORDER BY status <> 'open', invited_at DESC, invitation_id"
        )
        found = (self._kernel.state(INVITATIONS, row["invitation_id"]) for row in rows)
        return tuple(self._view(invitation) for invitation in found if may_manage(actor, invitation))

    def offer(self, code: str) -> Offer:
        """What a link offers; looking at it spends nothing. Raises Unauthenticated ``invitation_over``."""
        invitation = self._opened(code)
        return Offer(
            email=invitation.email,
            roles=tuple(
                f"{membership.role.label}, {self._institutions.get(membership.institution_id).name}"
                for membership in invitation.memberships
            ),
            invited_by=self._people.name(invitation.invited_by),
        )

    def accept(self, code: str, *, name: str, browser: str = "") -> SignedIn:
        """Become a person under the name given, and be signed in; all in one transaction.

        Raises Unauthenticated ``invitation_over`` or ``inviter_left``, Invalid for a name, Conflict ``address_taken``.
        """
        invitation = self._opened(code)
        person_id = new_id("per")
        fields = {
            "person_id": person_id,
            "name": name,
            "email": invitation.email,
            "memberships": invitation.memberships,
        }
        command = parse(RegisterPerson, clean(fields, lines=["name"]))
        accepting = AcceptInvitation(code_id=invitation.code_id, person_id=person_id)
        signed_in = self._sessions.open(
            Person(id=person_id),
            Step(INVITATIONS, invitation.id, accepting),
            *self._people.admitting(command),
            method=SignInMethod.INVITATION,
            browser=browser,
        )
        return signed_in.model_copy(update={"person": self._people.get(person_id)})

    def _opened(self, code: str) -> Invitation:
        rows = self._kernel.store.query("SELECT invitation_id FROM invitation WHERE code_id = ?", [secret_id(code)])
        if not rows:
            raise invitation_over()
        invitation = self._kernel.state(INVITATIONS, rows[0]["invitation_id"])
        if not invitation.open_on(self._kernel.clock()):
            raise invitation_over()
        # Whoever was let go must not have left a way in.
        inviter = self._kernel.state(PEOPLE, invitation.invited_by)
        if not inviter.active or not may_manage(inviter.actor(Channel.SCREEN), invitation):
            raise Unauthenticated(
                "inviter_left",
                "Whoever sent this invitation may not invite you any more.",
                hint="Ask the institution's partner lead for a new one.",
            )
        return invitation

    def _refuse_open(self, email: str) -> None:
        rows = self._kernel.store.query(
            "SELECT invitation_id FROM invitation WHERE email = ? AND status = 'open'", [email.casefold()]
        )
        now = self._kernel.clock()
        if any(self._kernel.state(INVITATIONS, row["invitation_id"]).open_on(now) for row in rows):
            raise Conflict(
                "invitation_open",
                "There is an open invitation for this address.",
                hint="Send that one again, or take it back first.",
                param="email",
            )

    def _handed_out(self, invitation: Invitation, actor: Actor, secret: str) -> Invited:
        url = f"{self._settings.url}/session/invitation?code={secret}"
        problem = self._send(invitation, actor, url) if self.by_mail else ""
        return Invited(
            invitation=self._view(invitation), url=url, mailed=self.by_mail and not problem, mail_problem=problem
        )

    @property
    def by_mail(self) -> bool:
        """Whether links are sent by mail, besides being shown once."""
        return bool(self._settings.smtp_url and self._settings.mail_from)

    def _send(self, invitation: Invitation, actor: Actor, url: str) -> str:
        """Mail the link. Says why that did not work; the invitation stands all the same."""
        lab, until = self._settings.lab_name, invitation.expires_at
        lines = [
            f"{actor.name} invites you to the portal of {lab}.",
            f"Open this link until {until:%Y-%m-%d %H:%M} UTC; it works once:" if until else "",
            url,
            "If you did not expect this, do nothing.",
        ]
        try:
            self._mailer.send(
                to=invitation.email,
                name="",
                subject=f"{lab}: an invitation",
                text="\n\n".join(lines) + "\n",
                html=_html(lines, url),
            )
        except Unavailable as refusal:
            return refusal.message
        return ""

    @cached_property
    def _mailer(self) -> Mailer:
        return Mailer(self._settings)

    def _expiry(self) -> datetime:
        return self._kernel.clock() + timedelta(hours=self._settings.invitation_hours)

    def _visible(self, actor: Actor, invitation_id: str) -> Invitation:
        missing = NotFound("invitation_not_found", f"There is no invitation {invitation_id!r} that you may see.")
        try:
            invitation = self._kernel.state(INVITATIONS, invitation_id)
        except NotFound:
            raise missing from None
        if not may_manage(actor, invitation):
            raise missing
        return invitation

    def _view(self, invitation: Invitation) -> InvitationView:
        shown = invitation.model_dump(exclude={"code_id"})
        is_open = invitation.status is InvitationStatus.OPEN
        return InvitationView(**shown, expired=is_open and not invitation.open_on(self._kernel.clock()))


def _html(lines: list[str], url: str) -> str:
    shown = (f'<a href="{escape(url)}">{escape(url)}</a>' if line == url else escape(line) for line in lines)
    paragraphs = "".join(f"<p>{line}</p>" for line in shown)
    return f'<!doctype html><html lang="en"><meta charset="utf-8"><body>{paragraphs}</body></html>\n'
