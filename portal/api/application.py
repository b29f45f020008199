"""What the applications behind the portal's addresses have in common."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from agreements.errors import Invalid
from portal.api.auth import OperatorKey
from portal.api.errors import Renderer, exception_handlers
from portal.api.guards import BodyGuard, LastResort, NoStore
from portal.composition import Portal

AROUND_A_FILE: Final = 64 * 1024
"""What a multipart body may have besides its file, in bytes."""


def new_application(
    portal: Portal,
    operator: OperatorKey | None,
    *,
    title: str,
    description: str,
    render: Renderer,
    responses: dict[int | str, dict[str, Any]],
    uploads: Mapping[str, int] | None = None,
) -> FastAPI:
    """An application that reads strictly, refuses in one shape and serves its OpenAPI description and nothing else.

    ``uploads`` are the addresses that take multipart bodies, and of how many bytes.

    The interactive documentation of FastAPI loads scripts from elsewhere, so it stays off.
    """
    app = FastAPI(
        title=title,
        version="1",
        description=description,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        dependencies=[Depends(_only_known_parameters)],
        responses=responses,
        exception_handlers=exception_handlers(render),
        middleware=[
            Middleware(LastResort, render=render),
            Middleware(NoStore),
            Middleware(BodyGuard, max_bytes=portal.settings.max_body_bytes, render=render, uploads=uploads or {}),
        ],
    )
    app.state.portal = portal
    app.state.operator = operator
    return app


def new_pages(routes: Sequence[BaseRoute], portal: Portal, *, render: Renderer) -> Starlette:
    """A small application without a schema, behind the same guards; it takes forms."""
    app = Starlette(
        routes=routes,
        exception_handlers=exception_handlers(render),
        middleware=[
            Middleware(LastResort, render=render),
            Middleware(NoStore),
            Middleware(BodyGuard, max_bytes=portal.settings.max_body_bytes, render=render, takes_forms=True),
        ],
    )
    app.router.redirect_slashes = False
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


async def _only_known_parameters(request: Request) -> None:
    """Refuse a query parameter that the route does not have: a misspelt filter must not widen an answer."""
    known = set(_query_names(request.scope["route"].dependant))
    for name in request.query_params:
        if name not in known:
            hint = f"It has {', '.join(sorted(known))}." if known else "It has none."
            shown = name[:60]
            raise Invalid("unknown_parameter", f"There is no query parameter {shown!r}.", hint=hint, param=shown)


def _query_names(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for needed in dependant.dependencies:
        yield from _query_names(needed)
