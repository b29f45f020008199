"""What an act on an agreement would bring about, as far as it can be known before."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

from agreements.agreement import Agreement, SuspensionEffect, Version, effect_of
from agreements.clauses import FinalReport, NamedUsers, SafeHarbour, SuspensionReason, Termination, only
from agreements.deciders import Value
from agreements.errors import NotFound
from agreements.grants import Grant
from agreements.scopes import Operation
from agreements.succession import fates
from portal.services.aggregates import stamp
from portal.services.agreements import AgreementService
from portal.services.duty_book import DutyBook
from portal.services.kernel import Kernel


class Act(StrEnum):
    """What somebody is about to do."""

    TERMINATE = "terminate"
    SUSPEND = "suspend"
    NARROW = "narrow"
    AMEND = "amend"
    """Bring the version on the table into force."""
    CLOSE = "close"
    """Close the books."""


class GrantFate(Value):
    """One grant, and what becomes of it."""

    grant: Grant
    goes_on: bool
    reason: str


class Consequences(Value):
    """What an act would bring about, as far as it can be known before."""

    act: Act
    at: datetime
    """When it stops what it stops: a suspension after its notice, an amendment with the grace of what it replaces."""
    suspension: SuspensionEffect | None = None
    """For a suspension whose reason is given: its notice, and the clocks of an appeal against it."""
    grants: tuple[GrantFate, ...]
    tokens: int
    """Live tokens that still run at that moment, and stop working or are narrowed then."""
    people: tuple[str, ...] = ()
    """Who is not named any more, and until when each may go on, in words."""
    runs: tuple[str, ...]
    """Runs under way now; each is stopped when it takes effect."""
    schedules: tuple[str, ...]
    """Agreements under this framework that stop with it, or go on under its new terms."""
    duties: tuple[str, ...]
    """What falls due because of it, or stays on record as open."""


class Foresight:
    """Works out consequences. Authorises nobody: that is its callers' part."""

    def __init__(self, kernel: Kernel, agreements: AgreementService) -> None:
        self._kernel = kernel
        self._agreements = agreements
        self._duties = DutyBook(kernel)

    def of(
        self,
        agreement: Agreement,
        act: Act,
        *,
        reason: SuspensionReason | None = None,
        operations: Collection[Operation] | None = None,
    ) -> Consequences:
        """What the act would bring about. Raises NotFound ``no_proposal`` for an amendment that nobody put forward."""
        now = self._kernel.clock()
        schedules = tuple(one for one in self._agreements.schedules_under(agreement.id) if one.runs_on(now))
        if act is Act.CLOSE:
            return self._closing(agreement, now)
        grants = [
            grant
            for one in (agreement, *schedules)
            for grant in self._agreements.grants_under(one.id)
            if grant.live_on(now)
        ]
        if act is Act.AMEND:
            return self._amending(agreement, schedules, grants, now)
        effect = None
        if act is Act.SUSPEND and reason is not None:
            effect = effect_of(reason, self._duties.clause(agreement, SafeHarbour), now)
        at = effect.takes_effect_at if effect is not None else now
        ids = [grant.id for grant in grants]
        return Consequences(
            act=act,
            at=at,
            suspension=effect,
            grants=tuple(_stopped(act, grant, operations) for grant in grants),
            tokens=self._live_tokens(ids, at),
            runs=self._running(ids),
            schedules=tuple(one.id for one in schedules),
            duties=_duties(agreement, schedules) if act is Act.TERMINATE else (),
        )

    def _amending(
        self, agreement: Agreement, schedules: Sequence[Agreement], grants: Sequence[Grant], now: datetime
    ) -> Consequences:
        coming, governing = agreement.proposal, agreement.governing
        if coming is None:
            raise NotFound(
                "no_proposal", f"No change of agreement {agreement.id} is on the table.", hint="Propose one first."
            )
        at = now + governing.grace if governing is not None else now
        settled = fates(agreement, coming, [one for one in grants if one.agreement_id == agreement.id], now)
        found = [
            GrantFate(
                grant=fate.grant,
                goes_on=fate.carried is not None,
                reason=fate.reason or "goes on under the new version",
            )
            for fate in settled
        ]
        # Every token names the version it was issued under, and stops with it. A framework is named by none.
        tokens = self._live_tokens([fate.grant.id for fate in settled], at)
        dropped = self._dropped(agreement, governing, coming)
        holding = [one for one in schedules if only(one.clauses, NamedUsers) is None]
        for schedule in schedules:
            under = [grant for grant in grants if grant.agreement_id == schedule.id]
            reason = f"goes on; what the framework says anew binds it from {at:%Y-%m-%d %H:%M} UTC on"
            found += [GrantFate(grant=grant, goes_on=True, reason=reason) for grant in under]
            if schedule in holding:
                tokens += self._live_tokens([grant.id for grant in under], at, emails=list(dropped))
        ending = [fate.grant.id for fate in found if not fate.goes_on]
        until = f"{at:%Y-%m-%d %H:%M} UTC"
        how = f"goes on until {until}"
        if not schedules:
            how = f"is refused on screen at once, and with a token issued before from {until} on"
        affected = dropped if holding or not schedules else {}
        return Consequences(
            act=Act.AMEND,
            at=at,
            grants=tuple(found),
            tokens=tokens,
            people=tuple(f"{name} <{email}> is not named any more and {how}." for email, name in affected.items()),
            runs=self._running(ending),
            schedules=tuple(one.id for one in schedules),
            duties=(),
        )

    def _closing(self, agreement: Agreement, now: datetime) -> Consequences:
        left = [one for one in self._duties.standings(agreement, now) if one.state.is_open]
        said = tuple(f"{one.duty.title}, due {one.due_at:%Y-%m-%d}, stays on record as open." for one in left)
        return Consequences(act=Act.CLOSE, at=now, grants=(), tokens=0, runs=(), schedules=(), duties=said)

    def _dropped(self, agreement: Agreement, governing: Version | None, coming: Version) -> dict[str, str]:
        """Who may use the access now and is not named by what is to come: names by address."""
        before = only(governing.clauses, NamedUsers) if governing is not None else None
        after = only(coming.clauses, NamedUsers)
        if after is None or governing is None:
            return {}
        if before is not None:
            may = {user.email.casefold(): user.name for user in before.users}
        else:
            rows = self._kernel.store.query(
                """
                SELECT DISTINCT p.email, p.name FROM person p JOIN person_institution i USING (person_id)
                WHERE i.institution_id = ? AND p.active ORDER BY p.email
                """,
                [agreement.institution_id],
            )
            may = {row["email"]: row["name"] for row in rows}
        return {email: name for email, name in may.items() if not after.names(email)}

    def _live_tokens(self, grant_ids: Sequence[str], at: datetime, emails: Sequence[str] | None = None) -> int:
        rows = self._kernel.store.query(
            """
            SELECT count(*) AS tokens FROM credential c LEFT JOIN person p USING (person_id)
            WHERE kind = 'access_token' AND NOT ended AND expires_at > ? AND list_contains(?::VARCHAR[], grant_id)
              AND (? OR list_contains(?::VARCHAR[], p.email))
            """,
            [stamp(at), list(grant_ids), emails is None, list(emails or ())],
        )
        return int(rows[0]["tokens"])

    def _running(self, grant_ids: Sequence[str]) -> tuple[str, ...]:
        rows = self._kernel.store.query(
            "SELECT run_id FROM run WHERE status = 'started' AND list_contains(?::VARCHAR[], grant_id) ORDER BY run_id",
            [list(grant_ids)],
        )
        return tuple(row["run_id"] for row in rows)


def _stopped(act: Act, grant: Grant, operations: Collection[Operation] | None) -> GrantFate:
    if act is Act.NARROW:
        has = grant.scope.operations if grant.scope is not None else frozenset()
        lost = sorted(has - set(operations)) if operations else []
        reason = f"loses {', '.join(lost)}" if lost else "is held to what stays open, at the slower rate"
        return GrantFate(grant=grant, goes_on=not lost or len(lost) < len(has), reason=reason)
    reason = "ends for good" if act is Act.TERMINATE else "is refused until the suspension is lifted"
    return GrantFate(grant=grant, goes_on=False, reason=reason)


def _duties(agreement: Agreement, schedules: Sequence[Agreement]) -> tuple[str, ...]:
    """What falls due at the end of an agreement, and of each schedule that ends with it."""
    found = []
    for one in (agreement, *schedules):
        under = f"{one.title} ({one.id}): " if schedules else ""
        report, end = only(one.clauses, FinalReport), only(one.clauses, Termination)
        if report is not None:
            found.append(f"{under}The final report falls due {report.within_days} days after the end.")
        if end is not None:
            found.append(f"{under}Destruction of stored outputs has to be attested within {end.destruction_days} days.")
    return tuple(found)
