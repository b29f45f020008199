"""Choosing the next token: pure functions of the logits and of a counter-based random number.

The number depends on (seed, choice, position) alone, so an answer does not depend on who else is being served.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_access.generation import GenerationRequest

Logits = NDArray[np.float32]
Weights = NDArray[np.float64]

_FIRST_RANKED = 256
"""So many most likely tokens are sorted at first: a nucleus seldom needs more."""


def uniform(seed: int, choice: int, position: int) -> float:
    """A number in [0, 1) with 53 random bits: Philox (Salmon et al., 2011) keyed by seed and choice, at ``position``.

    ``position`` counts the tokens generated in this choice.
    """
    generator = np.random.Philox(
        key=np.array([seed, choice], dtype=np.uint64), counter=np.array([0, position, 0, 0], dtype=np.uint64)
    )
    return float(int(generator.random_raw()) >> 11) * 2.0**-53


def adjusted(logits: Logits, request: GenerationRequest, generated: Sequence[int]) -> Logits:
    """The logits (V,) with the request's biases, less its penalties for what the choice has ``generated``."""
    penalised = bool(request.presence_penalty or request.frequency_penalty)
    if not request.logit_bias and not (penalised and generated):
        return logits
    result = logits.copy()
    for token, bias in request.logit_bias.items():
        result[token] += np.float32(bias)
    if penalised:
        for token, times in Counter(generated).items():
            result[token] -= np.float32(request.presence_penalty + request.frequency_penalty * times)
    return result


def pick(logits: Logits, *, temperature: float, top_p: float = 1.0, top_k: int | None = None, u: float) -> int:
    """The token that ``u`` in [0, 1) falls on.

    ``logits`` is (V,). Temperature scales first, then the ``top_k`` most likely tokens are kept, then of these the
    smallest set of most likely ones that together reach the share ``top_p``; the rest is drawn from in proportion. Ties
    go to the lower id. Temperature 0 takes the most likely token.
    """
    if temperature == 0.0:
        return int(np.argmax(logits))
    scaled = logits.astype(np.float64)
    scaled -= scaled.max()
    scaled /= temperature
    weights = np.exp(scaled)
    if top_p >= 1.0 and (top_k is None or top_k >= len(weights)):
        return _at(weights, u)
    order, kept = _kept(weights, top_p, min(top_k or len(weights), len(weights)))
    return int(order[_at(kept, u)])


def _kept(weights: Weights, top_p: float, top_k: int) -> tuple[NDArray[np.intp], Weights]:
    """The tokens that may be drawn, most likely first, and their weights."""
    count = min(top_k, _FIRST_RANKED) if top_k == len(weights) else top_k
    while True:
        order = _most_likely(weights, count)
        ranked = weights[order]
        reached = np.cumsum(ranked)
        share = top_p * (weights.sum() if top_k == len(weights) else reached[-1])
        if count >= top_k or reached[-1] >= share:
            enough = int(np.searchsorted(reached, share, side="left")) + 1 if top_p < 1.0 else count
            return order[:enough], ranked[:enough]
        count = min(count * 16, top_k)


def _most_likely(weights: Weights, count: int) -> NDArray[np.intp]:
    """The ``count`` heaviest, heaviest first; the lower id first among equals."""
    if count >= len(weights):
        return np.argsort(-weights, kind="stable")
    least = np.partition(weights, len(weights) - count)[len(weights) - count]
    above = np.flatnonzero(weights > least)
    chosen = np.union1d(above, np.flatnonzero(weights == least)[: count - len(above)])
    order: NDArray[np.intp] = chosen[np.argsort(-weights[chosen], kind="stable")]
    return order


def _at(weights: Weights, u: float) -> int:
    reached = np.cumsum(weights)
    place = int(np.searchsorted(reached, u * reached[-1], side="right"))
    return min(place, len(weights) - 1)
