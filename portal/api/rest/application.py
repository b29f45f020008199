"""The application behind ``/api``."""

from fastapi import FastAPI

from portal.api.application import new_application
from portal.api.auth import OperatorKey
from portal.api.errors import Problem, problem_response
from portal.api.rest import (
    agreement_facts,
    agreement_life,
    agreement_negotiation,
    agreement_papers,
    agreements,
    campaigns,
    checkpoints,
    duties,
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
    programs,
    publications,
    release,
    runs,
    sessions,
    templates,
    tokens,
    webhooks,
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
    grants,
    tokens,
    checkpoints,
    runs,
    findings,
    norms,
    release,
    publications,
    notices,
    webhooks,
    log,
    operator,
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
    )
    for module in _ROUTERS:
        app.include_router(module.router)
    return app
