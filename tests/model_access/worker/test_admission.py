from typing import Any

import pytest

from agreements.errors import Invalid
from model_access.generation import GenerationRequest
from model_access.manifest import FileEntry, Manifest
from model_access.worker.admission import admit

MANIFEST = Manifest(
    architecture="GPT2LMHeadModel",
    parameters=1,
    context_length=8,
    vocabulary_size=10,
    hidden_size=1,
    files=(FileEntry(name="a", size=0, sha256="0" * 64),) * 3,
)


def request(**options: Any) -> GenerationRequest:
    return GenerationRequest.parse({"prompts": ((1,),), "seed": 0, "max_tokens": 4, **options})


def test_counts_the_tokens_of_all_prompts() -> None:
    assert admit(request(), [[1, 2, 3], [9, 9, 9, 9]], MANIFEST) == 7


@pytest.mark.parametrize(
    ("code", "options", "prompts"),
    [
        ("nothing_to_do", {"max_tokens": 0}, [[1]]),
        ("empty_prompt", {}, [[1], []]),
        ("token_out_of_vocabulary", {}, [[10]]),
        ("token_out_of_vocabulary", {"logit_bias": {10: 1.0}}, [[1]]),
        ("prompt_too_long", {}, [[1] * 5]),
        ("prompt_too_long", {"max_tokens": 0, "echo": True}, [[1] * 9]),
    ],
)
def test_refuses_with_a_code_and_a_hint(code: str, options: dict[str, Any], prompts: list[list[int]]) -> None:
    with pytest.raises(Invalid) as refusal:
        admit(request(**options), prompts, MANIFEST)
    assert refusal.value.code == code
    assert refusal.value.hint
    assert refusal.value.param in ("prompt", "max_tokens", "logit_bias")


def test_a_prompt_too_long_names_the_context_length() -> None:
    with pytest.raises(Invalid, match="context length is 8"):
        admit(request(), [[1] * 5], MANIFEST)


def test_a_whole_context_may_be_scored() -> None:
    assert admit(request(max_tokens=0, echo=True), [[1] * 8], MANIFEST) == 8
