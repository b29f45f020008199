"""Why something is allowed or not: the decision itself, told condition by condition.

An explanation is read off the way the decision took (``weigh``), and never decides anything by itself.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from agreements.access.answers import Allowed, Basis, Denied, Held, Question, Subject
from agreements.access.case import Case
from agreements.access.conditions import CONDITIONS
from agreements.access.grounds import GROUNDS
from agreements.access.sources import Source, SourceKind
from agreements.access.weighing import Considered, Weighed, weigh
from agreements.actors import Actor
from agreements.deciders import Value


class StepState(StrEnum):
    """How a condition came out."""

    HELD = "held"
    FAILED = "failed"
    NOT_REACHED = "not_reached"
    """Something before it had settled the question."""

    @property
    def label(self) -> str:
        """The state as people read it."""
        return self.value.replace("_", " ")


class Step(Value):
    """One condition and how it came out."""

    name: str
    asks: str
    state: StepState
    says: str = ""
    """Why it holds or fails; empty where it was not reached."""
    sources: tuple[Source, ...] = ()
    """The records it rests on; of one not reached, none."""
    denied: Denied | None = None
    """For one that failed: the denial that it gives, if it gives one."""


class Course(Value):
    """One grant held against the question, condition by condition."""

    grant_id: str
    label: str
    holder: str
    agreement_id: str
    agreement_title: str
    version: int | None
    """Of the agreement, whose clauses hold."""
    framework_id: str = ""
    framework_version: int | None = None
    steps: tuple[Step, ...]
    answer: Allowed | Denied | None
    """None where another grant had settled the question before this one was looked at."""
    decisive: bool = False
    """Whether it settled the question; what the access token is narrowed to is asked besides."""


class Explanation(Value):
    """The answer of ``decide_access``, and how it came about."""

    subject: Subject
    question: Question
    at: datetime
    stage: Step
    """Whether the checkpoint is queried by anybody."""
    grants: tuple[Course, ...]
    """Every grant that the actor may draw on, in the order in which they are asked."""
    others: tuple[Step, ...]
    """The grounds that need no grant: the lab's own access, and the public's."""
    token: Step
    """What the access token leaves of it."""
    answer: Allowed | Denied

    @property
    def decisive(self) -> Course | None:
        """The grant that decided; None where none did."""
        return next((course for course in self.grants if course.decisive), None)

    @property
    def failed(self) -> Step | None:
        """The condition that the denial names; None where it is allowed, or where there is nothing to fail."""
        if isinstance(self.answer, Allowed):
            return None
        course = self.decisive
        path = (self.stage, *(course.steps if course is not None else ()), self.token)
        return next((step for step in path if step.denied == self.answer), None)


class Ahead(Value):
    """Something dated that changes the answer."""

    at: datetime
    says: str
    sources: tuple[Source, ...] = ()


def explain_access(
    actor: Actor, subject: Subject, question: Question, grants: Sequence[Held], now: datetime
) -> Explanation:
    """The answer of ``decide_access`` to the same question, told condition by condition."""
    weighed = weigh(actor, subject, question, grants, now)
    rest = (Case(actor, subject, question, held, now) for held in grants[len(weighed.considered) :])
    return Explanation(
        subject=subject,
        question=question,
        at=now,
        stage=_stage(subject, weighed),
        grants=(
            *(_course(one.case, one, one is weighed.decisive) for one in weighed.considered),
            *(_course(case, None, False) for case in rest),
        ),
        others=_others(actor, subject, weighed),
        token=_token(actor, weighed),
        answer=weighed.answer,
    )


def ahead_of(held: Held, now: datetime) -> tuple[Ahead, ...]:
    """What is known today to end or stop what the grant opens, by date."""
    found = sorted(_ahead(held), key=lambda one: one.at)
    return tuple(one for one in found if one.at > now)


def _ahead(held: Held) -> Iterator[Ahead]:
    for grant in (held.grant, *held.path):
        if grant.scope is not None:
            source = Source(kind=SourceKind.GRANT, id=grant.id, says=f"grant {grant.id} of {held.called(grant)}")
            says = "The grant ends." if grant is held.grant else "A grant above it ends."
            yield Ahead(at=grant.scope.expires_at, says=says, sources=(source,))
    for agreement, version in held.texts:
        name = f"agreement {agreement.id}"
        source = Source(kind=SourceKind.AGREEMENT, id=agreement.id, says=name, version=version.number)
        if agreement.expires_at is not None:
            yield Ahead(at=agreement.expires_at, says=f"The term of {name} ends.", sources=(source,))
        if version.grace_ends_at is not None:
            says = f"Version {version.number} of {name}, which was replaced, stops working."
            yield Ahead(at=version.grace_ends_at, says=says, sources=(source,))
        for suspension in agreement.open_suspensions:
            says = f"Suspension {suspension.number} of {name} takes effect."
            yield Ahead(at=suspension.takes_effect_at, says=says, sources=(source,))


def _course(case: Case, considered: Considered | None, decisive: bool) -> Course:
    held, grant = case.held, case.grant
    framework = next(((one.id, version.number) for one, version in held.texts if one is held.framework), None)
    version = held.version
    return Course(
        grant_id=grant.id,
        label=grant.label,
        holder=held.called(grant),
        agreement_id=held.agreement.id,
        agreement_title=version.title if version is not None else held.agreement.title,
        version=version.number if version is not None else None,
        framework_id=framework[0] if framework else "",
        framework_version=framework[1] if framework else None,
        steps=tuple(_steps(case, considered)),
        answer=considered.answer if considered is not None else None,
        decisive=decisive,
    )


def _steps(case: Case, considered: Considered | None) -> Iterator[Step]:
    held_up = considered.held_up if considered is not None else -1
    for number, check in enumerate(CONDITIONS):
        ground = GROUNDS[check]
        if number < held_up:
            state, says, denied = StepState.HELD, ground.holds(case), None
        elif considered is not None and number == held_up and isinstance(considered.answer, Denied):
            state, says, denied = StepState.FAILED, considered.answer.message, considered.answer
        else:
            yield Step(name=ground.name, asks=ground.asks, state=StepState.NOT_REACHED)
            continue
        rests_on = tuple(dict.fromkeys(ground.rests_on(case)))
        yield Step(name=ground.name, asks=ground.asks, state=state, says=says, sources=rests_on, denied=denied)


def _stage(subject: Subject, weighed: Weighed) -> Step:
    source = Source(kind=SourceKind.CHECKPOINT, id=subject.checkpoint_id, says=subject.checkpoint_id)
    closed = subject.stage == "retired" or bool(subject.halted)
    stage = f"{subject.checkpoint_id} is {subject.stage.replace('_', ' ')}"
    return Step(
        name="stage",
        asks="The checkpoint is queried at all",
        state=StepState.FAILED if closed else StepState.HELD,
        says=f"{stage}, and halted: {subject.halted.rstrip('.')}." if subject.halted else f"{stage}.",
        sources=(source,),
        denied=weighed.answer if closed and isinstance(weighed.answer, Denied) else None,
    )


def _others(actor: Actor, subject: Subject, weighed: Weighed) -> tuple[Step, ...]:
    """Read off the basis of what was found beyond the grants."""
    basis = weighed.ground.basis if weighed.ground is not None and weighed.beyond_grants else None
    bound = "The access token names a grant, and is held to it." if actor.grant_id is not None else ""
    lab, public = StepState.NOT_REACHED, StepState.NOT_REACHED
    if weighed.beyond_grants:
        lab = StepState.HELD if basis is Basis.LAB else StepState.FAILED
        if basis is not Basis.LAB:
            public = StepState.HELD if basis is Basis.PUBLIC else StepState.FAILED
    says = {
        ("lab", StepState.HELD): f"{actor.name} coordinates for the lab.",
        ("lab", StepState.FAILED): bound or f"{actor.name} does not coordinate for the lab.",
        ("public", StepState.HELD): f"{subject.checkpoint_id} is public, within the portal's public limits.",
        ("public", StepState.FAILED): bound or f"{subject.checkpoint_id} is {subject.stage.replace('_', ' ')}.",
    }
    return (
        Step(name="lab", asks="The lab itself asks", state=lab, says=says.get(("lab", lab), "")),
        Step(name="public", asks="The checkpoint is public", state=public, says=says.get(("public", public), "")),
    )


def _token(actor: Actor, weighed: Weighed) -> Step:
    asks = "The access token is not narrowed to less"
    if weighed.ground is None:
        return Step(name="token", asks=asks, state=StepState.NOT_REACHED)
    tokens = tuple(
        Source(kind=SourceKind.TOKEN, id=bounds.token_id, says=f"token {bounds.token_id}") for bounds in actor.bounds
    )
    if isinstance(weighed.answer, Denied):
        denied = weighed.answer
        return Step(name="token", asks=asks, state=StepState.FAILED, says=denied.message, sources=tokens, denied=denied)
    says = "What the access token is narrowed to includes it." if tokens else "No narrowed access token is used."
    return Step(name="token", asks=asks, state=StepState.HELD, says=says, sources=tokens)
