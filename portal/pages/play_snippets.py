"""A run as code to copy: the same request to the model API, with the token in an environment variable."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from portal.pages.playing import Asked

_LEFT_OUT: Mapping[str, Any] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "n": 1,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "echo": False,
}
"""What the API takes for granted."""


def body(asked: Asked, checkpoint_id: str) -> dict[str, Any]:
    """The request as the API takes it, without what it takes for granted."""
    request = asked.recipe.request(asked.prompt, asked.seed).model_dump(mode="json", exclude={"prompts"})
    said = {
        name: value
        for name, value in request.items()
        if value not in (None, [], {}) and (name not in _LEFT_OUT or value != _LEFT_OUT[name])
    }
    return {"model": checkpoint_id, "prompt": asked.prompt, **said}


def snippets(asked: Asked, checkpoint_id: str, portal: str) -> dict[str, tuple[str, str]]:
    """Language and code, by what it is called."""
    fields = body(asked, checkpoint_id)
    return {
        "curl": ("bash", _curl(fields, asked.purpose, portal)),
        "Python": ("python", _python(fields, asked.purpose, portal)),
    }


def _curl(fields: Mapping[str, Any], purpose: str | None, portal: str) -> str:
    header = f" \\\n  -H {shlex.quote(f'X-Concordat-Purpose: {purpose}')}" if purpose else ""
    return (
        f'curl {portal}/v1/completions \\\n  -H "Authorization: Bearer $CONCORDAT_TOKEN"{header} \\\n'
        f'  -H "Content-Type: application/json" \\\n  -d {shlex.quote(json.dumps(fields))}'
    )


def _python(fields: Mapping[str, Any], purpose: str | None, portal: str) -> str:
    # What the stock client has no argument for goes into the body as it is.
    besides = {name: value for name, value in fields.items() if name == "top_k"}
    arguments = [f"    {name}={value!r}," for name, value in fields.items() if name not in besides]
    if besides:
        arguments.append(f"    extra_body={besides!r},")
    headers = f"    default_headers={{'X-Concordat-Purpose': {purpose!r}}},\n" if purpose else ""
    return (
        "import os\n\nfrom openai import OpenAI\n\n"
        "client = OpenAI(\n"
        f'    base_url="{portal}/v1",\n    api_key=os.environ["CONCORDAT_TOKEN"],\n{headers})\n'
        "raw = client.completions.with_raw_response.create(\n" + "\n".join(arguments) + "\n)\n"
        'print(raw.headers["x-concordat-run"], raw.parse().choices[0].text)'
    )
