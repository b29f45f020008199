"""Filing, reading, revising and exporting findings on a real store."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from agreements.actors import Actor
from agreements.canonical import sha256_hex
from agreements.dsse import verify
from agreements.errors import Conflict, Forbidden, Invalid, NotFound
from portal.findings.decider import Action
from portal.findings.marking import Tlp
from portal.findings.model import DOCUMENT_TYPE, Kind, Severity, Status
from portal.findings.reads import Filters
from portal.findings.service import FindingDraft, FindingService
from portal.services.kernel import Kernel


def draft(**changes: Any) -> FindingDraft:
    return FindingDraft.model_validate(
        {
            "institution_id": "uni",
            "title": "Convincing spam",
            "summary": "The large checkpoint writes convincing spam.",
            "kind": Kind.MISUSE_FINDING,
            "severity": Severity.HIGH,
            "checkpoint_ids": ("ladder-xl",),
            **changes,
        }
    )


def test_filing_gives_a_permanent_id_and_a_receipt_of_what_was_said(findings: FindingService, reporter: Actor) -> None:
    first = findings.file(reporter, draft())
    second = findings.file(reporter, draft(title="Another"))
    assert (first.finding_id, second.finding_id) == ("CDT-2026-0001", "CDT-2026-0002")
    assert findings.get(reporter, first.finding_id) == first
    assert first.credit == "Ada, Uni"
    assert first.content is not None
    assert first.content.marking is Tlp.AMBER


def test_a_cited_run_brings_its_facts(findings: FindingService, reporter: Actor) -> None:
    view = findings.file(reporter, draft(checkpoint_ids=(), run_ids=("run_uni_1", "run_uni_1")))
    assert view.content is not None
    assert view.content.checkpoint_ids == ("ladder-xl",)
    assert [run.seed for run in view.content.runs] == [7]
    assert view.access_statement == (
        "Sandboxed queries of ladder-xl under grt_1: sampled text. The weights were not available."
    )


def test_a_run_one_may_not_see_cannot_be_cited(findings: FindingService, stranger: Actor) -> None:
    with pytest.raises(NotFound) as refusal:
        findings.file(stranger, draft(institution_id="institute", run_ids=("run_uni_1",)))
    assert refusal.value.code == "run_not_found"
    assert findings.counts(stranger).total == 0


def test_runs_stay_frozen_for_those_who_revise_without_seeing_them(
    findings: FindingService, reporter: Actor, coordinator: Actor
) -> None:
    filed = findings.file(reporter, draft(run_ids=("run_uni_1",)))
    again = findings.draft_of(coordinator, filed.finding_id).model_copy(update={"severity": Severity.LOW})
    revised = findings.revise(coordinator, filed.finding_id, again, base=1, note="Less severe")
    assert revised.version == 2
    assert revised.content is not None
    assert filed.content is not None
    assert revised.content.runs == filed.content.runs
    assert revised.content.recipients == filed.content.recipients


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"checkpoint_ids": ("absent",)}, "unknown_checkpoint"),
        ({"recipients": ("nobody",)}, "unknown_recipient"),
        ({"severity": None}, "bad_input"),
    ],
)
def test_what_does_not_hold_together_is_refused_and_leaves_nothing(
    findings: FindingService, reporter: Actor, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        findings.file(reporter, draft(**changes))
    assert refusal.value.code == code
    assert findings.list(reporter).total == 0


def test_the_same_request_twice_files_once(findings: FindingService, reporter: Actor) -> None:
    first = findings.file(reporter, draft(), idempotency_key="k1")
    again = findings.file(reporter, draft(), idempotency_key="k1")
    assert again == first
    assert findings.list(reporter).total == 1


def test_many_file_at_once_and_no_number_is_given_twice(findings: FindingService, reporter: Actor) -> None:
    with ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda n: findings.file(reporter, draft(title=f"Finding {n}")), range(24)))
    assert {view.finding_id for view in views} == {f"CDT-2026-{n:04d}" for n in range(1, 25)}


def test_red_is_hidden_from_the_lab_unless_it_is_named(
    findings: FindingService, reporter: Actor, lead: Actor, coordinator: Actor
) -> None:
    hidden = findings.file(reporter, draft(marking=Tlp.RED, to_coordinators=False))
    shared = findings.file(reporter, draft(marking=Tlp.RED))
    for reader in (lead, coordinator, None):
        with pytest.raises(NotFound) as refusal:
            findings.get(reader, hidden.finding_id)
        assert refusal.value.code == "finding_not_found"
    assert findings.get(coordinator, shared.finding_id).actions == (
        Action.ACKNOWLEDGE,
        Action.MARK_DUPLICATE,
        Action.REVISE,
    )


def test_commands_on_hidden_and_on_absent_findings_are_refused_alike(
    findings: FindingService, reporter: Actor, stranger: Actor
) -> None:
    hidden = findings.file(reporter, draft(marking=Tlp.RED)).finding_id
    answers = []
    for finding_id in (hidden, "CDT-2026-0999"):
        with pytest.raises(NotFound) as refusal:
            findings.withdraw(stranger, finding_id, "probe")
        answers.append((refusal.value.code, refusal.value.message.replace(finding_id, "ID"), refusal.value.hint))
    assert answers[0] == answers[1]


def test_a_version_written_under_a_stricter_marking_stays_closed(
    findings: FindingService, reporter: Actor, stranger: Actor
) -> None:
    filed = findings.file(reporter, draft(marking=Tlp.RED))
    findings.revise(reporter, filed.finding_id, draft(marking=Tlp.GREEN), base=1, note="Cleared by us")
    assert [line.number for line in findings.get(stranger, filed.finding_id).history] == [2]
    with pytest.raises(NotFound):
        findings.get(stranger, filed.finding_id, version=1)
    assert findings.get(reporter, filed.finding_id, version=1).is_current is False


def test_the_life_of_a_finding(findings: FindingService, reporter: Actor, coordinator: Actor) -> None:
    finding_id = findings.file(reporter, draft()).finding_id
    assert findings.acknowledge(coordinator, finding_id).status is Status.ACKNOWLEDGED
    with pytest.raises(Conflict):
        findings.acknowledge(coordinator, finding_id)
    with pytest.raises(Forbidden):
        findings.close(reporter, finding_id, "Enough")
    closed = findings.close(coordinator, finding_id, "Mitigated in the next size.")
    assert (closed.status, closed.closing_note) == (Status.CLOSED, "Mitigated in the next size.")


def test_a_withdrawn_finding_leaves_a_tombstone(findings: FindingService, reporter: Actor) -> None:
    finding_id = findings.file(reporter, draft(title="Unrepeatable zebra")).finding_id
    view = findings.withdraw(reporter, finding_id, "The measurement was wrong.")
    assert view.content is None
    assert view.withdrawal is not None
    assert view.withdrawal.reason == "The measurement was wrong."
    assert findings.list(reporter).total == 0
    assert findings.list(reporter, Filters(text="zebra")).total == 0
    tombstones = findings.list(reporter, Filters(status=Status.WITHDRAWN)).rows
    assert [(row.finding_id, row.title) for row in tombstones] == [(finding_id, "")]
    with pytest.raises(Conflict):
        findings.export_native(reporter, finding_id)
    assert findings.file(reporter, draft()).finding_id == "CDT-2026-0002"


def test_a_duplicate_points_to_what_its_reader_may_know(
    findings: FindingService, reporter: Actor, lead: Actor, stranger: Actor
) -> None:
    original = findings.file(reporter, draft(marking=Tlp.RED, recipients=("lea",))).finding_id
    copy = findings.file(reporter, draft(marking=Tlp.GREEN)).finding_id
    assert findings.mark_duplicate(lead, copy, original).duplicate_of == original
    assert findings.get(stranger, copy).duplicate_of is None
    assert findings.list(stranger).rows[0].duplicate_of is None


def test_an_export_is_signed_by_the_lab_and_matches_the_digest(
    kernel: Kernel, findings: FindingService, reporter: Actor
) -> None:
    view = findings.file(reporter, draft())
    envelope = findings.export_native(reporter, view.finding_id)
    payload = verify(envelope, [kernel.lab_key.public])
    assert envelope.payload_type == DOCUMENT_TYPE
    assert f"sha256:{sha256_hex(payload)}" == view.digest


def test_citations_are_checked(findings: FindingService, reporter: Actor, stranger: Actor) -> None:
    view = findings.file(reporter, draft())
    findings.check_citation(reporter, view.finding_id, 1, view.digest)
    with pytest.raises(NotFound):
        findings.check_citation(stranger, view.finding_id, 1, view.digest)
    with pytest.raises(Invalid):
        findings.check_citation(reporter, view.finding_id, 1, "sha256:" + "0" * 64)
    findings.revise(reporter, view.finding_id, draft(title="Newer"), base=1, note="Title")
    with pytest.raises(Conflict) as refusal:
        findings.check_citation(reporter, view.finding_id, 1, view.digest, current=True)
    assert refusal.value.code == "stale_citation"
