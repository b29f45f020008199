"""What changed from one text of an agreement to another, and every text there was."""

from datetime import datetime
from typing import Final

import streamlit as st

from agreements.actors import Actor, PartyKind
from agreements.agreement import Agreement, Change, Version
from portal.pages import links
from portal.pages.agreement_terms import version_named
from portal.pages.clause_view import DATA_BINDS
from portal.pages.context import portal
from portal.pages.diff_view import QUIET, clause_changes, title_change
from portal.pages.parts import row, status
from portal.pages.words import count, literal, prose, sentence, short, when
from portal.services.agreement_facts import Act, Changes

_TEMPLATE: Final = 0
"""In the choosers, what stands for the template; versions count from 1."""


def changes_part(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """Any two texts side by side, and the table of all versions."""
    before, after = _chosen(agreement)
    _compared(actor, agreement, before, after)
    st.header("Versions", anchor=False)
    for version in reversed(agreement.versions):
        _version(agreement, version, now)


def whats_new(actor: Actor, agreement: Agreement) -> Changes:
    """Show what there is to accept in the text on the table, and say how much stays word for word."""
    changes = portal().agreement_facts.changes(actor, agreement.id)
    loud = sum(change.kind not in QUIET for change in changes.clauses)
    stay = len(changes.clauses) - loud
    changed = f"**the title** and **{count(loud, 'clause')}**" if changes.retitled else f"**{count(loud, 'clause')}**"
    st.markdown(
        f"Compared with {literal(changes.before)}, {changed} changed. "
        f"{count(stay, 'clause')} {'stays' if stay == 1 else 'stay'} word for word; nothing in them is to be accepted "
        "anew."
    )
    st.caption(DATA_BINDS)
    title_change(changes.title_before, changes.title_after)
    clause_changes(changes.clauses, before="As it is", after="As it would be")
    return changes


def grants_under_change(actor: Actor, agreement: Agreement) -> None:
    """What becomes of each grant when the change on the table comes into force."""
    if agreement.governing is None or agreement.proposal is None:
        return
    coming = portal().agreement_facts.consequences(actor, agreement.id, Act.AMEND)
    fates = coming.grants
    for line in coming.people:
        st.markdown(f":material/person_off: {literal(line)}")
    if coming.tokens:
        tokens = sentence(count(coming.tokens, "live access token"))
        st.markdown(f":material/key_off: {tokens} issued before: refused from {coming.at:%d %b %Y %H:%M} UTC on.")
    if not fates:
        st.caption("No grant is active under this agreement.")
        return
    st.markdown("**What becomes of the grants when it comes into force**")
    for fate in fates:
        with row():
            if fate.goes_on:
                st.badge("goes on", icon=":material/check:", color="green")
            else:
                st.badge("ends with the grace", icon=":material/block:", color="orange")
            st.markdown(f"*{literal(fate.grant.label)}*: {literal(fate.reason)}")


def _chosen(agreement: Agreement) -> tuple[int, int]:
    """Which two texts to compare; at first what one would ask: the newest against what is in force, or before it."""
    newest = agreement.proposal or agreement.shown
    governing = agreement.governing
    earlier = [version.number for version in agreement.versions if version.number < newest.number]
    usual = max(earlier, default=_TEMPLATE)
    if governing is not None and governing.number != newest.number:
        usual = governing.number
    numbers = [version.number for version in agreement.versions]
    key = f"agreement.compare:{agreement.id}:{len(numbers)}"

    def named(number: int) -> str:
        return "The template it came from" if number == _TEMPLATE else version_named(agreement.version(number))

    was, now = st.columns(2)
    with was:
        options = [_TEMPLATE, *numbers]
        before: int = st.selectbox("From", options, index=options.index(usual), format_func=named, key=f"{key}.from")
    with now:
        after: int = st.selectbox("To", numbers, index=numbers.index(newest.number), format_func=named, key=f"{key}.to")
    return before, after


def _compared(actor: Actor, agreement: Agreement, before: int, after: int) -> None:
    if before == after:
        st.caption("Choose two different texts.")
        return
    changes = portal().agreement_facts.compared(actor, agreement.id, before or None, after)
    old = (
        f"Template, version {agreement.version(after).template_version}" if before == _TEMPLATE else f"Version {before}"
    )
    title_change(changes.title_before, changes.title_after)
    clause_changes(changes.clauses, before=old, after=f"Version {after}")


def _version(agreement: Agreement, version: Version, now: datetime) -> None:
    side = agreement.lab_name if version.proposed_by is PartyKind.LAB else agreement.institution_name
    with st.container(border=True, key=f"version_{version.number}"):
        with row():
            st.markdown(f"**Version {version.number}**: {literal(version.title)}")
            status(version.status)
            if version.change is not Change.FIRST:
                st.badge(version.change.value, icon=":material/difference:", color="violet")
        told = [f"written by {literal(side)}"]
        if version.tabled_at is not None:
            told.append(f"on the table {when(version.tabled_at, now)}")
        if version.effective_at is not None:
            told.append(f"in force from {when(version.effective_at, now)}")
        if version.replaced_at is not None:
            told.append(f"replaced {when(version.replaced_at, now)}")
        if version.grace_ends_at is not None:
            told.append(f"grants and tokens under it work until {when(version.grace_ends_at, now)}")
        st.caption(" · ".join(told))
        if version.note:
            st.markdown(prose(version.note))
        if version.digest is not None:
            with row():
                st.markdown(f"`{short(version.digest)}`", help=version.digest)
                st.link_button(
                    "PDF", links.agreement_pdf(agreement.id, version.number), icon=":material/picture_as_pdf:"
                )
                st.link_button(
                    "JSON", links.agreement_version(agreement.id, version.number), icon=":material/data_object:"
                )
