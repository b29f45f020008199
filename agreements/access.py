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
from typing import Annotated, Literal

from pydantic import Field

from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus
from agreements.deciders import Value
from agreements.errors import ConcordatError, Fixer, Forbidden
from agreements.grants import Grant, GrantStatus
from agreements.scopes import Operation, family_selector


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


class Allowed(Value):
    """Yes, on this ground and for this purpose."""

    basis: Basis
    purpose: str
    grant_id: str | None = None
    agreement_digest: str | None = None
    institution_id: str | None = None

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
    grants: Sequence[tuple[Grant, Agreement]],
    now: datetime,
) -> Allowed | Denied:
    """Whether ``actor`` may do it. ``grants`` are those the actor may draw on, each with its agreement.

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
    for grant, agreement in grants:
        depth, answer = _by_grant(_Case(actor, subject, question, grant, agreement, now))
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
    grant: Grant
    agreement: Agreement
    now: datetime


def _by_grant(case: _Case) -> tuple[int, Allowed | Denied]:
    """How many conditions held before the first failed, and the answer."""
    checks = (_membership, _live, _agreement, _checkpoint, _operations, _purpose)
    for depth, check in enumerate(checks):
        denied = check(case)
        if denied is not None:
            return depth, denied
    grant, scope = case.grant, case.grant.scope
    if scope is None:
        raise TypeError("an active grant has a scope")
    return len(checks), Allowed(
        basis=Basis.GRANT,
        purpose=case.question.purpose or next(iter(scope.purposes)),
        grant_id=grant.id,
        agreement_digest=grant.agreement_digest,
        institution_id=grant.institution_id,
    )


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
    grant, agreement = case.grant, case.agreement
    if agreement.in_force_on(case.now) and agreement.document_digest == grant.agreement_digest:
        return None
    why = agreement.status.label if agreement.status is not AgreementStatus.IN_FORCE else "past its term"
    return Denied(
        code="agreement_not_in_force",
        message=f"Agreement {agreement.id}, on which grant {grant.id} rests, is {why}.",
        hint="A new agreement has to be signed by both sides.",
        fixer=Fixer.COORDINATOR,
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
