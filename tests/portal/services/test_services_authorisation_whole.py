"""No method of a service that asks who acts is without an answer to the question which roles may."""

from inspect import getmembers, isfunction, signature
from pathlib import Path

import pytest

from portal.composition import Portal
from tests.portal.services.test_services_authorisation import METHODS
from tests.portal.services.world import make_world

TESTS = Path(__file__).parents[1]

LISTS = frozenset(
    {
        *("access_log.all", "access_log.page", "access_requests.list", "access_requests.waiting_for"),
        *(
            "agreements.list",
            "batches.list",
            "files.list",
            "campaigns.list",
            "checkpoints.list",
            "checkpoints.queryable",
            "duties.appointments",
            "duties.board",
        ),
        *("duties.calendar", "findings.counts", "findings.evidence_by_kind", "findings.list", "findings.readable"),
        *("grants.labels", "grants.list", "grants.seen_ids", "grants.usable_by", "identity_providers.list"),
        *(
            "institutions.list",
            "institutions.look_up",
            "invitations.list",
            "log.entries",
            "norms.list",
            "notices.inbox",
            "notices.unread",
        ),
        *("passports.list", "people.directory", "people.list", "people.waiting", "person_consequences.grants_of"),
        *("programs.list", "publications.list", "publications.open_for", "publications.reviewable", "release.board"),
        *("release.list", "runs.list", "sessions.last_sign_ins", "sessions.list", "stale_grants.list", "tokens.list"),
        *(
            "token_standings.introspect",
            "exposure.report",
            "usage.hours",
            "usage.report",
            "usage.unusual",
            "usage_budgets.list",
        ),
        *("webhooks.list", "digests.preview", "replaying.of", "presets.list", "model_cards.card"),
    }
)
"""Answer everybody, each with what is theirs; what that is, is tested where each is."""

INNER = frozenset(
    {
        *(
            "store.commit",
            "store.submit",
            "kernel.execute",
            "kernel.execute_all",
            "kernel.made_under",
        ),  # below authorisation
        "institutions.register_lab",  # once, when the portal is made
        "institutions.ask_for_key",  # for whoever proves to hold a key that the institution has
        "notices.raise_",  # by whoever has something to tell
        "explaining.explain",  # why, to whoever may see
        *(
            "access_requests.asks_for",
            "checkpoints.access",
            "checkpoints.any_run",
            "checkpoints.still",
            "checkpoints.get",
            "grants.may",
            "runs.draws",
            "runs.ground",
        ),  # whether one may
        *(
            "tokens.wished",
            "refresh.begin",
            "runs.estimate",
            "runs.cost",
            "files.upload",
            "batches.upload",
            "presets.save",
        ),  # for oneself, on a grant of one's own
        *("findings.check_citation", "norms.check_citation", "findings.checkpoints_of", "findings.draft_of"),
    }
)
"""Called by other services with what those have checked, or good for oneself alone."""

ELSEWHERE: dict[str, tuple[str, ...]] = {
    "services/test_services_access_requests.py": (
        *("access_requests.accept", "access_requests.approve"),
        *("access_requests.background", "access_requests.checklist", "access_requests.decline"),
        *("access_requests.get", "access_requests.offer", "access_requests.open", "access_requests.refuse"),
        *("access_requests.save", "access_requests.submit", "access_requests.withdraw"),
    ),
    "services/test_services_access_log.py": ("access_log.evidence",),
    "services/test_services_batch_roles.py": (
        *("batches.cancel", "batches.check", "batches.create", "batches.get", "batches.lines", "batches.results"),
        *(
            "batches.check_retry",
            "batches.retry_failed",
            "batches.table",
            "batches.view",
            "files.content",
            "files.delete",
            "files.get",
        ),
    ),
    "services/test_services_keeping.py": (
        *("keeping.delete", "keeping.export", "keeping.for_replay", "keeping.texts", "keeping.view"),
    ),
    "services/test_services_campaigns.py": ("campaigns.close", "campaigns.progress"),
    "services/test_services_duties.py": ("duties.fulfil", "duties.send_back"),
    "services/test_services_keys.py": ("institutions.allow_key",),
    "services/test_services_workers.py": (
        *("workers.evict", "workers.foresee", "workers.halt", "workers.lift", "workers.report", "workers.set_weight"),
    ),
    "services/test_services_passports.py": ("passports.import_credential", "passports.review", "passports.revoke"),
    "services/test_services_publications.py": (
        *("publications.accept", "publications.ask", "publications.clear", "publications.contest"),
        *("publications.drop", "publications.get", "publications.letter", "publications.maintain"),
        *("publications.publish", "publications.submit", "publications.withdraw"),
    ),
    "services/test_services_revocations.py": ("revocations.report",),
    "notices/test_notice_inbox.py": ("notices.get", "notices.mark_read"),
    "findings/test_finding_service.py": (
        *("findings.acknowledge", "findings.close", "findings.export_native", "findings.file", "findings.get"),
        *("findings.mark_duplicate", "findings.revise", "findings.withdraw"),
    ),
    "norms/test_norm_service.py": (
        *("norms.get", "norms.prepare_position", "norms.propose", "norms.record_outcome", "norms.revise"),
        *("norms.take_position", "norms.take_signed_position"),
    ),
    "release/test_release_service.py": ("release.decide", "release.get"),
}
"""Held to their roles in tests of their own, under ``tests/portal``, where what they act on has its story."""


def asking(portal: Portal) -> set[str]:
    """Every public method of the portal's services that asks who acts, as ``service.method``."""
    found = set()
    for name, service in vars(portal).items():
        kind = type(service)
        if name.startswith("_") or not kind.__module__.startswith("portal."):
            continue
        for method, function in getmembers(kind, isfunction):
            asks = any("Actor" in str(one.annotation) for one in signature(function).parameters.values())
            if asks and not method.startswith("_"):
                found.add(f"{name}.{method}")
    return found


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    world = make_world(tmp_path_factory.mktemp("whole"))
    found = asking(world.portal)
    world.portal.close()
    return found


def test_nothing_is_done_that_is_not_held_to_every_role(asked: set[str]) -> None:
    rows = {row.split()[0] for row in METHODS}
    elsewhere = {method for methods in ELSEWHERE.values() for method in methods}
    assert sorted(asked - rows - elsewhere - LISTS - INNER) == [], "give each a row, or say where its roles are tested"
    assert sorted((rows | elsewhere | LISTS | INNER) - asked) == [], "there is no such method any more"
    assert sorted(rows & (elsewhere | INNER)) == [], "a row says more than a place"


@pytest.mark.parametrize("file", ELSEWHERE)
def test_what_is_said_to_be_tested_elsewhere_is_refused_there(file: str) -> None:
    text = (TESTS / file).read_text(encoding="utf-8")
    called = {method for method in ELSEWHERE[file] if f".{method.partition('.')[2]}(" in text}
    assert called == set(ELSEWHERE[file])
    assert "Forbidden" in text or "NotFound" in text
