"""An institution's vetting on the screen: each item with how it stands, until when, and all that was said of it."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor, Role
from agreements.agreement import Agreement
from agreements.clauses import Vetting
from agreements.errors import Fixer
from agreements.vetting import (
    Evidence,
    ItemRecord,
    ItemStanding,
    ItemStatus,
    Review,
    Revocation,
    Submission,
    Takeover,
    VettingItem,
)
from portal.pages import links
from portal.pages.context import portal
from portal.pages.parts import copyable, empty, go, row, status
from portal.pages.passport_forms import handing_in, importing, reviewing, revoking
from portal.pages.words import literal, moment, prose, relative, sentence, when
from portal.services.passports import PassportView

ASKS = {
    VettingItem.IDENTITY: "That the institution is who it says: an entry in a register, a charter.",
    VettingItem.SIGNATORY_AUTHORITY: "That its partner lead may sign for it: a resolution, a power of attorney.",
    VettingItem.TRAINING: "That those who use the access were trained, with their names.",
    VettingItem.SECURITY_QUESTIONNAIRE: "How it protects what it gets: accounts, devices, storage, who to call.",
    VettingItem.CONFLICTS_OF_INTEREST: "What might sway its judgement: funding, ownership, engagements.",
}


def passport_page(actor: Actor, view: PassportView, now: datetime) -> None:
    """All of it, with what the reader may do."""
    summary(view, now)
    for line in view.checklist:
        item_card(actor, view, line, now)
    relied_on(actor, view)
    taking_along(actor, view)


def summary(view: PassportView, now: datetime) -> None:
    """How much of it counts today, and what lapses next."""
    valid = [line for line in view.checklist if line.valid]
    st.progress(len(valid) / len(view.checklist), text=f"**{len(valid)}** of {len(view.checklist)} items count today")
    ends = [(line.valid_until, line.item) for line in valid if line.valid_until is not None]
    if ends:
        until, item = min(ends)
        st.caption(f"The first to lapse is {item.label}, {relative(until, now)}.")


def item_card(actor: Actor, view: PassportView, line: ItemStanding, now: datetime) -> None:
    """One item of the checklist."""
    record = view.passport.record(line.item)
    with st.container(border=True, key=f"item_{line.item.value}"):
        with row():
            st.markdown(f"**{sentence(line.item.label)}**")
            status(line.status)
            if line.valid and line.awaiting_review:
                st.badge("newer one waits for review", icon=":material/hourglass_top:", color="blue")
        st.caption(ASKS[line.item])
        st.markdown(sentence(literal(line.message.partition(": ")[2])))
        if line.valid and line.valid_until is not None:
            st.caption(f"Counts until {when(line.valid_until, now)}")
        elif not line.valid:
            st.caption(f"Next: {_next(line)}")
        lead = actor.has(Role.PARTNER_LEAD, view.institution_id)
        if actor.is_coordinator and record.pending is not None:
            st.markdown(f"**Waits for review**, handed in by {literal(record.pending.submitter_name)}:")
            submission(record.pending)
            reviewing(actor, view, line.item, record.pending, now)
        if lead or actor.is_coordinator:
            handing_in(actor, view, line)
        if actor.is_coordinator and line.valid:
            asking = [one.title for one, clause in relying(actor, view.institution_id) if line.item in clause.items]
            revoking(view, line, asking)
        if record.entries:
            with st.expander(f"History: {len(record.entries)}", icon=":material/history:"):
                history(record, now)


def _next(line: ItemStanding) -> str:
    if line.status is ItemStatus.SUBMITTED:
        return "a coordinator who did not hand it in reviews it."
    if line.fixer is Fixer.COORDINATOR:
        return "a coordinator looks at it."
    return "the partner lead hands it in."


def history(record: ItemRecord, now: datetime) -> None:
    """Everything said of an item, newest first; nothing in it is ever overwritten."""
    for entry in reversed(record.entries):
        with st.container(border=True):
            match entry:
                case Submission():
                    st.markdown(f":material/upload_file: **{literal(entry.submitter_name)}** handed in {entry.number}:")
                    submission(entry)
                case Review():
                    _review(entry)
                case Takeover():
                    st.markdown(
                        f":material/badge: Taken over by **{literal(entry.importer_name)}** on the word of "
                        f"**{literal(entry.issuer_name)}**, where {literal(entry.reviewer)} accepted it on "
                        f"{entry.accepted_at:%Y-%m-%d}; until {moment(entry.valid_until)}."
                    )
                    copyable("The key it was checked with, and the digest of the file", entry.issuer_key)
                    st.code(entry.credential_digest, language=None, wrap_lines=True)
                case Revocation():
                    st.markdown(
                        f":material/block: **{literal(entry.revoker_name)}** revoked it: {literal(entry.reason)}"
                    )
            st.caption(when(entry.at, now))


def submission(entry: Submission) -> None:
    """What was handed in."""
    st.markdown(prose(entry.statement))
    if entry.people:
        st.markdown(f"Trained: {literal(', '.join(entry.people))}")
    for evidence in entry.evidence:
        _evidence(evidence)


def _evidence(evidence: Evidence) -> None:
    st.markdown(f":material/attach_file: {literal(evidence.label)}")
    if evidence.sha256:
        copyable("SHA-256", evidence.sha256)
    if evidence.url:
        copyable("Where it can be read", evidence.url)


def _review(entry: Review) -> None:
    who = f"**{literal(entry.reviewer_name)}**"
    why = f": {literal(entry.reason)}" if entry.reason else "."
    if entry.accepted:
        st.markdown(f":material/verified: {who} accepted {entry.submission} until {moment(entry.valid_until)}{why}")
    else:
        st.markdown(f":material/undo: {who} returned {entry.submission}{why}")


def relying(actor: Actor, institution_id: str) -> list[tuple[Agreement, Vetting]]:
    """The institution's agreements that ask for items, by a clause of their own or of their framework."""
    found = []
    for agreement in portal().agreements.list(actor):
        if agreement.institution_id != institution_id:
            continue
        clause = portal().agreement_facts.clause(actor, agreement.id, Vetting)
        if clause is not None and agreement.ended_at is None:
            found.append((agreement, clause))
    return found


def relied_on(actor: Actor, view: PassportView) -> None:
    """Which agreements ask for which items."""
    st.header("Who relies on it", anchor=False)
    found = relying(actor, view.institution_id)
    if not found:
        empty("No agreement of this institution asks for vetting.", icon="contract")
    valid = {line.item for line in view.checklist if line.valid}
    for agreement, clause in found:
        with st.container(border=True):
            with row():
                go(literal(agreement.title), "agreements", icon="contract", agreement=agreement.id)
                status(agreement.status)
            missing = sorted(item.label for item in clause.items - valid)
            st.markdown(f"Asks for {', '.join(sorted(item.label for item in clause.items))}.")
            if missing:
                st.markdown(f":material/warning: Does not count today: {', '.join(missing)}.")
            else:
                st.markdown(":material/task_alt: All of it counts today.")


def taking_along(actor: Actor, view: PassportView) -> None:
    """The credential for other portals, and the way in for one from elsewhere."""
    st.header("Taking it along", anchor=False)
    if any(line.valid for line in view.checklist):
        st.link_button(
            "Download as a signed credential",
            links.passport(view.institution_id),
            icon=":material/verified_user:",
            help="What this portal's reviewers accepted and counts today; 'concordat verify' checks it anywhere.",
        )
    else:
        st.markdown("Once an item counts, it can be taken along as a credential that another portal verifies.")
    if actor.is_coordinator:
        importing(view)
