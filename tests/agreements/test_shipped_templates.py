"""The terms that ship: fit for their form, each number from its data, the old ones as they were."""

import re
from typing import TypeVar

import pytest

from agreements.canonical import digest_of
from agreements.clauses import (
    Amendments,
    ClauseBase,
    Form,
    IncidentNotice,
    LateDuties,
    Licence,
    PermittedUses,
    SafeHarbour,
    Signatories,
    Term,
    Vetting,
    check_clauses,
    clause_kinds,
    only,
    parse_clauses,
)
from agreements.errors import Invalid
from agreements.standard_terms import Template, template, templates

C = TypeVar("C", bound=ClauseBase)

FORMS = {
    "software-access": Form.STANDALONE,
    "framework": Form.FRAMEWORK,
    "model-schedule": Form.SCHEDULE,
    "red-team": Form.STANDALONE,
    "output-data": Form.OUTPUTS,
}
FIRST_SOFTWARE_ACCESS = "sha256:1459db303e7bd40171460f419198ed8f7bf71de1cba4e31555ad201221755fc0"
NUMBER_WORDS = re.compile(
    r"\b(two|three|four|five|six|seven|eight|nine|ten|twelve|fourteen|thirty|sixty|ninety|hundred|week|month|year)s?\b"
)

entries = pytest.mark.parametrize("entry", templates(), ids=lambda entry: f"{entry.template_id}-{entry.version}")


def first(template_id: str, kind: type[C]) -> C:
    found = only(template(template_id).clauses, kind)
    assert found is not None
    return found


def test_there_is_a_template_for_every_form() -> None:
    assert {entry.template_id: entry.form for entry in templates()} == FORMS
    assert set(FORMS.values()) == set(Form)


@entries
def test_no_number_stands_in_the_words(entry: Template) -> None:
    for clause in entry.clauses:
        words = re.sub(r"\{[a-z_]+\}", "", clause.text)
        assert not re.search(r"\d", words), clause.clause_id
        if entry.version > 1 or entry.template_id != "software-access":
            found = NUMBER_WORDS.search(words)
            assert found is None or (clause.kind == "feedback" and found[0] == "weeks"), (clause.clause_id, found)


@entries
def test_every_number_and_list_of_a_clause_is_read_in_its_words(entry: Template) -> None:
    silent = {"uses", "checkpoints", "operations", "purposes"}
    for clause in entry.clauses:
        cited = set(re.findall(r"\{([a-z_]+)\}", clause.text))
        data = set(clause.readable_data())
        if isinstance(clause, PermittedUses):
            assert cited in (silent - {"uses"}, {"uses"})
        else:
            assert cited == data, clause.clause_id


@entries
def test_what_ships_reads_back_as_it_is_written(entry: Template) -> None:
    assert parse_clauses([clause.model_dump(mode="json") for clause in entry.clauses]) == entry.clauses


@entries
def test_a_template_of_one_form_lacks_what_another_needs(entry: Template) -> None:
    check_clauses(entry.clauses, entry.form)
    foreign = Form.OUTPUTS if entry.form is not Form.OUTPUTS else Form.STANDALONE
    with pytest.raises(Invalid) as refused:
        check_clauses(entry.clauses, foreign)
    assert refused.value.code in {"clause_count", "clause_out_of_place"}


def test_the_first_software_access_agreement_is_still_the_first() -> None:
    old = next(entry for entry in templates() if (entry.template_id, entry.version) == ("software-access", 1))
    assert digest_of([clause.model_dump(mode="json") for clause in old.clauses]) == FIRST_SOFTWARE_ACCESS


def test_the_newest_software_access_agreement_says_how_it_lives() -> None:
    newest = template("software-access")
    assert newest.version == 2
    kinds = {clause.kind for clause in newest.clauses}
    assert kinds == set(clause_kinds()) - {"named_users", "vetting", "data_use"}
    licence, harbour = first("software-access", Licence), first("software-access", SafeHarbour)
    assert licence.purpose_class == "non_commercial"
    assert None not in (harbour.notice_hours, harbour.appeal_days, harbour.decision_days, harbour.on_silence)
    assert first("software-access", Term).renewals is not None
    for kind in (Amendments, LateDuties, Signatories):
        assert only(newest.clauses, kind)


def test_what_both_versions_enforce_has_the_same_words() -> None:
    old, new = (entry for entry in templates() if entry.template_id == "software-access")
    for clause_id in ("permitted-uses", "usage-limits"):
        before, after = (next(one for one in entry.clauses if one.clause_id == clause_id) for entry in (old, new))
        assert before == after


def test_the_framework_vets_once_and_opens_nothing() -> None:
    framework = template("framework")
    vetting = first("framework", Vetting)
    assert len(vetting.items) == 5
    assert only(framework.clauses, PermittedUses) is None


@pytest.mark.parametrize("template_id", ["model-schedule", "red-team"])
def test_listed_uses_lie_within_the_whole(template_id: str) -> None:
    uses = first(template_id, PermittedUses)
    listed = uses.uses or ()
    assert uses.purposes == {use.use_id for use in listed}
    assert all(use.use_id in uses.rendered() for use in listed)


def test_a_red_team_reports_sooner_than_others() -> None:
    red, usual = first("red-team", IncidentNotice), first("software-access", IncidentNotice)
    assert red.within_hours < usual.within_hours
