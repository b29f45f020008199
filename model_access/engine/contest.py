"""``best_of``: more continuations than are wanted, of which the most likely per token are the answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from model_access.engine.choice import Choice
from model_access.generation import ChoiceDelta


@dataclass
class _Entry:
    choice: Choice
    deltas: list[ChoiceDelta] = field(default_factory=list)


@dataclass(frozen=True)
class Winner:
    """One choice of the answer, with the index it goes by there."""

    index: int
    choice: Choice
    deltas: tuple[ChoiceDelta, ...]
    passed_over: int
    """Tokens of those that did not win; told with the first winner."""


class Contest:
    """Holds back what the candidates of one prompt say until all have ended."""

    def __init__(self, wanted: int, candidates: int, first_index: int) -> None:
        """``first_index``: the index of the best choice in the answer."""
        self._wanted, self._running, self._first = wanted, candidates, first_index
        self._entries: dict[int, _Entry] = {}

    def hold(self, choice: Choice, delta: ChoiceDelta) -> None:
        """Keep a piece of a candidate."""
        self._entries.setdefault(choice.index, _Entry(choice)).deltas.append(delta)

    def ended(self) -> Iterator[Winner]:
        """Note that a candidate has ended; with the last, the winners, best first. The earlier one wins a tie."""
        self._running -= 1
        if self._running:
            return
        ranked = sorted(self._entries.values(), key=lambda entry: (-entry.choice.mean_logprob, entry.choice.index))
        lost = sum(len(entry.choice.generated) for entry in ranked[self._wanted :])
        for place, entry in enumerate(ranked[: self._wanted]):
            index = self._first + place
            deltas = tuple(delta.model_copy(update={"index": index}) for delta in entry.deltas)
            yield Winner(index, entry.choice, deltas, 0 if place else lost)
