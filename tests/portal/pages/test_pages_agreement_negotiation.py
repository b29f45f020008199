"""A text between two sides on screen: answers, comments, amendments and renewals, and every kind of clause edited."""

from html import escape
from typing import Any, get_args

import pytest
from streamlit.testing.v1 import AppTest

from agreements.agreement import Agreement, AgreementStatus, Change, VersionStatus
from agreements.clauses import Clause, NamedUsers, PermittedUses, Term, UsageLimits, clause_kinds, only, parse_clauses
from agreements.clauses.base import WORDS
from agreements.limits import Hours, Sampling
from agreements.standard_terms import template
from portal.pages.clause_fields import blank, specs_of
from tests.agreements.silent import HIDDEN, silent_terms
from tests.portal.pages.life_world import in_force, let_pass
from tests.portal.pages.pages_world import World, click, existing, said


def now_of(world: World, agreement: Agreement) -> Agreement:
    return world.portal.agreements.get(world.actor(world.coordinator), agreement.id)


def writing(world: World, agreement: Agreement, wanted: str = "counter", who: str = "lead") -> AppTest:
    return world.screen(getattr(world, who), "agreements", agreement=agreement.id, edit=wanted)


def html(app: AppTest) -> str:
    return "\n".join(str(element.proto.body) for element in app.get("html"))


def test_the_institution_answers_and_the_lab_accepts_its_text(world: World) -> None:
    agreement = world.agreement(until="offered")
    ours = world.screen(world.lead, "agreements", agreement=agreement.id)
    click(ours, f"agreement.write:counter:{agreement.id}")
    assert ours.query_params["edit"] == "counter"
    form = f"agreement.counter:{agreement.id}:1"
    ours.number_input(key=f"{form}.term.days").set_value(365).run()
    assert "What you changed: 1 clause" in [box.label for box in ours.expander]
    ours.text_area(key=f"{form}.note").set_value("A fellowship lasts a year.")
    click(ours, f"{form}.act")
    assert "edit" not in ours.query_params
    tabled = existing(now_of(world, agreement).proposal)
    assert (tabled.number, tabled.status, existing(only(tabled.clauses, Term)).days) == (
        2,
        VersionStatus.COUNTERED,
        365,
    )
    lab = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    assert "A fellowship lasts a year" in said(lab)
    assert "365</ins>" in html(lab)
    assert "180</del>" in html(lab)
    click(lab, f"agreement.accept:{agreement.id}:2.open")
    assert "word for word" in said(lab)
    click(lab, f"agreement.accept:{agreement.id}:2.confirm")
    assert existing(now_of(world, agreement).proposal).status is VersionStatus.OFFERED
    ours = world.screen(world.lead, "agreements", agreement=agreement.id)
    assert "Sign for Northfield University" in [header.value for header in ours.header]


def test_an_answer_that_changes_nothing_is_refused_and_keeps_what_was_typed(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = writing(world, agreement)
    form = f"agreement.counter:{agreement.id}:1"
    app.text_area(key=f"{form}.note").set_value("Please think again.")
    click(app, f"{form}.act")
    assert "nothing_changed" in said(app)
    assert app.text_area(key=f"{form}.note").value == "Please think again."
    assert existing(now_of(world, agreement).proposal).number == 1


def test_a_clause_that_does_not_hold_is_named_and_nothing_typed_is_lost(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = writing(world, agreement)
    form = f"agreement.counter:{agreement.id}:1"
    app.number_input(key=f"{form}.usage-limits.token_budget").set_value(777)
    app.text_area(key=f"{form}.term.text").set_value("It runs for {weeks} weeks.")
    click(app, f"{form}.act")
    words = said(app)
    assert "bad_clause" in words
    assert "**Term**" in words
    assert "weeks" in words
    assert app.number_input(key=f"{form}.usage-limits.token_budget").value == 777
    assert app.text_area(key=f"{form}.term.text").value == "It runs for {weeks} weeks."


def test_what_is_typed_outlives_a_look_at_another_part(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.edit:{agreement.id}"
    app.number_input(key=f"{form}.term.days").set_value(200).run()
    app.query_params["part"] = "timeline"
    app.run()
    assert not app.number_input
    app.query_params["part"] = "terms"
    app.run()
    assert app.number_input(key=f"{form}.term.days").value == 200
    assert "Not saved yet" in said(app)


def test_clauses_are_added_removed_put_back_and_moved(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.edit:{agreement.id}"
    before = [clause.clause_id for clause in agreement.clauses]
    click(app, f"{form}.liability.remove")
    click(app, f"{form}.feedback.remove")
    click(app, f"{form}.liability.back")
    click(app, f"{form}.term.up")
    app.selectbox(key=f"{form}.new_kind").set_value("named_users").run()
    click(app, f"{form}.add")
    click(app, f"{form}.act")
    assert "bad_clause" in said(app)
    app.text_input(key=f"{form}.named-users.users.0.name").set_value("Ben Okoro")
    app.text_input(key=f"{form}.named-users.users.0.email").set_value("ben@northfield.example")
    app.run()
    click(app, f"{form}.named-users.users.add")
    app.text_input(key=f"{form}.named-users.users.1.name").set_value("Ada Lovell")
    app.text_input(key=f"{form}.named-users.users.1.email").set_value("ada@northfield.example")
    click(app, f"{form}.act")
    saved = now_of(world, agreement).clauses
    users = existing(only(saved, NamedUsers)).users
    assert [user.name for user in users] == ["Ben Okoro", "Ada Lovell"]
    after = [clause.clause_id for clause in saved]
    assert set(after) == {*before, "named-users"} - {"feedback"}
    assert after.index("term") == before.index("term") - 2
    form += ".named-users.users.0.remove.1"
    click(app, form)
    click(app, f"agreement.edit:{agreement.id}.act")
    assert [user.name for user in existing(only(now_of(world, agreement).clauses, NamedUsers)).users] == ["Ada Lovell"]


def test_uses_are_listed_one_by_one_and_the_sets_follow(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.edit:{agreement.id}"
    click(app, f"{form}.permitted-uses.uses.add")
    path = f"{form}.permitted-uses.uses.0"
    app.text_input(key=f"{path}.use_id").set_value("bias-audit")
    app.text_input(key=f"{path}.title").set_value("Audit of bias")
    app.multiselect(key=f"{path}.checkpoints").set_value(["ladder-s"])
    app.multiselect(key=f"{path}.operations").set_value(["score"])
    app.number_input(key=f"{path}.token_budget").set_value(1000)
    click(app, f"{form}.act")
    uses = existing(only(now_of(world, agreement).clauses, PermittedUses))
    assert (set(uses.purposes), set(uses.checkpoints)) == ({"bias-audit"}, {"ladder-s"})
    assert existing(existing(uses.uses)[0].token_budget) == 1000


def test_finer_limits_of_usage_are_edited_and_left_out_again(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form, path = f"agreement.edit:{agreement.id}", f"agreement.edit:{agreement.id}.usage-limits"
    app.number_input(key=f"{path}.sampling.max_tokens").set_value(64)
    app.number_input(key=f"{path}.sampling.max_temperature").set_value(0.5)
    app.text_input(key=f"{path}.hours.opens").set_value("09:00")
    app.checkbox(key=f"{path}.holder_bound").set_value(True)
    app.number_input(key=f"{path}.concurrency").set_value(3)
    click(app, f"{form}.act")
    limits = existing(only(now_of(world, agreement).clauses, UsageLimits))
    assert limits.sampling == Sampling(max_tokens=64, max_temperature=0.5)
    assert limits.hours == Hours(opens="09:00")
    assert (limits.holder_bound, limits.concurrency, limits.periods) == (True, 3, None)


def test_a_draft_changed_by_somebody_else_meanwhile_is_pointed_out(world: World) -> None:
    agreement = world.agreement(until="draft")
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.edit:{agreement.id}"
    app.number_input(key=f"{form}.term.days").set_value(200).run()
    clauses = [clause.model_dump(mode="json") for clause in agreement.clauses if clause.kind != "feedback"]
    lab = world.actor(world.coordinator)
    world.portal.agreements.edit(lab, agreement.id, title="Another title", clauses=clauses)
    app.run()
    assert "changed by somebody else" in said(app)
    click(app, f"{form}.anew")
    assert "changed by somebody else" not in said(app)
    assert not [box for box in app.number_input if "feedback" in str(box.key)]


@pytest.mark.parametrize("kind", clause_kinds())
def test_every_kind_of_clause_has_a_widget_for_all_its_data(kind: str) -> None:
    (model,) = [one for one in get_args(get_args(Clause)[0]) if kind in get_args(one.model_fields["kind"].annotation)]
    specs = specs_of(kind)
    assert {spec.name for spec in specs} == set(model.model_fields) - WORDS
    assert all(blank(spec) is None for spec in specs if spec.optional)


def test_the_lab_declines_a_counter_offer_with_a_reason(world: World) -> None:
    agreement = world.agreement(until="offered")
    countered(world, agreement)
    app = world.screen(world.coordinator, "agreements", agreement=agreement.id)
    form = f"agreement.decline:{agreement.id}"
    click(app, f"{form}.open")
    assert "The negotiation ends" in said(app)
    app.text_area(key=f"{form}.reason").set_value("A year is too long.")
    click(app, f"{form}.confirm")
    assert now_of(world, agreement).status is AgreementStatus.DECLINED


def test_the_institution_takes_its_own_text_back(world: World) -> None:
    agreement = world.agreement(until="offered")
    countered(world, agreement)
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    assert not [button for button in app.button if str(button.key).startswith("agreement.decline")]
    form = f"agreement.withdraw:{agreement.id}"
    click(app, f"{form}.open")
    app.text_area(key=f"{form}.reason").set_value("We found another way.")
    click(app, f"{form}.confirm")
    assert now_of(world, agreement).status is AgreementStatus.WITHDRAWN


@pytest.mark.parametrize(("who", "wanted"), [("member", "counter"), ("coordinator", "counter"), ("lead", "amendment")])
def test_an_editor_is_drawn_only_for_whose_turn_it_is(world: World, who: str, wanted: str) -> None:
    agreement = world.agreement(until="offered")
    app = writing(world, agreement, wanted, who)
    assert not [box for box in app.number_input if "term.days" in str(box.key)]
    assert existing(agreement.document_digest) in said(app)


def test_comments_stand_with_the_clause_they_are_about(world: World) -> None:
    agreement = world.agreement(until="offered")
    app = world.screen(world.lead, "agreements", agreement=agreement.id, part="terms")
    form = f"agreement.comment:{agreement.id}:term"
    click(app, f"{form}.submit")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.text").set_value("Twelve months would **suit** us.")
    click(app, f"{form}.submit")
    lab = world.screen(world.coordinator, "agreements", agreement=agreement.id, part="comments")
    words = said(lab)
    assert "Twelve months would \\*\\*suit\\*\\* us" in words
    assert "On version 1" in [header.value for header in lab.header]
    member = world.screen(world.member, "agreements", agreement=agreement.id, part="comments")
    assert "Twelve months" in said(member)
    assert not member.text_area


def test_what_the_lab_remarks_on_its_draft_stays_with_the_lab(world: World) -> None:
    agreement = in_force(world)
    lab = world.actor(world.coordinator)
    world.portal.agreements.propose(lab, agreement.id, change=Change.AMENDMENT)
    world.portal.agreements.comment(lab, agreement.id, text="Shall we halve it?")
    ours = world.screen(world.lead, "agreements", agreement=agreement.id, part="comments")
    assert "Nobody has remarked" in said(ours)
    assert "halve" in said(world.screen(world.coordinator, "agreements", agreement=agreement.id, part="comments"))


def test_the_lab_drafts_an_amendment_and_the_partner_accepts_only_what_changed(world: World) -> None:
    grant = world.grant()
    agreement_id = grant.agreement_id
    app = world.screen(world.coordinator, "agreements", agreement=agreement_id)
    click(app, f"agreement.begin:amendment:{agreement_id}.act")
    form = f"agreement.edit:{agreement_id}"
    app.number_input(key=f"{form}.usage-limits.token_budget").set_value(500_000)
    app.text_area(key=f"{form}.note").set_value("Half the budget.")
    click(app, f"{form}.act")
    click(app, f"agreement.offer:{agreement_id}.act")
    ours = world.screen(world.lead, "agreements", agreement=agreement_id)
    words = said(ours)
    unchanged = len(template("software-access").clauses) - 1
    assert "**1 clause** changed" in words
    assert f"{unchanged} clauses stay word for word" in words
    assert "500,000</ins>" in html(ours)
    assert any("ends with the grace" in badge.value for badge in ours.markdown)
    form = f"agreement.sign:{agreement_id}"
    assert ours.checkbox(key=f"{form}.read").label == "I have read every change."
    click(ours, f"{form}.submit")
    assert "not_read" in said(ours)
    ours.checkbox(key=f"{form}.read").check()
    ours.text_input(key=f"{form}.name").set_value("Ada Lovell")
    click(ours, f"{form}.submit")
    lab = world.screen(world.coordinator, "agreements", agreement=agreement_id)
    lab.checkbox(key=f"{form}.read").check()
    lab.text_input(key=f"{form}.name").set_value("Cora Meridian")
    click(lab, f"{form}.submit")
    assert "the amendment is in force" in said(lab)
    assert existing(world.portal.agreements.get(world.actor(world.lead), agreement_id).governing).number == 2


def test_a_partner_proposes_an_amendment_with_the_editor(world: World) -> None:
    agreement = in_force(world)
    app = world.screen(world.lead, "agreements", agreement=agreement.id)
    click(app, f"agreement.write:amendment:{agreement.id}")
    form = f"agreement.propose:{agreement.id}:amendment:1"
    app.number_input(key=f"{form}.usage-limits.requests_per_minute").set_value(240)
    click(app, f"{form}.act")
    tabled = existing(now_of(world, agreement).proposal)
    assert (tabled.change, tabled.status) == (Change.AMENDMENT, VersionStatus.COUNTERED)


def test_a_renewal_waits_for_its_window(world: World) -> None:
    agreement = in_force(world)
    app = writing(world, agreement, "renewal")
    assert "a renewal can be proposed from" in said(app)
    form = f"agreement.propose:{agreement.id}:renewal:1"
    click(app, f"{form}.act")
    assert "renewal_too_early" in said(app)
    let_pass(world, 150)
    app = writing(world, agreement, "renewal")
    click(app, f"{form}.act")
    assert existing(now_of(world, agreement).proposal).change is Change.RENEWAL


def test_any_two_texts_can_be_compared(world: World) -> None:
    agreement = world.agreement(until="offered")
    countered(world, agreement)
    app = world.screen(world.lead, "agreements", agreement=agreement.id, part="changes")
    before = app.selectbox(key=f"agreement.compare:{agreement.id}:2.from")
    assert [option.split(":")[0] for option in before.options] == [
        "The template it came from",
        "Version 1",
        "Version 2, counter-offer",
    ]
    before.select_index(0).run()
    assert "180</del>" in html(app)
    app.selectbox(key=f"agreement.compare:{agreement.id}:2.from").select_index(2).run()
    assert "Choose two different texts" in said(app)


def countered(world: World, agreement: Agreement, days: int = 365) -> None:
    clauses: list[dict[str, Any]] = [clause.model_dump(mode="json") for clause in agreement.clauses]
    longer = [{**data, "days": days} if data["kind"] == "term" else data for data in clauses]
    assert parse_clauses(longer) != agreement.clauses
    world.portal.agreements.counter(world.actor(world.lead), agreement.id, clauses=longer)


def test_what_the_words_of_a_clause_leave_out_stands_before_whoever_signs(world: World) -> None:
    lab = world.actor(world.coordinator)
    agreement = world.agreement(until="offered")
    world.portal.agreements.counter(world.actor(world.lead), agreement.id, clauses=silent_terms())
    tabled = world.portal.agreements.offer(lab, agreement.id)
    for who in (world.lead, world.coordinator):
        for part in ("sign", "terms"):
            shown = html(world.screen(who, "agreements", agreement=tabled.id, part=part))
            for hidden in HIDDEN:
                assert escape(hidden) in shown, (part, hidden)


def test_data_that_stays_or_comes_unsaid_is_shown_at_an_amendment(world: World) -> None:
    agreement = in_force(world)
    clauses = silent_terms()
    reworded = [{**one, "text": "A few tokens."} if one["kind"] == "usage_limits" else one for one in clauses]
    lab = world.actor(world.coordinator)
    world.portal.agreements.propose(lab, agreement.id, change=Change.AMENDMENT, clauses=reworded)
    world.portal.agreements.offer(lab, agreement.id)
    app = world.screen(world.lead, "agreements", agreement=agreement.id, part="sign")
    tables = "\n".join(table.value.to_string(max_colwidth=None) for table in app.table).replace("\\", "")
    for hidden in ("ladder-xl", "fine_tune", "activations", "7 requests a minute", "Mallory"):
        assert hidden in tables, hidden
    (budget,) = [one for one in agreement.clauses if isinstance(one, UsageLimits)]
    assert f"{budget.token_budget:,}" in html(app)


def test_a_title_alone_is_something_to_accept(world: World) -> None:
    agreement, lab = in_force(world), world.actor(world.coordinator)
    title = "Exclusive perpetual licence agreement"
    world.portal.agreements.propose(lab, agreement.id, change=Change.AMENDMENT, title=title)
    world.portal.agreements.offer(lab, agreement.id)
    for part in ("sign", "changes"):
        app = world.screen(world.lead, "agreements", agreement=agreement.id, part=part)
        assert f"{title}</ins>" in html(app)
        assert f"{agreement.title}</del>" in html(app)
    assert "**the title** and **0 clauses** changed" in said(
        world.screen(world.lead, "agreements", agreement=agreement.id, part="sign")
    )
