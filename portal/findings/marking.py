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


class Audience(Value):
    """Who may read one version of one object."""

    marking: Tlp
    institution_id: str
    """The originating institution."""
    named: tuple[str, ...]
    """Person ids of the reporter and the named recipients; they read whatever the label."""

    def admits(self, actor: Actor | None) -> bool:
        """Whether ``actor`` may read; ``None`` is someone who is not signed in."""
        if self.marking is Tlp.CLEAR:
            return True
        if actor is None or not is_active(actor):
            return False
        if actor.person_id in self.named:
            return True
        match self.marking:
            case Tlp.GREEN:
                return True
            case Tlp.AMBER:
                return actor.belongs_to(self.institution_id) or actor.belongs_to(LAB)
            case Tlp.AMBER_STRICT:
                return actor.belongs_to(self.institution_id)
            case _:
                return False

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
