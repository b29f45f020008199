"""Prompts as people have them become the lines of a batch, and what cannot be one is told by its number."""

import csv
import io
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.errors import ConcordatError, Invalid
from portal.api.openai.batchable import BATCHABLE
from portal.services.batch_lines import read_lines
from portal.services.batch_prompts import COLUMNS, Settings, as_requests, shape_of
from tests.portal.services.batch_world import MODEL, drained, row, submit, written
from tests.portal.services.world import PURPOSE, World

URL = "/v1/completions"
ASKED = Settings(model=MODEL, max_tokens=4, temperature=0.5)


def rows(content: bytes, shape: Any) -> list[Any]:
    """What is asked, line by line; None for a line with nothing in it."""
    made = as_requests(content, shape, ASKED, URL, most_lines=50).split(b"\n")
    assert made.pop() == b""
    return [json.loads(one) if one else None for one in made]


def test_a_text_is_a_prompt_a_line() -> None:
    found = rows("\ufeffRaise a\r\n\n  indented \n\n\n".encode(), "prompts")
    assert [one and one["body"]["prompt"] for one in found] == ["Raise a", None, "  indented "]
    assert found[0] == {
        "custom_id": "prompt-1",
        "method": "POST",
        "url": URL,
        "body": {"model": MODEL, "max_tokens": 4, "temperature": 0.5, "prompt": "Raise a"},
    }


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_says_for_a_row_what_differs(separator: str) -> None:
    content = 'Prompt,custom_id,max_tokens,seed\n"two\nlines, here",first,8,\n\nRaise a,,many,7\n'
    content = content.replace(",", separator)
    first, nothing, third = rows(content.encode(), "table")
    assert (first["custom_id"], first["body"]["prompt"]) == ("first", f"two\nlines{separator} here")
    assert (first["body"]["max_tokens"], "seed" in first["body"]) == (8, False)
    assert nothing is None
    assert (third["custom_id"], third["body"]["max_tokens"], third["body"]["seed"]) == ("prompt-3", "many", 7)


@pytest.mark.parametrize(
    ("content", "shape", "code"),
    [
        (b"caf\xe9", "prompts", "not_utf8"),
        (b"question\nRaise a\n", "table", "no_prompt_column"),
        (b"", "table", "no_prompt_column"),
        (b"prompt,colour\nRaise a,red\n", "table", "unknown_column"),
        (b"prompt,prompt\nRaise a,red\n", "table", "unknown_column"),
        (b"prompt\nRaise a,4\n", "table", "bad_table"),
        (b'prompt\n"Raise a\n', "table", "bad_table"),
    ],
)
def test_what_no_file_of_prompts_is_says_what_to_do(content: bytes, shape: Any, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        as_requests(content, shape, ASKED, URL, most_lines=50)
    assert (refusal.value.code, bool(refusal.value.hint)) == (code, True)


@pytest.mark.parametrize(
    ("shape", "head", "line"),
    [
        ("prompts", b"", b"a\n"),
        ("prompts", b"", b"\n"),
        ("table", b"prompt,seed\n", b"a,\n"),
        ("table", b"prompt\n", b"\n"),
    ],
)
def test_a_file_of_far_too_many_prompts_is_refused_before_they_are_made(shape: Any, head: bytes, line: bytes) -> None:
    fits = head + line * 49 + b"a\n"
    assert len(rows(fits, shape)) == 50
    assert len(rows(fits + b"\n" * 9, shape)) == 50, "what is empty at the end is no prompt"
    tracemalloc.start()
    try:
        with pytest.raises(Invalid) as refusal:
            as_requests(head + line * 500_000 + b"a\n", shape, ASKED, URL, most_lines=50)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refusal.value.code == "too_many_lines"
    assert most < 8 * len(head + line * 500_000)


def test_a_file_of_nothing_but_line_ends_is_counted_and_not_cut_up() -> None:
    tracemalloc.start()
    try:
        (problem,) = read_lines(b"\n" * 1_000_000, URL, BATCHABLE[URL], most_lines=50).problems
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (problem.code, problem.message) == ("too_many_lines", "The file has 1,000,000 lines; a batch may have 50.")
    assert most < 4_000_000


def test_prompts_need_a_checkpoint() -> None:
    with pytest.raises(Invalid, match="which checkpoint"):
        as_requests(b"Raise a", "prompts", Settings(), URL, most_lines=50)


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")).filter(str.strip), min_size=1, max_size=6)
)
def test_every_prompt_of_a_table_arrives_as_it_was_written(prompts: list[str]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["prompt"], *([prompt] for prompt in prompts)])
    assert [one["body"]["prompt"] for one in rows(out.getvalue().encode(), "table")] == prompts


@given(st.binary(max_size=400), st.sampled_from(["prompts", "table"]))
def test_whatever_comes_is_made_or_refused(content: bytes, shape: Any) -> None:
    try:
        as_requests(content, shape, ASKED, URL, most_lines=50)
    except ConcordatError as refusal:
        assert refusal.hint


def test_the_name_says_what_is_in_a_file() -> None:
    assert [shape_of(name, b"x") for name in ("a.jsonl", "a.TXT", "a.csv", "a")] == [
        "requests",
        "prompts",
        "table",
        "requests",
    ]
    assert shape_of("a.txt", written(row(1))) == "requests"
    assert COLUMNS[0] == "prompt"


def test_a_table_is_run_and_its_bad_cell_is_told(world: World) -> None:
    world.checkpoint(MODEL)
    world.grant()
    cleo = world.actor("cleo")
    table = b"prompt,max_tokens\nonce upon a time,4\nonce upon a time,many\n"
    file = world.portal.batches.upload(cleo, filename="asked.csv", content=table, shape="table", settings=ASKED)
    assert file.filename == "asked.jsonl"
    checked = world.portal.batches.check(cleo, file.id, purpose=PURPOSE)
    (problem,) = checked.problems
    assert (problem.line, problem.param) == (2, "body.max_tokens")
    assert "body.max_tokens" in problem.hint
    good = world.portal.batches.upload(
        cleo, filename="asked.txt", content=b"once upon\na time\n", shape="prompts", settings=ASKED
    )
    batch = world.portal.batches.create(cleo, input_file_id=good.id, endpoint=URL, purpose=PURPOSE)
    assert drained(world, batch).completed == 2


def test_a_retry_is_priced_and_both_name_each_other(world: World) -> None:
    world.checkpoint(MODEL)
    world.grant()
    cleo = world.actor("cleo")
    batch = submit(world, cleo, *(row(number) for number in range(1, 6)))
    world.portal.batch_runner.step()
    world.portal.batches.cancel(cleo, batch.id)
    over = drained(world, batch)
    assert 0 <= over.completed < 5
    before = world.size
    checked = world.portal.batches.check_retry(cleo, batch.id)
    assert (checked.good, checked.lines, world.size) == (True, 5 - over.completed, before)
    again = drained(world, world.portal.batches.retry_failed(cleo, batch.id))
    assert (again.retry_of, again.total) == (batch.id, 5 - over.completed)
    assert again.completed == again.total
    assert world.portal.batches.view(cleo, batch.id).retries == (again.id,)
