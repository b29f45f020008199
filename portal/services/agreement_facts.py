"""What follows from an agreement as it stands: what is missing, what changed, what it allows today and why, and what an
act would bring about.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, TypeVar

from agreements.access import Allowed, Denied, Draw, Held, Question, Subject, account_of_agreement, decide_access
from agreements.actors import Actor, Channel, Membership, PartyKind, Role
from agreements.agreement import Agreement, Version
from agreements.clauses import ClauseBase, Effect, NamedUsers, PermittedUses, SuspensionReason, UsageLimits, only
from agreements.deciders import Value
from agreements.diffs import ClauseChange, compare
from agreements.errors import Fixer
from agreements.grants import Grant
from agreements.scopes import Operation
from model_access.metering import Meter
from model_access.registry import Checkpoint
from portal.services.aggregates import CHECKPOINTS
from portal.services.agreements import AgreementService
from portal.services.consequences import Act, Consequences, Foresight, GrantFate
from portal.services.duty_book import DutyBook
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.prerequisites import Prerequisites, Requirement
from portal.services.templates import TemplateService

__all__ = ["Act", "AgreementFacts", "Allowance", "Allowances", "Budget", "Changes", "Consequences", "GrantFate"]

C = TypeVar("C", bound=ClauseBase)

ANY_GRANT: Final = "any grant"
"""What stands in for the id of a grant where none is meant in particular."""


class Changes(Value):
    """What a text changes against another."""

    before: str
    """What it is compared with, in words."""
    after: str
    title_before: str
    title_after: str
    """What each is called; the title is signed as the clauses are."""
    clauses: tuple[ClauseChange, ...]
    """Every clause of both, the unchanged ones too."""

    @property
    def retitled(self) -> bool:
        """Whether the title is among what there is to accept."""
        return self.title_before != self.title_after


class Allowance(Value):
    """One operation on one checkpoint: for which purposes it is open today, or why it is not."""

    checkpoint_id: str
    stage: str
    operation: Operation
    purposes: tuple[str, ...]
    denied: Denied | None
    """Why not; None where at least one purpose opens it."""


class Budget(Value):
    """What a limit of the agreement has left."""

    draw: Draw
    used: int
    held: int

    @property
    def left(self) -> int | None:
        """Tokens that may still be used; None without a budget."""
        return None if self.draw.budget is None else max(self.draw.budget - self.used - self.held, 0)


class ClauseEffects(Value):
    """A clause and what it compiles to."""

    clause_id: str
    title: str
    effects: tuple[Effect, ...]


class Allowances(Value):
    """What an agreement allows at a moment."""

    summary: str
    open: bool
    """Whether anything can be asked for under it now."""
    rows: tuple[Allowance, ...]
    budgets: tuple[Budget, ...]
    clauses: tuple[ClauseEffects, ...]


class AgreementFacts:
    """Answers about agreements, for their parties."""

    def __init__(
        self,
        kernel: Kernel,
        agreements: AgreementService,
        grants: GrantService,
        prerequisites: Prerequisites,
        templates: TemplateService,
        meter: Meter,
    ) -> None:
        self._kernel = kernel
        self._agreements = agreements
        self._grants = grants
        self._prerequisites = prerequisites
        self._templates = templates
        self._meter = meter
        self._duties = DutyBook(kernel)
        self._foresight = Foresight(kernel, agreements)

    def checklist(self, actor: Actor, agreement_id: str) -> tuple[Requirement, ...]:
        """What the text on the table needs to come into force, met or not, and who clears it. Raises NotFound."""
        agreement = self._agreements.get(actor, agreement_id)
        version = agreement.proposal or agreement.shown
        return (*self._prerequisites.checklist(agreement, version), *_signatures(agreement, version))

    def changes(self, actor: Actor, agreement_id: str) -> Changes:
        """What there is to accept: the text on the table against what is in force, else against the one before it.

        A first text is compared with the template it came from. Raises NotFound.
        """
        agreement = self._agreements.get(actor, agreement_id)
        version = agreement.proposal or agreement.shown
        governing = agreement.governing
        if governing is not None and governing.number != version.number:
            return self.compared(actor, agreement_id, governing.number, version.number)
        earlier = [other.number for other in agreement.versions if other.number < version.number]
        return self.compared(actor, agreement_id, max(earlier, default=None), version.number)

    def compared(self, actor: Actor, agreement_id: str, before: int | None, after: int) -> Changes:
        """Two versions side by side; ``before`` None stands for the template. Raises NotFound."""
        agreement = self._agreements.get(actor, agreement_id)
        new = agreement.version(after)
        if before is not None:
            old = agreement.version(before)
            return Changes(
                before=_called(old),
                after=_called(new),
                title_before=old.title,
                title_after=new.title,
                clauses=compare(old.clauses, new.clauses),
            )
        template = self._templates.get(agreement.template_id, new.template_version)
        return Changes(
            before=f"template {template.title}, version {template.version}",
            after=_called(new),
            title_before=template.title,
            title_after=new.title,
            clauses=compare(template.clauses, new.clauses),
        )

    def allows(self, actor: Actor, agreement_id: str) -> Allowances:
        """What a grant of all the agreement allows would open today, and why the rest is closed. Raises NotFound."""
        agreement = self._agreements.get(actor, agreement_id)
        now = self._kernel.clock()
        status = agreement.status_on(now)
        governing = agreement.governing
        effects = tuple(
            ClauseEffects(clause_id=clause.clause_id, title=clause.title, effects=clause.effects())
            for clause in agreement.clauses
        )
        if governing is None or only(governing.clauses, PermittedUses) is None or agreement.expires_at is None:
            return Allowances(
                summary=_closed_summary(agreement, status.label), open=False, rows=(), budgets=(), clauses=effects
            )
        held = self._widest(agreement, governing)
        asker = _anybody(actor, agreement, held)
        rows = tuple(row for checkpoint in self._checkpoints() for row in _rows(asker, checkpoint, held, now))
        is_open = any(row.purposes for row in rows)
        return Allowances(
            summary=_open_summary(agreement, status.label, now, rows),
            open=is_open,
            rows=rows,
            budgets=self._budgets(held),
            clauses=effects,
        )

    def clause(self, actor: Actor, agreement_id: str, kind: type[C]) -> C | None:
        """The clause of that type in force: the agreement's own, else its framework's. Raises NotFound."""
        return self._duties.clause(self._agreements.get(actor, agreement_id), kind)

    def consequences(
        self,
        actor: Actor,
        agreement_id: str,
        act: Act,
        *,
        reason: SuspensionReason | None = None,
        operations: Collection[Operation] | None = None,
    ) -> Consequences:
        """What an act would bring about: a suspension by its ``reason``, or a narrowing. Raises NotFound."""
        agreement = self._agreements.get(actor, agreement_id)
        return self._foresight.of(agreement, act, reason=reason, operations=operations)

    def _widest(self, agreement: Agreement, governing: Version) -> Held:
        grant = Grant(
            id=ANY_GRANT,
            institution_id=agreement.institution_id,
            agreement_id=agreement.id,
            agreement_digest=governing.digest or "",
            scope=agreement.bounds().scope,
        )
        return self._grants.held(grant)

    def _checkpoints(self) -> Sequence[Checkpoint]:
        rows = self._kernel.store.query(
            "SELECT checkpoint_id FROM model_checkpoint ORDER BY family, parameters, checkpoint_id"
        )
        return [self._kernel.state(CHECKPOINTS, row["checkpoint_id"]) for row in rows]

    def _budgets(self, held: Held) -> tuple[Budget, ...]:
        agreement_id = held.agreement.id
        limits, uses = held.clause(UsageLimits), held.clause(PermittedUses)
        draws = []
        if limits is not None:
            draws.append(
                Draw(
                    account=account_of_agreement(agreement_id),
                    says="the agreement",
                    budget=limits.token_budget,
                    per_minute=limits.requests_per_minute,
                )
            )
        draws += [
            Draw(
                account=account_of_agreement(agreement_id, use.use_id),
                says=f"the use {use.use_id}",
                budget=use.token_budget,
                per_minute=use.requests_per_minute,
            )
            for use in (uses.uses or () if uses is not None else ())
            if use.token_budget or use.requests_per_minute
        ]
        usages = [(draw, self._meter.usage(draw.account)) for draw in draws]
        return tuple(Budget(draw=draw, used=usage.settled, held=usage.reserved) for draw, usage in usages)


def _called(version: Version) -> str:
    return f"version {version.number} ({version.status.label})"


def _signatures(agreement: Agreement, version: Version) -> tuple[Requirement, ...]:
    lines = []
    for number, place in enumerate(version.order):
        signed = version.signatures[number] if number < len(version.signatures) else None
        lab = place.party is PartyKind.LAB
        party = agreement.lab_name if lab else agreement.institution_name
        lines.append(
            Requirement(
                code="signature",
                label=f"Signature for {party}, {place.role}",
                met=signed is not None,
                message=f"signed by {signed.signer_name} on {signed.signed_at:%Y-%m-%d}"
                if signed is not None
                else f"{place.email or party} has not signed",
                fixer=Fixer.COORDINATOR if lab else Fixer.LEAD,
                screen="agreements",
            )
        )
    return tuple(lines)


def _anybody(actor: Actor, agreement: Agreement, held: Held) -> Actor:
    """Somebody of the institution, who is named where the agreement names people."""
    users = held.clause(NamedUsers)
    email = actor.email if users is None or users.names(actor.email) else users.users[0].email
    return Actor(
        person_id="anybody",
        name="anybody",
        memberships=(Membership(institution_id=agreement.institution_id, role=Role.PARTNER_MEMBER),),
        channel=Channel.API,
        email=email,
    )


def _rows(asker: Actor, checkpoint: Checkpoint, held: Held, now: datetime) -> tuple[Allowance, ...]:
    scope = held.grant.scope
    if scope is None or not (scope.names(checkpoint.id) or scope.covers_family(checkpoint.family)):
        return ()
    # In no precision: what the agreement opens does not depend on how the operator serves today.
    subject = Subject(checkpoint_id=checkpoint.id, family=checkpoint.family, stage=checkpoint.stage.value)
    rows = []
    for operation in Operation:
        if operation not in scope.operations:
            continue
        answers = {
            purpose: decide_access(
                asker, subject, Question(operations=frozenset({operation}), purpose=purpose), [held], now
            )
            for purpose in sorted(scope.purposes)
        }
        purposes = tuple(purpose for purpose, answer in answers.items() if isinstance(answer, Allowed))
        denials = [answer for answer in answers.values() if isinstance(answer, Denied)]
        rows.append(
            Allowance(
                checkpoint_id=checkpoint.id,
                stage=checkpoint.stage.value,
                operation=operation,
                purposes=purposes,
                denied=None if purposes else next(map(_of_any_grant, denials), None),
            )
        )
    return tuple(rows)


def _of_any_grant(denied: Denied) -> Denied:
    """The answer without the id of a grant: the one that was asked about is only imagined."""
    return denied.model_copy(update={"message": denied.message.replace(f"grant {ANY_GRANT}", ANY_GRANT)})


def _closed_summary(agreement: Agreement, status: str) -> str:
    if agreement.governing is None:
        return f"The agreement is {status}; nothing is open under it."
    return f"The {agreement.form.label} opens nothing by itself."


def _open_summary(agreement: Agreement, status: str, now: datetime, rows: Sequence[Allowance]) -> str:
    if not agreement.in_force_on(now):
        return f"The agreement is {status}; nothing is open under it."
    if agreement.narrowing is not None:
        return f"Access is narrowed since {agreement.narrowing.at:%Y-%m-%d}: {agreement.narrowing.statement}"
    if not any(row.purposes for row in rows):
        return "The agreement is in force, and nothing it names is open today."
    coming = agreement.suspension
    if coming is not None:
        return f"Open until {coming.takes_effect_at:%Y-%m-%d %H:%M} UTC, when suspension {coming.number} takes effect."
    return f"In force until {agreement.expires_at:%Y-%m-%d}."
