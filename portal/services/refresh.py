"""Refresh tokens (RFC 6749 section 6, RFC 9700 section 4.14): good once, in a line that ends when one comes twice.

The secret is stored nowhere; the database knows its SHA-256. A line, its *family*, is bound to its holder, to the key
it was begun with and to a last day that no refresh moves.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any, Final

from agreements.actors import LAB, Actor
from agreements.credentials import Credential, CredentialKind, EndCredential, IssueCredential, UseOnce, secret_id
from agreements.errors import Conflict, NotFound, Unauthenticated
from portal.config import Settings
from portal.inputs import parse
from portal.notices.model import Notice
from portal.services.aggregates import CREDENTIALS, GRANTS
from portal.services.kernel import Kernel, Step
from portal.services.notice_making import LAB_SIDE, LEADS
from portal.services.notices import NoticeService
from portal.services.token_plans import TokenPlans, Wish
from portal.services.token_records import PROGRAM_PREFIX, TokenRecords
from portal.services.tokens import IssuedToken, TokenService

REFRESH_PREFIX: Final = "cdrt_"
"""How every refresh token begins, for secret scanners."""

REUSE_WATCH = Actor.automatic("refresh-reuse-watch")
"""The named rule that ends a family whose token came twice."""

REUSED: Final = "a refresh token was used twice, which only a copy can do"
"""Why such a family ended."""

_SECRET_BYTES = 32


class RefreshService:
    """Begins families and trades refresh tokens."""

    def __init__(self, kernel: Kernel, tokens: TokenService, plans: TokenPlans, settings: Settings) -> None:
        self._kernel = kernel
        self._tokens = tokens
        self._plans = plans
        self._settings = settings
        self._records = TokenRecords(kernel)

    def issue(self, actor: Actor, **wish: Any) -> IssuedToken:
        """As ``TokenService.issue``, with a refresh token."""
        wanted, parent = self._tokens.wished(actor, **wish)
        return self.begin(actor, wanted, parent)

    def begin(self, actor: Actor, wish: Wish, parent: Credential | None = None) -> IssuedToken:
        """A token and what keeps it fresh. Raises what issuing raises, and Conflict ``no_refresh``."""
        days = self._plans.refresh_days(wish.grant_id or (parent.grant_id if parent else None))
        if days == 0:
            raise Conflict(
                "no_refresh",
                "The portal or the agreement lets no token be kept fresh.",
                hint="Issue a token without, and another one when it ends.",
            )
        whole = wish.model_copy(update={"lifetime": timedelta(days=days)})
        family = self._plans.plan(actor, whole, parent, kind=CredentialKind.REFRESH_FAMILY)
        return self._trade(family, Step(CREDENTIALS, family.credential_id, family), actor, wish.lifetime)

    def refresh(self, secret: str, *, client_id: str | None, key_thumbprint: str | None) -> IssuedToken:
        """A fresh access token and the next refresh token.

        ``client_id`` is of the program that proved to be itself, if one did. Raises Unauthenticated
        ``refresh_unknown``, ``refresh_reused`` (and ends the family), ``token_revoked`` and the like, and what issuing
        raises.
        """
        record, family = self.known(secret)
        holder = self._records.holder(family.person_id)
        if client_id != (holder.person_id if holder.program else None):
            raise Unauthenticated(
                "invalid_client", "The refresh token was issued to somebody else.", hint="Authenticate as its holder."
            )
        if family.key_thumbprint is not None and family.key_thumbprint != key_thumbprint:
            raise Unauthenticated(
                "proof_required",
                "The refresh token is bound to a key, and the request does not prove that its sender holds that key.",
                hint="Send a DPoP proof (RFC 9449) by that key.",
            )
        if record.ended_at is not None:
            self._end(family)
        self._records.live_line(family, self._kernel.clock())
        lifetime = timedelta(hours=self._settings.token_hours)
        plan = IssueCredential(credential_id=family.id, **{name: getattr(family, name) for name in _CARRIED})
        try:
            return self._trade(plan, Step(CREDENTIALS, record.id, UseOnce()), holder, lifetime)
        except Unauthenticated as refusal:
            if refusal.code == "refresh_spent" and record.live_on(self._kernel.clock()):
                self._end(family)  # it came twice at once
            raise

    def end(self, secret: str) -> None:
        """End the family of a refresh token, at the word of whoever holds one (RFC 7009); others are nothing to end."""
        try:
            record = self._records.get(secret_id(secret))
        except NotFound:
            return
        if record.kind is CredentialKind.REFRESH_TOKEN:
            command = EndCredential(reason="its refresh token was handed in")
            self._kernel.execute(CREDENTIALS, record.parent_id, command, REUSE_WATCH)

    def known(self, secret: str) -> tuple[Credential, Credential]:
        """The record of a refresh token and of its family. Raises Unauthenticated ``refresh_unknown``."""
        try:
            record = self._records.get(secret_id(secret))
            if record.kind is CredentialKind.REFRESH_TOKEN:
                return record, self._records.get(record.parent_id)
        except NotFound:
            pass
        raise Unauthenticated(
            "refresh_unknown", "This is no refresh token of this portal.", hint="Issue a new token on the Tokens page."
        )

    def _end(self, family: Credential) -> None:
        """End the family, and tell whom it concerns in the same transaction."""
        steps = [Step(CREDENTIALS, family.id, EndCredential(reason=REUSED))]
        if family.ended_at is None:
            now = self._kernel.clock()
            steps.append(NoticeService.raising(reuse_notice(family, self._institution_of(family), now)))
        self._kernel.execute_all(steps, REUSE_WATCH)
        raise Unauthenticated(
            "refresh_reused",
            "This refresh token was used before. Somebody may have a copy, so all tokens that came of it are ended.",
            hint="Issue a new token on the Tokens page.",
        )

    def _institution_of(self, family: Credential) -> str:
        """Whose lead is told: the grant's institution, or else the holder's own."""
        if family.grant_id is not None:
            return self._kernel.state(GRANTS, family.grant_id).institution_id
        return next(iter(self._records.holder(family.person_id).institution_ids), LAB)

    def _trade(self, family: IssueCredential, first: Step, actor: Actor, lifetime: timedelta) -> IssuedToken:
        """Carry out ``first`` and issue the next refresh token and an access token, all or none."""
        now = self._kernel.clock()
        secret = REFRESH_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
        idle = timedelta(hours=self._settings.refresh_idle_hours)
        below = {"parent_id": family.credential_id}
        refresh = family.model_copy(
            update={
                **below,
                "credential_id": secret_id(secret),
                "kind": CredentialKind.REFRESH_TOKEN,
                "expires_at": min(now + idle, family.expires_at),
            }
        )
        access = self._plans.fresh(family, min(now + lifetime, family.expires_at)).model_copy(update=below)
        steps = [first, *(Step(CREDENTIALS, one.credential_id, one) for one in (refresh, access))]
        self._kernel.execute_all(steps, actor)
        record = self._records.get(access.credential_id)
        return IssuedToken(token=self._plans.encode(record), record=record, refresh_token=secret)


def reuse_notice(family: Credential, institution_id: str, now: datetime) -> Notice:
    """What its holder, those whose rights it carried and their lead are told; of the lab's own, the coordinators."""
    people = {one for one in (family.person_id, *family.granted_by) if not one.startswith(PROGRAM_PREFIX)}
    return parse(
        Notice,
        {
            "id": f"token:{family.id}:refresh_reused",
            "kind": "security.refresh_reused",
            "institution_id": institution_id,
            "subject": f"Security: a refresh token was used twice ({family.label})",
            "body": f"On {now:%Y-%m-%d %H:%M} UTC a refresh token of {family.label!r} was sent that had been used "
            "before. Each is good once, so somebody may have a copy: every token that came of it is ended, and the "
            "next request with one is refused.\n\n"
            "If a script sent it again by mistake, let it keep the newest refresh token, and issue another one. If "
            "not, look on Runs for what its tokens were used for, and at where it was kept.",
            "link": "/tokens",
            "at": now,
            "audience": frozenset(people) | (LAB_SIDE if institution_id == LAB else LEADS),
        },
    )


_CARRIED = tuple(name for name in IssueCredential.model_fields if name != "credential_id")
