"""How each event changes the state of a publication under review."""

from agreements.deciders import Event, Value
from agreements.publication.events import (
    PublicationCleared,
    PublicationOpened,
    PublicationRecorded,
    PublicationWithdrawn,
    RedactionAccepted,
    RedactionContested,
    RedactionMaintained,
    RedactionsAsked,
    RedactionWithdrawn,
)
from agreements.publication.model import Publication


def evolve(state: Publication, event: Event) -> Publication:
    """Fold one event into the state."""
    match event:
        case PublicationOpened():
            return _opened(event)
        case RedactionsAsked():
            return state.model_copy(update={"redactions": (*state.redactions, *event.redactions)})
        case RedactionAccepted():
            accepted = _redaction(state, event.number, "accepted", event.acceptance)
            return accepted.model_copy(update={"current_sha256": event.acceptance.sha256})
        case RedactionContested():
            return _redaction(state, event.number, "contested", event.contest)
        case RedactionMaintained():
            return _redaction(state, event.number, "maintained", event.statement)
        case RedactionWithdrawn():
            return _redaction(state, event.number, "withdrawn", event.statement)
        case PublicationCleared():
            return state.model_copy(update={"cleared": event.statement})
        case PublicationRecorded():
            return state.model_copy(update={"outcome": event.outcome})
        case PublicationWithdrawn():
            return state.model_copy(update={"withdrawn": event.statement})
        case _:
            raise TypeError(f"a publication has no event {event.type_name!r}")


def _opened(event: PublicationOpened) -> Publication:
    same = {name: getattr(event, name) for name in PublicationOpened.model_fields if name in Publication.model_fields}
    return Publication(**same, id=event.publication_id, current_sha256=event.sha256, opened_at=event.at)


def _redaction(state: Publication, number: int, field: str, said: Value) -> Publication:
    redactions = tuple(
        redaction.model_copy(update={field: said}) if redaction.number == number else redaction
        for redaction in state.redactions
    )
    return state.model_copy(update={"redactions": redactions})
