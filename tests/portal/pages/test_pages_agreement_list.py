"""The list of agreements: filters in the address, counts, whose turn it is, and starting a draft from any template."""

import pytest

from agreements.clauses import Form
from agreements.people import Person
from portal.pages import agreement_list
from tests.portal.pages.life_world import let_pass
from tests.portal.pages.pages_world import World, click, existing, said


def shown(world: World, person: Person, **query: str) -> set[str]:
    app = world.screen(person, "agreements", **query)
    assert not app.exception
    keys = [str(button.key) for button in app.button]
    return {key.split(":")[1] for key in keys if key.startswith("go:agr_")}


def test_filters_in_the_address_narrow_the_list(world: World) -> None:
    draft, offered = world.agreement(until="draft"), world.agreement(until="offered")
    running, foreign = world.agreement(), world.agreement(institution="open-press")
    everything = {draft.id, offered.id, running.id, foreign.id}
    lab = world.coordinator
    assert shown(world, lab) == everything
    assert shown(world, lab, status="offered") == {offered.id}
    assert shown(world, lab, status="in_force", institution="northfield") == {running.id}
    assert shown(world, lab, mine="yes") == {draft.id}
    assert shown(world, world.lead, mine="yes") == {offered.id}
    assert shown(world, lab, form="framework") == set()
    assert shown(world, lab, title="ACCESS software") == everything
    assert shown(world, lab, title="nowhere") == set()
    for name in ("status", "institution", "form", "template", "page", "mine"):
        assert shown(world, lab, **{name: "?! no such thing"}) == everything


def test_a_filter_goes_into_the_address_and_out_again(world: World) -> None:
    world.agreement(until="offered")
    draft = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", page="7")
    click(app, "agreements.filter.status:draft")
    assert app.query_params["status"] == "draft"
    assert "page" not in app.query_params
    assert "1 agreement of 2" in said(app)
    app.text_input(key="agreements.filter.title").set_value("nothing like it").run()
    assert "No agreement fits these filters" in said(app)
    click(app, "agreements.all")
    assert not app.query_params
    assert "2 agreements" in said(app)
    assert draft.id in {str(button.key).split(":")[1] for button in app.button if "agr_" in str(button.key)}


def test_each_line_says_whose_turn_it_is_and_how_much_of_the_term_is_over(world: World) -> None:
    world.agreement(until="offered")
    world.agreement()
    let_pass(world, 90)
    app = world.screen(world.coordinator, "agreements")
    assert "Awaits **Northfield University**'s signature." in said(app)
    assert "50% of it has passed" in app.get("progress")[0].proto.text
    let_pass(world, 85)
    assert "either side can propose a renewal" in said(world.screen(world.lead, "agreements"))
    let_pass(world, 30)
    assert "the lab closes the books" in said(world.screen(world.coordinator, "agreements"))


def test_long_lists_are_turned_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement_list, "PAGE", 2)
    made = [world.agreement(until="draft").id for _ in range(5)]
    assert shown(world, world.coordinator) == set(made[3:])
    assert shown(world, world.coordinator, page="3") == {made[0]}
    assert shown(world, world.coordinator, page="99") == {made[0]}


@pytest.mark.parametrize("role", ["lead", "member"])
def test_a_partner_is_offered_no_draft(world: World, role: str) -> None:
    world.agreement(until="draft")
    app = world.screen(getattr(world, role), "agreements")
    assert "has not offered your institution an agreement yet" in said(app)
    assert not app.selectbox


def test_a_schedule_asks_for_a_framework_in_force(world: World) -> None:
    app = world.screen(world.coordinator, "agreements")
    app.selectbox(key="draft_institution").set_value("northfield")
    app.selectbox(key="draft_template").set_value("model-schedule").run()
    assert "A schedule belongs to a framework in force, and there is none" in said(app)
    assert not [button for button in app.button if str(button.key) == "agreement.draft.act"]
    framework = _framework(world)
    app.run()
    assert app.selectbox(key="draft_framework").value == framework
    click(app, "agreement.draft.act")
    (schedule,) = [
        one for one in world.portal.agreements.list(world.actor(world.coordinator)) if one.form is Form.SCHEDULE
    ]
    assert existing(schedule.framework).agreement_id == framework
    assert "Under the framework" in "".join(button.label for button in app.button)


def _framework(world: World) -> str:
    lab, lead, agreements = world.actor(world.coordinator), world.actor(world.lead), world.portal.agreements
    clauses = [
        clause.model_dump(mode="json")
        for clause in world.portal.templates.get("framework").clauses
        if clause.kind != "vetting"
    ]
    drafted = agreements.draft(lab, institution_id="northfield", template_id="framework", clauses=clauses)
    digest = agreements.offer(lab, drafted.id).document_digest or ""
    for signer in (lead, lab):
        agreements.sign(signer, drafted.id, typed_name=signer.name, document_digest=digest)
    return drafted.id
