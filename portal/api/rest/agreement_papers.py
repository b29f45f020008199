"""Agreements to take away: the PDF to read and the bundle that proves itself."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import ObjectId

router = APIRouter(prefix="/agreements", tags=["agreements"])


def _file(content: bytes, media_type: str, name: str) -> Response:
    return Response(content, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})


@router.get(
    "/{agreement_id}/document.pdf",
    summary="Get the agreement as PDF",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}, "description": "A reading copy."}},
)
def get_pdf(
    portal: ThePortal,
    actor: Signed,
    agreement_id: ObjectId,
    version: Annotated[int | None, Query(ge=1, le=1000)] = None,
) -> Response:
    """A reading copy, clause by clause with what software does about each; by default of the version it stands for."""
    content = portal.papers.pdf(actor, agreement_id, version=version)
    suffix = "" if version is None else f"-v{version}"
    return _file(content, "application/pdf", f"{agreement_id}{suffix}.pdf")


@router.get(
    "/{agreement_id}/bundle",
    summary="Get the agreement as a bundle that proves itself",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "The bundle."}},
)
def get_bundle(portal: ThePortal, actor: Signed, agreement_id: ObjectId) -> Response:
    """Text, signatures, keys and log evidence in one file; ``concordat verify`` checks it offline."""
    return _file(portal.papers.bundle(actor, agreement_id), "application/zip", f"{agreement_id}.zip")
