"""How much there may be of texts and remarks, and that neither side uses up what is the other's."""

import pytest

from agreements.actors import Actor
from agreements.agreement import (
    AddComment,
    Agreement,
    AgreementCommand,
    Change,
    Comment,
    Counter,
    Decline,
    EditDraft,
    Offer,
    PartyKind,
    Propose,
    VersionStatus,
    Withdraw,
)
from agreements.agreement.room import MAX_COMMENTS, MAX_DOCUMENT_BYTES, MAX_IN_FORCE, MAX_TEXTS
from agreements.clauses import Clause, parse_clauses
from agreements.errors import Conflict, TooLarge
from tests.agreements.parties import COORDINATOR, LATER, LEAD, apply, drafted, in_force, offered

BACK = Withdraw(reason="Taken back.")


def amendment(title: str) -> Propose:
    return Propose(change=Change.AMENDMENT, title=title, clauses=in_force().clauses, template_version=2)


def exhausted() -> Agreement:
    """In force, and the institution has put forward and withdrawn whatever it may."""
    state = in_force()
    for number in range(MAX_TEXTS):
        state = apply(apply(state, amendment(f"Title {number}"), LEAD, LATER), BACK, LEAD, LATER)
    return state


def test_a_side_that_used_up_its_texts_leaves_the_other_its_own() -> None:
    state = exhausted()
    with pytest.raises(Conflict) as refused:
        apply(state, amendment("One more"), LEAD, LATER)
    assert refused.value.code == "too_many_versions"
    assert "North University has put forward 60 texts" in refused.value.message
    state = apply(apply(state, amendment("By the lab"), COORDINATOR, LATER), Offer(), COORDINATOR, LATER)
    with pytest.raises(Conflict) as answered:
        apply(state, Counter(title="Once more", clauses=state.clauses), LEAD, LATER)
    assert answered.value.code == "too_many_versions"
    assert apply(state, Decline(reason="Not so."), LEAD, LATER).proposal is None


def test_with_a_version_in_force_the_count_begins_anew() -> None:
    state = exhausted()
    last = state.versions[-1].model_copy(update={"status": VersionStatus.IN_FORCE, "effective_at": LATER})
    renewed = state.model_copy(update={"versions": (*state.versions[:-1], last)})
    assert apply(renewed, amendment("Again"), LEAD, LATER).proposal is not None


def test_a_first_negotiation_has_an_end_for_each_side() -> None:
    state = offered()
    for number in range(MAX_TEXTS):
        state = apply(state, Counter(title=f"Theirs {number}", clauses=state.clauses), LEAD)
        if number < MAX_TEXTS - 1:
            state = apply(state, Counter(title=f"Ours {number}", clauses=state.clauses), COORDINATOR)
    with pytest.raises(Conflict) as refused:
        apply(state, Counter(title="One more", clauses=state.clauses), COORDINATOR)
    assert refused.value.code == "too_many_versions"
    taken_over = apply(state, Offer(), COORDINATOR)
    assert taken_over.versions[-1].status is VersionStatus.OFFERED


def test_there_is_a_bound_to_what_both_sides_sign_too() -> None:
    state = in_force()
    entry = state.versions[0]
    many = tuple(entry.model_copy(update={"number": number}) for number in range(1, MAX_IN_FORCE + 1))
    with pytest.raises(Conflict) as refused:
        apply(state.model_copy(update={"versions": many}), amendment("One more"), COORDINATOR, LATER)
    assert refused.value.code == "too_many_versions"


@pytest.mark.parametrize(("loud", "quiet"), [(LEAD, COORDINATOR), (COORDINATOR, LEAD)])
def test_a_side_that_used_up_its_comments_leaves_the_other_its_own(loud: Actor, quiet: Actor) -> None:
    state = offered()
    side = PartyKind.LAB if loud is COORDINATOR else PartyKind.INSTITUTION
    state = apply(state, AddComment(text="First."), loud)
    (made,) = state.comments
    assert made.party is side
    said: tuple[Comment, ...] = tuple(
        made.model_copy(update={"number": number}) for number in range(1, MAX_COMMENTS + 1)
    )
    full = state.model_copy(update={"comments": said})
    with pytest.raises(Conflict) as refused:
        apply(full, AddComment(text="One more."), loud)
    assert refused.value.code == "too_many_comments"
    assert len(apply(full, AddComment(text="Calm down."), quiet).comments) == MAX_COMMENTS + 1
    entered = in_force().model_copy(
        update={
            "comments": tuple(one.model_copy(update={"at": LATER.min.replace(tzinfo=LATER.tzinfo)}) for one in said)
        }
    )
    assert len(apply(entered, AddComment(text="Since then."), loud, LATER).comments) == MAX_COMMENTS + 1


def long_text() -> tuple[Clause, ...]:
    """Over what can be signed, and under what can be recorded as a draft."""
    wide = [{"kind": "general", "clause_id": f"c{number}", "title": "t", "text": "文" * 8000} for number in range(10)]
    return (*in_force().clauses, *parse_clauses(wide))


def test_a_text_that_could_never_be_signed_is_not_put_on_the_table() -> None:
    clauses = long_text()
    tabled, running = offered(), in_force()
    draft = apply(drafted(), EditDraft(title="Long terms", clauses=clauses), COORDINATOR)
    proposal = Propose(change=Change.AMENDMENT, title="Long terms", clauses=clauses, template_version=2)
    counter = Counter(title="Long terms", clauses=clauses)
    attempts: list[tuple[Agreement, AgreementCommand, Actor]] = [
        (draft, Offer(), COORDINATOR),
        (tabled, counter, LEAD),
        (running, proposal, LEAD),
        (running, proposal, COORDINATOR),
    ]
    for state, command, actor in attempts:
        with pytest.raises(TooLarge) as refused:
            apply(state, command, actor, LATER)
        assert refused.value.code == "document_too_large"
        assert f"{MAX_DOCUMENT_BYTES:,}" in refused.value.message
        assert refused.value.hint


def test_what_fits_is_offered_as_ever() -> None:
    draft = apply(drafted(), EditDraft(title="Long terms", clauses=long_text()[:-4]), COORDINATOR)
    assert apply(draft, Offer(), COORDINATOR).proposal is not None
