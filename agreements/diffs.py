"""What changed between two texts, clause by clause and word by word, and how a newer template joins a negotiated text.

Clauses are told apart by their ids: a clause that keeps its id is the same clause, however much of it changed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from enum import StrEnum

from agreements.clauses import Clause, PlainClause
from agreements.deciders import Value


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
    """For a changed clause."""
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


def compare(before: Sequence[Clause], after: Sequence[Clause]) -> tuple[ClauseChange, ...]:
    """Every clause of both texts, once, in the order of ``after``; removed ones where they stood.

    Comparing the other way round tells the same story backwards: added for removed, and so on.
    """
    old, new = _by_id(before), _by_id(after)
    moved = set(old).intersection(new) - _unmoved(list(old), list(new))
    return tuple(_change(name, old.get(name), new.get(name), name in moved) for name in _woven(list(new), list(old)))


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


def _change(clause_id: str, before: Clause | None, after: Clause | None, moved: bool) -> ClauseChange:
    fields: tuple[FieldChange, ...] = ()
    if before is None:
        kind = ChangeKind.ADDED
    elif after is None:
        kind = ChangeKind.REMOVED
    elif before != after:
        kind, fields = ChangeKind.CHANGED, tuple(_fields(before, after))
    else:
        kind = ChangeKind.MOVED if moved else ChangeKind.SAME
    return ClauseChange(
        clause_id=clause_id,
        kind=kind,
        before=before,
        after=after,
        fields=fields,
        segments=_segments(before.rendered() if before else "", after.rendered() if after else ""),
    )


def _fields(before: Clause, after: Clause) -> Iterator[FieldChange]:
    said = [
        {"title": clause.title, "kind": clause.kind.replace("_", " "), **clause.readable_data()}
        for clause in (before, after)
    ]
    for name in dict.fromkeys([*said[1], *said[0]]):
        was, now = said[0].get(name), said[1].get(name)
        if was != now:
            yield FieldChange(name=name.replace("_", " "), before=was, after=now)
    if before.text != after.text and before.rendered() == after.rendered():
        # The same words from another source, for instance a number that the text no longer takes from the data.
        yield FieldChange(name="wording", before=before.text, after=after.text)


def _segments(before: str, after: str) -> tuple[Segment, ...]:
    old, new = _words(before), _words(after)
    found: list[Segment] = []

    def tell(op: SegmentOp, words: Sequence[str]) -> None:
        if words:
            found.append(Segment(op=op, text="".join(words)))

    # Words that recur without end are set aside by the matcher itself, which keeps hostile texts from taking minutes.
    for op, start, end, begin, finish in SequenceMatcher(None, old, new).get_opcodes():
        if op == "equal":
            tell(SegmentOp.SAME, old[start:end])
        else:
            tell(SegmentOp.REMOVED, old[start:end])
            tell(SegmentOp.ADDED, new[begin:finish])
    return tuple(found)


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)
