"""How surprised a model was by a text: what its token probabilities add up to."""

from dataclasses import dataclass
from math import exp, inf, log

from model_access.generation import Logprobs

_TOO_MUCH = 700.0
"""Nats per token above which a perplexity is no number any more."""


@dataclass(frozen=True)
class Surprise:
    """Sums over the tokens that have a probability: all but the first of a scored text."""

    tokens: int
    log_likelihood: float
    """In nats, never above 0."""

    @property
    def nats_per_token(self) -> float:
        """The mean surprisal; 0 without tokens."""
        return -self.log_likelihood / self.tokens if self.tokens else 0.0

    @property
    def bits_per_token(self) -> float:
        """The same in bits."""
        return self.nats_per_token / log(2)

    @property
    def perplexity(self) -> float:
        """As many equally likely tokens would have surprised it as much; infinite beyond all numbers."""
        return exp(self.nats_per_token) if self.nats_per_token < _TOO_MUCH else inf


def surprise_of(logprobs: Logprobs) -> Surprise:
    """What the token probabilities add up to."""
    values = [value for value in logprobs.token_logprobs if value is not None]
    return Surprise(tokens=len(values), log_likelihood=sum(values))


def bits(value: float | None) -> float | None:
    """The surprisal of one token in bits; None for one without a probability."""
    return None if value is None else -value / log(2) + 0.0
