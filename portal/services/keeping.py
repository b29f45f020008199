"""What is kept of a run: who may read it, until when, by which clause; read, exported, and deleted before its time."""

from datetime import datetime
from enum import StrEnum

from agreements.access import Basis
from agreements.actors import Actor, Role
from agreements.canonical import canonical_bytes
from agreements.deciders import Value
from agreements.errors import Conflict, Fixer, Forbidden, Invalid
from model_access.kept_texts import How, KeptText, NoteReading, TextRead, Today, clock_of, lab_may_read
from model_access.runs import Run, RunStatus, RunTerms
from portal.services.batch_texts import BatchTexts
from portal.services.keeper import Keeper, Texts
from portal.services.kept_rows import KEPT_TEXTS
from portal.services.kernel import Kernel
from portal.services.runs import RunService

FILE_TYPE = "concordat-run-texts/v1"


class KeptState(StrEnum):
    """What became of a run's words."""

    KEPT = "kept"
    IN_BATCH = "in_batch"
    """Not kept for itself; they are in the files of its batch."""
    DESTROYED = "destroyed"
    NOT_KEPT = "not_kept"


class Reading(Value):
    """That somebody was given the words."""

    by_id: str
    by_name: str
    how: How
    at: datetime
    leaf: int
    """The place of the entry in the log."""


class KeptView(Value):
    """What is kept of a run, as far as the caller may know."""

    run_id: str
    state: KeptState
    says: str
    """The state in one sentence, with the clause it follows from."""
    until: datetime | None = None
    """When it is destroyed, as things stand."""
    then_because: str = ""
    clause: str = ""
    """Number and title."""
    agreement_id: str | None = None
    """The agreement in which the clause stands."""
    batch_id: str | None = None
    lab_reads: bool = False
    may_read: bool = False
    may_delete: bool = False
    readings: tuple[Reading, ...] = ()
    """For whoever made the run, leads of their institution and coordinators."""
    destroyed_at: datetime | None = None
    destroyed_because: str = ""


class KeepingService:
    """The one path to the words of runs."""

    def __init__(self, kernel: Kernel, keeper: Keeper, runs: RunService, batch_texts: BatchTexts) -> None:
        self._kernel = kernel
        self._keeper = keeper
        self._runs = runs
        self._batch_texts = batch_texts

    def view(self, actor: Actor, run_id: str) -> KeptView:
        """What is kept of a run that the actor may see. Raises NotFound."""
        run = self._runs.get(actor, run_id)
        state = self._keeper.state(run_id)
        if state is None or state.terms is None:
            return self._not_kept(actor, run_id, run)
        about = KeptView(
            run_id=run_id,
            state=KeptState.DESTROYED,
            says="",
            clause=state.terms.clause,
            agreement_id=state.terms.stands_in,
            readings=self._readings(actor, state),
        )
        by = f"by clause {state.terms.clause} of agreement {state.terms.stands_in}"
        today = self._keeper.today(state.terms.agreement_id)
        clock = clock_of(state, today)
        if state.destroyed_at is not None or clock.until <= self._kernel.clock():
            at, because = state.destroyed_at or clock.until, state.destroyed_because or clock.because
            says = f"Destroyed on {at:%Y-%m-%d %H:%M} UTC: {because}. It was kept {by}."
            return about.model_copy(update={"says": says, "destroyed_at": at, "destroyed_because": because})
        return about.model_copy(
            update={
                "state": KeptState.KEPT,
                "says": f"Kept until {clock.until:%Y-%m-%d %H:%M} UTC, {by}.",
                "until": clock.until,
                "then_because": clock.because,
                "lab_reads": lab_may_read(state, today),
                "may_read": _may_read(actor, state, today),
                "may_delete": _may_delete(actor, state, today),
            }
        )

    def texts(self, actor: Actor, run_id: str) -> Texts:
        """What a run was asked and answered. The reading is recorded, and is in the access log.

        What is only in the files of a batch is read by who submitted it alone, and as those files are: off the record.

        Raises NotFound, Forbidden ``not_yours_to_read``, Conflict ``nothing_kept``, ``text_destroyed`` or
        ``text_not_there``, Unavailable.
        """
        return self._read(actor, run_id, How.SHOWN)

    def export(self, actor: Actor, run_id: str) -> bytes:
        """The same as a file, with the digest of the receipt that proves it. Raises what ``texts`` raises."""
        texts = self._read(actor, run_id, How.EXPORTED)
        run = self._runs.get(actor, run_id)
        said = {"type": FILE_TYPE, "run_id": run_id, "receipt_digest": run.receipt_digest}
        return canonical_bytes({**said, **texts.model_dump(mode="json")}) + b"\n"

    def for_replay(self, actor: Actor, run_id: str) -> Texts:
        """The same, for a replay of a run whose words were not given.

        Raises Invalid ``prompt_needed`` where they are not kept or not the actor's to read, NotFound, Unavailable.
        """
        try:
            return self._read(actor, run_id, How.REPLAYED)
        except (Conflict, Forbidden) as refusal:
            raise Invalid(
                "prompt_needed",
                f"A replay needs the prompt that was sent: {refusal.message}",
                hint="Give it exactly as it was sent.",
                param="prompts",
            ) from None

    def delete(self, actor: Actor, run_id: str) -> KeptView:
        """Destroy what is kept of a run before its time; the run and its receipt stay.

        Whoever made the run may, unless the agreement lets the lab read it; then a coordinator may. Raises NotFound,
        Forbidden ``not_yours_to_delete``, Conflict ``nothing_kept`` or ``text_destroyed``, Unavailable.
        """
        self._runs.get(actor, run_id)
        state, today = self._kept(run_id)
        if not _may_delete(actor, state, today):
            lab = lab_may_read(state, today)
            raise Forbidden(
                "not_yours_to_delete",
                "The agreement lets the lab read it until its time is over: a coordinator deletes it before."
                if lab
                else "Whoever made the run deletes what is kept of it before its time, and nobody else.",
                hint="Ask the lab's coordinators." if lab else "",
                fixer=Fixer.COORDINATOR if lab else Fixer.NOBODY,
            )
        because = "the lab deleted it" if actor.person_id != state.owner_id else "whoever made the run deleted it"
        self._keeper.destroy(state, because, actor)
        return self.view(actor, run_id)

    def _read(self, actor: Actor, run_id: str, how: How) -> Texts:
        run = self._runs.get(actor, run_id)
        if self._keeper.state(run_id) is None and self._batch_texts.kept_until(run) is not None:
            if not self._batch_texts.may_read(actor, run):
                raise _not_yours("Prompts and answers of a batch are read by who submitted it, and by nobody else.")
            return self._batch_texts.texts(actor, run)
        state, today = self._kept(run_id)
        if not _may_read(actor, state, today):
            raise _not_yours("What is kept of a run is read by whoever made it, and by nobody else.")
        texts = self._keeper.opened(run_id)
        # Recorded before it is handed out: nobody has read what is not in the log.
        self._kernel.execute(KEPT_TEXTS, run_id, NoteReading(how=how), actor)
        return texts

    def _kept(self, run_id: str) -> tuple[KeptText, Today]:
        """What is kept and not due to go. Raises Conflict ``nothing_kept`` or ``text_destroyed``."""
        state = self._keeper.state(run_id)
        if state is None or state.terms is None:
            raise Conflict(
                "nothing_kept",
                "The portal keeps neither prompt nor answer of that run.",
                hint="GET /api/runs/{id}/kept says why. Whoever made the run may have kept them.",
            )
        today = self._keeper.today(state.terms.agreement_id)
        clock = clock_of(state, today)
        if not state.kept or clock.until <= self._kernel.clock():
            why = state.destroyed_because or clock.because
            raise Conflict(
                "text_destroyed",
                f"Prompt and answer of that run are destroyed: {why}.",
                hint="The receipt stays; whoever kept the words can still prove them by it.",
                fixer=Fixer.NOBODY,
            )
        return state, today

    def _not_kept(self, actor: Actor, run_id: str, run: Run) -> KeptView:
        until = self._batch_texts.kept_until(run)
        batch_id = run.terms.batch_id if run.terms is not None else None
        if until is None:
            return KeptView(run_id=run_id, state=KeptState.NOT_KEPT, says=_why_not(run), batch_id=batch_id)
        return KeptView(
            run_id=run_id,
            state=KeptState.IN_BATCH,
            says=f"Kept with the files of its batch, until {until:%Y-%m-%d %H:%M} UTC at the latest.",
            until=until,
            batch_id=batch_id,
            may_read=self._batch_texts.may_read(actor, run),
        )

    def _readings(self, actor: Actor, state: KeptText) -> tuple[Reading, ...]:
        leads = state.institution_id is not None and actor.has(Role.PARTNER_LEAD, state.institution_id)
        if not (actor.is_coordinator or actor.person_id == state.owner_id or leads):
            return ()
        recorded = self._kernel.store.events(f"kept/{state.run_id}", types=[TextRead.type_name])
        return tuple(
            Reading(by_id=one.actor_id, by_name=one.actor_name, how=one.event.how, at=one.at, leaf=one.position)
            for one in recorded
            if isinstance(one.event, TextRead)
        )


def _why_not(run: Run) -> str:
    terms: RunTerms | None = run.terms
    if run.status is RunStatus.STARTED:
        return "Not kept yet: the run is under way."
    if run.status is RunStatus.FAILED:
        return "Not kept: only what runs to its end is."
    if terms is not None and terms.basis is Basis.LAB:
        return "Not kept: nothing is kept of the lab's own runs."
    if terms is not None and terms.basis is Basis.PUBLIC:
        return "Not kept: nothing is kept of public use."
    return "Not kept: the agreement does not ask for it."


def _of_another_grant(actor: Actor, state: KeptText) -> bool:
    """A token for one grant reads nothing that was obtained on another."""
    return actor.token_id is not None and actor.grant_id not in (None, state.grant_id)


def _may_read(actor: Actor, state: KeptText, today: Today) -> bool:
    own = actor.person_id == state.owner_id and not _of_another_grant(actor, state)
    return own or (actor.is_coordinator and lab_may_read(state, today))


def _may_delete(actor: Actor, state: KeptText, today: Today) -> bool:
    if lab_may_read(state, today):
        return actor.is_coordinator
    return actor.person_id == state.owner_id and not _of_another_grant(actor, state)


def _not_yours(message: str) -> Forbidden:
    return Forbidden("not_yours_to_read", message, fixer=Fixer.NOBODY)


__all__ = ["FILE_TYPE", "KeepingService", "KeptState", "KeptView", "Reading", "Texts"]
