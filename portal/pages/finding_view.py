"""One finding on the screen: its words as its reporter wrote them, what it rests on, its versions and the next step."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from portal.findings.decider import Action
from portal.findings.evidence import RunFacts
from portal.findings.model import Content
from portal.findings.service import FindingView
from portal.pages import links
from portal.pages.context import portal
from portal.pages.finding_form import drafted, finding_form
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, copyable, fields, go, heading, marking, row, status, submit
from portal.pages.words import literal, prose, sentence, short, when


def finding_page(actor: Actor, view: FindingView, now: datetime) -> None:
    """The whole finding."""
    content = view.content
    heading(literal(content.title) if content else f"{view.finding_id}, withdrawn")
    with row():
        st.markdown(f"`{view.finding_id}`")
        status(view.status)
        if content:
            marking(content.marking)
            st.badge(content.kind.label, icon=":material/label:", color="gray")
            if content.severity:
                status(content.severity)
    if not view.is_current:
        st.warning(f"Version {view.version}, replaced since.", icon=":material/history:")
    if view.duplicate_of:
        go(f"Repeats {view.duplicate_of}", "findings", finding=view.duplicate_of, icon="content_copy")
    if view.withdrawal:
        st.info(
            f"Withdrawn {when(view.withdrawal.withdrawn_at, now)}: {literal(view.withdrawal.reason)}",
            icon=":material/undo:",
        )
    if content:
        words(view, content, now)
    if view.closing_note:
        st.success(f"Closed: {literal(view.closing_note)}", icon=":material/task_alt:")
    history(view, now)
    actions(actor, view)


def words(view: FindingView, content: Content, now: datetime) -> None:
    """What the version says and what it rests on."""
    with st.container(border=True):
        st.markdown(prose(content.summary))
    fields(
        [
            ("Readers", literal(view.audience)),
            ("From", literal(institution_name(view.institution_id))),
            ("Credit", literal(view.credit)),
            ("About", literal(", ".join(content.checkpoint_ids)) or "no checkpoint in particular"),
            ("Written with a language model", "yes" if content.ai_usage else "no"),
        ]
    )
    st.header("Evidence", anchor=False)
    st.markdown(literal(view.access_statement))
    for run in content.runs:
        receipt_facts(run, now)
    copyable("Digest of this version: what norms and decisions cite", view.digest)
    st.link_button("Download, signed by the lab", links.finding(view.finding_id), icon=":material/download:")


def receipt_facts(run: RunFacts, now: datetime) -> None:
    """What the receipt of a cited run says; nobody typed it."""
    with st.container(border=True):
        with row():
            go(run.run_id, "runs", run=run.run_id, icon="receipt_long")
            st.badge("from its receipt", icon=":material/verified:", color="green")
        sampling = ", ".join(
            f"{name} {value}" for name, value in sorted(run.sampling.items()) if value not in (None, [], False)
        )
        fields(
            [
                ("Checkpoint", f"{literal(run.checkpoint_id)}, `{short(run.manifest_digest)}`"),
                ("When", when(run.ran_at, now)),
                ("Operation", literal(run.operation)),
                ("Sampling", literal(f"{sampling}, seed {run.seed}")),
                ("Grant", f"`{run.grant_id}`" if run.grant_id else "none"),
                ("Receipt", f"`{short(run.receipt_digest)}`"),
            ]
        )


def history(view: FindingView, now: datetime) -> None:
    """The versions the reader may open."""
    if len(view.history) < 2:
        return
    st.header("Versions", anchor=False)
    for line in reversed(view.history):
        with row():
            go(f"Version {line.number}", "findings", finding=view.finding_id, version=str(line.number), icon="history")
            marking(line.marking)
            st.caption(f"{when(line.made_at, now)} {literal(line.note)}")


def actions(actor: Actor, view: FindingView) -> None:
    """Exactly what the service would let the reader do next."""
    findings, finding_id = portal().findings, view.finding_id
    if not view.actions:
        return
    st.header("Next", anchor=False)
    if Action.ACKNOWLEDGE in view.actions:
        act(
            "Acknowledge",
            f"finding.acknowledge:{finding_id}",
            lambda who, key: findings.acknowledge(who, finding_id, idempotency_key=key),
            done=f"{finding_id} is acknowledged; its reporter sees that you have read it.",
            icon="mark_email_read",
            primary=True,
        )
    if Action.REVISE in view.actions:
        _revising(actor, view)
    if Action.MARK_DUPLICATE in view.actions:
        _duplicate(finding_id)
    with row():
        if Action.CLOSE in view.actions:
            confirmed(
                "Close",
                f"finding.close:{finding_id}",
                Consequence("Close this finding?", f"The handling of **{finding_id}** ends; say how.", "Close it"),
                lambda note: lambda who, key: findings.close(who, finding_id, note, idempotency_key=key),
                done=f"{finding_id} is closed.",
                icon="task_alt",
            )
        if Action.WITHDRAW in view.actions:
            confirmed(
                "Withdraw",
                f"finding.withdraw:{finding_id}",
                Consequence(
                    "Withdraw this finding?",
                    f"The words of **{finding_id}** are shown to nobody any more, and nothing new can cite it. Its "
                    "number, its digests and your reason stay. This cannot be undone.",
                    "Withdraw it",
                ),
                lambda reason: lambda who, key: findings.withdraw(who, finding_id, reason, idempotency_key=key),
                done=f"{finding_id} is withdrawn.",
                icon="undo",
            )


def _revising(actor: Actor, view: FindingView) -> None:
    form = f"finding.revise:{view.finding_id}"
    with st.expander("Revise: make a new version", icon=":material/edit:"):
        if not view.is_current:
            st.caption("Open the current version to revise it.")
            return
        finding_form(actor, form, portal().findings.draft_of(actor, view.finding_id))
        st.text_input("What changed and why", key=f"{form}.note", max_chars=160)
        act(
            "Make the new version",
            form,
            lambda who, key: portal().findings.revise(
                who,
                view.finding_id,
                drafted(form),
                base=view.version,
                note=st.session_state[f"{form}.note"],
                idempotency_key=key,
            ),
            done=lambda made: f"Version {made.version} of {made.finding_id} is filed. {sentence(made.audience)}",
            icon="edit_document",
        )


def _duplicate(finding_id: str) -> None:
    form = f"finding.duplicate:{finding_id}"
    with st.expander("Mark as a duplicate", icon=":material/content_copy:"), st.form(form):
        st.text_input("The finding that it repeats", key=f"{form}.of", placeholder="CDT-2026-0001", max_chars=40)
        submit(
            "Mark it",
            form,
            lambda who, key: portal().findings.mark_duplicate(
                who, finding_id, st.session_state[f"{form}.of"].strip(), idempotency_key=key
            ),
            done=f"{finding_id} now points to the finding it repeats.",
        )
