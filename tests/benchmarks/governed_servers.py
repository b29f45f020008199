"""The servers that ``governed_path`` compares; each runs in a process of its own, started by it."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from agreements.access import Allowed, AskedSampling
from model_access.generation import ChoiceDelta, GenerationRequest, assemble
from portal.api.application import new_application
from portal.api.auth import Caller, Known
from portal.api.errors import openai_response
from portal.api.openai.wire import CompletionBody
from portal.api.root import create_app
from portal.composition import Portal
from tests.portal.services.world import ANSWER, PURPOSE, make_world


def _serve(app: object, port: int) -> None:
    uvicorn.run(app, host="127.0.0.1", port=port, access_log=False, log_level="warning")  # type: ignore[arg-type]  # any ASGI application


def null(port: int) -> None:
    """An HTTP server that answers every request with the same completion, as fast as Python can."""
    answer = {
        "id": "cmpl-null",
        "object": "text_completion",
        "created": 0,
        "model": "null",
        "choices": [{"index": 0, "text": "".join(ANSWER), "finish_reason": "length", "logprobs": None}],
        "usage": {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8},
    }
    body = json.dumps(answer).encode()
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = next(
                    (int(one.partition(b":")[2]) for one in head.split(b"\r\n") if one.startswith(b"content-length")), 0
                )
                await reader.readexactly(length)
                writer.write(whole)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answering, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(run())


def _answer(body: CompletionBody, asked: GenerationRequest) -> JSONResponse:
    """What the null engine says, in the model API's form."""
    deltas = [
        ChoiceDelta(index=0, text=word, token_ids=(place,), finish_reason="length" if place == 3 else None)
        for place, word in enumerate(ANSWER[: asked.max_tokens])
    ]
    (choice,) = assemble(deltas)
    return JSONResponse(
        {
            "id": "cmpl-null",
            "object": "text_completion",
            "created": 0,
            "model": body.model,
            "choices": [{"index": 0, "text": choice.text, "finish_reason": choice.finish_reason, "logprobs": None}],
            "usage": {"prompt_tokens": 4, "completion_tokens": 4, "total_tokens": 8},
        }
    )


def bare(port: int) -> None:
    """The model API's route with its body read and its answer written the same way, and nothing in between."""
    app = FastAPI()

    @app.post("/v1/completions")
    async def complete(body: CompletionBody) -> JSONResponse:
        return _answer(body, body.request())

    _serve(app, port)


def _authorised(portal: Portal) -> FastAPI:
    """The bare route behind all that the portal asks and counts, and nothing that it records."""
    app = new_application(
        portal, None, title="Authorised", description="No records.", render=openai_response, responses={}
    )

    def through(known: Caller, body: CompletionBody) -> GenerationRequest:
        asked = body.request()
        checkpoint = portal.checkpoints.state(body.model)
        operations = portal.runs.operations_for(asked)
        sampling = AskedSampling(
            max_tokens=asked.max_tokens, choices=asked.choice_count, top_logprobs=0, temperature=asked.temperature
        )
        answer = portal.checkpoints.access(known.actor, checkpoint, operations, known.purpose, sampling)
        if not isinstance(answer, Allowed):
            raise answer.error()
        most = portal.pool.count_tokens(body.model, asked) + asked.max_tokens * asked.choice_count
        portal.meter.reserve(answer.draws, most, now=portal.kernel.clock())
        portal.meter.settle([draw.account for draw in answer.draws], reserved=most, used=most)
        return asked

    @app.post("/completions")
    async def complete(known: Known, body: CompletionBody) -> JSONResponse:
        return _answer(body, await run_in_threadpool(through, known, body))

    return app


def portal(port: int, folder: Path, token_file: Path) -> None:
    """A whole portal on a real file: token, grant, agreement, budgets, two log entries and a receipt for each run."""
    world = make_world(folder)
    world.clock.now = datetime.now(UTC)
    world.checkpoint("ladder-l")
    ada, ben, service = world.actor("ada"), world.actor("ben"), world.portal.agreements
    clauses = [clause.model_dump(mode="json") for clause in service.templates()[0].clauses]
    for clause in clauses:
        if clause["kind"] == "usage_limits":
            clause.update(token_budget=10**9, requests_per_minute=10**5)
    draft = service.draft(ada, institution_id="north", clauses=clauses)
    digest = service.offer(ada, draft.id).document_digest or ""
    for side in (ben, ada):
        service.sign(side, draft.id, typed_name=side.name, document_digest=digest)
    grant = world.portal.grants.issue(ada, agreement_id=draft.id, label="Benchmark")
    issued = world.portal.tokens.issue(ben, label="benchmark", grant_id=grant.id, purpose=PURPOSE)
    token_file.write_text(issued.token, encoding="utf-8")
    app = create_app(world.portal, with_screens=False)
    app.routes.insert(0, Mount("/authorised", _authorised(world.portal)))
    _serve(app, port)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["null", number]:
            null(int(number))
        case ["bare", number]:
            bare(int(number))
        case ["portal", number, where, token]:
            portal(int(number), Path(where), Path(token))
