"""Grants: issued from agreements in force, delegated, changed and ended with effect on the next request."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from agreements.access import Held, readings
from agreements.access_requests import AccessRequest, Terms
from agreements.actors import Actor, Role
from agreements.agreement import Agreement
from agreements.bounds import Bounds
from agreements.clauses import Vetting
from agreements.deciders import Value
from agreements.errors import Conflict, NotFound
from agreements.grants import (
    DelegateGrant,
    ExtendGrant,
    Grant,
    Holder,
    HolderKind,
    IssueGrant,
    LiftGrantSuspension,
    MakeRoom,
    NarrowGrant,
    ReceiveGrant,
    RevokeGrant,
    SuspendGrant,
    may_delegate,
    may_lift,
    may_suspend,
    stands_above,
)
from agreements.grants.tree import (
    Becomes,
    Consequence,
    descendants,
    following,
    if_narrowed,
    if_revoked,
    if_suspended,
    path_to_root,
)
from agreements.ids import new_id
from agreements.scopes import Scope, filled
from model_access.metering import Meter, Usage
from portal.inputs import clean, parse
from portal.services.aggregates import AGREEMENTS, GRANTS, stamp
from portal.services.agreements import AgreementService
from portal.services.clicks import clicked
from portal.services.grant_views import GrantAct, GrantConsequences, GrantRights, GrantView, view_of
from portal.services.high_risk import HighRisk
from portal.services.holders import Holders
from portal.services.kernel import ATTEMPTS, Kernel, Step
from portal.services.prerequisites import Prerequisites
from portal.store import Committed, RecordedEvent

V = TypeVar("V", bound=Value)


class GrantService:
    """The one path by which grants are issued, delegated, changed and revoked."""

    def __init__(
        self,
        kernel: Kernel,
        agreements: AgreementService,
        prerequisites: Prerequisites,
        meter: Meter,
        holders: Holders,
        high_risk: HighRisk,
    ) -> None:
        self._kernel = kernel
        self._high_risk = high_risk
        self._holders = holders
        self._agreements = agreements
        self._prerequisites = prerequisites
        self._meter = meter

    def bounds(self, actor: Actor, agreement_id: str) -> Scope:
        """The widest grant an agreement allows. Raises NotFound, or Conflict when it is not in force."""
        return self._bounds(actor, agreement_id).scope

    def _bounds(self, actor: Actor, agreement_id: str) -> Bounds:
        agreement = self._agreements.get(actor, agreement_id)
        if not agreement.in_force_on(self._kernel.clock()):
            raise _not_in_force(agreement)
        return agreement.bounds()

    def issue(
        self,
        actor: Actor,
        *,
        agreement_id: str,
        label: str,
        scope: Scope | None = None,
        delegated_only: bool = False,
        idempotency_key: str | None = None,
    ) -> Grant:
        """Open access, by default all that the agreement allows. Raises Forbidden, Conflict or Invalid.

        Finer limits that ``scope`` leaves unsaid are the agreement's. What is high risk is issued by somebody else than
        signed the agreement for the lab (Conflict ``second_person_needed``).
        """
        bounds = self._bounds(actor, agreement_id)
        agreement = self._agreements.get(actor, agreement_id)
        label = _line(label)
        grant_id = new_id("grt")
        wanted = filled(scope, bounds.scope) if scope else bounds.scope
        command = parse(
            IssueGrant,
            {
                "grant_id": grant_id,
                "institution_id": agreement.institution_id,
                "agreement_id": agreement.id,
                "agreement_digest": agreement.document_digest,
                "label": label,
                "scope": wanted,
                "bounds": bounds,
                "high_risk": tuple(mark.says for mark in self._high_risk.marks(wanted)),
                "agreed_by": self._high_risk.needs_another(agreement),
                "delegated_only": delegated_only,
            },
        )
        return self._kernel.execute(GRANTS, grant_id, command, actor, idempotency_key=idempotency_key)

    def opening(self, request: AccessRequest, terms: Terms, agreement: Agreement) -> tuple[Step, ...]:
        """The steps that open access on an access request, to be carried out with the one that grants it.

        What a person or a program asked for is the institution's grant, all of it delegated to them: nobody else runs
        on it. Raises Conflict for an agreement that opens nothing now.
        """
        if not agreement.in_force_on(self._kernel.clock()):
            raise _not_in_force(agreement)
        bounds = agreement.bounds()
        named = terms.holder if terms.holder.kind is not HolderKind.INSTITUTION else None
        if named is not None:
            self._holders.check(named, agreement.institution_id)
        shared = {
            "institution_id": agreement.institution_id,
            "agreement_id": agreement.id,
            "agreement_digest": agreement.document_digest,
            "label": terms.title,
            "scope": filled(terms.scope, bounds.scope),
            "request_id": request.id,
        }
        root_id, child_id = request.reserved_grant_id, request.reserved_child_id
        issue = {
            **shared,
            "grant_id": root_id,
            "bounds": bounds,
            "delegated_only": named is not None,
            "child_id": child_id if named is not None else "",
            "child_holder": named,
        }
        root = Step(GRANTS, root_id, parse(IssueGrant, issue))
        if named is None:
            return (root,)
        receive = {**shared, "grant_id": child_id, "holder": named, "parent_id": root_id, "depth": 1}
        return (root, Step(GRANTS, child_id, parse(ReceiveGrant, receive)))

    # ---- the tree --------------------------------------------------------------------------------------------------

    def delegate(
        self,
        actor: Actor,
        parent_id: str,
        *,
        holder: Holder,
        label: str,
        scope: Scope,
        idempotency_key: str | None = None,
    ) -> Grant:
        """Pass part of a grant on to a person or a program of its institution.

        Finer limits that ``scope`` leaves unsaid are the parent's. Raises Forbidden, Conflict, or Invalid with the
        dimension in which it goes beyond the parent.
        """
        child_id, label = new_id("grt"), _line(label)

        def plan() -> Sequence[Step]:
            parent = self.get(actor, parent_id).grant
            self._holders.check(holder, parent.institution_id)
            wanted = filled(scope, parent.scope) if parent.scope else scope
            shared = {"holder": holder, "scope": wanted, "agreement_digest": parent.agreement_digest}
            receive = {
                **shared,
                "grant_id": child_id,
                "institution_id": parent.institution_id,
                "agreement_id": parent.agreement_id,
                "label": label,
                "parent_id": parent.id,
                "depth": parent.depth + 1,
            }
            return [
                Step(GRANTS, parent_id, parse(DelegateGrant, {**shared, "child_id": child_id})),
                Step(GRANTS, child_id, parse(ReceiveGrant, receive)),
            ]

        committed = self._carry_out(plan, actor, idempotency_key)
        made = [stream.partition("/")[2] for stream in committed.versions] if committed is not None else []
        return self._kernel.state(GRANTS, next(one for one in made if one != parent_id))

    @clicked
    def narrow(
        self, actor: Actor, grant_id: str, *, scope: Scope, reason: str, idempotency_key: str | None = None
    ) -> Grant:
        """Let a grant, and with it every one below, allow less. Raises Forbidden, Conflict, Invalid or NotFound.

        Finer limits that ``scope`` leaves unsaid stay as they are.
        """

        def plan() -> Sequence[Step]:
            grant = self.get(actor, grant_id).grant
            wanted = filled(scope, grant.scope) if grant.scope else scope
            command = self._command(NarrowGrant, grant, scope=wanted, reason=reason, seen=grant.tree_changes)
            below = if_narrowed(grant, wanted, self._find)
            return [Step(GRANTS, grant_id, command), *self._following(grant, below, command.reason)]

        self._carry_out(plan, actor, idempotency_key)
        return self._kernel.state(GRANTS, grant_id)

    def extend(
        self, actor: Actor, grant_id: str, *, scope: Scope, reason: str, idempotency_key: str | None = None
    ) -> Grant:
        """Let a grant allow more, within its parent or its agreement; those below it stay as they are.

        Finer limits that ``scope`` leaves unsaid are those from above. Raises Forbidden, Conflict, Invalid or NotFound;
        Conflict ``second_person_needed`` as for issuing, where it becomes high risk in a way that it was not.
        """

        def plan() -> Sequence[Step]:
            grant = self.get(actor, grant_id).grant
            if not grant.parent_id:
                bounds = self._bounds(actor, grant.agreement_id)
                wanted = filled(scope, bounds.scope)
                agreement = self._kernel.state(AGREEMENTS, grant.agreement_id)
                marks = self._high_risk.added(wanted, grant.scope) if grant.scope else ()
                fields = {
                    "bounds": bounds,
                    "high_risk": tuple(mark.says for mark in marks),
                    "agreed_by": self._high_risk.needs_another(agreement),
                }
                root = self._command(ExtendGrant, grant, scope=wanted, reason=reason, **fields)
                return [Step(GRANTS, grant_id, root)]
            parent = self._find(grant.parent_id)
            wanted = filled(scope, parent.scope) if parent.scope else scope
            child = self._command(ExtendGrant, grant, scope=wanted, reason=reason)
            return [
                Step(GRANTS, grant_id, child),
                Step(GRANTS, parent.id, MakeRoom(child_id=grant_id, scope=wanted)),
            ]

        self._carry_out(plan, actor, idempotency_key)
        return self._kernel.state(GRANTS, grant_id)

    @clicked
    def suspend(self, actor: Actor, grant_id: str, *, reason: str, idempotency_key: str | None = None) -> Grant:
        """Stop a grant, and all that is delegated from it, until it is lifted.

        What is suspended already becomes the suspension of whoever stands higher. Raises NotFound, Conflict
        ``already_suspended``, Forbidden ``not_coordinator`` or ``not_above``.
        """
        return self._alone(SuspendGrant, actor, grant_id, reason, idempotency_key)

    def lift(self, actor: Actor, grant_id: str, *, reason: str, idempotency_key: str | None = None) -> Grant:
        """Let a suspended grant go on: for whoever stands where it was suspended from, or higher.

        Raises NotFound, Conflict ``not_suspended``, Forbidden ``not_coordinator``, ``not_above`` or
        ``suspended_from_above``.
        """
        return self._alone(LiftGrantSuspension, actor, grant_id, reason, idempotency_key)

    @clicked
    def revoke(self, actor: Actor, grant_id: str, *, reason: str, idempotency_key: str | None = None) -> Grant:
        """End a grant, and all that is delegated from it, for good. Raises Forbidden, Conflict or NotFound."""

        def plan() -> Sequence[Step]:
            grant = self.get(actor, grant_id).grant
            command = self._command(RevokeGrant, grant, reason=reason, seen=grant.tree_changes)
            below = if_revoked(grant, self._find)
            return [Step(GRANTS, grant_id, command), *self._following(grant, below, command.reason)]

        self._carry_out(plan, actor, idempotency_key)
        return self._kernel.state(GRANTS, grant_id)

    def preview(self, actor: Actor, grant_id: str, act: GrantAct, *, scope: Scope | None = None) -> GrantConsequences:
        """What an act would bring about. ``scope`` is what a narrowed grant would allow. Raises NotFound.

        Whoever could not do it is told of the grants that they see, and of no others, not even by their number.
        """
        grant = self.get(actor, grant_id).grant
        match act:
            case GrantAct.SUSPEND:
                below = if_suspended(grant, self._find)
            case GrantAct.REVOKE:
                below = if_revoked(grant, self._find)
            case GrantAct.NARROW:
                wanted = filled(scope, grant.scope) if scope and grant.scope else grant.scope
                below = if_narrowed(grant, wanted, self._find) if wanted else ()
        if not self.may(actor, grant).changes:
            below = tuple(one for one in below if self._sees(actor, one.grant))
        stopping = [one.grant.id for one in below if one.becomes in {Becomes.REVOKED, Becomes.STOPPED}]
        if act is not GrantAct.NARROW:
            stopping.append(grant.id)
        return GrantConsequences(act=act, grants=below, tokens=self._tokens(stopping), runs=self._runs(stopping))

    def may(self, actor: Actor, grant: Grant) -> GrantRights:
        """What the actor may do with a grant."""
        if actor.grant_id is not None or actor.program:
            return GrantRights()
        above = self._above(grant)
        return GrantRights(
            delegates=may_delegate(grant, actor),
            changes=stands_above(grant, above, actor),
            suspends=may_suspend(grant, above, actor),
            lifts=may_lift(grant, above, actor),
        )

    def below(self, actor: Actor, grant_id: str) -> tuple[GrantView, ...]:
        """Every grant below one that was not revoked, each parent before its children. Raises NotFound."""
        grant = self.get(actor, grant_id).grant
        return tuple(self._view(one) for one in descendants(grant, self._find) if self._sees(actor, one))

    def history(self, actor: Actor, grant_id: str) -> tuple[RecordedEvent, ...]:
        """What happened to a grant, oldest first. Raises NotFound."""
        self.get(actor, grant_id)
        return tuple(self._kernel.store.events(GRANTS.decider.stream(grant_id)))

    # ---- looking ---------------------------------------------------------------------------------------------------

    def get(self, actor: Actor, grant_id: str) -> GrantView:
        """One grant, for its institution and coordinators. Raises NotFound for everybody else too."""
        missing = NotFound("grant_not_found", f"There is no grant {grant_id!r} that you may see.")
        try:
            grant = self._kernel.state(GRANTS, grant_id)
        except NotFound:
            raise missing from None
        if not self._sees(actor, grant):
            raise missing
        return self._view(grant)

    def list(self, actor: Actor) -> tuple[GrantView, ...]:
        """The grants the actor may see, newest first."""
        return tuple(map(self._view, self._seen(actor)))

    def _seen(self, actor: Actor) -> tuple[Grant, ...]:
        rows = self._kernel.store.query(
            """
            SELECT grant_id FROM access_grant
            WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY issued_at DESC, grant_id
            """,
            [actor.is_coordinator, list(actor.institution_ids)],
        )
        grants = (self._find(row["grant_id"]) for row in rows)
        return tuple(grant for grant in grants if self._sees(actor, grant))

    def seen_ids(self, actor: Actor) -> tuple[str, ...]:
        """The ids of the grants that the actor may see."""
        return tuple(grant.id for grant in self._seen(actor))

    def labels(self, actor: Actor, grant_ids: Sequence[str]) -> dict[str, str]:
        """How those of the grants are called that the actor may see."""
        found = {}
        for grant_id in grant_ids:
            with suppress(NotFound):
                grant = self._find(grant_id)
                if self._sees(actor, grant):
                    found[grant_id] = grant.label
        return found

    def usable_by(self, actor: Actor, *, at: datetime | None = None) -> tuple[Held, ...]:
        """The grants a run of this actor may draw on: the one its token names, else those it holds by name, and then
        those of its institutions. A program draws on what it holds alone.

        ``at`` is the moment at which it is asked for them, if it is not the present one.
        """
        now = at or self._kernel.clock()
        if actor.grant_id is not None:
            return self._held_by(actor, self._find(actor.grant_id), now)
        rows = self._kernel.store.query(
            """
            SELECT grant_id FROM access_grant
            WHERE list_contains(?::VARCHAR[], institution_id)
              AND (holder_id = ? OR (holder_kind = 'institution' AND NOT ?))
            ORDER BY holder_kind = 'institution', issued_at DESC, grant_id
            """,
            [list(actor.institution_ids), actor.person_id, actor.program],
        )
        return tuple(held for row in rows for held in self._held_by(actor, self._find(row["grant_id"]), now))

    def held(self, grant: Grant) -> Held:
        """A grant with everything it rests on, as it stands now."""
        agreement, framework = self._resting_on(grant)
        return self._vetted(Held(grant=grant, agreement=agreement, framework=framework), self._kernel.clock())

    def _held_by(self, actor: Actor, grant: Grant, now: datetime) -> tuple[Held, ...]:
        """A grant under each of the terms by which the actor holds it at ``now``."""
        agreement, framework = self._resting_on(grant)
        return tuple(self._vetted(held, now) for held in readings(grant, agreement, framework, actor, now))

    def _resting_on(self, grant: Grant) -> tuple[Agreement, Agreement | None]:
        agreement = self._kernel.state(AGREEMENTS, grant.agreement_id)
        if agreement.framework is None:
            return agreement, None
        return agreement, self._kernel.state(AGREEMENTS, agreement.framework.agreement_id)

    def _vetted(self, held: Held, now: datetime) -> Held:
        """The same, with the grants above it, how their holders are called, and what vetting is lacking."""
        path = path_to_root(held.grant, self._find)
        named = {
            one.holder.id: one.holder for one in (held.grant, *path) if one.holder.kind is not HolderKind.INSTITUTION
        }
        names = {holder_id: self._holders.name(holder) for holder_id, holder in named.items()}
        lines = self._prerequisites.vetting(held.grant.institution_id, held.clause(Vetting), in_grace=True, at=now)
        lacking = tuple(line.label for line in lines if not line.met)
        return held.model_copy(update={"path": path, "names": names, "lacking": lacking})

    def usage(self, account: str) -> Usage:
        """What an account has used and holds."""
        return self._meter.usage(account)

    # ---- how -------------------------------------------------------------------------------------------------------

    def _carry_out(
        self, plan: Callable[[], Sequence[Step]], actor: Actor, idempotency_key: str | None
    ) -> Committed | None:
        """Carry out what is planned on the tree as it stands, planned anew where the tree changed meanwhile."""
        for attempt in range(ATTEMPTS):
            try:
                return self._kernel.execute_all(plan(), actor, idempotency_key=idempotency_key)
            except Conflict as refusal:
                if refusal.code not in {"tree_changed", "stale_version"} or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _alone(
        self,
        kind: type[SuspendGrant] | type[LiftGrantSuspension],
        actor: Actor,
        grant_id: str,
        reason: str,
        idempotency_key: str | None,
    ) -> Grant:
        grant = self.get(actor, grant_id).grant
        command = self._command(kind, grant, reason=reason)
        return self._kernel.execute(GRANTS, grant_id, command, actor, idempotency_key=idempotency_key)

    def _command(self, kind: type[V], grant: Grant, **fields: object) -> V:
        return parse(kind, clean({**fields, "above": self._above(grant)}))

    def _above(self, grant: Grant) -> tuple[Holder, ...]:
        return tuple(one.holder for one in path_to_root(grant, self._find))

    def _following(self, grant: Grant, below: Sequence[Consequence], reason: str) -> Sequence[Step]:
        return [Step(GRANTS, one.id, command) for one, command in following(grant, below, reason)]

    def _find(self, grant_id: str) -> Grant:
        return self._kernel.state(GRANTS, grant_id)

    def _sees(self, actor: Actor, grant: Grant) -> bool:
        """Coordinators and leads see all; others what their institution holds, what they hold, and what is below it."""
        if actor.is_coordinator or actor.has(Role.PARTNER_LEAD, grant.institution_id):
            return True
        if not actor.belongs_to(grant.institution_id):
            return False
        if grant.holder.kind is HolderKind.INSTITUTION:
            return not actor.program
        concerned = {grant.issued_by, grant.holder.id, *(holder.id for holder in self._above(grant))}
        return actor.person_id in concerned

    def _tokens(self, grant_ids: Sequence[str]) -> int:
        rows = self._kernel.store.query(
            """
            SELECT count(*) AS tokens FROM credential
            WHERE kind = 'access_token' AND NOT ended AND expires_at > ? AND list_contains(?::VARCHAR[], grant_id)
            """,
            [stamp(self._kernel.clock()), list(grant_ids)],
        )
        return int(rows[0]["tokens"])

    def _runs(self, grant_ids: Sequence[str]) -> tuple[str, ...]:
        rows = self._kernel.store.query(
            "SELECT run_id FROM run WHERE status = 'started' AND list_contains(?::VARCHAR[], grant_id) ORDER BY run_id",
            [list(grant_ids)],
        )
        return tuple(row["run_id"] for row in rows)

    def _view(self, grant: Grant) -> GrantView:
        return view_of(self.held(grant), self._kernel.clock(), self._meter.usage)


def _line(label: str) -> str:
    """A label, which everybody reads alike. Raises Invalid ``bad_input``."""
    return str(clean({"label": label}, lines=("label",))["label"])


def _not_in_force(agreement: Agreement) -> Conflict:
    return Conflict(
        "agreement_not_in_force",
        f"Agreement {agreement.id} is {agreement.status.label}; a grant needs it in force.",
        hint="Both sides have to sign first.",
    )
