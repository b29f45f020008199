"""What people do about duties: hand in, give time, send back, waive, and tell of an incident."""

from datetime import UTC, date, datetime, time, timedelta

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.clauses import IncidentNotice
from agreements.duties import IncidentKind
from model_access.runs import RunStatus
from portal.pages.context import current_actor, portal
from portal.pages.file_digest import digest_of, file_field
from portal.pages.parts import Consequence, confirmed, submit
from portal.pages.words import count, literal, sentence
from portal.pages.writing import field
from portal.services.duties import DutyView

OFFERED = 100
"""How many findings and runs are offered for citing, the newest first."""

_INCIDENT = "incident.report"
_TOLD = {
    IncidentKind.LEAK: "something got out that should not have",
    IncidentKind.BREACH: "somebody got in who should not have",
    IncidentKind.MISUSE: "somebody used it for what is not permitted",
}


def fulfilling(view: DutyView) -> None:
    """The form by which the institution hands in evidence."""
    actor, here = current_actor(), portal()
    agreement_id, key = view.agreement_id, view.standing.duty.key
    form = f"duty.fulfil:{agreement_id}:{key}"
    st.header("Hand it in", anchor=False)
    with st.form(form):
        st.text_area("What was done, and what came out", key=field(form, "statement"), max_chars=4000, height=140)
        st.multiselect(
            "Findings that show it",
            list(findings := _findings(actor, view.institution_id)),
            format_func=lambda finding_id: f"{finding_id}: {findings[finding_id]}",
            key=field(form, "findings"),
        )
        st.multiselect(
            "Runs that show it",
            list(runs := _runs(actor, view.institution_id)),
            format_func=runs.__getitem__,
            key=field(form, "runs"),
        )
        file_field("A document", field(form, "file"))
        st.text_input("Or its SHA-256", key=field(form, "sha256"), max_chars=400)
        st.text_input("Where it can be read", key=field(form, "url"), max_chars=500, placeholder="https://")

        def hand_in(who: Actor, idempotency_key: str) -> DutyView:
            state = st.session_state
            return here.duties.fulfil(
                who,
                agreement_id,
                key,
                statement=state[field(form, "statement")],
                finding_ids=state[field(form, "findings")],
                run_ids=state[field(form, "runs")],
                sha256=digest_of(field(form, "file"), state[field(form, "sha256")]),
                url=state[field(form, "url")].strip() or None,
                idempotency_key=idempotency_key,
            )

        submit("Hand it in", form, hand_in, done="It is handed in.", icon="upload_file")


def waiving(view: DutyView) -> None:
    """The lab does without."""
    agreement_id, key = view.agreement_id, view.standing.duty.key
    confirmed(
        "Waive it",
        f"duty.waive:{agreement_id}:{key}",
        Consequence(
            "Waive this duty?",
            f"**{literal(view.institution_name)}** no longer owes *{literal(view.standing.duty.title)}*, due on "
            f"{view.standing.due_at:%Y-%m-%d}. Where access is narrowed or suspended because of it alone, it opens "
            "again. What is waived cannot be asked for again.",
            "Waive it",
        ),
        lambda reason: (
            lambda who, idempotency_key: portal().duties.waive(
                who, agreement_id, key, reason=reason, idempotency_key=idempotency_key
            )
        ),
        done="It is waived.",
        icon="remove_done",
    )


def postponing(view: DutyView, now: datetime) -> None:
    """The form by which the lab gives more time."""
    agreement_id, key = view.agreement_id, view.standing.duty.key
    form = f"duty.postpone:{agreement_id}:{key}"
    soonest = max(view.standing.due_at, now).date() + timedelta(days=1)
    with st.expander("Give more time", icon=":material/more_time:"), st.form(form):
        st.date_input("New last day", value=soonest, min_value=soonest, key=field(form, "day"))
        st.text_area("Reason; the institution reads it", key=field(form, "reason"), max_chars=1000, height=90)
        submit(
            "Give more time",
            form,
            lambda who, idempotency_key: portal().duties.postpone(
                who,
                agreement_id,
                key,
                due_at=end_of(st.session_state[field(form, "day")]),
                reason=st.session_state[field(form, "reason")],
                idempotency_key=idempotency_key,
            ),
            done="The institution has more time.",
            icon="more_time",
        )


def sending_back(view: DutyView, now: datetime) -> None:
    """The form by which the lab asks for other evidence."""
    agreement_id, key = view.agreement_id, view.standing.duty.key
    form = f"duty.send_back:{agreement_id}:{key}"
    tomorrow = now.date() + timedelta(days=1)
    with st.expander("Send the evidence back", icon=":material/undo:"), st.form(form):
        st.markdown("What was handed in stays on record. The duty is open again until the new last day.")
        st.date_input(
            "New last day",
            value=max(view.standing.due_at.date(), tomorrow),
            min_value=tomorrow,
            key=field(form, "day"),
        )
        st.text_area("What is missing; the institution reads it", key=field(form, "reason"), max_chars=1000, height=90)
        submit(
            "Send it back",
            form,
            lambda who, idempotency_key: portal().duties.send_back(
                who,
                agreement_id,
                key,
                due_at=end_of(st.session_state[field(form, "day")]),
                reason=st.session_state[field(form, "reason")],
                idempotency_key=idempotency_key,
            ),
            done="It is sent back; the duty is open again.",
            icon="undo",
        )


def reporting(actor: Actor, agreements: list[Agreement], now: datetime) -> None:
    """The form by which either side tells the other of an incident."""
    known = {agreement.id: agreement for agreement in agreements if agreement.in_force_at is not None}
    if not known:
        return
    with st.expander("Report an incident", icon=":material/emergency_home:"), st.form(_INCIDENT):
        st.markdown("A leak, a breach or misuse. Both sides get a notice, and the report stays on record.")
        st.selectbox(
            "Under which agreement",
            list(known),
            format_func=lambda agreement_id: _named(actor, known[agreement_id]),
            key=field(_INCIDENT, "agreement"),
        )
        st.selectbox(
            "What happened",
            list(IncidentKind),
            format_func=lambda kind: f"{sentence(kind.value)}: {_TOLD[kind]}",
            key=field(_INCIDENT, "kind"),
        )
        left, right = st.columns(2)
        left.date_input("Known since (UTC)", value=now.date(), max_value=now.date(), key=field(_INCIDENT, "day"))
        right.time_input("At about (UTC)", value=time(now.hour), key=field(_INCIDENT, "time"))
        st.text_area(
            "What happened, what it touches, what was done",
            key=field(_INCIDENT, "statement"),
            max_chars=4000,
            height=140,
        )
        submit(
            "Report it",
            _INCIDENT,
            lambda who, idempotency_key: portal().duties.report_incident(
                who,
                st.session_state[field(_INCIDENT, "agreement")],
                kind=st.session_state[field(_INCIDENT, "kind")],
                aware_at=datetime.combine(
                    st.session_state[field(_INCIDENT, "day")], st.session_state[field(_INCIDENT, "time")], tzinfo=UTC
                ),
                statement=st.session_state[field(_INCIDENT, "statement")],
                idempotency_key=idempotency_key,
            ),
            done=lambda incident: (
                f"Incident {incident.number} is on record, "
                f"{'in time' if incident.on_time else 'later than agreed'}. The other side gets a notice."
            ),
            icon="emergency_home",
        )


def end_of(day: date) -> datetime:
    """The last moment of a day, UTC: who is given until Friday has all of Friday."""
    return datetime.combine(day, time(23, 59, 59), tzinfo=UTC)


def _named(actor: Actor, agreement: Agreement) -> str:
    clause = portal().agreement_facts.clause(actor, agreement.id, IncidentNotice)
    notice = f", notice within {count(clause.within_hours, 'hour')}" if clause else ""
    return f"{agreement.institution_name}: {agreement.title}{notice}"


def _findings(actor: Actor, institution_id: str) -> dict[str, str]:
    page = portal().findings.list(actor, limit=OFFERED)
    return {row.finding_id: row.title for row in page.rows if row.institution_id == institution_id}


def _runs(actor: Actor, institution_id: str) -> dict[str, str]:
    found = {}
    for run in portal().runs.list(actor, limit=OFFERED):
        if run.terms is None or run.status is not RunStatus.COMPLETED or run.terms.institution_id != institution_id:
            continue
        began = f", {run.started_at:%Y-%m-%d %H:%M}" if run.started_at else ""
        found[run.terms.run_id] = f"{run.terms.run_id}, {run.terms.checkpoint_id}{began}"
    return found
