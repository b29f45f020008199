"""One duty on the screen: how it stands, what follows and when, and everything that happened to it."""

from collections.abc import Iterator
from datetime import datetime

import streamlit as st

from agreements.duties import DutyKind, DutyState, Evidence, Standing, Step
from portal.pages.duty_forms import fulfilling, postponing, sending_back, waiving
from portal.pages.parts import copyable, fields, go, heading, row, status
from portal.pages.words import count, literal, prose, relative, when
from portal.services.duties import DutyView

_STEPS = {Step.DUE_SOON: "that it is due soon", Step.OVERDUE: "that it is overdue"}


def due_in_words(view: DutyView, now: datetime) -> str:
    """When it is due, or how late it is, as one says it."""
    standing = view.standing
    match standing.state:
        case DutyState.OVERDUE:
            return f"{count(view.late_days, 'day')} late" if view.late_days else "late since today"
        case DutyState.FULFILLED:
            return "fulfilled in time" if standing.on_time else "fulfilled late"
        case DutyState.WAIVED:
            return "waived"
        case DutyState.DROPPED:
            return "no longer owed"
        case _:
            return f"due {relative(standing.due_at, now)}"


def duty_card(view: DutyView, now: datetime, *, with_institution: bool, with_state: bool = True) -> None:
    """One duty on the board."""
    duty = view.standing.duty
    with st.container(border=True, key=f"duty_{view.agreement_id}_{duty.key}"):
        st.markdown(f"**{literal(duty.title)}**")
        with row():
            if with_state:
                status(view.standing.state)
            st.markdown(due_in_words(view, now))
        whose = f"{literal(view.institution_name)} · " if with_institution else ""
        st.caption(f"{whose}{literal(view.agreement_title)} · {view.standing.due_at:%Y-%m-%d}")
        if view.consequence and view.standing.state is not DutyState.UPCOMING:
            st.caption(f":material/stairs: {literal(view.consequence)}")
        go(
            "Hand it in" if "fulfil" in view.actions else "Open",
            "duties",
            icon="upload_file" if "fulfil" in view.actions else "event_repeat",
            agreement=view.agreement_id,
            duty=duty.key,
        )


def duty_page(view: DutyView, now: datetime) -> None:
    """All of it, for either side, with what the reader may do."""
    standing, duty = view.standing, view.standing.duty
    heading(literal(duty.title))
    st.markdown(f"Owed by **{literal(view.institution_name)}** under *{literal(view.agreement_title)}*")
    with row(key="duty_status"):
        status(standing.state)
        st.markdown(f"**{due_in_words(view, now)}**")
        st.badge(literal(duty.kind.label), icon=":material/label:", color="gray")
    if view.consequence:
        late = standing.state is DutyState.OVERDUE
        said = st.warning if late else st.info
        said(literal(view.consequence), icon=":material/stairs:")
    if standing.dropped:
        st.info(
            "The agreement no longer asks for it. What was handed in stays on record.", icon=":material/event_busy:"
        )
    st.markdown(prose(duty.text))
    facts = [("Can be handed in from", when(duty.opens_at, now)), ("Due", when(standing.due_at, now))]
    if standing.due_at != duty.due_at:
        facts.append(("Due by the schedule", when(duty.due_at, now)))
    fields(facts)
    go("The agreement", "agreements", icon="contract", agreement=view.agreement_id)
    if "fulfil" in view.actions:
        fulfilling(view)
    elif standing.state.is_open and duty.kind.binds:
        st.caption("It binds the institution: only its partner lead hands it in.")
    if {"waive", "postpone", "send_back"} & set(view.actions):
        st.header("For the lab", anchor=False)
    if "send_back" in view.actions:
        sending_back(view, now)
    if "postpone" in view.actions:
        postponing(view, now)
    if "waive" in view.actions:
        waiving(view)
    history(view, now)


def history(view: DutyView, now: datetime) -> None:
    """Everything on record about it, newest first."""
    entries = sorted(_entries(view.standing, view.names), key=lambda entry: entry[0], reverse=True)
    st.header("What happened", anchor=False)
    if not entries:
        if view.standing.duty.kind is DutyKind.INCIDENT_NOTICE:
            st.markdown("The report of the incident itself gave this notice.")
        else:
            st.markdown("Nothing yet.")
    for at, icon, words, evidence in entries:
        with st.container(border=True):
            st.markdown(f":material/{icon}: {words}")
            if evidence is not None:
                _evidence(evidence)
            st.caption(when(at, now))


def _entries(standing: Standing, names: dict[str, str]) -> Iterator[tuple[datetime, str, str, Evidence | None]]:
    record = standing.record

    def by(person_id: str) -> str:
        return f"**{literal(names.get(person_id, person_id))}**"

    for handed_in in record.fulfilments:
        timely = "in time" if handed_in.at <= handed_in.due_at else "late"
        yield handed_in.at, "upload_file", f"{by(handed_in.by_id)} handed in evidence, {timely}.", handed_in.evidence
        back = handed_in.sent_back
        if back is not None:
            words = f"{by(back.by_id)} sent it back, due {back.due_at:%Y-%m-%d}: {literal(back.reason)}"
            yield back.at, "undo", words, None
    for given in record.postponements:
        words = f"{by(given.by_id)} gave time until {given.due_at:%Y-%m-%d}: {literal(given.reason)}"
        yield given.at, "more_time", words, None
    for reminder in record.reminders:
        yield reminder.at, "notifications", f"The portal reminded the institution {_STEPS[reminder.step]}.", None
    if record.waiver is not None:
        words = f"{by(record.waiver.by_id)} waived it: {literal(record.waiver.reason)}"
        yield record.waiver.at, "remove_done", words, None


def _evidence(evidence: Evidence) -> None:
    st.markdown(prose(evidence.statement))
    with row():
        for finding_id in evidence.finding_ids:
            go(f"Finding {finding_id}", "findings", icon="lab_profile", finding=finding_id)
        for run_id in evidence.run_ids:
            go(f"Run {run_id}", "runs", icon="receipt_long", run=run_id)
    if evidence.sha256:
        copyable("SHA-256 of the document", evidence.sha256)
    if evidence.url:
        copyable("Where it can be read", evidence.url)
