"""A partner's own log of every access to what it was granted, and of what happened to its access."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from agreements.inclusion import InclusionEvidence
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, PageLimit
from portal.services.access_log_files import FileFormat, write
from portal.services.access_log_views import AccessEntry, AccessFilter, AccessKind, Outcome

router = APIRouter(prefix="/access/log", tags=["access log"])

_Id = Annotated[str | None, Query(max_length=128)]


def _where(
    institution: _Id = None,
    person: Annotated[str | None, Query(max_length=128, description="Whom it is about, or who did it.")] = None,
    checkpoint: _Id = None,
    grant: _Id = None,
    purpose: _Id = None,
    kind: AccessKind | None = None,
    outcome: Outcome | None = None,
    code: Annotated[str | None, Query(max_length=128, description="Why runs failed.")] = None,
    since: Annotated[date | None, Query(alias="from", description="The first day, in UTC.")] = None,
    until: Annotated[date | None, Query(alias="to", description="The last day, included.")] = None,
) -> AccessFilter:
    """Which entries are wanted."""
    return AccessFilter(
        institution=institution,
        person=person,
        checkpoint=checkpoint,
        grant=grant,
        purpose=purpose,
        kind=kind,
        outcome=outcome,
        code=code,
        since=since,
        until=until,
    )


@router.get(
    "",
    summary="List every access and change of access",
    response_model=Listing[AccessEntry],
    responses={
        200: {
            "description": "A page, or with `format` the whole log as a file; `Repr-Digest` (RFC 9530) is of it.",
            "content": {"text/csv": {}, "application/jsonl": {}},
        }
    },
)
def list_access(
    portal: ThePortal,
    actor: Signed,
    where: Annotated[AccessFilter, Depends(_where)],
    limit: PageLimit = 50,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
    format: Annotated[  # noqa: A002 - the name of a query parameter
        Literal["json", "csv", "jsonl"], Query(description="`csv` and `jsonl` answer with all of it, as a file.")
    ] = "json",
) -> Response | Listing[AccessEntry]:
    """Newest first. Coordinators see all, leads their institution's, everybody their own and their institution's runs;
    each entry names its leaf of the transparency log and that leaf's hash. Prompts and answers are not kept."""
    if format == "json":
        page = portal.access_log.page(actor, where, cursor=cursor, limit=limit)
        return Listing(items=page.entries, next=page.next)
    file = write(portal.access_log.all(actor, where), FileFormat(format))
    return StreamingResponse(
        file.chunks(),
        media_type=FileFormat(format).media_type,
        headers={
            "content-disposition": f'attachment; filename="access-log.{format}"',
            "repr-digest": file.repr_digest,
        },
    )


@router.get("/{leaf}/evidence", summary="Evidence that an access is in the transparency log")
def get_access_evidence(
    portal: ThePortal, actor: Signed, leaf: Annotated[int, Path(ge=0, le=2**53 - 1)]
) -> InclusionEvidence:
    """For an entry that the caller sees: the logged event, its inclusion proof and the signed head. Verifies offline;
    of sign-ins there is only the hash of the leaf, in the list."""
    return portal.access_log.evidence(actor, leaf)
