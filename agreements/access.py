"""The one rule of who may do what with which checkpoint; denials are data and name what would clear them.

stage            who may query it
─────────────    ──────────────────────────────────────────────────────────────────
withheld         the lab; institutions whose grant names this very checkpoint
partner access   also every institution whose grant covers its family (``family/*``)
public           also everyone signed in, within the portal's public limits
retired          nobody
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus, Version
from agreements.clauses import ClauseBase, NamedUsers, PermittedUses, SuspensionReason, UsageLimits, Use, only
from agreements.deciders import Value
from agreements.errors import ConcordatError, Fixer, Forbidden
from agreements.grants import Grant, GrantStatus
from agreements.scopes import Operation, family_selector

C = TypeVar("C", bound=ClauseBase)


class Basis(StrEnum):
    """On what ground a run is allowed."""

    GRANT = "grant"
    PUBLIC = "public"
    LAB = "lab"


class Subject(Value):
    """The checkpoint asked for, as far as access is concerned. ``stage`` is the stage's name."""

    checkpoint_id: str
    family: str
    stage: Literal["withheld", "partner_access", "public", "retired"]


class Question(Value):
    """What is to be done, and for what purpose."""

    operations: frozenset[Operation] = Field(min_length=1)
    purpose: Annotated[str, Field(max_length=120)] | None = None


class Held(Value):
    """A grant with what it rests on. Under a schedule, the framework's terms hold besides the schedule's own."""

    grant: Grant
    agreement: Agreement
    framework: Agreement | None = None
    lacking: tuple[str, ...] = ()
    """Vetting that the agreement asks for and the institution's passport does not show, as the service found it."""

    @property
    def version(self) -> Version | None:
        """The version of the agreement that the grant pins."""
        return self.agreement.version_of(self.grant.agreement_digest)

    def clause(self, kind: type[C]) -> C | None:
        """The clause of that type: the version's own, else the framework's."""
        own = only(self.version.clauses, kind) if self.version is not None else None
        if own is not None or self.framework is None:
            return own
        return only(self.framework.clauses, kind)

    def listed_use(self, purpose: str) -> Use | None:
        """The use of that purpose, where uses are listed."""
        uses = self.clause(PermittedUses)
        return uses.use(purpose) if uses is not None else None

    @property
    def agreements(self) -> tuple[Agreement, ...]:
        """The agreement, and the framework it belongs to."""
        return (self.agreement,) if self.framework is None else (self.agreement, self.framework)


class Draw(Value):
    """An account that a run draws on, with what it may still take. None stands for no bound."""

    account: str
    says: str
    """Whose limit it is, as people read it."""
    budget: int | None
    per_minute: int | None


class Allowed(Value):
    """Yes, on this ground and for this purpose."""

    basis: Basis
    purpose: str
    grant_id: str | None = None
    agreement_digest: str | None = None
    institution_id: str | None = None
    draws: tuple[Draw, ...] = ()
    """Every limit that holds, the narrowest account first: the grant's, the use's, the agreement's."""

    def __bool__(self) -> bool:
        return True


class Denied(Value):
    """No: the condition that failed, and who can clear it."""

    code: str
    message: str
    hint: str
    fixer: Fixer

    def __bool__(self) -> bool:
        return False

    def error(self) -> ConcordatError:
        """The refusal to raise."""
        return Forbidden(self.code, self.message, hint=self.hint, fixer=self.fixer)


def decide_access(
    actor: Actor,
    subject: Subject,
    question: Question,
    grants: Sequence[Held],
    now: datetime,
) -> Allowed | Denied:
    """Whether ``actor`` may do it. ``grants`` are those the actor may draw on.

    A token that names a grant is held to that grant: the caller passes only that one. Where several grants are given,
    the first that allows it is used, and of several denials the one that came closest is returned.
    """
    if subject.stage == "retired":
        return Denied(
            code="checkpoint_retired",
            message=f"{subject.checkpoint_id} is retired; nobody queries it any more.",
            hint="Choose another checkpoint.",
            fixer=Fixer.NOBODY,
        )
    denials: list[tuple[int, Denied]] = []
    for held in grants:
        depth, answer = _by_grant(_Case(actor, subject, question, held, now))
        if isinstance(answer, Allowed):
            return answer
        denials.append((depth, answer))
    held_to_grant = actor.grant_id is not None
    if not held_to_grant and actor.is_coordinator:
        return Allowed(basis=Basis.LAB, purpose=question.purpose or "internal-evaluation")
    if not held_to_grant and subject.stage == "public":
        return Allowed(
            basis=Basis.PUBLIC,
            purpose=question.purpose or "public-use",
            institution_id=next(iter(actor.institution_ids), None),
        )
    if denials:
        return max(denials, key=lambda item: item[0])[1]
    return Denied(
        code="no_grant",
        message=f"{subject.checkpoint_id} is {subject.stage.replace('_', ' ')}, and you hold no grant for it.",
        hint="Access comes from a grant under a signed agreement.",
        fixer=Fixer.COORDINATOR,
    )


@dataclass(frozen=True)
class _Case:
    """One grant held against one question."""

    actor: Actor
    subject: Subject
    question: Question
    held: Held
    now: datetime

    @property
    def grant(self) -> Grant:
        return self.held.grant

    @property
    def purpose(self) -> str | None:
        """What is declared; where the grant has only one purpose, that one."""
        purposes = self.grant.scope.purposes if self.grant.scope else frozenset()
        return self.question.purpose or (next(iter(purposes)) if len(purposes) == 1 else None)


def _by_grant(case: _Case) -> tuple[int, Allowed | Denied]:
    """How many conditions held before the first failed, and the answer."""
    checks = (
        _membership,
        _live,
        _agreement,
        _versions,
        _vetting,
        _named,
        _checkpoint,
        _operations,
        _purpose,
        _use,
        _narrowed,
    )
    for depth, check in enumerate(checks):
        denied = check(case)
        if denied is not None:
            return depth, denied
    grant, purpose = case.grant, case.purpose
    if purpose is None:
        raise TypeError("a purpose was declared, or is the only one")
    return len(checks), Allowed(
        basis=Basis.GRANT,
        purpose=purpose,
        grant_id=grant.id,
        agreement_digest=grant.agreement_digest,
        institution_id=grant.institution_id,
        draws=_draws(case.held, purpose),
    )


def account_of_agreement(agreement_id: str, purpose: str | None = None) -> str:
    """The account of all runs under an agreement, or of those for one listed use."""
    return agreement_id if purpose is None else f"{agreement_id}/{purpose}"


def _draws(held: Held, purpose: str) -> tuple[Draw, ...]:
    scope, limits, use = held.grant.scope, held.clause(UsageLimits), held.listed_use(purpose)
    rates = [agreement.narrowing.requests_per_minute for agreement in held.agreements if agreement.narrowing]
    found = []
    if scope is not None:
        rate = min([scope.requests_per_minute, *rates])
        found.append(Draw(account=held.grant.id, says="the grant", budget=scope.token_budget, per_minute=rate))
    if use is not None and (use.token_budget or use.requests_per_minute):
        found.append(
            Draw(
                account=account_of_agreement(held.agreement.id, purpose),
                says=f"the use {purpose}",
                budget=use.token_budget,
                per_minute=use.requests_per_minute,
            )
        )
    if limits is not None:
        found.append(
            Draw(
                account=account_of_agreement(held.agreement.id),
                says="the agreement",
                budget=limits.token_budget,
                per_minute=limits.requests_per_minute,
            )
        )
    return tuple(found)


def _membership(case: _Case) -> Denied | None:
    actor, grant = case.actor, case.grant
    if actor.belongs_to(grant.institution_id):
        return None
    return Denied(
        code="not_a_member",
        message=f"Grant {grant.id} belongs to an institution you are no member of.",
        hint="Use a grant of your own institution.",
        fixer=Fixer.LEAD,
    )


def _live(case: _Case) -> Denied | None:
    grant = case.grant
    if grant.status is GrantStatus.REVOKED:
        return Denied(
            code="grant_revoked",
            message=f"Grant {grant.id} was revoked: {grant.revoked_reason.rstrip('.')}.",
            hint="A revoked grant never comes back; ask a coordinator about a new one.",
            fixer=Fixer.COORDINATOR,
        )
    if not grant.active_on(case.now):
        ended = f" on {grant.scope.expires_at:%Y-%m-%d %H:%M} UTC" if grant.scope else ""
        return Denied(
            code="grant_expired",
            message=f"Grant {grant.id} expired{ended}.",
            hint="Ask a coordinator for a new grant under the agreement.",
            fixer=Fixer.COORDINATOR,
        )
    return None


def _agreement(case: _Case) -> Denied | None:
    for agreement in case.held.agreements:
        status = agreement.status_on(case.now)
        if status is AgreementStatus.SUSPENDED and agreement.suspension is not None:
            overdue = agreement.suspension.reason is SuspensionReason.OVERDUE_DUTY
            return Denied(
                code="agreement_suspended",
                message=f"Agreement {agreement.id} is suspended since {agreement.suspension.takes_effect_at:%Y-%m-%d} "
                f"for {agreement.suspension.reason}: {agreement.suspension.statement.rstrip('.')}.",
                hint="Access opens again when the duty is fulfilled."
                if overdue
                else "Your partner lead can appeal on the agreement's page.",
                fixer=Fixer.LEAD if overdue else Fixer.COORDINATOR,
            )
        if status is not AgreementStatus.IN_FORCE:
            why = "past its term" if status is AgreementStatus.EXPIRED else status.label
            return Denied(
                code="agreement_not_in_force",
                message=f"Agreement {agreement.id}, on which grant {case.grant.id} rests, is {why}.",
                hint="A new agreement has to be signed by both sides.",
                fixer=Fixer.COORDINATOR,
            )
    return None


def _versions(case: _Case) -> Denied | None:
    """Both the version that the grant pins and the one that the token was issued under have to hold still."""
    agreement, pinned = case.held.agreement, case.grant.agreement_digest
    for digest, whose in ((pinned, "grant"), (case.actor.agreement_digest or pinned, "token")):
        version = agreement.version_of(digest)
        if version is None:
            return Denied(
                code="agreement_not_in_force",
                message=f"The version of agreement {agreement.id} that the {whose} names was never in force.",
                hint="Ask a coordinator for a new grant.",
                fixer=Fixer.COORDINATOR,
            )
        if version.grace_ends_at is not None and version.replaced_at is not None and case.now >= version.grace_ends_at:
            return Denied(
                code="agreement_superseded",
                message=f"The {whose} rests on version {version.number} of agreement {agreement.id}, replaced on "
                f"{version.replaced_at:%Y-%m-%d}; it worked on until {version.grace_ends_at:%Y-%m-%d %H:%M} UTC.",
                hint="Issue a new token: it will be under the version now in force."
                if whose == "token"
                else "Ask a coordinator for a grant under the version now in force.",
                fixer=Fixer.CALLER if whose == "token" else Fixer.COORDINATOR,
            )
    return None


def _vetting(case: _Case) -> Denied | None:
    if not case.held.lacking:
        return None
    return Denied(
        code="vetting_lapsed",
        message=f"The institution's passport lacks what agreement {case.held.agreement.id} asks for: "
        f"{', '.join(case.held.lacking)}.",
        hint="Your partner lead hands in new evidence on the Passport page; a coordinator reviews it.",
        fixer=Fixer.LEAD,
    )


def _named(case: _Case) -> Denied | None:
    users = case.held.clause(NamedUsers)
    if users is None or users.names(case.actor.email):
        return None
    return Denied(
        code="not_named",
        message=f"Agreement {case.held.agreement.id} names the people who may use it, and you are not among them.",
        hint="Your partner lead can propose an amendment that names you.",
        fixer=Fixer.LEAD,
    )


def _checkpoint(case: _Case) -> Denied | None:
    subject, grant = case.subject, case.grant
    scope = grant.scope
    if scope is not None:
        if scope.names(subject.checkpoint_id):
            return None
        if subject.stage in {"partner_access", "public"} and scope.covers_family(subject.family):
            return None
    # A family selector opens nothing while a checkpoint is withheld.
    naming = [subject.checkpoint_id, *([] if subject.stage == "withheld" else [family_selector(subject.family)])]
    withheld = scope is not None and subject.stage == "withheld" and scope.covers_family(subject.family)
    return Denied(
        code="checkpoint_not_granted",
        message=(
            f"{subject.checkpoint_id} is withheld, and grant {grant.id} covers only what has reached partner access."
            if withheld
            else f"Grant {grant.id} does not cover {subject.checkpoint_id}."
        ),
        hint=f"The grant would have to name {' or '.join(naming)}.",
        fixer=Fixer.COORDINATOR,
    )


def _operations(case: _Case) -> Denied | None:
    question, grant = case.question, case.grant
    allowed = grant.scope.operations if grant.scope else frozenset()
    missing = sorted(question.operations - allowed)
    if not missing:
        return None
    return Denied(
        code="operation_not_granted",
        message=f"Grant {grant.id} does not include the operation {', '.join(missing)}.",
        hint=f"It includes {', '.join(sorted(allowed))}.",
        fixer=Fixer.COORDINATOR,
    )


def _purpose(case: _Case) -> Denied | None:
    question, grant = case.question, case.grant
    purposes = grant.scope.purposes if grant.scope else frozenset()
    listed = ", ".join(sorted(purposes))
    if question.purpose is None:
        if len(purposes) == 1:
            return None
        return Denied(
            code="purpose_required",
            message=f"Grant {grant.id} is for several purposes: {listed}; this request declares none.",
            hint="Declare one with the header X-Concordat-Purpose, or issue the token for one purpose.",
            fixer=Fixer.CALLER,
        )
    if question.purpose in purposes:
        return None
    return Denied(
        code="purpose_not_granted",
        message=f"Grant {grant.id} is not for the purpose {question.purpose!r}.",
        hint=f"It is for {listed}.",
        fixer=Fixer.CALLER,
    )


def _use(case: _Case) -> Denied | None:
    """Where uses are listed, a run is held to the one it declares."""
    uses, purpose = case.held.clause(PermittedUses), case.purpose
    if uses is None or uses.uses is None or purpose is None:
        return None
    use = uses.use(purpose)
    if use is None:
        return Denied(
            code="purpose_not_granted",
            message=f"Agreement {case.held.agreement.id} lists no use {purpose!r}.",
            hint=f"It lists {', '.join(sorted(uses.purposes))}.",
            fixer=Fixer.CALLER,
        )
    # As for grants, a family selector opens nothing while a checkpoint is withheld.
    selectors = set() if case.subject.stage == "withheld" else {family_selector(case.subject.family)}
    named = {case.subject.checkpoint_id} | selectors
    missing = sorted(case.question.operations - use.operations)
    if named & use.checkpoints and not missing:
        return None
    what = f"the operation {', '.join(missing)}" if missing else case.subject.checkpoint_id
    return Denied(
        code="use_not_permitted",
        message=f"The use {purpose!r} of agreement {case.held.agreement.id} does not include {what}.",
        hint="Declare the purpose that fits, or ask for an amendment.",
        fixer=Fixer.CALLER,
    )


def _narrowed(case: _Case) -> Denied | None:
    for agreement in case.held.agreements:
        narrowing = agreement.narrowing
        if narrowing is None or case.question.operations <= narrowing.operations:
            continue
        return Denied(
            code="access_narrowed",
            message=f"Access under agreement {agreement.id} is narrowed to {', '.join(sorted(narrowing.operations))} "
            f"since {narrowing.at:%Y-%m-%d}: {narrowing.statement.rstrip('.')}.",
            hint="It is widened again when the duty is fulfilled."
            if narrowing.automatic
            else "A coordinator can widen it.",
            fixer=Fixer.LEAD if narrowing.automatic else Fixer.COORDINATOR,
        )
    return None
