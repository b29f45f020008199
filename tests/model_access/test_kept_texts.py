"""The rules by which prompts and answers are kept: never longer than agreed, then or now."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements.actors import Actor
from agreements.errors import Conflict
from model_access.kept_texts import (
    DROPPED,
    ENDED,
    KEPT_TEXT,
    OVER,
    SHORTENED,
    DestroyText,
    How,
    KeepingTerms,
    KeepText,
    KeptText,
    NoteReading,
    Today,
    clock_of,
    decide,
    lab_may_read,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
RULE = Actor.automatic("text-clock")
DAYS = st.integers(1, 3660)


def terms(days: int = 30, *, lab_reads: bool = False, outlives: bool = False) -> KeepingTerms:
    """A clause that keeps them."""
    return KeepingTerms(
        agreement_id="agr_1",
        stands_in="agr_1",
        version_digest="sha256:" + "0" * 64,
        clause="6, Confidentiality",
        days=days,
        lab_reads=lab_reads,
        outlives=outlives,
    )


def kept(said: KeepingTerms) -> KeptText:
    """Kept from now on."""
    command = KeepText(
        run_id="run_1",
        owner_id="per_cleo",
        institution_id="north",
        grant_id="grt_1",
        terms=said,
        size=1,
        keep_until=said.until(NOW),
    )
    return KEPT_TEXT.fold(decide(KeptText(), command, RULE, NOW))


@given(
    agreed=DAYS,
    now=st.none() | DAYS,
    outlives=st.tuples(st.booleans(), st.booleans()),
    runs=st.booleans(),
    ended=st.integers(-10, 4000),
)
def test_it_is_never_kept_longer_than_is_agreed_then_or_now(
    agreed: int, now: int | None, outlives: tuple[bool, bool], runs: bool, ended: int
) -> None:
    state = kept(terms(agreed, outlives=outlives[0]))
    end = NOW + timedelta(days=ended)
    today = Today(runs=runs, ended_at=None if runs else end, days=now, outlives=outlives[1])
    clock = clock_of(state, today)
    assert NOW <= clock.until <= NOW + timedelta(days=agreed)
    said = NOW + timedelta(days=0 if now is None else min(agreed, now))
    if runs or all(outlives):
        assert clock.until == said
    else:
        assert clock.until == min(said, max(end, NOW))


@pytest.mark.parametrize(
    ("today", "days", "because"),
    [
        (Today(runs=True, days=30), 30, OVER),
        (Today(runs=True, days=90), 30, OVER),
        (Today(runs=True, days=10), 10, SHORTENED),
        (Today(runs=True), 0, DROPPED),
        (Today(runs=False, ended_at=NOW + timedelta(days=3), days=30), 3, ENDED),
        (Today(runs=False, ended_at=NOW + timedelta(days=99), days=30), 30, OVER),
        (Today(runs=False, ended_at=NOW + timedelta(days=3), days=2), 2, SHORTENED),
        (Today(runs=False, ended_at=NOW + timedelta(days=3)), 0, DROPPED),
    ],
)
def test_what_ends_it_is_said(today: Today, days: int, because: str) -> None:
    clock = clock_of(kept(terms()), today)
    assert (clock.until, clock.because) == (NOW + timedelta(days=days), because)


@given(then=st.booleans(), now=st.booleans(), runs=st.booleans())
def test_the_lab_reads_what_was_agreed_then_and_is_agreed_now(then: bool, now: bool, runs: bool) -> None:
    read = lab_may_read(kept(terms(lab_reads=then)), Today(runs=runs, days=30, lab_reads=now))
    assert read == (then and now)


def test_it_is_kept_once_read_often_and_destroyed_once() -> None:
    state = kept(terms())
    again = KeepText(**state.model_dump(include=set(KeepText.model_fields)))
    with pytest.raises(Conflict) as refusal:
        decide(state, again, RULE, NOW)
    assert refusal.value.code == "kept_already"
    for how in How:
        state = KEPT_TEXT.fold(decide(state, NoteReading(how=how), RULE, NOW), state)
    assert (state.readings, state.kept) == (len(How), True)
    state = KEPT_TEXT.fold(decide(state, DestroyText(because=OVER), RULE, NOW), state)
    assert (state.kept, state.destroyed_at, state.destroyed_because) == (False, NOW, OVER)
    for command in (NoteReading(how=How.SHOWN), DestroyText(because=OVER)):
        with pytest.raises(Conflict) as refusal:
            decide(state, command, RULE, NOW)
        assert refusal.value.code == "text_destroyed"


def test_what_was_never_kept_has_no_clock() -> None:
    with pytest.raises(Conflict) as refusal:
        clock_of(KeptText(), Today(runs=True))
    assert refusal.value.code == "nothing_kept"
