"""Re-sign campaigns on a real store: what was negotiated stays, one refusal stops nobody else, progress is read."""

from collections.abc import Sequence
from typing import Any

import pytest

from agreements.agreement import Agreement, AgreementStatus, Change
from agreements.clauses import Clause, Feedback, Term, only
from agreements.diffs import ChangeKind
from agreements.errors import Conflict, Forbidden, Invalid, NotFound
from agreements.standard_terms import template
from portal.services.campaigns import CampaignProgress, Step
from portal.services.templates import USUAL
from tests.portal.services.world import CAST, World

NEXT = template(USUAL).version + 1


def data(clauses: Sequence[Clause], **changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Clauses as JSON, with fields of some changed by kind."""
    return [{**clause.model_dump(mode="json"), **changes.get(clause.kind, {})} for clause in clauses]


def publish(world: World, **changes: dict[str, Any]) -> None:
    """The usual template's next version, with fields of some clauses changed by kind."""
    usual = world.portal.templates.get(USUAL)
    world.portal.templates.publish(
        world.actor("ada"),
        template_id=USUAL,
        version=usual.version + 1,
        title=usual.title,
        summary=usual.summary,
        clauses=data(usual.clauses, **changes),
    )


def agreed(world: World, institution: str, **changes: dict[str, Any]) -> Agreement:
    """An agreement in force, from the usual template with fields of some clauses negotiated."""
    portal, ada, lead = world.portal, world.actor("ada"), world.actor({"north": "ben", "south": "dan"}[institution])
    usual = portal.templates.get(USUAL)
    draft = portal.agreements.draft(ada, institution_id=institution, clauses=data(usual.clauses, **changes))
    digest = portal.agreements.offer(ada, draft.id).document_digest or ""
    portal.agreements.sign(lead, draft.id, typed_name=lead.name, document_digest=digest)
    return portal.agreements.sign(ada, draft.id, typed_name=ada.name, document_digest=digest)


def steps(progress: CampaignProgress) -> dict[str, Step]:
    return {entry.institution_id: entry.step for entry in progress.entries}


FEEDBACK = {"feedback": {"every_weeks": 6}}
LONGER = {"term": {"days": 400}}


def test_the_preview_says_what_would_change_and_what_stays_as_negotiated(world: World) -> None:
    north, south = agreed(world, "north"), agreed(world, "south", **LONGER)
    publish(world, feedback={"every_weeks": 6}, term={"days": 200})
    size = world.size
    preview = world.portal.campaigns.preview(world.actor("ada"), USUAL)
    assert world.size == size
    assert (preview.to_version, preview.template_title) == (NEXT, template(USUAL).title)
    first, second = preview.candidates
    assert (first.agreement_id, first.changed, first.conflicts) == (north.id, ("feedback", "term"), ())
    assert (second.agreement_id, second.changed, second.conflicts) == (south.id, ("feedback",), ("term",))
    assert all(candidate.proposable for candidate in preview.candidates)
    changed = {change.clause_id: change for change in first.changes if change.kind is ChangeKind.CHANGED}
    assert [(field.before, field.after) for field in changed["feedback"].fields] == [("4", "6")]


def test_each_partner_gets_an_amendment_and_answers_it(world: World) -> None:
    portal, ada, ben, dan = world.portal, world.actor("ada"), world.actor("ben"), world.actor("dan")
    north, south = agreed(world, "north"), agreed(world, "south", **LONGER)
    publish(world, feedback={"every_weeks": 6}, term={"days": 200})
    started = portal.campaigns.start(ada, USUAL, note="New reporting rhythm.")
    assert steps(started) == {"north": Step.OFFERED, "south": Step.OFFERED}
    assert [(one.step, one.count, one.percent) for one in started.counts] == [(Step.OFFERED, 2, 100)]
    assert {entry.institution_id: entry.conflicts for entry in started.entries} == {"north": (), "south": ("term",)}

    amendment = portal.agreements.get(ben, north.id).proposal
    assert amendment is not None
    assert (amendment.note, amendment.template_version) == ("New reporting rhythm.", NEXT)
    digest = amendment.digest or ""
    portal.agreements.sign(ben, north.id, typed_name=ben.name, document_digest=digest)
    portal.agreements.decline(dan, south.id, reason="Not this term.")
    now = portal.campaigns.progress(ada, started.campaign.id)
    assert steps(now) == {"north": Step.SIGNED, "south": Step.DECLINED}

    portal.agreements.sign(ada, north.id, typed_name=ada.name, document_digest=digest)
    now = portal.campaigns.progress(ada, started.campaign.id)
    assert steps(now) == {"north": Step.IN_FORCE, "south": Step.DECLINED}
    assert (now.percent_in_force, [one.percent for one in now.counts]) == (50, [50, 50])
    signed = portal.agreements.get(ben, north.id)
    feedback, term = only(signed.clauses, Feedback), only(signed.clauses, Term)
    assert feedback is not None
    assert term is not None
    assert (feedback.every_weeks, term.days, signed.template_version) == (6, 200, NEXT)
    kept = only(portal.agreements.get(dan, south.id).clauses, Term)
    assert kept is not None
    assert kept.days == 400
    assert [one.agreement_id for one in portal.campaigns.preview(ada, USUAL).candidates] == [south.id]
    assert portal.log.verify(ada).ok


def test_a_counter_offer_is_followed_to_its_end(world: World) -> None:
    portal, ada, ben = world.portal, world.actor("ada"), world.actor("ben")
    north = agreed(world, "north")
    publish(world, **FEEDBACK)
    started = portal.campaigns.start(ada, USUAL)
    proposal = portal.agreements.get(ben, north.id).proposal
    assert proposal is not None
    countered = portal.agreements.counter(ben, north.id, clauses=data(proposal.clauses, feedback={"every_weeks": 8}))
    now = portal.campaigns.progress(ada, started.campaign.id)
    assert steps(now) == {"north": Step.COUNTERED}
    assert now.entries[0].version == countered.versions[-1].number
    portal.agreements.offer(ada, north.id)
    assert steps(portal.campaigns.progress(ada, started.campaign.id)) == {"north": Step.OFFERED}
    portal.agreements.withdraw(ada, north.id, reason="We talk first.")
    assert steps(portal.campaigns.progress(ada, started.campaign.id)) == {"north": Step.WITHDRAWN}


def test_what_stands_in_the_way_of_one_is_recorded_and_the_others_go_on(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    north = agreed(world, "north")
    agreed(world, "south")
    portal.agreements.propose(
        world.actor("ben"), north.id, change=Change.AMENDMENT, clauses=data(north.clauses, feedback={"every_weeks": 9})
    )
    publish(world, **FEEDBACK)
    started = portal.campaigns.start(ada, USUAL)
    assert steps(started) == {"north": Step.NOT_PROPOSED, "south": Step.OFFERED}
    blocked = next(entry for entry in started.campaign.entries if not entry.proposed)
    assert blocked.code == "proposal_open"
    assert "countered" in blocked.reason
    assert started.percent_in_force == 0


def test_a_partner_without_a_key_is_left_out_before_anything_is_proposed(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    north = agreed(world, "north")
    agreed(world, "south")
    (key,) = portal.institutions.active_keys("north")
    portal.institutions.revoke_key(ada, "north", public_key=key, reason="rotated")
    publish(world, **FEEDBACK)
    started = portal.campaigns.start(ada, USUAL)
    assert [entry.code for entry in started.campaign.entries] == ["no_active_key", ""]
    assert portal.agreements.get(ada, north.id).proposal is None


def test_a_refusal_that_comes_only_with_the_offer_leaves_no_draft_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    portal, ada = world.portal, world.actor("ada")
    north, south = agreed(world, "north"), agreed(world, "south")
    publish(world, **FEEDBACK)
    offer = portal.agreements.offer

    def refusing(actor: Any, agreement_id: str, **how: Any) -> Agreement:
        if agreement_id == north.id:
            raise Conflict("no_active_key", "The key was revoked a moment ago.")
        return offer(actor, agreement_id, **how)

    monkeypatch.setattr(portal.agreements, "offer", refusing)
    started = portal.campaigns.start(ada, USUAL)
    assert steps(started) == {"north": Step.NOT_PROPOSED, "south": Step.OFFERED}
    assert portal.agreements.get(ada, north.id).proposal is None
    assert portal.agreements.get(ada, south.id).proposal is not None


def test_only_agreements_in_force_from_earlier_versions_are_candidates(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    world.agreement("north", until="signed")
    ended = agreed(world, "south")
    portal.agreements.terminate(world.actor("dan"), ended.id, reason="The study is over.")
    publish(world, **FEEDBACK)
    agreed(world, "north")
    assert portal.campaigns.preview(ada, USUAL).candidates == ()
    with pytest.raises(Conflict) as refused:
        portal.campaigns.start(ada, USUAL)
    assert refused.value.code == "nothing_to_propose"
    assert portal.campaigns.list(ada) == ()


def test_an_agreement_that_ends_before_it_answers_is_shown_as_ended(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    agreed(world, "north")
    publish(world, **FEEDBACK)
    started = portal.campaigns.start(ada, USUAL)
    world.clock.advance(days=400)
    assert portal.agreements.list(ada)[0].status_on(world.clock.now) is AgreementStatus.EXPIRED
    assert steps(portal.campaigns.progress(ada, started.campaign.id)) == {"north": Step.ENDED}


def test_some_are_chosen_and_strangers_among_them_refused(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    north = agreed(world, "north")
    agreed(world, "south")
    publish(world, **FEEDBACK)
    size = world.size
    with pytest.raises(Invalid) as refused:
        portal.campaigns.start(ada, USUAL, agreement_ids=[north.id, "agr_unknown"])
    assert refused.value.code == "not_a_candidate"
    assert world.size == size
    assert steps(portal.campaigns.start(ada, USUAL, agreement_ids=[north.id])) == {"north": Step.OFFERED}


@pytest.mark.parametrize(
    ("how", "kind", "code"),
    [
        ({"note": "x" * 2001}, Invalid, "bad_input"),
        ({"to_version": NEXT + 7}, NotFound, "template_version_not_found"),
        ({"template_id": "no-such"}, NotFound, "template_not_found"),
        ({"template_id": "red-team"}, Conflict, "nothing_to_propose"),
    ],
)
def test_what_cannot_be_started_proposes_nothing(
    world: World, how: dict[str, Any], kind: type[Exception], code: str
) -> None:
    agreed(world, "north")
    publish(world, **FEEDBACK)
    size = world.size
    with pytest.raises(kind) as refused:
        world.portal.campaigns.start(world.actor("ada"), **{"template_id": USUAL, **how})
    assert getattr(refused.value, "code", None) == code
    assert world.size == size


def test_a_repeated_start_is_one_campaign(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    agreed(world, "north")
    publish(world, **FEEDBACK)
    first = portal.campaigns.start(ada, USUAL, idempotency_key="campaign-1")
    size = world.size
    assert portal.campaigns.start(ada, USUAL, idempotency_key="campaign-1") == first
    assert (world.size, portal.campaigns.list(ada)) == (size, (first.campaign,))
    portal.templates.retire(ada, "red-team", reason="Unused.", idempotency_key="retired-1")
    with pytest.raises(Conflict) as refused:
        portal.campaigns.start(ada, USUAL, idempotency_key="retired-1")
    assert refused.value.code == "idempotency_key_reused"


def test_a_campaign_is_closed_once_and_its_amendments_stay_open(world: World) -> None:
    portal, ada = world.portal, world.actor("ada")
    north = agreed(world, "north")
    publish(world, **FEEDBACK)
    with pytest.raises(Invalid):
        portal.campaigns.start(ada, USUAL, note="New \u202erhythm.")
    started = portal.campaigns.start(ada, USUAL)
    with pytest.raises(Invalid):
        portal.campaigns.close(ada, started.campaign.id, note="Long \u202eenough.")
    closed = portal.campaigns.close(ada, started.campaign.id, note="Long enough.")
    assert (closed.campaign.closed_at, closed.campaign.close_note) == (world.clock.now, "Long enough.")
    assert portal.agreements.get(ada, north.id).proposal is not None
    with pytest.raises(Conflict) as refused:
        portal.campaigns.close(ada, started.campaign.id)
    assert refused.value.code == "campaign_closed"


@pytest.mark.parametrize("who", sorted(CAST))
def test_campaigns_are_the_coordinators(world: World, who: str) -> None:
    portal, actor = world.portal, world.actor(who)
    agreed(world, "north")
    publish(world, **FEEDBACK)
    campaign_id = portal.campaigns.start(world.actor("ada"), USUAL).campaign.id
    size = world.size
    for attempt in (
        lambda: portal.campaigns.preview(actor, USUAL),
        lambda: portal.campaigns.start(actor, USUAL),
        lambda: portal.campaigns.list(actor),
    ):
        with pytest.raises(Forbidden):
            attempt()
    refusals = []
    for name in (campaign_id, "cmp_unknown"):
        for read in (portal.campaigns.progress, portal.campaigns.close):
            with pytest.raises(NotFound) as refused:
                read(actor, name)
            refusals.append((refused.value.code, refused.value.message.replace(name, "…"), refused.value.hint))
    assert len(set(refusals)) == 1
    assert world.size == size
