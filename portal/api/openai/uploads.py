"""Multipart bodies, read in memory: what people upload never lies on a disk unsealed, not even while it arrives."""

from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from agreements.errors import Invalid

_MOST_FIELDS = 8


@dataclass(frozen=True)
class Upload:
    """One file and the fields beside it."""

    filename: str
    content: bytes
    fields: dict[str, str]


class _InMemory(MultiPartParser):
    spool_max_size = 1 << 40


async def upload_of(request: Request) -> Upload:
    """The one file of a multipart body. Raises Invalid ``bad_multipart`` or ``missing_field``."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise _bad("it is no multipart/form-data")
    try:
        form = await _InMemory(request.headers, request.stream(), max_files=1, max_fields=_MOST_FIELDS).parse()
    except (MultiPartException, KeyError, ValueError, UnicodeError):
        raise _bad("it cannot be read") from None
    try:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise Invalid("missing_field", "The upload has no file.", param="file")
        content = await file.read()
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        return Upload(filename=file.filename or "upload", content=content, fields=fields)
    finally:
        await form.close()


def _bad(why: str) -> Invalid:
    return Invalid("bad_multipart", f"The upload is refused: {why}.", hint="Send it as multipart/form-data.")
