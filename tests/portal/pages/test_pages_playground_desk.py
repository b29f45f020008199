"""The playground as a desk: presets, addresses, side by side, scoring, what was asked before, and empty states."""

from typing import Any, cast

import pytest
from streamlit.testing.v1 import AppTest

from agreements.people import Person
from agreements.scopes import Operation
from model_access.generation import ChoiceDelta, ChoiceSummary, Failed, Finished, Logprobs
from model_access.presets import Recipe
from model_access.worker import WorkerPool
from portal.pages import play_choice
from portal.pages.reach import Reach, reach_of
from tests.portal.pages.pages_world import APP, ScriptedPool, ScriptedTicket, World, click, existing, said
from tests.portal.pages.test_pages_playground import ready


def html_of(app: AppTest) -> str:
    """Everything drawn as HTML."""
    return "\n".join(cast("Any", element).proto.body for element in app.get("html"))


def labels(app: AppTest) -> list[str]:
    """What every button says."""
    return [button.label for button in app.button]


def beside(world: World, person: Person, *others: str) -> AppTest:
    """A prompt for a checkpoint and others beside it."""
    app = ready(world, person)
    app.multiselect(key="play_beside").set_value(list(others)).run()
    return app


def test_the_ground_is_named_with_its_grant(world: World) -> None:
    grant = world.grant(label="Spring study")
    app = ready(world, world.lead)
    assert "256 tokens of context" in said(app)
    links = [cast("Any", link).proto for link in app.get("page_link")]
    assert [(link.label, link.query_string) for link in links if "Spring study" in link.label] == [
        ("Grant: Spring study", f"grant={grant.id}")
    ]
    assert "Public: no grant is needed." in said(ready(world, world.rival, checkpoint_id="ladder-xs"))


def test_a_preset_sets_the_fields_and_the_address(world: World) -> None:
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    app.selectbox(key="play_preset").set_value("top-k-40").run()
    assert app.number_input(key="play_top_k").value == 40
    app.number_input(key="play_n").set_value(2).run()
    assert "Changed from the preset: n 2" in said(app).replace("\\", "")
    kept = {name: value if isinstance(value, str) else value[0] for name, value in app.query_params.items()}
    assert (kept["checkpoint"], kept["preset"], kept["n"]) == ("ladder-xs", "top-k-40", "2")
    again = world.screen(world.researcher, "playground", **kept)
    assert again.number_input(key="play_top_k").value == 40
    assert again.number_input(key="play_n").value == 2
    assert again.selectbox(key="play_preset").value == "top-k-40"


def test_an_address_with_nonsense_opens_all_the_same(world: World) -> None:
    app = world.screen(
        world.researcher, "playground", checkpoint="nowhere", preset="nothing", temperature="99", beside="x", n="[]"
    )
    assert not app.exception
    assert app.number_input(key="play_temperature").value == 0.8
    assert app.selectbox(key="play_checkpoint").value == "ladder-xs"


def test_the_fields_outlast_a_visit_elsewhere(world: World) -> None:
    app = ready(world, world.researcher, "Dear colleague", checkpoint_id="ladder-xs")
    app.number_input(key="play_temperature").set_value(0.3).run()
    app.query_params.clear()
    app.switch_page("screens/runs.py").run()
    app.switch_page("screens/playground.py").run()
    assert app.text_area(key="play_prompt").value == "Dear colleague"
    assert app.number_input(key="play_temperature").value == pytest.approx(0.3)


def test_a_reload_keeps_what_was_typed(world: World) -> None:
    app = ready(world, world.researcher, "Dear colleague", checkpoint_id="ladder-xs")
    kept = {name: value if isinstance(value, str) else value[0] for name, value in app.query_params.items()}
    again = AppTest.from_file(str(APP), default_timeout=30)
    again.user = app.user
    again.run()
    again.switch_page("screens/playground.py")
    again.query_params.update(kept)
    again.run()
    assert again.text_area(key="play_prompt").value == "Dear colleague"
    assert world.screen(world.researcher, "playground").text_area(key="play_prompt").value == ""


def test_a_preset_of_ones_own_is_kept_passed_on_and_removed(world: World) -> None:
    app = ready(world, world.lead, checkpoint_id="ladder-xs")
    app.number_input(key="play_temperature").set_value(0.25).run()
    app.text_input(key="play_save.name").set_value("Cold").run()
    click(app, "play_save.act")
    assert "Saved as Cold." in said(app)
    saved = world.portal.presets.list(world.actor(world.lead))[-1]
    assert saved.recipe.temperature == 0.25
    assert app.selectbox(key="play_preset").value == saved.id
    shared = world.screen(world.member, "playground", checkpoint="ladder-xs", preset=saved.id)
    assert shared.number_input(key="play_temperature").value == 0.25
    stranger = world.screen(world.rival, "playground", checkpoint="ladder-xs", preset=saved.id)
    assert stranger.number_input(key="play_temperature").value == 0.8
    click(app, f"play_remove.{saved.id}.open")
    assert "the links to it that you passed on" in said(app)
    assert world.portal.presets.list(world.actor(world.lead))[-1].id == saved.id
    click(app, f"play_remove.{saved.id}.confirm")
    assert app.selectbox(key="play_preset").value == "balanced"
    assert world.portal.presets.list(world.actor(world.lead))[-1].id == "score"


def test_a_name_that_everybody_has_is_refused_where_it_was_typed(world: World) -> None:
    app = ready(world, world.lead, checkpoint_id="ladder-xs")
    app.text_input(key="play_save.name").set_value("Greedy").run()
    click(app, "play_save.act")
    assert "preset_name_taken" in said(app)


class Different(ScriptedPool):
    """Answers each checkpoint in words of its own."""

    def submit(self, *asked: Any, **besides: Any) -> ScriptedTicket:
        """The last word tells who speaks."""
        self.words = (" the", " sea", " is", f" {asked[0]}")
        return super().submit(*asked, **besides)


@pytest.fixture
def different(world: World, monkeypatch: pytest.MonkeyPatch) -> ScriptedPool:
    """A pool in which checkpoints differ."""
    pool = Different()
    monkeypatch.setattr(world.portal.runs, "_pool", cast("WorkerPool", pool))
    return pool


def test_side_by_side_each_has_the_same_seed_and_a_run_of_its_own(world: World, different: ScriptedPool) -> None:
    world.grant()
    app = beside(world, world.lead, "ladder-m", "ladder-xs")
    tables = [element.value.to_string() for element in app.table]
    assert any("1,999" not in table and "2,000,000" in table and "68 tokens" in table for table in tables)
    click(app, "play_run")
    assert len({request.seed for request in different.requests}) == 1
    assert [request.prompts for request in different.requests] == [("Once upon a time",)] * 3
    runs = world.portal.runs.list(world.actor(world.lead))
    assert {run.terms.checkpoint_id for run in runs if run.terms} == {"ladder-l", "ladder-m", "ladder-xs"}
    assert "3 words the same; 1 word only in ladder-l" in said(app).replace("\\", "")
    assert "<del" in html_of(app)
    assert "<ins" in html_of(app)
    cited = [link for link in app.get("page_link") if "these runs" in cast("Any", link).proto.label]
    query = cast("Any", cited[0]).proto.query_string
    assert all(existing(run.terms).run_id in query for run in runs)
    filing = world.screen(world.lead, "file_finding", run=",".join(existing(run.terms).run_id for run in runs))
    assert len(filing.multiselect(key="finding.file.run_ids").value) == 3


def test_one_that_is_refused_stands_beside_the_others(world: World) -> None:
    grant = world.grant()
    app = beside(world, world.lead, "ladder-xs")
    world.portal.grants.revoke(world.actor(world.coordinator), grant.id, reason="The study is over")
    click(app, "play_run")
    words = said(app)
    assert "The study is over" in words
    assert " the sea is calm" in words


def test_code_to_copy_comes_when_it_is_asked_for(world: World) -> None:
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    click(app, "play_run")
    assert not any("curl" in code.value for code in app.code)


def test_what_was_asked_is_shown_filled_in_and_run_again(world: World) -> None:
    app = ready(world, world.researcher, "First words", checkpoint_id="ladder-xs")
    click(app, "play_run")
    first = world.newest_run(world.researcher)[1]
    app.text_area(key="play_prompt").set_value("Second words").run()
    app.selectbox(key="play_checkpoint").set_value("ladder-s").run()
    click(app, "play_run")
    assert "First words" in said(app)
    click(app, f"play_again_{first.run_id}")
    third = world.newest_run(world.researcher)[1]
    assert (third.checkpoint_id, third.seed) == ("ladder-xs", first.seed)
    assert third.run_id != first.run_id
    click(app, f"play_refill_{first.run_id}")
    assert app.text_area(key="play_prompt").value == "First words"
    assert app.selectbox(key="play_checkpoint").value == "ladder-xs"
    assert app.text_input(key="play_seed").value == str(first.seed)
    click(app, f"play_show_{first.run_id}")
    assert first.run_id in " ".join(cast("Any", link).proto.label for link in app.get("page_link"))
    click(app, "play_forget")
    assert f"play_again_{first.run_id}" not in {button.key for button in app.button}


def test_token_probabilities_that_are_not_granted_say_what_to_ask_for(world: World) -> None:
    world.grant(operations=frozenset({Operation.GENERATE}))
    app = ready(world, world.lead)
    assert app.checkbox(key="play_logprobs").disabled
    assert "Token probabilities are not open to you" in said(app)
    asks = [cast("Any", link).proto.label for link in app.get("page_link")]
    assert "Ask for the operation logprobs" in asks


def test_token_probabilities_have_a_plot_and_a_table(world: World) -> None:
    world.pool.words = (" <script>alert(1)</script>", " [x](http://evil.example)")
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    app.checkbox(key="play_logprobs").check()
    click(app, "play_run")
    drawn = html_of(app)
    assert "<script" not in drawn
    assert "&lt;script&gt;" in drawn
    assert "2 tokens, 0.72 bits each on average" in said(app)
    assert "0.72 bits" in app.table[-1].value.to_string()


class Scoring(ScriptedPool):
    """Scores what it is given."""

    def submit(self, *asked: Any, **_besides: Any) -> ScriptedTicket:
        """Three tokens, the first without a probability."""
        _checkpoint_id, request, on_event = asked
        self.requests.append(request)
        logprobs = Logprobs(
            tokens=("Once", " upon", " a"),
            token_logprobs=(None, -1.0, -3.0),
            top_logprobs=(None, {" upon": -1.0}, {" a": -3.0}),
            text_offset=(0, 4, 9),
        )
        on_event(ChoiceDelta(index=0, text="Once upon a", logprobs=logprobs, finish_reason="length"))
        ended = ChoiceSummary(index=0, text="Once upon a", token_ids=(), finish_reason="length")
        on_event(Finished(prompt_tokens=3, completion_tokens=0, choices=(ended,)))
        return ScriptedTicket()


def test_a_text_is_scored_with_its_perplexity(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Scoring()
    monkeypatch.setattr(world.portal.runs, "_pool", cast("WorkerPool", pool))
    app = ready(world, world.researcher, "Once upon a", checkpoint_id="ladder-xs")
    app.selectbox(key="play_preset").set_value("score").run()
    click(app, "play_run")
    request = pool.requests[-1]
    assert (request.max_tokens, request.echo, request.logprobs) == (0, True, 5)
    assert {metric.label: metric.value for metric in app.metric} == {
        "Log-likelihood": "-4.00",
        "Perplexity": "7.39",
        "Bits per token": "2.89",
    }


def test_one_who_may_only_score_is_let_in(world: World) -> None:
    world.grant(operations=frozenset({Operation.SCORE}))
    app = ready(world, world.lead)
    assert any(button.key == "play_run" for button in app.button)
    app.radio(key="play_mode").set_value("score").run()
    assert "uses at most 4 tokens" in said(app)


def test_a_run_that_was_stopped_here_says_what_is_charged(world: World) -> None:
    world.pool.failure = Failed(
        code="cancelled", message="The request was cancelled.", retriable=False, prompt_tokens=4, completion_tokens=2
    )
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    click(app, "play_run")
    assert "cancelled" in said(app)
    played = app.session_state["playground.playing"]
    played.columns[0].playing.stopped = True
    app.run()
    assert any("6 tokens charged" in info.value for info in app.info)


def test_where_nothing_is_open_the_next_step_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def withheld(*asked: Any) -> tuple[Reach, ...]:
        return tuple(reach for reach in reach_of(*asked) if reach.checkpoint.id == "ladder-l")

    monkeypatch.setattr(play_choice, "reach_of", withheld)
    words = said(world.screen(world.rival, "playground"))
    assert "No checkpoint is open to you yet" in words
    assert "no_grant" in words


def test_recipes_are_what_the_fields_say(world: World) -> None:
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    app.number_input(key="play_presence_penalty").set_value(0.5)
    app.number_input(key="play_top_k").set_value(12)
    click(app, "play_run")
    request = world.pool.requests[-1]
    assert (request.presence_penalty, request.top_k, request.top_p) == (0.5, 12, Recipe().top_p)
