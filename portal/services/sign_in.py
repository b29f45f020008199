"""Signing in: one-time links, and sessions that live on the server.

A secret exists only in the link and in the cookie; the database knows its SHA-256.
"""

import secrets
from datetime import timedelta

from agreements.actors import Actor, Channel
from agreements.credentials import CredentialKind, EndCredential, IssueCredential, UseOnce, secret_id
from agreements.deciders import Value
from agreements.errors import Forbidden, NotFound, Unauthenticated
from agreements.people import Person
from portal.config import Settings
from portal.services.aggregates import CREDENTIALS, PEOPLE
from portal.services.kernel import Kernel, Step

SIGN_IN = Actor.automatic("sign-in")
"""The named rule that opens sessions."""

_SECRET_BYTES = 32


class SignedIn(Value):
    """A session just opened. ``secret`` goes into the cookie and nowhere else."""

    secret: str
    person: Person
    max_age_s: int


class SignInService:
    """Issues links, opens and ends sessions, and says who a session is."""

    def __init__(self, kernel: Kernel, settings: Settings) -> None:
        self._kernel = kernel
        self._settings = settings

    def issue_link(self, actor: Actor, person_id: str) -> str:
        """A one-time sign-in URL for a person. Raises Forbidden for anyone but a coordinator or a rule."""
        if not (actor.is_coordinator or actor.is_automatic):
            raise Forbidden("not_coordinator", "Only a coordinator hands out sign-in links.")
        person = self._active(person_id)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        command = IssueCredential(
            credential_id=secret_id(secret),
            kind=CredentialKind.SIGN_IN_LINK,
            person_id=person.id,
            label="one-time sign-in link",
            expires_at=self._kernel.clock() + timedelta(hours=self._settings.sign_in_link_hours),
        )
        self._kernel.execute(CREDENTIALS, command.credential_id, command, actor)
        return f"{self._settings.url}/session/enter?code={secret}"

    def enter(self, code: str) -> SignedIn:
        """Spend a link and open a session, in one transaction. Raises Unauthenticated ``link_spent``."""
        link_id = secret_id(code)
        try:
            link = self._kernel.state(CREDENTIALS, link_id)
        except NotFound:
            raise Unauthenticated(
                "link_unknown", "This is no sign-in link of this portal.", hint="Check that the whole link was copied."
            ) from None
        return self._open(link.person_id, Step(CREDENTIALS, link_id, UseOnce()))

    def enter_demo(self, person_id: str) -> SignedIn:
        """Open a session without a link; only in demonstration mode, where everything is fictional."""
        if not self._settings.demo:
            raise Forbidden("not_a_demo", "This portal is not a demonstration.")
        return self._open(person_id)

    def _open(self, person_id: str, *before: Step) -> SignedIn:
        person = self._active(person_id)
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        lifetime = timedelta(hours=self._settings.session_hours)
        session = IssueCredential(
            credential_id=secret_id(secret),
            kind=CredentialKind.SESSION,
            person_id=person.id,
            label="session",
            expires_at=self._kernel.clock() + lifetime,
        )
        self._kernel.execute_all([*before, Step(CREDENTIALS, session.credential_id, session)], SIGN_IN)
        return SignedIn(secret=secret, person=person, max_age_s=int(lifetime.total_seconds()))

    def actor(self, session_id: str, channel: Channel = Channel.SCREEN) -> Actor:
        """Who a session is, looked up anew each time. Raises Unauthenticated ``session_over``."""
        try:
            session = self._kernel.state(CREDENTIALS, session_id)
        except NotFound:
            raise _over() from None
        if session.kind is not CredentialKind.SESSION or not session.live_on(self._kernel.clock()):
            raise _over()
        return self._active(session.person_id).actor(channel)

    def session_id(self, secret: str) -> str:
        """The id under which the session of a cookie is recorded; safe to pass on inside the portal."""
        return secret_id(secret)

    def sign_out(self, session_id: str) -> None:
        """End a session; what is unknown, or no session, is nothing to end."""
        try:
            session = self._kernel.state(CREDENTIALS, session_id)
        except NotFound:
            return
        if session.kind is not CredentialKind.SESSION:
            return
        holder = self._kernel.state(PEOPLE, session.person_id).actor(Channel.SCREEN)
        self._kernel.execute(CREDENTIALS, session_id, EndCredential(reason="signed out"), holder)

    def _active(self, person_id: str) -> Person:
        person = self._kernel.state(PEOPLE, person_id)
        if person.deactivated_at is not None:
            raise Unauthenticated("person_deactivated", f"{person.name} may not sign in any more.")
        return person


def _over() -> Unauthenticated:
    return Unauthenticated("session_over", "You are not signed in, or your session is over.", hint="Sign in again.")
