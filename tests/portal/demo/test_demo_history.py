"""What the demonstration shows: every state, on real parts, all of it verifiable."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agreements.actors import Actor, Channel
from agreements.agreement import AgreementStatus
from agreements.credentials import CredentialKind
from agreements.errors import Conflict, Unauthenticated
from agreements.grants import GrantStatus
from model_access.batches import BatchStatus
from model_access.generation import GenerationRequest
from model_access.receipts import verify_receipt
from model_access.runs import RunStatus
from model_access.stages import Stage
from portal.composition import Portal
from portal.demo.cast import SIGN_IN
from portal.demo.handout import TOKEN_ROLES, hand_out
from portal.demo.making import discard, is_made
from portal.findings import Filters, Kind, Tlp
from portal.norms import Decision
from portal.release.model import Verdict


def test_agreements_are_in_every_state_worth_showing(opened: Portal, coordinator: Actor) -> None:
    states = Counter(agreement.status for agreement in opened.agreements.list(coordinator))
    assert states[AgreementStatus.IN_FORCE] >= 5
    for status in ("OFFERED", "COUNTERED", "SIGNED", "DRAFT", "DECLINED"):
        assert states[AgreementStatus[status]] >= 1
    assert len(opened.institutions.list(coordinator)) >= 6


def test_grants_open_and_one_was_revoked(opened: Portal, coordinator: Actor) -> None:
    grants = opened.grants.list(coordinator)
    assert sum(view.active for view in grants) >= 2
    assert any(view.grant.status is GrantStatus.REVOKED for view in grants)


def test_stages_descend_with_size(opened: Portal, coordinator: Actor) -> None:
    stages = [view.checkpoint.stage for view in opened.checkpoints.list(coordinator)]
    assert stages == [Stage.PUBLIC, Stage.PARTNER_ACCESS, Stage.PARTNER_ACCESS, Stage.WITHHELD]
    assert any(row.verdict is Verdict.HOLD for row in opened.release.list(coordinator))


def test_every_size_was_run_and_every_receipt_holds(opened: Portal, coordinator: Actor) -> None:
    runs = opened.runs.list(coordinator, limit=500)
    assert {run.status for run in runs} == {RunStatus.COMPLETED}
    ran = {run.terms.checkpoint_id for run in runs if run.terms}
    assert ran == {view.checkpoint.id for view in opened.checkpoints.list(coordinator)}
    for run in runs:
        assert run.terms is not None
        verified = verify_receipt(opened.runs.receipt(coordinator, run.terms.run_id), vkey=opened.log.vkey)
        assert verified.statement.predicate.sandbox == opened.sandbox.id


def test_batches_are_whole_cancelled_and_stopped_with_lines_left_to_run_again(
    opened: Portal, coordinator: Actor
) -> None:
    found = {batch.status: batch for batch in opened.batches.list(coordinator)}
    assert set(found) == {BatchStatus.COMPLETED, BatchStatus.CANCELLED, BatchStatus.FAILED}
    for status, batch in found.items():
        whole = status is BatchStatus.COMPLETED
        assert (batch.completed == batch.total, batch.error_file_id is None) == (whole, whole)
        assert batch.completed
        assert batch.by is not None
        owner = opened.people.get(batch.by.person_id).actor(Channel.SCREEN)
        assert whole or opened.batches.check_retry(owner, batch.id).good


def test_findings_differ_in_kind_and_marking_and_cite_runs(opened: Portal, coordinator: Actor) -> None:
    counts = opened.findings.counts(coordinator)
    assert counts.total >= 12
    assert {Kind.NULL_RESULT, Kind.BENEFIT, Kind.MISUSE_FINDING} <= {kind for kind, n in counts.by_kind.items() if n}
    assert {marking for marking, n in counts.by_marking.items() if n} == set(Tlp)
    rows = opened.findings.list(coordinator, Filters(), limit=100).rows
    views = [opened.findings.get(coordinator, row.finding_id) for row in rows]
    assert sum(bool(view.content and view.content.runs) for view in views) >= 8


def test_one_norm_carries_dissent_and_one_is_open(opened: Portal, coordinator: Actor) -> None:
    norms = {row.decision: row for row in opened.norms.list(coordinator)}
    adopted = opened.norms.get(coordinator, norms[Decision.ADOPTED_WITH_DISSENT].norm_id)
    assert adopted.outcome is not None
    assert adopted.outcome.dissent
    still_open = opened.norms.get(coordinator, norms[None].norm_id)
    assert any(position.is_stale for position in still_open.positions)
    assert any(not position.is_stale for position in still_open.positions)


def test_the_whole_of_it_is_in_the_past_in_order_and_verifies(opened: Portal, coordinator: Actor) -> None:
    report = opened.log.verify(coordinator)
    assert report.fault is None
    times = [event.at for event in opened.store.events(limit=10_000)]
    assert times == sorted(times)
    assert times[-1] <= datetime.now(UTC)
    assert (times[-1] - times[0]).days > 100


def test_the_handout_opens_what_each_role_may(opened: Portal) -> None:
    handout = hand_out(opened)
    assert list(handout.sign_in) == list(SIGN_IN)
    assert list(handout.tokens) == list(TOKEN_ROLES)
    largest = handout.checkpoints[-1]
    reach = {}
    for role, token in handout.tokens.items():
        known = opened.tokens.authenticate(token)
        view = opened.checkpoints.state(largest)
        reach[role] = bool(opened.checkpoints.access(known.actor, view, purpose=known.purpose))
    assert reach == {"coordinator": True, "partner": True, "researcher": False}
    signed_in = opened.sign_in.enter(handout.sign_in["newcomer"].partition("code=")[2])
    newcomer = signed_in.person.actor(Channel.SCREEN)
    (offer,) = (one for one in opened.agreements.list(newcomer) if one.status is AgreementStatus.OFFERED)
    signed = opened.agreements.sign(
        newcomer, offer.id, typed_name=newcomer.name, document_digest=offer.document_digest or ""
    )
    assert signed.status is AgreementStatus.SIGNED
    with pytest.raises(Unauthenticated):
        opened.sign_in.enter(handout.sign_in["newcomer"].partition("code=")[2])


def test_the_partner_queries_the_withheld_size(opened: Portal) -> None:
    handout = hand_out(opened)
    known = opened.tokens.authenticate(handout.tokens["partner"])
    request = GenerationRequest(prompts=("Raise a",), max_tokens=4, seed=1)
    result = opened.runs.begin(known.actor, handout.checkpoints[-1], request, purpose=known.purpose).result()
    assert result.finished.completion_tokens == 4


def test_what_is_handed_out_is_its_owners_alone(opened: Portal, tmp_path: Path) -> None:
    written = hand_out(opened).write(tmp_path)
    assert written.name == "demo.json"
    assert written.stat().st_mode & 0o077 == 0


def test_only_a_demonstration_is_discarded(made: Path, tmp_path: Path) -> None:
    assert is_made(made)
    assert not is_made(tmp_path / "nothing")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(Conflict, match="left alone"):
        discard(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_tokens_of_every_kind_are_out_and_in_use(opened: Portal, coordinator: Actor) -> None:
    known = opened.tokens.list(coordinator)
    records = {record.label: record for record in known if record.kind is CredentialKind.ACCESS_TOKEN}
    families = [record for record in known if record.kind is CredentialKind.REFRESH_FAMILY]
    nightly, bound, passed_on = (
        records[label] for label in ("nightly, eu-west", "workstation in room 2.14", "Jonas, for the reading group")
    )
    assert nightly.institution_id
    assert nightly.last_used_at is not None
    assert bound.key_thumbprint is not None
    assert passed_on.granted_by
    assert passed_on.narrowing.request_budget == 40
    assert [family.label for family in families] == ["notebook server"]
    views = opened.grants.list(coordinator)
    limited = next(view for view in views if view.grant.scope and view.grant.scope.hours and view.periods)
    assert limited.used_tokens > 0
    assert any(view.grant.scope.holder_bound for view in views if view.grant.scope)
