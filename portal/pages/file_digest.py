"""A file named by its SHA-256. The portal computes it from an upload and lets the file go, or takes a typed digest."""

import re
from collections.abc import Sequence

import streamlit as st

from agreements.canonical import sha256_hex
from agreements.errors import Invalid

MOST_MEGABYTES = 10
"""An upload is held in memory until the form is sent; whoever has a larger file computes its digest at home."""

_HEX = re.compile(r"[0-9a-f]{64}")


def file_field(label: str, key: str) -> None:
    """A field for one file, of which only the digest is handed in."""
    st.file_uploader(
        label,
        key=key,
        max_upload_size=MOST_MEGABYTES,
        help="Only its SHA-256 is kept; the file stays with you. Keep it: alone, a digest shows nothing.",
    )


def files_field(label: str, key: str) -> None:
    """A field for several files, of which only names and digests are handed in."""
    st.file_uploader(
        label,
        key=key,
        accept_multiple_files=True,
        max_upload_size=MOST_MEGABYTES,
        help="Only names and SHA-256 are kept; the files stay with you. Keep them: alone, a digest shows nothing.",
    )


def uploaded(key: str) -> Sequence[tuple[str, bytes]]:
    """Names and bytes of what was put into a field, none if nothing was."""
    held = st.session_state.get(key)
    files = held if isinstance(held, list) else [held]
    return [(file.name, file.getvalue()) for file in files if file is not None]


def digest_of(key: str, typed: str) -> str | None:
    """The digest of the file in the field, else the typed one; None where there is neither.

    A typed digest may carry its prefix or a file name behind it, as ``sha256sum`` prints it. Raises Invalid.
    """
    for _name, data in uploaded(key):
        return sha256_hex(data)
    words = typed.split()
    if not words:
        return None
    digest = words[0].lower().removeprefix("sha256:")
    if _HEX.fullmatch(digest) is None:
        raise Invalid(
            "bad_digest",
            "That is no SHA-256 digest: 64 characters from 0 to 9 and a to f.",
            hint="'sha256sum FILE' prints it.",
            param="sha256",
        )
    return digest
