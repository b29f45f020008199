"""What an adversarial reading of agreements asked: deadlines, ways out, texts that are not what they seem."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.agreement import (
    Agreement,
    AgreementStatus,
    AppealOutcome,
    Change,
    Counter,
    DecideAppeal,
    Decline,
    FileAppeal,
    LapseAppeal,
    Lift,
    Offer,
    PartyKind,
    Propose,
    Suspend,
    Suspension,
    VersionStatus,
)
from agreements.clauses import Form, SafeHarbour, SuspensionReason, check_clauses, only, parse_clauses
from agreements.errors import Conflict, Fixer, Forbidden, Invalid
from tests.agreements.parties import NOW
from tests.agreements.paths import (
    ABE,
    ADA,
    APPEALS,
    BEN,
    HARBOUR,
    ZOE,
    clause_data,
    done,
    drafting,
    next_to_sign,
    places,
    signed_by_all,
    signing,
    text,
)

WORDS = "Said at sufficient length."


def in_force(**changed: dict[str, Any]) -> Agreement:
    """An agreement over the usual text with changes."""
    state = done(Agreement(), drafting(text(**changed)), ADA, NOW)
    return signed_by_all(done(state, Offer(), ADA, NOW), NOW)


def suspended(state: Agreement, safe_harbour: SafeHarbour | None = None) -> Agreement:
    """The same, suspended by Ada for a reason that needs notice."""
    command = Suspend(reason=SuspensionReason.BREACH_OF_TERMS, statement=WORDS, safe_harbour=safe_harbour)
    return done(state, command, ADA, NOW)


def proposing(state: Agreement, **changed: dict[str, Any]) -> Propose:
    """An amendment to the usual text with changes."""
    return Propose(change=Change.AMENDMENT, title=state.title, clauses=text(**changed), template_version=1)


# ---- an amendment cannot end the agreement in the past ----


def test_an_amendment_whose_term_would_be_over_comes_nowhere_near_a_signature() -> None:
    state = in_force(term={"days": 365})
    late = NOW + timedelta(days=200)
    begun = done(state, proposing(state, term={"days": 30}), ADA, late)
    with pytest.raises(Conflict) as refused:
        done(begun, Offer(), ADA, late)
    assert refused.value.code == "term_over_at_once"
    with pytest.raises(Conflict) as of_the_institution:
        done(state, proposing(state, term={"days": 200}), BEN, late)  # to the moment: at its end it is over
    assert of_the_institution.value.code == "term_over_at_once"


def test_a_counter_offer_cannot_end_it_in_the_past_either() -> None:
    state = in_force(term={"days": 365})
    late = NOW + timedelta(days=200)
    offered = done(done(state, proposing(state, term={"days": 300}), ADA, late), Offer(), ADA, late)
    with pytest.raises(Conflict) as refused:
        done(offered, Counter(title=state.title, clauses=text(term={"days": 30})), BEN, late)
    assert refused.value.code == "term_over_at_once"


def test_a_shorter_term_that_is_still_to_come_is_signed_until_it_has_come() -> None:
    state = in_force(term={"days": 365})
    early = NOW + timedelta(days=100)
    offered = done(done(state, proposing(state, term={"days": 120}), ADA, early), Offer(), ADA, early)
    assert signed_by_all(offered, early).expires_at == NOW + timedelta(days=120)
    with pytest.raises(Conflict) as refused:
        signed_by_all(offered, NOW + timedelta(days=120))
    assert refused.value.code == "term_over_at_once"


# ---- appeals ----


def appealed(state: Agreement) -> Agreement:
    """The suspension, appealed at once."""
    return done(state, FileAppeal(number=1, text=WORDS), BEN, NOW)


def test_once_its_time_is_over_the_lab_cannot_dismiss_an_appeal_any_more() -> None:
    state = appealed(suspended(in_force(safe_harbour=HARBOUR)))
    over = NOW + timedelta(days=10)
    with pytest.raises(Conflict) as refused:
        done(state, DecideAppeal(number=1, upheld=False, reasons=WORDS), ABE, over)
    assert refused.value.code == "decision_too_late"
    in_time = done(state, DecideAppeal(number=1, upheld=False, reasons=WORDS), ABE, over - timedelta(seconds=1))
    assert in_time.suspension is not None
    lapsed = done(state, LapseAppeal(number=1), APPEALS, over)
    assert lapsed.suspension is None


def test_it_may_still_give_in() -> None:
    state = appealed(suspended(in_force(safe_harbour=HARBOUR)))
    late = done(state, DecideAppeal(number=1, upheld=True, reasons=WORDS), ABE, NOW + timedelta(days=11))
    assert late.suspension is None


def test_nobody_decides_the_appeal_they_filed() -> None:
    state = done(suspended(in_force(safe_harbour=HARBOUR)), FileAppeal(number=1, text=WORDS), ZOE, NOW)
    with pytest.raises(Forbidden) as refused:
        done(state, DecideAppeal(number=1, upheld=True, reasons=WORDS), ZOE, NOW)
    assert refused.value.code == "own_appeal"
    assert done(state, DecideAppeal(number=1, upheld=True, reasons=WORDS), ABE, NOW).suspension is None


def test_where_the_agreement_is_silent_the_frameworks_safe_harbour_holds() -> None:
    clause = only(text(safe_harbour=HARBOUR), SafeHarbour)
    bare = parse_clauses([data for kind, data in clause_data().items() if kind != "safe_harbour"])
    state = signed_by_all(done(done(Agreement(), drafting(bare), ADA, NOW), Offer(), ADA, NOW), NOW)
    state = suspended(state, clause)
    suspension = state.suspension
    assert suspension is not None
    assert suspension.takes_effect_at == NOW + timedelta(hours=48)
    assert suspension.appeal_until == NOW + timedelta(days=14)
    state = done(state, FileAppeal(number=1, text=WORDS, safe_harbour=clause), BEN, NOW)
    appeal = state.suspensions[0].appeal
    assert appeal is not None
    assert appeal.decide_by == NOW + timedelta(days=10)
    state = done(state, LapseAppeal(number=1, safe_harbour=clause), APPEALS, NOW + timedelta(days=10))
    assert state.suspension is None
    assert state.suspensions[0].appeal is not None
    assert state.suspensions[0].appeal.outcome is AppealOutcome.LAPSED


def test_the_agreements_own_safe_harbour_comes_before_the_frameworks() -> None:
    other = only(text(safe_harbour={**HARBOUR, "notice_hours": 1}), SafeHarbour)
    state = suspended(in_force(safe_harbour=HARBOUR), other)
    assert state.suspension is not None
    assert state.suspension.takes_effect_at == NOW + timedelta(hours=48)


# ---- ways out ----


def test_the_institution_can_say_no_after_the_lab_signed_first() -> None:
    lab_first = places(("lab", None), ("institution", None))
    state = done(done(Agreement(), drafting(text(signatories=lab_first)), ADA, NOW), Offer(), ADA, NOW)
    state = done(state, signing(state, PartyKind.LAB), ADA, NOW)
    declined = done(state, Decline(reason="Not on these terms."), BEN, NOW)
    assert declined.shown.status is VersionStatus.DECLINED
    assert next_to_sign(declined) is None
    with pytest.raises(Conflict):
        done(declined, signing(state, PartyKind.INSTITUTION, envelope=signing(state, PartyKind.INSTITUTION).envelope),
             BEN, NOW)  # fmt: skip
    with pytest.raises(Forbidden) as own:
        done(state, Decline(reason="Not on these terms."), ADA, NOW)
    assert own.value.code == "own_text"


def test_until_all_have_signed_the_institution_may_take_its_word_back() -> None:
    state = done(done(Agreement(), drafting(text()), ADA, NOW), Offer(), ADA, NOW)
    state = done(state, signing(state, PartyKind.INSTITUTION), BEN, NOW)
    declined = done(state, Decline(reason="It waited too long."), BEN, NOW)
    with pytest.raises(Conflict) as refused:
        done(declined, signing(state, PartyKind.LAB), ADA, NOW)
    assert refused.value.code == "wrong_agreement_status"


# ---- signatures that cross ----


def test_a_signature_prepared_before_another_came_in_is_prepared_again() -> None:
    state = done(done(Agreement(), drafting(text()), ADA, NOW), Offer(), ADA, NOW)
    prepared = signing(state, PartyKind.LAB).model_copy(update={"signed_before": 0})
    state = done(state, signing(state, PartyKind.INSTITUTION), BEN, NOW)
    with pytest.raises(Conflict) as refused:
        done(state, prepared, ADA, NOW)
    assert refused.value.code == "signed_meanwhile"
    anew = prepared.model_copy(update={"signed_before": 1})
    assert done(state, anew, ADA, NOW).governing is not None


# ---- texts ----

HIDDEN = ["\u202e", "\u2066", "\x00", "\x1b", "\x7f", "\r"]


@pytest.mark.parametrize("mark", HIDDEN)
@pytest.mark.parametrize("where", ["title", "text"])
def test_no_clause_hides_what_reorders_or_erases_it(mark: str, where: str) -> None:
    clauses = text(general={where: f"The lab shall{mark} not."})
    with pytest.raises(Invalid) as refused:
        check_clauses(clauses)
    assert refused.value.code == "unprintable_text"
    assert refused.value.param == "general"


def test_a_clause_may_have_paragraphs_and_its_title_one_line() -> None:
    check_clauses(text(general={"text": "One.\n\n\tTwo."}))
    with pytest.raises(Invalid):
        check_clauses(text(general={"title": "One\nTwo"}))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("named_users", {"users": [{"name": "Ben\u202e", "email": "ben@people.example"}]}),
        (
            "signatories",
            {"order": [{"party": "lab", "role": "di\u202erector"}, {"party": "institution", "role": "me"}]},
        ),
    ],
)
def test_nor_does_its_data(kind: str, data: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        check_clauses(text(**{kind: data}))
    assert refused.value.code == "unprintable_text"


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
def test_everything_else_is_anybodys_to_write(words: str) -> None:
    quoted = words.replace("{", "{{").replace("}", "}}")
    clauses = text(general={"title": "Words", "text": quoted})
    if any(mark in words for mark in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"):
        with pytest.raises(Invalid):
            check_clauses(clauses)
    else:
        check_clauses(clauses, Form.STANDALONE)


def test_a_few_braces_do_not_make_a_book() -> None:
    users = [{"name": "n" * 120, "email": f"{number}@{'a' * 180}.example"} for number in range(200)]
    with pytest.raises(Invalid) as refused:
        text(named_users={"text": "{users}" * 1000, "users": users})
    assert refused.value.code == "bad_clause"
    assert "characters" in refused.value.message
    assert text(named_users={"text": "They are {users}.", "users": users})


def urgent(state: Agreement, reason: SuspensionReason = SuspensionReason.SECURITY_INCIDENT) -> Agreement:
    """The same, suspended by Ada for something that cannot wait for the notice of another suspension."""
    return done(state, Suspend(reason=reason, statement=WORDS), ADA, NOW + timedelta(hours=1))


def standing(state: Agreement) -> Suspension:
    """The suspension that stands."""
    assert state.suspension is not None
    return state.suspension


def test_what_cannot_wait_takes_the_place_of_a_suspension_that_does() -> None:
    noticed = suspended(in_force(safe_harbour=HARBOUR))
    replaced = urgent(noticed)
    assert standing(noticed).takes_effect_at > NOW + timedelta(hours=1)
    assert (standing(replaced).number, standing(replaced).takes_effect_at) == (2, NOW + timedelta(hours=1))
    assert replaced.suspensions[0].lift_reason == "Suspension 2 takes its place."


def test_a_suspension_in_effect_is_not_replaced() -> None:
    with pytest.raises(Conflict) as refused:
        urgent(urgent(suspended(in_force(safe_harbour=HARBOUR))))
    assert refused.value.code == "already_suspended"


def asked_for(state: Agreement) -> Agreement:
    """The same, suspended at once because the institution asked for it."""
    return done(state, Suspend(reason=SuspensionReason.REQUESTED, statement=WORDS), BEN, NOW)


def test_the_institution_closes_access_at_once_and_the_notice_of_the_lab_goes_on() -> None:
    both = asked_for(suspended(in_force(safe_harbour=HARBOUR)))
    assert [(one.number, one.requested) for one in both.open_suspensions] == [(2, True), (1, False)]
    assert both.status_on(NOW) is AgreementStatus.SUSPENDED
    again = done(both, Lift(number=2, reason=WORDS), BEN, NOW)
    assert again.status_on(NOW) is AgreementStatus.IN_FORCE
    assert again.status_on(NOW + timedelta(hours=48)) is AgreementStatus.SUSPENDED


def test_a_suspension_of_the_lab_never_opens_what_the_institution_asked_to_close() -> None:
    both = suspended(asked_for(in_force(safe_harbour=HARBOUR)))
    assert all(both.status_on(NOW + timedelta(hours=hour)) is AgreementStatus.SUSPENDED for hour in range(100))
    settled = done(both, Lift(number=2, reason=WORDS), ADA, NOW)
    assert settled.status_on(NOW) is AgreementStatus.SUSPENDED
    assert done(settled, Lift(number=1, reason=WORDS), BEN, NOW).status_on(NOW) is AgreementStatus.IN_FORCE


def test_each_side_has_one_suspension_at_a_time() -> None:
    with pytest.raises(Conflict) as refused:
        asked_for(asked_for(in_force()))
    assert refused.value.code == "already_suspended"


def test_the_lab_does_not_lift_what_the_institution_asked_for() -> None:
    with pytest.raises(Forbidden) as refused:
        done(asked_for(in_force()), Lift(number=1, reason=WORDS), ADA, NOW)
    assert (refused.value.code, refused.value.fixer) == ("requested_suspension", Fixer.LEAD)


def test_nobody_appeals_against_what_they_asked_for() -> None:
    with pytest.raises(Conflict) as refused:
        done(asked_for(in_force()), FileAppeal(number=1, text=WORDS), BEN, NOW)
    assert refused.value.code == "own_request"


def test_an_appeal_is_answered_when_its_suspension_ends_another_way() -> None:
    appealed = done(suspended(in_force(safe_harbour=HARBOUR)), FileAppeal(number=1, text=WORDS), BEN, NOW)
    for ended in (urgent(appealed), done(appealed, Lift(number=1, reason="Cleared up."), ADA, NOW)):
        appeal = ended.suspensions[0].appeal
        assert appeal is not None
        assert (appeal.outcome, appeal.decided_by) == (AppealOutcome.OVERTAKEN, ADA.person_id)
    anew = done(urgent(appealed), FileAppeal(number=2, text=WORDS), BEN, NOW + timedelta(hours=1))
    assert standing(anew).appeal is not None
