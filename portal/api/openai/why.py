"""Where a refusal of the model API is explained: the same question, with the same token, at ``/api/access/explain``."""

from urllib.parse import urlencode

from agreements.scopes import Operation
from model_access.generation import GenerationRequest
from portal.composition import Portal


def explained_at(
    portal: Portal, model: str, request: GenerationRequest, operations: frozenset[Operation], purpose: str | None
) -> str:
    """The value of a ``Link`` header (RFC 8288) to the explanation of a request."""
    asked: dict[str, object] = {
        "checkpoint": model,
        "operation": sorted(operations),
        "max_tokens": request.max_tokens,
        "choices": request.candidate_count,
        "top_logprobs": request.logprobs or 0,
        "temperature": request.temperature,
    }
    if request.logit_bias:
        asked["logit_bias"] = "true"
    if purpose is not None:
        asked["purpose"] = purpose
    return f'<{portal.settings.url}/api/access/explain?{urlencode(asked, doseq=True)}>; rel="help"'
