"""The transparency log, as far as the caller may read entries. The log itself is public at ``/log``."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from agreements.deciders import Value
from agreements.errors import Invalid
from agreements.inclusion import InclusionEvidence
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing, PageLimit
from portal.services.log import LogLine
from portal.store.verify import VerifyReport

router = APIRouter(prefix="/log", tags=["log"])


class Head(Value):
    """The log's signed head and the key that verifies it."""

    head: str
    vkey: str


@router.get("/head", summary="The log's signed head")
def get_head(portal: ThePortal, _actor: Signed) -> Head:
    """As at ``/log/checkpoint``, with the verifier key."""
    return Head(head=portal.log.head(), vkey=portal.log.vkey)


@router.get("/entries", summary="List log entries")
def list_entries(
    portal: ThePortal,
    actor: Signed,
    limit: PageLimit = 50,
    cursor: Annotated[str | None, Query(max_length=20)] = None,
    stream: Annotated[str | None, Query(max_length=200)] = None,
) -> Listing[LogLine]:
    """Newest first; what the caller did themselves, and for coordinators all but findings closed to them."""
    lines = portal.log.entries(actor, before=_position(cursor), limit=limit, stream=stream)
    return Listing(items=lines, next=str(lines[-1].position) if len(lines) == limit else None)


@router.get("/entries/{position}/evidence", summary="Evidence that an entry is in the log")
def get_evidence(
    portal: ThePortal, actor: Signed, position: Annotated[int, Path(ge=0, le=2**53 - 1)]
) -> InclusionEvidence:
    """The entry, its inclusion proof and the signed head; verifies offline."""
    return portal.log.evidence(actor, position)


@router.post("/verify", summary="Verify the log and everything derived from it")
def verify_log(portal: ThePortal, actor: Signed) -> VerifyReport:
    """Coordinators only. Recomputes every leaf, state and row, and names the first that was tampered with."""
    return portal.log.verify(actor)


def _position(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit()):
        raise Invalid(
            "bad_cursor", "The cursor is not one this portal gave out.", hint="Start again without it.", param="cursor"
        )
    return int(cursor)
