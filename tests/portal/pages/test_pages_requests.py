"""Access requests on screen: written and saved as it is typed, decided beside the agreement, answered."""

from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from agreements.access_requests import Draft, RequestStatus
from agreements.actors import LAB, Role
from agreements.people import Person
from agreements.scopes import Scope
from portal.services.request_views import RequestView
from tests.portal.pages.pages_world import World, click, existing, said

REASON = "Half of it is enough for a first look."
USE = "Scores of minimal pairs, published with the code."


def bounds(world: World) -> tuple[str, Scope]:
    """A new agreement in force, and what it allows."""
    agreement = world.agreement()
    return agreement.id, world.portal.grants.bounds(world.actor(world.coordinator), agreement.id)


def submitted(world: World, **changes: Any) -> RequestView:
    """A request of the member's for the family, before the lab."""
    agreement_id, scope = bounds(world)
    fields: dict[str, Any] = {
        "title": "Bias study",
        "agreement_id": agreement_id,
        "intended_use": USE,
        "checkpoints": frozenset({"ladder/*"}),
        "operations": scope.operations,
        "purposes": scope.purposes,
        "token_budget": 1_000,
        "requests_per_minute": 10,
        "expires_at": scope.expires_at - timedelta(days=30),
    }
    member = world.actor(world.member)
    view = world.portal.access_requests.open(member, content=Draft(**{**fields, **changes}))
    return world.portal.access_requests.submit(member, view.request.id)


def offered(world: World) -> RequestView:
    view = submitted(world)
    scope = existing(view.terms).scope.model_copy(update={"token_budget": 500})
    return world.portal.access_requests.offer(
        world.actor(world.coordinator), view.request.id, scope=scope, reason=REASON
    )


def second_coordinator(world: World) -> Person:
    return world.portal.people.register(
        world.actor(world.coordinator),
        name="Fay Second",
        email="fay@lab.example",
        memberships=[(LAB, Role.COORDINATOR)],
    )


def now_stands(world: World, view: RequestView) -> RequestView:
    return world.portal.access_requests.get(world.actor(world.lead), view.request.id)


def fill(app: AppTest, form: str, agreement_id: str) -> None:
    """Everything that has to be said, field by field, each of which is a run."""
    scoped = f"{form}.{agreement_id}"
    app.text_area(key=f"{form}.use").set_value(USE).run()
    app.multiselect(key=f"{scoped}.checkpoints").set_value(["ladder/*"]).run()
    app.multiselect(key=f"{scoped}.operations").set_value(["score"]).run()
    app.multiselect(key=f"{scoped}.purposes").set_value(["bias-analysis"]).run()
    app.number_input(key=f"{scoped}.budget").set_value(1_000).run()
    app.number_input(key=f"{scoped}.rate").set_value(10).run()
    app.date_input(key=f"{scoped}.ends").set_value(world_day(app, scoped)).run()
    assert not app.exception


def world_day(app: AppTest, scoped: str) -> Any:
    return app.date_input(key=f"{scoped}.ends").min + timedelta(days=30)


def test_a_draft_is_saved_with_each_field_and_is_there_after_a_reload(world: World) -> None:
    agreement_id, _scope = bounds(world)
    app = world.screen(world.member, "requests")
    click(app, "request.open:northfield.act")
    request_id = app.query_params["request"]
    request_id = request_id[0] if isinstance(request_id, list) else request_id
    form = f"request.draft:{request_id}"
    assert "say what it is called" in said(app)
    app.text_input(key=f"{form}.title").set_value("Bias study").run()
    app = world.screen(world.member, "requests", request=request_id)
    assert app.text_input(key=f"{form}.title").value == "Bias study"
    assert app.selectbox(key=f"{form}.agreement").value == agreement_id
    fill(app, form, agreement_id)
    stored = world.portal.access_requests.get(world.actor(world.member), request_id).request.draft
    assert (stored.gaps(), stored.token_budget, stored.intended_use) == ((), 1_000, USE)
    click(app, f"request.submit:{request_id}.act")
    words = said(app)
    assert "Cora Meridian" in words
    assert "decides until" in words
    assert world.portal.access_requests.get(world.actor(world.lead), request_id).status is RequestStatus.SUBMITTED


def test_a_click_on_submit_takes_what_was_typed_last(world: World) -> None:
    agreement_id, _scope = bounds(world)
    app = world.screen(world.member, "requests")
    click(app, "request.open:northfield.act")
    request_id = str(app.query_params["request"]).strip("[]'")
    form = f"request.draft:{request_id}"
    fill(app, form, agreement_id)
    app.text_input(key=f"{form}.title").set_value("Typed at last")
    click(app, f"request.submit:{request_id}.act")
    assert existing(now_stands_of(world, request_id).request.asked).title == "Typed at last"


def now_stands_of(world: World, request_id: str) -> RequestView:
    return world.portal.access_requests.get(world.actor(world.lead), request_id)


def test_what_is_missing_keeps_a_draft_from_being_submitted(world: World) -> None:
    app = world.screen(world.member, "requests")
    assert "none yet" in said(app)
    click(app, "request.open:northfield.act")
    request_id = str(app.query_params["request"]).strip("[]'")
    assert "no agreement is named" in said(app)
    click(app, f"request.submit:{request_id}.act")
    assert "incomplete_request" in said(app)


def test_a_draft_of_somebody_else_is_not_there(world: World) -> None:
    view = world.portal.access_requests.open(world.actor(world.member), content=Draft(title="Mine alone"))
    for person in (world.lead, world.coordinator, world.rival):
        app = world.screen(person, "requests", request=view.request.id)
        assert "access_request_not_found" in said(app)
        assert "Mine alone" not in said(app)
    app = world.screen(world.member, "requests", show="drafts")
    assert "Mine alone" in said(app)
    click(app, f"go:{view.request.id}:request={view.request.id}")
    click(app, f"request.discard:{view.request.id}.open")
    click(app, f"request.discard:{view.request.id}.confirm")
    own = world.portal.access_requests.get(world.actor(world.member), view.request.id)
    assert own.status is RequestStatus.WITHDRAWN


def test_the_coordinator_sees_it_beside_the_agreement_and_approves(world: World) -> None:
    view = submitted(world)
    home = world.screen(world.coordinator)
    assert "asks for access" in said(home)
    app = world.screen(world.coordinator, "requests")
    assert "Bias study" in said(app)
    app = world.screen(world.coordinator, "requests", request=view.request.id)
    shown = "\n".join(str(table.value) for table in app.table)
    assert "Tokens in all" in shown
    assert "within" in shown
    click(app, f"request.approve:{view.request.id}.open")
    assert "A grant is issued at once" in said(app)
    click(app, f"request.approve:{view.request.id}.confirm")
    granted = existing(now_stands(world, view).request.granted)
    assert granted.grant_id
    assert "Access is open until" in said(app)


def test_high_risk_shows_the_first_word_and_waits_for_the_second(world: World) -> None:
    fay = second_coordinator(world)
    view = submitted(world, checkpoints=frozenset({"ladder-l"}))
    app = world.screen(world.coordinator, "requests", request=view.request.id)
    assert "ladder\\-l is withheld" in said(app)
    click(app, f"request.approve:{view.request.id}.open")
    assert "another coordinator has to agree" in said(app)
    click(app, f"request.approve:{view.request.id}.confirm")
    assert now_stands(world, view).status is RequestStatus.SUBMITTED
    assert "You agreed" in said(app)
    assert f"request.approve:{view.request.id}.open" not in [button.key for button in app.button]
    app = world.screen(fay, "requests", request=view.request.id)
    click(app, f"request.approve:{view.request.id}.open")
    click(app, f"request.approve:{view.request.id}.confirm")
    assert now_stands(world, view).status is RequestStatus.APPROVED


def test_an_alternative_begins_with_what_lies_within_and_is_offered_with_a_reason(world: World) -> None:
    view = submitted(world, token_budget=10**11)
    app = world.screen(world.coordinator, "requests", request=view.request.id)
    assert "beyond" in "\n".join(str(table.value) for table in app.table)
    form = f"request.offer:{view.request.id}:0"
    allowed = world.portal.grants.bounds(world.actor(world.coordinator), view.request.draft.agreement_id)
    assert app.number_input(key=f"{form}.budget").value == allowed.token_budget
    click(app, f"{form}.submit")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value(REASON)
    click(app, f"{form}.submit")
    after = now_stands(world, view)
    assert (after.status, existing(after.request.offer).text) == (RequestStatus.AMENDED, REASON)


@pytest.mark.parametrize("who", ["member", "lead"])
def test_an_alternative_is_accepted(world: World, who: str) -> None:
    view, person = offered(world), getattr(world, who)
    assert "offers an alternative" in said(world.screen(person))
    app = world.screen(person, "requests", request=view.request.id)
    (shown,) = (str(table.value) for table in app.table if "offered" in table.value.columns)
    assert "Tokens in all" in shown
    assert ":orange[:material/compress: less]" in shown
    form = f"request.accept:{view.request.id}:1"
    click(app, f"{form}.open")
    click(app, f"{form}.confirm")
    assert now_stands(world, view).status is RequestStatus.APPROVED


def test_an_alternative_is_declined_with_a_reason(world: World) -> None:
    view = offered(world)
    app = world.screen(world.member, "requests", request=view.request.id)
    form = f"request.decline:{view.request.id}:1"
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("It takes more than that.")
    click(app, f"{form}.confirm")
    assert now_stands(world, view).status is RequestStatus.SUBMITTED
    assert "It takes more than that" in said(app)


def test_a_refusal_needs_its_reason_and_the_partner_asks_again(world: World) -> None:
    view = submitted(world)
    app = world.screen(world.coordinator, "requests", request=view.request.id)
    form = f"request.refuse:{view.request.id}"
    click(app, f"{form}.open")
    click(app, f"{form}.confirm")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value("Another grant covers this use already.")
    click(app, f"{form}.confirm")
    assert now_stands(world, view).status is RequestStatus.REFUSED
    app = world.screen(world.member, "requests", request=view.request.id)
    assert "Another grant covers this use" in said(app)
    click(app, f"request.copy:{view.request.id}.act")
    copies = [one for one in world.portal.access_requests.list(world.actor(world.member)) if one.request.copied_from]
    assert [one.request.draft.title for one in copies] == ["Bias study"]


def test_a_request_is_withdrawn_after_its_consequence_is_named(world: World) -> None:
    view = submitted(world)
    app = world.screen(world.lead, "requests", request=view.request.id)
    form = f"request.withdraw:{view.request.id}"
    click(app, f"{form}.open")
    assert "no longer decides" in said(app)
    click(app, f"{form}.confirm")
    assert now_stands(world, view).status is RequestStatus.WITHDRAWN


def test_the_list_is_filtered_in_the_address(world: World) -> None:
    submitted(world, title="Open one")
    other = submitted(world, title="Refused one")
    world.portal.access_requests.refuse(world.actor(world.coordinator), other.request.id, reason=REASON)
    open_ones, decided = (
        said(world.screen(world.coordinator, "requests", **query)) for query in ({}, {"show": "decided"})
    )
    assert ("Open one" in open_ones, "Refused one" in open_ones) == (True, False)
    assert ("Open one" in decided, "Refused one" in decided) == (False, True)


def test_nobody_without_a_part_in_it_has_the_screen(world: World) -> None:
    for person in (world.observer, world.researcher):
        with pytest.raises(ValueError, match="requests"):
            world.screen(person, "requests")
