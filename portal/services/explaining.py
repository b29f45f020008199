"""Explains access: the decision of a run, told condition by condition, with what is left, what would help, what comes.

Only reads. Nothing is recorded, reserved or charged, and no grant is looked at that the actor could not draw on.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from agreements.access import Allowed, AskedSampling, Basis, Denied, Draw, Held, Question
from agreements.access.explanation import Ahead, Explanation, ahead_of, explain_access
from agreements.access.sources import Source, SourceKind, of_draw
from agreements.actors import Actor
from agreements.areas import Area, outside
from agreements.errors import ConcordatError, Invalid
from model_access.metering import Meter
from model_access.registry import Checkpoint
from portal.inputs import parse
from portal.services.agreements import AgreementService
from portal.services.askers import Askers
from portal.services.checkpoints import CheckpointService
from portal.services.explained import Ask, DutyNote, Explained, Limit, Refusal, Who, WhoKind
from portal.services.grants import GrantService
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel
from portal.services.people import PeopleService
from portal.services.programs import ProgramService
from portal.services.remedies import Remedies, Situation, coming_duties, duty_notes
from portal.services.runs import RunService

FARTHEST: Final = timedelta(days=3660)
"""As far ahead as a term can reach."""

_SLACK: Final = timedelta(minutes=1)
"""A moment that was the present when it was asked about is taken for the present."""


class ExplainService:
    """Answers why an actor may or may not do something, also for somebody else and for a moment to come."""

    def __init__(
        self,
        kernel: Kernel,
        checkpoints: CheckpointService,
        grants: GrantService,
        runs: RunService,
        meter: Meter,
        agreements: AgreementService,
        people: PeopleService,
        programs: ProgramService,
        institutions: InstitutionService,
    ) -> None:
        self._kernel = kernel
        self._checkpoints = checkpoints
        self._grants = grants
        self._runs = runs
        self._meter = meter
        self._askers = Askers(people, programs, institutions, grants)
        self._remedies = Remedies(kernel, checkpoints, agreements, people)

    def explain(self, asker: Actor, **asked: Any) -> Explained:
        """The answer for whom it is asked about; ``asked`` is as the fields of ``Ask``.

        Raises NotFound for a checkpoint, person, program, grant or institution that is not there or not the asker's to
        see, Forbidden ``not_yours_to_ask``, Invalid for a moment that is over and for what contradicts itself.
        """
        ask = parse(Ask, {name: value for name, value in asked.items() if value is not None})
        now = self._kernel.clock()
        at = _moment(ask, now)
        checkpoint = self._checkpoints.state(ask.checkpoint)
        actor, who, turned_away = self._askers.meant(asker, ask)
        helds = self._grants.usable_by(actor, at=at)
        question = Question(operations=ask.operations, purpose=ask.purpose, sampling=ask.sampling)
        told = explain_access(actor, self._checkpoints.subject(checkpoint), question, helds, at)
        situation = Situation(asker, actor, who, checkpoint, helds, told)
        held = situation.decisive
        limits = self._limits(actor, told.answer, held, ask, at, now)
        refused = self._refused(actor, told.answer, turned_away, ask, at, now)
        notes = duty_notes(self._kernel, told, at)
        open_ = not refused
        return Explained(
            ask=ask,
            who=who,
            at=at,
            open=open_,
            verdict=_verdict(who, checkpoint, ask, told.answer, at if at > now else None, open_=open_),
            refusals=tuple(self._refusal(situation, one) for one in refused),
            explanation=_retold(told, notes),
            limits=limits,
            tightest=_tightest(limits),
            duties=notes,
            remedies=self._remedies.of(situation, refused, notes) if refused else (),
            alternatives=self._remedies.alternatives(situation) if refused else (),
            ahead=self._ahead(held, at, now) if open_ and held is not None else (),
            notes=tuple(_notes(who, ask, told, [one.code for one in refused], at if at > now else None)),
        )

    def _refused(
        self,
        actor: Actor,
        answer: Allowed | Denied,
        turned_away: ConcordatError | None,
        ask: Ask,
        at: datetime,
        now: datetime,
    ) -> tuple[ConcordatError, ...]:
        """All that a run would be refused for, what would be said first ahead."""
        found: list[ConcordatError | None] = [turned_away, outside(actor.areas, Area.RUN)]
        if isinstance(answer, Denied):
            found.append(answer.error())
        else:
            draws = tuple(_at(draw, at, now) for draw in self._runs.draws(actor, answer))
            found.append(self._meter.refusal(draws, ask.tokens, outputs=ask.outputs, now=at))
        return tuple(one for one in found if one is not None)

    def _limits(
        self, actor: Actor, answer: Allowed | Denied, held: Held | None, ask: Ask, at: datetime, now: datetime
    ) -> tuple[Limit, ...]:
        if isinstance(answer, Denied):
            return ()
        found = []
        for draw in self._runs.draws(actor, answer):
            used = self._meter.usage(draw.account)
            refusal = self._meter.refusal((_at(draw, at, now),), ask.tokens, outputs=ask.outputs, now=at)
            found.append(
                Limit(
                    draw=draw,
                    source=of_draw(draw, held if answer.basis is Basis.GRANT else None),
                    used=used.settled,
                    held=used.reserved,
                    left=None if draw.budget is None else max(draw.budget - used.settled - used.reserved, 0),
                    requests=used.requests,
                    requests_left=None if draw.requests is None else max(draw.requests - used.requests, 0),
                    outputs_left=None
                    if draw.outputs is None
                    else max(draw.outputs - used.outputs - used.outputs_reserved, 0),
                    recent=used.recent,
                    running=used.running,
                    refused=refusal.code if refusal is not None else "",
                )
            )
        return tuple(found)

    def _refusal(self, situation: Situation, refusal: ConcordatError) -> Refusal:
        return Refusal(
            code=refusal.code,
            message=refusal.message,
            hint=refusal.hint,
            fixer=refusal.fixer,
            clears=self._remedies.clears(situation, refusal.fixer, situation.decisive),
        )

    def _ahead(self, held: Held, at: datetime, now: datetime) -> tuple[Ahead, ...]:
        duties = [one for agreement in held.agreements for one in coming_duties(self._kernel, agreement, now)]
        return tuple(sorted((*ahead_of(held, at), *duties), key=lambda one: one.at))


def sampling_of(
    *,
    max_tokens: int | None,
    choices: int | None,
    top_logprobs: int | None,
    temperature: float | None,
    logit_bias: bool = False,
) -> AskedSampling | None:
    """How a request is to sample; what is left open is as the model API has it. None where nothing is said."""
    if not logit_bias and all(one is None for one in (max_tokens, choices, top_logprobs, temperature)):
        return None
    return AskedSampling(
        max_tokens=16 if max_tokens is None else max_tokens,
        choices=1 if choices is None else choices,
        top_logprobs=top_logprobs or 0,
        temperature=1.0 if temperature is None else temperature,
        logit_bias=logit_bias,
    )


def _moment(ask: Ask, now: datetime) -> datetime:
    if ask.at is None:
        return now
    if ask.at < now - _SLACK:
        raise Invalid(
            "time_past",
            "Only the present and what is to come is explained.",
            hint="Leave out the time. What happened is in the histories of grants and agreements.",
            param="at",
        )
    if ask.at > now + FARTHEST:
        raise Invalid(
            "time_too_far", "No agreement reaches that far ahead.", hint="Ask about a nearer day.", param="at"
        )
    return max(ask.at, now)


def _at(draw: Draw, at: datetime, now: datetime) -> Draw:
    """The limit as far as it can be told for a moment to come: rates and runs under way are of the present only."""
    return draw if at <= now else draw.model_copy(update={"per_minute": None, "at_once": None})


def _tightest(limits: Sequence[Limit]) -> int | None:
    refusing = [number for number, limit in enumerate(limits) if limit.refused]
    if refusing:
        return refusing[0]
    bounded = [(limit.left, number) for number, limit in enumerate(limits) if limit.left is not None]
    return min(bounded)[1] if bounded else None


def _verdict(
    who: Who, checkpoint: Checkpoint, ask: Ask, answer: Allowed | Denied, later: datetime | None, *, open_: bool
) -> str:
    name = "You" if who.kind is WhoKind.SELF else who.name
    operations = " and ".join(one.value.replace("_", " ") for one in sorted(ask.operations))
    when = f" on {later:%Y-%m-%d %H:%M} UTC" if later is not None else ""
    if not open_ or isinstance(answer, Denied):
        purpose = f" for {ask.purpose}" if ask.purpose else ""
        return f"{name} may not use {operations} on {checkpoint.id}{purpose}{when}."
    ground = {
        Basis.GRANT: f"on grant {answer.grant_id}",
        Basis.PUBLIC: "because it is public",
        Basis.LAB: "for the lab",
    }[answer.basis]
    return f"{name} may use {operations} on {checkpoint.id} for {answer.purpose}{when}, {ground}."


def _notes(who: Who, ask: Ask, told: Explanation, refused: Sequence[str], later: datetime | None) -> Iterator[str]:
    if who.kind is not WhoKind.SELF and refused:
        name = who.name if who.id else f"{who.name[:1].lower()}{who.name[1:]}"
        yield f"Where the portal says “you”, it means {name}."
    if who.only_at:
        yield "Looked at as far as they belong to your institution; what they are elsewhere is left out."
    if "not_named" in refused and who.kind is WhoKind.INVENTED and not ask.email:
        yield "An agreement that names people names nobody invented, unless an e-mail address is given."
    if later is not None:
        yield "Grants, agreements and duties are as they stand now, read for that moment; what is used is as of now."
        yield "How many requests a minute, and how many runs at once, is asked only of the present."
    if ask.sampling is None and isinstance(told.answer, Allowed):
        yield "No request was described: a run is refused besides where it asks for more tokens than are left."


def _retold(told: Explanation, notes: Sequence[DutyNote]) -> Explanation:
    """The same, with the duties on which it rests in words."""
    words = {(one.agreement_id, one.key): one.says for one in notes}
    if not words:
        return told
    return told.model_copy(
        update={
            "grants": tuple(
                course.model_copy(
                    update={
                        "steps": tuple(
                            step.model_copy(update={"sources": tuple(_named(one, words) for one in step.sources)})
                            for step in course.steps
                        )
                    }
                )
                for course in told.grants
            )
        }
    )


def _named(source: Source, words: Mapping[tuple[str, str], str]) -> Source:
    says = words.get((source.agreement_id, source.id)) if source.kind is SourceKind.DUTY else None
    return source.model_copy(update={"says": says}) if says else source
