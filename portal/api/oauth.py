"""OAuth 2.0 as far as the portal speaks it: keys (RFC 7517), metadata (RFC 8414), tokens, revocation, introspection."""

from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agreements.areas import Area
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound, Unauthenticated, Unavailable
from agreements.jose import ED25519, ES256
from agreements.narrowing import LIMITS
from agreements.tokens import ALGORITHM, DETAILS_TYPE, AuthorizationDetails
from portal.api.application import new_pages
from portal.api.auth import holder_of, no_credential, presented
from portal.api.dpop import proof_of
from portal.api.errors import MethodNotAllowed, problem_response, status_of
from portal.api.forms import read_form
from portal.composition import Portal
from portal.services.oauth import GRANT_TYPES
from portal.services.refresh import REFRESH_PREFIX
from portal.services.token_claims import moment
from portal.services.token_standing import Standing

WHY_NOT = "concordat_reason"
"""The member by which an inactive token says why (RFC 7662 section 2.2 lets members be added)."""

_SIGNED = [ED25519, ES256]


def create_well_known(portal: Portal) -> Starlette:
    """The application, to be mounted at ``/.well-known``."""

    async def jwks(_request: Request) -> Response:
        return JSONResponse(portal.tokens.jwks(), headers={"cache-control": "public, max-age=300"})

    async def metadata(_request: Request) -> Response:
        url = portal.settings.url
        return JSONResponse(
            {
                "issuer": url,
                "token_endpoint": portal.oauth.token_endpoint,
                "jwks_uri": f"{url}/.well-known/jwks.json",
                "revocation_endpoint": f"{url}/oauth/revoke",
                "introspection_endpoint": f"{url}/oauth/introspect",
                "scopes_supported": [area.value for area in Area],
                "response_types_supported": [],
                "grant_types_supported": list(GRANT_TYPES),
                "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
                "token_endpoint_auth_signing_alg_values_supported": _SIGNED,
                "revocation_endpoint_auth_methods_supported": ["none"],
                "dpop_signing_alg_values_supported": _SIGNED,
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

    async def token(request: Request) -> Response:
        """RFC 6749 section 3.2."""
        form = await read_form(request, required="grant_type")
        proven = proof_of(request, portal.settings.url, portal.kernel.clock())
        answer = await run_in_threadpool(portal.oauth.token, form, proven)
        return JSONResponse(answer.model_dump(mode="json", exclude_none=True), headers={"cache-control": "no-store"})

    async def revoke(request: Request) -> Response:
        """RFC 7009. Whoever holds a token may end it; for one that is not good there is nothing left to end."""
        token = (await read_form(request, required="token"))["token"]
        await run_in_threadpool(_revoke, portal, token)
        return Response()

    async def introspect(request: Request) -> Response:
        """RFC 7662, for whom the token concerns and for coordinators; anyone else learns that it is not active.

        Who asks shows a token of their own, or is a program and proves that as at the token endpoint.
        """
        form = await read_form(request, required="token")
        return JSONResponse(await run_in_threadpool(_introspect, portal, request, form))

    return new_pages(
        [
            Route("/token", token, methods=["POST"]),
            Route("/revoke", revoke, methods=["POST"]),
            Route("/introspect", introspect, methods=["POST"]),
        ],
        portal,
        render=_oauth_response,
    )


def _revoke(portal: Portal, token: str) -> None:
    if token.startswith(REFRESH_PREFIX):
        portal.refresh.end(token)
        return
    try:
        known = portal.tokens.look_up(token)
    except Unauthenticated:
        return
    portal.tokens.revoke(known.actor, known.record.id, reason="handed in at the revocation endpoint")


def _introspect(portal: Portal, request: Request, form: dict[str, str]) -> dict[str, Any]:
    asking = portal.oauth.client(form)
    if asking is None:
        shown = presented(request)
        if shown is None:
            raise no_credential()
        asking = holder_of(portal, request, *shown).actor
    found = portal.token_standings.introspect(asking, form["token"])
    if found is None:
        return {"active": False}
    if found.why_not is not None:
        # RFC 7662 advises against saying why; whom the token concerns sees the same on the Tokens page.
        return {"active": False, WHY_NOT: found.why_not.model_dump(mode="json")}
    return _active(portal, found)


def _active(portal: Portal, found: Standing) -> dict[str, Any]:
    record = found.record
    details = AuthorizationDetails.of(
        record.narrowing,
        grant_id=record.grant_id,
        agreement_digest=found.agreement_digest,
        purpose=record.purpose,
    )
    answer: dict[str, Any] = {
        "active": True,
        "iss": portal.settings.url,
        "sub": record.subject_id,
        "client_id": record.person_id,
        "jti": record.id,
        "exp": int(moment(record.expires_at).timestamp()),
        "token_type": "DPoP" if record.key_thumbprint else "Bearer",
        "authorization_details": [details.model_dump(mode="json", exclude_none=True)],
    }
    if record.issued_at is not None:
        answer["iat"] = int(record.issued_at.timestamp())
    if record.areas is not None:
        answer["scope"] = " ".join(record.areas)
    if record.key_thumbprint is not None:
        answer["cnf"] = {"jkt": record.key_thumbprint}
    if record.granted_by:
        answer["act"] = {"sub": record.person_id}
    return answer


_CODES = {
    "unsupported_grant_type": "unsupported_grant_type",
    "invalid_scope": "invalid_scope",
    "invalid_target": "invalid_target",
    "invalid_proof": "invalid_dpop_proof",
    "proof_replayed": "invalid_dpop_proof",
    "invalid_client": "invalid_client",
    "no_credential": "invalid_client",
    "refresh_unknown": "invalid_grant",
    "refresh_reused": "invalid_grant",
    "refresh_spent": "invalid_grant",
    "proof_required": "invalid_grant",
    "missing_field": "invalid_request",
    "bad_form": "invalid_request",
}
"""OAuth's word for a refusal (RFC 6749 section 5.2, RFC 8693, RFC 9396, RFC 9449), by its code."""

_ABOUT_DETAILS = frozenset({"authorization_details", *AuthorizationDetails.model_fields, *LIMITS})


def _oauth_response(error: ConcordatError) -> Response:
    """A refusal in the shape of RFC 6749 section 5.2, with the portal's own code beside it."""
    kind = _kind(error)
    # Only who asks is a matter of authentication here; a bad grant or subject token is a bad request (RFC 6749).
    status = 401 if kind == "invalid_client" else 400
    judged = isinstance(error, Unauthenticated | Invalid | Forbidden | NotFound | Conflict)
    if not judged or isinstance(error, MethodNotAllowed):
        status = status_of(error)
    problem = problem_response(error)
    kept = {name: value for name, value in problem.headers.items() if not name.startswith("content-")}
    if status != 401:
        kept.pop("www-authenticate", None)
    body = {"error": kind, "error_description": str(error), "code": error.code}
    return JSONResponse(body, status_code=status, headers=kept)


def _kind(error: ConcordatError) -> str:
    if error.code in _CODES:
        return _CODES[error.code]
    if (error.param or "").split(".")[0] in _ABOUT_DETAILS:
        return "invalid_authorization_details"
    match error:
        case Unauthenticated():
            return "invalid_grant"
        case Forbidden() | NotFound() | Conflict():
            return "invalid_grant"
        case Unavailable():
            return "temporarily_unavailable"
        case _:
            return "invalid_request"
