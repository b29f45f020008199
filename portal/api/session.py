"""``/session``: from a one-time link to a browser's session, and out again."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from agreements.actors import Actor, Channel
from agreements.errors import ConcordatError, Forbidden, Unauthenticated
from agreements.people import Person
from portal.api.application import new_pages
from portal.api.auth import SESSION_COOKIE, operator_actor, refuse_cross_site
from portal.api.documents import STYLE, refusal_page, sign_in_page, sign_out_page
from portal.api.forms import read_form
from portal.composition import Portal
from portal.services.sign_in import SignedIn

_LOOPBACK = frozenset({"127.0.0.1", "::1"})


def create_session(portal: Portal) -> Starlette:
    """The application, to be mounted at ``/session``."""
    pages = _SessionPages(portal)
    return new_pages(
        [
            Route("/login", pages.login),
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
        demo = await run_in_threadpool(self._demo_people) if self._portal.settings.demo else ()
        return sign_in_page(self._portal.settings.lab_name, demo, onward)

    async def enter(self, request: Request) -> Response:
        """Spend a link; a spent one is no obstacle to whoever is signed in already."""
        onward = _local(request.query_params.get("next"))
        if request.method == "HEAD":
            # Programs that look at links before people do must not spend them.
            return Response()
        try:
            signed_in = await run_in_threadpool(self._portal.sign_in.enter, request.query_params.get("code", ""))
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
        signed_in = await run_in_threadpool(self._portal.sign_in.enter_demo, form["person_id"])
        return await self._welcome(request, signed_in, _local(form.get("next")))

    async def ask_sign_out(self, _request: Request) -> Response:
        """A page with the button that signs out."""
        return sign_out_page(self._portal.settings.lab_name)

    async def sign_out(self, request: Request) -> Response:
        """End the session, here and on the server."""
        refuse_cross_site(request)
        await run_in_threadpool(self._end, request)
        response = RedirectResponse("/session/login", status_code=303)
        response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=self._secure)
        return response

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


async def _style(_request: Request) -> Response:
    return PlainTextResponse(STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})


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
