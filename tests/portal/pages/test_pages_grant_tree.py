"""The tree of grants on screen: delegated, previewed, changed and looked through, by each role."""

import pytest

from agreements.grants import Grant, GrantStatus, Holder, HolderKind
from agreements.limits import Period, PeriodBudget
from agreements.people import Person
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


def test_a_member_sees_the_own_grant_and_no_way_to_change_it(world: World) -> None:
    child = delegated(world, world.grant(), world.member)
    app = world.screen(world.member, "grants", grant=child.id)
    keys = {button.key for button in app.main.button}
    assert f"grant.revoke:{child.id}.open" not in keys
    assert "A part of it" in said(app)


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
