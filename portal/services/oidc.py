"""Signing in through an institution's identity provider: who the provider says came, and who that is here.

Known by issuer and subject, somebody is the person they were linked to. Unknown, they are the active person of the
provider's institution with the e-mail address that it vouches for, or else somebody new, who waits for a lead's word.
"""

import threading
from collections.abc import Mapping

from joserfc.jwk import ECKey

from agreements.actors import Role
from agreements.credentials import SignInMethod
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, NotFound, Unauthenticated, VerificationError
from agreements.identities import LinkIdentity, identity_id
from agreements.identity_providers import ClientAuthentication, IdentityProvider
from agreements.ids import new_id
from agreements.people import Pending, Person, RequestMembership
from portal.config import Settings
from portal.inputs import clean, parse
from portal.keyring import Keyring
from portal.notices.model import Notice
from portal.oidc.attempt import Attempt, Attempts
from portal.oidc.client import authorization_url, end_session_url, redeem
from portal.oidc.directory import Directory
from portal.oidc.id_token import IdClaims, identity, verify
from portal.oidc.metadata import ProviderMetadata
from portal.oidc.transport import ProviderHttp, unusable
from portal.services.identity_providers import IdentityProviderService
from portal.services.kernel import Kernel, Step
from portal.services.notices import NoticeService
from portal.services.people import PeopleService
from portal.services.people_rows import IDENTITIES, IDENTITY_PROVIDERS
from portal.services.sessions import SessionService, SignedIn, check_active, check_speaks_for

_CLIENT_KEY = "oidc-client-key"
_MOST_HINTS = 5_000
_TRIES = 2


class Begun(Value):
    """Where the browser goes, and the cookie that it has to come back with."""

    url: str
    cookie: str


class Entered(Value):
    """Who came in, and where they were going."""

    signed_in: SignedIn
    onward: str


class OidcService:
    """Begins and finishes sign-ins at providers, and says where to sign out there."""

    def __init__(
        self,
        kernel: Kernel,
        settings: Settings,
        keyring: Keyring,
        http: ProviderHttp,
        directory: Directory,
        providers: IdentityProviderService,
        people: PeopleService,
        sessions: SessionService,
    ) -> None:
        self._kernel = kernel
        self._settings = settings
        self._keyring = keyring
        self._http = http
        self._directory = directory
        self._providers = providers
        self._people = people
        self._sessions = sessions
        self._attempts = Attempts()
        self._hints: dict[str, str] = {}
        """ID tokens of open sessions, which a provider asks for at sign-out; in memory alone."""
        self._making_key = threading.Lock()

    def redirect_uri(self, provider_id: str) -> str:
        """Where a provider sends browsers back to; to be registered with it.

        Each has its own, so that no provider can pass another's answer for its own (RFC 9700, section 4.4.2).
        """
        return f"{self._settings.url}/session/oidc/callback/{provider_id}"

    @property
    def signed_out_uri(self) -> str:
        """Where providers send browsers after they signed out there; to be registered with each."""
        return f"{self._settings.url}/session/login"

    def client_keys(self) -> dict[str, object]:
        """The public key by which the portal authenticates at providers (RFC 7517)."""
        key = self._client_key()
        public = key.as_dict(private=False)
        return {"keys": [{**public, "kid": key.thumbprint(), "use": "sig", "alg": "ES256"}]}

    def begin(self, provider_id: str, onward: str) -> Begun:
        """Send a browser to a provider. Raises NotFound, Unavailable, Invalid or VerificationError."""
        provider = self._providers.in_use(provider_id)
        metadata = self._directory.metadata(provider.issuer)
        cookie, attempt = self._attempts.begin(provider.id, onward, self._kernel.clock())
        return Begun(url=authorization_url(provider, metadata, attempt, self.redirect_uri(provider.id)), cookie=cookie)

    def finish(self, cookie: str, provider_id: str, answer: Mapping[str, str], *, browser: str = "") -> Entered:
        """Take the answer that came to a provider's address, and open a session, for somebody who waits too.

        Raises Unauthenticated, VerificationError, Unavailable, NotFound, Invalid or Conflict, each by name.
        """
        now = self._kernel.clock()
        attempt = self._attempts.resume(cookie, answer.get("state", ""), now)
        if attempt.provider_id != provider_id:
            raise _not_who_was_asked()
        provider = self._providers.in_use(provider_id)
        metadata = self._directory.metadata(provider.issuer)
        _check_answer(metadata, answer)
        code = answer.get("code", "")
        if "error" in answer or not code:
            raise Unauthenticated(
                "provider_refused", f"{provider.label} did not sign you in.", hint="Begin again, or choose another way."
            )
        claims, id_token = self._claims(provider, metadata, attempt, code)
        signed_in = self.admit(provider, claims, browser=browser)
        self._remember(signed_in, id_token)
        return Entered(signed_in=signed_in, onward=attempt.onward)

    def signs_out_at(self, session_id: str) -> str:
        """The provider, by name, where whoever has the session can sign out too; empty where that is not known.

        Asks nobody: it goes by what the provider last said of itself.
        """
        provider_id = self._sessions.provider_of(session_id)
        if provider_id is None:
            return ""
        provider = self._kernel.state(IDENTITY_PROVIDERS, provider_id)
        known = self._directory.known(provider.issuer)
        if known is not None:
            ends = known.end_session_endpoint is not None
        else:
            ends = provider.tried is not None and provider.tried.ends_sessions
        return provider.label if ends else ""

    def leaving(self, session_id: str) -> str | None:
        """Where to sign out at the provider of a session that has ended; None where there is nothing to do."""
        hint = self._hints.pop(session_id, None)
        provider_id = self._sessions.provider_of(session_id)
        if provider_id is None:
            return None
        provider = self._kernel.state(IDENTITY_PROVIDERS, provider_id)
        try:
            endpoint = self._directory.metadata(provider.issuer).end_session_endpoint
        except ConcordatError:
            return None
        if endpoint is None:
            return None
        return end_session_url(endpoint, client_id=provider.client_id, back_to=self.signed_out_uri, id_token=hint)

    def _claims(
        self, provider: IdentityProvider, metadata: ProviderMetadata, attempt: Attempt, code: str
    ) -> tuple[IdClaims, str]:
        secret: str | ECKey | None = None
        if provider.client_authentication is ClientAuthentication.SECRET:
            secret = self._providers.secret(provider)
        elif provider.client_authentication is ClientAuthentication.PRIVATE_KEY:
            secret = self._client_key()
        tokens = redeem(self._http, provider, metadata, attempt, code, self.redirect_uri(provider.id), secret)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise VerificationError("id_token_missing", "The identity provider says not who signed in.")
        claims = verify(
            id_token,
            lambda key_id: self._directory.keys(provider.issuer, key_id),
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=attempt.nonce,
            now=self._kernel.clock(),
        )
        if not claims.email and metadata.userinfo_endpoint and isinstance(access_token, str):
            claims = self._with_userinfo(claims, metadata.userinfo_endpoint, access_token)
        return claims, id_token

    def _with_userinfo(self, claims: IdClaims, endpoint: str, access_token: str) -> IdClaims:
        """The claims with what the provider keeps out of ID tokens (OpenID Connect Core 1.0, section 5.3)."""
        if not (access_token.isascii() and access_token.isprintable()):
            return claims
        answer = self._http.get(endpoint, {"authorization": f"Bearer {access_token}"})
        if not answer.is_success:
            raise unusable(f"it answers with status {answer.status_code} where it should say who signed in")
        found = identity(answer.document())
        if found.subject != claims.subject:
            raise VerificationError("wrong_subject", "The identity provider speaks of two different people.")
        return found

    def admit(self, provider: IdentityProvider, claims: IdClaims, *, browser: str = "") -> SignedIn:
        """Open a session for whom the provider vouches for, who may be new and then waits.

        The claims are those of an ID token that was verified: this asks for no proof. Raises as ``finish`` does.
        """
        known_as = identity_id(provider.issuer, claims.subject)
        for attempt in range(_TRIES):
            steps: tuple[Step, ...] = ()
            person = self._linked(known_as)
            if person is None:
                person, steps = self._first_time(provider, claims, known_as)
            self._check_person(provider, person)
            try:
                return self._sessions.open(
                    person, *steps, method=SignInMethod.PROVIDER, provider_id=provider.id, browser=browser
                )
            except Conflict as refusal:
                # The same first sign-in came twice at once; the other one made the link.
                if refusal.code != "identity_linked" or attempt == _TRIES - 1:
                    raise
        raise AssertionError("unreachable")

    def _linked(self, known_as: str) -> Person | None:
        try:
            state = self._kernel.state(IDENTITIES, known_as)
        except NotFound:
            return None
        return self._people.get(state.person_id) if state.person_id else None

    def _first_time(
        self, provider: IdentityProvider, claims: IdClaims, known_as: str
    ) -> tuple[Person, tuple[Step, ...]]:
        """Who somebody is whom no identity stands for yet, and the steps that make it so."""
        _check_email(provider, claims)
        known = [one for one in self._people.with_address(claims.email) if one.active]
        if known:
            return known[0], (self._linking(provider, claims, known_as, known[0].id),)
        if self._people.deactivated_with_address(provider.institution_id, claims.email):
            raise Unauthenticated(
                "person_deactivated",
                "Your account here was closed.",
                hint="Ask your institution's partner lead or a coordinator.",
            )
        command = _request(provider, claims)
        notice = parse(
            Notice,
            {
                "id": f"membership:{command.person_id}:requested",
                "kind": "membership.requested",
                "institution_id": provider.institution_id,
                "subject": f"Waits to be let in: {command.name}",
                "body": f"{command.name} ({command.email}) signed in through {provider.label} for the first time. "
                "A partner lead or a coordinator lets them in with a role, or refuses with a reason.",
                "link": "/people?view=waiting",
                "at": self._kernel.clock(),
                "audience": frozenset({Role.PARTNER_LEAD.value, Role.COORDINATOR.value}),
            },
        )
        steps = (
            *self._people.admitting(command),
            self._linking(provider, claims, known_as, command.person_id),
            NoticeService.raising(notice),
        )
        waits = Pending(institution_id=provider.institution_id, requested_at=self._kernel.clock())
        return Person(id=command.person_id, name=command.name, pending=waits), steps

    @staticmethod
    def _linking(provider: IdentityProvider, claims: IdClaims, known_as: str, person_id: str) -> Step:
        link = LinkIdentity(
            issuer=provider.issuer, subject=claims.subject, provider_id=provider.id, person_id=person_id
        )
        return Step(IDENTITIES, known_as, link)

    @staticmethod
    def _check_person(provider: IdentityProvider, person: Person) -> None:
        check_active(person)
        if person.pending is not None and person.pending.refused:
            raise Unauthenticated(
                "membership_refused",
                f"You were not let in: {person.pending.refused}",
                hint="Ask your institution's partner lead.",
            )
        if person.active:
            check_speaks_for(provider.institution_id, person)

    def _remember(self, signed_in: SignedIn, id_token: str) -> None:
        if len(self._hints) >= _MOST_HINTS:
            self._hints.pop(next(iter(self._hints)), None)
        self._hints[self._sessions.id_of(signed_in.secret)] = id_token

    def _client_key(self) -> ECKey:
        with self._making_key:
            try:
                return ECKey.import_key(self._keyring.kept_secret(_CLIENT_KEY))
            except NotFound:
                made = ECKey.generate_key("P-256")
                self._keyring.keep_secret(_CLIENT_KEY, made.as_pem(private=True).decode())
                return made


def _check_answer(metadata: ProviderMetadata, answer: Mapping[str, str]) -> None:
    """RFC 9207: an answer names who it is from, if its provider says that it does; a wrong name never counts."""
    named = answer.get("iss")
    if named != metadata.issuer and (named is not None or metadata.names_itself):
        raise _not_who_was_asked()


def _not_who_was_asked() -> VerificationError:
    return VerificationError(
        "wrong_issuer",
        "The answer is not from the identity provider that was asked.",
        hint="Begin again at the sign-in page; if it happens again, tell a coordinator.",
    )


def _check_email(provider: IdentityProvider, claims: IdClaims) -> None:
    if not claims.email:
        raise Unauthenticated(
            "email_missing", f"{provider.label} does not say what your e-mail address is.", hint="Ask a coordinator."
        )
    if not claims.email_verified:
        raise Unauthenticated(
            "email_not_verified",
            f"{provider.label} has not verified your e-mail address.",
            hint="Verify it there, then sign in again.",
        )
    if not provider.serves(claims.email):
        raise Unauthenticated(
            "email_domain_not_served",
            f"{provider.label} speaks for other addresses than yours.",
            hint=f"It speaks for {', '.join(provider.domains)}.",
        )


def _request(provider: IdentityProvider, claims: IdClaims) -> RequestMembership:
    fields = {
        "person_id": new_id("per"),
        "name": claims.name,
        "email": claims.email,
        "institution_id": provider.institution_id,
    }
    try:
        return parse(RequestMembership, clean(fields, lines=["name", "email"]))
    except ConcordatError:
        # A name that is missing or cannot be kept stands in nobody's way; the address says who it is.
        name = claims.email.partition("@")[0]
        fields["name"] = name if len(name) > 1 else claims.email
        return parse(RequestMembership, clean(fields, lines=["name", "email"]))
