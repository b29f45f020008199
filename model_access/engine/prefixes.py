"""Prompts already run, so that the same beginning need not be run again. Never shared between holders.

How fast an answer comes tells whether its prompt's beginning was known. Among one holder's own requests that gives
nothing away; across holders it would tell one what another asked.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from model_access.engine.slots import Slot


@dataclass(frozen=True, eq=False)
class _Known:
    holder: str
    prompt: tuple[int, ...]
    slot: Slot


class Prefixes:
    """The slots whose beginnings may be copied, by holder. Those nobody decodes in any more can be given up."""

    def __init__(self, chunk: int) -> None:
        """``chunk``: beginnings are shared in whole pieces of so many tokens, as those are run alike in any prompt."""
        self._chunk = chunk
        self._known: OrderedDict[Slot, _Known] = OrderedDict()
        self._at_rest: OrderedDict[Slot, None] = OrderedDict()

    def learn(self, holder: str, prompt: Sequence[int], slot: Slot) -> None:
        """Note that ``slot`` begins with ``prompt``, all of it run."""
        if len(prompt) >= self._chunk:
            self._known[slot] = _Known(holder, tuple(prompt), slot)

    def longest(self, holder: str, prompt: Sequence[int]) -> tuple[Slot, int] | None:
        """The holder's slot that shares the most whole chunks with ``prompt``, and how many tokens that is.

        At least the last token of ``prompt`` is left over, since its logits are not kept.
        """
        best: tuple[Slot, int] | None = None
        for known in self._known.values():
            if known.holder != holder:
                continue
            shared = self._shared(known.prompt, prompt)
            if shared > (best[1] if best else 0):
                best = known.slot, shared
        if best is not None and best[0] in self._at_rest:
            self._at_rest.move_to_end(best[0])
        return best

    def rest(self, slot: Slot) -> bool:
        """Nobody decodes in ``slot`` any more; whether it is worth keeping."""
        if slot in self._known:
            self._at_rest[slot] = None
        return slot in self._known

    def give_up(self) -> Slot | None:
        """Forget the slot at rest that was of use longest ago; ``None`` if there is none."""
        if not self._at_rest:
            return None
        slot, _ = self._at_rest.popitem(last=False)
        del self._known[slot]
        return slot

    def forget(self, slot: Slot) -> None:
        """The slot is gone."""
        self._known.pop(slot, None)
        self._at_rest.pop(slot, None)

    def _shared(self, known: Sequence[int], prompt: Sequence[int]) -> int:
        most = min(len(known), len(prompt) - 1) // self._chunk
        whole = 0
        while whole < most:
            piece = slice(whole * self._chunk, (whole + 1) * self._chunk)
            if tuple(known[piece]) != tuple(prompt[piece]):
                break
            whole += 1
        return whole * self._chunk
