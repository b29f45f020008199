"""The clearance letter: what the lab signs when a publication is cleared, for an editor who trusts nobody."""

from datetime import datetime
from typing import Any

from agreements.canonical import canonical_bytes
from agreements.errors import Conflict
from agreements.publication.model import Publication, RedactionStatus
from agreements.publication.words import how_cleared, says

CLEARANCE_TYPE = "application/vnd.concordat.publication-clearance+json"
"""The DSSE payload type of a clearance letter."""


def clearance(state: Publication, now: datetime) -> dict[str, Any]:
    """The JSON that the lab signs; the same for ever once it is cleared. Raises Conflict ``not_cleared``.

    Both files are named, because the lab reviewed the first: it attests that the second is the one the institution gave
    with the redactions it accepted. The passages and reasons themselves stay between the two sides.
    """
    cleared_at = state.cleared_at(now)
    if cleared_at is None or state.terms is None:
        raise Conflict(
            "not_cleared",
            f"There is no clearance to export; publication {state.id} stands so: {says(state, now)}.",
            hint="A publication under dispute needs no clearance to be published; it has none to show either.",
        )
    return {
        "type": "concordat.publication-clearance/1",
        "publication_id": state.id,
        "institution": {"id": state.institution_id, "name": state.institution_name},
        "lab": state.lab_name,
        "agreement_id": state.agreement_id,
        "terms": state.terms.model_dump(mode="json"),
        "title": state.title,
        "kind": state.kind.value,
        "submitted_sha256": state.sha256,
        "cleared_sha256": state.current_sha256,
        "redactions_made": [
            {"number": redaction.number, "ground": redaction.ground.value}
            for redaction in state.redactions
            if redaction.status_on(now) is RedactionStatus.ACCEPTED
        ],
        "opened_at": _utc(state.opened_at),
        "window_ended_at": _utc(state.clears_at),
        "cleared_at": _utc(cleared_at),
        "cleared_by": how_cleared(state, now),
    }


def clearance_bytes(state: Publication, now: datetime) -> bytes:
    """The canonical bytes (RFC 8785) that go into the DSSE envelope. Raises Conflict ``not_cleared``."""
    return canonical_bytes(clearance(state, now))


def _utc(moment: datetime | None) -> str:
    return moment.isoformat(timespec="microseconds") if moment is not None else ""
