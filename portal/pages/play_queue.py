"""What a run waits for, as far as the portal knows."""

from agreements.actors import Actor
from agreements.errors import ConcordatError
from model_access.worker import Place
from portal.composition import Portal

STARTING = "No token yet. A worker that has been idle takes some seconds to start."


def waiting(portal: Portal, actor: Actor, run_id: str) -> str:
    """Why nothing has come yet, in words."""
    try:
        place = portal.runs.place(actor, run_id).place
    except ConcordatError:
        return STARTING
    return STARTING if place is None else in_line(place)


def in_line(place: Place) -> str:
    """Where a run stands, in words."""
    where = "Next in line" if place.position == 1 else f"Number {place.position:,} of {place.waiting:,} in line"
    until = "" if place.about_s is None else f", about {max(round(place.about_s), 1):,} s to go"
    return f"{where}{until}. Institutions take turns; a batch gives way to whoever waits."
