"""Continuous batching: requests join and leave between steps, and share every pass through the model.

A step runs at most one long piece of a prompt, then one token of every live choice together with the short pieces, so a
long prompt never holds the others up for more than one piece. Requests take turns by ticket. An answer depends on its
own request alone: rows share passes only within the widths the model was found to keep its numbers in, prompts are cut
at the same places whatever else goes on, and random numbers depend on (seed, choice, position) only.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from model_access.engine.cache import Cache
from model_access.engine.choice import Choice, TokenScore
from model_access.engine.contest import Contest
from model_access.engine.decoder import Decoder, Segment
from model_access.engine.embedding import EmbeddingJob
from model_access.engine.sampling import adjusted, pick, uniform
from model_access.engine.scores import token_scores
from model_access.engine.slots import CELLS_PER_STEP, Slot
from model_access.engine.units import Job, Row, Unit, next_piece
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceDelta, GenerationRequest

SHORT_ROWS_PER_STEP = 128
"""Rows of short prompt pieces that one step runs at most."""
DEFAULT_CACHE_BYTES = 256 << 20


@dataclass(frozen=True)
class Delta:
    """Something to show."""

    ticket: int
    delta: ChoiceDelta


@dataclass(frozen=True)
class Ended:
    """A choice is complete; these are all its tokens."""

    ticket: int
    index: int
    token_ids: tuple[int, ...]
    passed_over: int = 0
    """Tokens of its prompt's candidates that are not part of the answer; told with the first choice."""


@dataclass(frozen=True)
class Done:
    """Every choice of the request is complete."""

    ticket: int


EngineEvent = Delta | Ended | Done

_Took = Callable[[torch.Tensor], None]


class Engine:
    """Serves one checkpoint.

    ``max_rows`` choices decode at once, and their keys and values take at most ``cache_bytes``, though always enough
    for one sequence of ``context`` tokens.
    """

    def __init__(
        self,
        decoder: Decoder,
        vocabulary: Vocabulary,
        *,
        context: int,
        max_rows: int = 32,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self.decoder, self.vocabulary = decoder, vocabulary
        self._max_rows = max_rows
        # One slot more than fits exactly, since a slot's cells are rounded up.
        self._cache = Cache(decoder, max(cache_bytes // decoder.cell_bytes, context + CELLS_PER_STEP))
        self._jobs: OrderedDict[int, Job] = OrderedDict()
        self._embeddings: OrderedDict[int, EmbeddingJob] = OrderedDict()
        self._short_of_room: int | None = None
        """The request for embeddings that has the next room there is."""
        self._filling: deque[Unit] = deque()
        self._live: list[Row] = []
        self._events: list[EngineEvent] = []

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._jobs and not self._embeddings

    @property
    def cells_used(self) -> int:
        """Tokens that slots have room for, those kept for their beginnings included."""
        return self._cache.used

    def submit(
        self, ticket: int, request: GenerationRequest, prompts: Sequence[Sequence[int]], holder: str | None = None
    ) -> None:
        """Queue a request whose prompts are already token ids, non-empty and within the context.

        Prompts of one ``holder`` that begin alike share that work; without one, only those of this request do.
        """
        if request.embed:
            self._embeddings[ticket] = EmbeddingJob.of(ticket, prompts)
            return
        job = Job(ticket, request, f"of {holder}" if holder is not None else f"only {ticket}")
        for place, prompt in enumerate(prompts):
            ids, many = tuple(prompt), request.candidates_per_prompt
            indexes = range(place * many, (place + 1) * many)
            choices = (Choice(request, index, ids, self.vocabulary, self.decoder.end_tokens) for index in indexes)
            contest = Contest(request.n, many, place * request.n) if many > request.n else None
            job.unopened.append(Unit(job, ids, deque(choices), contest))
        job.unfinished = request.candidate_count
        self._jobs[ticket] = job

    def cancel(self, ticket: int) -> int | None:
        """Forget a request at once; how many tokens it had generated, or ``None`` if there is none such."""
        embedding = self._embeddings.pop(ticket, None)
        if embedding is not None:
            embedding.release(self._cache)
            if self._short_of_room == ticket:
                self._short_of_room = None
            return 0
        job = self._jobs.pop(ticket, None)
        if job is None:
            return None
        leaving = [row for row in self._live if row.unit.job is job]
        self._live = [row for row in self._live if row.unit.job is not job]
        self._filling = deque(unit for unit in self._filling if unit.job is not job)
        for slot in {*(row.slot for row in leaving), *(unit.slot for unit in job.opened if unit.slot is not None)}:
            self._cache.release(slot, keep=False)
        job.opened.clear()  # prompts and their request know each other, and would keep the slots
        return job.generated

    def step(self) -> list[EngineEvent]:
        """Run what has its turn, give every live choice its next token, and say what came of it."""
        self._begin()
        self._long_pieces()
        self._short_pass()
        self._embedding_piece()
        events, self._events = self._events, []
        return events

    def _embedding_piece(self) -> None:
        """Run one piece of the request for embeddings whose turn it is."""
        if not self._embeddings:
            return
        ticket, job = next(iter(self._embeddings.items()))
        self._embeddings.move_to_end(ticket)
        if not job.opened:
            if self._short_of_room not in (None, ticket):
                return
            self._short_of_room = None if job.open(self._cache) else ticket
            if not job.opened:
                return
        delta = job.step(self.decoder, self._cache)
        if delta is not None:
            self._events += [Delta(ticket, delta), Ended(ticket, delta.index, ())]
        if job.over:
            del self._embeddings[ticket]
            self._events.append(Done(ticket))

    def _begin(self) -> None:
        """Open prompts and begin choices, one per request in turn, while there is room.

        Nobody overtakes a request that waits for room, except within slots of their own.
        """
        turns, room = deque(self._jobs.values()), self._short_of_room is None
        while turns and len(self._live) + len(self._filling) < self._max_rows:
            job = turns.popleft()
            if job.ticket not in self._jobs:
                continue
            begun = self._begin_sibling(job, room=room)
            if not begun and room and not job.ready_to_fork:
                begun = self._open(job)
            if begun:
                if job.ticket in self._jobs:
                    self._jobs.move_to_end(job.ticket)
                turns.append(job)
            elif job.unopened or job.ready_to_fork:
                room = False

    def _begin_sibling(self, job: Job, *, room: bool) -> bool:
        """Begin another choice of a prompt that has been run, in its own slot if that is free, else in a copy."""
        for unit in job.opened:
            if not unit.ready or unit.slot is None:
                continue
            if unit.slot_is_free:
                self._start(unit, unit.slot)
                return True
            copy = self._cache.fork(unit.slot, len(unit.prompt), unit.capacity) if room else None
            if copy is not None:
                self._start(unit, copy)
                return True
        return False

    def _open(self, job: Job) -> bool:
        """Give the request's next prompt a slot."""
        if not job.unopened:
            return False
        unit = job.unopened[0]
        found = self._cache.begin(job.holder, unit.prompt, unit.capacity, whole=job.scored)
        if found is None:
            return False
        unit.slot, unit.done = found
        job.opened.append(job.unopened.popleft())
        self._filling.append(unit)
        return True

    def _long_pieces(self) -> None:
        """Run pieces that are too long to share a pass, of the prompts that have waited longest.

        Together they are no longer than the longest piece is, so that short prompts that come together are soon begun
        and whoever is decoded meanwhile is held up no longer than by one.
        """
        room = self.decoder.chunk
        for unit in tuple(self._filling):
            length = len(next_piece(unit, self.decoder.chunk))
            if length <= self.decoder.widths.most:
                continue
            if length > room:
                return
            room -= length
            self._filling.remove(unit)
            self._filling.append(unit)
            segment, took = self._prompt_segment(unit)
            took(self.decoder.run([segment]))

    def _short_pass(self) -> None:
        """Run one token of every live choice, and pieces that are short enough to share their passes."""
        todo = [self._row_segment(row) for row in self._live]
        rows = 0
        for unit in self._filling:
            length = len(next_piece(unit, self.decoder.chunk))
            if length <= self.decoder.widths.most and rows + length <= SHORT_ROWS_PER_STEP:
                rows += length
                todo.append(self._prompt_segment(unit))
        for together in _packed(todo, self.decoder.widths.most):
            logits = self.decoder.run([segment for segment, _ in together])
            first = 0
            for segment, took in together:
                took(logits[first : first + segment.wanted])
                first += segment.wanted
        self._live = [row for row in self._live if row.choice.finish_reason is None]

    def _row_segment(self, row: Row) -> tuple[Segment, _Took]:
        segment = Segment(row.slot, row.start, row.choice.generated[-1:], 1)
        return segment, lambda logits: self._take(row, logits)

    def _prompt_segment(self, unit: Unit) -> tuple[Segment, _Took]:
        piece = next_piece(unit, self.decoder.chunk)
        last = unit.done + len(piece) == len(unit.prompt)
        wanted = len(piece) if unit.job.scored else int(last)
        assert unit.slot is not None  # noqa: S101 - what is being filled has one
        return Segment(unit.slot, unit.done, piece, wanted), lambda logits: self._filled(unit, len(piece), logits)

    def _filled(self, unit: Unit, count: int, logits: torch.Tensor) -> None:
        """Note that the next ``count`` tokens of a prompt have been run."""
        request = unit.job.request
        if unit.job.scored:
            judged = unit.prompt[unit.done + 1 : unit.done + count + 1]
            unit.scores = unit.scores or [TokenScore(None)]
            unit.scores += token_scores(logits[: len(judged)], judged, request.logprobs or 0)
        unit.done += count
        if unit.done < len(unit.prompt):
            return
        self._filling.remove(unit)
        assert unit.slot is not None  # noqa: S101 - what is being filled has one
        self._cache.learn(unit.job.holder, unit.prompt, unit.slot)
        unit.last_logits = logits[-1:]
        if request.max_tokens:
            self._start(unit, unit.slot)
            return
        for choice in unit.waiting:
            self._echo(unit, choice)
            self._say(unit, choice, choice.end_without_tokens())
            self._ended(unit, choice)
        unit.job.opened.remove(unit)
        self._cache.release(unit.slot, keep=True)

    def _start(self, unit: Unit, slot: Slot) -> None:
        """Begin the prompt's next choice in ``slot``."""
        choice = unit.waiting.popleft()
        if slot is unit.slot:
            unit.slot_is_free = False
        if not unit.waiting:
            unit.job.opened.remove(unit)
        self._echo(unit, choice)
        row = Row(unit, choice, slot)
        assert unit.last_logits is not None  # noqa: S101 - the prompt has been run
        self._take(row, unit.last_logits)
        if choice.finish_reason is None:
            self._live.append(row)

    def _take(self, row: Row, logits: torch.Tensor) -> None:
        """Sample the row's next token from (1, vocabulary) and note what may be shown."""
        job, choice = row.unit.job, row.choice
        request = job.request
        token = pick(
            adjusted(logits[0].numpy(), request, choice.generated),
            temperature=request.temperature,
            top_p=request.top_p,
            top_k=request.top_k,
            # The most likely token is taken without a draw, which would cost more than all the rest of this.
            u=uniform(request.seed, choice.index, len(choice.generated)) if request.temperature else 0.0,
        )
        judged = request.logprobs is not None or row.unit.contest is not None
        score = token_scores(logits, (token,), request.logprobs or 0)[0] if judged else None
        delta = choice.add(token, score)
        job.generated += 1
        if delta is not None:
            self._say(row.unit, choice, delta)
        if choice.finish_reason is not None:
            self._leave(row)
            self._ended(row.unit, choice)

    def _leave(self, row: Row) -> None:
        """Let go of a finished choice's slot, or leave it to the next choice of the same prompt."""
        unit = row.unit
        if row.slot is unit.slot and unit.waiting:
            unit.slot_is_free = True
        else:
            self._cache.release(row.slot, keep=row.slot is unit.slot)

    def _echo(self, unit: Unit, choice: Choice) -> None:
        if unit.job.request.echo:
            for delta in choice.echo(unit.scores):
                self._say(unit, choice, delta)

    def _say(self, unit: Unit, choice: Choice, delta: ChoiceDelta) -> None:
        if unit.contest is not None:
            unit.contest.hold(choice, delta)
        else:
            self._events.append(Delta(unit.job.ticket, delta))

    def _ended(self, unit: Unit, choice: Choice) -> None:
        job = unit.job
        if unit.contest is None:
            self._events.append(Ended(job.ticket, choice.index, tuple(choice.generated)))
        else:
            for winner in unit.contest.ended():
                self._events += [Delta(job.ticket, delta) for delta in winner.deltas]
                tokens = tuple(winner.choice.generated)
                self._events.append(Ended(job.ticket, winner.index, tokens, winner.passed_over))
        job.unfinished -= 1
        if job.unfinished == 0:
            del self._jobs[job.ticket]
            self._events.append(Done(job.ticket))


def _packed(todo: Sequence[tuple[Segment, _Took]], most: int) -> Iterator[list[tuple[Segment, _Took]]]:
    """The passes that run ``todo``, in order, of at most ``most`` tokens each."""
    together: list[tuple[Segment, _Took]] = []
    rows = 0
    for item in todo:
        length = len(item[0].tokens)
        if together and rows + length > most:
            yield together
            together, rows = [], 0
        together.append(item)
        rows += length
    if together:
        yield together
