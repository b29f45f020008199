"""Continuous batching: requests join and leave between steps, and share every pass through the model.

Requests take turns by ticket, so one with a thousand prompts does not hold up one with a single question. Random
numbers depend on (seed, choice, position) only; see ``sampling``.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_access.engine.choice import Choice, TokenScore
from model_access.engine.model import CausalModel, Prefilled
from model_access.engine.rows import Rows
from model_access.engine.sampling import log_probabilities, pick, uniform
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceDelta, GenerationRequest

_PREFILL_TOKENS_PER_STEP = 2048
_COPIES_PER_UNIT = 16


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


@dataclass(frozen=True)
class Done:
    """Every choice of the request is complete."""

    ticket: int


EngineEvent = Delta | Ended | Done


@dataclass
class _Unit:
    """Choices of one prompt that are prefilled together."""

    ticket: int
    prompt: tuple[int, ...]
    choices: list[Choice]


@dataclass
class _Job:
    request: GenerationRequest
    waiting: deque[_Unit]
    unfinished: int
    generated: int = 0


@dataclass
class _Row:
    ticket: int
    request: GenerationRequest
    choice: Choice


@dataclass
class Engine:
    """Serves one checkpoint. ``max_rows`` choices decode at once, holding at most ``max_cells`` rows × positions."""

    model: CausalModel
    vocabulary: Vocabulary
    max_rows: int = 32
    max_cells: int = 65_536
    _jobs: "OrderedDict[int, _Job]" = field(default_factory=OrderedDict)
    _live: list[_Row] = field(default_factory=list)
    _rows: Rows = field(default_factory=Rows)

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do."""
        return not self._jobs

    def submit(self, ticket: int, request: GenerationRequest, prompts: Sequence[Sequence[int]]) -> None:
        """Queue a request whose prompts are already token ids, non-empty and within the context."""
        units: deque[_Unit] = deque()
        for place, prompt in enumerate(prompts):
            ids = tuple(prompt)
            for first in range(0, request.n, _COPIES_PER_UNIT):
                indexes = range(first, min(first + _COPIES_PER_UNIT, request.n))
                units.append(
                    _Unit(
                        ticket,
                        ids,
                        [
                            Choice(request, place * request.n + copy, ids, self.vocabulary, self.model.end_tokens)
                            for copy in indexes
                        ],
                    )
                )
        self._jobs[ticket] = _Job(request, units, unfinished=len(prompts) * request.n)

    def cancel(self, ticket: int) -> int | None:
        """Forget a request at once; how many tokens it had generated, or ``None`` if there is none such."""
        job = self._jobs.pop(ticket, None)
        if job is None:
            return None
        self._drop(lambda row: row.ticket == ticket)
        return job.generated

    def step(self) -> list[EngineEvent]:
        """Prefill what fits, give every live row its next token, and say what came of it."""
        events: list[EngineEvent] = []
        units = self._admit()
        if units:
            self._prefill(units, events)
        if self._live:
            self._decode(events)
        return events

    def _admit(self) -> list[_Unit]:
        """The units to prefill now: one per ticket in turn, while there is room."""
        admitted: list[_Unit] = []
        rows, longest, budget = len(self._live), max((self._final_length(row) for row in self._live), default=0), 0
        turns = deque(ticket for ticket, job in self._jobs.items() if job.waiting)
        while turns:
            ticket = turns.popleft()
            job = self._jobs[ticket]
            unit = job.waiting[0]
            wanted = len(unit.choices) if job.request.max_tokens else 0
            final = max(longest, len(unit.prompt) + job.request.max_tokens)
            crowded = rows + wanted > self.max_rows or (rows + wanted) * final > self.max_cells
            if (crowded and rows) or (admitted and budget + len(unit.prompt) > _PREFILL_TOKENS_PER_STEP):
                break
            job.waiting.popleft()
            self._jobs.move_to_end(ticket)
            admitted.append(unit)
            rows, budget = rows + wanted, budget + len(unit.prompt)
            longest = final if wanted else longest
            if job.waiting:
                turns.append(ticket)
        return admitted

    def _final_length(self, row: _Row) -> int:
        return row.choice.prompt_length + row.request.max_tokens

    def _prefill(self, units: list[_Unit], events: list[EngineEvent]) -> None:
        requests = [self._jobs[unit.ticket].request for unit in units]
        scored = [request.echo and request.logprobs is not None for request in requests]
        results = self.model.prefill([unit.prompt for unit in units], scored)
        for unit, request, result, every in zip(units, requests, results, scored, strict=True):
            scores = _prompt_scores(unit.prompt, result, request.logprobs or 0) if every else None
            last = result.logits[-1]
            staying: list[_Row] = []
            for choice in unit.choices:
                if request.echo:
                    events += [Delta(unit.ticket, delta) for delta in choice.echo(scores)]
                row = _Row(unit.ticket, request, choice)
                if request.max_tokens == 0:
                    events.append(Delta(unit.ticket, choice.end_without_tokens()))
                else:
                    self._take(row, last, events)
                if choice.finish_reason is None:
                    staying.append(row)
                else:
                    self._end(row, events)
            if staying:
                self._rows.join(result.key_values, len(unit.prompt), len(staying))
                self._live += staying

    def _decode(self, events: list[EngineEvent]) -> None:
        tokens = [row.choice.generated[-1] for row in self._live]
        logits, block = self.model.step(tokens, self._rows.lengths, self._rows.block)
        self._rows.grown(block)
        for row, own in zip(self._live, logits, strict=True):
            self._take(row, own, events)
            if row.choice.finish_reason is not None:
                self._end(row, events)
        self._drop(lambda row: row.choice.finish_reason is not None)

    def _take(self, row: _Row, logits: NDArray[np.float32], events: list[EngineEvent]) -> None:
        """Sample the row's next token and note what may be shown."""
        request, choice = row.request, row.choice
        u = uniform(request.seed, choice.index, len(choice.generated))
        token = pick(logits, temperature=request.temperature, top_p=request.top_p, u=u)
        score = None
        if request.logprobs is not None:
            score = _score(log_probabilities(logits), token, request.logprobs)
        delta = choice.add(token, score)
        self._jobs[row.ticket].generated += 1
        if delta is not None:
            events.append(Delta(row.ticket, delta))

    def _end(self, row: _Row, events: list[EngineEvent]) -> None:
        events.append(Ended(row.ticket, row.choice.index, tuple(row.choice.generated)))
        job = self._jobs[row.ticket]
        job.unfinished -= 1
        if job.unfinished == 0:
            del self._jobs[row.ticket]
            events.append(Done(row.ticket))

    def _drop(self, gone: Callable[[_Row], bool]) -> None:
        places = [place for place, row in enumerate(self._live) if not gone(row)]
        if len(places) < len(self._live):
            self._live = [self._live[place] for place in places]
            self._rows.keep(places)


def _prompt_scores(prompt: Iterable[int], result: Prefilled, top: int) -> list[TokenScore]:
    """One score per prompt token: each is judged by the logits of the position before it."""
    ids = list(prompt)
    values = log_probabilities(result.logits[:-1])
    return [TokenScore(None), *(_score(row, token, top) for row, token in zip(values, ids[1:], strict=True))]


def _score(values: NDArray[np.float64], token: int, top: int) -> TokenScore:
    """The token's log-probability and the ``top`` most likely tokens, ties by id; the token itself is always listed."""
    candidates = np.argpartition(-values, min(top, len(values) - 1))[: top + 1]
    best = sorted(candidates.tolist(), key=lambda place: (-values[place], place))[:top]
    if token not in best:
        best.append(token)
    return TokenScore(float(values[token]), tuple((place, float(values[place])) for place in best))
