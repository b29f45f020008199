"""Access tokens: issued once, shown once, narrowed, and checked against the live record on every request."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from agreements.actors import Actor, Role
from agreements.areas import as_areas
from agreements.credentials import Credential, CredentialKind, EndCredential, ShortenCredential, may_end
from agreements.deciders import Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.narrowing import narrowed
from agreements.scopes import Scope
from portal.config import Settings
from portal.inputs import clean, parse
from portal.services.aggregates import CREDENTIALS, GRANTS
from portal.services.clicks import clicked
from portal.services.kernel import Kernel, Step
from portal.services.last_used import LastUsed
from portal.services.token_claims import moment, says_the_same
from portal.services.token_keys import TokenKeyService
from portal.services.token_plans import TokenPlans, Wish, label_of
from portal.services.token_records import TokenRecords

_MOST_LISTED = 500

BY_HOLDER = "revoked by its holder"


class IssuedToken(Value):
    """A token at the one moment it is shown. Neither ``token`` nor ``refresh_token`` is stored anywhere."""

    token: str
    record: Credential
    refresh_token: str | None = None


class ListedToken(Credential):
    """A token's record, with what came of it."""

    last_used_at: datetime | None = None
    """To the minute, as far as it is known."""
    descendants: int = 0
    """Live tokens that were made from it and end with it."""


class Authenticated(Value):
    """Who a token speaks for, and for which purpose unless the request says otherwise."""

    actor: Actor
    purpose: str | None
    expires_at: datetime
    record: Credential


class TokenService:
    """Issues, narrows, checks and revokes access tokens."""

    def __init__(
        self, kernel: Kernel, plans: TokenPlans, keys: TokenKeyService, last_used: LastUsed, settings: Settings
    ) -> None:
        self._kernel = kernel
        self._plans = plans
        self._keys = keys
        self._last_used = last_used
        self._settings = settings
        self._records = TokenRecords(kernel)

    def issue(
        self,
        actor: Actor,
        *,
        label: str,
        hours: int | None = None,
        areas: Collection[str] | None = None,
        idempotency_key: str | None = None,
        **wish: Any,
    ) -> IssuedToken:
        """A token for the actor: held to a grant of theirs, or to none and good for all their role allows.

        ``wish`` is as the fields of ``Wish``. An actor who came with a token gets one made from it, which opens no more
        and lives no longer. Raises Forbidden for a grant of others or a wider token, Conflict for a grant that is not
        active, Invalid for a purpose outside it.
        """
        wanted, parent = self.wished(actor, label=label, hours=hours, areas=areas, **wish)
        command = self._plans.plan(actor, wanted, parent)
        record = self._kernel.execute(
            CREDENTIALS, command.credential_id, command, actor, idempotency_key=idempotency_key
        )
        return IssuedToken(token=self._plans.encode(record), record=record)

    def narrow(
        self,
        actor: Actor,
        token_id: str,
        *,
        label: str = "",
        hours: int | None = None,
        areas: Collection[str] | None = None,
        idempotency_key: str | None = None,
        **wish: Any,
    ) -> IssuedToken:
        """A token made from one that the actor holds, opening no more, for them or for a named delegate (RFC 8693).

        Raises what ``issue`` raises, NotFound for a token of others, Invalid ``beyond_token`` naming the dimension.
        """
        parent = self.held_by(actor, token_id)
        wanted = self._wish(hours=hours, label=label or parent.label, areas=areas, **wish)
        command = self._plans.plan(actor, wanted, parent)
        record = self._kernel.execute(
            CREDENTIALS, command.credential_id, command, actor, idempotency_key=idempotency_key
        )
        return IssuedToken(token=self._plans.encode(record), record=record)

    def wished(
        self,
        actor: Actor,
        *,
        label: str,
        hours: int | None = None,
        areas: Collection[str] | None = None,
        **wish: Any,
    ) -> tuple[Wish, Credential | None]:
        """What an actor wishes for, and the token that it is to be made from if they came with one."""
        wanted = self._wish(hours=hours, label=label, areas=areas, **wish)
        parent = self._records.get(actor.token_id) if actor.token_id is not None else None
        if parent is not None:
            self._plans.held_to_grant(parent, wanted.grant_id)
        return wanted, parent

    def _wish(self, *, hours: int | None, areas: Collection[str] | None, label: str, **wish: Any) -> Wish:
        hours = self._settings.token_hours if hours is None else hours
        if not 1 <= hours <= self._settings.token_hours:
            raise Invalid(
                "token_too_long",
                f"An access token lives between 1 and {self._settings.token_hours} hours, not {hours}.",
                param="hours",
            )
        named = {name: value for name, value in wish.items() if value is not None}
        fields = {**label_of(label), "lifetime": timedelta(hours=hours), **named}
        return parse(Wish, {**fields, "areas": None if areas is None else as_areas(areas)})

    def held_by(self, actor: Actor, token_id: str) -> Credential:
        """A token that the actor holds; for one who came with a token, that one or one made from it.

        Raises NotFound or Forbidden.
        """
        try:
            record = self._records.get(token_id)
        except NotFound:
            raise _missing(token_id) from None
        if record.kind is not CredentialKind.ACCESS_TOKEN or record.person_id != actor.person_id:
            raise _missing(token_id)
        if actor.token_id is not None and actor.token_id not in {one.id for one in self._records.line(record)}:
            raise Forbidden(
                "token_widens",
                "A token narrows itself and what was made from it, and no other token.",
                hint="Sign in to the portal, or send the token that is to be narrowed.",
                fixer=Fixer.CALLER,
            )
        return record

    def rotate(self, actor: Actor, token_id: str, *, grace_minutes: int = 0) -> IssuedToken:
        """Another token in place of one that the actor holds: as wide, as long from now on.

        The old one ends with this, or after a grace; what was made from it ends with it. Raises what issuing raises,
        Conflict ``token_ended`` or ``token_rotated``, Invalid ``grace_too_long``.
        """
        record = self.held_by(actor, token_id)
        now, most = self._kernel.clock(), self._settings.token_hours * 60
        if not record.live_on(now):
            raise Conflict("token_ended", "The token has ended; issue a new one.", hint="Issue a token.")
        if record.end_reason:
            raise Conflict("token_rotated", "Another token took its place already.", hint="Rotate that one.")
        if not 0 <= grace_minutes <= most:
            raise Invalid(
                "grace_too_long",
                f"The old token goes on for between 0 and {most} minutes, not {grace_minutes}.",
                param="grace_minutes",
            )
        wish = Wish(
            label=record.label,
            grant_id=record.grant_id,
            purpose=record.purpose,
            narrowing=record.narrowing,
            areas=None if record.areas is None else frozenset(record.areas),
            key_thumbprint=record.key_thumbprint,
            delegate_id=record.person_id if record.granted_by else None,
            lifetime=moment(record.expires_at) - moment(record.issued_at),
        )
        parent = self._records.get(record.parent_id) if record.parent_id else None
        command = self._plans.plan(actor, wish, parent).model_copy(update={"continues": record.continues or record.id})
        reason = "replaced by another token"
        end = (
            ShortenCredential(expires_at=now + timedelta(minutes=grace_minutes), reason=reason)
            if grace_minutes
            else EndCredential(reason=reason)
        )
        steps = [Step(CREDENTIALS, command.credential_id, command), Step(CREDENTIALS, token_id, end)]
        self._kernel.execute_all(steps, actor)
        issued = self._records.get(command.credential_id)
        return IssuedToken(token=self._plans.encode(issued), record=issued)

    def opens(self, actor: Actor, token_id: str) -> Scope | None:
        """What a token that the actor holds opens of its grant at most; None if it names none. Raises NotFound."""
        record = self.held_by(actor, token_id)
        if record.grant_id is None:
            return None
        scope = self._kernel.state(GRANTS, record.grant_id).scope
        return None if scope is None else narrowed(scope, [one.narrowing for one in self._records.line(record)])

    def authenticate(self, token: str, *, key_thumbprint: str | None = None) -> Authenticated:
        """Who a token speaks for now. ``key_thumbprint`` is of the key that the request proved to hold.

        Raises Unauthenticated with the reason.
        """
        known = self.look_up(token)
        bound = known.record.key_thumbprint
        if bound is not None and bound != key_thumbprint:
            raise Unauthenticated(
                "proof_required",
                "The access token is bound to a key, and the request does not prove that its sender holds that key.",
                hint="Send 'Authorization: DPoP <token>' with a DPoP proof (RFC 9449) by that key.",
            )
        if bound is None and key_thumbprint is not None:
            raise Unauthenticated(
                "token_not_bound",
                "The access token is bound to no key.",
                hint="Send it as 'Authorization: Bearer <access token>'.",
            )
        self._last_used.note(known.record.id, self._kernel.clock())
        return known.model_copy(update={"actor": known.actor.model_copy(update={"key_thumbprint": key_thumbprint})})

    def look_up(self, token: str) -> Authenticated:
        """What a token stands for now, whoever shows it. Raises Unauthenticated with the reason."""
        now = self._kernel.clock()
        claims, kid = self._keys.issuer().read(token, now)
        try:
            record = self._records.get(claims.jti)
        except NotFound:
            raise Unauthenticated("token_unknown", "This portal keeps no record of the token.") from None
        if record.kind is not CredentialKind.ACCESS_TOKEN or not says_the_same(claims, record):
            raise Unauthenticated("token_unknown", "The portal's record of the token differs from it.")
        line = self._records.live_line(record, now)
        actor = self._records.bearer(line, claims.details.agreement_digest)
        return Authenticated(
            actor=actor.model_copy(update={"token_key": kid}),
            purpose=record.purpose,
            expires_at=moment(record.expires_at),
            record=record,
        )

    @clicked
    def revoke(self, actor: Actor, token_id: str, *, reason: str = BY_HOLDER) -> Credential:
        """End a token and all that was made from it. Raises NotFound for one that is not one's to end."""
        try:
            record = self._records.get(token_id)
        except NotFound:
            raise _missing(token_id) from None
        if record.kind not in _LISTED or not may_end(actor, record):
            raise _missing(token_id)
        end = parse(EndCredential, clean({"reason": reason.strip() or BY_HOLDER}))
        return self._kernel.execute(CREDENTIALS, token_id, end, actor)

    def list(self, actor: Actor) -> tuple[ListedToken, ...]:
        """One's own tokens, those made from them, and those of the programs that one leads; newest first.

        For a coordinator everyone's. The newest five hundred.
        """
        leads = [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]
        rows = self._kernel.store.query(
            """
            SELECT credential_id FROM credential
            WHERE kind IN ('access_token', 'refresh_family')
              AND (? OR person_id = ? OR list_contains(granted_by, ?) OR list_contains(?::VARCHAR[], institution_id))
            ORDER BY issued_at DESC, credential_id LIMIT ?
            """,
            [actor.is_coordinator, actor.person_id, actor.person_id, leads, _MOST_LISTED],
        )
        ids = [row["credential_id"] for row in rows]
        below = self._descendants(ids)
        return tuple(
            ListedToken(
                **dict(self._records.get(one)), last_used_at=self._last_used.at(one), descendants=below.get(one, 0)
            )
            for one in ids
        )

    def _descendants(self, ids: Sequence[str]) -> dict[str, int]:
        now = self._kernel.clock().isoformat(timespec="microseconds")
        rows = self._kernel.store.query(
            """
            WITH RECURSIVE below(root, id, ended) AS (
                SELECT parent_id, credential_id, ended OR expires_at <= ? FROM credential
                WHERE kind = 'access_token' AND list_contains(?::VARCHAR[], parent_id)
                UNION ALL
                SELECT below.root, c.credential_id, c.ended OR c.expires_at <= ? FROM credential c
                JOIN below ON c.parent_id = below.id WHERE c.kind = 'access_token'
            )
            SELECT root, count(*)::BIGINT AS live FROM below WHERE NOT ended GROUP BY root
            """,
            [now, list(ids), now],
        )
        return {row["root"]: row["live"] for row in rows}

    def jwks(self) -> dict[str, object]:
        """The public keys that verify tokens (RFC 7517)."""
        return self._keys.jwks()


_LISTED = frozenset({CredentialKind.ACCESS_TOKEN, CredentialKind.REFRESH_FAMILY})


def _missing(token_id: str) -> NotFound:
    return NotFound("token_not_found", f"There is no token {token_id!r} that you may see.")
