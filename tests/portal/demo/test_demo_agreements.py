"""What the demonstration shows of agreements that govern: vetting, negotiation, change, duties, measures, review."""

from datetime import UTC, datetime

import pytest

from agreements.actors import Actor, Channel, PartyKind
from agreements.agreement import Agreement, AgreementStatus, AppealOutcome, Change, Version, VersionStatus
from agreements.clauses import Form, PublicationReview, SuspensionReason, UsageLimits, only
from agreements.diffs import ChangeKind
from agreements.duties import DutyState
from agreements.errors import Conflict
from agreements.publication import PublicationKind, PublicationStatus
from agreements.vetting import ItemStatus, Review, Submission, VettingItem
from portal.composition import Portal
from portal.demo.cast import COORDINATOR, ESTUARY, LAKESIDE, MEMBERS, NORTHGATE, OPENWATCH, RIDGELINE, TESSELLATE
from portal.services.campaigns import Step
from portal.services.clockwork import DUTY_LADDER
from portal.webhooks.decider import WebhookStatus


@pytest.fixture(scope="session")
def everybody(opened: Portal, coordinator: Actor) -> dict[str, Actor]:
    """The people of the story, by what it calls them."""
    by_email = {person.email: person for person in opened.people.list(coordinator)}
    return {member.key: by_email[member.email].actor(Channel.SCREEN) for member in (COORDINATOR, *MEMBERS)}


def of(opened: Portal, coordinator: Actor, institution_id: str, title: str = "") -> Agreement:
    """The one agreement of an institution whose title holds the words."""
    (found,) = (
        agreement
        for agreement in opened.agreements.list(coordinator)
        if agreement.institution_id == institution_id and title in agreement.title
    )
    return found


def standing(opened: Portal, coordinator: Actor, institution_id: str) -> dict[VettingItem, ItemStatus]:
    """How each item of a passport stands."""
    return {line.item: line.status for line in opened.passports.get(coordinator, institution_id).checklist}


def window(version: Version) -> int:
    """For how many days the lab reviews publications under a version."""
    clause = only(version.clauses, PublicationReview)
    return clause.window_days if clause is not None else 0


def test_the_first_partners_are_vetted_on_everything_by_others_than_who_handed_in(
    opened: Portal, coordinator: Actor
) -> None:
    reviewers = set()
    for institution_id in (NORTHGATE, OPENWATCH):
        assert set(standing(opened, coordinator, institution_id).values()) == {ItemStatus.VALID}
        for record in opened.passports.get(coordinator, institution_id).passport.items:
            submission, review = record.entries
            assert isinstance(submission, Submission)
            assert isinstance(review, Review)
            assert review.reviewer_id != submission.submitted_by
            reviewers.add(review.reviewer_name)
    assert len(reviewers) == 2


def test_other_passports_are_half_reviewed_hardly_begun_and_about_to_lapse(
    opened: Portal, coordinator: Actor, everybody: dict[str, Actor]
) -> None:
    estuary = standing(opened, coordinator, ESTUARY)
    assert estuary[VettingItem.SECURITY_QUESTIONNAIRE] is ItemStatus.RETURNED
    assert estuary[VettingItem.TRAINING] is ItemStatus.SUBMITTED
    wanted = of(opened, coordinator, LAKESIDE, "Bias")
    missing = {line.code for line in opened.agreement_facts.checklist(everybody["hannah"], wanted.id) if not line.met}
    assert {"signatory_authority", "conflicts_of_interest"} <= missing
    assert "identity" not in missing
    told = {notice.kind for notice in opened.notices.inbox(everybody["beatriz"], unread_only=True)}
    assert {"passport.lapses_soon", "duty.due_soon"} <= told


def test_a_negotiation_went_back_and_forth_before_it_was_declined(opened: Portal, coordinator: Actor) -> None:
    (declined,) = (one for one in opened.agreements.list(coordinator) if one.status is AgreementStatus.DECLINED)
    assert declined.institution_id == TESSELLATE
    assert [(version.status, window(version)) for version in declined.versions] == [
        (VersionStatus.SUPERSEDED, 30),
        (VersionStatus.SUPERSEDED, 10),
        (VersionStatus.DECLINED, 20),
    ]
    assert {comment.party for comment in declined.comments} == set(PartyKind)


def test_texts_wait_for_either_side(opened: Portal, coordinator: Actor, everybody: dict[str, Actor]) -> None:
    lakeside = of(opened, coordinator, LAKESIDE, "Bias")
    assert lakeside.status is AgreementStatus.COUNTERED
    assert {comment.party for comment in lakeside.comments} == set(PartyKind)
    assert of(opened, everybody["hannah"], LAKESIDE, "Outputs").form is Form.OUTPUTS
    drafts = [one for one in opened.agreements.list(coordinator) if one.status is AgreementStatus.DRAFT]
    assert {(draft.institution_id, draft.template_id) for draft in drafts} == {
        (TESSELLATE, "software-access"),
        (RIDGELINE, "red-team"),
    }


def test_a_schedule_opens_what_its_framework_does_not(opened: Portal, coordinator: Actor) -> None:
    framework = of(opened, coordinator, RIDGELINE, "Framework")
    schedule = of(opened, coordinator, RIDGELINE, "Schedule")
    assert schedule.framework is not None
    assert schedule.framework.agreement_id == framework.id
    grants = [view for view in opened.grants.list(coordinator) if view.grant.institution_id == RIDGELINE]
    assert [(view.grant.agreement_id, view.active) for view in grants] == [(schedule.id, True)]
    with pytest.raises(Conflict, match="opens no checkpoint"):
        opened.grants.bounds(coordinator, framework.id)


def test_northgates_grant_went_on_through_two_amendments(opened: Portal, coordinator: Actor) -> None:
    agreement = of(opened, coordinator, NORTHGATE)
    first, second, third = agreement.history
    assert (first.change, second.change, third.change) == (Change.FIRST, Change.AMENDMENT, Change.AMENDMENT)
    budgets = [only(version.clauses, UsageLimits) for version in (first, second)]
    assert [limits and limits.token_budget for limits in budgets] == [1_200_000, 2_000_000]
    assert first.grace_ends_at is not None
    assert first.grace_ends_at < datetime.now(UTC)
    grant, *below = sorted(
        (
            view
            for view in opened.grants.list(coordinator)
            if view.grant.institution_id == NORTHGATE and not view.grant.request_id
        ),
        key=lambda view: view.grant.depth,
    )
    assert grant.active
    assert [view.grant.holder.kind.value for view in below] == ["person", "person", "program"]
    assert all(view.active for view in below)
    assert grant.grant.agreement_digest == third.digest


def test_newer_terms_have_three_different_answers(
    opened: Portal, coordinator: Actor, everybody: dict[str, Actor]
) -> None:
    (campaign,) = opened.campaigns.list(coordinator)
    assert opened.templates.get(campaign.template_id).version == campaign.to_version == 3
    progress = opened.campaigns.progress(coordinator, campaign.id)
    assert {entry.institution_id: entry.step for entry in progress.entries} == {
        NORTHGATE: Step.IN_FORCE,
        ESTUARY: Step.COUNTERED,
        OPENWATCH: Step.OFFERED,
    }
    assert [entry.conflicts for entry in progress.entries if entry.institution_id == ESTUARY] == [("publication",)]
    waiting = opened.agreement_facts.changes(everybody["elena"], of(opened, coordinator, OPENWATCH).id)
    assert {change.clause_id for change in waiting.clauses if change.kind is not ChangeKind.SAME} == {
        "vetting",
        "publication",
        "incidents",
    }


def test_a_late_duty_narrowed_access_by_rule_until_it_was_done(opened: Portal, coordinator: Actor) -> None:
    agreement = of(opened, coordinator, OPENWATCH)
    (narrowing,) = agreement.narrowings
    assert narrowing.by_id == narrowing.widened_by == DUTY_LADDER.person_id
    (key,) = narrowing.duty_keys
    record = opened.duties.get(coordinator, agreement.id, key).standing.record
    assert [reminder.step.value for reminder in record.reminders] == ["due_soon", "overdue"]
    (handed_in,) = record.fulfilments
    assert handed_in.due_at < narrowing.at < handed_in.at < (narrowing.widened_at or narrowing.at)
    assert len(handed_in.evidence.finding_ids) == 3


def test_a_suspension_was_appealed_and_lifted_by_the_other_coordinator(opened: Portal, coordinator: Actor) -> None:
    agreement = of(opened, coordinator, OPENWATCH)
    (suspension,) = agreement.suspensions
    assert suspension.reason is SuspensionReason.SECURITY_INCIDENT
    assert suspension.appeal is not None
    assert suspension.appeal.outcome is AppealOutcome.UPHELD
    assert suspension.appeal.decided_by != suspension.by_id
    assert suspension.lifted_at == suspension.appeal.decided_at
    (incident,) = opened.duties.incidents(coordinator, agreement.id)
    assert incident.on_time
    assert agreement.status_on(datetime.now(UTC)) is AgreementStatus.IN_FORCE


def test_one_duty_is_overdue_and_one_is_due_soon(opened: Portal, coordinator: Actor) -> None:
    states = {
        state: {view.institution_id for view in opened.duties.board(coordinator, state=state)} for state in DutyState
    }
    assert states[DutyState.OVERDUE] == {ESTUARY}
    assert states[DutyState.DUE] == {RIDGELINE}
    assert states[DutyState.FULFILLED] == {NORTHGATE, OPENWATCH, ESTUARY}


def test_publications_are_cleared_published_and_under_review(opened: Portal, coordinator: Actor) -> None:
    found = {view.publication.kind: view for view in opened.publications.list(coordinator)}
    assert {kind: view.status for kind, view in found.items()} == {
        PublicationKind.TALK: PublicationStatus.PUBLISHED,
        PublicationKind.ABSTRACT: PublicationStatus.CLEARED,
        PublicationKind.MANUSCRIPT: PublicationStatus.REDACTIONS_ASKED,
    }
    assert opened.publications.letter(coordinator, found[PublicationKind.ABSTRACT].publication.id).payload


def test_notices_tell_what_is_new_and_nothing_leaves_the_portal(
    opened: Portal, coordinator: Actor, everybody: dict[str, Actor]
) -> None:
    assert {"agreement.countered", "duty.overdue"} <= {
        notice.kind for notice in opened.notices.inbox(coordinator, unread_only=True)
    }
    read = [notice for notice in opened.notices.inbox(everybody["elena"]) if notice.read_at is not None]
    assert {"agreement.narrowed", "agreement.suspended", "appeal.upheld", "agreement.offered"} <= {
        notice.kind for notice in read
    }
    (registered,) = opened.webhooks.list(everybody["priya"])
    assert registered.webhook.status is WebhookStatus.PAUSED
    assert registered.delivered == 0
    assert not opened.webhooks.active()


def test_access_was_asked_for_and_each_request_stands_elsewhere(opened: Portal, coordinator: Actor) -> None:
    views = opened.access_requests.list(coordinator)
    by_title = {view.request.draft.title: view for view in views}
    stands = {title: (view.status.value, view.overdue, len(view.request.approvals)) for title, view in by_title.items()}
    assert stands == {
        "Jonas: prompt sensitivity of the smaller sizes": ("approved", False, 1),
        "A classifier of our own": ("refused", False, 0),
        "A second reader for the detector study": ("submitted", True, 0),
        "Autumn term: replication with students": ("amended", False, 1),
        "Memorised text in the largest size": ("submitted", False, 1),
    }
    granted = by_title["Jonas: prompt sensitivity of the smaller sizes"].request.granted
    assert granted is not None
    assert opened.grants.get(coordinator, granted.delegated_id).active
    waiting = [view.request.draft.title for view in opened.access_requests.waiting_for(coordinator)]
    assert waiting == ["A second reader for the detector study", "Memorised text in the largest size"]
