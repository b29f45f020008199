"""The screen that says why: for everyone, from the address and back into it."""

from datetime import timedelta

from agreements.limits import Sampling
from tests.portal.pages.pages_world import World


def words(app: object) -> str:
    """All that the screen says."""
    kinds = ("markdown", "success", "error", "caption", "info", "header", "code")
    return "\n".join(str(one.value) for kind in kinds for one in getattr(app, kind))


def test_a_member_reads_that_they_may_and_on_what_it_rests(world: World) -> None:
    grant = world.grant()
    app = world.screen(world.member, "explain", checkpoint="ladder-l", purpose="misuse-analysis")
    assert not app.exception
    assert "You may use generate on ladder\\-l" in app.success[0].value
    assert "The tightest limit is" in app.success[0].value
    said = words(app)
    assert "The agreement is in force" in said
    assert "What is left" in said
    assert grant.id in app.success[0].value.replace("\\", "")
    assert "GET /api/access/explain?checkpoint=ladder-l" in said
    assert [one for one in app.radio if one.label == "Who"] == []


def test_whoever_has_no_grant_reads_why_and_what_would_change_it(world: World) -> None:
    world.grant()
    app = world.screen(world.observer, "explain", checkpoint="ladder-l", purpose="misuse-analysis")
    assert app.success
    app = world.screen(world.researcher, "explain", checkpoint="ladder-l")
    assert not app.exception
    assert "no\\_grant" not in app.error[0].value
    assert "you hold no grant" in app.error[0].value
    assert "What would change this" in words(app)


def test_the_lab_reads_that_no_limit_applies(world: World) -> None:
    assert "No limit applies." in words(world.screen(world.coordinator, "explain", checkpoint="ladder-l"))


def test_a_lead_asks_about_somebody_of_the_institution_only(world: World) -> None:
    world.grant()
    app = world.screen(
        world.lead, "explain", checkpoint="ladder-l", purpose="misuse-analysis", who="person", person=world.member.id
    )
    assert not app.exception
    assert "Ben Okoro may use" in app.success[0].value
    people = next(one for one in app.selectbox if one.label == "Person or program")
    assert not any("Rita" in option for option in people.options)
    foreign = world.screen(world.lead, "explain", checkpoint="ladder-l", who="person", person=world.rival.id)
    assert not foreign.exception
    assert "Rita" not in words(foreign)


def test_choices_stand_in_the_address(world: World) -> None:
    world.grant()
    app = world.screen(world.coordinator, "explain", checkpoint="ladder-l")
    app.radio[0].set_value("invented").run()
    institution = next(one for one in app.selectbox if one.label == "Institution")
    institution.set_value("open-press").run()
    assert not app.exception
    assert app.query_params["who"] == "invented"
    assert app.query_params["institution"] == "open-press"
    assert "may not use generate on ladder\\-l" in app.error[0].value
    operations = app.multiselect[0]
    operations.set_value(["generate", "score"]).run()
    assert app.query_params["operation"] == "generate,score"
    at = world.portal.kernel.clock() + timedelta(days=3)
    later = world.screen(world.coordinator, "explain", checkpoint="ladder-xs", at=f"{at:%Y-%m-%dT%H:%M}Z", area="read")
    assert not later.exception
    assert f"{at:%Y-%m-%d}" in later.error[0].value.replace("\\", "")
    assert "insufficient_scope" in later.caption[0].value + words(later)


def test_a_request_that_samples_beyond_the_grant_is_told_so(world: World) -> None:
    world.grant(sampling=Sampling(choices=2, max_temperature=0.7))
    asked = {"checkpoint": "ladder-l", "purpose": "misuse-analysis"}
    within = world.screen(world.member, "explain", **asked, choices="2", temperature="0.7", top_logprobs="0")
    assert within.success
    assert "choices=2&" in words(within)
    for beyond in ({"choices": "3"}, {"temperature": "0.75"}):
        assert world.screen(world.member, "explain", **asked, **beyond).error
    typed = next(one for one in within.number_input if one.label == "Temperature")
    assert typed.set_value(0.9).run().error


def test_the_playground_asks_why_with_the_request_as_it_stands(world: World) -> None:
    world.grant(sampling=Sampling(choices=2))
    app = world.screen(world.lead, "playground", checkpoint="ladder-l", n="4")
    app.text_area(key="play_prompt").set_value("Once upon a time").run()
    (link,) = (str(one.proto) for one in app.get("page_link") if "choices" in str(one.proto))
    assert all(said in link for said in ("choices=4", "temperature=", "top_logprobs=0"))


def test_nonsense_in_the_address_is_no_harm(world: World) -> None:
    app = world.screen(
        world.member, "explain", checkpoint="no-such", operation="fly", at="yesterday", who="invented",
        max_tokens="-4", choices="0", temperature="nan", top_logprobs="21",
        grant="grt_x", key="maybe", only="x", area="y", person="per_x",
    )  # fmt: skip
    assert not app.exception
    assert app.success or app.error


def test_other_screens_lead_here(world: World) -> None:
    grant = world.grant()
    for person, screen, query in (
        (world.member, "checkpoints", {}),
        (world.member, "grants", {"grant": grant.id}),
        (world.coordinator, "grants", {"grant": grant.id}),
        (world.researcher, "playground", {"checkpoint": "ladder-l"}),
    ):
        app = world.screen(person, screen, **query)
        assert not app.exception
        links = [element for element in app.get("page_link") if "explain" in str(element.proto.page)]
        assert links, screen
