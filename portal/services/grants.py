"""Grants: issued from agreements in force, revoked with effect on the next request."""

from agreements.access import Held, readings
from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.bounds import Bounds
from agreements.clauses import Vetting
from agreements.deciders import Value
from agreements.errors import Conflict, NotFound
from agreements.grants import Grant, IssueGrant, RevokeGrant
from agreements.ids import new_id
from agreements.scopes import Scope
from model_access.metering import Meter, Usage
from portal.inputs import parse
from portal.services.aggregates import AGREEMENTS, GRANTS
from portal.services.agreements import AgreementService
from portal.services.kernel import Kernel
from portal.services.prerequisites import Prerequisites


class GrantView(Value):
    """A grant with what it has used."""

    grant: Grant
    institution_name: str
    used_tokens: int
    held_tokens: int
    active: bool
    """Whether it is live under an agreement and a framework in force; which version it pins is asked at each run."""

    @property
    def left_tokens(self) -> int:
        """What a next run may still use."""
        budget = self.grant.scope.token_budget if self.grant.scope else 0
        return max(budget - self.used_tokens - self.held_tokens, 0)


class GrantService:
    """The one path by which grants are issued and revoked."""

    def __init__(
        self, kernel: Kernel, agreements: AgreementService, prerequisites: Prerequisites, meter: Meter
    ) -> None:
        self._kernel = kernel
        self._agreements = agreements
        self._prerequisites = prerequisites
        self._meter = meter

    def bounds(self, actor: Actor, agreement_id: str) -> Scope:
        """The widest grant an agreement allows. Raises NotFound, or Conflict when it is not in force."""
        return self._bounds(actor, agreement_id).scope

    def _bounds(self, actor: Actor, agreement_id: str) -> Bounds:
        agreement = self._agreements.get(actor, agreement_id)
        if not agreement.in_force_on(self._kernel.clock()):
            raise Conflict(
                "agreement_not_in_force",
                f"Agreement {agreement_id} is {agreement.status.label}; a grant needs it in force.",
                hint="Both sides have to sign first.",
            )
        return agreement.bounds()

    def issue(
        self,
        actor: Actor,
        *,
        agreement_id: str,
        label: str,
        scope: Scope | None = None,
        idempotency_key: str | None = None,
    ) -> Grant:
        """Open access, by default all that the agreement allows. Raises Forbidden, Conflict or Invalid."""
        bounds = self._bounds(actor, agreement_id)
        agreement = self._agreements.get(actor, agreement_id)
        grant_id = new_id("grt")
        command = parse(
            IssueGrant,
            {
                "grant_id": grant_id,
                "institution_id": agreement.institution_id,
                "agreement_id": agreement.id,
                "agreement_digest": agreement.document_digest,
                "label": label,
                "scope": scope or bounds.scope,
                "bounds": bounds,
            },
        )
        return self._kernel.execute(GRANTS, grant_id, command, actor, idempotency_key=idempotency_key)

    def revoke(self, actor: Actor, grant_id: str, *, reason: str, idempotency_key: str | None = None) -> Grant:
        """End access for good. Raises Forbidden, Conflict or NotFound."""
        self.get(actor, grant_id)
        command = parse(RevokeGrant, {"reason": reason})
        return self._kernel.execute(GRANTS, grant_id, command, actor, idempotency_key=idempotency_key)

    def get(self, actor: Actor, grant_id: str) -> GrantView:
        """One grant, for its institution and coordinators. Raises NotFound for everybody else too."""
        missing = NotFound("grant_not_found", f"There is no grant {grant_id!r} that you may see.")
        try:
            grant = self._kernel.state(GRANTS, grant_id)
        except NotFound:
            raise missing from None
        if not (actor.is_coordinator or actor.belongs_to(grant.institution_id)):
            raise missing
        return self._view(grant)

    def list(self, actor: Actor) -> tuple[GrantView, ...]:
        """The grants the actor may see, newest first."""
        rows = self._kernel.store.query(
            """
            SELECT grant_id FROM access_grant
            WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY issued_at DESC, grant_id
            """,
            [actor.is_coordinator, list(actor.institution_ids)],
        )
        return tuple(self._view(self._kernel.state(GRANTS, row["grant_id"])) for row in rows)

    def usable_by(self, actor: Actor) -> tuple[Held, ...]:
        """The grants a run of this actor may draw on: the one its token names, else all of its institutions."""
        if actor.grant_id is not None:
            grants = [self._kernel.state(GRANTS, actor.grant_id)]
        else:
            rows = self._kernel.store.query(
                """
                SELECT grant_id FROM access_grant
                WHERE list_contains(?::VARCHAR[], institution_id)
                ORDER BY issued_at DESC, grant_id
                """,
                [list(actor.institution_ids)],
            )
            grants = [self._kernel.state(GRANTS, row["grant_id"]) for row in rows]
        return tuple(held for grant in grants for held in self._held_by(actor, grant))

    def held(self, grant: Grant) -> Held:
        """A grant with everything it rests on, as it stands now."""
        agreement, framework = self._resting_on(grant)
        return self._vetted(Held(grant=grant, agreement=agreement, framework=framework))

    def _held_by(self, actor: Actor, grant: Grant) -> tuple[Held, ...]:
        """A grant under each of the terms by which the actor holds it."""
        agreement, framework = self._resting_on(grant)
        return tuple(map(self._vetted, readings(grant, agreement, framework, actor, self._kernel.clock())))

    def _resting_on(self, grant: Grant) -> tuple[Agreement, Agreement | None]:
        agreement = self._kernel.state(AGREEMENTS, grant.agreement_id)
        if agreement.framework is None:
            return agreement, None
        return agreement, self._kernel.state(AGREEMENTS, agreement.framework.agreement_id)

    def _vetted(self, held: Held) -> Held:
        lines = self._prerequisites.vetting(held.grant.institution_id, held.clause(Vetting), in_grace=True)
        return held.model_copy(update={"lacking": tuple(line.label for line in lines if not line.met)})

    def usage(self, account: str) -> Usage:
        """What an account has used and holds."""
        return self._meter.usage(account)

    def _view(self, grant: Grant) -> GrantView:
        usage = self._meter.usage(grant.id)
        held, now = self.held(grant), self._kernel.clock()
        return GrantView(
            grant=grant,
            institution_name=held.agreement.institution_name,
            used_tokens=usage.settled,
            held_tokens=usage.reserved,
            active=grant.active_on(now) and all(one.in_force_on(now) for one in held.agreements),
        )
