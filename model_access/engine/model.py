"""The causal language model itself: loading it, and running rows of different lengths through it at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, DynamicCache

from agreements.errors import Invalid

KeyValues = tuple[tuple[torch.Tensor, torch.Tensor], ...]
"""Per layer, keys and values, each (rows, heads, length, head width)."""


@dataclass
class Prefilled:
    """One prompt after its first pass."""

    logits: NDArray[np.float32]
    """(T, V) where every position was asked for, else (1, V) for the last."""
    key_values: KeyValues
    """One row, exactly as long as the prompt."""


class CausalModel:
    """A ``transformers`` causal language model in evaluation, float32, on the CPU."""

    def __init__(self, folder: Path) -> None:
        """Load from safetensors only. Raises Invalid ``bad_checkpoint`` or ``missing_tensor``."""
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except Exception as error:  # noqa: BLE001 - whatever the library raises, the checkpoint is what is wrong
            raise Invalid(
                "bad_checkpoint", f"transformers cannot load the checkpoint ({type(error).__name__})."
            ) from None
        model, report = loaded
        absent = sorted(report["missing_keys"]) or sorted(str(key) for key in report["mismatched_keys"])
        if absent:
            raise Invalid("missing_tensor", f"{absent[0]} is missing from the weights or has another shape.")
        self._model = model.eval()
        self.end_tokens = _end_tokens(model)

    @torch.inference_mode()
    def prefill(self, prompts: Sequence[Sequence[int]], every_position: Sequence[bool]) -> list[Prefilled]:
        """Run whole prompts, padded on the right to the longest; padding changes nothing a causal model sees."""
        longest = max(map(len, prompts))
        ids = torch.zeros((len(prompts), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
            mask[row, : len(prompt)] = 1
        positions = torch.arange(longest).expand_as(ids)
        output = self._model(
            input_ids=ids,
            attention_mask=None if bool(mask.all()) else mask,
            position_ids=positions,
            past_key_values=DynamicCache(),
            use_cache=True,
            logits_to_keep=0 if any(every_position) else torch.tensor(sorted({len(prompt) - 1 for prompt in prompts})),
        )
        layers = _layers(output.past_key_values)
        kept = list(range(longest)) if any(every_position) else sorted({len(prompt) - 1 for prompt in prompts})
        return [
            Prefilled(
                logits=(
                    output.logits[row, : len(prompt)].numpy()
                    if every_position[row]
                    else output.logits[row, kept.index(len(prompt) - 1)].unsqueeze(0).numpy()
                ),
                key_values=tuple(
                    (keys[row : row + 1, :, : len(prompt)], values[row : row + 1, :, : len(prompt)])
                    for keys, values in layers
                ),
            )
            for row, prompt in enumerate(prompts)
        ]

    @torch.inference_mode()
    def step(
        self, tokens: Sequence[int], lengths: Sequence[int], key_values: KeyValues
    ) -> tuple[NDArray[np.float32], KeyValues]:
        """Append one token to every row. ``key_values`` rows are padded on the left; ``lengths`` are without padding.

        Returns logits (rows, V) and the grown keys and values.
        """
        width = key_values[0][0].shape[-2] + 1
        real = torch.tensor(lengths)
        mask = None
        if min(lengths) + 1 < width:
            mask = (torch.arange(width) >= (width - 1 - real).unsqueeze(1)).long()
        output = self._model(
            input_ids=torch.tensor(tokens).unsqueeze(1),
            attention_mask=mask,
            position_ids=real.unsqueeze(1),
            past_key_values=DynamicCache(key_values),
            use_cache=True,
        )
        return output.logits[:, -1].numpy(), _layers(output.past_key_values)


def _layers(cache: Any) -> KeyValues:
    return tuple((layer.keys, layer.values) for layer in cache.layers)


def _end_tokens(model: Any) -> frozenset[int]:
    for config in (model.generation_config, model.config):
        ends = getattr(config, "eos_token_id", None)
        if isinstance(ends, int):
            return frozenset({ends})
        if isinstance(ends, list | tuple):
            return frozenset(int(end) for end in ends)
    return frozenset()
