"""Access tokens: issued once, shown once, narrowed, and checked against the live record on every request."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from agreements.actors import Actor, Role
from agreements.areas import Area, as_areas
from agreements.clauses import Confidentiality
from agreements.credentials import Credential, CredentialKind, EndCredential, IssueCredential, may_end
from agreements.deciders import Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.ids import new_id
from agreements.jwks import Thumbprint
from agreements.narrowing import Narrowing, beyond, narrowed
from agreements.scopes import Scope, Slug
from agreements.tokens import (
    MAX_TOKEN_BYTES,
    AccessClaims,
    ActingParty,
    AuthorizationDetails,
    Confirmation,
)
from portal.config import Settings
from portal.inputs import parse
from portal.services.aggregates import CREDENTIALS, GRANTS
from portal.services.grants import GrantService
from portal.services.kernel import Kernel, Step
from portal.services.last_used import LastUsed
from portal.services.token_keys import TokenKeyService
from portal.services.token_records import MOST_NARROWINGS, TokenRecords

_MOST_LISTED = 500


class Wish(Value):
    """What a token is to be. What is left out is as wide as the holder's rights, or as the token it is made from."""

    label: str = ""
    grant_id: Annotated[str, Field(max_length=80)] | None = None
    purpose: Slug | None = None
    narrowing: Narrowing = Narrowing()
    areas: frozenset[Area] | None = None
    key_thumbprint: Thumbprint | None = None
    """The key that every use has to prove (RFC 9449)."""
    delegate_id: Annotated[str, Field(max_length=80)] | None = None
    """Who is to hold it, if not whoever asks: a person or a program of the grant's institution."""
    lifetime: timedelta


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
        self, kernel: Kernel, grants: GrantService, keys: TokenKeyService, last_used: LastUsed, settings: Settings
    ) -> None:
        self._kernel = kernel
        self._grants = grants
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
        command = self.plan(actor, wanted, parent)
        record = self._kernel.execute(
            CREDENTIALS, command.credential_id, command, actor, idempotency_key=idempotency_key
        )
        return IssuedToken(token=self.encode(record), record=record)

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
        command = self.plan(actor, wanted, parent)
        record = self._kernel.execute(
            CREDENTIALS, command.credential_id, command, actor, idempotency_key=idempotency_key
        )
        return IssuedToken(token=self.encode(record), record=record)

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
            self._held_to_grant(parent, wanted.grant_id)
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
        fields = {"label": label.strip()[:120], "lifetime": timedelta(hours=hours), **named}
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

    def plan(
        self,
        actor: Actor,
        wish: Wish,
        parent: Credential | None,
        *,
        kind: CredentialKind = CredentialKind.ACCESS_TOKEN,
    ) -> IssueCredential:
        """The command that issues what was wished for, checked against everything above it."""
        now = self._kernel.clock()
        line = self._records.live_line(parent, now) if parent is not None else ()
        ends = [now + wish.lifetime]
        delegated = wish.delegate_id not in (None, parent.person_id if parent is not None else actor.person_id)
        if delegated and parent is None:
            raise Invalid(
                "nothing_to_pass_on",
                "A token is passed on by narrowing one.",
                hint="Issue it to yourself first.",
                param="delegate_id",
            )
        grant_id = wish.grant_id or (parent.grant_id if parent is not None else None)
        areas, key = wish.areas, wish.key_thumbprint
        if parent is not None:
            ends.append(_moment(parent.expires_at))
            areas = _areas_within(wish.areas, parent)
            if delegated and parent.key_thumbprint is not None and key in (None, parent.key_thumbprint):
                raise Invalid(
                    "key_needed",
                    "The token that this one is made from is bound to a key, and its delegate needs one of their own.",
                    hint="Give the thumbprint of the delegate's DPoP key.",
                    param="key_thumbprint",
                )
            key = key or parent.key_thumbprint
            self._held_to_grant(parent, grant_id)
            if len(line) > MOST_NARROWINGS:
                raise Conflict("narrowed_too_often", f"A token can be narrowed {MOST_NARROWINGS} times in a row.")
        holder = self._holder(actor, wish, delegated=delegated)
        if delegated and wish.grant_id is None and grant_id is not None:
            grant_id = self._grant_for(holder, grant_id)
        if grant_id is not None:
            ends.append(self._within_grant(holder, grant_id, wish, [one.narrowing for one in line], key))
        elif delegated or wish.narrowing:
            raise Invalid(
                "grant_needed",
                "Only a token that names a grant is narrowed to a part of it, or passed on to somebody else.",
                hint="Name the grant.",
                param="grant_id",
            )
        command = IssueCredential(
            credential_id=new_id("rfm" if kind is CredentialKind.REFRESH_FAMILY else "tok"),
            kind=kind,
            person_id=holder.person_id,
            label=wish.label or "access token",
            grant_id=grant_id,
            purpose=wish.purpose or _only(wish.narrowing.purposes) or (parent.purpose if parent else None),
            expires_at=min(ends),
            parent_id=parent.id if parent is not None else "",
            granted_by=_granted_by(parent, delegated=delegated),
            institution_id=holder.institution_ids[0] if holder.program else "",
            narrowing=wish.narrowing,
            areas=None if areas is None else tuple(area for area in Area if area in areas),
            key_thumbprint=key,
        )
        self._fits(command, now)
        return command

    def _holder(self, actor: Actor, wish: Wish, *, delegated: bool) -> Actor:
        if not delegated or wish.delegate_id is None:
            return actor
        try:
            return self._records.holder(wish.delegate_id)
        except Unauthenticated:
            raise NotFound(
                "delegate_not_found",
                f"There is no active person or program {wish.delegate_id!r} to pass it on to.",
                param="delegate_id",
            ) from None

    def _grant_for(self, delegate: Actor, grant_id: str) -> str:
        """The grant that a delegate is to use: the token's own, or else the only one of theirs that is below it."""
        usable = {held.grant.id for held in self._grants.usable_by(delegate)}
        below = [one for one in usable if one != grant_id and grant_id in self._with_above(one)]
        return below[0] if grant_id not in usable and len(below) == 1 else grant_id

    def _held_to_grant(self, parent: Credential, grant_id: str | None) -> None:
        """A token is made from one for the same grant, or for one above it, or for none."""
        if parent.grant_id is not None and parent.grant_id not in self._with_above(grant_id):
            raise Forbidden(
                "token_widens",
                "A token that names a grant issues only tokens for that grant and what is delegated from it.",
                hint="Sign in to the portal and issue it on the Tokens page.",
                fixer=Fixer.CALLER,
            )

    def _with_above(self, grant_id: str | None) -> Iterator[str]:
        """The grant and those that it was delegated from."""
        try:
            while grant_id:
                yield grant_id
                grant_id = self._kernel.state(GRANTS, grant_id).parent_id
        except NotFound:
            return

    def _within_grant(
        self, holder: Actor, grant_id: str, wish: Wish, above: Sequence[Narrowing], key: str | None
    ) -> datetime:
        """When a token for a grant has to end. Raises Forbidden, Conflict or Invalid where there can be none."""
        unbound = holder.model_copy(update={"grant_id": None})
        view = self._grants.get(unbound, grant_id)
        if not holder.belongs_to(view.grant.institution_id):
            raise Forbidden("not_a_member", "A token for a grant goes to members of the grant's institution only.")
        if not view.active or view.grant.scope is None:
            raise Conflict("grant_not_active", f"Grant {grant_id} opens nothing any more.")
        if not any(held.grant.id == grant_id for held in self._grants.usable_by(unbound)):
            raise Forbidden(
                "not_its_holder",
                f"Grant {grant_id} is not held by whoever is to use the token.",
                hint="Give them a grant of their own under it, and name that one.",
                fixer=Fixer.LEAD,
            )
        scope = narrowed(view.grant.scope, above)
        if scope.holder_bound and key is None:
            raise Invalid(
                "key_needed",
                f"Grant {grant_id} is used only with tokens that are bound to a key (RFC 9449).",
                hint="Give the thumbprint of your DPoP key; 'concordat token dpop-key FILE' makes one.",
                param="key_thumbprint",
            )
        if excess := beyond(wish.narrowing, scope):
            first = excess[0]
            raise Invalid(
                "beyond_token",
                f"The token would go beyond what it is made from in {first.dimension}: {first.message}.",
                hint="Narrow it further.",
                param=first.dimension,
            )
        purposes = wish.narrowing.applied(scope).purposes
        if wish.purpose is not None and wish.purpose not in purposes:
            raise Invalid(
                "purpose_not_granted",
                f"Grant {grant_id} is not for the purpose {wish.purpose!r}.",
                hint=f"It is for {', '.join(sorted(purposes))}.",
                param="purpose",
            )
        return scope.expires_at

    def _fits(self, command: IssueCredential, now: datetime) -> None:
        fields = {name: getattr(command, name) for name in IssueCredential.model_fields if name != "credential_id"}
        probe = Credential(id=command.credential_id, issued_at=now, **fields)
        if len(self.encode(probe)) > MAX_TOKEN_BYTES:
            raise Invalid(
                "token_too_large",
                "The token would name more than fits into one.",
                hint="Name fewer checkpoints or purposes; those left out are as in the grant.",
            )

    def rotate(self, actor: Actor, token_id: str) -> IssuedToken:
        """Another token in place of one that the actor holds: as wide, as long from now on; the old one ends with this.

        What was made from the old one ends too. Raises what issuing raises, Conflict ``token_ended``.
        """
        record = self.held_by(actor, token_id)
        now = self._kernel.clock()
        if not record.live_on(now):
            raise Conflict("token_ended", "The token has ended; issue a new one.", hint="Issue a token.")
        wish = Wish(
            label=record.label,
            grant_id=record.grant_id,
            purpose=record.purpose,
            narrowing=record.narrowing,
            areas=None if record.areas is None else frozenset(record.areas),
            key_thumbprint=record.key_thumbprint,
            delegate_id=record.person_id if record.granted_by else None,
            lifetime=_moment(record.expires_at) - _moment(record.issued_at),
        )
        parent = self._records.get(record.parent_id) if record.parent_id else None
        command = self.plan(actor, wish, parent)
        end = EndCredential(reason="replaced by another token")
        steps = [Step(CREDENTIALS, command.credential_id, command), Step(CREDENTIALS, token_id, end)]
        self._kernel.execute_all(steps, actor)
        issued = self._records.get(command.credential_id)
        return IssuedToken(token=self.encode(issued), record=issued)

    def opens(self, actor: Actor, token_id: str) -> Scope | None:
        """What a token that the actor holds opens of its grant at most; None if it names none. Raises NotFound."""
        record = self.held_by(actor, token_id)
        if record.grant_id is None:
            return None
        scope = self._kernel.state(GRANTS, record.grant_id).scope
        return None if scope is None else narrowed(scope, [one.narrowing for one in self._records.line(record)])

    def fresh(self, family: IssueCredential, ends: datetime) -> IssueCredential:
        """The command that issues the next access token of a family, its grant checked as it stands now."""
        if family.grant_id is not None:
            holder = self._records.holder(family.person_id)
            wish = Wish(purpose=family.purpose, lifetime=timedelta())
            ends = min(
                ends, self._within_grant(holder, family.grant_id, wish, [family.narrowing], family.key_thumbprint)
            )
        return family.model_copy(
            update={
                "credential_id": new_id("tok"),
                "kind": CredentialKind.ACCESS_TOKEN,
                "expires_at": ends,
            }
        )

    def refresh_days(self, grant_id: str | None) -> int:
        """For how many days a token for the grant can be kept fresh: as the portal and the agreement allow."""
        days = self._settings.refresh_days
        if grant_id is None:
            return days
        clause = self._grants.held(self._kernel.state(GRANTS, grant_id)).clause(Confidentiality)
        return days if clause is None or clause.refresh_days is None else min(days, clause.refresh_days)

    def encode(self, record: Credential) -> str:
        """The token that a record stands for."""
        issuer = self._keys.issuer()
        digest = self._kernel.state(GRANTS, record.grant_id).agreement_digest if record.grant_id else None
        claims = AccessClaims(
            iss=issuer.issuer,
            aud=issuer.audience,
            sub=record.subject_id,
            client_id=record.person_id,
            iat=int(_moment(record.issued_at).timestamp()),
            exp=int(_moment(record.expires_at).timestamp()),
            jti=record.id,
            scope=_scope_of(record),
            cnf=Confirmation(jkt=record.key_thumbprint) if record.key_thumbprint else None,
            act=_act_of(record),
            authorization_details=(_details_of(record, digest),),
        )
        return issuer.encode(claims)

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
        claims = self._keys.issuer().decode(token, now)
        try:
            record = self._records.get(claims.jti)
        except NotFound:
            raise Unauthenticated("token_unknown", "This portal keeps no record of the token.") from None
        if record.kind is not CredentialKind.ACCESS_TOKEN or not _same(claims, record):
            raise Unauthenticated("token_unknown", "The portal's record of the token differs from it.")
        line = self._records.live_line(record, now)
        return Authenticated(
            actor=self._records.bearer(line, claims.details.agreement_digest),
            purpose=record.purpose,
            expires_at=_moment(record.expires_at),
            record=record,
        )

    def revoke(self, actor: Actor, token_id: str, *, reason: str = "revoked by its holder") -> Credential:
        """End a token and all that was made from it. Raises NotFound for one that is not one's to end."""
        try:
            record = self._records.get(token_id)
        except NotFound:
            raise _missing(token_id) from None
        if record.kind not in _LISTED or not may_end(actor, record):
            raise _missing(token_id)
        return self._kernel.execute(CREDENTIALS, token_id, EndCredential(reason=reason), actor)

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


def _same(claims: AccessClaims, record: Credential) -> bool:
    """Whether a token says what its record says."""
    return (
        (claims.sub, claims.holder) == (record.subject_id, record.person_id)
        and claims.details.grant_id == record.grant_id
        and claims.scope == _scope_of(record)
        and (claims.cnf.jkt if claims.cnf else None) == record.key_thumbprint
        and claims.details.narrowing() == record.narrowing
    )


def _scope_of(record: Credential) -> str | None:
    return None if record.areas is None else " ".join(area.value for area in record.areas)


def _act_of(record: Credential) -> ActingParty | None:
    """Who acts for the subject: the holder, and inside it those through whose hands the token went."""
    party: ActingParty | None = None
    for holder in (*record.granted_by[1:], *((record.person_id,) if record.granted_by else ())):
        party = ActingParty(sub=holder, act=party)
    return party


def _details_of(record: Credential, digest: str | None) -> AuthorizationDetails:
    return AuthorizationDetails.of(
        record.narrowing, grant_id=record.grant_id, agreement_digest=digest, purpose=record.purpose
    )


def _granted_by(parent: Credential | None, *, delegated: bool) -> tuple[str, ...]:
    if parent is None:
        return ()
    return (*parent.granted_by, parent.person_id) if delegated else parent.granted_by


def _areas_within(wanted: frozenset[Area] | None, parent: Credential) -> frozenset[Area] | None:
    if parent.areas is None:
        return wanted
    allowed = frozenset(parent.areas)
    if wanted is not None and (extra := sorted(wanted - allowed)):
        raise Forbidden(
            "token_widens",
            f"The token that this one is made from is not for {', '.join(extra)}.",
            hint="Sign in to the portal and issue it on the Tokens page.",
            fixer=Fixer.CALLER,
        )
    return allowed if wanted is None else wanted


def _only(values: frozenset[str] | None) -> str | None:
    return next(iter(values)) if values is not None and len(values) == 1 else None


def _moment(recorded: datetime | None) -> datetime:
    if recorded is None:
        raise TypeError("an issued credential has its times")
    return recorded
