"""Who is served next: start-time fair queueing over tokens, by institution, then class, then holder.

The rule is SFQ (Goyal, Vin and Cheng, SIGCOMM 1996), which is fair at every level of a hierarchy whatever the server's
speed, and also where several are served at once (Jin, Chase and Kaur, SIGMETRICS 2004); that prompt and generated
tokens are what counts follows Sheng et al., OSDI 2024. Each child of a node has a start tag, in tokens by weight. The
least is served, and its tag moves on by what it costs. Whoever had nothing waiting begins at the tag that is being
served: nobody saves a share up, and nobody pays for having used an idle machine. What costs less than was charged,
because it ended early or was cancelled, is given back.

Pure: no clock, no lock. Two lines are never merged: each worker has its own.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

INTERACTIVE_WEIGHT = 9.0
"""Against 1 for batches: a question goes before a batch's line, and a batch that waits has a tenth at least."""

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Share:
    """Whose share a request comes out of."""

    institution: str = ""
    holder: str = ""
    batch: bool = False
    """Whether nobody waits for this very answer."""

    @property
    def path(self) -> tuple[tuple[int, str], ...]:
        """Names from the root down; the number ranks those whose tags are the same."""
        return (0, self.institution), (int(self.batch), "batch" if self.batch else "interactive"), (0, self.holder)


@dataclass(frozen=True)
class Taken(Generic[Key]):
    """What is being served, and what it was charged."""

    key: Key
    share: Share
    cost: int
    weight: float
    """Of the institution when it was charged, by which it is given back."""


@dataclass
class _Node(Generic[Key]):
    """A server of its children; a leaf, one holder's, has a line instead."""

    tag: float = 0.0
    """Where its next turn starts, on its parent's scale."""
    virtual: float = 0.0
    """The start tag of the child that was served last; never falls."""
    served_at: int = 0
    """Of two with one tag, the one that has waited longer for a turn goes first."""
    waiting: int = 0
    running: int = 0
    children: dict[tuple[int, str], "_Node[Key]"] = field(default_factory=dict)
    line: deque[tuple[Key, int]] = field(default_factory=deque)

    def copy(self) -> "_Node[Key]":
        children = {name: child.copy() for name, child in self.children.items() if child.waiting}
        return _Node(self.tag, self.virtual, self.served_at, self.waiting, self.running, children, deque(self.line))

    def forget_idle(self) -> None:
        """Drop children who have nothing here and would begin at the present tag anyway."""
        idle = [
            name
            for name, child in self.children.items()
            if not child.waiting and not child.running and child.tag <= self.virtual
        ]
        for name in idle:
            del self.children[name]


def equal_weights(_institution: str) -> float:
    """Every institution has the same share."""
    return 1.0


class FairQueue(Generic[Key]):
    """Requests that wait, each under a key of its own. ``weight_of`` says an institution's weight, above 0."""

    def __init__(self, weight_of: Callable[[str], float] = equal_weights) -> None:
        self._weight_of = weight_of
        self._root: _Node[Key] = _Node()
        self._shares: dict[Key, Share] = {}
        self._turn = 0

    def __len__(self) -> int:
        """How many wait."""
        return self._root.waiting

    def add(self, key: Key, share: Share, cost: int, *, first: bool = False) -> None:
        """Let a request wait that will take up to ``cost`` tokens; ``first``: before its holder's others."""
        node = self._root
        node.waiting += 1
        for name in share.path:
            child = node.children.setdefault(name, _Node())
            if not child.waiting:
                child.tag = max(child.tag, node.virtual)
            child.waiting += 1
            node = child
        if first:
            node.line.appendleft((key, cost))
        else:
            node.line.append((key, cost))
        self._shares[key] = share

    def remove(self, key: Key) -> bool:
        """Let it wait no more, at no cost; whether it was waiting."""
        share = self._shares.pop(key, None)
        if share is None:
            return False
        path = self._nodes(share)
        for node in path:
            node.waiting -= 1
        leaf = path[-1]
        leaf.line = deque(item for item in leaf.line if item[0] != key)
        self._rest()
        return True

    def take(self) -> Taken[Key] | None:
        """Serve whoever's turn it is, charged in full; None if nobody waits."""
        if not self._root.waiting:
            return None
        self._turn += 1
        path = self._next_path()
        key, cost = path[-1].line.popleft()
        share = self._shares.pop(key)
        self._root.waiting -= 1
        self._root.running += 1
        for parent, child in pairwise(path):
            parent.virtual = max(parent.virtual, child.tag)
            child.waiting -= 1
            child.running += 1
            child.served_at = self._turn
        weight = self._weight_of(share.institution)
        self._charge(share, cost, weight)
        return Taken(key, share, cost, weight)

    def settle(self, taken: Taken[Key], used: int) -> None:
        """It is over, and took ``used`` tokens; what it was charged beyond that is given back."""
        self._charge(taken.share, used - taken.cost, taken.weight)
        for node in self._nodes(taken.share):
            node.running -= 1
        self._rest()

    def order(self) -> Iterator[Key]:
        """Who would be served in which order if nobody else came and each took what it may. Changes nothing."""
        ahead: FairQueue[Key] = FairQueue(self._weight_of)
        ahead._root, ahead._shares, ahead._turn = self._root.copy(), dict(self._shares), self._turn
        while (taken := ahead.take()) is not None:
            yield taken.key

    def _next_path(self) -> list[_Node[Key]]:
        path = [self._root]
        while not path[-1].line:
            node = path[-1]
            node.forget_idle()
            _, chosen = min(
                (item for item in node.children.items() if item[1].waiting),
                key=lambda item: (item[1].tag, item[0][0], item[1].served_at),
            )
            path.append(chosen)
        return path

    def _charge(self, share: Share, cost: int, weight: float) -> None:
        _, institution, interactive, holder = self._nodes(share)
        institution.tag += cost / weight
        interactive.tag += cost / (1.0 if share.batch else INTERACTIVE_WEIGHT)
        holder.tag += cost

    def _nodes(self, share: Share) -> list[_Node[Key]]:
        path = [self._root]
        for name in share.path:
            path.append(path[-1].children[name])
        return path

    def _rest(self) -> None:
        """With nothing waiting and nothing running a new busy period begins, with nobody ahead of anybody."""
        if not self._root.waiting and not self._root.running:
            self._root = _Node()
