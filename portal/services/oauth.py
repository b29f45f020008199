"""The token endpoint: client credentials (RFC 6749, RFC 7523), token exchange to narrow (RFC 8693), refresh.

Who asks: a program proves by its assertion that it is itself; whoever holds somebody's token or refresh token shows
that. A DPoP proof that came with the request binds what is issued to its key (RFC 9449 section 5).
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from agreements.actors import Actor
from agreements.areas import Area, parse_scope
from agreements.canonical import parse_json
from agreements.credentials import Credential, CredentialKind
from agreements.deciders import Value
from agreements.errors import ConcordatError, Invalid, NotFound, Unauthenticated
from agreements.proofs import ASSERTION_TYPE, Proven, client_of, read_assertion, verify_assertion
from agreements.tokens import AuthorizationDetails
from portal.config import Settings
from portal.inputs import parse
from portal.services.aggregates import CREDENTIALS, PROGRAMS
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.refresh import RefreshService
from portal.services.replays import OnceOnly
from portal.services.token_keys import TOKEN_AUDIENCE
from portal.services.token_plans import TokenPlans, Wish, label_of
from portal.services.token_records import PROGRAM_PREFIX
from portal.services.tokens import IssuedToken, TokenService

CLIENT_CREDENTIALS: Final = "client_credentials"
REFRESH: Final = "refresh_token"
EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
GRANT_TYPES: Final = (CLIENT_CREDENTIALS, REFRESH, EXCHANGE)
ACCESS_TOKEN_TYPE: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type, not a secret

MAX_DETAILS_BYTES = 16 * 1024
PROGRAM_TOKEN_S = 3600
"""How long a program's token lives unless it asks for something else."""

_DETAILS = TypeAdapter(tuple[AuthorizationDetails, ...])


class TokenAnswer(Value):
    """RFC 6749 section 5.1, RFC 8693 section 2.2.1, RFC 9396 section 7."""

    access_token: str
    token_type: str
    expires_in: int
    """Seconds."""
    scope: str | None = None
    refresh_token: str | None = None
    issued_token_type: str | None = None
    authorization_details: tuple[AuthorizationDetails, ...]


class OAuthService:
    """Answers requests to the token endpoint."""

    def __init__(
        self,
        kernel: Kernel,
        tokens: TokenService,
        plans: TokenPlans,
        refresh: RefreshService,
        grants: GrantService,
        proofs: OnceOnly,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._tokens = tokens
        self._plans = plans
        self._refresh = refresh
        self._grants = grants
        self._proofs = proofs
        self._settings = settings

    @property
    def token_endpoint(self) -> str:
        """The address of the token endpoint."""
        return f"{self._settings.url}/oauth/token"

    def token(self, form: Mapping[str, str], proven: Proven | None) -> TokenAnswer:
        """Answer one request; ``proven`` is the DPoP proof that came with it, well made and not yet remembered.

        Raises Unauthenticated, Invalid, and what issuing raises.
        """
        program = self.client(form)
        match form.get("grant_type", ""):
            case "client_credentials":
                return self._client_credentials(form, program, proven)
            case "refresh_token":
                return self._refreshed(form, program, proven)
            case kind if kind == EXCHANGE:
                return self._exchange(form, program, proven)
            case _:
                raise Invalid(
                    "unsupported_grant_type",
                    "The portal does not answer this grant_type.",
                    hint=f"It answers {', '.join(GRANT_TYPES)}.",
                    param="grant_type",
                )

    def client(self, form: Mapping[str, str]) -> Actor | None:
        """The program that the request proves to come from (RFC 7523 section 2.2); None where it claims to be none."""
        assertion = form.get("client_assertion")
        if assertion is None:
            if form.get("client_id", "").startswith(PROGRAM_PREFIX):
                raise _unproven("a program proves by private_key_jwt that it is itself")
            return None
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise _unproven(f"client_assertion_type has to be {ASSERTION_TYPE}")
        compact = read_assertion(assertion)
        client_id = client_of(compact)
        try:
            program = self._kernel.state(PROGRAMS, client_id)
        except NotFound:
            raise _unproven("no such program is registered here") from None
        audiences = frozenset({self._settings.url, self.token_endpoint})
        now = self._kernel.clock()
        keys = tuple(key.jwk for key in program.keys)
        proven = verify_assertion(compact, client_id=client_id, keys=keys, audiences=audiences, now=now)
        if form.get("client_id", client_id) != client_id:
            raise _unproven("the client_id of the request is another one")
        if not program.active:
            raise _unproven(f"the program is {program.status.value}")
        self._proofs.take(proven, now)
        return program.actor()

    def _key(self, proven: Proven | None) -> str | None:
        """The key that was proved to be held, the proof remembered. Asked when it is known who asks, and not before."""
        if proven is None:
            return None
        self._proofs.take(proven, self._kernel.clock())
        return proven.by

    def _client_credentials(self, form: Mapping[str, str], program: Actor | None, proven: Proven | None) -> TokenAnswer:
        if program is None:
            raise _unproven("client credentials are for registered programs")
        key = self._key(proven)
        details = _details(form)
        grant_id = details.grant_id or self._only_grant(program)
        wish = self._wish(form, details, key, PROGRAM_TOKEN_S).model_copy(update={"grant_id": grant_id})
        return self._answer(self._issue(program, wish, None))

    def _only_grant(self, program: Actor) -> str:
        now = self._kernel.clock()
        open_ones = [held.grant.id for held in self._grants.usable_by(program) if held.grant.active_on(now)]
        if len(open_ones) == 1:
            return open_ones[0]
        raise Invalid(
            "grant_needed",
            f"The program can draw on {len(open_ones)} grants; the request has to say on which.",
            hint='Send authorization_details=[{"type": "concordat-access/v1", "grant_id": "…"}].',
            param="authorization_details",
        )

    def _exchange(self, form: Mapping[str, str], program: Actor | None, proven: Proven | None) -> TokenAnswer:
        """RFC 8693: a narrower token for its holder or, with ``delegate``, for somebody who acts for its subject."""
        if form.get("subject_token_type") != ACCESS_TOKEN_TYPE:
            raise Invalid(
                "bad_token_type", f"subject_token_type has to be {ACCESS_TOKEN_TYPE}.", param="subject_token_type"
            )
        if form.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise Invalid("bad_token_type", "Only access tokens are issued here.", param="requested_token_type")
        if "actor_token" in form:
            raise Invalid(
                "actor_token_not_taken",
                "The portal takes no actor_token.",
                hint="Name the delegate.",
                param="actor_token",
            )
        for name in ("audience", "resource"):
            if form.get(name, TOKEN_AUDIENCE) not in {TOKEN_AUDIENCE, self._settings.url}:
                raise Invalid("invalid_target", f"Tokens for {name} are not issued here.", param=name)
        known = self._tokens.look_up(form.get("subject_token", ""))
        key = self._key(proven)
        if known.record.key_thumbprint is not None:
            self._tokens.authenticate(form["subject_token"], key_thumbprint=key)
        if known.actor.program and (program is None or program.person_id != known.actor.person_id):
            raise _unproven("a program's token is exchanged by that program alone")
        wish = self._wish(form, _details(form), form.get("dpop_jkt") or key, None)
        issued = self._issue(known.actor, wish, known.record)
        return self._answer(issued, issued_token_type=ACCESS_TOKEN_TYPE)

    def _refreshed(self, form: Mapping[str, str], program: Actor | None, proven: Proven | None) -> TokenAnswer:
        for name in ("scope", "authorization_details"):
            if name in form:
                raise Invalid(
                    "refresh_as_it_was",
                    "A refresh gives what the token before it gave.",
                    hint="Narrow the fresh token by token exchange.",
                    param=name,
                )
        client_id = program.person_id if program is not None else None
        secret = form.get("refresh_token", "")
        self._refresh.known(secret)
        key = self._key(proven)
        return self._answer(self._refresh.refresh(secret, client_id=client_id, key_thumbprint=key))

    def _wish(
        self, form: Mapping[str, str], details: AuthorizationDetails, key: str | None, usual_s: int | None
    ) -> Wish:
        longest = self._settings.token_hours * 3600
        text = form.get("expires_in", str(min(usual_s or longest, longest)))
        if not (text.isascii() and text.isdigit() and len(text) < 10 and 60 <= int(text) <= longest):
            raise Invalid("token_too_long", f"expires_in is between 60 and {longest} seconds.", param="expires_in")
        areas: frozenset[Area] | None = parse_scope(form["scope"]) if "scope" in form else None
        return parse(
            Wish,
            {
                **label_of(form.get("label", "").strip() or "from the token endpoint"),
                "grant_id": details.grant_id,
                "purpose": details.purpose,
                "narrowing": details.narrowing(),
                "areas": areas,
                "key_thumbprint": key,
                "delegate_id": form.get("delegate"),
                "lifetime": timedelta(seconds=int(text)),
            },
        )

    def _issue(self, actor: Actor, wish: Wish, parent: Credential | None) -> IssuedToken:
        command = self._plans.plan(actor, wish, parent, kind=CredentialKind.ACCESS_TOKEN)
        record = self._kernel.execute(CREDENTIALS, command.credential_id, command, actor)
        return IssuedToken(token=self._plans.encode(record), record=record)

    def _answer(self, issued: IssuedToken, *, issued_token_type: str | None = None) -> TokenAnswer:
        record, now = issued.record, self._kernel.clock()
        ends = record.expires_at or now
        return TokenAnswer(
            access_token=issued.token,
            token_type="DPoP" if record.key_thumbprint else "Bearer",
            expires_in=int((ends - now).total_seconds()),
            scope=None if record.areas is None else " ".join(record.areas),
            refresh_token=issued.refresh_token,
            issued_token_type=issued_token_type,
            authorization_details=(
                AuthorizationDetails.of(
                    record.narrowing, grant_id=record.grant_id, agreement_digest=None, purpose=record.purpose
                ),
            ),
        )


def _details(form: Mapping[str, str]) -> AuthorizationDetails:
    """The one authorization detail of a request. Raises Invalid ``invalid_authorization_details`` (RFC 9396)."""
    text = form.get("authorization_details")
    if text is None:
        return AuthorizationDetails()
    try:
        data = text.encode()
        parse_json(data, MAX_DETAILS_BYTES)
        details: tuple[Any, ...] = _DETAILS.validate_json(data, strict=True)
    except (ConcordatError, ValidationError, ValueError):
        details = ()
    if len(details) != 1:
        raise Invalid(
            "invalid_authorization_details",
            "authorization_details has to be a JSON array of one object that the portal knows.",
            hint='For instance [{"type": "concordat-access/v1", "grant_id": "…", "operations": ["generate"]}].',
            param="authorization_details",
        )
    found: AuthorizationDetails = details[0]
    return found


def _unproven(why: str) -> Unauthenticated:
    return Unauthenticated(
        "invalid_client", f"The client is not accepted: {why}.", hint="Sign an assertion with a registered key."
    )
