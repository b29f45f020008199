"""A replay held against a receipt: identical, or where the two part, and what changed meanwhile."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agreements.errors import ConcordatError, Conflict, Invalid
from model_access.build import EngineBuild, Precision, Products, engine_build
from model_access.generation import ChoiceSummary, Finished, GenerationRequest
from model_access.receipts import Replayed, RunPredicate, RunStatement, SaltedDigest
from model_access.replay import (
    Bearing,
    Comparison,
    Verdict,
    compare,
    pieces_of,
    proved_output,
    request_again,
    same_outcome,
    token_at,
)
from tests.model_access.test_receipts import predicate

WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Z"]), min_size=1, max_size=4)
CHOICES = st.lists(st.lists(WORDS, min_size=1, max_size=8), min_size=1, max_size=4)


def ended(choices: Sequence[Sequence[str]], *, reason: Any = "length", prompt_tokens: int = 3) -> Finished:
    """A run that wrote these tokens."""
    return Finished(
        prompt_tokens=prompt_tokens,
        completion_tokens=sum(map(len, choices)),
        choices=tuple(
            ChoiceSummary(index=i, text="".join(tokens), token_ids=tuple(range(len(tokens))), finish_reason=reason)
            for i, tokens in enumerate(choices)
        ),
    )


def receipt_of(end: Finished, **more: Any) -> RunPredicate:
    """What a receipt says of it."""
    return predicate().model_copy(
        update={
            "outputs": SaltedDigest.of([choice.text for choice in end.choices]),
            "prompt_tokens": end.prompt_tokens,
            "completion_tokens": end.completion_tokens,
            "finish_reasons": tuple(choice.finish_reason for choice in end.choices),
            **more,
        }
    )


def held(then: Sequence[Sequence[str]], now: Sequence[Sequence[str]], *, known: bool = True) -> Comparison:
    """One answer's tokens held against another's."""
    original, again = receipt_of(ended(then)), receipt_of(ended(now), run_id="run_2")
    texts = proved_output(original, ["".join(tokens) for tokens in then]) if known else None
    return compare(original, again, ended(now), lambda index: now[index], texts)


@given(CHOICES, st.booleans())
def test_an_identical_output_is_identical(tokens: list[list[str]], known: bool) -> None:
    told = held(tokens, tokens, known=known)
    assert (told.verdict, told.where, told.endings, told.circumstances) == (Verdict.IDENTICAL, None, (), ())
    assert same_outcome(receipt_of(ended(tokens)), ended(tokens))


@given(CHOICES, st.data())
def test_a_change_at_a_token_parts_at_that_token(tokens: list[list[str]], data: st.DataObject) -> None:
    choice = data.draw(st.integers(0, len(tokens) - 1))
    token = data.draw(st.integers(0, len(tokens[choice]) - 1))
    other = data.draw(WORDS.filter(lambda word: word[0] != tokens[choice][token][0]))
    rest = data.draw(st.lists(WORDS, max_size=4))
    changed = [list(one) for one in tokens]
    changed[choice] = [*tokens[choice][:token], other, *rest]
    told = held(tokens, changed)
    assert told.verdict is Verdict.PARTS
    assert told.where is not None
    assert (told.where.choice, told.where.token) == (choice, token)
    assert told.where.character == len("".join(tokens[choice][:token]))
    assert told.where.then.startswith(tokens[choice][token][:1])
    assert told.where.now.startswith(other[:1])
    unknown = held(tokens, changed, known=False)
    assert (unknown.verdict, unknown.where, unknown.text_known) == (Verdict.PARTS, None, False)
    assert "not here to say where" in unknown.says
    assert not same_outcome(receipt_of(ended(tokens)), ended(changed))


@given(st.lists(st.lists(WORDS, min_size=1, max_size=3), min_size=2, max_size=2), st.data())
def test_the_verdict_is_about_every_choice_in_turn(then: list[list[str]], data: st.DataObject) -> None:
    now = [data.draw(st.just(one) | st.lists(WORDS, min_size=1, max_size=3)) for one in then]
    told = held(then, now)
    same_text = ["".join(one) for one in then] == ["".join(one) for one in now]
    assert told.identical is (same_text and not told.endings)
    assert (told.where is None) is same_text
    assert told.identical is same_outcome(receipt_of(ended(then)), ended(now))


def test_one_that_ends_early_parts_where_the_other_goes_on() -> None:
    told = held([[" the", " sea"]], [[" the"]])
    assert told.where is not None
    assert (told.where.token, told.where.then, told.where.now) == (1, " sea", "")
    longer = held([[" the"]], [[" the", " sea"]])
    assert longer.where is not None
    assert (longer.where.token, longer.where.then, longer.where.now) == (1, "", " sea")


def test_the_same_text_of_other_tokens_or_with_another_ending_parts() -> None:
    told = held([["a", "b"]], [["ab"]])
    assert (told.verdict, told.where, told.text_known) == (Verdict.PARTS, None, True)
    assert [(one.name, one.then, one.now) for one in told.endings] == [("tokens written", "2", "1")]
    original, stopped = receipt_of(ended([["a"]])), ended([["a"]], reason="stop")
    assert compare(original, receipt_of(stopped), stopped, lambda _: ["a"]).endings[0].name == "how it ended"
    assert not same_outcome(original, stopped)


@pytest.mark.parametrize(
    ("field", "value", "bearing", "word"),
    [
        ("manifest_digest", "sha256:" + "e" * 64, Bearing.OTHER_ANSWER, "another answer was to be expected"),
        ("engine", engine_build(Precision.INT8), Bearing.OTHER_ANSWER, "another answer was to be expected"),
        (
            "engine",
            engine_build().model_copy(update={"weight_bits": 7}),
            Bearing.OTHER_ANSWER,
            "another answer was to be expected",
        ),
        ("engine", engine_build(products=Products(kernel="fbgemm")), Bearing.LAST_BITS, "a close call"),
        ("engine", engine_build(threads=4), Bearing.LAST_BITS, "a close call"),
        ("engine", engine_build().model_copy(update={"torch": "9.9"}), Bearing.LAST_BITS, "a close call"),
        ("engine", engine_build().model_copy(update={"python": "4.0"}), Bearing.NONE, "is to be explained"),
        ("sandbox", "none/1", Bearing.NONE, "is to be explained"),
    ],
)
def test_what_changed_is_named_with_what_it_means(field: str, value: object, bearing: Bearing, word: str) -> None:
    then, now = ended([["a"]]), ended([["b"]])
    told = compare(receipt_of(then), receipt_of(now, **{field: value}), now, lambda _: ["b"], ["a"])
    (one,) = told.circumstances
    assert one.bearing is bearing
    assert one.then != one.now
    assert one.means
    assert word in told.says
    same = compare(receipt_of(then), receipt_of(then, **{field: value}), then, lambda _: ["a"])
    assert same.identical
    assert "not all was as it was then" in same.says


def test_every_part_of_the_build_has_a_meaning() -> None:
    for name in EngineBuild.model_fields:
        number = name in ("threads", "arithmetic", "weight_bits")
        other = engine_build().model_copy(update={name: 9 if number else "other"})
        end = ended([["a"]])
        told = compare(receipt_of(end), receipt_of(end, engine=other), end, lambda _: ["a"])
        assert [one.name for one in told.circumstances] == [name]


PARAMETERS = GenerationRequest(prompts=("x",), seed=0, max_tokens=9, stop=("\n",), logit_bias={5: -1.5}).model_dump(
    mode="json", exclude={"prompts", "seed"}
)


@pytest.mark.parametrize("prompt", ["Once upon a time", (5, 6, 7)])
def test_the_request_is_that_of_the_receipt(prompt: Any) -> None:
    sent: list[JsonValue] = [prompt if isinstance(prompt, str) else list(prompt)]
    said = receipt_of(ended([["a"]]), prompts=SaltedDigest.of(sent), parameters={**PARAMETERS, "stream": True}, seed=41)
    request = request_again(said, (prompt,))
    assert request == GenerationRequest(prompts=(prompt,), seed=41, max_tokens=9, stop=("\n",), logit_bias={5: -1.5})


@given(st.lists(st.text(max_size=6) | st.lists(st.integers(0, 9), max_size=3).map(tuple), max_size=3))
def test_only_the_very_prompt_is_taken(given_: list[Any]) -> None:
    said = receipt_of(ended([["a"]]), prompts=SaltedDigest.of(["Once", "upon"]), parameters=PARAMETERS)
    if given_ != ["Once", "upon"]:
        with pytest.raises(ConcordatError) as refusal:
            request_again(said, given_)
        assert refusal.value.code in {"not_the_prompt", "not_canonical_json", "bad_json_value"}


@pytest.mark.parametrize("other", ["once", "Once ", "Once\n", " Once", "Onc\u0435"])
def test_what_only_looks_like_the_prompt_or_the_answer_is_refused(other: str) -> None:
    said = receipt_of(ended([["Once"]]), prompts=SaltedDigest.of(["Once"]), parameters=PARAMETERS)
    with pytest.raises(Invalid) as refusal:
        request_again(said, (other,))
    assert (refusal.value.code, refusal.value.param) == ("not_the_prompt", "prompts")
    with pytest.raises(Invalid) as refusal:
        proved_output(said, [other])
    assert (refusal.value.code, refusal.value.param) == ("not_the_output", "outputs")
    assert proved_output(said, ["Once"]) == ("Once",)


@pytest.mark.parametrize("parameters", [{"beam_width": 4}, {"max_tokens": "many"}, {"best_of": 1, "n": 2}])
def test_a_receipt_with_parameters_that_nobody_applies_is_not_replayed(parameters: dict[str, Any]) -> None:
    said = receipt_of(ended([["a"]]), prompts=SaltedDigest.of(["Once"]), parameters=parameters)
    with pytest.raises(Conflict) as refusal:
        request_again(said, ("Once",))
    assert refusal.value.code == "not_replayable"
    assert said.engine.concordat in refusal.value.hint


def _by_bytes(ids: Sequence[int]) -> str:
    return bytes(ids).decode(errors="replace")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), min_size=1, max_size=12), st.data())
def test_characters_of_several_tokens_are_found_at_the_first(text: str, data: st.DataObject) -> None:
    ids = list(text.encode())
    pieces = pieces_of(_by_bytes, list(b"Say: "), ids, echoed=False)
    assert (len(pieces), "".join(pieces)) == (len(ids), text)
    place = data.draw(st.integers(0, len(text) - 1))
    assert token_at(pieces, place) == len(text[:place].encode())
    assert token_at(pieces, len(text)) == len(ids)
    echoed = pieces_of(_by_bytes, list(b"Say: "), ids, echoed=True)
    assert ("".join(echoed), token_at(echoed, 5 + place)) == (f"Say: {text}", 5 + len(text[:place].encode()))


def test_receipts_of_runs_that_replay_nothing_keep_their_bytes() -> None:
    assert b"replays" not in RunStatement.about(predicate()).payload()
    of = Replayed(run_id="run_0", receipt_digest="sha256:" + "a" * 64, identical=True)
    statement = RunStatement.about(predicate().model_copy(update={"replays": of}))
    assert RunStatement.parse(statement.payload()).predicate.replays == of
