"""Lines of batches, parameter by parameter: what each endpoint takes and makes of it, and how it refuses the rest."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from model_access.conversations import Conversation
from model_access.generation import GenerationRequest
from portal.api.openai.batchable import BATCHABLE
from portal.api.openai.chat_wire import ChatBody
from portal.api.openai.embedding_wire import EmbeddingBody
from portal.api.openai.wire import CompletionBody
from portal.services.batch_lines import Reading, read_lines

COMPLETIONS, CHAT, EMBEDDINGS = "/v1/completions", "/v1/chat/completions", "/v1/embeddings"
BODIES: Mapping[str, type[BaseModel]] = {COMPLETIONS: CompletionBody, CHAT: ChatBody, EMBEDDINGS: EmbeddingBody}
MESSAGES = [{"role": "user", "content": "The file"}]
LEAST: Mapping[str, dict[str, Any]] = {
    COMPLETIONS: {"model": "ladder-xs", "prompt": "The file"},
    CHAT: {"model": "ladder-xs", "messages": MESSAGES},
    EMBEDDINGS: {"model": "ladder-xs", "input": "The file"},
}

SAMPLED: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"max_tokens": 3}, {"max_tokens": 3}),
    ({"temperature": 0.5}, {"temperature": 0.5}),
    ({"temperature": 1}, {"temperature": 1.0}),
    ({"top_p": 0.5}, {"top_p": 0.5}),
    ({"top_k": 4}, {"top_k": 4}),
    ({"n": 2}, {"n": 2}),
    ({"stop": "."}, {"stop": (".",)}),
    ({"stop": [".", "\n"]}, {"stop": (".", "\n")}),
    ({"seed": 7}, {"seed": 7}),
    ({"presence_penalty": -2}, {"presence_penalty": -2.0}),
    ({"frequency_penalty": 1.5}, {"frequency_penalty": 1.5}),
    ({"logit_bias": {"5": -100}}, {"logit_bias": {5: -100.0}}),
    ({"stream": False}, {}),
    ({"stream_options": None}, {}),
    ({"user": "somebody"}, {}),
)
"""What is sent, and what is asked of the engine for it; nothing where it is taken and changes nothing."""

TAKEN: Mapping[str, tuple[tuple[dict[str, Any], dict[str, Any]], ...]] = {
    COMPLETIONS: (
        *SAMPLED,
        ({"model": "ladder-s"}, {}),
        ({"prompt": ["The", "file"]}, {"prompts": ("The", "file")}),
        ({"prompt": [5, 6]}, {"prompts": ((5, 6),)}),
        ({"prompt": [[5], [6, 7]]}, {"prompts": ((5,), (6, 7))}),
        ({"logprobs": 0}, {"logprobs": 0}),
        ({"echo": True, "logprobs": 2, "max_tokens": 0}, {"echo": True, "logprobs": 2, "max_tokens": 0}),
        ({"best_of": 3, "n": 2}, {"best_of": 3, "n": 2}),
        ({"suffix": ""}, {}),
    ),
    CHAT: (
        *SAMPLED,
        ({"model": "ladder-s"}, {}),
        ({"messages": [{"role": "developer", "content": "Hi"}]}, {}),
        ({}, {"max_tokens": 1, "fits": True}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"logprobs": True}, {"logprobs": 0}),
        ({"logprobs": True, "top_logprobs": 20}, {"logprobs": 20}),
        ({"metadata": {"study": "a"}}, {}),
        ({"safety_identifier": "somebody"}, {}),
        ({"audio": None}, {}),
        ({"function_call": "none"}, {}),
        ({"functions": []}, {}),
        ({"modalities": ["text"]}, {}),
        ({"parallel_tool_calls": True}, {}),
        ({"prediction": None}, {}),
        ({"reasoning_effort": "none"}, {}),
        ({"response_format": {"type": "text"}}, {}),
        ({"service_tier": "auto"}, {}),
        ({"store": False}, {}),
        ({"tool_choice": "none"}, {}),
        ({"tools": []}, {}),
        ({"verbosity": None}, {}),
        ({"web_search_options": None}, {}),
    ),
    EMBEDDINGS: (
        ({"model": "ladder-s"}, {}),
        ({"input": ["The", "file"]}, {"prompts": ("The", "file")}),
        ({"input": [[5], [6, 7]]}, {"prompts": ((5,), (6, 7))}),
        ({"encoding_format": "float"}, {}),
        ({"dimensions": None}, {}),
        ({"user": "somebody"}, {}),
    ),
}

SAMPLED_REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"model": 7}, "bad_input", "model"),
    ({"max_tokens": "3"}, "bad_input", "max_tokens"),
    ({"temperature": 2.1}, "bad_request", "temperature"),
    ({"temperature": "hot"}, "bad_input", "temperature"),
    ({"top_p": 0}, "bad_request", "top_p"),
    ({"top_k": 0}, "bad_request", "top_k"),
    ({"n": 129}, "bad_request", "n"),
    ({"stop": 5}, "bad_input", "stop"),
    ({"stop": ["."] * 17}, "bad_request", "stop"),
    ({"seed": -1}, "bad_input", "seed"),
    ({"presence_penalty": 3}, "bad_request", "presence_penalty"),
    ({"frequency_penalty": -3}, "bad_request", "frequency_penalty"),
    ({"logit_bias": {"5": 101}}, "bad_request", "logit_bias"),
    ({"logit_bias": {"word": 1}}, "bad_request", "logit_bias"),
    ({"stream": True}, "unsupported_parameter", "stream"),
    ({"stream_options": {"include_usage": True}}, "unsupported_parameter", "stream_options"),
    ({"user": 5}, "bad_input", "user"),
    ({"temprature": 1}, "unknown_field", "temprature"),
)
"""What is sent, and the code and the parameter by which it is refused."""

REFUSED: Mapping[str, tuple[tuple[dict[str, Any], str, str], ...]] = {
    COMPLETIONS: (
        *SAMPLED_REFUSED,
        ({"max_tokens": -1}, "bad_request", "max_tokens"),
        ({"prompt": []}, "bad_input", "prompt"),
        ({"prompt": 5}, "bad_input", "prompt"),
        ({"prompt": ["The", 5]}, "bad_input", "prompt.1"),
        ({"prompt": [[-1]]}, "bad_input", "prompt.0"),
        ({"logprobs": 21}, "bad_request", "logprobs"),
        ({"logprobs": True}, "bad_input", "logprobs"),
        ({"echo": "yes"}, "bad_input", "echo"),
        ({"best_of": 1, "n": 2}, "too_few_candidates", "best_of"),
        ({"prompt": ["x"] * 9, "n": 128}, "too_many_choices", "n"),
        ({"suffix": "the end"}, "unsupported_parameter", "suffix"),
        ({"messages": MESSAGES}, "unknown_field", "messages"),
    ),
    CHAT: (
        *SAMPLED_REFUSED,
        ({"max_tokens": 0}, "bad_input", "max_tokens"),
        ({"messages": []}, "bad_input", "messages"),
        ({"messages": [*MESSAGES, {"role": "tool", "content": "4"}]}, "unsupported_parameter", "messages.1.role"),
        ({"max_completion_tokens": 0}, "bad_input", "max_completion_tokens"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "bad_input", "max_completion_tokens"),
        ({"logprobs": 2}, "bad_input", "logprobs"),
        ({"top_logprobs": 2}, "bad_input", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "bad_input", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": -1}, "bad_input", "top_logprobs"),
        ({"metadata": 5}, "bad_input", "metadata"),
        ({"safety_identifier": 5}, "bad_input", "safety_identifier"),
        ({"audio": {"voice": "a"}}, "unsupported_parameter", "audio"),
        ({"function_call": "auto"}, "unsupported_parameter", "function_call"),
        ({"functions": [{"name": "x"}]}, "unsupported_parameter", "functions"),
        ({"modalities": ["text", "audio"]}, "unsupported_parameter", "modalities"),
        ({"parallel_tool_calls": "yes"}, "unsupported_parameter", "parallel_tool_calls"),
        ({"prediction": {"type": "content"}}, "unsupported_parameter", "prediction"),
        ({"reasoning_effort": "high"}, "unsupported_parameter", "reasoning_effort"),
        ({"response_format": {"type": "json_object"}}, "unsupported_parameter", "response_format"),
        ({"service_tier": "flex"}, "unsupported_parameter", "service_tier"),
        ({"store": True}, "unsupported_parameter", "store"),
        ({"tool_choice": "auto"}, "unsupported_parameter", "tool_choice"),
        ({"tools": [{"type": "function"}]}, "unsupported_parameter", "tools"),
        ({"verbosity": "low"}, "unsupported_parameter", "verbosity"),
        ({"web_search_options": {}}, "unsupported_parameter", "web_search_options"),
        ({"prompt": "The file"}, "unknown_field", "prompt"),
        ({"echo": True}, "unknown_field", "echo"),
        ({"best_of": 2}, "unknown_field", "best_of"),
    ),
    EMBEDDINGS: (
        ({"model": 7}, "bad_input", "model"),
        ({"input": []}, "bad_input", "input"),
        ({"input": ["The", 5]}, "bad_input", "input.1"),
        ({"encoding_format": "base64"}, "unsupported_parameter", "encoding_format"),
        ({"encoding_format": "hex"}, "bad_input", "encoding_format"),
        ({"dimensions": 4}, "unsupported_parameter", "dimensions"),
        ({"user": 5}, "bad_input", "user"),
        ({"max_tokens": 3}, "unknown_field", "max_tokens"),
        ({"seed": 1}, "unknown_field", "seed"),
    ),
}


def read(url: str, *bodies: dict[str, Any]) -> Reading:
    """A file with these bodies, each with the least that its endpoint needs."""
    lines = [
        {"custom_id": f"line {number}", "method": "POST", "url": url, "body": {**LEAST[url], **body}}
        for number, body in enumerate(bodies, start=1)
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    return read_lines(content, url, BATCHABLE[url], most_lines=10)


def plain(url: str) -> GenerationRequest:
    """What a line asks for that says no more than it has to."""
    return read(url, {}).lines[0].request


def test_every_parameter_of_every_endpoint_is_taken_and_refused_here() -> None:
    assert set(BATCHABLE) == set(BODIES)
    for url, body in BODIES.items():
        taken = {name for sent, _ in TAKEN[url] for name in sent}
        refused = {param.split(".")[0] for _, _, param in REFUSED[url]}
        assert taken == set(body.model_fields), url
        assert refused >= set(body.model_fields), url


@pytest.mark.parametrize(
    ("url", "sent", "asked"),
    [(url, sent, asked) for url, cases in TAKEN.items() for sent, asked in cases],
    ids=[f"{url}-{json.dumps(sent)}" for url, cases in TAKEN.items() for sent, _ in cases],
)
def test_what_a_line_says_is_what_is_asked(url: str, sent: dict[str, Any], asked: dict[str, Any]) -> None:
    reading = read(url, sent)
    assert reading.problems == ()
    (line,) = reading.lines
    assert (line.number, line.custom_id, line.model) == (1, "line 1", sent.get("model", "ladder-xs"))
    said = {**asked}
    if {"max_tokens", "max_completion_tokens"} & sent.keys() and url == CHAT:
        said["fits"] = False
    if "messages" in sent:
        assert [one for one in line.request.prompts if isinstance(one, Conversation)]
        said["prompts"] = line.request.prompts
    # Without a seed each line draws its own.
    expected = plain(url).model_copy(update={"seed": line.request.seed, **said})
    assert line.request == expected
    assert line.request.embed is (url == EMBEDDINGS)


@pytest.mark.parametrize(
    ("url", "sent", "code", "param"),
    [(url, *case) for url, cases in REFUSED.items() for case in cases],
    ids=[f"{url}-{json.dumps(sent)[:60]}" for url, cases in REFUSED.items() for sent, _, _ in cases],
)
def test_what_is_not_done_is_refused_with_its_line_and_parameter(
    url: str, sent: dict[str, Any], code: str, param: str
) -> None:
    reading = read(url, {}, sent, {})
    (problem,) = reading.problems
    assert (problem.line, problem.code, problem.param) == (2, code, f"body.{param}")
    assert problem.hint
    assert [line.number for line in reading.lines] == [1, 3]


@pytest.mark.parametrize("url", BODIES)
@pytest.mark.parametrize("other", [*BODIES, "/v1/audio/speech", "v1/completions"])
def test_a_line_goes_where_its_batch_goes(url: str, other: str) -> None:
    line = {"custom_id": "a", "method": "POST", "url": other, "body": LEAST[url]}
    reading = read_lines(json.dumps(line).encode(), url, BATCHABLE[url], most_lines=1)
    found = [(one.line, one.code, one.param) for one in reading.problems]
    assert found == ([] if other == url else [(1, "url_mismatch", "url")])
