"""How much there may be: how long a text, how many texts and remarks. Neither side uses up the other's room."""

from typing import Any

from agreements.actors import PartyKind
from agreements.agreement.state import Agreement
from agreements.agreement.versions import Version
from agreements.canonical import canonical_bytes
from agreements.errors import Conflict, TooLarge

MAX_DOCUMENT_BYTES = 360 * 2**10
"""Canonical bytes of a text. A signature is recorded with all of it in base64, as one event of at most 512 KiB."""

MAX_ANSWER_BYTES = 500 * 2**10
"""Canonical bytes of a text and once more of its data: an answer is recorded with both."""

MAX_TEXTS = 60
"""What each side may put forward until a version comes into force; then it begins anew."""

MAX_IN_FORCE = 200
"""How many versions may come into force, each signed by both sides."""

MAX_COMMENTS = 500
"""What each side may remark until a version comes into force; then it begins anew."""


def fitting(document: dict[str, Any]) -> dict[str, Any]:
    """The document, if it can be answered and signed. Raises TooLarge ``document_too_large``."""
    size = len(canonical_bytes(document))
    data = len(canonical_bytes([clause["data"] for clause in document["clauses"]]))
    if size > MAX_DOCUMENT_BYTES or size + data > MAX_ANSWER_BYTES:
        raise TooLarge(
            "document_too_large",
            f"The text comes to {size:,} bytes with its data; at most {MAX_DOCUMENT_BYTES:,} can be signed, and fewer "
            f"where much of it is data.",
            hint="Shorten the clauses, or refer to an annex by its SHA-256.",
            param="clauses",
        )
    return document


def next_number(state: Agreement, side: PartyKind) -> int:
    """The number of the next version, put forward by ``side``. Raises Conflict ``too_many_versions``."""
    if len(state.history) >= MAX_IN_FORCE:
        raise Conflict(
            "too_many_versions",
            f"{MAX_IN_FORCE} versions of agreement {state.id} were in force, the most there can be.",
            hint="Begin a new agreement.",
        )
    if sum(version.proposed_by is side for version in _since(state)) >= MAX_TEXTS:
        raise Conflict(
            "too_many_versions",
            f"{_name(state, side)} has put forward {MAX_TEXTS} texts of agreement {state.id} of which none came into "
            "force, the most there can be.",
            hint="Leave the next text to the other side; once a version comes into force, the count begins anew.",
        )
    return len(state.versions) + 1


def room_for_comment(state: Agreement, side: PartyKind) -> None:
    """Raises Conflict ``too_many_comments`` where the side has none left."""
    governing = state.governing
    since = None if governing is None else governing.effective_at
    made = sum(one.party is side and (since is None or one.at >= since) for one in state.comments)
    if made >= MAX_COMMENTS:
        raise Conflict(
            "too_many_comments",
            f"{_name(state, side)} has made {MAX_COMMENTS} comments, the most there can be.",
            hint="Put forward a text; once a version comes into force, the count begins anew.",
        )


def _since(state: Agreement) -> tuple[Version, ...]:
    """What was put forward since a version last came into force."""
    governing = state.governing
    return state.versions if governing is None else state.versions[governing.number :]


def _name(state: Agreement, side: PartyKind) -> str:
    return state.lab_name if side is PartyKind.LAB else state.institution_name
