"""Versions of templates: one after the other, by coordinators only, and never changed."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.clauses import Form
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid
from agreements.institutions import InstitutionKeyRevoked
from agreements.standard_terms import template
from agreements.templating import (
    MAX_VERSIONS,
    TEMPLATE,
    PublishTemplate,
    RetireTemplate,
    TemplateCommand,
    TemplatePublished,
    TemplateRecord,
)
from tests.agreements.parties import COORDINATOR, LATER, LEAD, NOW

SHIPPED = template("software-access")


def publish(version: int, *, title: str = "Our terms", **fields: Any) -> PublishTemplate:
    return PublishTemplate.model_validate(
        {
            "template_id": "ours",
            "version": version,
            "title": title,
            "summary": "Terms of our own making.",
            "form": Form.STANDALONE,
            "clauses": SHIPPED.clauses,
            **fields,
        }
    )


def apply(state: TemplateRecord, *commands: TemplateCommand) -> TemplateRecord:
    for command in commands:
        state = TEMPLATE.fold(TEMPLATE.decide(state, command, COORDINATOR, NOW), state)
    return state


RETIRE = RetireTemplate(template_id="ours", reason="Nobody uses it.")


def test_versions_follow_one_another() -> None:
    state = apply(TemplateRecord(), publish(1), publish(2, title="Our better terms", note="Better."))
    assert [(version.version, version.title) for version in state.versions] == [
        (1, "Our terms"),
        (2, "Our better terms"),
    ]
    assert state.versions[1].note == "Better."
    assert state.versions[1].published_at == NOW


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_that_does_not_follow_is_refused(version: int) -> None:
    with pytest.raises(Conflict) as refused:
        apply(TemplateRecord(), publish(1), publish(version, title="Another"))
    assert refused.value.code == "template_version"
    assert "version 2" in refused.value.message


def test_what_ships_counts_as_a_version_that_is_there() -> None:
    own: dict[str, Any] = {"template_id": SHIPPED.template_id, "shipped": SHIPPED}
    assert apply(TemplateRecord(), publish(SHIPPED.version + 1, **own)).versions[0].version == SHIPPED.version + 1
    with pytest.raises(Conflict) as refused:
        apply(TemplateRecord(), publish(1, **own))
    assert refused.value.code == "template_version"


def test_the_same_text_again_is_no_version() -> None:
    with pytest.raises(Invalid) as refused:
        apply(TemplateRecord(), publish(1), publish(2))
    assert refused.value.code == "nothing_changed"


def test_a_template_keeps_its_form() -> None:
    framework = template("framework")
    with pytest.raises(Invalid) as refused:
        apply(TemplateRecord(), publish(1), publish(2, form=framework.form, clauses=framework.clauses))
    assert refused.value.code == "template_form"


def test_clauses_have_to_fit_the_form() -> None:
    with pytest.raises(Invalid) as refused:
        apply(TemplateRecord(), publish(1, form=Form.FRAMEWORK))
    assert refused.value.code == "clause_out_of_place"


def test_there_is_an_end_to_versions() -> None:
    full = TemplateRecord(id="ours", versions=(SHIPPED.model_copy(update={"version": MAX_VERSIONS}),))
    with pytest.raises(Conflict) as refused:
        apply(full, publish(MAX_VERSIONS + 1))
    assert refused.value.code == "too_many_versions"


def test_a_retired_template_comes_back_with_its_next_version_though_it_says_the_same() -> None:
    state = apply(TemplateRecord(), publish(1), RETIRE)
    assert state.retired_at == NOW
    with pytest.raises(Conflict) as refused:
        apply(state, RETIRE)
    assert refused.value.code == "template_retired"
    assert apply(state, publish(2)).retired_at is None


def test_one_that_only_ships_is_retired_too() -> None:
    state = apply(TemplateRecord(), RETIRE)
    assert (state.id, state.versions, state.retire_reason) == ("ours", (), "Nobody uses it.")


@pytest.mark.parametrize("command", [publish(1), RETIRE], ids=["publish", "retire"])
def test_only_coordinators_write_templates(command: TemplateCommand) -> None:
    with pytest.raises(Forbidden) as refused:
        TEMPLATE.decide(TemplateRecord(), command, LEAD, NOW)
    assert refused.value.code == "not_coordinator"


def test_an_event_of_another_kind_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        TEMPLATE.evolve(TemplateRecord(), InstitutionKeyRevoked(public_key="0" * 64, reason="x", at=NOW))


COMMANDS = st.lists(
    st.one_of(st.builds(publish, st.integers(1, 6), title=st.sampled_from(["One", "Two", "Three"])), st.just(RETIRE)),
    max_size=20,
)


@given(COMMANDS)
def test_no_version_is_ever_changed_lost_or_skipped(commands: list[TemplateCommand]) -> None:
    state, seen = TemplateRecord(), dict[int, str]()
    for place, command in enumerate(commands):
        try:
            events = TEMPLATE.decide(state, command, COORDINATOR, LATER + timedelta(hours=place))
        except ConcordatError:
            continue
        state = TEMPLATE.fold(events, state)
        seen |= {event.version: event.title for event in events if isinstance(event, TemplatePublished)}
        assert {version.version: version.title for version in state.versions} == seen
        assert [version.version for version in state.versions] == list(range(1, len(seen) + 1))
