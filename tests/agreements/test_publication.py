"""Review before publication: both sides' moves, both clocks, and that neither side can hold the other for ever."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agreements.actors import Actor, PartyKind, Role
from agreements.canonical import digest_of
from agreements.clauses import PublicationReview, ReviewGround
from agreements.deciders import Event
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from agreements.publication import (
    PUBLICATION,
    AcceptRedaction,
    Act,
    AskRedactions,
    ClearPublication,
    ContestRedaction,
    MaintainRedaction,
    OpenReview,
    Publication,
    PublicationCommand,
    PublicationKind,
    PublicationStatus,
    RecordPublication,
    RedactionStatus,
    RequestedRedaction,
    ReviewTerms,
    WithdrawPublication,
    WithdrawRedaction,
    acts_on,
    acts_on_redaction,
    clearance,
    review_terms,
    says,
)
from tests.agreements.parties import COORDINATOR, LEAD, MEMBER, OUTSIDER, PARTNER, in_force, person

OPENED = datetime(2026, 11, 12, 9, 0, tzinfo=UTC)
WINDOW = timedelta(days=30)
FILE, CHANGED = "sha256:" + "1" * 64, "sha256:" + "2" * 64
REASON = "It names an unreleased checkpoint's data."
GROUND = "confidential_information"
OBSERVER = person("olga", (PARTNER, Role.OBSERVER))
RULE = Actor.automatic("publication-clock")
TERMS = ReviewTerms(
    agreement_id="agr_test",
    agreement_digest="sha256:" + "0" * 64,
    clause_id="publication",
    window_days=WINDOW.days,
    grounds=frozenset({ReviewGround.CONFIDENTIAL_INFORMATION, ReviewGround.SAFETY}),
)


def opening(**changes: Any) -> OpenReview:
    fields: dict[str, Any] = {
        "publication_id": "pub_test",
        "institution_id": PARTNER,
        "institution_name": "North University",
        "lab_name": "The Lab",
        "agreement_id": "agr_test",
        "terms": TERMS,
        "title": "What large models remember",
        "kind": PublicationKind.MANUSCRIPT,
        "sha256": FILE,
        "venue": "A conference",
        "planned_for": date(2027, 1, 20),
    }
    return OpenReview(**{**fields, **changes})


def do(
    state: Publication, command: PublicationCommand, actor: Actor, now: datetime = OPENED + timedelta(days=1)
) -> Publication:
    return PUBLICATION.fold(PUBLICATION.decide(state, command, actor, now), state)


def opened(actor: Actor = LEAD) -> Publication:
    return do(PUBLICATION.initial, opening(), actor, OPENED)


def asking(*, ground: str = GROUND, times: int = 1) -> AskRedactions:
    wanted = RequestedRedaction(where="Section 3, second paragraph", ground=ground, reason=REASON)
    return AskRedactions(redactions=(wanted,) * times)


def asked(times: int = 1) -> Publication:
    return do(opened(), asking(times=times), COORDINATOR)


def contested(at: datetime = OPENED + timedelta(days=2)) -> Publication:
    return do(asked(), ContestRedaction(number=1, reason=REASON), MEMBER, at)


def maintained() -> Publication:
    return do(contested(), MaintainRedaction(number=1, reason=REASON), COORDINATOR, OPENED + timedelta(days=3))


def published(**changes: Any) -> RecordPublication:
    fields: dict[str, Any] = {"doi": "10.5555/12345", "credits": ("Ben Okoro",), "published_on": date(2026, 12, 20)}
    return RecordPublication(**{**fields, **changes})


def test_silence_clears_at_the_end_of_the_window_and_not_before() -> None:
    publication = opened()
    assert publication.clears_at == OPENED + WINDOW
    just_before = OPENED + WINDOW - timedelta(microseconds=1)
    assert publication.status_on(just_before) is PublicationStatus.UNDER_REVIEW
    assert publication.turn_on(just_before) is PartyKind.LAB
    assert publication.status_on(OPENED + WINDOW) is PublicationStatus.CLEARED
    assert publication.cleared_at(OPENED + timedelta(days=400)) == OPENED + WINDOW
    assert says(publication, OPENED) == "under review, clears 12 December 2026, 09:00 UTC unless the lab answers"
    assert says(publication, OPENED + WINDOW) == "cleared by silence on 12 December 2026, 09:00 UTC"


@pytest.mark.parametrize("actor", [LEAD, MEMBER])
def test_leads_and_members_put_files_forward(actor: Actor) -> None:
    assert opened(actor).submitted_by == actor.person_id


@pytest.mark.parametrize("actor", [COORDINATOR, OUTSIDER, OBSERVER, RULE])
def test_nobody_else_puts_a_file_forward(actor: Actor) -> None:
    with pytest.raises(Forbidden) as refusal:
        opened(actor)
    assert refusal.value.code == "not_author"


def test_a_review_is_opened_once_and_for_a_day_to_come() -> None:
    with pytest.raises(Conflict) as twice:
        do(opened(), opening(), LEAD)
    assert twice.value.code == "publication_exists"
    with pytest.raises(Invalid) as past:
        do(PUBLICATION.initial, opening(planned_for=date(2026, 11, 11)), LEAD, OPENED)
    assert past.value.param == "planned_for"


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "1" * 64}, {"url": "javascript:alert(1)"}, {"url": "https://a b"}, {"title": "  "}],
)
def test_what_does_not_name_a_file_is_no_submission(changes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        opening(**changes)


def test_the_lab_asks_in_time_and_the_review_stays_open_until_it_is_answered() -> None:
    publication = asked(times=2)
    much_later = OPENED + timedelta(days=300)
    assert publication.status_on(much_later) is PublicationStatus.REDACTIONS_ASKED
    assert publication.turn_on(much_later) is PartyKind.INSTITUTION
    assert publication.due_on(much_later) is None
    publication = do(publication, AcceptRedaction(number=1, sha256=CHANGED), MEMBER, much_later)
    assert publication.status_on(much_later) is PublicationStatus.REDACTIONS_ASKED
    publication = do(publication, AcceptRedaction(number=2, sha256=CHANGED), LEAD, much_later)
    assert publication.status_on(much_later) is PublicationStatus.CLEARED
    assert publication.cleared_at(much_later) == much_later
    assert (publication.sha256, publication.current_sha256) == (FILE, CHANGED)


def test_answered_early_the_window_still_runs_to_its_end() -> None:
    publication = do(asked(), AcceptRedaction(number=1, sha256=CHANGED), LEAD)
    assert publication.status_on(OPENED + timedelta(days=5)) is PublicationStatus.UNDER_REVIEW
    assert "unless the lab asks for more" in says(publication, OPENED + timedelta(days=5))
    publication = do(publication, asking(), COORDINATOR, OPENED + timedelta(days=6))
    assert [redaction.number for redaction in publication.redactions] == [1, 2]


def test_the_lab_asks_for_nothing_after_its_window() -> None:
    for publication in (opened(), asked()):
        with pytest.raises(Conflict) as refusal:
            do(publication, asking(), COORDINATOR, OPENED + WINDOW)
        assert refusal.value.code in {"wrong_publication_status", "window_over"}
        assert Act.ASK not in acts_on(publication, COORDINATOR, OPENED + WINDOW)


@pytest.mark.parametrize("ground", ["factual_error", "embarrassing", "", "SAFETY"])
def test_a_ground_outside_the_closed_list_is_refused_with_the_list(ground: str) -> None:
    with pytest.raises(Invalid) as refusal:
        do(opened(), asking(ground=ground), COORDINATOR)
    assert refusal.value.code == "ground_not_permitted"
    assert "confidential_information, safety" in refusal.value.message


def test_a_reason_says_something() -> None:
    with pytest.raises(ValidationError):
        RequestedRedaction(where="Page 2", ground=GROUND, reason="because" + " " * 20)
    with pytest.raises(ValidationError):
        ContestRedaction(number=1, reason="no")


def test_an_accepted_redaction_names_another_file() -> None:
    with pytest.raises(Invalid) as refusal:
        do(asked(), AcceptRedaction(number=1, sha256=FILE), LEAD)
    assert refusal.value.code == "file_unchanged"


def test_a_contested_redaction_lapses_when_the_lab_is_silent_for_another_window() -> None:
    late = OPENED + timedelta(days=40)
    publication = contested(late)
    until = late + WINDOW
    assert publication.due_on(late) == until
    assert publication.status_on(until - timedelta(seconds=1)) is PublicationStatus.CONTESTED
    assert publication.turn_on(late) is PartyKind.LAB
    assert publication.status_on(until) is PublicationStatus.CLEARED
    assert publication.redactions[0].status_on(until) is RedactionStatus.LAPSED
    assert publication.cleared_at(until + WINDOW) == until
    with pytest.raises(Conflict):
        do(publication, MaintainRedaction(number=1, reason=REASON), COORDINATOR, until)


def test_of_several_contested_redactions_the_first_to_lapse_is_named() -> None:
    state = asked(times=2)
    for number, days in ((2, 3), (1, 5)):
        state = do(state, ContestRedaction(number=number, reason=REASON), LEAD, OPENED + timedelta(days=days))
    now = OPENED + timedelta(days=6)
    assert says(state, now) == (
        "2 redactions contested, the first deemed withdrawn 15 December 2026, 09:00 UTC unless the lab maintains it"
    )
    after_both = OPENED + timedelta(days=35)
    assert state.status_on(after_both - timedelta(seconds=1)) is PublicationStatus.CONTESTED
    assert state.cleared_at(after_both) == after_both


def test_a_maintained_redaction_is_a_dispute_and_no_veto() -> None:
    publication, later = maintained(), OPENED + WINDOW
    assert publication.status_on(later) is PublicationStatus.DISPUTED
    assert publication.cleared_at(later) is None
    redaction = publication.redactions[0]
    assert redaction.contested is not None
    assert redaction.maintained is not None
    assert (redaction.contested.by_id, redaction.maintained.by_id) == (MEMBER.person_id, COORDINATOR.person_id)
    for again in (ContestRedaction(number=1, reason=REASON), MaintainRedaction(number=1, reason=REASON)):
        with pytest.raises(Conflict):
            do(publication, again, LEAD if isinstance(again, ContestRedaction) else COORDINATOR, later)
    out = do(publication, published(), MEMBER, OPENED + timedelta(days=60))
    assert out.outcome is not None
    assert out.outcome.over_objection
    assert says(out, OPENED + timedelta(days=60)) == "published over the lab's objection on 20 December 2026"
    with pytest.raises(Conflict) as refusal:
        clearance(out, OPENED + timedelta(days=60))
    assert refusal.value.code == "not_cleared"


@pytest.mark.parametrize(
    ("settle", "actor"),
    [(WithdrawRedaction(number=1), COORDINATOR), (AcceptRedaction(number=1, sha256=CHANGED), LEAD)],
)
def test_either_side_can_end_a_dispute_by_giving_way(settle: PublicationCommand, actor: Actor) -> None:
    later = OPENED + timedelta(days=90)
    publication = do(maintained(), settle, actor, later)
    assert publication.status_on(later) is PublicationStatus.CLEARED
    assert publication.cleared_at(later) == later
    assert publication.redactions[0].maintained is not None


@pytest.mark.parametrize("before", [opened, asked, contested, maintained])
def test_the_lab_clears_early_and_takes_back_what_it_asked(before: Callable[[], Publication]) -> None:
    at = OPENED + timedelta(days=4)
    publication = do(before(), ClearPublication(), COORDINATOR, at)
    assert publication.status_on(at) is PublicationStatus.CLEARED
    assert publication.cleared_at(OPENED + timedelta(days=99)) == at
    assert all(redaction.status_on(at) is RedactionStatus.WITHDRAWN for redaction in publication.redactions)
    with pytest.raises(Conflict):
        do(publication, asking(), COORDINATOR, at)
    with pytest.raises(Conflict):
        do(publication, ClearPublication(), COORDINATOR, at)


def test_a_redaction_that_was_withdrawn_or_is_not_there_cannot_be_answered() -> None:
    publication = do(asked(), WithdrawRedaction(number=1, note="Seen again."), COORDINATOR)
    with pytest.raises(Conflict) as gone:
        do(publication, AcceptRedaction(number=1, sha256=CHANGED), LEAD)
    assert gone.value.code == "wrong_redaction_status"
    with pytest.raises(NotFound) as absent:
        do(publication, AcceptRedaction(number=7, sha256=CHANGED), LEAD)
    assert absent.value.code == "redaction_not_found"
    with pytest.raises(NotFound):
        do(Publication(), ClearPublication(), COORDINATOR)


@pytest.mark.parametrize(
    ("command", "actor"),
    [
        (asking(), LEAD),
        (ClearPublication(), MEMBER),
        (MaintainRedaction(number=1, reason=REASON), LEAD),
        (WithdrawRedaction(number=1), LEAD),
        (AcceptRedaction(number=1, sha256=CHANGED), COORDINATOR),
        (ContestRedaction(number=1, reason=REASON), COORDINATOR),
        (WithdrawPublication(reason="We changed our plans."), COORDINATOR),
        (published(), COORDINATOR),
    ],
)
def test_neither_side_acts_for_the_other_and_a_third_for_none(command: PublicationCommand, actor: Actor) -> None:
    for who in (actor, OUTSIDER, OBSERVER, RULE):
        with pytest.raises(Forbidden):
            do(asked(), command, who)


def test_it_is_recorded_as_published_once_it_is_cleared() -> None:
    with pytest.raises(Conflict) as early:
        do(opened(), published(), LEAD)
    assert early.value.code == "wrong_publication_status"
    assert "clears 12 December 2026" in early.value.message
    later = OPENED + timedelta(days=60)
    publication = do(opened(), published(link="https://journal.example/1"), MEMBER, later)
    assert publication.status_on(later) is PublicationStatus.PUBLISHED
    assert publication.cleared_at(later) == OPENED + WINDOW
    for change in (published(), WithdrawPublication(reason="We changed our plans.")):
        with pytest.raises(Conflict):
            do(publication, change, LEAD, later)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"doi": ""}, "nowhere_named"), ({"published_on": date(2027, 2, 1)}, "published_in_the_future")],
)
def test_a_publication_says_where_and_when(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refusal:
        do(opened(), published(**changes), LEAD, OPENED + timedelta(days=60))
    assert refusal.value.code == code


@pytest.mark.parametrize("changes", [{"doi": "https://doi.org/10.1/x"}, {"credits": ()}, {"link": "ftp://x"}])
def test_what_names_no_place_or_nobody_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        published(**changes)


def test_the_institution_can_take_it_out_of_review() -> None:
    publication = do(asked(), WithdrawPublication(reason="We changed our plans."), LEAD)
    assert publication.status_on(OPENED + WINDOW) is PublicationStatus.WITHDRAWN
    assert publication.cleared_at(OPENED + WINDOW) is None
    assert says(publication, OPENED) == "withdrawn by North University"
    for command in (AcceptRedaction(number=1, sha256=CHANGED), WithdrawPublication(reason="Again, please.")):
        with pytest.raises(Conflict):
            do(publication, command, LEAD, OPENED + WINDOW)


def test_the_letter_is_the_same_whenever_it_is_asked_for_and_keeps_the_argument_to_the_two_sides() -> None:
    publication = do(asked(), AcceptRedaction(number=1, sha256=CHANGED), LEAD)
    letters = [clearance(publication, OPENED + WINDOW + timedelta(days=days)) for days in (0, 1, 500)]
    assert len({digest_of(letter) for letter in letters}) == 1
    letter = letters[0]
    assert (letter["submitted_sha256"], letter["cleared_sha256"]) == (FILE, CHANGED)
    assert letter["redactions_made"] == [{"number": 1, "ground": GROUND}]
    assert letter["cleared_by"] == "settled"
    assert REASON not in str(letter)
    assert "Section 3" not in str(letter)
    assert clearance(opened(), OPENED + WINDOW)["cleared_by"] == "silence"
    with pytest.raises(Conflict):
        clearance(publication, OPENED + timedelta(days=10))


def test_the_terms_are_those_of_the_version_in_force() -> None:
    agreement = in_force()
    governing = agreement.governing
    assert governing is not None
    now = (governing.effective_at or OPENED) + timedelta(days=1)
    terms = review_terms(agreement, None, now)
    assert (terms.agreement_digest, terms.clause_id) == (governing.digest, "publication")
    assert terms.grounds == frozenset(ReviewGround)
    bare = governing.model_copy(
        update={"clauses": tuple(c for c in governing.clauses if not isinstance(c, PublicationReview))}
    )
    schedule = agreement.model_copy(update={"id": "agr_schedule", "versions": (bare,)})
    with pytest.raises(Conflict) as nothing:
        review_terms(schedule, None, now)
    assert nothing.value.code == "no_review_clause"
    assert review_terms(schedule, agreement, now).agreement_id == agreement.id
    with pytest.raises(Conflict) as over:
        review_terms(agreement, None, now + timedelta(days=4000))
    assert over.value.code == "agreement_not_in_force"


ANSWERS = ("contested", "maintained", "accepted", "withdrawn")
SIDES = {PartyKind.LAB: COORDINATOR, PartyKind.INSTITUTION: LEAD}
NUMBER = st.integers(1, 4)
LAB_MOVES = st.one_of(
    st.builds(asking, times=st.integers(1, 2), ground=st.sampled_from([GROUND, "safety", "factual_error"])),
    st.builds(MaintainRedaction, number=NUMBER, reason=st.just(REASON)),
    st.builds(WithdrawRedaction, number=NUMBER),
    st.builds(ClearPublication),
)
INSTITUTION_MOVES = st.one_of(
    st.builds(AcceptRedaction, number=NUMBER, sha256=st.just(CHANGED)),
    st.builds(ContestRedaction, number=NUMBER, reason=st.just(REASON)),
    st.just(WithdrawPublication(reason="We changed our plans.")),
    st.builds(published, published_on=st.just(date(2026, 11, 12))),
)
MOVES = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.just(PartyKind.LAB), LAB_MOVES), st.tuples(st.just(PartyKind.INSTITUTION), INSTITUTION_MOVES)
        ),
        st.integers(0, 20),
    ),
    max_size=25,
)


@given(MOVES)
def test_whatever_is_tried_the_record_only_grows_and_time_never_takes_a_clearance_back(
    moves: list[tuple[tuple[PartyKind, PublicationCommand], int]],
) -> None:
    state, now, history = opened(), OPENED, list[Event]()
    for (side, command), days in moves:
        now += timedelta(days=days)
        before, status = state, state.status_on(now)
        try:
            events = PUBLICATION.decide(state, command, SIDES[side], now)
        except ConcordatError as refusal:
            assert refusal.code
            continue
        history += events
        state = PUBLICATION.fold(events, state)
        for old, new in zip(before.redactions, state.redactions, strict=False):
            assert all(getattr(old, name) in (None, getattr(new, name)) for name in ANSWERS)
        if isinstance(command, RecordPublication):
            assert status in {PublicationStatus.CLEARED, PublicationStatus.DISPUTED}
        if isinstance(command, AskRedactions):
            assert now < OPENED + WINDOW
    assert PUBLICATION.fold([Event.parse(e.type_name, e.body()) for e in history], opened()) == state
    assert all(redaction.ground in TERMS.grounds for redaction in state.redactions)
    cleared = {state.cleared_at(now + timedelta(days=days)) for days in range(0, 200, 7)} - {None}
    assert len(cleared) <= 1
    standing = [state.status_on(now + timedelta(days=days)) for days in range(0, 200, 7)]
    if standing[0] is not PublicationStatus.PUBLISHED:
        assert (state.cleared_at(now) is not None) is (standing[0] is PublicationStatus.CLEARED)
    if PublicationStatus.CLEARED in standing:
        first = standing.index(PublicationStatus.CLEARED)
        assert set(standing[first:]) == {PublicationStatus.CLEARED}


@given(st.lists(st.tuples(LAB_MOVES, st.integers(0, 15)), max_size=20), st.integers(0, 5))
def test_an_institution_that_answers_is_free_to_publish_a_window_after_the_window(
    moves: list[tuple[PublicationCommand, int]], days_to_answer: int
) -> None:
    state, now = opened(), OPENED
    for command, days in moves:
        now += timedelta(days=days)
        try:
            state = do(state, command, COORDINATOR, now)
        except ConcordatError:
            continue
        for redaction in state.standing(RedactionStatus.ASKED, now):
            answered = now + timedelta(days=days_to_answer)
            state = do(state, ContestRedaction(number=redaction.number, reason=REASON), LEAD, answered)
        now += timedelta(days=days_to_answer)
    by_then = OPENED + WINDOW + timedelta(days=days_to_answer) + WINDOW
    assert state.status_on(by_then) in {PublicationStatus.CLEARED, PublicationStatus.DISPUTED}
    assert Act.PUBLISH in acts_on(state, LEAD, by_then)


@given(MOVES, st.sampled_from([COORDINATOR, LEAD, OUTSIDER, OBSERVER]))
def test_what_somebody_is_told_they_may_do_is_what_is_carried_out(
    moves: list[tuple[tuple[PartyKind, PublicationCommand], int]], who: Actor
) -> None:
    state, now = opened(), OPENED
    for (side, command), days in moves:
        now += timedelta(days=days)
        try:
            state = do(state, command, SIDES[side], now)
        except ConcordatError:
            continue
    tries: dict[Act, PublicationCommand] = {
        Act.ASK: asking(),
        Act.CLEAR: ClearPublication(),
        Act.PUBLISH: published(published_on=date(2026, 11, 12)),
        Act.WITHDRAW: WithdrawPublication(reason="We changed our plans."),
    }
    for act, command in tries.items():
        assert (act in acts_on(state, who, now)) is carried_out(state, command, who, now)
    for redaction in state.redactions:
        number = redaction.number
        of_it: dict[Act, PublicationCommand] = {
            Act.ACCEPT: AcceptRedaction(number=number, sha256=CHANGED),
            Act.CONTEST: ContestRedaction(number=number, reason=REASON),
            Act.MAINTAIN: MaintainRedaction(number=number, reason=REASON),
            Act.DROP: WithdrawRedaction(number=number),
        }
        for act, command in of_it.items():
            assert (act in acts_on_redaction(state, redaction, who, now)) is carried_out(state, command, who, now)


def carried_out(state: Publication, command: PublicationCommand, actor: Actor, now: datetime) -> bool:
    try:
        PUBLICATION.decide(state, command, actor, now)
    except ConcordatError:
        return False
    return True


def test_terms_have_one_spelling() -> None:
    assert TERMS.model_dump(mode="json")["grounds"] == ["confidential_information", "safety"]
