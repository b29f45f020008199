"""What would change an answer about access, and who can do it; and the duties on which one depends."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from agreements.access import Allowed, Denied, Held, Question, decide_access
from agreements.access.explanation import Ahead, Course, Explanation
from agreements.access.sources import Source, SourceKind
from agreements.actors import Actor, Role
from agreements.agreement import Agreement
from agreements.clauses import LateDuties
from agreements.duties import DutyState, Standing
from agreements.errors import ConcordatError, Conflict, Fixer
from agreements.lateness import what_comes
from agreements.scopes import Operation
from model_access.registry import Checkpoint
from portal.services.aggregates import AGREEMENTS
from portal.services.agreements import AgreementService
from portal.services.checkpoints import CheckpointService
from portal.services.duty_book import DutyBook
from portal.services.explained import Alternative, Dimension, DutyNote, Remedy, Who, WhoKind
from portal.services.kernel import Kernel
from portal.services.people import PeopleService

HORIZON: Final = timedelta(days=90)
"""How far ahead duties are told whose lateness would change the answer."""

_SCREENS: Final = {
    "vetting_lapsed": "passports",
    "not_named": "agreements",
    "use_not_permitted": "agreements",
    "agreement_not_in_force": "agreements",
    "agreement_suspended": "agreements",
    "access_narrowed": "agreements",
    "token_narrowed": "tokens",
    "insufficient_scope": "tokens",
    "proof_required": "tokens",
    "person_deactivated": "people",
    "awaiting_approval": "people",
    "program_stopped": "institutions",
    "no_grant": "requests",
    "checkpoint_retired": "checkpoints",
    "checkpoint_halted": "checkpoints",
    "purpose_required": "",
    "purpose_not_granted": "",
    "sampling_not_granted": "",
    "outside_hours": "",
    "rate_limited": "",
    "too_many_at_once": "",
}
"""Where what stands in the way is cleared; nowhere on a screen, where the request itself has to be another. What is not
here is about a grant, and cleared where grants are.
"""

_OVER: Final = frozenset({"grant_revoked", "grant_expired", "not_a_member"})
"""Denials after which there is nothing left of a grant to mend."""


@dataclass(frozen=True)
class Situation:
    """What was asked and how it came out."""

    asker: Actor
    actor: Actor
    who: Who
    checkpoint: Checkpoint
    helds: Sequence[Held]
    told: Explanation

    @property
    def decisive(self) -> Held | None:
        """The grant that decided; None where none did."""
        return next((held for held, course in self.pairs if course.decisive), None)

    @property
    def pairs(self) -> Iterator[tuple[Held, Course]]:
        """Each grant with its course."""
        return zip(self.helds, self.told.grants, strict=True)


class Remedies:
    """Looks for what would change an answer. Authorises nobody: that is its callers' part."""

    def __init__(
        self, kernel: Kernel, checkpoints: CheckpointService, agreements: AgreementService, people: PeopleService
    ) -> None:
        self._kernel = kernel
        self._checkpoints = checkpoints
        self._agreements = agreements
        self._people = people

    def of(
        self, situation: Situation, refused: Sequence[ConcordatError], notes: Sequence[DutyNote]
    ) -> tuple[Remedy, ...]:
        """What would clear what stands in the way, the nearest first: what is refused, then the other grants."""
        found = [
            *(self._duty(situation, note) for note in notes if note.state == DutyState.OVERDUE.value),
            *(self._of_refusal(situation, one, situation.decisive) for one in refused),
            *self._to_issue(situation),
        ]
        for held, course in situation.pairs:
            denied = course.answer
            if isinstance(denied, Denied) and not course.decisive and denied.code not in _OVER:
                remedy = self._of_refusal(situation, denied.error(), held)
                found.append(remedy.model_copy(update={"says": f"{denied.message} {remedy.says}".strip()}))
        return tuple({remedy.says: remedy for remedy in reversed(found) if remedy.says}.values())[::-1]

    def clears(self, situation: Situation, fixer: Fixer, held: Held | None) -> str:
        """Who can clear something, by name as far as the asker may know them; empty for nobody."""
        match fixer:
            case Fixer.NOBODY:
                return ""
            case Fixer.CALLER:
                return "you" if situation.who.kind is WhoKind.SELF else situation.who.name
            case Fixer.LEAD:
                ids = {held.grant.institution_id} if held is not None else set(situation.actor.institution_ids)
                leads = (
                    person.name
                    for person in self._people.list(situation.asker)
                    if person.active
                    and any(one.role is Role.PARTNER_LEAD and one.institution_id in ids for one in person.memberships)
                )
                return " or ".join(leads) or "a partner lead"
            case _:
                return fixer.value

    def alternatives(self, situation: Situation) -> tuple[Alternative, ...]:
        """Questions close to the one that was asked to which the answer is yes, by the same rule."""
        if isinstance(situation.told.answer, Allowed):
            return ()
        return tuple(self._alternatives(situation, situation.told.answer))

    def _alternatives(self, situation: Situation, denied: Denied) -> Iterator[Alternative]:
        told, question = situation.told, situation.told.question

        def opens(
            other: Question = question,
            *,
            checkpoint: Checkpoint = situation.checkpoint,
            actor: Actor = situation.actor,
            at: datetime = told.at,
        ) -> bool:
            return bool(decide_access(actor, self._checkpoints.subject(checkpoint), other, situation.helds, at))

        purposes = {one for held in situation.helds if held.grant.scope for one in held.grant.scope.purposes}
        for purpose in sorted(purposes - {question.purpose}):
            if opens(question.model_copy(update={"purpose": purpose})):
                says = f"It is open for the purpose {purpose}."
                yield Alternative(dimension=Dimension.PURPOSE, value=purpose, says=says)
        for operation in Operation:
            other = question.model_copy(update={"operations": frozenset({operation})})
            if other != question and opens(other):
                says = f"The operation {operation.value.replace('_', ' ')} is open."
                yield Alternative(dimension=Dimension.OPERATION, value=operation.value, says=says)
        for checkpoint in self._checkpoints.registered():
            if checkpoint.id != situation.checkpoint.id and opens(checkpoint=checkpoint):
                says = f"It is open on {checkpoint.id}."
                yield Alternative(dimension=Dimension.CHECKPOINT, value=checkpoint.id, says=says)
        if denied.code == "proof_required" and opens(
            actor=situation.actor.model_copy(update={"key_thumbprint": "proved"})
        ):
            says = "It is open to a request that proves the key of its token."
            yield Alternative(dimension=Dimension.PROOF, value="proof", says=says)
        held = situation.decisive
        if denied.code == "outside_hours" and held is not None:
            opening = _next_opening(held, situation.actor, told.at)
            if opens(at=opening):
                says = f"It is open from {opening:%Y-%m-%d %H:%M} UTC on."
                yield Alternative(dimension=Dimension.TIME, value=opening.isoformat(), says=says)

    def _of_refusal(self, situation: Situation, refusal: ConcordatError, held: Held | None) -> Remedy:
        screen = _SCREENS.get(refusal.code, "grants")
        query = {}
        if held is not None:
            named = {
                "grants": {"grant": held.grant.id},
                "agreements": {"agreement": held.agreement.id},
                "passports": {"institution": held.grant.institution_id},
            }
            query = named.get(screen, {})
        elif screen == "grants":
            screen = ""
        return Remedy(
            says=refusal.hint,
            fixer=refusal.fixer,
            clears=self.clears(situation, refusal.fixer, held),
            screen=screen,
            query=query,
        )

    def _duty(self, situation: Situation, note: DutyNote) -> Remedy:
        held = next((one for one in situation.helds if note.agreement_id in {a.id for a in one.agreements}), None)
        return Remedy(
            says=f"Hand in what is owed: {note.says}. A coordinator can give more time, or do without.",
            fixer=Fixer.LEAD,
            clears=self.clears(situation, Fixer.LEAD, held),
            screen="duties",
            query={"agreement": note.agreement_id, "duty": note.key},
        )

    def _to_issue(self, situation: Situation) -> Iterator[Remedy]:
        """Agreements in force of the actor's institutions that would allow it, under which no grant was issued."""
        denied, told = situation.told.answer, situation.told
        if isinstance(denied, Allowed) or denied.code not in {"no_grant", "checkpoint_not_granted"}:
            return
        under = {held.agreement.id for held in situation.helds}
        for agreement in self._agreements.list(situation.asker):
            ours = agreement.institution_id in situation.actor.institution_ids
            if ours and agreement.id not in under and _would_allow(agreement, situation, told.at):
                issues = situation.asker.is_coordinator
                yield Remedy(
                    says=f"Agreement {agreement.id} ({agreement.title}) allows it, and no grant under it was issued: "
                    "ask for one.",
                    fixer=Fixer.COORDINATOR,
                    clears=Fixer.COORDINATOR.value,
                    screen="grants" if issues else "requests",
                    query={"agreement": agreement.id} if issues else {},
                )


def duty_notes(kernel: Kernel, told: Explanation, at: datetime) -> tuple[DutyNote, ...]:
    """The duties that an explanation rests on, as they stand."""
    keys = dict.fromkeys(
        (source.agreement_id, source.id)
        for course in told.grants
        for step in course.steps
        for source in step.sources
        if source.kind is SourceKind.DUTY
    )
    book = DutyBook(kernel)
    return tuple(
        _note(agreement_id, standing, at)
        for agreement_id in dict.fromkeys(agreement_id for agreement_id, _key in keys)
        for standing in book.standings(kernel.state(AGREEMENTS, agreement_id), at)
        if (agreement_id, standing.duty.key) in keys
    )


def coming_duties(kernel: Kernel, agreement: Agreement, now: datetime) -> Iterator[Ahead]:
    """The duties of an agreement whose lateness would narrow or suspend access, due soon."""
    book = DutyBook(kernel)
    clause = book.clause(agreement, LateDuties)
    for standing in book.standings(agreement, now, until=now + HORIZON):
        coming = what_comes(standing, clause, now, agreement.expires_at)
        if coming:
            note = _note(agreement.id, standing, now)
            source = Source(kind=SourceKind.DUTY, id=standing.duty.key, says=note.says, agreement_id=agreement.id)
            says = f"{standing.duty.title} of agreement {agreement.id}. {coming}"
            yield Ahead(at=standing.due_at, says=says, sources=(source,))


def _note(agreement_id: str, standing: Standing, at: datetime) -> DutyNote:
    late = standing.late_by(at).days
    how = f", {late:,} {'day' if late == 1 else 'days'} late" if late else ""
    return DutyNote(
        agreement_id=agreement_id,
        key=standing.duty.key,
        title=standing.duty.title,
        due_at=standing.due_at,
        state=standing.state.value,
        says=f"{standing.duty.title} ({standing.duty.key}), due {standing.due_at:%Y-%m-%d}{how}, "
        f"{standing.state.value}",
    )


def _next_opening(held: Held, actor: Actor, at: datetime) -> datetime:
    """The first moment at which all the hours may be open: the latest of the next openings."""
    hours = [one.scope.hours for one in (held.grant, *held.path) if one.scope is not None]
    hours += [bounds.narrowing.hours for bounds in actor.bounds]
    return max((one.next_opening(at) for one in hours if one is not None), default=at)


def _would_allow(agreement: Agreement, situation: Situation, at: datetime) -> bool:
    if not agreement.in_force_on(at):
        return False
    try:
        scope = agreement.bounds().scope
    except Conflict:
        return False
    subject, question = situation.told.subject, situation.told.question
    named = scope.names(subject.checkpoint_id) or (
        subject.stage in {"partner_access", "public"} and scope.covers_family(subject.family)
    )
    return named and question.operations <= scope.operations
