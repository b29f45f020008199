"""What both sides remark on a text, clause by clause and on the whole."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor, PartyKind
from agreements.agreement import Agreement, Comment, VersionStatus
from agreements.clauses import Clause
from portal.pages.context import portal
from portal.pages.parts import empty, row, submit
from portal.pages.words import count, literal, prose, when
from portal.pages.writing import field
from portal.standing import represents


def comments_part(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """Every comment, newest text first, and a box for one on the whole."""
    comment_box(actor, agreement)
    if not agreement.comments:
        empty("Nobody has remarked on a text yet.", icon="forum")
    for version in sorted({comment.version for comment in agreement.comments}, reverse=True):
        st.header(f"On version {version}", anchor=False)
        for comment in agreement.comments:
            if comment.version == version:
                remark(agreement, comment, now, names_clause=True)


def remarks(agreement: Agreement, version: int, clause_id: str, now: datetime) -> None:
    """What was remarked on one clause of one version."""
    found = [one for one in agreement.comments if one.clause_id == clause_id and one.version == version]
    if found:
        st.caption(f":material/forum: {count(len(found), 'comment')}")
    for comment in found:
        remark(agreement, comment, now)


def remark(agreement: Agreement, comment: Comment, now: datetime, *, names_clause: bool = False) -> None:
    """One comment."""
    party = agreement.lab_name if comment.party is PartyKind.LAB else agreement.institution_name
    with st.container(border=True):
        with row():
            st.markdown(f"**{literal(comment.by_name)}**, {literal(party)}")
            if names_clause and comment.clause_id is not None:
                st.badge(_title(agreement, comment), icon=":material/article:", color="gray")
        st.markdown(prose(comment.text))
        st.caption(when(comment.at, now))


def comment_box(actor: Actor, agreement: Agreement, clause: Clause | None = None) -> None:
    """The form for a remark on a clause, or on the text as a whole; for those who speak for a side."""
    if not (actor.is_coordinator or represents(actor, agreement.institution_id)):
        return
    form = f"agreement.comment:{agreement.id}:{clause.clause_id if clause else 'whole'}"
    label = "Comment" if clause else "Comment on the text"
    proposal = agreement.proposal
    ours = proposal is not None and proposal.status is VersionStatus.DRAFT
    with st.popover(label, icon=":material/add_comment:", key=f"{form}.box"), st.form(form, border=False):
        st.text_area("Your remark", key=field(form, "text"), max_chars=2000, height=90)
        st.caption("Only the lab reads it until the text is offered." if ours else "Both sides read it.")
        submit(
            "Send",
            form,
            lambda who, key: portal().agreements.comment(
                who,
                agreement.id,
                text=st.session_state[field(form, "text")].strip(),
                clause_id=clause.clause_id if clause else None,
                idempotency_key=key,
            ),
            done="Your remark is with the text.",
            icon="send",
        )


def _title(agreement: Agreement, comment: Comment) -> str:
    version = next((one for one in agreement.versions if one.number == comment.version), None)
    clauses = version.clauses if version is not None else ()
    return literal(next((one.title for one in clauses if one.clause_id == comment.clause_id), comment.clause_id or ""))
