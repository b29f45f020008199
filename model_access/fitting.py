"""How much is generated where a request names no number: what fits.

The context's room is the pool's to know; here it is held to what the access leaves.
"""

from agreements.limits import Sampling
from model_access.generation import GenerationRequest
from model_access.metering import Unspent


def fitted(
    request: GenerationRequest, prompt_tokens: int, limits: Sampling | None, unspent: Unspent
) -> GenerationRequest:
    """The request, for no more tokens per choice than limits and budgets leave, and for one at least.

    What runs under way hold is not taken off: it would cut an answer short by what others happen to be doing. Where it
    leaves too little, the request is refused, and may be sent again.
    """
    choices = request.candidate_count
    bounds = [request.max_tokens]
    if limits is not None and limits.max_tokens is not None:
        bounds.append(limits.max_tokens)
    if unspent.tokens is not None:
        bounds.append((unspent.tokens - prompt_tokens) // choices)
    if unspent.outputs is not None:
        bounds.append(unspent.outputs // choices)
    return request.model_copy(update={"max_tokens": max(min(bounds), 1)})
