"""What the decider of findings allows, refuses and hides."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.actors import LAB, Actor, Membership, Role
from agreements.canonical import digest_of
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from portal.findings.decider import (
    FINDING,
    Acknowledge,
    Action,
    Close,
    File,
    FindingCommand,
    MarkDuplicate,
    Revise,
    Withdraw,
    allowed,
)
from portal.findings.marking import Tlp
from portal.findings.model import Content, Credit, Finding, Kind, Severity, Status, document

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ID = "CDT-2026-0001"


def person(person_id: str, institution_id: str, role: Role) -> Actor:
    return Actor(
        person_id=person_id,
        name=person_id.title(),
        memberships=(Membership(institution_id=institution_id, role=role),),
    )


REPORTER = person("ada", "uni", Role.RESEARCHER)
LEAD = person("lea", "uni", Role.PARTNER_LEAD)
COLLEAGUE = person("col", "uni", Role.RESEARCHER)
OBSERVER = person("obs", "uni", Role.OBSERVER)
COORDINATOR = person("cora", LAB, Role.COORDINATOR)
STRANGER = person("stan", "institute", Role.PARTNER_LEAD)
EVERYBODY = (REPORTER, LEAD, COLLEAGUE, OBSERVER, COORDINATOR, STRANGER)


def content(**changes: Any) -> Content:
    return Content.model_validate(
        {
            "title": "Convincing spam",
            "summary": "It writes spam.",
            "kind": Kind.MISUSE_FINDING,
            "severity": Severity.HIGH,
            **changes,
        }
    )


def after(*steps: tuple[FindingCommand, Actor], state: Finding = FINDING.initial) -> Finding:
    for command, actor in steps:
        state = FINDING.fold(FINDING.decide(state, command, actor, NOW), state)
    return state


def filed(**changes: Any) -> Finding:
    return after((File(finding_id=ID, institution_id="uni", content=content(**changes)), REPORTER))


def test_a_filed_finding_is_sealed_by_the_digest_of_its_document() -> None:
    state = filed()
    assert state.current.digest == digest_of(document(ID, "uni", "ada", state.current))
    assert state.status is Status.FILED


@pytest.mark.parametrize("actor", [OBSERVER, STRANGER, COORDINATOR, Actor.automatic("rule")])
def test_only_contributors_of_the_institution_file_for_it(actor: Actor) -> None:
    with pytest.raises(Forbidden) as refusal:
        after((File(finding_id=ID, institution_id="uni", content=content()), actor))
    assert refusal.value.code == "may_not_file"


def test_an_id_is_never_given_twice() -> None:
    with pytest.raises(Conflict) as refusal:
        after((File(finding_id=ID, institution_id="uni", content=content()), REPORTER), state=filed())
    assert refusal.value.code == "number_taken"


@pytest.mark.parametrize("kind", Kind)
def test_a_harm_needs_a_severity_and_a_benefit_does_not(kind: Kind) -> None:
    if kind in (Kind.BENEFIT, Kind.NULL_RESULT):
        assert content(kind=kind, severity=None).severity is None
    else:
        with pytest.raises(ValidationError):
            content(kind=kind, severity=None)


def test_a_revision_is_a_new_version_and_leaves_the_old_one_alone() -> None:
    before = filed()
    state = after((Revise(base=1, content=content(title="Better title"), note="Title"), REPORTER), state=before)
    assert state.versions[0] == before.versions[0]
    assert state.current.number == 2
    assert state.current.digest != state.versions[0].digest


def test_a_revision_of_an_outdated_version_is_refused() -> None:
    state = after((Revise(base=1, content=content(title="Second"), note="n"), REPORTER), state=filed())
    with pytest.raises(Conflict) as refusal:
        after((Revise(base=1, content=content(title="Third"), note="n"), REPORTER), state=state)
    assert refusal.value.code == "finding_changed"


def test_a_revision_that_says_the_same_is_refused() -> None:
    with pytest.raises(Invalid) as refusal:
        after((Revise(base=1, content=content(), note="n"), REPORTER), state=filed())
    assert refusal.value.code == "nothing_changed"


@given(st.sampled_from(Tlp), st.sampled_from(Tlp), st.sampled_from([REPORTER, LEAD, COORDINATOR]))
def test_only_the_originator_lowers_a_marking(old: Tlp, new: Tlp, actor: Actor) -> None:
    state = filed(marking=old, recipients=("cora", "lea"))
    command = Revise(base=1, content=content(marking=new, recipients=("cora", "lea"), severity="low"), note="m")
    if actor is COORDINATOR and new.is_lower_than(old):
        with pytest.raises(Forbidden) as refusal:
            after((command, actor), state=state)
        assert refusal.value.code == "marking_not_yours"
    else:
        assert after((command, actor), state=state).current.content.marking is new


def test_a_coordinator_corrects_handling_and_not_the_words() -> None:
    with pytest.raises(Forbidden) as refusal:
        after((Revise(base=1, content=content(summary="Mine"), note="n"), COORDINATOR), state=filed())
    assert refusal.value.code == "words_not_yours"


COMMANDS: tuple[FindingCommand, ...] = (
    Revise(base=1, content=content(title="Other"), note="n"),
    Acknowledge(),
    Close(note="done"),
    MarkDuplicate(duplicate_of="CDT-2026-0002"),
    Withdraw(reason="wrong"),
)


@given(st.sampled_from(COMMANDS), st.sampled_from(EVERYBODY), st.sampled_from(Tlp))
def test_outside_the_audience_every_command_meets_an_unknown_id(
    command: FindingCommand, actor: Actor, marking: Tlp
) -> None:
    state = filed(marking=marking)
    if state.audience.admits(actor):
        return
    with pytest.raises(NotFound) as refusal:
        FINDING.decide(state, command, actor, NOW)
    assert refusal.value.code == "finding_not_found"


ACTION_OF: dict[type, Action] = {
    Revise: Action.REVISE,
    Acknowledge: Action.ACKNOWLEDGE,
    Close: Action.CLOSE,
    MarkDuplicate: Action.MARK_DUPLICATE,
    Withdraw: Action.WITHDRAW,
}


@given(
    st.lists(st.tuples(st.sampled_from(COMMANDS[1:]), st.sampled_from(EVERYBODY)), max_size=6),
    st.sampled_from(COMMANDS[1:]),
    st.sampled_from(EVERYBODY),
    st.sampled_from(Tlp),
)
def test_what_is_offered_is_exactly_what_is_accepted(
    history: list[tuple[FindingCommand, Actor]], command: FindingCommand, actor: Actor, marking: Tlp
) -> None:
    state = filed(marking=marking, recipients=("cora",))
    for earlier, by in history:
        if ACTION_OF[type(earlier)] in allowed(state, by):
            state = after((earlier, by), state=state)
    if ACTION_OF[type(command)] in allowed(state, actor):
        assert FINDING.decide(state, command, actor, NOW)
    else:
        with pytest.raises(ConcordatError):
            FINDING.decide(state, command, actor, NOW)


def test_a_withdrawn_finding_takes_no_more_commands() -> None:
    state = after((Withdraw(reason="A mistake"), REPORTER), state=filed())
    assert state.withdrawal is not None
    assert allowed(state, REPORTER) == frozenset()
    with pytest.raises(Conflict) as refusal:
        after((Acknowledge(), COORDINATOR), state=state)
    assert refusal.value.code == "finding_withdrawn"


def test_a_finding_does_not_repeat_itself() -> None:
    with pytest.raises(Invalid):
        after((MarkDuplicate(duplicate_of=ID), REPORTER), state=filed())


def test_raising_a_marking_closes_older_versions_and_lowering_does_not_open_them() -> None:
    lowered = after(
        (Revise(base=1, content=content(marking=Tlp.GREEN), note="Cleared"), REPORTER),
        state=filed(marking=Tlp.RED),
    )
    assert lowered.audience.admits(STRANGER)
    assert not lowered.audience_of(lowered.versions[0]).admits(STRANGER)


def test_an_uncredited_reporter_is_not_in_the_document() -> None:
    state = filed(credit=Credit.NONE)
    assert "ada" not in str(document(ID, "uni", "ada", state.current))
