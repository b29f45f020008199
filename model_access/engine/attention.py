"""Attention of one segment over its own slot. Every segment is computed by itself, so no neighbour can change it."""

import torch
from torch.nn.functional import scaled_dot_product_attention


def attend(
    query: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    start: int,
    *,
    scale: float,
    window: int | None = None,
) -> torch.Tensor:
    """Causal attention of (1, heads, T, width) queries at positions from ``start`` over cells 0 to ``start`` + T.

    There may be fewer key heads than query heads, each shared by as many neighbours. With ``window``, a query sees that
    many cells, its own included.
    """
    _, heads, count, _ = query.shape
    end = start + count
    first = max(0, end - count - window + 1) if window is not None else 0
    keys, values = keys[:, :, first:end], values[:, :, first:end]
    if count == 1:
        shared = keys.shape[1]
        grouped = query.view(1, shared, heads // shared, query.shape[-1])
        out = scaled_dot_product_attention(grouped, keys, values, scale=scale)
        return out.reshape(1, heads, 1, values.shape[-1])
    few = keys.shape[1] != heads
    if start == 0 and (window is None or end <= window):
        return scaled_dot_product_attention(query, keys, values, is_causal=True, scale=scale, enable_gqa=few)
    return scaled_dot_product_attention(
        query, keys, values, attn_mask=_mask(start, first, end, window, query.device), scale=scale, enable_gqa=few
    )


def _mask(start: int, first: int, end: int, window: int | None, device: torch.device) -> torch.Tensor:
    """(T, cells): what each query may see."""
    queries = torch.arange(start, end, device=device).unsqueeze(1)
    cells = torch.arange(first, end, device=device)
    seen = cells <= queries
    return seen if window is None else seen & (cells > queries - window)
