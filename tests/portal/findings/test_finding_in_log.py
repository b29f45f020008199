"""The log shows nobody a finding outside whose audience they are."""

import pytest

from agreements.actors import Actor
from agreements.errors import NotFound
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Severity
from portal.findings.service import FindingDraft, FindingService
from portal.services.kernel import Kernel
from portal.services.log import LogService


def draft(marking: Tlp, *, to_coordinators: bool) -> FindingDraft:
    return FindingDraft(
        institution_id="uni",
        title="Recipe",
        summary="How to.",
        kind=Kind.HAZARD,
        severity=Severity.HIGH,
        marking=marking,
        to_coordinators=to_coordinators,
    )


def test_a_coordinator_sees_no_entry_of_a_finding_that_names_only_others(
    kernel: Kernel, findings: FindingService, reporter: Actor, coordinator: Actor
) -> None:
    log = LogService(kernel)
    findings.file(reporter, draft(Tlp.RED, to_coordinators=False))
    shared = findings.file(reporter, draft(Tlp.RED, to_coordinators=True))
    assert [line.stream for line in log.entries(coordinator)] == [f"finding/{shared.finding_id}"]
    assert len(log.entries(reporter)) == 2
    with pytest.raises(NotFound):
        log.evidence(coordinator, 0)
    assert log.evidence(coordinator, 1).index == 1
    assert log.evidence(reporter, 0).index == 0


def test_others_see_no_entries_but_their_own(
    kernel: Kernel, findings: FindingService, reporter: Actor, stranger: Actor
) -> None:
    findings.file(reporter, draft(Tlp.CLEAR, to_coordinators=True))
    assert LogService(kernel).entries(stranger) == ()
