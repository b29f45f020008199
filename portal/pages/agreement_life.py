"""An agreement while it runs, and its end: suspensions and appeals, narrowings, termination, closure."""

from datetime import datetime
from typing import Final

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus, SuspensionEffect
from agreements.clauses import SuspensionReason, UsageLimits
from agreements.scopes import Operation
from portal.pages.agreement_measures import narrowing_card, suspension_card
from portal.pages.context import portal
from portal.pages.parts import Consequence, act, confirmed, row, status
from portal.pages.words import count, literal, sentence, when
from portal.pages.writing import field
from portal.services.agreement_facts import Act, Consequences
from portal.services.duties import DutyView
from portal.standing import represents

_ENDED: Final = (AgreementStatus.EXPIRED, AgreementStatus.TERMINATED)


def life_part(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """What stands against the agreement now, what its reader may do about it, and the record of all that was."""
    _measures(actor, agreement, now)
    lab, lead = actor.is_coordinator, represents(actor, agreement.institution_id)
    if agreement.runs_on(now) and (lab or lead):
        # The lab's suspension stands beside the institution's; a lead asks for what is not closed already.
        if all(one.requested for one in agreement.open_suspensions) if lab else agreement.in_force_on(now):
            _suspending(actor, agreement, now)
        if lab and agreement.narrowing is None:
            _narrowing(actor, agreement)
        _terminating(actor, agreement)
    if agreement.status_on(now) in _ENDED:
        _duties_left(actor, agreement, now)
        if lab:
            _closing(agreement)


def _measures(actor: Actor, agreement: Agreement, now: datetime) -> None:
    if not agreement.suspensions and not agreement.narrowings:
        st.markdown(":material/check_circle: It was never suspended, and access under it was never narrowed.")
        return
    if agreement.suspensions:
        st.header("Suspensions", anchor=False)
    for suspension in reversed(agreement.suspensions):
        suspension_card(actor, agreement, suspension, now)
    if agreement.narrowings:
        st.header("Narrowings", anchor=False)
    for narrowing in reversed(agreement.narrowings):
        narrowing_card(actor, agreement, narrowing, now)


# ---- suspending ----------------------------------------------------------------------------------------------------


def _suspending(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """The form that suspends: by the lab for a reason, by the institution at its own request."""
    form = f"agreement.suspend:{agreement.id}"
    lab = actor.is_coordinator
    label = "Suspend access" if lab else "Ask for access to be suspended"
    with st.expander(label, icon=":material/pause_circle:"):
        reason = SuspensionReason.REQUESTED
        if lab:
            own = represents(actor, agreement.institution_id)
            reasons = [one for one in SuspensionReason if own or one is not SuspensionReason.REQUESTED]
            reason = st.selectbox(
                "Reason", reasons, format_func=lambda one: sentence(str(one)), key=field(form, "reason")
            )
        coming = portal().agreement_facts.consequences(actor, agreement.id, Act.SUSPEND, reason=reason)
        if coming.suspension is not None:
            _notice(agreement, reason, coming.suspension, now)
        preview(coming)
        st.text_area(
            "Statement; the other side reads it, and it is recorded for good",
            key=field(form, "statement"),
            max_chars=4000,
            height=100,
            persist_state="page",
        )
        act(
            "Suspend",
            form,
            lambda who, key: portal().agreements.suspend(
                who,
                agreement.id,
                reason=reason.value,
                statement=st.session_state[field(form, "statement")].strip(),
                idempotency_key=key,
            ),
            done="The suspension is on record, and the other side is notified.",
            icon="pause_circle",
            primary=True,
        )


def _notice(agreement: Agreement, reason: SuspensionReason, effect: SuspensionEffect, now: datetime) -> None:
    """When the suspension would stop access, and what could be done against it."""
    if reason is SuspensionReason.REQUESTED:
        st.caption("It takes effect at once, and your institution can lift it again.")
        return
    said = [f"For {reason} it takes effect at once."]
    if effect.notice_hours:
        notice = count(effect.notice_hours, "hour")
        said = [f"It takes effect {notice} after the notice, {when(effect.takes_effect_at, now)}."]
    until = effect.appeal_until
    within = "for as long as it lasts" if until is None else f"for {count((until - now).days, 'day')}"
    said.append(f"**{literal(agreement.institution_name)}** can appeal {within}.")
    if effect.decision_days is not None:
        lifted = "; silence lifts the suspension" if effect.silence_lifts else ""
        said.append(f"Another coordinator decides within {count(effect.decision_days, 'day')}{lifted}.")
    st.caption(f":material/gavel: {' '.join(said)}")


def preview(consequences: Consequences) -> None:
    """What an act would bring about, as Markdown that is true now."""
    st.markdown("**What it would stop**" if consequences.act is not Act.NARROW else "**What it would narrow**")
    st.markdown(said_of(consequences))


def said_of(consequences: Consequences) -> str:
    """The consequences in words, as Markdown."""
    lines = [f"- Grant *{literal(fate.grant.label)}* {literal(fate.reason)}" for fate in consequences.grants]
    if not lines:
        lines = ["- No grant is active under it."]
    tokens = sentence(count(consequences.tokens, "live access token"))
    happens = "held to the same" if consequences.act is Act.NARROW else "refused with the first request from then on"
    lines.append(f"- {tokens}: {happens}")
    if consequences.runs:
        lines.append(
            f"- {count(len(consequences.runs), 'run')} under way, stopped then if not over by itself: "
            f"{literal(', '.join(consequences.runs))}"
        )
    if consequences.schedules:
        named = literal(", ".join(consequences.schedules))
        lines.append(f"- {count(len(consequences.schedules), 'schedule')} under this framework stop with it: {named}")
    lines += [f"- {literal(duty)}" for duty in consequences.duties]
    return "\n".join(lines)


# ---- narrowing, ending ---------------------------------------------------------------------------------------------


def _narrowing(actor: Actor, agreement: Agreement) -> None:
    """The form that cuts access down to some operations and a slower rate."""
    form = f"agreement.narrow:{agreement.id}"
    limits = portal().agreement_facts.clause(actor, agreement.id, UsageLimits)
    with st.expander("Narrow access", icon=":material/compress:"):
        left = st.multiselect(
            "Operations that stay open", [one.value for one in Operation], key=field(form, "operations")
        )
        preview(
            portal().agreement_facts.consequences(
                actor, agreement.id, Act.NARROW, operations=[Operation(one) for one in left]
            )
        )
        rate = limits.requests_per_minute if limits is not None else None
        st.number_input(
            "Requests a minute" + (f" (the agreement allows {rate:,})" if rate else ""),
            min_value=1,
            max_value=rate or 100_000,
            value=1,
            key=field(form, "rate"),
        )
        st.text_area("Statement; the other side reads it", key=field(form, "statement"), max_chars=4000, height=90)
        act(
            "Narrow access",
            form,
            lambda who, key: portal().agreements.narrow(
                who,
                agreement.id,
                operations=st.session_state[field(form, "operations")],
                requests_per_minute=int(st.session_state[field(form, "rate")]),
                statement=st.session_state[field(form, "statement")].strip(),
                idempotency_key=key,
            ),
            done="Access is narrowed from the next request on.",
            icon="compress",
        )


def _terminating(actor: Actor, agreement: Agreement) -> None:
    consequences = portal().agreement_facts.consequences(actor, agreement.id, Act.TERMINATE)
    confirmed(
        "Terminate",
        f"agreement.terminate:{agreement.id}",
        Consequence(
            "Terminate this agreement?",
            f"*{literal(agreement.title)}* with **{literal(agreement.institution_name)}** ends at once, and with it "
            f"every grant under it (active now: {len(consequences.grants)}). This cannot be undone.\n\n"
            f"{said_of(consequences)}",
            "Terminate it",
        ),
        lambda reason: (
            lambda who, key: portal().agreements.terminate(who, agreement.id, reason=reason, idempotency_key=key)
        ),
        done="The agreement is terminated; its grants open nothing any more.",
        icon="cancel",
    )


def _duties_left(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """The duties that are still open when the books are to be closed."""
    left = set(portal().duties.open_keys(actor, agreement.id))
    views = [view for view in portal().duties.of_agreement(actor, agreement.id) if view.standing.duty.key in left]
    st.header("Duties still open", anchor=False)
    if not views:
        st.markdown(":material/task_alt: None: it can be closed as fulfilled.")
    for view in views:
        _duty(view, now)


def _duty(view: DutyView, now: datetime) -> None:
    with row():
        status(view.standing.state)
        st.markdown(f"**{literal(view.standing.duty.title)}**, due {when(view.standing.due_at, now)}")


def _closing(agreement: Agreement) -> None:
    form = f"agreement.close:{agreement.id}"
    st.header("Close the books", anchor=False)
    st.radio(
        "How it ended",
        [True, False],
        format_func=lambda fulfilled: "As fulfilled: nothing is left to be done" if fulfilled else "As not fulfilled",
        key=field(form, "fulfilled"),
    )
    st.text_area("Note", key=field(form, "note"), max_chars=2000, height=80)
    act(
        "Close the agreement",
        form,
        lambda who, key: portal().agreements.close(
            who,
            agreement.id,
            fulfilled=st.session_state[field(form, "fulfilled")],
            note=st.session_state[field(form, "note")].strip(),
            idempotency_key=key,
        ),
        done="The agreement is closed; its record stays.",
        icon="inventory_2",
    )
