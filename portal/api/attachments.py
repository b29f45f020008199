"""Files as answers: to be kept, under a name, with the digest of what was sent."""

from hashlib import sha256

from fastapi import Response

from agreements.canonical import b64encode


def zipped(content: bytes, name: str) -> Response:
    """A ZIP with its name and its digest (RFC 9530)."""
    return Response(
        content,
        media_type="application/zip",
        headers={
            "content-disposition": f'attachment; filename="{name}"',
            "repr-digest": f"sha-256=:{b64encode(sha256(content).digest())}:",
            "cache-control": "no-store",
        },
    )
