"""The report of grants that somebody should look at: unused, about to end, under a suspension, or without a holder."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from agreements.access import Held
from agreements.actors import Actor
from agreements.agreement import AgreementStatus
from portal.config import Settings
from portal.services.grant_views import StaleGrant, Staleness
from portal.services.grants import GrantService
from portal.services.holders import Holders
from portal.services.kernel import Kernel


class StaleGrants:
    """Answers which grants are stale, to whoever may see them."""

    def __init__(self, kernel: Kernel, grants: GrantService, holders: Holders, settings: Settings) -> None:
        self._kernel = kernel
        self._grants = grants
        self._holders = holders
        self._unused_days = settings.stale_grant_days
        self._expiry_days = settings.grant_expiry_notice_days

    def list(self, actor: Actor) -> tuple[StaleGrant, ...]:
        """The stale ones among the live grants that the actor may see, the longest unused first."""
        now = self._kernel.clock()
        last_used = self._last_used()
        found = []
        for view in self._grants.list(actor):
            if not view.grant.live_on(now):
                continue
            held = self._grants.held(view.grant)
            used = last_used.get(view.grant.id)
            if why := dict(self._why(held, used, now)):
                found.append(
                    StaleGrant(
                        grant=view.grant,
                        holder_name=view.holder_name,
                        institution_name=view.institution_name,
                        last_used_at=used,
                        why=why,
                    )
                )
        return tuple(sorted(found, key=lambda one: one.last_used_at or one.grant.issued_at or now))

    def _why(self, held: Held, last_used: datetime | None, now: datetime) -> Iterator[tuple[Staleness, str]]:
        grant = held.grant
        if gone := self._holders.gone(grant.holder, grant.institution_id):
            yield Staleness.HOLDER_GONE, gone
        for agreement in held.agreements:
            if agreement.status_on(now) is AgreementStatus.SUSPENDED:
                yield Staleness.AGREEMENT_SUSPENDED, f"agreement {agreement.id} is suspended"
                break
        since = last_used or grant.issued_at
        if since is not None and now - since >= timedelta(days=self._unused_days):
            yield Staleness.UNUSED, f"no run for {(now - since).days} days"
        if grant.scope is not None and grant.scope.expires_at - now <= timedelta(days=self._expiry_days):
            yield Staleness.NEAR_EXPIRY, f"it ends on {grant.scope.expires_at:%Y-%m-%d}"

    def _last_used(self) -> dict[str, datetime]:
        # What is delegated from a grant draws on it too: using a child is using its parent.
        rows = self._kernel.store.query(
            """
            SELECT drawn.account, max(run.started_at) AS used_at FROM run_account drawn JOIN run USING (run_id)
            WHERE drawn.account IN (SELECT grant_id FROM access_grant) GROUP BY drawn.account
            """
        )
        return {row["account"]: datetime.fromisoformat(row["used_at"]) for row in rows}
