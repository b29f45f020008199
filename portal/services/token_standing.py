"""Whether a token opens anything now, and if not, why: for those whom it concerns, and for nobody else (RFC 7662)."""

from datetime import datetime
from typing import Self

from agreements.access import Denied, opens_nothing
from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.credentials import Credential, CredentialKind, may_end
from agreements.deciders import Value
from agreements.errors import ConcordatError, NotFound, Unauthenticated
from agreements.tokens import expired
from portal.services.aggregates import AGREEMENTS, GRANTS
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.last_used import LastUsed
from portal.services.token_claims import moment, says_the_same
from portal.services.token_keys import TokenKeyService
from portal.services.token_records import TokenRecords


class WhyNot(Value):
    """The condition that failed, and who can clear it."""

    code: str
    message: str
    hint: str
    fixer: str

    @classmethod
    def of(cls, refusal: ConcordatError | Denied) -> Self:
        """The same, as a refusal says it."""
        return cls(code=refusal.code, message=refusal.message, hint=refusal.hint, fixer=str(refusal.fixer.value))


class Standing(Value):
    """A token's record with whether it opens anything now."""

    record: Credential
    active: bool
    why_not: WhyNot | None = None
    agreement_digest: str | None = None
    """The version of the agreement that it was issued under, if it names a grant."""
    last_used_at: datetime | None = None


class TokenStandings:
    """Looks tokens up, live or not, for whoever holds them, passed them on, leads their program, or coordinates."""

    def __init__(self, kernel: Kernel, grants: GrantService, keys: TokenKeyService, last_used: LastUsed) -> None:
        self._kernel = kernel
        self._grants = grants
        self._keys = keys
        self._last_used = last_used
        self._records = TokenRecords(kernel)

    def get(self, actor: Actor, token_id: str) -> Standing:
        """A token by its id. Raises NotFound for one that does not concern the actor, as for one that is not there."""
        missing = NotFound("token_not_found", f"There is no token {token_id!r} that you may see.")
        try:
            record = self._records.get(token_id)
        except NotFound:
            raise missing from None
        if record.kind not in (CredentialKind.ACCESS_TOKEN, CredentialKind.REFRESH_FAMILY):
            raise missing
        if not may_end(actor, record):
            raise missing
        return self.of(record)

    def introspect(self, actor: Actor, token: str) -> Standing | None:
        """A token by what it is; None where it is none of this portal's, or does not concern the actor."""
        now = self._kernel.clock()
        try:
            claims, _kid = self._keys.issuer().identify(token, now)
            record = self._records.get(claims.jti)
        except (Unauthenticated, NotFound):
            return None
        known = record.kind is CredentialKind.ACCESS_TOKEN and says_the_same(claims, record)
        if not known or not may_end(actor, record):
            return None
        found = self.of(record, claims.details.agreement_digest)
        if found.active and claims.exp <= now.timestamp():
            # The token itself says when it ends, whatever its record says.
            return found.model_copy(update={"active": False, "why_not": WhyNot.of(expired(claims))})
        return found

    def of(self, record: Credential, agreement_digest: str | None = None) -> Standing:
        """How a token stands. Without ``agreement_digest`` it is that of the version in force when it was issued."""
        digest = agreement_digest or self._digest_at_issue(record)
        why_not = self._why_not(record, digest)
        return Standing(
            record=record,
            active=why_not is None,
            why_not=why_not,
            agreement_digest=digest,
            last_used_at=self._last_used.at(record.id),
        )

    def _why_not(self, record: Credential, digest: str | None) -> WhyNot | None:
        now = self._kernel.clock()
        try:
            bearer = self._records.bearer(self._records.live_line(record, now), digest)
        except Unauthenticated as refusal:
            return WhyNot.of(refusal)
        if record.grant_id is None:
            return None
        denied = opens_nothing(bearer, self._grants.usable_by(bearer), now)
        return WhyNot.of(denied) if denied is not None else None

    def _digest_at_issue(self, record: Credential) -> str | None:
        if record.grant_id is None:
            return None
        grant = self._kernel.state(GRANTS, record.grant_id)
        agreement: Agreement = self._kernel.state(AGREEMENTS, grant.agreement_id)
        issued_at = moment(record.issued_at)
        replaced = (one for one in agreement.history if one.replaced_at is not None and issued_at < one.replaced_at)
        return next((one.digest for one in replaced), grant.agreement_digest)
