"""Markings: exactly one TLP 2.0 label per object, and the audience it computes to.

FIRST, *Traffic Light Protocol 2.0*. The portal reads the labels as follows (``docs/adr/0020-marking-audiences.md``):

    TLP:RED            the reporter and the persons named at filing, nobody else
    TLP:AMBER+STRICT   the above and the originating institution
    TLP:AMBER          the above and the lab
    TLP:GREEN          everyone of an active institution who is signed in
    TLP:CLEAR          everyone

Each audience contains the one above it, and no role reaches into a label it is not in: a coordinator who is not named
on a RED finding cannot learn that it exists.
"""

from enum import StrEnum

from agreements.actors import LAB, Actor
from agreements.deciders import Value
from portal.standing import is_active


class Tlp(StrEnum):
    """TLP 2.0 labels, from the narrowest audience to the widest."""

    RED = "TLP:RED"
    AMBER_STRICT = "TLP:AMBER+STRICT"
    AMBER = "TLP:AMBER"
    GREEN = "TLP:GREEN"
    CLEAR = "TLP:CLEAR"

    @property
    def openness(self) -> int:
        """0 for RED up to 4 for CLEAR."""
        return _ORDER.index(self)

    def is_lower_than(self, other: "Tlp") -> bool:
        """Whether this label protects less, so reaches a wider audience."""
        return self.openness > other.openness


_ORDER = tuple(Tlp)

DEFAULT_MARKING = Tlp.AMBER
"""What an unlabelled object carries."""


def most_restrictive(*labels: Tlp) -> Tlp:
    """The marking of an object derived from several; the default if from none."""
    return min(labels, key=lambda label: label.openness, default=DEFAULT_MARKING)


_ANYONE, _PARTNERS = "anyone", "partners"


def reader_keys(actor: Actor | None) -> frozenset[str]:
    """The keys an actor reads with; ``None`` is someone who is not signed in."""
    if actor is None or not is_active(actor):
        return frozenset({_ANYONE})
    institutions = (f"institution:{institution_id}" for institution_id in actor.institution_ids)
    return frozenset({_ANYONE, _PARTNERS, f"person:{actor.person_id}", *institutions})


class Audience(Value):
    """Who may read one version of one object.

    An audience is a set of keys, and so is an actor; reading takes one in common. The store keeps the same keys beside
    each object, so the predicate below and the filter of a search cannot drift apart.
    """

    marking: Tlp
    institution_id: str
    """The originating institution."""
    named: tuple[str, ...]
    """Person ids of the reporter and the named recipients; they read whatever the label."""

    @property
    def keys(self) -> frozenset[str]:
        """The keys that open it."""
        keys = {f"person:{person_id}" for person_id in self.named}
        wider = (
            (Tlp.AMBER_STRICT, f"institution:{self.institution_id}"),
            (Tlp.AMBER, f"institution:{LAB}"),
            (Tlp.GREEN, _PARTNERS),
            (Tlp.CLEAR, _ANYONE),
        )
        return frozenset(keys | {key for label, key in wider if self.marking.openness >= label.openness})

    def admits(self, actor: Actor | None) -> bool:
        """Whether ``actor`` may read; ``None`` is someone who is not signed in."""
        return not self.keys.isdisjoint(reader_keys(actor))

    def describe(self) -> str:
        """The audience in words, for the person who is about to file or read."""
        named = f"{len(self.named)} named person{'s' if len(self.named) != 1 else ''}"
        match self.marking:
            case Tlp.RED:
                return f"Only {named}."
            case Tlp.AMBER_STRICT:
                return f"The originating institution and {named}."
            case Tlp.AMBER:
                return f"The originating institution, the lab and {named}."
            case Tlp.GREEN:
                return "Everyone of a partner institution who is signed in."
            case Tlp.CLEAR:
                return "Everyone, signed in or not."
