"""Who is asking: an access token, a browser's session, or the operator on the portal's own machine."""

import hashlib
import hmac
import secrets
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from agreements.actors import Actor, Channel
from agreements.deciders import Value
from agreements.errors import Forbidden, Unauthenticated, Unavailable
from portal.api.dpop import proof_of
from portal.api.reach import refuse_outside
from portal.composition import Portal
from portal.services.tokens import Authenticated

SESSION_COOKIE: Final = "portal_session"
"""The browser's cookie: the secret of a server-side session."""

_OPERATOR_PREFIX: Final = "operator-"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OperatorKey:
    """What the command line shows to the portal it shares a machine with; the portal keeps only its hash.

    Whoever can read the file that holds the secret could read the portal's keys and database too, so it stands for
    the operator, who acts as the first coordinator.
    """

    def __init__(self, secret: str) -> None:
        self._digest = hashlib.sha256(secret.encode()).digest()

    @staticmethod
    def new_secret() -> str:
        """A fresh secret with 256 random bits, to be written where only the operator can read it."""
        return _OPERATOR_PREFIX + secrets.token_urlsafe(32)

    def opens(self, presented: str) -> bool:
        """Whether this is the secret, compared in constant time."""
        return hmac.compare_digest(hashlib.sha256(presented.encode()).digest(), self._digest)


class Caller(Value):
    """Who a request speaks for, and for which purpose its runs are unless it says otherwise."""

    actor: Actor
    purpose: str | None = None


def the_portal(request: Request) -> Portal:
    """The portal that the application serves."""
    portal: Portal = request.app.state.portal
    return portal


def presented(request: Request) -> tuple[str, str] | None:
    """Scheme, in small letters, and credential of the ``Authorization`` header, if there is one.

    The scheme is ``bearer`` (RFC 6750) or ``dpop`` (RFC 9449). Raises Unauthenticated for anything else.
    """
    headers = request.headers.getlist("authorization")
    if not headers:
        return None
    scheme, _, credential = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() not in ("bearer", "dpop") or not credential.strip():
        raise Unauthenticated(
            "invalid_token",
            "The Authorization header is not of the form 'Bearer <access token>'.",
            hint="Issue an access token on the Tokens page of the portal and send it.",
        )
    return scheme.lower(), credential.strip()


def caller_by_credential(request: Request) -> Caller | None:
    """Who the ``Authorization`` header speaks for. Raises Unauthenticated for one that is not good."""
    shown = presented(request)
    if shown is None:
        return None
    scheme, credential = shown
    portal = the_portal(request)
    if credential.startswith(_OPERATOR_PREFIX) and scheme == "bearer":
        operator: OperatorKey | None = request.app.state.operator
        if operator is None or not operator.opens(credential):
            raise Unauthenticated(
                "invalid_token",
                "The operator's credential is not the running portal's.",
                hint="Run the command on the portal's machine, as the account that runs it.",
            )
        return Caller(actor=operator_actor(portal))
    known = holder_of(portal, request, scheme, credential)
    refuse_outside(known.actor, request)
    return Caller(actor=known.actor, purpose=known.purpose)


def holder_of(portal: Portal, request: Request, scheme: str, token: str) -> Authenticated:
    """Whom an access token speaks for, with the proof that its scheme asks for. Raises Unauthenticated."""
    if scheme != "dpop":
        return portal.tokens.authenticate(token)
    proven = proof_of(request, portal.settings.url, portal.kernel.clock(), token=token)
    if proven is None:
        raise Unauthenticated(
            "invalid_proof",
            "The scheme DPoP asks for one DPoP header with a proof, and there is none.",
            hint="Send a fresh proof with each request, or the scheme Bearer if the token is bound to no key.",
        )
    known = portal.tokens.authenticate(token, key_thumbprint=proven.by)
    portal.proofs.take(proven, portal.kernel.clock())
    return known


def maybe_caller(request: Request) -> Caller | None:
    """Who is asking, by token or by cookie; nobody if neither came. Raises Unauthenticated or Forbidden."""
    by_credential = caller_by_credential(request)
    if by_credential is not None:
        return by_credential
    secret = request.cookies.get(SESSION_COOKIE)
    if secret is None:
        return None
    sign_in = the_portal(request).sign_in
    actor = sign_in.actor(sign_in.session_id(secret), Channel.API)
    refuse_cross_site(request)
    return Caller(actor=actor)


def refuse_cross_site(request: Request) -> None:
    """Refuse a change that a browser was made to send by another site.

    A browser says where a request comes from, and scripts cannot make it say otherwise: by Fetch Metadata, or over
    plain HTTP by ``Origin`` alone. One that says neither is refused. Raises Forbidden ``cross_site``.
    """
    if request.method in _SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    own = _host_of(request.headers.get("origin", "")) if site is None else None
    if site == "same-origin" or (own is not None and own == request.headers.get("host")):
        return
    raise Forbidden(
        "cross_site",
        "A change with a browser's session has to come from the portal's own pages.",
        hint="Send an access token instead: Authorization: Bearer <access token>.",
    )


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def operator_actor(portal: Portal) -> Actor:
    """The coordinator the operator acts as: the first who was registered. Raises Unavailable without one."""
    coordinators = [portal.people.get(person_id) for person_id in portal.people.coordinator_ids()]
    if not coordinators:
        raise Unavailable(
            "no_coordinator", "The portal has no coordinator yet.", hint="Run 'concordat init' to make the portal."
        )
    first = min(coordinators, key=lambda person: (str(person.registered_at), person.id))
    return first.actor(Channel.CLI)


_documented = HTTPBearer(auto_error=False, description="An access token, as issued on the Tokens page.")


async def _caller(
    request: Request,
    known: Annotated[Caller | None, Depends(maybe_caller)],
    _scheme: Annotated[object, Security(_documented)],
) -> Caller:
    if known is None:
        raise no_credential()
    return known


async def _actor(known: Annotated[Caller, Depends(_caller)]) -> Actor:
    return known.actor


async def _maybe_actor(
    known: Annotated[Caller | None, Depends(maybe_caller)], _scheme: Annotated[object, Security(_documented)]
) -> Actor | None:
    return known.actor if known else None


def no_credential() -> Unauthenticated:
    """The refusal of a request that came with no credential at all."""
    return Unauthenticated(
        "no_credential",
        "No access token came with the request.",
        hint="Send 'Authorization: Bearer <access token>'; tokens are issued on the Tokens page of the portal.",
    )


async def _portal(request: Request) -> Portal:
    return the_portal(request)


ThePortal = Annotated[Portal, Depends(_portal)]
Known = Annotated[Caller, Depends(_caller)]
"""The authenticated caller, with the purpose of the token; a request without one is refused."""
Signed = Annotated[Actor, Depends(_actor)]
"""The authenticated actor; a request without one is refused."""
Anyone = Annotated[Actor | None, Depends(_maybe_actor)]
"""The actor, or None for the public."""
