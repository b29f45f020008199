"""Putting packed products in the place of a ``transformers`` model's linear layers."""

from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from model_access.build import Precision
from model_access.engine.kernels import product


class _Packed(torch.nn.Module):
    """A linear layer computed by a packed product."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, precision: Precision) -> None:
        super().__init__()
        self._product = product(weight, bias, precision)
        self._outputs = len(weight)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(…, in) to (…, out), in the format that came in."""
        result = self._product(rows.reshape(-1, rows.shape[-1])).to(rows.dtype)
        return result.view(*rows.shape[:-1], self._outputs)


@torch.no_grad()
def pack(model: Any, precision: Precision) -> None:
    """Replace every linear layer of ``model``, one at a time, so that at most one is held twice."""
    layers = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D)]
    for name in layers:
        holder, _, attribute = name.rpartition(".")
        parent = model.get_submodule(holder)
        layer = getattr(parent, attribute)
        weight = layer.weight.t() if isinstance(layer, Conv1D) else layer.weight
        setattr(parent, attribute, _Packed(weight, layer.bias, precision))
