"""A tab left open while others moved on: its buttons do nothing, and it says why."""

from agreements.agreement import VersionStatus
from tests.portal.pages.life_world import terms
from tests.portal.pages.pages_world import World, click, said


def test_a_text_that_was_overtaken_is_not_signed_by_a_tab_that_still_shows_it(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = world.screen(world.lead, "agreements", agreement=agreement.id, part="sign")
    form = f"agreement.sign:{agreement.id}"
    app.checkbox(key=f"{form}.read").check()
    app.text_input(key=f"{form}.name").set_value(world.actor(world.lead).name)
    world.portal.agreements.counter(
        world.actor(world.lead),
        agreement.id,
        title=agreement.title,
        clauses=terms({"feedback": {"every_weeks": 8}}),
        note="",
    )
    click(app, f"{form}.submit")
    assert "Refusal code" in said(app)
    overtaken = world.portal.agreements.get(world.actor(world.lead), agreement.id).version(1)
    assert (overtaken.status, overtaken.signatures) == (VersionStatus.SUPERSEDED, ())
    app.run()
    assert "Refusal code" not in said(app)
