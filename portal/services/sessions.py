"""Sessions: opened at sign-in, good for as long as their limits and their person allow, ended at any moment.

When a session was last used is known to the running process exactly and to the store roughly: a mark is written only
after an eighth of the idle limit has passed since the last one. A portal that starts again goes by the marks, which
are never later than the use they stand for, so that the idle limit holds and at worst strikes early.
"""

import secrets
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from agreements.actors import LAB, Actor, Channel
from agreements.credentials import (
    Credential,
    CredentialKind,
    EndCredential,
    IssueCredential,
    MarkSeen,
    SignInMethod,
    secret_id,
)
from agreements.deciders import Value
from agreements.errors import ConcordatError, Forbidden, NotFound, Unauthenticated
from agreements.identity_providers import ProviderStatus
from agreements.people import Person, governs
from portal.config import Settings
from portal.services.aggregates import CREDENTIALS, PEOPLE
from portal.services.clicks import clicked
from portal.services.kernel import Kernel, Step
from portal.services.people_rows import IDENTITY_PROVIDERS

SIGN_IN = Actor.automatic("sign-in")
"""The named rule that opens sessions, and ends those that nobody may go on with."""

SECRET_BYTES = 32
_MARKS_PER_LIMIT = 8
_MOST_REMEMBERED = 10_000


class SignedIn(Value):
    """A session just opened. ``secret`` goes into the cookie and nowhere else."""

    secret: str
    person: Person
    max_age_s: int


class SessionView(Value):
    """A session as its person sees it. ``handle`` names it and opens nothing."""

    handle: str
    person_id: str
    method: SignInMethod | None
    provider: str
    """The identity provider it was opened through, by name."""
    browser: str
    since: datetime
    last_seen: datetime
    expires_at: datetime
    current: bool


class Ended(Value):
    """How much was ended at once."""

    sessions: int
    tokens: int


class SessionService:
    """Opens, looks up, lists and ends sessions."""

    def __init__(self, kernel: Kernel, settings: Settings) -> None:
        self._kernel = kernel
        self._lifetime = timedelta(hours=settings.session_hours)
        self._idle = min(timedelta(hours=settings.session_idle_hours), self._lifetime)
        self._seen: dict[str, datetime] = {}
        self._seeing = threading.Lock()

    def open(
        self, person: Person, *before: Step, method: SignInMethod, provider_id: str | None = None, browser: str = ""
    ) -> SignedIn:
        """Open a session with a secret of its own, in one transaction with the steps that earn it."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        session = IssueCredential(
            credential_id=secret_id(secret),
            kind=CredentialKind.SESSION,
            person_id=person.id,
            label="session",
            expires_at=self._kernel.clock() + self._lifetime,
            method=method,
            provider_id=provider_id,
            browser=browser[:60],
        )
        self._kernel.execute_all([*before, Step(CREDENTIALS, session.credential_id, session)], SIGN_IN)
        return SignedIn(secret=secret, person=person, max_age_s=int(self._lifetime.total_seconds()))

    def actor(self, session_id: str, channel: Channel) -> Actor:
        """Who a session is, looked up anew each time. Raises Unauthenticated with the reason it is good for nothing."""
        return self._actor(self._live(session_id), channel)

    def still(self, session_id: str, channel: Channel) -> Actor:
        """``actor`` for what the session began before: to ask is no use of it, and nothing under way is idle."""
        try:
            session = self._kernel.state(CREDENTIALS, session_id)
        except NotFound:
            raise session_over() from None
        if session.kind is not CredentialKind.SESSION or not session.live_on(self._kernel.clock()):
            raise session_over()
        return self._actor(session, channel)

    def _actor(self, session: Credential, channel: Channel) -> Actor:
        person = self._kernel.state(PEOPLE, session.person_id)
        check_active(person)
        if person.pending is not None:
            raise Unauthenticated(
                "awaiting_approval",
                f"{person.name} waits until their institution's partner lead or a coordinator lets them in.",
                hint="See /session/waiting.",
            )
        self._check_provider(session, person)
        return person.actor(channel).model_copy(update={"session_id": session.id})

    def waiting(self, session_id: str) -> Person | None:
        """Whom the session belongs to, if that person waits to be let in."""
        try:
            person = self._kernel.state(PEOPLE, self._live(session_id).person_id)
        except ConcordatError:
            return None
        return person if person.pending is not None and person.deactivated_at is None else None

    @staticmethod
    def id_of(secret: str) -> str:
        """The id under which the session of a cookie is recorded."""
        return secret_id(secret)

    def provider_of(self, session_id: str) -> str | None:
        """The identity provider that a session was opened through; also of one that has ended."""
        try:
            return self._kernel.state(CREDENTIALS, session_id).provider_id
        except NotFound:
            return None

    def list(self, actor: Actor, *, current: str = "") -> tuple[SessionView, ...]:
        """One's own live sessions, the latest used first; ``current`` is the id of the one that asks."""
        return self._list(actor.person_id, current)

    def of_person(self, actor: Actor, person_id: str, *, current: str = "") -> tuple[SessionView, ...]:
        """A person's live sessions, for themselves and for coordinators. Raises Forbidden ``not_yours``."""
        _own_or_coordinator(actor, person_id)
        return self._list(person_id, current)

    def last_sign_ins(self, actor: Actor, people: Collection[Person]) -> dict[str, datetime]:
        """When each last signed in, by id: of oneself, and of those whom the actor governs; of nobody else."""
        asked = [one.id for one in people if one.id == actor.person_id or governs(actor, one)]
        rows = self._kernel.store.query(
            """
            SELECT person_id, max(issued_at) AS last FROM credential
            WHERE kind = 'session' AND list_contains(?::VARCHAR[], person_id) GROUP BY person_id
            """,
            [asked],
        )
        return {row["person_id"]: datetime.fromisoformat(row["last"]) for row in rows}

    @clicked
    def end(self, actor: Actor, handle: str) -> None:
        """End one session: one's own, or as a coordinator anybody's. Raises NotFound ``session_not_found``."""
        owner = None if actor.is_coordinator else actor.person_id
        for session_id in self._live_ids(owner, CredentialKind.SESSION):
            if handle_of(session_id) == handle:
                self._kernel.execute(CREDENTIALS, session_id, EndCredential(reason="ended from the list"), actor)
                self._forget(session_id)
                return
        raise NotFound(
            "session_not_found",
            "There is no such session that you may end.",
            hint="Look at the list again: it may be over already.",
        )

    @clicked
    def end_all(self, actor: Actor, person_id: str, *, tokens: bool = False, keep: str = "") -> Ended:
        """Sign a person out everywhere: oneself, or as a coordinator anybody; with ``tokens``, of programs too.

        ``keep`` is the id of a session that stays. Links not yet used go as well. Raises Forbidden ``not_yours``.
        """
        _own_or_coordinator(actor, person_id)
        return self._end(person_id, actor, "signed out everywhere", tokens=tokens, keep=keep)

    def end_for_good(self, person_id: str, *, reason: str) -> Ended:
        """End everything that a person could come in with, by the rule that signs in."""
        return self._end(person_id, SIGN_IN, reason, tokens=True)

    def end_of_provider(self, provider_id: str, *, reason: str) -> int:
        """End every session that was opened through an identity provider."""
        rows = self._kernel.store.query(
            "SELECT credential_id FROM credential WHERE provider_id = ? AND NOT ended ORDER BY credential_id",
            [provider_id],
        )
        return self._end_each([row["credential_id"] for row in rows], SIGN_IN, reason)

    def sign_out(self, session_id: str) -> None:
        """End a session by its id; what is unknown, or no session, is nothing to end."""
        try:
            session = self._kernel.state(CREDENTIALS, session_id)
        except NotFound:
            return
        if session.kind is not CredentialKind.SESSION:
            return
        holder = self._kernel.state(PEOPLE, session.person_id).actor(Channel.SCREEN)
        self._kernel.execute(CREDENTIALS, session_id, EndCredential(reason="signed out"), holder)
        self._forget(session_id)

    def _live(self, session_id: str) -> Credential:
        try:
            session = self._kernel.state(CREDENTIALS, session_id)
        except NotFound:
            raise session_over() from None
        now = self._kernel.clock()
        if session.kind is not CredentialKind.SESSION or not session.live_on(now):
            self._forget(session_id)
            check_active(self._kernel.state(PEOPLE, session.person_id))
            raise session_over()
        if now - self._last_seen(session) >= self._idle:
            # Ended, not only refused: nothing that changes later opens it again.
            self._kernel.execute(CREDENTIALS, session_id, EndCredential(reason="not used for too long"), SIGN_IN)
            self._forget(session_id)
            raise Unauthenticated(
                "session_idle", "Your session was not used for a while and is over.", hint="Sign in again."
            )
        self._mark(session, now)
        return session

    def _mark(self, session: Credential, now: datetime) -> None:
        with self._seeing:
            if len(self._seen) >= _MOST_REMEMBERED and session.id not in self._seen:
                self._seen.clear()
            self._seen[session.id] = now
        every = self._idle / _MARKS_PER_LIMIT
        if session.last_seen is None or now - session.last_seen >= every:
            # A store that cannot write must not lock out who only reads; the process remembers.
            with suppress(ConcordatError):
                self._kernel.execute(CREDENTIALS, session.id, MarkSeen(every=every), SIGN_IN)

    def _last_seen(self, session: Credential) -> datetime:
        recorded = session.last_seen
        if recorded is None:
            raise TypeError("an issued session has its times")
        with self._seeing:
            remembered = self._seen.get(session.id)
        return max(recorded, remembered) if remembered else recorded

    def _forget(self, session_id: str) -> None:
        with self._seeing:
            self._seen.pop(session_id, None)

    def _check_provider(self, session: Credential, person: Person) -> None:
        """A provider speaks for its own institution's people only, for as long as it is in use."""
        if session.provider_id is None:
            return
        provider = self._kernel.state(IDENTITY_PROVIDERS, session.provider_id)
        if provider.status is not ProviderStatus.ACTIVE:
            raise session_over()
        check_speaks_for(provider.institution_id, person)

    def _list(self, person_id: str, current: str) -> tuple[SessionView, ...]:
        now = self._kernel.clock()
        sessions = [self._kernel.state(CREDENTIALS, one) for one in self._live_ids(person_id, CredentialKind.SESSION)]
        views = [
            self._view(session, current)
            for session in sessions
            if session.live_on(now) and now - self._last_seen(session) < self._idle
        ]
        return tuple(sorted(views, key=lambda view: (view.last_seen, view.handle), reverse=True))

    def _view(self, session: Credential, current: str) -> SessionView:
        provider = self._kernel.state(IDENTITY_PROVIDERS, session.provider_id).label if session.provider_id else ""
        if session.issued_at is None or session.expires_at is None:
            raise TypeError("an issued session has its times")
        return SessionView(
            handle=handle_of(session.id),
            person_id=session.person_id,
            method=session.method,
            provider=provider,
            browser=session.browser,
            since=session.issued_at,
            last_seen=self._last_seen(session),
            expires_at=session.expires_at,
            current=session.id == current,
        )

    def _live_ids(self, person_id: str | None, *kinds: CredentialKind) -> tuple[str, ...]:
        rows = self._kernel.store.query(
            """
            SELECT credential_id FROM credential
            WHERE (? OR person_id = ?) AND NOT ended AND list_contains(?::VARCHAR[], kind)
            ORDER BY credential_id
            """,
            [person_id is None, person_id, [kind.value for kind in kinds]],
        )
        return tuple(row["credential_id"] for row in rows)

    def _end(self, person_id: str, actor: Actor, reason: str, *, tokens: bool, keep: str = "") -> Ended:
        sessions = self._live_ids(person_id, CredentialKind.SESSION, CredentialKind.SIGN_IN_LINK)
        programs = self._live_ids(person_id, CredentialKind.ACCESS_TOKEN) if tokens else ()
        return Ended(
            sessions=self._end_each([one for one in sessions if one != keep], actor, reason),
            tokens=self._end_each(programs, actor, reason),
        )

    def _end_each(self, ids: Sequence[str], actor: Actor, reason: str) -> int:
        if ids:
            end = EndCredential(reason=reason)
            self._kernel.execute_all([Step(CREDENTIALS, one, end) for one in ids], actor)
            for one in ids:
                self._forget(one)
        return len(ids)


def handle_of(session_id: str) -> str:
    """What names a session to people: made from its id, which never leaves the portal."""
    return f"ses_{secret_id(f'handle of {session_id}')[:16]}"


def check_active(person: Person) -> None:
    """Return if the person may sign in. Raises Unauthenticated ``person_deactivated``."""
    if person.deactivated_at is not None:
        raise Unauthenticated("person_deactivated", f"{person.name} may not sign in any more.")


def check_speaks_for(institution_id: str, person: Person) -> None:
    """Return if the provider of an institution may say that somebody is this person.

    The lab's may for anyone of the lab. A partner's may only for who belongs there and nowhere else: otherwise it
    could open what other institutions or the lab entrusted to that person. Raises Unauthenticated.
    """
    places = {membership.institution_id for membership in person.memberships}
    if institution_id not in places:
        raise Unauthenticated(
            "not_of_this_institution",
            f"{person.name} does not belong to the institution whose provider this is.",
            hint="Sign in with a link from a coordinator.",
        )
    if institution_id != LAB and len(places) > 1:
        raise Unauthenticated(
            "roles_elsewhere",
            f"{person.name} has roles at other institutions too, for which this provider does not speak.",
            hint="Sign in with a link from a coordinator.",
        )


def session_over() -> Unauthenticated:
    """The refusal of a session that is unknown, ended or past its time."""
    return Unauthenticated("session_over", "You are not signed in, or your session is over.", hint="Sign in again.")


def _own_or_coordinator(actor: Actor, person_id: str) -> None:
    if actor.person_id != person_id and not actor.is_coordinator:
        raise Forbidden("not_yours", "Only a coordinator sees and ends the sessions of others.")
