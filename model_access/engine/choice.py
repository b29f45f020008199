"""One continuation in the making: from tokens to the deltas that are sent. No torch, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass

from model_access.engine.detokenising import Detokeniser
from model_access.engine.stopping import StopMatcher
from model_access.engine.vocabulary import Vocabulary
from model_access.generation import ChoiceDelta, FinishReason, GenerationRequest, Logprobs

_ECHO_TOKENS_PER_DELTA = 256
"""Long echoed prompts are sent in pieces, so that no frame grows with the context."""


@dataclass(frozen=True)
class TokenScore:
    """What the model thought of one token, in natural logarithms."""

    logprob: float | None
    """``None`` for the first token of a prompt, which nothing precedes."""
    top: tuple[tuple[int, float], ...] = ()
    """The most likely tokens at that place, most likely first."""


@dataclass(frozen=True)
class _Token:
    id: int
    offset: int
    """Characters of the choice's text before this token's."""
    score: TokenScore | None


class Choice:
    """Takes tokens, gives deltas; knows when it is finished."""

    def __init__(
        self,
        request: GenerationRequest,
        index: int,
        prompt: Sequence[int],
        vocabulary: Vocabulary,
        ends: frozenset[int],
    ) -> None:
        self.index = index
        self.generated: list[int] = []
        self.finish_reason: FinishReason | None = None
        self._request, self._vocabulary, self._ends = request, vocabulary, ends
        self._prompt = tuple(prompt)
        self._detokeniser = Detokeniser(vocabulary.decode, prompt)
        self._matcher = StopMatcher(request.stop)
        self._pending: list[_Token] = []
        self._decoded = 0  # characters decoded so far, shown or held back
        self._shown = 0
        self._logprob_sum = 0.0

    @property
    def prompt_length(self) -> int:
        """Tokens of the prompt."""
        return len(self._prompt)

    @property
    def mean_logprob(self) -> float:
        """Of the tokens generated, as far as they were scored; 0 without any."""
        return self._logprob_sum / max(len(self.generated), 1)

    def echo(self, scores: Sequence[TokenScore] | None) -> list[ChoiceDelta]:
        """The prompt as deltas. ``scores`` has one entry per prompt token, or is ``None`` when none are asked for."""
        detokeniser = Detokeniser(self._vocabulary.decode)
        deltas: list[ChoiceDelta] = []
        for start in range(0, len(self._prompt), _ECHO_TOKENS_PER_DELTA):
            stop = min(start + _ECHO_TOKENS_PER_DELTA, len(self._prompt))
            text = ""
            for place in range(start, stop):
                score = scores[place] if scores is not None else None
                self._pending.append(_Token(self._prompt[place], self._decoded + len(text), score))
                text += detokeniser.feed(self._prompt[place])
            if stop == len(self._prompt):
                text += detokeniser.flush()
            self._decoded += len(text)
            deltas.append(self._delta(text, everything=True))
        return deltas

    def add(self, token: int, score: TokenScore | None) -> ChoiceDelta | None:
        """Take the next token; what may be shown now, if anything. May set ``finish_reason``."""
        self.generated.append(token)
        self._logprob_sum += (score.logprob if score is not None else None) or 0.0
        self._pending.append(_Token(token, self._decoded, score))
        if token in self._ends:
            return self._finish("stop")
        fresh = self._detokeniser.feed(token)
        self._decoded += len(fresh)
        text = self._matcher.feed(fresh)
        if self._matcher.stopped:
            self.finish_reason = "stop"
            return self._delta(text)
        if len(self.generated) >= self._request.max_tokens:
            return self._finish("length", text)
        return self._delta(text) if text else None

    def end_without_tokens(self) -> ChoiceDelta:
        """End a choice that was to be scored only."""
        self.finish_reason = "length"
        return self._delta("", everything=True)

    def _finish(self, reason: FinishReason, text: str = "") -> ChoiceDelta:
        rest = self._detokeniser.flush()
        self._decoded += len(rest)
        text += self._matcher.feed(rest)
        if self._matcher.stopped:
            reason = "stop"
        else:
            text += self._matcher.flush()
        self.finish_reason = reason
        return self._delta(text, everything=reason == "length")

    def _delta(self, text: str, *, everything: bool = False) -> ChoiceDelta:
        self._shown += len(text)
        count = len(self._pending)
        if not everything:
            count = sum(token.offset < self._shown for token in self._pending)
        released, self._pending = self._pending[:count], self._pending[count:]
        return ChoiceDelta(
            index=self.index,
            text=text,
            token_ids=tuple(token.id for token in released),
            logprobs=self._logprobs(released),
            finish_reason=self.finish_reason,
        )

    def _logprobs(self, tokens: Sequence[_Token]) -> Logprobs | None:
        if self._request.logprobs is None:
            return None
        name = self._vocabulary.name
        scores = [token.score or TokenScore(None) for token in tokens]
        return Logprobs(
            tokens=tuple(name(token.id) for token in tokens),
            token_logprobs=tuple(score.logprob for score in scores),
            top_logprobs=tuple(
                None if score.logprob is None else {name(token): value for token, value in reversed(score.top)}
                for score in scores
            ),
            text_offset=tuple(token.offset for token in tokens),
        )
