"""What a model thought of tokens: log-probabilities read off its logits."""

from collections.abc import Sequence

import torch

from model_access.engine.choice import TokenScore

_ROWS_AT_ONCE = 4
"""So few rows of logits stay in a processor's cache while they are gone through several times."""


def token_scores(logits: torch.Tensor, tokens: Sequence[int], top: int) -> list[TokenScore]:
    """One score per row of ``logits`` (T, vocabulary): of that row's token, and the ``top`` most likely ones.

    Natural logarithms over the model's own distribution. Ties go to the lower id; the token itself is always listed.
    """
    totals = torch.cat([torch.logsumexp(rows, dim=-1, keepdim=True) for rows in torch.split(logits, _ROWS_AT_ONCE)])
    own = (logits.gather(1, torch.tensor(tokens).unsqueeze(1)) - totals).flatten().tolist()
    values, ids = logits.topk(min(top, logits.shape[-1]), dim=-1)
    best = (values - totals).tolist()
    scores = []
    for token, value, row_ids, row_values in zip(tokens, own, ids.tolist(), best, strict=True):
        ranked = sorted(zip(row_ids, row_values, strict=True), key=lambda pair: (-pair[1], pair[0]))
        if token not in row_ids:
            ranked.append((token, value))
        scores.append(TokenScore(value, tuple(ranked)))
    return scores
