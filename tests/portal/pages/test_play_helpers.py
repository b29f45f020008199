"""What the playground works out without a screen."""

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.access import Basis
from agreements.diffs import SegmentOp, compare_words
from agreements.errors import Forbidden
from agreements.scopes import Operation
from model_access.generation import ChoiceDelta, Logprobs
from model_access.presets import BY_ID, EVERYBODYS, Mode, Recipe
from model_access.runs import RunTerms
from model_access.worker import Place
from portal.pages.play_address import from_address, of_run, to_address
from portal.pages.play_answer import paced
from portal.pages.play_compare import differences
from portal.pages.play_cost import in_words
from portal.pages.play_queue import in_line
from portal.pages.play_snippets import body, snippets
from portal.pages.playing import Asked, Pace, Playing, begin_each, looks
from portal.pages.scratch import KEPT_S, MOST_SESSIONS, Scratch
from portal.pages.surprisal import bits, surprise_of
from portal.pages.token_view import coloured, surprisal_plot, table
from portal.services.active import ActiveRun
from portal.services.runs import Estimate
from tests.model_access.test_presets import recipes
from tests.portal.pages.pages_world import existing

HOSTILE = "<script>alert(1)</script>"


@given(st.sampled_from(EVERYBODYS), recipes)
def test_an_address_brings_every_recipe_back(base: Any, recipe: Recipe) -> None:
    assert from_address(base.recipe, to_address(base.recipe, recipe)) == recipe


@given(st.dictionaries(st.sampled_from([*Recipe.model_fields, "checkpoint"]), st.text(max_size=12)))
def test_an_address_that_anybody_wrote_is_never_an_error(given_: dict[str, str]) -> None:
    assert isinstance(from_address(Recipe(), given_), Recipe)


def test_an_address_says_what_differs_and_no_more() -> None:
    assert to_address(Recipe(), Recipe()) == {}
    assert to_address(BY_ID["greedy"].recipe, BY_ID["greedy"].recipe.model_copy(update={"n": 3})) == {"n": "3"}
    assert to_address(Recipe(), Recipe(mode=Mode.SCORE, stop=("\n",))) == {"mode": "score", "stop": '["\\n"]'}
    assert from_address(Recipe(), {"temperature": "99", "n": "2"}) == Recipe(n=2)


ASKED = Asked(prompt='It\'s <b>"$HOME"</b>\n', recipe=Recipe(top_k=40, n=2), seed=7, purpose="bias-analysis")


def test_code_to_copy_asks_the_same_and_holds_no_token() -> None:
    found = snippets(ASKED, "ladder-l", "https://portal.example")
    words = shlex.split(found["curl"][1].replace("\\\n", " "))
    sent = json.loads(words[words.index("-d") + 1])
    assert sent == body(ASKED, "ladder-l")
    assert (sent["model"], sent["prompt"], sent["top_k"], sent["seed"]) == ("ladder-l", ASKED.prompt, 40, 7)
    assert "X-Concordat-Purpose: bias-analysis" in words
    assert "Bearer $CONCORDAT_TOKEN" in found["curl"][1]


def test_python_to_copy_runs_and_asks_the_same() -> None:
    code = snippets(ASKED, "ladder-l", "https://portal.example")["Python"][1]
    asked: dict[str, Any] = {}

    def create(**fields: Any) -> Any:
        asked.update(fields)
        answer = SimpleNamespace(choices=[SimpleNamespace(text="")])
        return SimpleNamespace(headers={"x-concordat-run": "run_1"}, parse=lambda: answer)

    completions = SimpleNamespace(with_raw_response=SimpleNamespace(create=create))
    openai = SimpleNamespace(OpenAI=lambda **_: SimpleNamespace(completions=completions))
    os = SimpleNamespace(environ={"CONCORDAT_TOKEN": "t"})
    lines = [line for line in code.splitlines() if not line.startswith(("import ", "from "))]
    exec("\n".join(lines), {"OpenAI": openai.OpenAI, "os": os, "print": lambda *_: None})  # noqa: S102 - our own code
    assert asked.pop("extra_body") == {"top_k": 40}
    assert {**asked, "top_k": 40} == body(ASKED, "ladder-l")


LOGPROBS = Logprobs(
    tokens=("Once", " upon", HOSTILE),
    token_logprobs=(None, -0.5, -3.5),
    top_logprobs=(None, {" upon": -0.5, "`[x](http://evil.example)`": -2.0}, {HOSTILE: -3.5, '"><img src=x>': -1.0}),
    text_offset=(0, 4, 9),
)


def test_surprise_adds_up_over_the_tokens_that_have_a_probability() -> None:
    surprise = surprise_of(LOGPROBS)
    assert (surprise.tokens, surprise.log_likelihood) == (2, -4.0)
    assert surprise.perplexity == pytest.approx(7.389, abs=1e-3)
    assert surprise.bits_per_token == pytest.approx(2.885, abs=1e-3)
    assert bits(None) is None
    assert surprise_of(Logprobs()).perplexity == 1.0
    assert "2 tokens, 2.89 bits each" in surprisal_plot(LOGPROBS)[1]
    assert surprisal_plot(Logprobs())[1] == "No token has a probability."


def test_tokens_are_never_markup() -> None:
    drawn = coloured(LOGPROBS)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "&quot;&gt;&lt;img" in drawn, "alternatives are told on hovering"
    cells = table(LOGPROBS)
    assert cells[0]["Probability"] == "first token: no probability"
    assert cells[1]["Surprise"] == "0.72 bits"
    assert "\\<script\\>" in cells[2]["Token"]
    assert "](http" not in cells[1]["Also likely"].replace("\\]", "")


def test_words_that_differ_are_counted_and_all_are_there() -> None:
    segments = compare_words("the sea is calm", "the sea was very calm")
    assert differences(segments) == (3, 1, 2)
    assert "".join(one.text for one in segments if one.op is not SegmentOp.ADDED).split() == [
        "the",
        "sea",
        "is",
        "calm",
    ]


def test_pace_and_cost_read_as_sentences() -> None:
    assert paced(Pace(tokens=21, waited_s=0.5, took_s=1.5)) == "21 tokens · 20 tokens/s · 1.5 s · first after 0.5 s"
    assert paced(Pace(tokens=0, waited_s=2.0, took_s=2.0)) == "No token in 2.0 s"
    assert paced(Pace(tokens=1, waited_s=0.5, took_s=0.5)) == "1 token · 0.5 s · first after 0.5 s"
    assert (
        in_words(Estimate(prompt_tokens=1, most_tokens=5, budget_left=None)) == "Reads 1 token, uses at most 5 tokens."
    )
    told = in_words(Estimate(prompt_tokens=1, most_tokens=5, budget_left=3))
    assert told.endswith("; 3 are left in the budget, 0 after.")


def test_a_place_in_the_queue_reads_as_a_sentence() -> None:
    assert in_line(Place(position=1, waiting=3)).startswith("Next in line. ")
    assert in_line(Place(position=2, waiting=3, about_s=4.4)).startswith("Number 2 of 3 in line, about 4 s to go. ")


def test_what_was_written_outlasts_a_reload_and_not_much_more() -> None:
    now = 0.0
    scratch = Scratch(lambda: now)
    scratch.keep("mine", "Dear colleague")
    scratch.keep("", "nobody's")
    assert (scratch.kept("mine"), scratch.kept("yours"), scratch.kept("")) == ("Dear colleague", "", "")
    now = KEPT_S + 1
    assert scratch.kept("mine") == ""
    for number in range(MOST_SESSIONS + 5):
        scratch.keep(f"session {number}", "words")
    assert (scratch.kept("session 4"), scratch.kept("session 5")) == ("", "words")
    scratch.keep("session 5", "")
    assert scratch.kept("session 5") == ""


def terms(**parameters: Any) -> RunTerms:
    """Those of a run with these parameters."""
    return RunTerms(
        run_id="run_1",
        checkpoint_id="ladder-l",
        manifest_digest=f"sha256:{'0' * 64}",
        person_id="per_1",
        institution_id=None,
        basis=Basis.LAB,
        grant_id=None,
        agreement_digest=None,
        token_id=None,
        purpose="study",
        operation=Operation.GENERATE,
        parameters=parameters,
        seed=7,
        reserved_tokens=1,
    )


def test_a_run_opens_in_the_playground_as_it_was_made() -> None:
    made = terms(max_tokens=9, temperature=0.0, top_p=0.95, n=1, stop=["."], logprobs=None, echo=False, stream=True)
    address = existing(of_run(made))
    assert (address["checkpoint"], address["purpose"], address["seed"]) == ("ladder-l", "study", "7")
    assert from_address(Recipe(), address) == Recipe(max_tokens=9, temperature=0.0, stop=(".",))
    scored = existing(of_run(terms(max_tokens=0, echo=True, logprobs=3)))
    assert from_address(Recipe(), scored) == Recipe(mode=Mode.SCORE, logprobs=3)


@pytest.mark.parametrize("beyond", [{"logit_bias": {"7": 1.0}}, {"best_of": 4}, {"echo": True}, {"n": 99}])
def test_a_run_that_the_form_cannot_say_does_not(beyond: dict[str, Any]) -> None:
    assert of_run(terms(**{"max_tokens": 9, **beyond})) is None


class Scripted:
    """A run that has said everything already."""

    run_id = "run_1"
    cancelled = False

    def deltas(self) -> Any:
        """Two pieces."""
        yield ChoiceDelta(index=0, text="a", token_ids=(1,))
        yield ChoiceDelta(index=0, text="b", token_ids=(2, 3))

    def cancel(self) -> None:
        """It hears of it."""
        self.cancelled = True


def playing(run: Scripted) -> Playing:
    """The run followed by a clock that goes on a second with every look."""
    ticks = count()
    clock: Callable[[], float] = lambda: float(next(ticks))  # noqa: E731 - a clock is called
    return Playing(cast("ActiveRun", run), None, clock)


def test_a_run_is_timed_from_its_beginning_to_its_last_piece() -> None:
    followed = playing(Scripted())
    assert followed.wait(10)
    assert followed.pace() == Pace(tokens=3, waited_s=1.0, took_s=2.0)
    assert followed.pace().per_second == 2.0
    assert followed.answers()[0].text == "ab"


def test_stopping_what_is_over_stops_nothing() -> None:
    run = Scripted()
    followed = playing(run)
    assert followed.wait(10)
    followed.stop()
    assert not run.cancelled
    assert not followed.stopped


@dataclass
class Coming:
    """Something followed for as many waits as it has counts of pieces."""

    counts: list[int]
    pieces: int = 0

    def wait(self, _seconds: float) -> bool:
        """The next count, or the end."""
        if not self.counts:
            return True
        self.pieces = self.counts.pop(0)
        return False


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [([], []), ([0], [0]), ([0, 1, 1, 3], [0, 1, 3]), ([2] * 12, [2, 2, 2])],
)
def test_what_came_is_drawn_and_now_and_then_what_did_not(counts: list[int], drawn: list[int]) -> None:
    followed = Coming(counts)
    assert [followed.pieces for _ in looks(followed)] == drawn


def test_one_that_is_refused_stands_beside_the_others() -> None:
    followed = playing(Scripted())

    def begin(checkpoint_id: str) -> Playing:
        if checkpoint_id == "closed":
            raise Forbidden("no_grant", "No.")
        return followed

    columns = begin_each(("open", "closed"), begin)
    assert [column.refusal is None for column in columns] == [True, False]
    with pytest.raises(Forbidden):
        begin_each(("closed", "closed"), begin)
