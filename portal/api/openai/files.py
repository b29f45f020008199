"""``/v1/files``: what batches read and what came of them, in the shape of the OpenAI API."""

from hashlib import sha256
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from agreements.canonical import b64encode
from agreements.deciders import Value
from agreements.errors import Invalid
from model_access.stored_files import FilePurpose, StoredFile
from portal.api.auth import Known, ThePortal
from portal.api.openai.uploads import upload_of

router = APIRouter(tags=["files"])

FileId = Annotated[str, Path(max_length=128)]

_LONGEST_S = 10 * 366 * 24 * 3600
_FIELDS = frozenset({"purpose", "expires_after[anchor]", "expires_after[seconds]"})


class FileObject(Value):
    """A file as the OpenAI API has it, with its digest."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None
    """When its contents are destroyed at the latest."""
    filename: str
    purpose: FilePurpose
    status: Literal["processed"] = "processed"
    sha256: str
    """Of its contents, in hex."""

    @classmethod
    def of(cls, file: StoredFile) -> "FileObject":
        """The file on the wire."""
        return cls(
            id=file.id,
            bytes=file.size,
            created_at=int(file.stored_at.timestamp()) if file.stored_at else 0,
            expires_at=int(file.keep_until.timestamp()) if file.keep_until else None,
            filename=file.filename,
            purpose=file.purpose,
            sha256=file.digest.removeprefix("sha256:"),
        )


class FileList(Value):
    """A page of files."""

    object: Literal["list"] = "list"
    data: tuple[FileObject, ...]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Value):
    """What is left of a file that was deleted."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "purpose": {"type": "string", "enum": ["batch"]},
                        "expires_after[anchor]": {"type": "string", "enum": ["created_at"]},
                        "expires_after[seconds]": {"type": "integer"},
                    },
                }
            }
        },
    }
}


@router.post("/files", summary="Upload the input of a batch", openapi_extra=_UPLOAD)
async def create_file(request: Request, portal: ThePortal, known: Known) -> FileObject:
    """One JSON Lines file, kept sealed until its batch was fetched, or for as long as the agreement says."""
    upload = await upload_of(request)
    unknown = sorted(upload.fields.keys() - _FIELDS)
    if unknown:
        raise Invalid("unknown_field", "The upload has a field that is not known here.", hint="Leave it out.")
    file = await run_in_threadpool(
        portal.files.upload,
        known.actor,
        filename=upload.filename,
        content=upload.content,
        purpose=upload.fields.get("purpose", ""),
        expires_after_s=_seconds(upload.fields),
    )
    return FileObject.of(file)


@router.get("/files", summary="List your files")
def list_files(
    portal: ThePortal,
    known: Known,
    purpose: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    order: Literal["asc", "desc"] = "desc",
    after: Annotated[str | None, Query(max_length=128)] = None,
) -> FileList:
    """Those whose contents are still there; what was destroyed is in the log."""
    found = portal.files.list(known.actor, purpose=purpose, limit=limit + 1, after=after, oldest=order == "asc")
    page = tuple(FileObject.of(file) for file in found[:limit])
    return FileList(
        data=page,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        has_more=len(found) > limit,
    )


@router.get("/files/{file_id}", summary="Get what is known of a file")
def get_file(portal: ThePortal, known: Known, file_id: FileId) -> FileObject:
    """For its owner."""
    return FileObject.of(portal.files.get(known.actor, file_id))


@router.get(
    "/files/{file_id}/content",
    summary="Get the contents of a file",
    response_class=Response,
    responses={
        200: {
            "description": "The file. `Repr-Digest` (RFC 9530) has its SHA-256.",
            "content": {"application/jsonl": {}},
        }
    },
)
def get_content(portal: ThePortal, known: Known, file_id: FileId) -> Response:
    """For its owner. Where no agreement says that the portal keeps it, it is destroyed an hour later."""
    content = portal.files.content(known.actor, file_id)
    name = portal.files.get(known.actor, file_id).filename
    return Response(
        content,
        media_type="application/jsonl",
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "repr-digest": f"sha-256=:{b64encode(sha256(content).digest())}:",
        },
    )


@router.delete("/files/{file_id}", summary="Destroy a file")
def delete_file(portal: ThePortal, known: Known, file_id: FileId) -> FileDeleted:
    """Before its time; refused while a batch needs it."""
    return FileDeleted(id=portal.files.delete(known.actor, file_id).id)


def _seconds(fields: dict[str, str]) -> int | None:
    anchor, seconds = fields.get("expires_after[anchor]"), fields.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return None
    right = anchor == "created_at" and seconds is not None and seconds.isascii() and seconds.isdigit()
    if not right or seconds is None or len(seconds) > 12 or not 1 <= int(seconds) <= _LONGEST_S:
        raise Invalid(
            "bad_expiry",
            "expires_after has to be anchored at created_at, with a number of seconds.",
            param="expires_after",
        )
    return int(seconds)
