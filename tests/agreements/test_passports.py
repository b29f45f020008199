"""The rules of passports: who hands in, who accepts, what counts when, and that no history is lost."""

import itertools
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import LAB, Actor, Role
from agreements.deciders import Event
from agreements.errors import ConcordatError, Conflict, Fixer, Forbidden, Invalid
from agreements.passports import (
    MOST_VALID,
    PASSPORT,
    Evidence,
    ItemStatus,
    Passport,
    PassportCommand,
    Review,
    ReviewItem,
    Revocation,
    Revoke,
    Submission,
    Submit,
    VettingItem,
)
from tests.agreements.parties import COORDINATOR, LEAD, MEMBER, NOW, OUTSIDER, PARTNER, RESEARCHER, person

EVERYTHING = frozenset(VettingItem)
SECOND = person("mo", (LAB, Role.COORDINATOR))
ITEM = VettingItem.IDENTITY
YEAR = timedelta(days=365)


def apply(state: Passport, command: PassportCommand, actor: Actor, now: datetime = NOW) -> Passport:
    events = PASSPORT.decide(state, command, actor, now)
    assert [Event.parse(event.type_name, event.body()) for event in events] == list(events)
    grown = PASSPORT.fold(events, state)
    assert Passport.model_validate_json(grown.model_dump_json()) == grown
    return grown


def submit(item: VettingItem = ITEM, **more: Any) -> Submit:
    return Submit.model_validate({"institution_id": PARTNER, "item": item, "statement": "See the charter.", **more})


def accept(item: VettingItem = ITEM, *, until: datetime = NOW + YEAR, **more: Any) -> ReviewItem:
    return ReviewItem(item=item, accepted=True, valid_until=until, **more)


def giving_back(item: VettingItem = ITEM, reason: str = "The page is cut off.") -> ReviewItem:
    return ReviewItem(item=item, accepted=False, reason=reason)


def accepted(*items: VettingItem, until: datetime = NOW + YEAR) -> Passport:
    state = Passport()
    for item in items or (ITEM,):
        state = apply(state, submit(item), LEAD)
        state = apply(state, accept(item, until=until), COORDINATOR)
    return state


def test_a_passport_to_which_nothing_happened_has_everything_missing() -> None:
    state = Passport()
    assert state.valid_items(NOW) == frozenset()
    found = state.missing(EVERYTHING, NOW)
    assert [one.item for one in found] == list(VettingItem)
    assert {(one.status, one.fixer, one.since) for one in found} == {(ItemStatus.MISSING, Fixer.LEAD, None)}
    assert all(one.item.label.capitalize() in one.message for one in found)


def test_an_item_is_handed_in_reviewed_valid_and_lapses() -> None:
    evidence = (Evidence(label="Charter", sha256="a" * 64), Evidence(label="Register", url="https://r.example/1"))
    state = apply(Passport(), submit(evidence=evidence), LEAD)
    waits = state.standing(ITEM, NOW)
    assert (waits.status, waits.fixer, waits.awaiting_review) == (ItemStatus.SUBMITTED, Fixer.COORDINATOR, True)
    state = apply(state, accept(), COORDINATOR, NOW + timedelta(hours=1))
    valid = state.standing(ITEM, NOW + YEAR - timedelta(seconds=1))
    assert (valid.status, valid.valid_until, valid.awaiting_review) == (ItemStatus.VALID, NOW + YEAR, False)
    lapsed = state.standing(ITEM, NOW + YEAR)
    assert (lapsed.status, lapsed.since, lapsed.fixer) == (ItemStatus.LAPSED, NOW + YEAR, Fixer.LEAD)
    handed, reviewed = state.record(ITEM).entries
    assert isinstance(handed, Submission)
    assert handed.evidence == evidence
    assert isinstance(reviewed, Review)
    assert (reviewed.reviewer_id, reviewed.submission) == (COORDINATOR.person_id, 1)


def test_what_is_returned_says_why_and_can_be_handed_in_again() -> None:
    state = apply(apply(Passport(), submit(), LEAD), giving_back(), COORDINATOR)
    standing = state.standing(ITEM, NOW)
    assert (standing.status, standing.fixer) == (ItemStatus.RETURNED, Fixer.LEAD)
    assert "The page is cut off." in standing.message
    state = apply(apply(state, submit(), LEAD), accept(), COORDINATOR)
    assert state.standing(ITEM, NOW).valid
    assert len(state.record(ITEM).entries) == 4


def test_handing_in_anew_interrupts_nothing_that_is_valid() -> None:
    state = apply(accepted(), submit(), LEAD)
    standing = state.standing(ITEM, NOW)
    assert (standing.status, standing.awaiting_review, standing.fixer) == (ItemStatus.VALID, True, Fixer.COORDINATOR)
    state = apply(state, giving_back(), COORDINATOR)
    assert state.standing(ITEM, NOW).valid
    assert state.standing(ITEM, NOW + YEAR).status is ItemStatus.RETURNED


def test_the_latest_acceptance_counts_even_if_it_is_shorter() -> None:
    state = apply(apply(accepted(), submit(), LEAD), accept(until=NOW + timedelta(days=9)), COORDINATOR)
    assert state.standing(ITEM, NOW).valid_until == NOW + timedelta(days=9)


def test_revoking_keeps_the_acceptance_with_its_date() -> None:
    before = accepted()
    state = apply(before, Revoke(item=ITEM, reason="The register struck it."), SECOND, NOW + timedelta(days=3))
    standing = state.standing(ITEM, NOW + timedelta(days=3))
    assert (standing.status, standing.valid_until) == (ItemStatus.REVOKED, None)
    assert "The register struck it." in standing.message
    *kept, revocation = state.record(ITEM).entries
    assert tuple(kept) == before.record(ITEM).entries
    assert isinstance(revocation, Revocation)
    assert revocation.revoked_by == SECOND.person_id
    with pytest.raises(Conflict) as refusal:
        apply(state, Revoke(item=ITEM, reason="Once more."), SECOND)
    assert refusal.value.code == "not_valid"


def test_grace_is_for_what_lapsed_and_never_for_what_was_revoked() -> None:
    lapsing = frozenset({ITEM})
    state = accepted()
    soon = NOW + YEAR + timedelta(days=3)
    assert [one.status for one in state.missing(lapsing, soon)] == [ItemStatus.LAPSED]
    assert state.missing(lapsing, soon, grace_days=4) == ()
    assert state.missing(lapsing, soon, grace_days=3) != ()
    handed_in = apply(state, submit(), LEAD, soon)
    assert handed_in.missing(lapsing, soon, grace_days=4) == ()
    assert apply(handed_in, giving_back(), COORDINATOR, soon).missing(lapsing, soon, grace_days=4) == ()
    revoked = apply(state, Revoke(item=ITEM, reason="struck off"), SECOND, NOW)
    assert revoked.missing(lapsing, NOW, grace_days=365) != ()


def test_the_checklist_has_what_is_asked_for_in_order() -> None:
    required = frozenset({VettingItem.TRAINING, VettingItem.IDENTITY})
    lines = accepted().checklist(required, NOW)
    assert [(one.item, one.valid) for one in lines] == [(VettingItem.IDENTITY, True), (VettingItem.TRAINING, False)]
    assert accepted().missing(required, NOW) == lines[1:]


@pytest.mark.parametrize("actor", [MEMBER, OUTSIDER, RESEARCHER, Actor.automatic("rule")])
def test_others_hand_nothing_in_and_decide_nothing(actor: Actor) -> None:
    with pytest.raises(Forbidden) as refusal:
        apply(Passport(), submit(), actor)
    assert (refusal.value.code, refusal.value.fixer) == ("not_signatory", Fixer.LEAD)
    waiting = apply(Passport(), submit(), LEAD)
    for decider in (actor, LEAD):
        for command, state in (
            (accept(), waiting),
            (giving_back(), waiting),
            (Revoke(item=ITEM, reason="no more"), accepted()),
        ):
            with pytest.raises(Forbidden) as denied:
                apply(state, command, decider)
            assert denied.value.code == "not_coordinator"


def test_nobody_reviews_their_own_evidence_or_institution() -> None:
    on_behalf = apply(Passport(), submit(), COORDINATOR)
    both = person("flo", (LAB, Role.COORDINATOR), (PARTNER, Role.RESEARCHER))
    for state, actor in ((on_behalf, COORDINATOR), (apply(Passport(), submit(), LEAD), both)):
        for command in (accept(), giving_back()):
            with pytest.raises(Conflict) as refusal:
                apply(state, command, actor)
            assert refusal.value.code == "own_evidence"
    assert apply(on_behalf, accept(), SECOND).standing(ITEM, NOW).valid


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ReviewItem(item=ITEM, accepted=True), "valid_until_missing"),
        (accept(until=NOW), "validity_out_of_range"),
        (accept(until=NOW - timedelta(days=1)), "validity_out_of_range"),
        (accept(until=NOW + MOST_VALID + timedelta(seconds=1)), "validity_out_of_range"),
        (giving_back(reason="  "), "reason_missing"),
        (ReviewItem(item=ITEM, accepted=False, reason="no", valid_until=NOW + YEAR), "returned_until"),
    ],
)
def test_a_review_that_does_not_say_enough_is_refused(command: ReviewItem, code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        apply(apply(Passport(), submit(), LEAD), command, COORDINATOR)
    assert refusal.value.code == code


def test_only_what_waits_is_reviewed_and_only_what_was_read() -> None:
    for state in (Passport(), accepted()):
        with pytest.raises(Conflict) as refusal:
            apply(state, accept(), COORDINATOR)
        assert refusal.value.code == "nothing_to_review"
    newer = apply(apply(Passport(), submit(), LEAD), submit(statement="Rather this."), LEAD)
    with pytest.raises(Conflict) as other:
        apply(newer, accept(submission=1), COORDINATOR)
    assert other.value.code == "other_submission"
    assert apply(newer, accept(submission=2), COORDINATOR).standing(ITEM, NOW).valid


def test_only_training_names_people_and_the_lab_has_no_passport() -> None:
    trained = apply(Passport(), submit(VettingItem.TRAINING, people=("Cleo", "Dan")), LEAD)
    assert trained.record(VettingItem.TRAINING).submissions[0].people == ("Cleo", "Dan")
    with pytest.raises(Invalid) as refusal:
        apply(Passport(), submit(people=("Cleo",)), LEAD)
    assert refusal.value.param == "people"
    with pytest.raises(Invalid) as lab:
        apply(Passport(), submit(institution_id=LAB), COORDINATOR)
    assert lab.value.code == "lab_has_no_passport"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(VettingItem),
        st.sampled_from(["submit", "accept", "return", "revoke"]),
        st.sampled_from([LEAD, COORDINATOR, SECOND, MEMBER]),
        st.integers(0, 40),
        st.integers(1, 60),
    ),
    max_size=30,
)


def walked(steps: Sequence[Any]) -> list[tuple[datetime, Passport]]:
    """Every state on the way, refused steps left out."""
    now, state = NOW, Passport()
    states = [(now, state)]
    for item, what, actor, wait, days in steps:
        now += timedelta(days=wait)
        commands: dict[str, PassportCommand] = {
            "submit": submit(item),
            "accept": accept(item, until=now + timedelta(days=days)),
            "return": giving_back(item),
            "revoke": Revoke(item=item, reason="struck off"),
        }
        try:
            state = apply(state, commands[what], actor, now)
        except ConcordatError:
            continue
        states.append((now, state))
    return states


@given(STEPS)
def test_no_history_is_ever_rewritten(steps: Sequence[Any]) -> None:
    states = [state for _, state in walked(steps)]
    for earlier, later in itertools.pairwise(states):
        for item in VettingItem:
            before = earlier.record(item).entries
            assert later.record(item).entries[: len(before)] == before


@given(STEPS, st.integers(0, 100))
def test_an_item_counts_exactly_while_somebody_elses_acceptance_runs(steps: Sequence[Any], ahead: int) -> None:
    now, state = walked(steps)[-1]
    then = now + timedelta(days=ahead)
    for item in VettingItem:
        entries = state.record(item).entries
        ends = [at for at, one in enumerate(entries) if isinstance(one, Revocation)]
        reviews = [one for one in entries[ends[-1] + 1 if ends else 0 :] if isinstance(one, Review) and one.accepted]
        runs = bool(reviews) and reviews[-1].valid_until is not None and then < reviews[-1].valid_until
        assert (item in state.valid_items(then)) is runs
        assert (state.missing(frozenset({item}), then) == ()) is runs
        for review in reviews:
            assert state.record(item).submission(review.submission).submitted_by != review.reviewer_id
