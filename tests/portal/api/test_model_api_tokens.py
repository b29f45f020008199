"""``/v1/tokenize`` and ``/v1/detokenize``."""

from typing import Any

import pytest

from tests.portal.api.api_stand import CHECKPOINT, WITHHELD, Stand


def ask(stand: Stand, what: str, as_: str = "partner", **body: Any) -> Any:
    return stand.ask("POST", f"/v1/{what}", as_=as_, json={"model": CHECKPOINT, **body})


def test_a_text_goes_there_and_back_without_a_run(stand: Stand) -> None:
    before, usage = stand.log_size(), stand.portal.grants.usage(stand.grant_id)
    told = ask(stand, "tokenize", prompt="The file — ü").json()
    assert told["count"] == len(told["tokens"]) > 0
    assert told["max_model_len"] == stand.portal.pool.manifest(CHECKPOINT).context_length
    assert ask(stand, "detokenize", tokens=told["tokens"]).json() == {"prompt": "The file — ü"}
    after = stand.portal.grants.usage(stand.grant_id)
    assert stand.log_size() == before
    assert (after.settled, after.requests, after.recent) == (usage.settled, usage.requests, usage.recent + 2)


@pytest.mark.parametrize(
    ("what", "body", "code"),
    [
        ("tokenize", {}, "one_prompt_needed"),
        ("tokenize", {"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, "one_prompt_needed"),
        ("tokenize", {"messages": [{"role": "user", "content": "x"}]}, "no_chat_template"),
        ("tokenize", {"model": WITHHELD, "prompt": "x"}, "checkpoint_not_granted"),
        ("detokenize", {"model": WITHHELD, "tokens": [1]}, "checkpoint_not_granted"),
        ("detokenize", {"tokens": [10**9]}, "token_out_of_vocabulary"),
        ("detokenize", {"tokens": [-1]}, "bad_input"),
    ],
)
def test_what_cannot_be_done_is_refused(stand: Stand, what: str, body: dict[str, Any], code: str) -> None:
    assert ask(stand, what, **body).json()["error"]["code"] == code
