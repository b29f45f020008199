"""Any ``transformers`` model whose attention can be replaced by ours: rows of many sequences in one pass.

The tokens of all segments are laid end to end as one sequence, so the matrix products see them together; attention is
computed segment by segment over each one's own slot.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface

from model_access.build import Products
from model_access.engine.attention import attend
from model_access.engine.decoder import Segment, Widths, laid_out, padded
from model_access.engine.slots import LayerShape, Slot, SlotMaker
from model_access.engine.widths import CANDIDATES

NAME = "concordat"
_TOLERANCE = 1e-3
_TRIAL_TOKENS = 40


class Unshareable(Exception):
    """The model computes attention in a way of its own."""


@dataclass
class _Pass:
    """The pass under way. Without segments it only notes what each layer keeps."""

    segments: Sequence[Segment]
    rows: int
    shapes: dict[int, LayerShape] = field(default_factory=dict)


_PASS: ContextVar[_Pass] = ContextVar("concordat_pass")


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """What ``transformers`` calls in every layer, on (1, heads, rows, width)."""
    if attention_mask is not None or any(more.get(name) is not None for name in ("softcap", "s_aux", "position_bias")):
        raise Unshareable
    current, layer = _PASS.get(), int(module.layer_idx)
    current.shapes[layer] = LayerShape(key.shape[1], key.shape[-1], value.shape[-1])
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    out = value.new_zeros((1, query.shape[1], query.shape[2], value.shape[-1]))
    row = 0
    for segment in current.segments:
        count = len(segment.tokens)
        own, cells = slice(row, row + count), slice(segment.start, segment.start + count)
        keys, values = segment.slot.keys[layer], segment.slot.values[layer]
        keys[:, :, cells] = key[:, :, own]
        values[:, :, cells] = value[:, :, own]
        out[:, :, own] = attend(query[:, :, own], keys, values, segment.start, scale=scale, window=sliding_window)
        row += count
    return out.transpose(1, 2), None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, lambda *_, **__: None)


class SharedDecoder:
    """A ``transformers`` model behind the engine's attention, in the number format it was loaded in."""

    chunk = 128

    def __init__(self, model: Any, products: Products, end_tokens: frozenset[int]) -> None:
        """Raises Unshareable where the model does not answer as it does by itself."""
        self.products, self.end_tokens = products, end_tokens
        self.widths = CANDIDATES[-1]
        self._model = model
        self._device = model.device
        self._slots = self._made_for(model)
        self.cell_bytes = self._slots.cell_bytes

    def open(self, capacity: int) -> Slot:
        """See ``Decoder``."""
        return self._slots.open(capacity)

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        """See ``Decoder``."""
        return self._slots.fork(slot, length, capacity)

    @torch.inference_mode()
    def run(self, segments: Sequence[Segment]) -> torch.Tensor:
        """See ``Decoder``."""
        ids, positions, wanted, _spare = laid_out(segments, self.widths)
        return self._forward(segments, ids, positions, wanted)

    @torch.inference_mode()
    def hidden(self, segment: Segment) -> torch.Tensor:
        """See ``Decoder``."""
        ids, positions, _wanted, _spare = laid_out([segment], self.widths)
        token = _PASS.set(_Pass([segment], len(ids)))
        try:
            states: torch.Tensor = self._model.base_model(
                input_ids=torch.tensor([ids], device=self._device),
                position_ids=torch.tensor([positions], device=self._device),
                use_cache=False,
            ).last_hidden_state
        finally:
            _PASS.reset(token)
        return states[0, : len(segment.tokens)].float().cpu()

    def _forward(
        self, segments: Sequence[Segment], ids: list[int], positions: list[int], wanted: list[int]
    ) -> torch.Tensor:
        # Rows of logits are a product too: one row alone may be summed in another order than several.
        asked = wanted + [len(ids) - 1] * (padded(max(len(wanted), 1), self.widths) - len(wanted))
        token = _PASS.set(_Pass(segments, len(ids)))
        try:
            logits = self._model(
                input_ids=torch.tensor([ids], device=self._device),
                position_ids=torch.tensor([positions], device=self._device),
                use_cache=False,
                logits_to_keep=torch.tensor(asked, device=self._device),
            ).logits
        finally:
            _PASS.reset(token)
        result: torch.Tensor = logits[0, : len(wanted)].float().cpu()
        return result

    @torch.inference_mode()
    def _made_for(self, model: Any) -> SlotMaker:
        """Slots as the model fills them. Raises Unshareable if shared passes answer otherwise than the model alone."""
        if any("expert" in type(module).__name__.lower() for module in model.modules()):
            raise Unshareable  # how many rows meet in one expert depends on all of them
        ids = torch.arange(_TRIAL_TOKENS, device=self._device).unsqueeze(0) % model.config.get_text_config().vocab_size
        alone = model(input_ids=ids, use_cache=False).logits[0]
        before = model.config._attn_implementation  # noqa: SLF001 - where transformers keeps it
        try:
            model.set_attn_implementation(NAME)
            slots = SlotMaker(self._shapes(model, ids), model.dtype, self._device)
            self._slots = slots
            slot, whole, cut = slots.open(_TRIAL_TOKENS), ids[0].tolist(), _TRIAL_TOKENS // 2
            halves = [self.run([Segment(slot, at, whole[at : at + cut], cut)]) for at in (0, cut)]
        except Exception as error:
            model.set_attn_implementation(before)
            raise Unshareable from error
        scale = float(alone.abs().max())
        if float((torch.cat(halves) - alone.float().cpu()).abs().max()) > _tolerance(model.dtype) * scale:
            model.set_attn_implementation(before)
            raise Unshareable
        return slots

    @staticmethod
    def _shapes(model: Any, ids: torch.Tensor) -> tuple[LayerShape, ...]:
        noted = _Pass((), ids.shape[1])
        token = _PASS.set(noted)
        try:
            model(input_ids=ids, position_ids=torch.arange(ids.shape[1], device=ids.device)[None], use_cache=False)
        finally:
            _PASS.reset(token)
        return tuple(noted.shapes[layer] for layer in range(len(noted.shapes)))


def _tolerance(dtype: torch.dtype) -> float:
    return _TOLERANCE if dtype == torch.float32 else 0.1


__all__ = ["SharedDecoder", "Unshareable", "Widths"]
