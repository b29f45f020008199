"""The one ASGI application: everything the portal answers, on one port."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from agreements.errors import NotFound
from portal.api.auth import OperatorKey
from portal.api.errors import exception_handlers, problem_response
from portal.api.gate import ScreenGate
from portal.api.guards import LastResort
from portal.api.oauth import create_oauth, create_well_known
from portal.api.openai.application import create_model_api
from portal.api.public import create_log, health_route
from portal.api.rest.application import create_api
from portal.api.session import create_session
from portal.api.shell import HostCheck, SecurityHeaders
from portal.composition import Portal
from portal.config import Settings

_ASKED_OF_OTHERS = ("/tokenizer_info", "/tokenize", "/detokenize")
"""Where harnesses look for vLLM's tokenizer; a page of screens in answer would stop them."""

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(portal: Portal, *, with_screens: bool = True, operator: OperatorKey | None = None) -> Starlette:
    """The application over an open portal, which stays the caller's to close.

    Without screens nothing of Streamlit is imported. With them, there is one such application per process, because
    Streamlit's runtime starts once. ``operator`` lets the command line in; without it, nobody comes as operator.
    """
    routes: list[BaseRoute] = [
        Mount("/api", create_api(portal, operator)),
        Mount("/v1", create_model_api(portal, operator)),
        Mount("/session", create_session(portal)),
        Mount("/log", create_log(portal)),
        Mount("/.well-known", create_well_known(portal)),
        Mount("/oauth", create_oauth(portal)),
        health_route(portal),
        *(Route(path, _nothing_here, methods=["GET", "POST"]) for path in _ASKED_OF_OTHERS),
    ]
    lifespan: Lifespan = _no_lifespan
    if with_screens:
        screens, lifespan = _screens(portal)
        # Last: Streamlit answers every address that is left with its page.
        routes.append(Mount("/", ScreenGate(screens, portal)))
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers=exception_handlers(problem_response),
        middleware=[
            Middleware(SecurityHeaders, https=portal.settings.url.startswith("https://")),
            Middleware(LastResort, render=problem_response),
            Middleware(HostCheck, served=_served(portal.settings)),
        ],
    )
    app.router.redirect_slashes = False
    return app


def _served(settings: Settings) -> frozenset[str]:
    named = urlsplit(settings.url).netloc.rpartition("@")[2]
    name, _, port = named.rpartition(":")
    return frozenset({name if name and port.isdigit() else named, settings.host})


def _screens(portal: Portal) -> tuple[ASGIApp, Lifespan]:
    import streamlit

    from portal import pages
    from portal.pages.context import set_portal

    set_portal(portal)
    # Streamlit resolves a relative path against wherever the process was started.
    screens = streamlit.App(Path(pages.__file__).parent / "app.py")
    return screens, screens.lifespan()


async def _nothing_here(_request: Request) -> Response:
    raise NotFound(
        "no_such_route", "There is no tokenizer at this address.", hint="GET /v1/models/{model}/tokenizer gives it."
    )


@asynccontextmanager
async def _no_lifespan(_app: Starlette) -> AsyncIterator[None]:
    yield
