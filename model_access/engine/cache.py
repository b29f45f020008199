"""All slots of a worker together: how much they may hold, and which beginnings are known."""

from collections.abc import Sequence

from model_access.engine.decoder import Decoder
from model_access.engine.prefixes import Prefixes
from model_access.engine.slots import Slot, rounded


class Cache:
    """Gives slots out within ``most_cells`` tokens, and takes them back."""

    def __init__(self, decoder: Decoder, most_cells: int) -> None:
        self._decoder, self._most = decoder, most_cells
        self._prefixes = Prefixes(decoder.chunk)
        self.used = 0
        """Cells of all slots, those kept for their beginnings included."""

    def begin(self, holder: str, prompt: Sequence[int], capacity: int, *, whole: bool) -> tuple[Slot, int] | None:
        """A slot for a new prompt and how many of its tokens are already in it; ``None`` if there is no room.

        ``whole``: every token has to be run, since the logits of all are asked for.
        """
        if not self._make_room(capacity):
            return None
        self.used += rounded(capacity)
        known = None if whole else self._prefixes.longest(holder, prompt)
        if known is None:
            return self._decoder.open(capacity), 0
        slot, shared = known
        return self._decoder.fork(slot, shared, capacity), shared

    def fork(self, slot: Slot, length: int, capacity: int) -> Slot | None:
        """A copy of a sequence's beginning; ``None`` if there is no room."""
        if not self._make_room(capacity):
            return None
        self.used += rounded(capacity)
        return self._decoder.fork(slot, length, capacity)

    def learn(self, holder: str, prompt: Sequence[int], slot: Slot) -> None:
        """``slot`` holds all of ``prompt``, which ``holder`` may begin other prompts from."""
        self._prefixes.learn(holder, prompt, slot)

    def release(self, slot: Slot, *, keep: bool) -> None:
        """Take a slot back. With ``keep``, one whose beginning is known stays until its room is needed."""
        if keep and self._prefixes.rest(slot):
            return
        self._prefixes.forget(slot)
        self.used -= slot.capacity

    def _make_room(self, capacity: int) -> bool:
        while self.used + rounded(capacity) > self._most:
            given_up = self._prefixes.give_up()
            if given_up is None:
                return False
            self.used -= given_up.capacity
        return True
