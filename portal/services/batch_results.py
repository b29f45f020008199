"""The answers of a batch as a table."""

import json
from collections.abc import Iterator
from typing import Any, Final

from portal.services.batch_lines import Endpoint
from portal.spreadsheets import csv_text

COLUMNS: Final = (
    "custom_id",
    "choice",
    "text",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "run_id",
    "receipt_digest",
    "error_code",
    "error_message",
)


def as_csv(content: bytes, endpoint: Endpoint) -> bytes:
    """A row for each choice of each answer, or for each failure; formulas in what a model wrote stay text.

    An embedding stands in it as its receipt's digest is over it: base64 of float32.
    """
    return csv_text(COLUMNS, _rows(content, endpoint)).encode()


def _rows(content: bytes, endpoint: Endpoint) -> Iterator[tuple[str, ...]]:
    for line in content.splitlines():
        value: dict[str, Any] = json.loads(line)
        error = value.get("error") or {}
        if value.get("response") is None:
            yield (value["custom_id"], *[""] * 7, error.get("code", ""), error.get("message", ""))
            continue
        body, receipt = value["response"]["body"], value.get("receipt", {})
        ended = {choice["index"]: choice["finish_reason"] or "" for choice in body.get("choices", ())}
        for index, text in enumerate(endpoint.texts(body)):
            yield (
                value["custom_id"],
                str(index),
                text,
                ended.get(index, ""),
                str(body["usage"]["prompt_tokens"]),
                str(body["usage"].get("completion_tokens", 0)),
                receipt.get("run_id", ""),
                receipt.get("digest", ""),
                "",
                "",
            )
