"""How a run is answered, whole or as a stream, whatever the shape of the answer."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Annotated, Any, Final, TypeVar

from fastapi import Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from agreements.errors import ConcordatError, Forbidden, Invalid, Limited
from model_access.generation import ChoiceDelta, GenerationRequest
from portal.api.auth import Caller
from portal.api.errors import openai_body, openai_response
from portal.api.openai.limits import limit_headers
from portal.api.openai.why import explained_at
from portal.api.openai.wire import Shape, StreamShape
from portal.api.turns import beginnings, layouts
from portal.composition import Portal
from portal.services.active import ActiveRun

RUN_HEADER: Final = "x-concordat-run"
"""On every answer that ran a model: the run's id."""

PATIENCE_S: Final = 2.0
"""How long a stream waits before it says where its run stands in the queue, and between two times that it does."""

T = TypeVar("T")

Purpose = Annotated[
    str | None,
    Header(
        alias="X-Concordat-Purpose",
        max_length=120,
        description="What the run is for; needed where neither grant nor token settles it.",
    ),
]

ANSWERED: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {"headers": {RUN_HEADER: {"description": "The id of the run.", "schema": {"type": "string"}}}}
}
"""For the OpenAPI description of a route that runs a model."""

STREAMED: Final[Mapping[int | str, dict[str, Any]]] = {
    200: {
        **ANSWERED[200],
        "description": "The answer, or with `stream` its chunks as server-sent events, ended by `[DONE]`.",
        "content": {"text/event-stream": {}},
    }
}
"""The same where the answer may be streamed."""


class _ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


async def answer(
    request: Request,
    portal: Portal,
    known: Caller,
    model: str,
    asked: GenerationRequest,
    purpose: str | None,
    shape: Shape,
    *,
    streamed: StreamShape | None = None,
    with_usage: bool = False,
) -> Response:
    """Begin the run and answer as it goes; a refusal is an answer too. A client that goes away ends its run.

    With ``streamed`` it is answered piece by piece.
    """
    purpose = purpose or known.purpose
    turns = layouts() if asked.needs_layout else beginnings()
    async with turns.turn(known.actor):
        if await request.is_disconnected():
            return Response()
        try:
            run = await run_in_threadpool(
                portal.runs.begin, known.actor, model, asked, purpose=purpose, stream=streamed is not None
            )
        except Invalid as refusal:
            if refusal.param == "prompt":
                refusal.param = shape.asks_in
            raise
        except (Forbidden, Limited) as refusal:
            response = openai_response(refusal)
            operations = portal.runs.operations_for(asked)
            response.headers["link"] = explained_at(portal, model, asked, operations, purpose)
            if isinstance(refusal, Limited):
                allowed = await run_in_threadpool(portal.runs.ground, known.actor, model, asked, purpose=purpose)
                response.headers.update(limit_headers(portal, portal.runs.draws(known.actor, allowed)))
            return response
    created = int(portal.kernel.clock().timestamp())
    headers = {RUN_HEADER: run.run_id, **limit_headers(portal, run.draws)}
    try:
        if streamed is not None:
            return await _streamed(run, created, request, streamed, headers, with_usage=with_usage)
        result = await _unless_gone(run.aresult(), request)
        return JSONResponse(shape.whole(run.terms, created, result.finished, result.choices), headers=headers)
    except ConcordatError as refusal:
        response = openai_response(refusal)
        response.headers.update(headers)
        return response
    except BaseException as interruption:
        run.cancel()
        if isinstance(interruption, _ClientGoneError):
            return Response()
        raise


async def _streamed(
    run: ActiveRun, created: int, request: Request, shape: StreamShape, headers: Mapping[str, str], *, with_usage: bool
) -> Response:
    pieces = run.adeltas()
    coming = asyncio.ensure_future(anext(pieces, None))
    # The status line waits for the first piece, so that a run that never starts is still refused by status: unless it
    # has to wait for its turn, which a stream can tell.
    try:
        if await _unless_gone(_comes_soon(coming, run), request) and (coming.result() is None or run.withdrawn):
            await run.aresult()
    except BaseException:
        coming.cancel()
        raise
    return _RunStream(run, _chunks(run, created, shape, coming, pieces, with_usage=with_usage), headers)


async def _comes_soon(coming: "asyncio.Future[ChoiceDelta | None]", run: ActiveRun) -> bool:
    """Wait for the first piece, or until the run was waiting for its turn for a while; whether the piece is there."""
    while not coming.done():
        await asyncio.wait({coming}, timeout=PATIENCE_S)
        if not coming.done() and run.place() is not None:
            return False
    return True


async def _in_the_queue(coming: "asyncio.Future[ChoiceDelta | None]", run: ActiveRun) -> AsyncIterator[str]:
    """Comments that say where the run stands, until the first piece is there. Clients of such streams skip comments."""
    while not coming.done():
        place = run.place()
        if place is not None:
            about = "" if place.about_s is None else f" about_s={place.about_s:.0f}"
            yield f": queue position={place.position} waiting={place.waiting}{about}\n\n"
        await asyncio.wait({coming}, timeout=PATIENCE_S)


async def _chunks(
    run: ActiveRun,
    created: int,
    shape: StreamShape,
    coming: "asyncio.Future[ChoiceDelta | None]",
    rest: AsyncIterator[ChoiceDelta],
    *,
    with_usage: bool,
) -> AsyncIterator[str]:
    def events(delta: ChoiceDelta) -> str:
        chunks = list(shape.chunks(run.terms, created, delta))
        if not with_usage:
            for chunk in chunks:
                del chunk["usage"]
        return "".join(map(_event, chunks))

    try:
        async for comment in _in_the_queue(coming, run):
            yield comment
        first = await coming
        if first is not None and not run.withdrawn:
            yield events(first)
        async for delta in rest:
            if not run.withdrawn:
                yield events(delta)
        result = await run.aresult()
        if with_usage:
            yield _event(shape.closing(run.terms, created, result.finished))
    except ConcordatError as refusal:
        yield _event(openai_body(refusal))
    yield "data: [DONE]\n\n"


class _RunStream(StreamingResponse):
    """Server-sent events that end their run if the client stops reading before the run does."""

    def __init__(self, run: ActiveRun, chunks: AsyncIterator[str], headers: Mapping[str, str]) -> None:
        super().__init__(chunks, media_type="text/event-stream", headers={**headers, "x-accel-buffering": "no"})
        self._run = run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._run.outcome.done():
                self._run.cancel()


async def _unless_gone(answer: Awaitable[T], request: Request) -> T:
    """The answer. Raises _ClientGoneError if the client closes the connection before it is there."""
    waiting = asyncio.ensure_future(answer)
    leaving = asyncio.ensure_future(_disconnect(request))
    try:
        await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        raise _ClientGoneError
    finally:
        waiting.cancel()
        leaving.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _event(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(',', ':'))}\n\n"
