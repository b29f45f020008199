"""OAuth 2.0 as far as the portal speaks it: keys (RFC 7517), metadata (RFC 8414), revocation, introspection."""

from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agreements.errors import ConcordatError, Unauthenticated
from agreements.tokens import ALGORITHM, DETAILS_TYPE
from portal.api.application import new_pages
from portal.api.auth import bearer, no_credential
from portal.api.errors import problem_response, status_of
from portal.api.forms import read_form
from portal.composition import Portal
from portal.services.tokens import Authenticated


def create_well_known(portal: Portal) -> Starlette:
    """The application, to be mounted at ``/.well-known``."""

    async def jwks(_request: Request) -> Response:
        return JSONResponse(portal.tokens.jwks(), headers={"cache-control": "public, max-age=300"})

    async def metadata(_request: Request) -> Response:
        url = portal.settings.url
        return JSONResponse(
            {
                "issuer": portal.settings.issuer,
                "jwks_uri": f"{url}/.well-known/jwks.json",
                "revocation_endpoint": f"{url}/oauth/revoke",
                "introspection_endpoint": f"{url}/oauth/introspect",
                "response_types_supported": [],
                "grant_types_supported": [],
                "revocation_endpoint_auth_methods_supported": ["none"],
                "authorization_details_types_supported": [DETAILS_TYPE],
                "access_token_signing_alg_values_supported": [ALGORITHM],
                "service_documentation": f"{url}/api/openapi.json",
            }
        )

    return new_pages(
        [Route("/jwks.json", jwks), Route("/oauth-authorization-server", metadata)], portal, render=problem_response
    )


def create_oauth(portal: Portal) -> Starlette:
    """The application, to be mounted at ``/oauth``."""

    async def revoke(request: Request) -> Response:
        """RFC 7009. Whoever holds a token may end it; for one that is not good there is nothing left to end."""
        token = await _token(request)
        await run_in_threadpool(_revoke, portal, token)
        return Response()

    async def introspect(request: Request) -> Response:
        """RFC 7662, for one's own tokens and for coordinators; anyone else learns that it is not active."""
        token = await _token(request)
        presented = bearer(request)
        if presented is None:
            raise no_credential()
        answer = await run_in_threadpool(_introspect, portal, presented, token)
        return JSONResponse(answer)

    return new_pages(
        [Route("/revoke", revoke, methods=["POST"]), Route("/introspect", introspect, methods=["POST"])],
        portal,
        render=_oauth_response,
    )


async def _token(request: Request) -> str:
    return (await read_form(request, required="token"))["token"]


def _revoke(portal: Portal, token: str) -> None:
    try:
        known = portal.tokens.authenticate(token)
    except Unauthenticated:
        return
    if known.actor.token_id is not None:
        portal.tokens.revoke(known.actor, known.actor.token_id)


def _introspect(portal: Portal, presented: str, token: str) -> dict[str, Any]:
    asking = portal.tokens.authenticate(presented).actor
    try:
        known = portal.tokens.authenticate(token)
    except Unauthenticated:
        return {"active": False}
    if not (asking.is_coordinator or asking.person_id == known.actor.person_id):
        return {"active": False}
    return _active(portal, known)


def _active(portal: Portal, known: Authenticated) -> dict[str, Any]:
    return {
        "active": True,
        "iss": portal.settings.issuer,
        "sub": known.actor.person_id,
        "client_id": known.actor.person_id,
        "jti": known.actor.token_id,
        "exp": int(known.expires_at.timestamp()),
        "token_type": "Bearer",
        "authorization_details": [{"type": DETAILS_TYPE, "grant_id": known.actor.grant_id, "purpose": known.purpose}],
    }


def _oauth_response(error: ConcordatError) -> Response:
    """A refusal in the shape of RFC 6749 section 5.2; status and headers as everywhere."""
    problem = problem_response(error)
    kind = "invalid_client" if isinstance(error, Unauthenticated) else "invalid_request"
    headers = {name: value for name, value in problem.headers.items() if not name.startswith("content-")}
    return JSONResponse({"error": kind, "error_description": str(error)}, status_code=status_of(error), headers=headers)
