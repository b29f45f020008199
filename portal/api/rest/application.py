"""The application behind ``/api``."""

from fastapi import FastAPI

from portal.api.application import AROUND_A_FILE, new_application
from portal.api.auth import OperatorKey
from portal.api.errors import Problem, problem_response
from portal.api.rest import (
    access_log,
    access_requests,
    agreement_facts,
    agreement_life,
    agreement_negotiation,
    agreement_papers,
    agreements,
    batches,
    campaigns,
    checkpoints,
    duties,
    explaining,
    exposure,
    findings,
    grants,
    identity_providers,
    institutions,
    invitations,
    log,
    me,
    norms,
    notices,
    operator,
    passports,
    people,
    presets,
    programs,
    publications,
    release,
    revocations,
    runs,
    sessions,
    templates,
    tokens,
    usage,
    webhooks,
    workers,
)
from portal.composition import Portal

_DESCRIPTION = """Everything the screens of a Concordat portal can do.

Send `Authorization: Bearer <access token>`. Lists are objects with `items` and `next`, the cursor of the following
page. Refusals are problem+json (RFC 9457) with a stable `code`, a `hint` and the `fixer` who can clear the condition.
Writes that name an `Idempotency-Key` change nothing when they are repeated. The model API is at `/v1`, in the shape of
the OpenAI API.
"""

_ROUTERS = (
    me,
    explaining,
    institutions,
    passports,
    people,
    programs,
    invitations,
    sessions,
    identity_providers,
    templates,
    agreements,
    agreement_papers,
    agreement_negotiation,
    agreement_life,
    agreement_facts,
    duties,
    campaigns,
    access_requests,
    grants,
    tokens,
    checkpoints,
    runs,
    presets,
    batches,
    revocations,
    exposure,
    usage,
    access_log,
    findings,
    norms,
    release,
    publications,
    notices,
    webhooks,
    log,
    operator,
    workers,
)

_PROBLEM = {
    "description": "A refusal.",
    "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
}


def create_api(portal: Portal, operator: OperatorKey | None = None) -> FastAPI:
    """The application, to be mounted at ``/api``."""
    app = new_application(
        portal,
        operator,
        title="Concordat",
        description=_DESCRIPTION,
        render=problem_response,
        responses={422: _PROBLEM, "default": _PROBLEM},
        uploads={"/api/batches/files": portal.settings.batch_file_bytes + AROUND_A_FILE},
    )
    for module in _ROUTERS:
        app.include_router(module.router)
    return app
