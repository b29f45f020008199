"""The tree of grants on screen: delegated, previewed, changed and looked through, by each role."""

import pytest
from streamlit.testing.v1 import AppTest

from agreements.actors import Role
from agreements.grants import Grant, GrantStatus, Holder, HolderKind
from agreements.limits import Hours, Period, PeriodBudget, Sampling
from agreements.people import Person
from agreements.precision import Precision
from tests.portal.pages.pages_world import World, click, existing, said


def delegated(world: World, parent: Grant, to: Person, **narrower: object) -> Grant:
    """A grant delegated by the lead."""
    return world.portal.grants.delegate(
        world.actor(world.lead),
        parent.id,
        holder=Holder(kind=HolderKind.PERSON, id=to.id),
        label="A part of it",
        scope=existing(parent.scope).model_copy(update=narrower),
    )


def test_a_lead_delegates_within_the_bounds_shown(world: World) -> None:
    root = world.grant()
    app = world.screen(world.lead, "grants", grant=root.id)
    form = f"grant.delegate:{root.id}"
    assert "2,000,000" in app.number_input(key=f"{form}.budget").label
    app.selectbox(key=f"{form}.holder").set_value(world.member.id)
    app.text_input(key=f"{form}.label").set_value("For the member")
    app.number_input(key=f"{form}.budget").set_value(9_000_000)
    click(app, f"{form}.submit")
    assert "beyond_parent" in said(app)
    app.number_input(key=f"{form}.budget").set_value(500)
    app.number_input(key=f"{form}.day_requests").set_value(7)
    app.number_input(key=f"{form}.at_once").set_value(2)
    click(app, f"{form}.submit")
    (below,) = world.portal.grants.below(world.actor(world.lead), root.id)
    scope = existing(below.grant.scope)
    assert (below.grant.holder.id, scope.token_budget, scope.concurrency) == (world.member.id, 500, 2)
    assert scope.periods == (PeriodBudget(period=Period.DAY, requests=7),)
    assert any(below.holder_name in button.label for button in app.main.button)


def test_every_finer_limit_is_delegated_beside_what_is_above_and_marked_where_it_goes_beyond(world: World) -> None:
    root = world.grant(
        periods=(PeriodBudget(period=Period.DAY, tokens=500), PeriodBudget(period=Period.MONTH, requests=90)),
        sampling=Sampling(max_tokens=64, top_logprobs=0),
        hours=Hours(opens="08:00", closes="18:00", zone="Europe/Zurich"),
        holder_bound=True,
        output_budget=800,
        precisions=frozenset({Precision.FLOAT32, Precision.INT8}),
    )
    app = world.screen(world.lead, "grants", grant=root.id)
    form = f"grant.delegate:{root.id}"
    assert "this grant allows 500" in app.number_input(key=f"{form}.day_tokens").label
    assert "this grant sets no limit" in app.number_input(key=f"{form}.week_tokens").label
    assert app.number_input(key=f"{form}.top_logprobs").value == 0
    assert app.selectbox(key=f"{form}.zone").disabled
    assert app.checkbox(key=f"{form}.bound").disabled
    assert app.checkbox(key=f"{form}.bias").disabled
    assert "this grant does not allow it" in app.checkbox(key=f"{form}.bias").label
    assert app.multiselect(key=f"{form}.precisions").value == ["float32", "int8"]
    app.selectbox(key=f"{form}.holder").set_value(world.member.id)
    app.text_input(key=f"{form}.label").set_value("For the member")
    app.number_input(key=f"{form}.day_tokens").set_value(501)
    app.number_input(key=f"{form}.top_logprobs").set_value(1)
    app.text_input(key=f"{form}.opens").set_value("07:00")
    click(app, f"{form}.submit")
    words = said(app)
    assert "beyond_parent" in words
    marked = [str(one.value) for one in app.markdown if str(one.value).startswith(":red[:material/error:")]
    assert len(marked) == 3
    for mark in ("501 is more than 500", "1 is more than 0", "does not lie within"):
        assert any(mark in one for one in marked), mark
    app.number_input(key=f"{form}.day_tokens").set_value(None)
    app.number_input(key=f"{form}.week_tokens").set_value(900)
    app.number_input(key=f"{form}.top_logprobs").set_value(0)
    app.number_input(key=f"{form}.max_temperature").set_value(0.5)
    app.number_input(key=f"{form}.logprob_decimals").set_value(2)
    app.number_input(key=f"{form}.outputs").set_value(700)
    app.multiselect(key=f"{form}.precisions").set_value(["float32"])
    app.text_input(key=f"{form}.opens").set_value("09:00")
    app.multiselect(key=f"{form}.weekdays").set_value(["mon", "tue"])
    click(app, f"{form}.submit")
    (below,) = world.portal.grants.below(world.actor(world.lead), root.id)
    scope = existing(below.grant.scope)
    assert scope.periods == (
        PeriodBudget(period=Period.DAY, tokens=500),
        PeriodBudget(period=Period.WEEK, tokens=900),
        PeriodBudget(period=Period.MONTH, requests=90),
    )
    assert scope.sampling == Sampling(max_tokens=64, top_logprobs=0, max_temperature=0.5, logprob_decimals=2)
    assert (scope.output_budget, scope.precisions, scope.logit_bias) == (700, frozenset({Precision.FLOAT32}), False)
    assert str(scope.hours) == "Mon, Tue 09:00–18:00 Europe/Zurich"
    # The tree says the limits, and what is left of each period.
    words = said(app).replace("\\", "")
    assert "Mon, Tue 09:00–18:00 Europe/Zurich; computed in float32; tokens bound to a key" in words
    bars = " ".join(str(element.proto.text) for element in app.get("progress"))
    assert "This week: 900 of 900 tokens left" in bars


def test_what_would_become_of_those_below_is_seen_before_anything_is_done(world: World) -> None:
    root = world.grant()
    child = delegated(world, root, world.member)
    world.portal.tokens.issue(world.actor(world.member), label="notebook", grant_id=child.id)
    app = world.screen(world.coordinator, "grants", grant=root.id)
    app.radio(key=f"grant.imagined:{root.id}").set_value("revoke").run()
    words = said(app)
    assert "1 live access token would be refused" in words
    assert "ends" in badges(app)
    assert world.portal.grants.get(world.actor(world.coordinator), child.id).active
    app.radio(key=f"grant.imagined:{root.id}").set_value("suspend").run()
    assert "opens nothing until it is lifted" in said(app)
    # Who does not stand above it is asked nothing of the kind.
    member = world.screen(world.member, "grants", grant=root.id)
    assert not [radio for radio in member.radio if str(radio.key).startswith("grant.imagined")]


def badges(app: AppTest) -> str:
    """Every badge of the screen."""
    return " ".join(str(one.value) for one in app.markdown if "-badge[" in str(one.value))


def test_the_tree_of_all_grants_stands_each_below_its_parent(world: World) -> None:
    root = world.grant()
    middle = delegated(world, root, world.lead)
    child = delegated(world, middle, world.member, concurrency=1)
    app = world.screen(world.coordinator, "grants", view="tree")
    assert not app.exception
    ids = [button.label for button in app.main.button if str(button.label).startswith("grt_")]
    assert ids == [root.id, middle.id, child.id]
    assert "at most 1 run at once" in said(app).lower()
    assert [str(one.value) for one in app.markdown if "A part of it" in str(one.value)] == [
        "↳ **A part of it**",
        "↳ ↳ **A part of it**",
    ]


def test_a_member_sees_the_own_grant_and_no_way_to_change_it(world: World) -> None:
    child = delegated(world, world.grant(), world.member)
    app = world.screen(world.member, "grants", grant=child.id)
    keys = {button.key for button in app.main.button}
    assert f"grant.revoke:{child.id}.open" not in keys
    assert "A part of it" in said(app)


def test_a_researcher_sees_the_grant_they_hold_with_its_limits_and_none_of_others(world: World) -> None:
    root = world.grant()
    fellow = world.portal.people.register(
        world.actor(world.coordinator),
        name="Fay Fellow",
        email="fay@northfield.example",
        memberships=[(root.institution_id, Role.RESEARCHER)],
    )
    held, other = delegated(world, root, fellow, concurrency=2), delegated(world, root, world.member)
    app = world.screen(fellow, "grants", view="tree")
    ids = [button.label for button in app.main.button if str(button.label).startswith("grt_")]
    assert ids == [root.id, held.id]
    app = world.screen(fellow, "grants", grant=held.id)
    keys = {str(button.key) for button in app.main.button}
    assert f"grant.delegate:{held.id}.submit" in keys
    assert f"grant.revoke:{held.id}.open" not in keys
    assert "grant_not_found" in said(world.screen(fellow, "grants", grant=other.id))


def test_narrowing_previews_what_follows(world: World) -> None:
    root = world.grant()
    child = delegated(world, root, world.member)
    app = world.screen(world.coordinator, "grants", grant=root.id)
    form = f"grant.change:{root.id}"
    app.number_input(key=f"{form}.budget").set_value(400).run()
    click(app, f"grant.narrow:{root.id}.open")
    words = said(app)
    assert "is narrowed" in words
    assert "A part of it" in words
    app.text_area(key=f"grant.narrow:{root.id}.reason").set_value("A smaller study.")
    click(app, f"grant.narrow:{root.id}.confirm")
    lab = world.actor(world.coordinator)
    for grant_id in (root.id, child.id):
        assert existing(world.portal.grants.get(lab, grant_id).grant.scope).token_budget == 400
    app = world.screen(world.coordinator, "grants", grant=child.id)
    assert "because of" in said(app)
    app = world.screen(world.coordinator, "grants", grant=root.id)
    app.number_input(key=f"{form}.budget").set_value(900).run()
    click(app, f"grant.extend:{root.id}.open")
    app.text_area(key=f"grant.extend:{root.id}.reason").set_value("It went on.")
    click(app, f"grant.extend:{root.id}.confirm")
    assert existing(world.portal.grants.get(lab, root.id).grant.scope).token_budget == 900


def test_a_suspended_grant_is_lifted_by_who_suspended_it(world: World) -> None:
    root = world.grant()
    child = delegated(world, root, world.member)
    app = world.screen(world.lead, "grants", grant=child.id)
    click(app, f"grant.suspend:{child.id}.open")
    app.text_area(key=f"grant.suspend:{child.id}.reason").set_value("Looked into.")
    click(app, f"grant.suspend:{child.id}.confirm")
    lab = world.actor(world.coordinator)
    assert world.portal.grants.get(lab, child.id).grant.status is GrantStatus.SUSPENDED
    assert "suspended" in said(app)
    click(app, f"grant.lift:{child.id}.open")
    app.text_area(key=f"grant.lift:{child.id}.reason").set_value("All is well.")
    click(app, f"grant.lift:{child.id}.confirm")
    assert world.portal.grants.get(lab, child.id).active


def test_what_a_lead_suspended_the_lab_suspends_over_it_and_the_lead_no_longer_lifts(world: World) -> None:
    root = world.grant()
    child = delegated(world, root, world.member)
    world.portal.grants.suspend(world.actor(world.lead), child.id, reason="Looked into.")
    app = world.screen(world.coordinator, "grants", grant=child.id)
    click(app, f"grant.suspend:{child.id}.open")
    assert "is suspended already, from below you" in said(app)
    app.text_area(key=f"grant.suspend:{child.id}.reason").set_value("We look into it ourselves.")
    click(app, f"grant.suspend:{child.id}.confirm")
    assert f"grant.suspend:{child.id}.open" not in {button.key for button in app.button}
    lead = world.screen(world.lead, "grants", grant=child.id)
    assert "Who suspended it stands above you" in said(lead)
    assert f"grant.lift:{child.id}.open" not in {button.key for button in lead.button}


def test_a_lead_revokes_what_is_below_and_sees_what_ends(world: World) -> None:
    root = world.grant()
    middle = delegated(world, root, world.lead)
    child = delegated(world, middle, world.member)
    app = world.screen(world.lead, "grants", grant=middle.id)
    click(app, f"grant.revoke:{middle.id}.open")
    assert "ends" in said(app)
    app.text_area(key=f"grant.revoke:{middle.id}.reason").set_value("The study is over.")
    click(app, f"grant.revoke:{middle.id}.confirm")
    ended = world.portal.grants.get(world.actor(world.lead), child.id).grant
    assert ended.status is GrantStatus.REVOKED


@pytest.mark.parametrize("view", ["table", "cards"])
def test_the_list_is_filtered_by_its_address(world: World, view: str) -> None:
    root = world.grant()
    delegated(world, root, world.member)
    app = world.screen(world.coordinator, "grants", view=view, holder=world.member.id)
    if view == "table":
        assert list(app.dataframe[0].value["Label"]) == ["A part of it"]
    else:
        assert "A part of it" in said(app)
    assert "No grant is like that" in said(world.screen(world.coordinator, "grants", level="AL3"))


def test_a_grant_whose_holder_left_is_pointed_out(world: World) -> None:
    child = delegated(world, world.grant(), world.member)
    world.portal.people.deactivate(world.actor(world.coordinator), world.member.id, reason="left")
    app = world.screen(world.coordinator, "grants")
    assert "may not use the portal any more" in said(app)
    assert child.id in [button.label for button in app.main.button]


def test_a_grant_to_look_at_stands_above_its_own_card(world: World) -> None:
    grant = world.grant()
    world.portal.agreements.suspend(
        world.actor(world.coordinator), grant.agreement_id, reason="suspected_misuse", statement="Prompts for exploits."
    )
    for person in (world.coordinator, world.lead):
        app = world.screen(person, "grants")
        assert not app.exception
        assert "1 to look at" in [expander.label for expander in app.expander]
        assert grant.id in [button.label for button in app.button]
        assert grant.label in [button.label for button in app.button]
