"""How fast access that was taken away was gone, as measured at each act."""

import csv
import io

from fastapi import APIRouter, Response

from portal.api.auth import Signed, ThePortal
from portal.services.revocations import Revocation, RevocationReport

router = APIRouter(prefix="/access/revocations", tags=["access"])

_COLUMNS = tuple(name for name in Revocation.model_fields)


@router.get("", summary="See how fast revocations took effect")
def get_revocations(portal: ThePortal, actor: Signed) -> RevocationReport:
    """For coordinators: the latest acts that took access away, newest first, each with the time from the click until it
    was durable and until the portal refused what was open before, and the runs that it stopped."""
    return portal.revocations.report(actor)


@router.get(
    ".csv",
    summary="Take the measurements away as a table",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "One act a line, newest first; lists by spaces."}},
)
def get_revocations_table(portal: ThePortal, actor: Signed) -> Response:
    """The same as CSV (RFC 4180), for coordinators."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_COLUMNS)
    for act in portal.revocations.report(actor).items:
        said = act.model_dump(mode="json")
        table.writerow([" ".join(said[name]) if isinstance(said[name], list) else said[name] for name in _COLUMNS])
    return Response(
        text.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="revocations.csv"', "cache-control": "no-store"},
    )
