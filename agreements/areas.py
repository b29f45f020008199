"""Areas: for what a token may be used that names no grant and would else carry its holder's whole role.

They go into the token as its ``scope`` (RFC 6749 section 3.3, RFC 9068 section 2.2.3). Reading is part of every one.
"""

from collections.abc import Collection
from enum import StrEnum

from agreements.errors import Fixer, Forbidden, Invalid


class Area(StrEnum):
    """A part of what a role may do."""

    READ = "read"
    RUN = "run"
    EVIDENCE = "evidence"
    ACCESS = "access"
    RELEASE = "release"

    @property
    def says(self) -> str:
        """What it opens, as people read it."""
        return _SAYS[self]


_SAYS = {
    Area.READ: "read what I may read",
    Area.RUN: "query checkpoints",
    Area.EVIDENCE: "file findings and take part in norms",
    Area.ACCESS: "administer agreements, grants, duties, people and programs",
    Area.RELEASE: "register checkpoints and decide releases",
}


def parse_scope(text: str) -> frozenset[Area]:
    """The areas of a space-separated scope, reading included. Raises Invalid ``invalid_scope``."""
    return as_areas(text.split())


def as_areas(names: Collection[str]) -> frozenset[Area]:
    """The areas of that name, reading included. Raises Invalid ``invalid_scope``."""
    unknown = sorted(set(names) - {area.value for area in Area})
    if unknown or not names:
        shown = unknown[0][:40] if unknown else ""
        raise Invalid(
            "invalid_scope",
            f"There is no area {shown!r}." if unknown else "A scope names at least one area.",
            hint=f"There are {', '.join(Area)}.",
            param="scope",
        )
    return frozenset({Area.READ, *(Area(name) for name in names)})


def outside(areas: Collection[str] | None, needed: Area | None) -> Forbidden | None:
    """The refusal ``insufficient_scope`` for a token of these areas; None where it may. None needs all of a role."""
    if areas is None or (needed is not None and needed.value in areas):
        return None
    asked = f"the area {needed.value!r}" if needed is not None else "all of a role"
    return Forbidden(
        "insufficient_scope",
        f"The access token is for {', '.join(sorted(areas))}; this request needs {asked}.",
        hint="Issue a token for that area on the Tokens page.",
        fixer=Fixer.CALLER,
    )


def scope_text(areas: Collection[str]) -> str:
    """The areas as a scope: space-separated, in a fixed order."""
    return " ".join(area.value for area in Area if area.value in areas)
