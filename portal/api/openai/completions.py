"""``POST /v1/completions``: one governed run per request, answered whole or as a stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from agreements.errors import ConcordatError
from model_access.generation import ChoiceDelta
from portal.api.auth import Known, ThePortal
from portal.api.errors import openai_body, openai_response
from portal.api.openai.wire import Choice, Completion, CompletionBody, Usage, completion
from portal.services.active import ActiveRun, RunResult

router = APIRouter(tags=["completions"])

RUN_HEADER = "x-concordat-run"
"""On every answer that ran a model: the run's id."""

T = TypeVar("T")

Purpose = Annotated[
    str | None,
    Header(
        alias="X-Concordat-Purpose",
        max_length=120,
        description="What the run is for; needed where neither grant nor token settles it.",
    ),
]


class _ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


@router.post(
    "/completions",
    summary="Complete prompts, or score them",
    response_model=Completion,
    responses={
        200: {
            "description": "The answer, or with `stream` its chunks as server-sent events, ended by `[DONE]`.",
            "content": {"text/event-stream": {}},
            "headers": {RUN_HEADER: {"description": "The id of the run.", "schema": {"type": "string"}}},
        }
    },
)
async def create_completion(
    request: Request, portal: ThePortal, known: Known, body: CompletionBody, purpose: Purpose = None
) -> Response:
    """Authorised against the live grant, charged to it, run in the sandbox, and proved by a signed receipt.

    With `max_tokens: 0`, `echo` and `logprobs` the prompts are scored. Log-probabilities are over the model's own
    distribution, before temperature and top-p. A client that goes away ends its run.
    """
    asked = body.request()
    run = await run_in_threadpool(
        portal.runs.begin, known.actor, body.model, asked, purpose=purpose or known.purpose, stream=body.streams
    )
    created = int(portal.kernel.clock().timestamp())
    try:
        if body.streams:
            return await _streamed(run, created, request, with_usage=body.wants_usage)
        return await _whole(run, created, request)
    except ConcordatError as refusal:
        response = openai_response(refusal)
        response.headers[RUN_HEADER] = run.run_id
        return response
    except BaseException as interruption:
        run.cancel()
        if isinstance(interruption, _ClientGoneError):
            return Response()
        raise


async def _whole(run: ActiveRun, created: int, request: Request) -> Response:
    result = await _unless_gone(run.aresult(), request)
    choices = tuple(Choice.of(choice) for choice in result.choices)
    answer = completion(run.terms, created, choices, _usage(result))
    return JSONResponse(answer, headers={RUN_HEADER: run.run_id})


async def _streamed(run: ActiveRun, created: int, request: Request, *, with_usage: bool) -> Response:
    pieces = run.adeltas()
    # The status line waits for the first piece, so that a run that never starts is still refused by status.
    first = await _unless_gone(anext(pieces, None), request)
    if first is None:
        await run.aresult()
    return _RunStream(run, _chunks(run, created, first, pieces, with_usage=with_usage))


async def _chunks(
    run: ActiveRun,
    created: int,
    first: ChoiceDelta | None,
    rest: AsyncIterator[ChoiceDelta],
    *,
    with_usage: bool,
) -> AsyncIterator[str]:
    def chunk(delta: ChoiceDelta) -> str:
        answer = completion(run.terms, created, (Choice.of(delta),))
        if not with_usage:
            del answer["usage"]
        return _event(answer)

    try:
        if first is not None:
            yield chunk(first)
        async for delta in rest:
            yield chunk(delta)
        result = await run.aresult()
        if with_usage:
            yield _event(completion(run.terms, created, (), _usage(result)))
    except ConcordatError as refusal:
        yield _event(openai_body(refusal))
    yield "data: [DONE]\n\n"


class _RunStream(StreamingResponse):
    """Server-sent events that end their run if the client stops reading before the run does."""

    def __init__(self, run: ActiveRun, chunks: AsyncIterator[str]) -> None:
        headers = {RUN_HEADER: run.run_id, "x-accel-buffering": "no"}
        super().__init__(chunks, media_type="text/event-stream", headers=headers)
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


def _usage(result: RunResult) -> Usage:
    return Usage.of(result.finished.prompt_tokens, result.finished.completion_tokens)


def _event(data: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(',', ':'))}\n\n"
