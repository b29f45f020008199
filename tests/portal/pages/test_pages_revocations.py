"""The screen of measurements, the sentence on a grant that was revoked, and a run that was stopped under way."""

from tests.portal.pages.pages_world import World, click, said


def test_with_nothing_taken_away_it_says_what_will_be_here(world: World) -> None:
    assert "Nothing was taken away yet." in said(world.screen(world.coordinator, "revocations"))


def test_an_act_is_in_tiles_picture_table_and_told(world: World) -> None:
    grant = world.grant()
    world.portal.tokens.issue(world.actor(world.member), label="notebook", grant_id=grant.id, purpose="misuse-analysis")
    world.portal.grants.revoke(world.actor(world.coordinator), grant.id, reason="a breach")
    assert world.portal.watch.settled(30)
    app = world.screen(world.coordinator, "revocations")
    words = said(app)
    assert "Grant revoked" in words
    assert "Refused everywhere" in words
    assert [metric.label for metric in app.metric] == [
        "Click to first refusal, median",
        "Click to durable, median",
        "Runs stopped under way",
    ]
    (frame,) = (one.value for one in app.dataframe)
    assert list(frame["About"]) == [grant.label]
    assert list(frame["Id"]) == [grant.id]
    assert list(frame["Asked again"]) == [2], "one of its people, and the token"


def test_a_grant_that_was_revoked_says_how_fast_it_was_gone(world: World) -> None:
    grant = world.grant()
    world.portal.grants.revoke(world.actor(world.coordinator), grant.id, reason="a breach")
    for person in (world.coordinator, world.lead):
        assert "ms after the click; 0 runs stopped." in said(world.screen(person, "grants", grant=grant.id))


def test_the_playground_shows_what_had_come_and_why_it_stopped(world: World) -> None:
    grant = world.grant()

    revoker = world.actor(world.coordinator)
    world.pool.meanwhile = lambda: world.portal.grants.revoke(revoker, grant.id, reason="a breach of the terms")
    app = world.screen(world.lead, "playground", checkpoint="ladder-l")
    app.text_area(key="play_prompt").set_value("Once upon a time").run()
    click(app, "play_run")
    words = said(app)
    assert " the" in words
    assert " the sea" not in words
    assert "because access was withdrawn while it ran" in words
    assert "a breach of the terms" in words
    run, _terms = world.newest_run(world.lead)
    assert run.failure_reason == "grant_revoked"
    shown = said(world.screen(world.lead, "runs", run=run.terms.run_id if run.terms else ""))
    assert "Stopped between two tokens" in shown
    assert "grant_revoked" in shown
    assert "stopped: access withdrawn" in said(world.screen(world.lead, "runs"))
