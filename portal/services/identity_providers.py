"""Identity providers: registered by coordinators, tried before anybody depends on them, offered on the sign-in page."""

import threading
from collections.abc import Collection

from pydantic import TypeAdapter, ValidationError

from agreements.actors import Actor, Role
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from agreements.identities import Identity, UnlinkIdentity
from agreements.identity_providers import (
    ChangeProvider,
    ClientAuthentication,
    Domain,
    IdentityProvider,
    PauseProvider,
    ProviderStatus,
    RecordTrial,
    RegisterProvider,
    RemoveProvider,
    ResumeProvider,
)
from agreements.ids import new_id
from portal.inputs import clean, parse
from portal.keyring import Keyring
from portal.oidc.directory import Directory
from portal.oidc.id_token import ALGORITHMS
from portal.oidc.metadata import ProviderMetadata
from portal.oidc.transport import ProviderHttp, unusable
from portal.services.clicks import clicked
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel
from portal.services.people_rows import IDENTITIES, IDENTITY_PROVIDERS
from portal.services.sessions import SessionService

_LONGEST_SECRET = 500
_DOMAIN: TypeAdapter[str] = TypeAdapter(Domain)


class Button(Value):
    """A provider as the sign-in page offers it."""

    provider_id: str
    label: str


class IdentityView(Value):
    """Who a person is at a provider; the subject says nothing to people and stays inside."""

    identity_id: str
    provider_id: str
    issuer: str


class IdentityProviderService:
    """Registers, changes, tries and ends identity providers."""

    def __init__(
        self,
        kernel: Kernel,
        institutions: InstitutionService,
        sessions: SessionService,
        keyring: Keyring,
        http: ProviderHttp,
        directory: Directory,
    ) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._sessions = sessions
        self._keyring = keyring
        self._http = http
        self._directory = directory
        self._claiming = threading.Lock()  # a domain belongs to one provider

    def register(
        self,
        actor: Actor,
        *,
        institution_id: str,
        label: str,
        issuer: str,
        client_id: str,
        domains: Collection[str],
        client_authentication: ClientAuthentication = ClientAuthentication.NONE,
        client_secret: str = "",
        idempotency_key: str | None = None,
    ) -> IdentityProvider:
        """Name a provider for an institution. Nothing is asked of it yet; ``check`` does.

        Raises Forbidden, NotFound, Invalid ``provider_address_refused`` or ``secret_missing``, Conflict
        ``domain_taken``.
        """
        fields = {
            "provider_id": new_id("idp"),
            "institution_id": institution_id,
            "label": label,
            "issuer": issuer,
            "client_id": client_id,
            "client_authentication": client_authentication,
            "domains": _domains(domains),
        }
        command = parse(RegisterProvider, clean(fields, lines=["label", "issuer", "client_id"]))
        IDENTITY_PROVIDERS.decider.decide(IdentityProvider(), command, actor, self._kernel.clock())
        self._institutions.get(institution_id)
        self._http.check(command.issuer)
        secret = _usable_secret(command.client_authentication, client_secret)
        with self._claiming:
            if idempotency_key is None or not self._kernel.store.committed_under(actor.person_id, idempotency_key):
                self._refuse_taken(command.domains, "")
            made = self._kernel.execute(
                IDENTITY_PROVIDERS, command.provider_id, command, actor, idempotency_key=idempotency_key
            )
        if secret:
            self._keyring.keep_secret(_secret_name(made.id), secret)
        return made

    def change(
        self,
        actor: Actor,
        provider_id: str,
        *,
        label: str,
        client_id: str,
        domains: Collection[str],
        client_authentication: ClientAuthentication,
        client_secret: str = "",
    ) -> IdentityProvider:
        """Change what may change; an empty secret keeps the one there is. Raises as ``register`` does."""
        self.get(actor, provider_id)
        fields = {
            "label": label,
            "client_id": client_id,
            "client_authentication": client_authentication,
            "domains": _domains(domains),
        }
        command = parse(ChangeProvider, clean(fields, lines=["label", "client_id"]))
        if command.client_authentication is ClientAuthentication.SECRET and not client_secret:
            client_secret = self._kept(provider_id)
        secret = _usable_secret(command.client_authentication, client_secret)
        with self._claiming:
            self._refuse_taken(command.domains, provider_id)
            changed = self._kernel.execute(IDENTITY_PROVIDERS, provider_id, command, actor)
        if secret:
            self._keyring.keep_secret(_secret_name(provider_id), secret)
        else:
            self._keyring.drop_secret(_secret_name(provider_id))
        return changed

    @clicked
    def pause(self, actor: Actor, provider_id: str, *, reason: str) -> IdentityProvider:
        """Let nobody sign in through it for now, and end the sessions opened through it. Raises Forbidden, NotFound."""
        return self._end(actor, provider_id, parse(PauseProvider, clean({"reason": reason})))

    def resume(self, actor: Actor, provider_id: str) -> IdentityProvider:
        """Let people sign in through it again. Raises Forbidden, NotFound or Conflict ``provider_removed``."""
        self.get(actor, provider_id)
        return self._kernel.execute(IDENTITY_PROVIDERS, provider_id, ResumeProvider(), actor)

    @clicked
    def remove(self, actor: Actor, provider_id: str, *, reason: str) -> IdentityProvider:
        """Let nobody sign in through it any more, end its sessions and forget its secret."""
        removed = self._end(actor, provider_id, parse(RemoveProvider, clean({"reason": reason})))
        self._keyring.drop_secret(_secret_name(provider_id))
        return removed

    def check(self, actor: Actor, provider_id: str) -> ProviderMetadata:
        """Ask the provider now what it says of itself, and for its keys; what came of it is kept with the provider.

        Raises Forbidden, NotFound, Conflict ``provider_removed``, Unavailable ``provider_unreachable`` or
        ``provider_answer_unusable``, Invalid ``provider_address_refused``, VerificationError ``wrong_issuer``.
        """
        provider = self.get(actor, provider_id)
        # Refused before anybody is asked.
        IDENTITY_PROVIDERS.decider.decide(provider, RecordTrial(), actor, self._kernel.clock())
        try:
            found = self._directory.metadata(provider.issuer, afresh=True)
            if not self._directory.keys(provider.issuer, "", afresh=True):
                raise unusable("it publishes no key that signs")
        except ConcordatError as refusal:
            trial = RecordTrial(code=refusal.code, problem=refusal.message[:500])
            self._kernel.execute(IDENTITY_PROVIDERS, provider_id, trial, actor)
            raise
        trial = RecordTrial(remarks=_remarks(provider, found), ends_sessions=found.end_session_endpoint is not None)
        self._kernel.execute(IDENTITY_PROVIDERS, provider_id, trial, actor)
        return found

    def get(self, actor: Actor, provider_id: str) -> IdentityProvider:
        """One provider, for coordinators. Raises Forbidden ``not_coordinator`` or NotFound."""
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator registers and changes identity providers.")
        return self._kernel.state(IDENTITY_PROVIDERS, provider_id)

    def visible(self, actor: Actor, provider_id: str) -> IdentityProvider:
        """One provider: any for coordinators, for partner leads that of their institution unless it was removed, for
        everyone else of the institution one in use. Raises NotFound.
        """
        missing = NotFound("identity_provider_not_found", f"There is no provider {provider_id!r} that you may see.")
        try:
            provider = self._kernel.state(IDENTITY_PROVIDERS, provider_id)
        except NotFound:
            raise missing from None
        if not _sees(actor, provider):
            raise missing
        return provider

    def list(self, actor: Actor) -> tuple[IdentityProvider, ...]:
        """The providers that ``visible`` shows, those in use and the newest first."""
        rows = self._kernel.store.query(
            """
            SELECT provider_id FROM identity_provider
            WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY status = 'removed', registered_at DESC, provider_id
            """,
            [actor.is_coordinator, [*actor.institution_ids]],
        )
        found = (self._kernel.state(IDENTITY_PROVIDERS, row["provider_id"]) for row in rows)
        return tuple(provider for provider in found if _sees(actor, provider))

    def buttons(self) -> tuple[Button, ...]:
        """What the sign-in page offers to anybody."""
        rows = self._kernel.store.query("SELECT provider_id FROM identity_provider WHERE status = 'active'")
        found = [self._kernel.state(IDENTITY_PROVIDERS, row["provider_id"]) for row in rows]
        buttons = [Button(provider_id=one.id, label=one.label) for one in found]
        return tuple(sorted(buttons, key=lambda button: (button.label.casefold(), button.provider_id)))

    def for_email(self, email: str) -> Button | None:
        """The provider in whose domains an address is, if one in use is."""
        domain = email.strip().rpartition("@")[2].casefold()
        rows = self._kernel.store.query(
            """
            SELECT provider_id FROM identity_provider_domain JOIN identity_provider p USING (provider_id)
            WHERE domain = ? AND p.status = 'active'
            """,
            [domain],
        )
        if not rows:
            return None
        provider = self._kernel.state(IDENTITY_PROVIDERS, rows[0]["provider_id"])
        return Button(provider_id=provider.id, label=provider.label)

    def in_use(self, provider_id: str) -> IdentityProvider:
        """A provider that people sign in through. Raises NotFound for one that is unknown, paused or removed."""
        missing = NotFound("provider_not_found", "There is no such identity provider.", hint="Choose another way.")
        try:
            provider = self._kernel.state(IDENTITY_PROVIDERS, provider_id)
        except NotFound:
            raise missing from None
        if provider.status is not ProviderStatus.ACTIVE:
            raise missing
        return provider

    def secret(self, provider: IdentityProvider) -> str:
        """The client secret at a provider. Raises NotFound ``secret_not_kept`` or Unavailable."""
        return self._keyring.kept_secret(_secret_name(provider.id))

    def identities(self, actor: Actor, person_id: str) -> tuple[IdentityView, ...]:
        """Who a person is at identity providers, for themselves and coordinators. Raises Forbidden ``not_yours``."""
        if actor.person_id != person_id and not actor.is_coordinator:
            raise Forbidden("not_yours", "Only a coordinator sees how others sign in.")
        rows = self._kernel.store.query(
            "SELECT identity_id FROM identity WHERE person_id = ? ORDER BY identity_id", [person_id]
        )
        states = ((row["identity_id"], self._kernel.state(IDENTITIES, row["identity_id"])) for row in rows)
        return tuple(
            IdentityView(identity_id=one, provider_id=state.provider_id, issuer=state.issuer) for one, state in states
        )

    def unlink(self, actor: Actor, identity_id: str, *, reason: str) -> None:
        """Let an identity stand for nobody, and end its person's sessions. Raises Forbidden, NotFound or Conflict."""
        command = parse(UnlinkIdentity, clean({"reason": reason}))
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator unlinks an identity.")
        before: Identity = self._kernel.state(IDENTITIES, identity_id)
        self._kernel.execute(IDENTITIES, identity_id, command, actor)
        self._sessions.end_all(actor, before.person_id)

    def _end(self, actor: Actor, provider_id: str, command: PauseProvider | RemoveProvider) -> IdentityProvider:
        self.get(actor, provider_id)
        ended = self._kernel.execute(IDENTITY_PROVIDERS, provider_id, command, actor)
        self._sessions.end_of_provider(provider_id, reason="the identity provider is not in use any more")
        return ended

    def _kept(self, provider_id: str) -> str:
        try:
            return self._keyring.kept_secret(_secret_name(provider_id))
        except NotFound:
            return ""

    def _refuse_taken(self, domains: Collection[str], provider_id: str) -> None:
        rows = self._kernel.store.query(
            """
            SELECT min(domain) AS domain FROM identity_provider_domain
            WHERE list_contains(?::VARCHAR[], domain) AND provider_id <> ?
            """,
            [sorted(domains), provider_id],
        )
        if rows[0]["domain"] is not None:
            raise Conflict(
                "domain_taken",
                f"Another identity provider is registered for {rows[0]['domain']}.",
                hint="Each domain has one provider, so that an address leads to one place.",
                param="domains",
            )


def _sees(actor: Actor, provider: IdentityProvider) -> bool:
    if actor.is_coordinator:
        return True
    if actor.has(Role.PARTNER_LEAD, provider.institution_id):
        return provider.status is not ProviderStatus.REMOVED
    return actor.belongs_to(provider.institution_id) and provider.status is ProviderStatus.ACTIVE


def _domains(given: Collection[str]) -> tuple[str, ...]:
    """Domains as people write them, as they are kept. Raises Invalid ``bad_domain`` naming the first that is none."""
    found = [domain for one in given if (domain := one.strip().removeprefix("@").rstrip(".").lower())]
    for domain in found:
        try:
            _DOMAIN.validate_python(domain)
        except ValidationError:
            raise Invalid(
                "bad_domain",
                f"{domain[:100]!r} is no domain of e-mail addresses.",
                hint="Write what stands behind the @, such as example.org; international names in their ASCII form.",
                param="domains",
            ) from None
    if not found:
        raise Invalid(
            "domains_missing",
            "No domain is named, so that the provider could speak for nobody.",
            hint="Name at least one domain of your people's e-mail addresses.",
            param="domains",
        )
    return tuple(found)


def _remarks(provider: IdentityProvider, found: ProviderMetadata) -> tuple[str, ...]:
    """What in the provider's word on itself may stand in the way of a sign-in."""
    remarks = []
    method = provider.client_authentication.value
    if method not in found.client_authentication:
        offered = ", ".join(found.client_authentication)[:150]
        remarks.append(f"It does not list {method} among the ways in which clients authenticate, but {offered}.")
    if found.scopes is not None and not {"openid", "email"} <= {*found.scopes}:
        remarks.append("It does not list the scopes openid and email; without an address nobody new gets in.")
    if found.signing_algorithms and not ALGORITHMS & {*found.signing_algorithms}:
        remarks.append("It lists no algorithm with a public key for its ID tokens, and no other is taken.")
    return tuple(remarks)


def _secret_name(provider_id: str) -> str:
    return f"identity-provider-{provider_id}"


def _usable_secret(authentication: ClientAuthentication, secret: str) -> str:
    """The secret to keep; empty for a provider that takes none. Raises Invalid."""
    if authentication is not ClientAuthentication.SECRET:
        if secret:
            raise Invalid("secret_not_wanted", "That way of authentication has no secret.", param="client_secret")
        return ""
    secret = secret.strip()
    if not secret or len(secret) > _LONGEST_SECRET or not (secret.isascii() and secret.isprintable()):
        raise Invalid(
            "secret_missing",
            "The client secret is missing, or is none that a provider hands out.",
            hint="Paste the secret that the provider gave you for this portal.",
            param="client_secret",
        )
    return secret
