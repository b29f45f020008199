"""The GPT-2 family, computed directly: packed products, and per step as few calls as the arithmetic allows.

The architecture is that of Radford et al. (2019) as ``transformers`` stores it: learned positions, normalisation before
each block, one product for queries, keys and values, GELU by its tanh approximation, and the embedding as output layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import layer_norm

from model_access.build import Precision
from model_access.engine.blocks import BlockSlots
from model_access.engine.decoder import Segment, laid_out, padded
from model_access.engine.kernels import Product, product, products_of
from model_access.engine.pass_attention import PassAttention, side_by_side
from model_access.engine.slots import LayerShape, Slot
from model_access.engine.weights import Weights
from model_access.engine.widths import CANDIDATES

_ACTIVATIONS = frozenset({"gelu_new", "gelu_pytorch_tanh"})


def is_gpt2(config: Any) -> bool:
    """Whether a ``transformers`` configuration describes exactly what is computed here."""
    return (
        config.model_type == "gpt2"
        and list(config.architectures or ()) == ["GPT2LMHeadModel"]
        and config.activation_function in _ACTIVATIONS
        and config.scale_attn_weights
        and not config.scale_attn_by_inverse_layer_idx
        and not config.add_cross_attention
        and config.n_embd % config.n_head == 0
    )


@dataclass(frozen=True)
class _Norm:
    weight: torch.Tensor
    bias: torch.Tensor
    epsilon: float

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        return layer_norm(rows, self.weight.shape, self.weight, self.bias, self.epsilon)


@dataclass(frozen=True)
class _Layer:
    before_attention: _Norm
    attention_in: Product
    attention_out: Product
    before_mlp: _Norm
    mlp_in: Product
    mlp_out: Product


class Gpt2Decoder:
    """See ``Decoder``. Keys and values are kept in bfloat16 unless all is float32; sums over them are of float32."""

    chunk = 128

    def __init__(self, folder: Path, config: Any, precision: Precision, end_tokens: frozenset[int]) -> None:
        """Raises Invalid ``bad_checkpoint`` or ``missing_tensor``."""
        self.products, self.end_tokens = products_of(precision), end_tokens
        self.widths = CANDIDATES[-1]
        self._width, self._heads = int(config.n_embd), int(config.n_head)
        self._head_width = self._width // self._heads
        self._scale = self._head_width**-0.5
        with Weights(folder) as weights:
            self._read(weights, config, precision)
        shape = LayerShape(self._heads, self._head_width, self._head_width)
        self._slots = BlockSlots(
            len(self._layers), shape, torch.float32 if precision is Precision.FLOAT32 else torch.bfloat16
        )
        self.cell_bytes = self._slots.cell_bytes

    def _read(self, weights: Weights, config: Any, precision: Precision) -> None:
        prefix = "transformer." if "transformer.wte.weight" in weights else ""
        width, epsilon = self._width, float(config.layer_norm_epsilon)

        def norm(name: str) -> _Norm:
            return _Norm(weights.take(f"{name}.weight", width), weights.take(f"{name}.bias", width), epsilon)

        def dense(name: str, inputs: int, outputs: int, *, with_gelu: bool = False) -> Product:
            stored = weights.take(f"{name}.weight", inputs, outputs)  # (in, out): what transformers calls a Conv1D
            return product(stored.t(), weights.take(f"{name}.bias", outputs), precision, with_gelu=with_gelu)

        table = weights.take(f"{prefix}wte.weight", int(config.vocab_size), width)
        self._positions = weights.take(f"{prefix}wpe.weight", int(config.n_positions), width)
        inner = int(config.n_inner or 4 * width)
        self._layers = [
            _Layer(
                before_attention=norm(f"{name}.ln_1"),
                attention_in=dense(f"{name}.attn.c_attn", width, 3 * width),
                attention_out=dense(f"{name}.attn.c_proj", width, width),
                before_mlp=norm(f"{name}.ln_2"),
                mlp_in=dense(f"{name}.mlp.c_fc", width, inner, with_gelu=True),
                mlp_out=dense(f"{name}.mlp.c_proj", inner, width),
            )
            for name in (f"{prefix}h.{layer}" for layer in range(int(config.n_layer)))
        ]
        self._last = norm(f"{prefix}ln_f")
        own = not config.tie_word_embeddings and "lm_head.weight" in weights
        self._head = product(weights.take("lm_head.weight", *table.shape) if own else table, None, precision)
        self._table = table if precision is Precision.FLOAT32 else table.to(torch.bfloat16)

    def open(self, capacity: int) -> Slot:
        """See ``Decoder``."""
        return self._slots.open(capacity)

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        """See ``Decoder``."""
        return self._slots.fork(slot, length, capacity)

    @torch.inference_mode()
    def run(self, segments: Sequence[Segment]) -> torch.Tensor:
        """See ``Decoder``."""
        segments, back = side_by_side(segments)
        ids, positions, wanted, spare = laid_out(segments, self.widths)
        wanted = back(wanted)
        rows = self._rows(segments, ids, positions, spare)
        if not wanted:
            return rows.new_empty((0, len(self._table)))
        return self._logits(rows, wanted)

    @torch.inference_mode()
    def hidden(self, segment: Segment) -> torch.Tensor:
        """See ``Decoder``."""
        ids, positions, _wanted, spare = laid_out([segment], self.widths)
        rows = self._rows([segment], ids, positions, spare)
        return self._last(rows)[: len(segment.tokens)].float()

    def _rows(self, segments: Sequence[Segment], ids: list[int], positions: list[int], spare: int) -> torch.Tensor:
        """Every token after the last layer."""
        rows = self._table[torch.tensor(ids)].float() + self._positions[torch.tensor(positions)]
        attention = PassAttention(segments, spare, self._heads, self._scale)
        for place, layer in enumerate(self._layers):
            attended = attention(place, layer.attention_in(layer.before_attention(rows)).float())
            rows = rows + layer.attention_out(attended)
            rows = rows + layer.mlp_out(layer.mlp_in(layer.before_mlp(rows)))
        return rows

    def _logits(self, rows: torch.Tensor, wanted: list[int]) -> torch.Tensor:
        # Rows of logits are a product too: one row alone may be summed in another order than several.
        asked = wanted + wanted[-1:] * (padded(len(wanted), self.widths) - len(wanted))
        logits = self._head(self._last(rows[torch.tensor(asked)])).float()
        return logits[: len(wanted)]
