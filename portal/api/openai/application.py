"""The application behind ``/v1``."""

from fastapi import FastAPI
from pydantic import BaseModel

from portal.api.application import AROUND_A_FILE, new_application
from portal.api.auth import OperatorKey
from portal.api.errors import openai_response
from portal.api.openai import batches, chat, completions, embeddings, files, models, tokens
from portal.api.openai.limits import ProcessingTime
from portal.composition import Portal

_DESCRIPTION = """Query checkpoints through the stock OpenAI clients; the API key is an access token of this portal.

Every answer that ran a model carries the header `x-concordat-run`; `/api/runs/{id}/receipt` gives its signed receipt.
`X-Concordat-Purpose` declares what a run is for, where the grant is for several purposes.
"""


class ErrorDetail(BaseModel):
    """What went wrong, as the OpenAI API words it."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """A refusal."""

    error: ErrorDetail


def create_model_api(portal: Portal, operator: OperatorKey | None = None) -> FastAPI:
    """The application, to be mounted at ``/v1``."""
    refusal = {"model": ErrorBody, "description": "A refusal."}
    app = new_application(
        portal,
        operator,
        title="Concordat model API",
        description=_DESCRIPTION,
        render=openai_response,
        responses={422: refusal, "default": refusal},
        uploads={"/v1/files": portal.settings.batch_file_bytes + AROUND_A_FILE},
    )
    app.add_middleware(ProcessingTime)
    app.include_router(models.router)
    app.include_router(completions.router)
    app.include_router(chat.router)
    app.include_router(embeddings.router)
    app.include_router(tokens.router)
    app.include_router(files.router)
    app.include_router(batches.router)
    return app
