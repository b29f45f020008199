"""Choosing the next token: pure functions of the logits and of a counter-based random number.

The number depends on (seed, choice, position) alone, so an answer does not depend on who else is being served.
"""

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]


def uniform(seed: int, choice: int, position: int) -> float:
    """A number in [0, 1) with 53 random bits: Philox (Salmon et al., 2011) keyed by seed and choice, at ``position``.

    ``position`` counts the tokens generated in this choice.
    """
    generator = np.random.Philox(
        key=np.array([seed, choice], dtype=np.uint64), counter=np.array([0, position, 0, 0], dtype=np.uint64)
    )
    return float(int(generator.random_raw()) >> 11) * 2.0**-53


def pick(logits: Logits, *, temperature: float, top_p: float, u: float) -> int:
    """The token that ``u`` in [0, 1) falls on.

    ``logits`` is (V,). Temperature scales first, then the smallest set of most likely tokens that together reach
    ``top_p`` is kept and renormalised; ties go to the lower id. Temperature 0 takes the most likely token.
    """
    if temperature == 0.0:
        return int(np.argmax(logits))
    scaled = logits.astype(np.float64)
    scaled = (scaled - scaled.max()) / temperature
    weights = np.exp(scaled)
    if top_p >= 1.0:
        return _at(weights, u)
    order = np.argsort(-weights, kind="stable")
    ranked = weights[order]
    reached = np.cumsum(ranked)
    kept = int(np.searchsorted(reached, top_p * reached[-1], side="left")) + 1
    return int(order[_at(ranked[:kept], u)])


def log_probabilities(logits: Logits) -> NDArray[np.float64]:
    """Natural log-probabilities of the model's own distribution, (…, V)."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    result: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return result


def _at(weights: NDArray[np.float64], u: float) -> int:
    reached = np.cumsum(weights)
    place = int(np.searchsorted(reached, u * reached[-1], side="right"))
    return min(place, len(weights) - 1)
