"""The shell around every decider: load the state, decide, commit events and rows in one transaction."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Conflict, NotFound, StaleVersion
from agreements.keys import SigningKey
from portal.services.clicks import received_at
from portal.store import Aggregate, Append, Committed, Guard, Store

S = TypeVar("S", bound=Value)

Clock = Callable[[], datetime]
"""The present moment, timezone-aware UTC."""

ATTEMPTS = 8


@dataclass(frozen=True)
class Step:
    """One command to one object, among several that commit together."""

    aggregate: Aggregate[Any]
    object_id: str
    command: Value
    fresh: bool = False
    """Whether the id was drawn at random for this command: the object is then not looked up."""


@dataclass(frozen=True)
class Kernel:
    """What every service stands on."""

    store: Store
    clock: Clock
    lab_keys: Callable[[], SigningKey]
    """Gives the lab's active key; ask once for what is signed and named together."""

    @property
    def lab_key(self) -> SigningKey:
        """The key with which the lab signs now. Raises Unavailable ``no_lab_key``."""
        return self.lab_keys()

    def state(self, aggregate: Aggregate[S], object_id: str) -> S:
        """The current state. Raises NotFound ``<category>_not_found``."""
        # An empty id names nothing, and no stream either.
        state, version = self.store.state(aggregate, object_id) if object_id else (aggregate.decider.initial, 0)
        if version == 0:
            category = aggregate.decider.category
            raise NotFound(f"{category}_not_found", f"There is no {category} {object_id!r}.")
        return state

    def execute(
        self,
        aggregate: Aggregate[S],
        object_id: str,
        command: Value,
        actor: Actor,
        *,
        idempotency_key: str | None = None,
        guard: Guard | None = None,
        fresh: bool = False,
    ) -> S:
        """Carry out one command and return the new state. Raises what the decider raises, or StaleVersion.

        A repeated ``idempotency_key`` changes nothing and returns the object that the first call touched. What
        ``guard`` refuses at the moment of writing is not written. An object is ``fresh`` whose id was drawn for this.
        """
        step = Step(aggregate, object_id, command, fresh=fresh)
        committed = self.execute_all([step], actor, idempotency_key=idempotency_key, guard=guard)
        if committed is not None and committed.replayed:
            object_id = next(iter(committed.versions)).partition("/")[2]
        return self.state(aggregate, object_id)

    def execute_all(
        self,
        steps: Sequence[Step],
        actor: Actor,
        *,
        idempotency_key: str | None = None,
        guard: Guard | None = None,
    ) -> Committed | None:
        """Carry out several commands, all or none. Returns None when none of them changed anything."""
        received = received_at()
        if idempotency_key is not None:
            before = self._replay(steps, actor, idempotency_key)
            if before is not None:
                return before
        for attempt in range(ATTEMPTS):
            now = self.clock()
            try:
                appends = [append for step in steps if (append := self._decide(step, actor, now))]
            except Conflict:
                # What stands in the way may be this very request, recorded since we looked.
                before = self._replay(steps, actor, idempotency_key) if idempotency_key is not None else None
                if before is None:
                    raise
                return before
            if not appends:
                return None
            try:
                return self.store.commit(
                    appends, actor=actor, at=now, idempotency_key=idempotency_key, guard=guard, received=received
                )
            except StaleVersion:
                if attempt == ATTEMPTS - 1:
                    raise
            except Conflict as refusal:
                # The same request came twice at once; the other one was recorded between our look and our commit.
                if idempotency_key is None or refusal.code != "idempotency_key_reused":
                    raise
                return self._replay(steps, actor, idempotency_key)
        raise AssertionError("unreachable")

    def made_under(self, aggregate: Aggregate[Any], actor: Actor, idempotency_key: str | None) -> str | None:
        """The id of the object of that kind that a key made; None for a new key, or none.

        For what cannot be planned a second time. Raises Conflict where the key stands for another request.
        """
        if idempotency_key is None:
            return None
        committed = self.store.committed_under(actor.person_id, idempotency_key)
        if committed is None:
            return None
        stream = next(iter(committed.versions))
        category, _, object_id = stream.partition("/")
        if category != aggregate.decider.category or committed.versions[stream] != 1:
            raise _reused()
        return object_id

    def _replay(self, steps: Sequence[Step], actor: Actor, idempotency_key: str) -> Committed | None:
        """What the key stands for, if anything. Raises Conflict where that is not what ``steps`` ask for."""
        committed = self.store.committed_under(actor.person_id, idempotency_key)
        named = {step.aggregate.decider.stream(step.object_id) for step in steps}
        if committed is not None and not all(self._was_done(step, actor, committed, named) for step in steps):
            raise _reused()
        return committed

    def _was_done(self, step: Step, actor: Actor, committed: Committed, named: Collection[str]) -> bool:
        """Whether ``committed`` did to the step's object, or to one just made, the kind of thing that the step does.

        One just made has another id than the step's, and none of those ``named`` by the other steps.

        The step is decided again, at the moment and on the state of then. Values are not compared: what names a fresh
        id or the present moment differs each time.
        """
        decider = step.aggregate.decider
        stream = decider.stream(step.object_id)
        if stream not in committed.versions:
            if self.store.state(step.aggregate, step.object_id)[1]:
                return False
            of_its_kind = [
                other for other in committed.versions if other.startswith(decider.stream("")) and other not in named
            ]
            if len(of_its_kind) != 1:
                return False
            stream = of_its_kind[0]
        history = self.store.events(stream, limit=committed.versions[stream])
        done = [entry for entry in history if entry.position in committed.positions]
        state = decider.fold(entry.event for entry in history if entry.position < committed.positions.start)
        events = decider.decide(state, step.command, actor, done[0].at)
        return [event.type_name for event in events] == [entry.event.type_name for entry in done]

    def _decide(self, step: Step, actor: Actor, now: datetime) -> Append | None:
        decider = step.aggregate.decider
        state, version = (decider.initial, 0) if step.fresh else self.store.state(step.aggregate, step.object_id)
        events = decider.decide(state, step.command, actor, now)
        if not events:
            return None
        stream = decider.stream(step.object_id)
        return Append(stream=stream, expected_version=version, events=tuple(events), fresh=step.fresh)


def _reused() -> Conflict:
    return Conflict(
        "idempotency_key_reused",
        "The idempotency key stands for another request.",
        hint="Use a new key for a new request.",
    )
