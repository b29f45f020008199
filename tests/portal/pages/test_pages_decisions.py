"""Norms, the release board and the log on screen."""

import pytest

from agreements.people import Person
from model_access.stages import Stage
from portal.norms.model import Choice, Decision
from portal.norms.service import NormView, PositionDraft
from portal.release.model import Verdict
from tests.portal.pages.pages_world import World, click, existing, said


def take(world: World, person: Person, norm: NormView, choice: Choice = Choice.SUPPORT) -> NormView:
    draft = PositionDraft(
        institution_id=person.memberships[0].institution_id, revision_digest=norm.revision_digest, position=choice
    )
    return world.portal.norms.take_position(world.actor(person), norm.norm_id, draft)


def adopted(world: World) -> NormView:
    norm = world.norm()
    take(world, world.lead, norm)
    return world.portal.norms.record_outcome(
        world.actor(world.coordinator),
        norm.norm_id,
        Decision.ADOPTED,
        revision_digest=norm.revision_digest,
        rationale="Agreed.",
    )


def test_a_norm_is_proposed_clause_by_clause(world: World) -> None:
    app = world.screen(world.researcher, "norms")
    app.text_input(key="norm.propose.title").set_value("Thirty days")
    app.text_area(key="norm.propose.clauses").set_value("wait: Wait thirty days.\n\nSay why.")
    click(app, "norm.propose.act")
    (row,) = world.portal.norms.list(world.actor(world.lead))
    view = world.portal.norms.get(world.actor(world.lead), row.norm_id)
    assert [(c.clause_id, c.text) for c in view.clauses] == [("wait", "Wait thirty days."), ("c1", "Say why.")]
    assert app.query_params["norm"] == row.norm_id
    assert view.revision_digest in said(app)


def test_a_norm_without_clauses_is_refused(world: World) -> None:
    app = world.screen(world.lead, "norms")
    app.text_input(key="norm.propose.title").set_value("Empty")
    click(app, "norm.propose.act")
    assert "bad_input" in said(app)


def test_a_lead_takes_a_signed_position_on_the_revision_it_read(world: World) -> None:
    norm = world.norm()
    app = world.screen(world.lead, "norms", norm=norm.norm_id)
    form = f"norm.position:{norm.norm_id}:northfield"
    app.text_area(key=f"{form}.reason").set_value("We asked for it.")
    click(app, f"{form}.act")
    words = said(app)
    assert "The position is taken." in words
    assert "We asked for it" in words


def test_an_objection_names_clause_harm_and_cure(world: World) -> None:
    norm = world.norm()
    app = world.screen(world.rival, "norms", norm=norm.norm_id)
    form = f"norm.position:{norm.norm_id}:open-press"
    app.radio(key=f"{form}.choice").set_value(Choice.OBJECT).run()
    click(app, f"{form}.act")
    assert "bad_input" in said(app)
    app.text_area(key=f"{form}.reason").set_value("It burdens small groups.")
    app.text_area(key=f"{form}.harm").set_value("They stop filing.")
    app.text_area(key=f"{form}.cure").set_value("Exempt them.")
    click(app, f"{form}.act")
    assert "They stop filing" in said(app)


def test_a_member_reads_positions_and_takes_none(world: World) -> None:
    norm = world.norm()
    app = world.screen(world.member, "norms", norm=norm.norm_id)
    assert norm.revision_digest in said(app)
    assert not app.radio


def test_adopting_over_an_objection_carries_it_as_dissent(world: World) -> None:
    norm = world.norm()
    take(world, world.lead, norm)
    app = world.screen(world.rival, "norms", norm=norm.norm_id)
    form = f"norm.position:{norm.norm_id}:open-press"
    app.radio(key=f"{form}.choice").set_value(Choice.OBJECT).run()
    for name, text in (("reason", "It burdens us."), ("harm", "They stop filing."), ("cure", "Exempt them.")):
        app.text_area(key=f"{form}.{name}").set_value(text)
    click(app, f"{form}.act")
    coordinator = world.screen(world.coordinator, "norms", norm=norm.norm_id)
    form = f"norm.outcome:{norm.norm_id}"
    assert "1 objection will be carried into the outcome" in said(coordinator)
    coordinator.text_area(key=f"{form}.rationale").set_value("The gain is larger.")
    coordinator.radio(key=f"{form}.decision").set_value(Decision.ADOPTED)
    click(coordinator, f"{form}.act")
    assert world.portal.norms.get(world.actor(world.lead), norm.norm_id).outcome is None
    coordinator.radio(key=f"{form}.decision").set_value(Decision.ADOPTED_WITH_DISSENT)
    click(coordinator, f"{form}.act")
    assert "Dissent of Open Press Watch" in said(coordinator)


def test_a_norm_without_quorum_says_what_blocks_it(world: World) -> None:
    norm = world.norm(quorum=3)
    words = said(world.screen(world.coordinator, "norms", norm=norm.norm_id))
    assert "0 of 3 institutions have taken a position" in words


def test_a_decision_moves_the_checkpoint_and_who_may_query_it(world: World) -> None:
    finding, norm = world.finding(world.lead, checkpoint_ids=("ladder-l",)), adopted(world)
    app = world.screen(world.coordinator, "release")
    assert "nothing but a decision" in said(app)
    app.selectbox(key="release.decide.checkpoint").set_value("ladder-l").run()
    chosen = existing(app.selectbox(key="release.decide.step:ladder-l").value)
    assert (chosen.verdict, chosen.to_stage) == (Verdict.GO, Stage.PARTNER_ACCESS)
    app.multiselect(key="release.decide.findings:ladder-l").set_value([f"{finding.finding_id}: Copies poems"])
    app.multiselect(key="release.decide.norms").set_value([f"{norm.norm_id}: {norm.title}"])
    app.text_area(key="release.decide.rationale").set_value("What was found does not weigh against it.")
    click(app, "release.decide.open")
    assert "moves from withheld to **partner access**" in said(app)
    click(app, "release.decide.confirm")
    (decision,) = world.portal.release.list(world.actor(world.coordinator))
    assert decision.to_stage is Stage.PARTNER_ACCESS
    assert world.portal.checkpoints.state("ladder-l").stage is Stage.PARTNER_ACCESS
    shown = said(world.screen(world.observer, "release", decision=decision.decision_id))
    assert decision.digest in shown


def test_a_decision_without_evidence_is_refused_and_moves_nothing(world: World) -> None:
    app = world.screen(world.coordinator, "release")
    app.selectbox(key="release.decide.checkpoint").set_value("ladder-l").run()
    app.text_area(key="release.decide.rationale").set_value("Because.")
    click(app, "release.decide.open")
    click(app, "release.decide.confirm")
    assert "evidence_missing" in said(app)
    assert world.portal.checkpoints.state("ladder-l").stage is Stage.WITHHELD


@pytest.mark.parametrize("role", ["lead", "researcher", "observer"])
def test_only_coordinators_are_offered_a_decision(world: World, role: str) -> None:
    app = world.screen(getattr(world, role), "release")
    assert not app.selectbox
    assert "Still needed for partner access" in said(app)


def test_the_log_verifies_on_screen(world: World) -> None:
    world.finding(world.lead)
    app = world.screen(world.coordinator, "transparency")
    assert world.portal.log.vkey in said(app)
    click(app, "log_verify")
    assert "All of it holds" in said(app)


def test_a_partner_sees_its_own_entries_only_and_no_verification(world: World) -> None:
    mine = world.finding(world.lead)
    theirs = world.finding(world.rival)
    app = world.screen(world.lead, "transparency")
    words = said(app)
    assert mine.finding_id in words
    assert theirs.finding_id not in words
    assert "log_verify" not in [button.key for button in app.button]


def test_the_log_is_turned_page_by_page_and_narrowed_to_one_object(world: World) -> None:
    finding = world.finding(world.lead)
    for _ in range(6):
        world.agreement(until="draft")
    app = world.screen(world.coordinator, "transparency")
    newest = world.portal.log.size_and_root().size - 1
    assert f"**{newest}**" in said(app)
    click(app, "log_older")
    assert f"**{newest}**" not in said(app)
    app.text_input(key="log_stream").set_value(f"finding/{finding.finding_id}").run()
    assert said(app).count("finding:filed") == 1


def test_the_inbox_leads_to_what_waits(world: World) -> None:
    world.agreement(until="signed")
    world.finding(world.lead)
    world.norm()
    words = said(world.screen(world.coordinator))
    assert "the lab has not countersigned" in words
    assert "is not acknowledged yet" in words
    assert "awaits the position of the lab" in words
    assert "awaits the position of **Northfield University**" in said(world.screen(world.lead))
    assert "Nothing waits for you" not in words
