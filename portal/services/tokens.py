"""Access tokens: issued once, shown once, checked against the live record on every request."""

from datetime import datetime, timedelta

from agreements.actors import Actor, Channel, Role
from agreements.credentials import Credential, CredentialKind, EndCredential, IssueCredential
from agreements.deciders import Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.ids import new_id
from agreements.people import Person
from agreements.tokens import AccessClaims, AuthorizationDetails, TokenIssuer
from portal.config import Settings
from portal.inputs import parse
from portal.services.aggregates import CREDENTIALS, GRANTS, PEOPLE
from portal.services.grants import GrantService
from portal.services.kernel import Kernel


class IssuedToken(Value):
    """A token at the one moment it is shown. ``token`` is stored nowhere."""

    token: str
    record: Credential


class Authenticated(Value):
    """Who a token speaks for, and for which purpose unless the request says otherwise."""

    actor: Actor
    purpose: str | None
    expires_at: datetime


class TokenService:
    """Issues, checks and revokes access tokens."""

    def __init__(self, kernel: Kernel, grants: GrantService, issuer: TokenIssuer, settings: Settings) -> None:
        self._kernel = kernel
        self._grants = grants
        self._issuer = issuer
        self._settings = settings

    def issue(
        self,
        actor: Actor,
        *,
        label: str,
        grant_id: str | None = None,
        purpose: str | None = None,
        hours: int | None = None,
        idempotency_key: str | None = None,
    ) -> IssuedToken:
        """A token for the actor: held to a grant of theirs, or to none and good for all their role allows.

        An actor who came with a token gets one that opens no more and lives no longer. Raises Forbidden for a grant of
        others or a wider token, Conflict for a grant that is not active, Invalid for a purpose outside it.
        """
        hours = self._settings.token_hours if hours is None else hours
        if not 1 <= hours <= self._settings.token_hours:
            raise Invalid(
                "token_too_long",
                f"An access token lives between 1 and {self._settings.token_hours} hours, not {hours}.",
                param="hours",
            )
        ends = [self._kernel.clock() + timedelta(hours=hours)]
        if actor.token_id is not None:
            ends.append(self._end_of_parent(actor.token_id, grant_id))
        if grant_id is not None:
            ends.append(self._end_of_grant(actor, grant_id, purpose))
        command = parse(
            IssueCredential,
            {
                "credential_id": new_id("tok"),
                "kind": CredentialKind.ACCESS_TOKEN,
                "person_id": actor.person_id,
                "label": label.strip()[:120] or "access token",
                "grant_id": grant_id,
                "purpose": purpose,
                "expires_at": min(ends),
            },
        )
        record = self._kernel.execute(
            CREDENTIALS, command.credential_id, command, actor, idempotency_key=idempotency_key
        )
        return IssuedToken(token=self._issuer.encode(self._claims(record)), record=record)

    def _end_of_parent(self, token_id: str, grant_id: str | None) -> datetime:
        """When a token that another one asks for has to end. Raises Forbidden where it would open more than that."""
        parent = self._kernel.state(CREDENTIALS, token_id)
        if parent.grant_id not in {None, grant_id}:
            raise Forbidden(
                "token_widens",
                "A token that names a grant issues only tokens for that grant.",
                hint="Sign in to the portal and issue it on the Tokens page.",
                fixer=Fixer.CALLER,
            )
        return _moment(parent.expires_at)

    def _end_of_grant(self, actor: Actor, grant_id: str, purpose: str | None) -> datetime:
        """When a token for a grant has to end. Raises Forbidden, Conflict or Invalid where there can be none."""
        view = self._grants.get(actor, grant_id)
        scope = view.grant.scope
        if not actor.belongs_to(view.grant.institution_id):
            raise Forbidden("not_a_member", "A token for a grant goes to members of the grant's institution only.")
        if not view.active or scope is None:
            raise Conflict("grant_not_active", f"Grant {grant_id} opens nothing any more.")
        if purpose is not None and purpose not in scope.purposes:
            raise Invalid(
                "purpose_not_granted",
                f"Grant {grant_id} is not for the purpose {purpose!r}.",
                hint=f"It is for {', '.join(sorted(scope.purposes))}.",
                param="purpose",
            )
        return scope.expires_at

    def _claims(self, record: Credential) -> AccessClaims:
        digest = self._kernel.state(GRANTS, record.grant_id).agreement_digest if record.grant_id else None
        return AccessClaims(
            iss=self._issuer.issuer,
            aud=self._issuer.audience,
            sub=record.person_id,
            client_id=record.person_id,
            iat=int(_moment(record.issued_at).timestamp()),
            exp=int(_moment(record.expires_at).timestamp()),
            jti=record.id,
            authorization_details=(
                AuthorizationDetails(grant_id=record.grant_id, agreement_digest=digest, purpose=record.purpose),
            ),
        )

    def authenticate(self, token: str) -> Authenticated:
        """Who a token speaks for now. Raises Unauthenticated with the reason."""
        now = self._kernel.clock()
        claims = self._issuer.decode(token, now)
        try:
            record = self._kernel.state(CREDENTIALS, claims.jti)
            person = self._kernel.state(PEOPLE, claims.sub)
        except NotFound:
            raise Unauthenticated("token_unknown", "This portal keeps no record of the token.") from None
        if record.ended_at is not None:
            raise Unauthenticated(
                "token_revoked", f"The access token was revoked: {record.end_reason}.", hint="Issue a new one."
            )
        mismatch = record.person_id != claims.sub or record.grant_id != claims.details.grant_id
        if record.kind is not CredentialKind.ACCESS_TOKEN or mismatch or not record.live_on(now):
            raise Unauthenticated("token_unknown", "The portal's record of the token differs from it.")
        if person.deactivated_at is not None:
            raise Unauthenticated("person_deactivated", "The token's holder may not use the portal any more.")
        return Authenticated(
            actor=self._bearer(person, record, claims.details.agreement_digest),
            purpose=record.purpose,
            expires_at=record.expires_at or now,
        )

    def _bearer(self, person: Person, record: Credential, agreement_digest: str | None) -> Actor:
        """Whom the token speaks for.

        One that names a grant lies in notebooks and scripts: it speaks for a member of the grant's institution, and
        binds nobody, whatever else its holder is.
        """
        actor = person.actor(Channel.API, token_id=record.id, grant_id=record.grant_id)
        if record.grant_id is None:
            return actor
        institution_id = self._kernel.state(GRANTS, record.grant_id).institution_id
        memberships = dict.fromkeys(
            membership.model_copy(update={"role": Role.PARTNER_MEMBER})
            if membership.role is Role.PARTNER_LEAD
            else membership
            for membership in actor.memberships
            if membership.institution_id == institution_id
        )
        return actor.model_copy(update={"memberships": tuple(memberships), "agreement_digest": agreement_digest})

    def revoke(self, actor: Actor, token_id: str, *, reason: str = "revoked by its holder") -> Credential:
        """End a token. Raises NotFound for a token that is neither one's own nor one's to administer."""
        missing = NotFound("token_not_found", f"There is no token {token_id!r} that you may see.")
        try:
            record = self._kernel.state(CREDENTIALS, token_id)
        except NotFound:
            raise missing from None
        if record.kind is not CredentialKind.ACCESS_TOKEN or not (
            actor.is_coordinator or actor.person_id == record.person_id
        ):
            raise missing
        return self._kernel.execute(CREDENTIALS, token_id, EndCredential(reason=reason), actor)

    def list(self, actor: Actor) -> tuple[Credential, ...]:
        """One's own tokens, or for a coordinator everyone's, newest first."""
        rows = self._kernel.store.query(
            """
            SELECT credential_id FROM credential
            WHERE kind = 'access_token' AND (? OR person_id = ?)
            ORDER BY issued_at DESC, credential_id
            """,
            [actor.is_coordinator, actor.person_id],
        )
        return tuple(self._kernel.state(CREDENTIALS, row["credential_id"]) for row in rows)

    def jwks(self) -> dict[str, object]:
        """The public keys that verify tokens (RFC 7517)."""
        return self._issuer.jwks()


def _moment(recorded: datetime | None) -> datetime:
    if recorded is None:
        raise TypeError("an issued credential has its times")
    return recorded
