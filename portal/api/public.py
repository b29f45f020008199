"""What anybody may read without signing in: the transparency log (C2SP tlog-tiles) and a sign of life."""

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agreements.tiles import TILE_WIDTH, Tile
from portal.api.application import new_pages
from portal.api.errors import problem_response
from portal.composition import Portal

_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}
_BRIEFLY = {"cache-control": "public, max-age=5"}


def create_log(portal: Portal) -> Starlette:
    """The application, to be mounted at ``/log``."""

    async def head(_request: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(portal.log.head), headers=_BRIEFLY)

    async def vkey(_request: Request) -> Response:
        return PlainTextResponse(f"{portal.log.vkey}\n", headers=_BRIEFLY)

    async def tile(request: Request) -> Response:
        wanted = Tile.parse(f"tile/{request.path_params['path']}")
        hashes = await run_in_threadpool(portal.log.tile, wanted.level, wanted.index, wanted.width)
        cached = _FOREVER if wanted.width == TILE_WIDTH else _BRIEFLY
        return Response(hashes, media_type="application/octet-stream", headers=cached)

    return new_pages(
        [Route("/checkpoint", head), Route("/vkey", vkey), Route("/tile/{path:path}", tile)],
        portal,
        render=problem_response,
    )


def health_route(portal: Portal) -> Route:
    """``/healthz``: answers while the portal can read its log."""

    async def health(_request: Request) -> Response:
        size = (await run_in_threadpool(portal.log.size_and_root)).size
        return JSONResponse({"status": "ok", "log_size": size}, headers={"cache-control": "no-store"})

    return Route("/healthz", health)
