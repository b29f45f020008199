"""One request in flight, seen from the portal: what the worker may still say about it, and what it has used."""

import logging
import threading
from collections.abc import Callable
from itertools import chain

from agreements.errors import Invalid
from model_access.build import Products
from model_access.embeddings import vector_of
from model_access.generation import ChoiceDelta, ChoiceSummary, Failed, Finished, GenerationRequest, RunEvent
from model_access.worker.frames import Ended, Piece, Stopped
from model_access.worker.status import Place

_log = logging.getLogger(__name__)

OnEvent = Callable[[RunEvent], None]

_MOST_CHARACTERS = 1024
"""Of one token's text: no tokenizer in use comes near it."""
_LONGEST_NAME = 8 * _MOST_CHARACTERS
"""Of one token where it is named: bytes are named by four characters each."""


class Ticket:
    """The holder's handle on a submitted request. Its last event is Finished or Failed, exactly once."""

    def __init__(self, cancel: Callable[[], None], place: Callable[[], Place | None] = lambda: None) -> None:
        self._cancel, self._place = cancel, place
        self._ended = threading.Event()

    def cancel(self) -> None:
        """Stop between two tokens. The last event is then Failed ``cancelled``, unless the end came first."""
        self._cancel()

    def place(self) -> Place | None:
        """Where it stands while it waits for its turn; None once it runs or is over."""
        return self._place()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the last event was delivered; whether it was in time."""
        return self._ended.wait(timeout_s)

    def ended(self) -> None:
        """Called by the pool after the last event."""
        self._ended.set()


class InFlight:
    """Checks every frame about one request against what was asked, and turns them into events.

    The worker is not trusted: indexes, counts, token ids, lengths of text and the order of frames are bounded by the
    request, so that no number of frames makes the portal hold more than the answer may be.
    """

    def __init__(
        self, request: GenerationRequest, prompt_lengths: tuple[int, ...], vocabulary_size: int, on_event: OnEvent
    ) -> None:
        self._request, self._vocabulary_size, self._on_event = request, vocabulary_size, on_event
        self._prompt_lengths = prompt_lengths
        self._texts: list[list[str]] = [[] for _ in range(request.choice_count)]
        self._tokens_seen = [0] * request.choice_count
        self._characters = [0] * request.choice_count
        self._reasons: dict[int, ChoiceDelta] = {}
        self._summaries: dict[int, ChoiceSummary] = {}
        self._passed_over = 0
        self._over = False
        self._width: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts, each counted once."""
        return sum(self._prompt_lengths)

    @property
    def echoes(self) -> bool:
        """Whether pieces repeat the prompt first."""
        return self._request.echo

    def piece(self, frame: Piece) -> None:
        """Pass a delta on. Raises Invalid ``bad_frame`` if it cannot belong to this request."""
        delta = frame.delta
        self._require(delta.index < self._request.choice_count and delta.index not in self._reasons)
        self._require(all(token < self._vocabulary_size for token in delta.token_ids))
        self._require_columns(delta)
        self._require(bool(delta.text or delta.token_ids or delta.finish_reason))
        self._tokens_seen[delta.index] += len(delta.token_ids)
        self._require(self._tokens_seen[delta.index] <= self._allowance(delta.index))
        if self._request.embed:
            self._require(delta.finish_reason is not None and not delta.token_ids)
            self._require_vector(delta.text)
        else:
            self._characters[delta.index] += len(delta.text)
            self._require(self._characters[delta.index] <= self._allowance(delta.index) * _MOST_CHARACTERS)
        self._texts[delta.index].append(delta.text)
        if delta.finish_reason is not None:
            self._reasons[delta.index] = delta
        self._tell(delta)

    def ended(self, frame: Ended, products: Products | None = None) -> bool:
        """Note a complete choice, computed so; whether it was the last. Raises Invalid ``bad_frame``."""
        last = self._reasons.get(frame.index)
        self._require(last is not None and frame.index not in self._summaries)
        self._require(len(frame.token_ids) <= self._request.max_tokens)
        self._require(all(token < self._vocabulary_size for token in frame.token_ids))
        assert last is not None and last.finish_reason is not None  # noqa: S101, PT018 - just required
        self._passed_over += frame.passed_over
        self._require(self._passed_over <= self._request.max_tokens * self._spare_candidates)
        self._summaries[frame.index] = ChoiceSummary(
            index=frame.index,
            text="".join(self._texts[frame.index]),
            token_ids=frame.token_ids,
            finish_reason=last.finish_reason,
        )
        if len(self._summaries) < self._request.choice_count:
            return False
        choices = tuple(self._summaries[index] for index in range(self._request.choice_count))
        self._over = True
        self._tell(
            Finished(
                prompt_tokens=self.prompt_tokens,
                completion_tokens=sum(len(choice.token_ids) for choice in choices) + self._passed_over,
                choices=choices,
                products=products,
            )
        )
        return True

    def stopped(self, frame: Stopped) -> None:
        """The engine gave the request up, as it was told to. Raises Invalid ``bad_frame`` for an impossible count."""
        self._require(frame.completion_tokens <= self._request.max_tokens * self._request.candidate_count)
        self.fail("cancelled", "The request was cancelled.", retriable=False, completion_tokens=frame.completion_tokens)

    def fail(
        self, code: str, message: str, *, hint: str = "", retriable: bool, completion_tokens: int | None = None
    ) -> None:
        """End the request. Without a count from the engine, what was delivered is what was used."""
        if self._over:
            return
        self._over = True
        self._tell(
            Failed(
                code=code,
                message=message,
                hint=hint,
                retriable=retriable,
                prompt_tokens=self.prompt_tokens,
                completion_tokens=self._delivered() if completion_tokens is None else completion_tokens,
            )
        )

    def _delivered(self) -> int:
        echoed = self._request.echo
        return sum(
            max(0, seen - (self._prompt_length(index) if echoed else 0)) for index, seen in enumerate(self._tokens_seen)
        )

    @property
    def _spare_candidates(self) -> int:
        return self._request.candidate_count - self._request.choice_count

    def _allowance(self, index: int) -> int:
        return self._request.max_tokens + (self._prompt_length(index) if self._request.echo else 0)

    def _prompt_length(self, index: int) -> int:
        return self._prompt_lengths[index // self._request.n]

    def _require_columns(self, delta: ChoiceDelta) -> None:
        """Log-probabilities are there if they were asked for: one entry per token, and no more alternatives."""
        columns, asked = delta.logprobs, self._request.logprobs
        self._require((columns is None) == (asked is None))
        if columns is None or asked is None:
            return
        lists = (columns.tokens, columns.token_logprobs, columns.top_logprobs, columns.text_offset)
        self._require(all(len(one) == len(delta.token_ids) for one in lists))
        tops = [top for top in columns.top_logprobs if top is not None]
        self._require(all(len(top) <= asked + 1 for top in tops))
        self._require(all(len(name) <= _LONGEST_NAME for name in chain(columns.tokens, *tops)))

    def _require_vector(self, text: str) -> None:
        """An embedding is as wide as the others of its request."""
        width = len(vector_of(text))
        self._require(self._width in (None, width))
        self._width = width

    def _tell(self, event: RunEvent) -> None:
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - one caller's fault must not end the worker that others use
            _log.error("The receiver of a run's events failed (%s).", type(error).__name__)

    @staticmethod
    def _require(condition: bool) -> None:
        if not condition:
            raise Invalid("bad_frame", "A worker's frame does not fit the request it is about.")
