"""What is checked before a request costs anything: pure functions of the request and the checkpoint's manifest."""

from collections.abc import Sequence

from agreements.errors import Invalid
from model_access.generation import GenerationRequest
from model_access.manifest import Manifest


def admit(request: GenerationRequest, prompts: Sequence[Sequence[int]], manifest: Manifest) -> int:
    """How many prompt tokens the request has. ``prompts`` are its prompts as token ids.

    Raises Invalid ``empty_prompt``, ``token_out_of_vocabulary``, ``prompt_too_long`` or ``nothing_to_do``.
    """
    if request.max_tokens == 0 and not request.echo and not request.embed:
        raise Invalid(
            "nothing_to_do",
            "max_tokens is 0 and echo is off, so there would be no answer.",
            hint="Set echo to score the prompt, or max_tokens to at least 1.",
            param="max_tokens",
        )
    foreign = max(request.logit_bias, default=0)
    if foreign >= manifest.vocabulary_size:
        raise Invalid(
            "token_out_of_vocabulary",
            f"logit_bias names token {foreign}; this checkpoint's vocabulary ends at {manifest.vocabulary_size - 1}.",
            hint="Name tokens of this checkpoint's own tokenizer.",
            param="logit_bias",
        )
    for place, prompt in enumerate(prompts):
        if not prompt:
            raise Invalid("empty_prompt", f"Prompt {place} has no tokens.", hint="Send at least one.", param="prompt")
        worst = max(prompt)
        if worst >= manifest.vocabulary_size:
            raise Invalid(
                "token_out_of_vocabulary",
                f"Prompt {place} has token {worst}; "
                f"this checkpoint's vocabulary ends at {manifest.vocabulary_size - 1}.",
                hint="Encode the prompt with this checkpoint's own tokenizer.",
                param="prompt",
            )
        if len(prompt) + request.max_tokens > manifest.context_length:
            raise Invalid(
                "prompt_too_long",
                f"Prompt {place} has {len(prompt)} tokens and asks for {request.max_tokens} more; "
                f"this checkpoint's context length is {manifest.context_length}.",
                hint="Shorten the prompt or lower max_tokens.",
                param="prompt",
            )
    return sum(map(len, prompts))
