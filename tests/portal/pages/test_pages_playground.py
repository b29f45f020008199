"""The playground and the runs it leaves."""

from streamlit.testing.v1 import AppTest

from agreements.people import Person
from model_access.generation import Failed
from tests.portal.pages.pages_world import World, click, existing, said


def ready(world: World, person: Person, prompt: str = "Once upon a time", checkpoint_id: str = "ladder-l") -> AppTest:
    app = world.screen(person, "playground", checkpoint=checkpoint_id)
    app.text_area(key="play_prompt").set_value(prompt).run()
    return app


def test_a_partner_queries_a_withheld_checkpoint_and_sees_the_budget_move(world: World) -> None:
    world.grant()
    app = ready(world, world.lead)
    assert "Reads 4 tokens, uses at most 68 tokens; 2,000,000 are left in the budget, 1,999,932 after." in said(app)
    assert "Counted when you leave the prompt" in said(app)
    click(app, "play_run")
    words = said(app)
    assert " the sea is calm" in words
    assert "2,000,000 were left before, 1,999,992 after" in words
    run, terms = world.newest_run(world.lead)
    assert run.receipt_digest
    assert terms.parameters["stream"] is True


def test_the_declared_purpose_goes_into_the_run(world: World) -> None:
    world.grant()
    app = ready(world, world.lead)
    app.selectbox(key="play_purpose").set_value("misuse-analysis")
    click(app, "play_run")
    _run, terms = world.newest_run(world.lead)
    assert terms.purpose == "misuse-analysis"


def test_sampling_controls_reach_the_engine(world: World) -> None:
    world.grant()
    app = ready(world, world.lead)
    app.number_input(key="play_max_tokens").set_value(3)
    app.number_input(key="play_temperature").set_value(0.0)
    app.text_input(key="play_seed").set_value("7")
    app.checkbox(key="play_logprobs").check()
    click(app, "play_run")
    request = world.pool.requests[-1]
    assert (request.max_tokens, request.temperature, request.seed, request.logprobs) == (3, 0.0, 7, 5)


def test_a_preset_fills_the_prompt(world: World) -> None:
    app = world.screen(world.researcher, "playground")
    click(app, "play_preset_story")
    assert "Once upon a time" in existing(app.text_area(key="play_prompt").value)


def test_a_denied_checkpoint_says_why_and_who_can_change_it(world: World) -> None:
    app = world.screen(world.rival, "playground", checkpoint="ladder-l")
    words = said(app)
    assert "no_grant" in words
    assert "A coordinator" in words
    assert not any(button.key == "play_run" for button in app.button)


def test_after_revocation_the_next_query_is_refused_with_the_reason(world: World) -> None:
    grant = world.grant()
    app = ready(world, world.lead)
    world.portal.grants.revoke(world.actor(world.coordinator), grant.id, reason="The study is over")
    click(app, "play_run")
    words = said(app)
    assert "grant_revoked" in words
    assert "The study is over" in words
    assert not world.portal.runs.list(world.actor(world.lead))


def test_a_bad_seed_is_a_refusal_that_names_it(world: World) -> None:
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    app.text_input(key="play_seed").set_value("seven").run()
    assert "bad_request" in said(app)


def test_a_run_that_fails_says_so_and_is_kept(world: World) -> None:
    world.pool.failure = Failed(code="worker_died", message="The worker died.", retriable=True)
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    click(app, "play_run")
    assert "worker_died" in said(app)
    _run, terms = world.newest_run(world.researcher)
    assert "worker_died" in said(world.screen(world.researcher, "runs", run=terms.run_id))


def test_what_a_model_writes_is_never_markdown(world: World) -> None:
    world.pool.words = (" <script>alert(1)</script>", " ![x](http://evil.example/p.png)", " \u202e\u001b[31m")
    app = ready(world, world.researcher, checkpoint_id="ladder-xs")
    app.checkbox(key="play_logprobs").check()
    click(app, "play_run")
    drawn = [code.value for code in app.code]
    assert any("<script>" in text and "\\u{202e}\\u{1b}[31m" in text for text in drawn)
    assert not any("<script>" in element.value or "](http" in element.value for element in app.markdown)


def test_the_budget_is_the_refusal_when_it_is_used_up(world: World) -> None:
    bounds = existing(world.grant().scope)
    agreement = world.agreement(institution="open-press")
    world.portal.grants.issue(
        world.actor(world.coordinator),
        agreement_id=agreement.id,
        label="Tiny",
        scope=bounds.model_copy(update={"token_budget": 10}),
    )
    app = ready(world, world.rival)
    click(app, "play_run")
    assert "budget_exhausted" in said(app)


def test_a_run_shows_its_receipts_facts_to_its_institution_only(world: World) -> None:
    world.grant()
    run_id = world.run(world.lead)
    words = said(world.screen(world.member, "runs", run=run_id))
    run, terms = world.newest_run(world.lead)
    assert existing(run.receipt_digest) in words
    assert terms.manifest_digest in words
    assert "run_not_found" in said(world.screen(world.rival, "runs", run=run_id))


def test_the_list_of_runs_can_be_narrowed_to_mine(world: World) -> None:
    world.grant()
    theirs, mine = world.run(world.lead), world.run(world.member)
    app = world.screen(world.member, "runs")
    labels = [button.label for button in app.button]
    assert {theirs, mine} <= set(labels)
    app.toggle(key="runs_mine").set_value(True).run()
    labels = [button.label for button in app.button]
    assert mine in labels
    assert theirs not in labels
