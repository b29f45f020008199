"""Sessions: where somebody is signed in, and how that ends."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from agreements.deciders import Value
from portal.api.auth import SESSION_COOKIE, Signed, ThePortal
from portal.api.rest.shapes import Listing, ObjectId
from portal.services.sessions import Ended, SessionService, SessionView

router = APIRouter(prefix="/sessions", tags=["people"])

PersonQuery = Annotated[str | None, Query(max_length=128, description="Whose; one's own unless it is said.")]


class SignOutEverywhere(Value):
    """What ends: every session, and with ``tokens`` every access token. ``keep_this``: all sessions but this one."""

    person_id: Annotated[str | None, Field(max_length=128)] = None
    tokens: bool = False
    keep_this: bool = False


def _current(request: Request) -> str:
    secret = request.cookies.get(SESSION_COOKIE)
    return SessionService.id_of(secret) if secret else ""


@router.get("", summary="List sessions")
def list_sessions(
    portal: ThePortal, actor: Signed, request: Request, person: PersonQuery = None
) -> Listing[SessionView]:
    """One's own; a coordinator may name a person."""
    person_id = person or actor.person_id
    return Listing.whole(portal.sessions.of_person(actor, person_id, current=_current(request)))


@router.post("/end-all", summary="Sign out everywhere")
def end_all_sessions(portal: ThePortal, actor: Signed, request: Request, body: SignOutEverywhere) -> Ended:
    """One's own sessions; a coordinator may name a person."""
    keep = _current(request) if body.keep_this else ""
    return portal.sessions.end_all(actor, body.person_id or actor.person_id, tokens=body.tokens, keep=keep)


@router.post("/{handle}/end", status_code=204, summary="End a session")
def end_session(portal: ThePortal, actor: Signed, handle: ObjectId) -> None:
    """One's own; a coordinator ends anybody's."""
    portal.sessions.end(actor, handle)
