"""Any other ``transformers`` causal language model: each sequence by itself, with the cache the model itself makes."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from model_access.build import Products
from model_access.engine.decoder import Segment
from model_access.engine.slots import Slot, rounded
from model_access.engine.widths import CANDIDATES


@dataclass
class _Run:
    """What was run into a slot; ``cache`` is ``None`` where it has to be run again."""

    tokens: list[int] = field(default_factory=list)
    cache: Any = None


class OneByOneDecoder:
    """Slower where many are served at once, and right for whatever ``transformers`` can generate with.

    Prompts are run whole, and slots are never cut short: some caches can neither be continued by several tokens nor
    shortened, so a sequence that starts over from its prompt runs the prompt again.
    """

    def __init__(self, model: Any, products: Products, end_tokens: frozenset[int], context: int) -> None:
        """``context``: the longest sequence, in tokens."""
        self.products, self.end_tokens = products, end_tokens
        self.widths = CANDIDATES[-1]
        self.chunk = context
        self._model = model
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.cell_bytes = _bytes_a_token(model)

    def open(self, capacity: int) -> Slot:
        """See ``Decoder``."""
        return Slot(rounded(capacity), state=_Run())

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot:
        """See ``Decoder``."""
        return Slot(rounded(capacity), state=_Run(slot.state.tokens[:length]))

    @torch.inference_mode()
    def run(self, segments: Sequence[Segment]) -> torch.Tensor:
        """See ``Decoder``."""
        return torch.cat([self._one(segment) for segment in segments])

    @torch.inference_mode()
    def hidden(self, segment: Segment) -> torch.Tensor:
        """See ``Decoder``. Prompts are run whole, so a segment is one."""
        ids = torch.tensor([list(segment.tokens)], device=self._model.device)
        states: torch.Tensor = self._model.base_model(input_ids=ids, use_cache=False).last_hidden_state
        return states[0].float().cpu()

    def _one(self, segment: Segment) -> torch.Tensor:
        run: _Run = segment.slot.state
        if segment.start and (run.cache is None or len(run.tokens) != segment.start):
            kept = run.tokens[: segment.start]
            run.tokens, run.cache = [], None
            self._forward(run, kept, 1)
        elif not segment.start:
            run.tokens, run.cache = [], None
        return self._forward(run, segment.tokens, segment.wanted)

    def _forward(self, run: _Run, tokens: Sequence[int], wanted: int) -> torch.Tensor:
        ids = torch.tensor([list(tokens)], device=self._model.device)
        keep = {"logits_to_keep": max(wanted, 1)} if self._keeps else {}
        answer = self._model(input_ids=ids, past_key_values=run.cache, use_cache=True, **keep)
        run.cache = answer.past_key_values
        run.tokens += tokens
        logits: torch.Tensor = answer.logits[0].float().cpu()
        return logits[len(logits) - wanted :]


def _bytes_a_token(model: Any) -> int:
    """At most what a layer keeps for one token: as many keys and values as the hidden state is wide."""
    config = model.config.get_text_config()
    return int(2 * config.num_hidden_layers * config.hidden_size * model.dtype.itemsize)
