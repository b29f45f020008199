"""Suspensions with their appeals, and narrowings: each a card with its record and what its reader may do about it."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement, Appeal, AppealOutcome, Narrowing, Suspension
from agreements.clauses import SafeHarbour
from agreements.errors import Invalid
from portal.pages.context import portal
from portal.pages.parts import Consequence, confirmed, row, submit
from portal.pages.words import literal, prose, sentence, when
from portal.pages.writing import field
from portal.standing import represents

_UPHELD, _DISMISSED = "Uphold the appeal: the suspension is lifted", "Dismiss the appeal: the suspension stands"


def suspension_card(actor: Actor, agreement: Agreement, suspension: Suspension, now: datetime) -> None:
    """One suspension: why, by whom, from when, what was said against it, how it ended."""
    with st.container(border=True, key=f"suspension_{suspension.number}"):
        with row():
            st.markdown(f"**Suspension {suspension.number}** for {suspension.reason}")
            _standing(suspension, now)
        st.markdown(prose(suspension.statement))
        by = f"the rule {literal(suspension.by_name)}" if suspension.automatic else literal(suspension.by_name)
        st.caption(
            f"Notified {when(suspension.notified_at, now)} by {by}; effect {when(suspension.takes_effect_at, now)}"
        )
        if suspension.appeal is not None:
            _appeal(actor, agreement, suspension, suspension.appeal, now)
        if suspension.lifted_at is not None:
            st.caption(
                f":material/play_circle: Lifted {when(suspension.lifted_at, now)} by "
                f"{literal(suspension.lifted_by_name)}: {literal(suspension.lift_reason)}"
            )
        elif agreement.runs_on(now):
            _answers(actor, agreement, suspension, now)


def _standing(suspension: Suspension, now: datetime) -> None:
    if suspension.lifted_at is not None:
        st.badge("lifted", icon=":material/play_circle:", color="green")
    elif suspension.effective_on(now):
        st.badge("in effect", icon=":material/pause_circle:", color="red")
    else:
        st.badge("notified", icon=":material/schedule:", color="orange")


def _appeal(actor: Actor, agreement: Agreement, suspension: Suspension, appeal: Appeal, now: datetime) -> None:
    st.markdown(f"**Appeal** by {literal(appeal.filed_by_name)}, {when(appeal.filed_at, now)}")
    st.markdown(prose(appeal.text))
    match appeal.outcome:
        case None if suspension.lifted_at is not None:
            st.caption(":material/play_circle: The suspension ended before the appeal was decided.")
        case None if appeal.decide_by is None:
            st.caption(":material/hourglass_top: The agreement sets no date for the decision.")
        case None:
            clause = portal().agreement_facts.clause(actor, agreement.id, SafeHarbour)
            lifts = clause is not None and clause.on_silence == "lifted"
            silence = "the suspension is lifted" if lifts else "the appeal lapses and the suspension stands"
            st.caption(
                f":material/hourglass_top: The lab decides by {when(appeal.decide_by, now)}. If it does not, {silence}."
            )
        case AppealOutcome.LAPSED:
            st.caption(f":material/timer_off: Not decided in time. {literal(appeal.reasons)}")
        case outcome:
            who = f"{literal(appeal.decided_by_name)}, {when(appeal.decided_at, now)}"
            st.markdown(f":material/gavel: **{sentence(outcome.value)}** by {who}")
            st.markdown(prose(appeal.reasons))


def _answers(actor: Actor, agreement: Agreement, suspension: Suspension, now: datetime) -> None:
    lead = represents(actor, agreement.institution_id)
    appeal = suspension.appeal
    if lead and appeal is None:
        _appealing(agreement, suspension, now)
    if actor.is_coordinator and appeal is not None and appeal.outcome is None:
        if actor.person_id == suspension.by_id:
            st.info(
                "You imposed this suspension, so another coordinator decides the appeal. You can lift it yourself.",
                icon=":material/person_off:",
            )
        else:
            _deciding(agreement, suspension)
    if lead if suspension.requested else actor.is_coordinator:
        _lifting(agreement, suspension, now)


def _appealing(agreement: Agreement, suspension: Suspension, now: datetime) -> None:
    """The form by which the institution objects, with the time it has."""
    form = f"agreement.appeal:{agreement.id}:{suspension.number}"
    if suspension.requested:
        return
    until = suspension.appeal_until
    if until is not None and now > until:
        st.caption(
            f":material/timer_off: It could be appealed until {when(until, now)}. A coordinator can still lift it."
        )
        return
    with st.form(form):
        st.markdown("**Appeal**" + (f", possible until {when(until, now)}" if until else ""))
        st.text_area("Why the suspension is wrong", key=field(form, "text"), max_chars=4000, height=100)
        st.caption("Another coordinator than the one who suspended decides it. It can be appealed once.")
        submit(
            "File the appeal",
            form,
            lambda who, key: portal().agreements.appeal(
                who,
                agreement.id,
                number=suspension.number,
                text=st.session_state[field(form, "text")].strip(),
                idempotency_key=key,
            ),
            done="The appeal is filed; the lab's clock runs.",
            icon="gavel",
        )


def _deciding(agreement: Agreement, suspension: Suspension) -> None:
    form = f"agreement.decide:{agreement.id}:{suspension.number}"
    with st.form(form):
        st.radio("Your decision", [_UPHELD, _DISMISSED], index=None, key=field(form, "decision"))
        st.text_area("Reasons; the institution reads them", key=field(form, "reasons"), max_chars=4000, height=100)

        def decide(who: Actor, key: str) -> Agreement:
            chosen = st.session_state[field(form, "decision")]
            if chosen is None:
                raise Invalid("no_decision", "Neither decision is chosen.", hint="Uphold the appeal or dismiss it.")
            return portal().agreements.decide_appeal(
                who,
                agreement.id,
                number=suspension.number,
                upheld=chosen == _UPHELD,
                reasons=st.session_state[field(form, "reasons")].strip(),
                idempotency_key=key,
            )

        submit("Decide", form, decide, done="The appeal is decided.", icon="gavel")


def _lifting(agreement: Agreement, suspension: Suspension, now: datetime) -> None:
    access = f"Access of **{literal(agreement.institution_name)}** under *{literal(agreement.title)}*"
    others = [str(one.number) for one in agreement.open_suspensions if one.number != suspension.number]
    if others:
        follows = f"Suspension {', '.join(others)} still stands and goes on as it says."
    elif suspension.effective_on(now):
        follows = f"{access} opens again with the next request, as far as its grants go."
    else:
        follows = f"{access} stays open: the suspension takes no effect."
    confirmed(
        "Lift the suspension",
        f"agreement.lift:{agreement.id}:{suspension.number}",
        Consequence(
            "Lift this suspension?",
            follows,
            "Lift it",
        ),
        lambda reason: (
            lambda who, key: portal().agreements.lift(
                who, agreement.id, number=suspension.number, reason=reason, idempotency_key=key
            )
        ),
        done="The suspension is lifted.",
        icon="play_circle",
    )


def narrowing_card(actor: Actor, agreement: Agreement, narrowing: Narrowing, now: datetime) -> None:
    """One narrowing: to what, why, by whom, and how it ended."""
    with st.container(border=True, key=f"narrowing_{narrowing.number}"):
        with row():
            st.markdown(
                f"**Narrowing {narrowing.number}** to {literal(', '.join(sorted(narrowing.operations)))}, "
                f"{narrowing.requests_per_minute:,} requests a minute"
            )
            if narrowing.widened_at is None:
                st.badge("in effect", icon=":material/compress:", color="orange")
            else:
                st.badge("ended", icon=":material/expand:", color="green")
        st.markdown(prose(narrowing.statement))
        by = f"the rule {literal(narrowing.by_name)}" if narrowing.automatic else literal(narrowing.by_name)
        st.caption(f"{when(narrowing.at, now)} by {by}")
        if narrowing.widened_at is not None:
            st.caption(
                f":material/expand: Ended {when(narrowing.widened_at, now)} by {literal(narrowing.widened_by_name)}: "
                f"{literal(narrowing.widen_reason)}"
            )
        elif actor.is_coordinator and agreement.runs_on(now):
            _widening(agreement, narrowing)


def _widening(agreement: Agreement, narrowing: Narrowing) -> None:
    confirmed(
        "End the narrowing",
        f"agreement.widen:{agreement.id}:{narrowing.number}",
        Consequence(
            "End this narrowing?",
            f"**{literal(agreement.institution_name)}** may again do all that *{literal(agreement.title)}* and its "
            "grants allow.",
            "End it",
        ),
        lambda reason: (
            lambda who, key: portal().agreements.widen(who, agreement.id, reason=reason, idempotency_key=key)
        ),
        done="Access is as wide again as the agreement.",
        icon="expand",
    )
