"""``/session``: from a one-time link to a browser's session, and out again."""

from collections.abc import Sequence
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from agreements.actors import Actor, Channel
from agreements.errors import ConcordatError, Forbidden, Invalid, Unauthenticated
from agreements.people import Person
from portal.api.application import new_pages
from portal.api.auth import SESSION_COOKIE, operator_actor, refuse_cross_site
from portal.api.documents import (
    STYLE,
    farewell_page,
    found_page,
    invitation_page,
    refusal_page,
    sign_in_page,
    sign_out_page,
    waiting_page,
)
from portal.api.forms import read_form
from portal.browsers import browser_name
from portal.composition import Portal
from portal.oidc.attempt import LASTS
from portal.services.sign_in import SignedIn

ATTEMPT_COOKIE: Final = "portal_sign_in"
"""Ties an identity provider's answer to the browser that went there."""

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


def create_session(portal: Portal) -> Starlette:
    """The application, to be mounted at ``/session``."""
    pages = _SessionPages(portal)
    return new_pages(
        [
            Route("/login", pages.login, methods=["GET"]),
            Route("/login", pages.find, methods=["POST"]),
            Route("/waiting", pages.waiting),
            Route("/invitation", pages.invitation, methods=["GET"]),
            Route("/invitation", pages.accept, methods=["POST"]),
            Route("/oidc/start", pages.oidc_start),
            Route("/oidc/callback/{provider_id}", pages.oidc_callback),
            Route("/oidc/leave", pages.oidc_leave),
            Route("/oidc/keys", pages.oidc_keys),
            Route("/enter", pages.enter),
            Route("/demo", pages.demo, methods=["POST"]),
            Route("/signout", pages.ask_sign_out, methods=["GET"]),
            Route("/signout", pages.sign_out, methods=["POST"]),
            Route("/style.css", _style),
        ],
        portal,
        render=lambda error: refusal_page(error, portal.settings.lab_name),
    )


class _SessionPages:
    def __init__(self, portal: Portal) -> None:
        self._portal = portal

    async def login(self, request: Request) -> Response:
        """How to sign in; somebody who is signed in has no business here."""
        onward = _local(request.query_params.get("next"))
        if await run_in_threadpool(self._present, request) is not None:
            return RedirectResponse(onward, status_code=303)
        if await run_in_threadpool(self._waits, request) is not None:
            return RedirectResponse("/session/waiting", status_code=303)
        return await self._sign_in_page(onward)

    async def _sign_in_page(self, onward: str, note: str = "") -> Response:
        demo = await run_in_threadpool(self._demo_people) if self._portal.settings.demo else ()
        buttons = await run_in_threadpool(self._portal.identity_providers.buttons)
        return sign_in_page(self._portal.settings.lab_name, demo, onward, providers=buttons, note=note)

    async def find(self, request: Request) -> Response:
        """The identity provider for an e-mail address."""
        refuse_cross_site(request)
        form = await read_form(request, required="email")
        onward = _local(form.get("next"))
        found = await run_in_threadpool(self._portal.identity_providers.for_email, form["email"])
        if found is None:
            return await self._sign_in_page(onward, "No institution's account is known for that address.")
        return found_page(self._portal.settings.lab_name, found, onward)

    async def waiting(self, request: Request) -> Response:
        """What somebody sees who was not let in yet."""
        person = await run_in_threadpool(self._waits, request)
        if person is None or person.pending is None:
            return RedirectResponse("/session/login", status_code=303)
        institution = await run_in_threadpool(self._portal.people.institution_name, person.pending.institution_id)
        return waiting_page(self._portal.settings.lab_name, person, institution)

    async def invitation(self, request: Request) -> Response:
        """What an invitation offers; looking at it spends nothing."""
        code = request.query_params.get("code", "")
        offer = await run_in_threadpool(self._portal.invitations.offer, code)
        return invitation_page(self._portal.settings.lab_name, offer, code)

    async def accept(self, request: Request) -> Response:
        """Become a person, and be signed in."""
        refuse_cross_site(request)
        form = await read_form(request, required="code")
        accept = partial(self._portal.invitations.accept, name=form.get("name", ""), browser=_browser(request))
        return await self._welcome(request, await run_in_threadpool(accept, form["code"]), "/")

    async def oidc_start(self, request: Request) -> Response:
        """On to an identity provider."""
        onward = _local(request.query_params.get("next"))
        provider_id = request.query_params.get("provider", "")
        begun = await run_in_threadpool(self._portal.oidc.begin, provider_id, onward)
        response = RedirectResponse(begun.url, status_code=303)
        response.set_cookie(
            ATTEMPT_COOKIE,
            begun.cookie,
            max_age=int(LASTS.total_seconds()),
            path="/session/oidc",
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )
        return response

    async def oidc_callback(self, request: Request) -> Response:
        """Back from an identity provider."""
        finish = partial(self._portal.oidc.finish, browser=_browser(request))
        cookie = request.cookies.get(ATTEMPT_COOKIE, "")
        try:
            answer = _once_each(request)
            entered = await run_in_threadpool(finish, cookie, request.path_params["provider_id"], answer)
            response = await self._welcome(request, entered.signed_in, entered.onward)
        except ConcordatError as refusal:
            response = refusal_page(refusal, self._portal.settings.lab_name)
        response.delete_cookie(ATTEMPT_COOKIE, path="/session/oidc", httponly=True, samesite="lax", secure=self._secure)
        return response

    async def oidc_leave(self, request: Request) -> Response:
        """Sign out at the identity provider too, where the session of this browser has ended here."""
        if await run_in_threadpool(self._present, request) is not None:
            return RedirectResponse("/session/login", status_code=303)
        session_id = self._portal.sign_in.session_id(request.cookies.get(SESSION_COOKIE, ""))
        if await run_in_threadpool(self._portal.sessions.provider_of, session_id) is None:
            return RedirectResponse("/session/login", status_code=303)
        target = await run_in_threadpool(self._portal.oidc.leaving, session_id)
        if target is not None:
            response: Response = RedirectResponse(target, status_code=303)
        else:
            note = (
                "You are signed out here. Your identity provider has no sign-out that a portal can use: sign out there."
            )
            response = await self._sign_in_page("/", note)
        self._forget(response)
        return response

    async def oidc_keys(self, _request: Request) -> Response:
        """The public key by which the portal authenticates at identity providers."""
        return JSONResponse(await run_in_threadpool(self._portal.oidc.client_keys))

    async def enter(self, request: Request) -> Response:
        """Spend a link; a spent one is no obstacle to whoever is signed in already."""
        onward = _local(request.query_params.get("next"))
        if request.method == "HEAD":
            # Programs that look at links before people do must not spend them.
            return Response()
        try:
            enter = partial(self._portal.sign_in.enter, browser=_browser(request))
            signed_in = await run_in_threadpool(enter, request.query_params.get("code", ""))
        except Unauthenticated:
            if await run_in_threadpool(self._present, request) is None:
                raise
            return RedirectResponse(onward, status_code=303)
        return await self._welcome(request, signed_in, onward)

    async def demo(self, request: Request) -> Response:
        """Enter a demonstration as one of its people, from the machine it runs on."""
        refuse_cross_site(request)
        if request.client is None or request.client.host not in _LOOPBACK:
            raise Forbidden(
                "not_this_machine",
                "People enter the demonstration without a link only on the machine it runs on.",
                hint="Use one of the links it printed when it started.",
            )
        form = await read_form(request, required="person_id")
        enter = partial(self._portal.sign_in.enter_demo, browser=_browser(request))
        signed_in = await run_in_threadpool(enter, form["person_id"])
        return await self._welcome(request, signed_in, _local(form.get("next")))

    async def ask_sign_out(self, request: Request) -> Response:
        """A page with the button that signs out, here and where the account is."""
        session_id = self._portal.sign_in.session_id(request.cookies.get(SESSION_COOKIE, ""))
        provider = await run_in_threadpool(self._portal.oidc.signs_out_at, session_id)
        return sign_out_page(self._portal.settings.lab_name, provider)

    async def sign_out(self, request: Request) -> Response:
        """End the session, here and on the server."""
        refuse_cross_site(request)
        await run_in_threadpool(self._end, request)
        secret = request.cookies.get(SESSION_COOKIE, "")
        provider_id = await run_in_threadpool(
            self._portal.sessions.provider_of, self._portal.sign_in.session_id(secret)
        )
        if provider_id is not None and request.query_params.get("only") != "here":
            return farewell_page(self._portal.settings.lab_name)
        response = RedirectResponse("/session/login", status_code=303)
        self._forget(response)
        return response

    def _forget(self, response: Response) -> None:
        response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=self._secure)

    async def _welcome(self, request: Request, signed_in: SignedIn, onward: str) -> Response:
        # The browser keeps one session: the one it had is ended, not left behind without a key.
        await run_in_threadpool(self._end, request)
        response = RedirectResponse(onward, status_code=303)
        response.set_cookie(
            SESSION_COOKIE,
            signed_in.secret,
            max_age=signed_in.max_age_s,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )
        return response

    @property
    def _secure(self) -> bool:
        return self._portal.settings.url.startswith("https://")

    def _present(self, request: Request) -> Actor | None:
        secret = request.cookies.get(SESSION_COOKIE)
        if secret is None:
            return None
        sign_in = self._portal.sign_in
        try:
            return sign_in.actor(sign_in.session_id(secret), Channel.SCREEN)
        except ConcordatError:
            return None

    def _waits(self, request: Request) -> Person | None:
        secret = request.cookies.get(SESSION_COOKIE)
        return None if secret is None else self._portal.sessions.waiting(self._portal.sign_in.session_id(secret))

    def _end(self, request: Request) -> None:
        secret = request.cookies.get(SESSION_COOKIE)
        if secret is not None:
            self._portal.sign_in.sign_out(self._portal.sign_in.session_id(secret))

    def _demo_people(self) -> Sequence[tuple[Person, str]]:
        institutions = {one.id: one.name for one in self._portal.institutions.list(operator_actor(self._portal))}
        return [
            (person, "; ".join(f"{m.role.label}, {institutions[m.institution_id]}" for m in person.memberships))
            for person in self._portal.people.list(operator_actor(self._portal))
            if person.deactivated_at is None
        ]


def _once_each(request: Request) -> dict[str, str]:
    """The query, in which nothing may have two readings (RFC 6749, section 3.1). Raises Invalid."""
    pairs = request.query_params.multi_items()
    if len(pairs) != len(dict(pairs)):
        raise Invalid("parameter_repeated", "Something in the answer is given twice.", hint="Begin again.")
    return dict(pairs)


async def _style(_request: Request) -> Response:
    return PlainTextResponse(STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})


def _browser(request: Request) -> str:
    return browser_name(request.headers.get("user-agent", ""))


def _local(target: str | None) -> str:
    """A place within this portal to go on to; anything else is home."""
    if not target or not target.isprintable() or "\\" in target:
        return "/"
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    elsewhere = parts.scheme or parts.netloc or not target.startswith("/") or target.startswith("//")
    return "/" if elsewhere else target
