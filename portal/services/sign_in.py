"""Signing in: one-time links, and the sessions they open.

A secret exists only in the link and in the cookie; the database knows its SHA-256.
"""

import secrets
from datetime import timedelta

from agreements.actors import Actor, Channel
from agreements.credentials import CredentialKind, IssueCredential, SignInMethod, UseOnce, secret_id
from agreements.errors import Forbidden, NotFound, Unauthenticated
from agreements.people import Person
from portal.config import Settings
from portal.services.aggregates import CREDENTIALS, PEOPLE
from portal.services.kernel import Kernel, Step
from portal.services.sessions import SECRET_BYTES, SIGN_IN, SessionService, SignedIn, check_active

__all__ = ["SIGN_IN", "SignInService", "SignedIn"]


class SignInService:
    """Issues links, spends them, and says who a session is."""

    def __init__(self, kernel: Kernel, settings: Settings, sessions: SessionService) -> None:
        self._kernel = kernel
        self._settings = settings
        self._sessions = sessions

    def issue_link(self, actor: Actor, person_id: str) -> str:
        """A one-time sign-in URL for a person. Raises Forbidden for anyone but a coordinator or a rule."""
        if not (actor.is_coordinator or actor.is_automatic):
            raise Forbidden("not_coordinator", "Only a coordinator hands out sign-in links.")
        person = self._active(person_id)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        command = IssueCredential(
            credential_id=secret_id(secret),
            kind=CredentialKind.SIGN_IN_LINK,
            person_id=person.id,
            label="one-time sign-in link",
            expires_at=self._kernel.clock() + timedelta(hours=self._settings.sign_in_link_hours),
        )
        self._kernel.execute(CREDENTIALS, command.credential_id, command, actor)
        return f"{self._settings.url}/session/enter?code={secret}"

    def enter(self, code: str, *, browser: str = "") -> SignedIn:
        """Spend a link and open a session, in one transaction. Raises Unauthenticated ``link_spent``."""
        link_id = secret_id(code)
        try:
            link = self._kernel.state(CREDENTIALS, link_id)
        except NotFound:
            raise Unauthenticated(
                "link_unknown", "This is no sign-in link of this portal.", hint="Check that the whole link was copied."
            ) from None
        spent = Step(CREDENTIALS, link_id, UseOnce())
        return self._sessions.open(self._active(link.person_id), spent, method=SignInMethod.LINK, browser=browser)

    def enter_demo(self, person_id: str, *, browser: str = "") -> SignedIn:
        """Open a session without a link; only in demonstration mode, where everything is fictional."""
        if not self._settings.demo:
            raise Forbidden("not_a_demo", "This portal is not a demonstration.")
        return self._sessions.open(self._active(person_id), method=SignInMethod.DEMO, browser=browser)

    def actor(self, session_id: str, channel: Channel = Channel.SCREEN) -> Actor:
        """Who a session is, looked up anew each time. Raises Unauthenticated with the reason it is good for nothing."""
        return self._sessions.actor(session_id, channel)

    def session_id(self, secret: str) -> str:
        """The id under which the session of a cookie is recorded; safe to pass on inside the portal."""
        return secret_id(secret)

    def sign_out(self, session_id: str) -> None:
        """End a session; what is unknown, or no session, is nothing to end."""
        self._sessions.sign_out(session_id)

    def _active(self, person_id: str) -> Person:
        person = self._kernel.state(PEOPLE, person_id)
        check_active(person)
        if person.pending is not None:
            raise Unauthenticated(
                "awaiting_approval", f"{person.name} was not let in yet.", hint="Answer the request on the People page."
            )
        return person
