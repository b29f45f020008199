"""What a token may be: a wish held against the holder, the grant, and every token above it, made into a command."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field

from agreements.actors import Actor
from agreements.areas import Area
from agreements.clauses import Confidentiality
from agreements.credentials import Credential, CredentialKind, IssueCredential
from agreements.deciders import Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid, NotFound, Unauthenticated
from agreements.ids import new_id
from agreements.jwks import Thumbprint
from agreements.narrowing import Narrowing, beyond, narrowed
from agreements.scopes import Slug
from agreements.tokens import MAX_TOKEN_BYTES
from portal.config import Settings
from portal.inputs import clean
from portal.services.aggregates import GRANTS
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.token_claims import claims_of, moment
from portal.services.token_keys import TokenKeyService
from portal.services.token_records import MOST_NARROWINGS, TokenRecords

LABEL_LENGTH: Final = 120
"""Characters of a token's label."""


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


def label_of(label: str) -> dict[str, str]:
    """The field ``label`` of a wish: one line, cut to what lists show. Raises Invalid ``bad_input``."""
    return clean({"label": label.strip()[:LABEL_LENGTH]}, lines=("label",))


class TokenPlans:
    """Makes the command that issues a token, or says why there can be none."""

    def __init__(self, kernel: Kernel, grants: GrantService, keys: TokenKeyService, settings: Settings) -> None:
        self._kernel = kernel
        self._grants = grants
        self._keys = keys
        self._settings = settings
        self._records = TokenRecords(kernel)

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
            ends.append(moment(parent.expires_at))
            areas = _areas_within(wish.areas, parent)
            if delegated and parent.key_thumbprint is not None and key in (None, parent.key_thumbprint):
                raise Invalid(
                    "key_needed",
                    "The token that this one is made from is bound to a key, and its delegate needs one of their own.",
                    hint="Give the thumbprint of the delegate's DPoP key.",
                    param="key_thumbprint",
                )
            key = key or parent.key_thumbprint
            self.held_to_grant(parent, grant_id)
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
            purpose=wish.purpose or _purpose(wish.narrowing.purposes, parent.purpose if parent is not None else None),
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
        missing = NotFound(
            "delegate_not_found",
            f"There is no active person or program {wish.delegate_id!r} to pass it on to.",
            hint="A token is passed on within the institution whose grant it names.",
            param="delegate_id",
        )
        try:
            delegate = self._records.holder(wish.delegate_id)
        except Unauthenticated:
            raise missing from None
        # Somebody elsewhere and nobody get one answer: who is at the portal is not told.
        if not (actor.is_coordinator or set(delegate.institution_ids) & set(actor.institution_ids)):
            raise missing
        return delegate

    def _grant_for(self, delegate: Actor, grant_id: str) -> str:
        """The grant that a delegate is to use: the token's own, or else the only one of theirs that is below it."""
        usable = {held.grant.id for held in self._grants.usable_by(delegate)}
        below = [one for one in usable if one != grant_id and grant_id in self._with_above(one)]
        return below[0] if grant_id not in usable and len(below) == 1 else grant_id

    def held_to_grant(self, parent: Credential, grant_id: str | None) -> None:
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
        if excess := beyond(wish.narrowing, scope, self._records.family_of):
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
        return issuer.encode(claims_of(record, issuer=issuer.issuer, audience=issuer.audience, agreement_digest=digest))


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


def _purpose(narrowed_to: frozenset[str] | None, above: str | None) -> str | None:
    """What runs are for that declare nothing: the purpose above where it still fits, or the only one that is left."""
    if narrowed_to is None or above in narrowed_to:
        return above
    return next(iter(narrowed_to)) if len(narrowed_to) == 1 else None
