"""What changed between two texts, clause by clause and word by word, and how a newer template joins a negotiated text.

Clauses are told apart by their ids: a clause that keeps its id is the same clause, however much of it changed.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from enum import StrEnum

from agreements.clauses import Clause, PlainClause
from agreements.deciders import Value

MOST_STEPS = 30_000_000
"""What comparing two texts may cost at worst; beyond it, longer pieces than words are compared."""


class ChangeKind(StrEnum):
    """What became of one clause."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"
    """Word for word the same, at another place among the others."""
    SAME = "same"


class SegmentOp(StrEnum):
    """What became of some words."""

    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


class Segment(Value):
    """Words in a row that share one fate, with the space that follows them."""

    op: SegmentOp
    text: str


class FieldChange(Value):
    """One piece of a clause's data that changed, in words; None where that side says nothing about it."""

    name: str
    before: str | None
    after: str | None


class ClauseChange(Value):
    """One clause, before and after."""

    clause_id: str
    kind: ChangeKind
    before: Clause | None
    after: Clause | None
    fields: tuple[FieldChange, ...] = ()
    """The data that differs; of an added or removed clause, all of it."""
    kept_fields: tuple[FieldChange, ...] = ()
    """The data that is the same on both sides. It binds, whatever new words say."""
    segments: tuple[Segment, ...]
    """The text as people read it, from the one to the other."""

    @property
    def title(self) -> str:
        """How the clause is called now; for a removed one, how it was called."""
        shown = self.after or self.before
        return shown.title if shown is not None else ""


class MergeResult(Value):
    """A negotiated text brought up to a newer template."""

    clauses: tuple[Clause, ...]
    conflicts: tuple[str, ...]
    """Clauses that both the parties and the template changed; they stay as the parties agreed."""


class _Patience:
    """How many steps are left for comparing word by word: no text keeps its readers waiting, however it was made."""

    def __init__(self) -> None:
        self._left = MOST_STEPS

    def allows(self, steps: int) -> bool:
        """Whether they may be taken; then they are counted as taken."""
        if steps > self._left:
            return False
        self._left -= steps
        return True


def compare(before: Sequence[Clause], after: Sequence[Clause]) -> tuple[ClauseChange, ...]:
    """Every clause of both texts, once, in the order of ``after``; removed ones where they stood.

    Comparing the other way round tells the same story backwards: added for removed, and so on.
    """
    old, new = _by_id(before), _by_id(after)
    moved = set(old).intersection(new) - _unmoved(list(old), list(new))
    patience = _Patience()
    return tuple(
        _change(name, old.get(name), new.get(name), name in moved, patience) for name in _woven(list(new), list(old))
    )


def compare_words(before: str, after: str) -> tuple[Segment, ...]:
    """What became of each word of a text, in order; of longer pieces where words would take too long to compare."""
    return _segments(before, after, _Patience())


def changed_ids(before: Sequence[Clause], after: Sequence[Clause]) -> tuple[str, ...]:
    """The clauses that somebody who accepted ``before`` has to accept anew: added, changed and removed ones."""
    quiet = {ChangeKind.SAME, ChangeKind.MOVED}
    return tuple(change.clause_id for change in compare(before, after) if change.kind not in quiet)


def three_way(base: Sequence[Clause], ours: Sequence[Clause], theirs: Sequence[Clause]) -> MergeResult:
    """``ours``, which was negotiated from ``base``, brought up to ``theirs``, a newer version of it.

    A clause that only one side changed, added or removed is taken from that side. Where both did, and differently, it
    stays as in ``ours`` and is listed: what two parties negotiated is not overruled by a form.
    """
    old, own, new = _by_id(base), _by_id(ours), _by_id(theirs)
    chosen: dict[str, Clause] = {}
    conflicts: list[str] = []
    for name in _woven(*_orders(old, own, new)):
        was, agreed, offered = old.get(name), own.get(name), new.get(name)
        kept = agreed if offered == was else offered
        if offered not in (was, agreed) and agreed != was:
            conflicts.append(name)
            kept = agreed
        if kept is not None:
            chosen[name] = kept
    for name in _doubled(chosen, own):
        conflicts.append(name)
        del chosen[name]
    return MergeResult(clauses=tuple(chosen.values()), conflicts=tuple(conflicts))


def _by_id(clauses: Sequence[Clause]) -> dict[str, Clause]:
    return {clause.clause_id: clause for clause in clauses}


def _orders(
    old: Mapping[str, Clause], own: Mapping[str, Clause], new: Mapping[str, Clause]
) -> tuple[list[str], list[str]]:
    """The order that leads and the one that is woven in: the template's leads unless the parties chose their own."""
    as_drafted = [name for name in old if name in own] == [name for name in own if name in old]
    return (list(new), list(own)) if as_drafted else (list(own), list(new))


def _doubled(chosen: Mapping[str, Clause], own: Mapping[str, Clause]) -> list[str]:
    """New clauses of a kind that the parties have already, under an id of their own; only one of them could govern."""
    taken = {clause.kind for name, clause in own.items() if name in chosen}
    return [
        name
        for name, clause in chosen.items()
        if name not in own and clause.kind in taken and not isinstance(clause, PlainClause)
    ]


def _woven(leading: Sequence[str], other: Sequence[str]) -> list[str]:
    """``leading`` with what only ``other`` names, each after what it follows there."""
    found, known = list(leading), set(leading)
    before = None
    for name in other:
        if name not in known:
            found.insert(0 if before is None else found.index(before) + 1, name)
            known.add(name)
        before = name
    return found


def _unmoved(before: Sequence[str], after: Sequence[str]) -> frozenset[str]:
    """The largest set of common ids that stand in the same order on both sides.

    Of several as large, the same one is found whichever side comes first: each id has a weight of its own, so that no
    two sets weigh the same.
    """
    shared = sorted(set(before).intersection(after))
    size = 1 << len(shared)
    weights = {name: size + (1 << rank) for rank, name in enumerate(shared)}
    places = {name: place for place, name in enumerate(before)}
    heaviest: list[tuple[int, int, frozenset[str]]] = []
    for name in (name for name in after if name in weights):
        preceding = [entry for entry in heaviest if entry[0] < places[name]]
        weight, chain = max(((weight, chain) for _place, weight, chain in preceding), default=(0, frozenset()))
        heaviest.append((places[name], weight + weights[name], chain | {name}))
    return max(heaviest, key=lambda entry: entry[1], default=(0, 0, frozenset[str]()))[2]


def _change(
    clause_id: str, before: Clause | None, after: Clause | None, moved: bool, patience: _Patience
) -> ClauseChange:
    if before is None:
        kind = ChangeKind.ADDED
    elif after is None:
        kind = ChangeKind.REMOVED
    elif before != after:
        kind = ChangeKind.CHANGED
    else:
        kind = ChangeKind.MOVED if moved else ChangeKind.SAME
    data = _data(before, after)
    return ClauseChange(
        clause_id=clause_id,
        kind=kind,
        before=before,
        after=after,
        fields=(*(one for one in data if one.before != one.after), *_wording(before, after)),
        kept_fields=tuple(one for one in data if one.before == one.after),
        segments=_segments(before.rendered() if before else "", after.rendered() if after else "", patience),
    )


def _data(before: Clause | None, after: Clause | None) -> tuple[FieldChange, ...]:
    was, now = _said(before), _said(after)
    if before is None or after is None or before.title == after.title:
        # The heading says it.
        was.pop("title", None)
        now.pop("title", None)
    names = dict.fromkeys([*now, *was])
    return tuple(FieldChange(name=name, before=was.get(name), after=now.get(name)) for name in names)


def _said(clause: Clause | None) -> dict[str, str]:
    if clause is None:
        return {}
    data = {one.name.replace("_", " "): one.words for one in clause.data_fields()}
    return {"title": clause.title, "kind": clause.kind.replace("_", " "), **data}


def _wording(before: Clause | None, after: Clause | None) -> Iterator[FieldChange]:
    if before is None or after is None:
        return
    if before.text != after.text and before.rendered() == after.rendered():
        # The same words from another source, for instance a number that the text no longer takes from the data.
        yield FieldChange(name="wording", before=before.text, after=after.text)


def _segments(before: str, after: str, patience: _Patience) -> tuple[Segment, ...]:
    old, new = _words(before), _words(after)
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    found: list[Segment] = []

    def tell(op: SegmentOp, words: Sequence[str]) -> None:
        if words:
            found.append(Segment(op=op, text="".join(words)))

    tell(SegmentOp.SAME, old[:head])
    was, now = _pieces(old[head : len(old) - tail], new[head : len(new) - tail], patience)
    for op, start, end, begin, finish in SequenceMatcher(None, was, now).get_opcodes():
        if op == "equal":
            tell(SegmentOp.SAME, was[start:end])
        else:
            tell(SegmentOp.REMOVED, was[start:end])
            tell(SegmentOp.ADDED, now[begin:finish])
    tell(SegmentOp.SAME, old[len(old) - tail :])
    return tuple(found)


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    """With how many of the same words both begin."""
    for place, (was, now) in enumerate(zip(old, new, strict=False)):
        if was != now:
            return place
    return min(len(old), len(new))


def _pieces(old: Sequence[str], new: Sequence[str], patience: _Patience) -> tuple[Sequence[str], Sequence[str]]:
    """What is compared: words where that is cheap enough, else sentences, else both as a whole."""
    for was, now in ((old, new), (_sentences(old), _sentences(new))):
        if patience.allows(_most_steps(was, now)):
            return was, now
    return ["".join(old)], ["".join(new)]


def _most_steps(old: Sequence[str], new: Sequence[str]) -> int:
    """What comparing them can take at worst: each pair of like pieces looked at anew for each match."""
    counted = Counter(new)
    # In a long text the matcher passes over what makes up more than a hundredth of it.
    rare = len(new) // 100 + 1 if len(new) >= 200 else len(new)
    pairs = sum(counted[word] for word in old if counted[word] <= rare)
    return (pairs + len(old)) * min(len(old), len(new))


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


def _sentences(words: Sequence[str]) -> list[str]:
    found, begun = [], ""
    for word in words:
        begun += word
        if "\n" in word or word.rstrip().endswith((".", ";", ":")):
            found.append(begun)
            begun = ""
    return [*found, begun] if begun else found
