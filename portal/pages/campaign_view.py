"""Re-sign campaigns on the screen: what one would do to each agreement, starting it, and how the answers come in."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from agreements.campaigns import Campaign
from agreements.standard_terms import Template
from portal.pages.context import portal
from portal.pages.diff_view import clause_changes
from portal.pages.parts import Consequence, confirmed, copyable, empty, go, heading, row, status
from portal.pages.words import count, literal, relative, when
from portal.services.campaigns import CampaignProgress, Candidate, EntryProgress

SCREEN = "templates"


def previewing(actor: Actor, target: Template) -> None:
    """What a campaign to this version would do, and the way to start it."""
    candidates = portal().campaigns.preview(actor, target.template_id, target.version).candidates
    st.markdown(
        f"Puts version {target.version} to every partner whose agreement came from an earlier one, as an amendment of "
        "that agreement. What a partner negotiated stays as negotiated; until both sides sign, the text in force stays."
    )
    if not candidates:
        empty("No agreement in force came from an earlier version of this template.", icon="campaign")
        return
    for candidate in candidates:
        candidate_card(candidate, target)
    open_to = {one.agreement_id: one for one in candidates if one.proposable}
    if not open_to:
        st.info("Nothing can be proposed now; each agreement above says why.", icon=":material/block:")
        return
    form = f"campaign.start:{target.template_id}:{target.version}"
    st.multiselect(
        "Put it to",
        list(open_to),
        default=list(open_to),
        format_func=lambda agreement_id: f"{open_to[agreement_id].institution_name}: {open_to[agreement_id].title}",
        key=f"{form}.agreements",
    )
    st.text_area("Note beside the amendment; partners read it", key=f"{form}.note", max_chars=2000, height=90)
    chosen = [open_to[one] for one in st.session_state[f"{form}.agreements"] if one in open_to]
    named = ", ".join(one.institution_name for one in chosen)
    clashes = sum(bool(one.conflicts) for one in chosen)
    kept = f" In {clashes} of them, clauses stay as negotiated." if clashes else ""

    def start(who: Actor, key: str) -> CampaignProgress:
        made = portal().campaigns.start(
            who,
            target.template_id,
            target.version,
            agreement_ids=st.session_state[f"{form}.agreements"],
            note=st.session_state[f"{form}.note"],
            idempotency_key=key,
        )
        st.query_params.from_dict({"campaign": made.campaign.id})
        return made

    confirmed(
        "Start the campaign",
        form,
        Consequence(
            "Start this campaign?",
            f"An amendment is offered at once to {len(chosen)}: **{literal(named) or 'nobody'}**.{kept} Each may sign, "
            "counter or decline it. Taking an offer back is done in its agreement, one by one.",
            "Offer the amendments",
            asks_reason=False,
        ),
        lambda _reason: start,
        done=lambda made: f"The campaign has begun with {count(len(made.entries), 'agreement')}.",
        icon="campaign",
    )


def candidate_card(candidate: Candidate, target: Template) -> None:
    """One agreement, and what the newer version would make of it."""
    with st.container(border=True, key=f"candidate_{candidate.agreement_id}"):
        with row():
            st.markdown(f"**{literal(candidate.institution_name)}**: {literal(candidate.title)}")
            st.badge(f"from version {candidate.from_version}", icon=":material/history:", color="gray")
            st.badge(count(len(candidate.changed), "clause") + " to accept", icon=":material/edit:", color="blue")
            if candidate.conflicts:
                st.badge("negotiated clauses stay", icon=":material/handshake:", color="orange")
            if not candidate.proposable:
                st.badge("cannot be proposed", icon=":material/block:", color="red")
        if candidate.reason:
            st.markdown(f":material/block: {literal(candidate.reason)}")
            st.caption(f"Refusal code `{candidate.code}`")
        if candidate.conflicts:
            titles = {change.clause_id: change.title for change in candidate.changes}
            stay = ", ".join(titles.get(name, name) for name in candidate.conflicts)
            st.markdown(
                f":material/handshake: Both the parties and the template changed **{literal(stay)}**; what the parties "
                "agreed stays."
            )
        with st.expander("What would change", icon=":material/difference:"):
            clause_changes(candidate.changes, before="In force", after=f"With version {target.version}")


def campaign_line(campaign: Campaign, title: str, now: datetime) -> None:
    """One campaign in the list."""
    with st.container(border=True, key=f"campaign_{campaign.id}"):
        with row():
            go(f"{literal(title)}, version {campaign.to_version}", SCREEN, icon="campaign", campaign=campaign.id)
            open_state(campaign)
        began = f"begun {relative(campaign.started_at, now)} · " if campaign.started_at else ""
        st.caption(f"{began}{count(len(campaign.entries), 'agreement')}")


def open_state(campaign: Campaign) -> None:
    """Whether the lab still waits for answers."""
    if campaign.closed_at is None:
        st.badge("open", icon=":material/hourglass_top:", color="blue")
    else:
        st.badge("closed", icon=":material/task_alt:", color="gray")


def campaign_page(progress: CampaignProgress, now: datetime) -> None:
    """One campaign, with every answer."""
    campaign = progress.campaign
    heading(f"Campaign: {literal(progress.template_title)}, version {campaign.to_version}")
    with row():
        open_state(campaign)
        st.caption(f"Begun {when(campaign.started_at, now)}")
    if campaign.note:
        st.markdown(f"Partners read: *{literal(campaign.note)}*")
    st.progress(
        progress.percent_in_force / 100, text=f"**{progress.percent_in_force}%** of what was proposed is in force"
    )
    with row():
        for entry in progress.counts:
            status(entry.step, label=f"{entry.step.label}: {entry.count} ({entry.percent}%)")
    st.header("Agreements", anchor=False)
    for one in progress.entries:
        _entry(one, now)
    if campaign.closed_at is not None:
        said = f": {literal(campaign.close_note)}" if campaign.close_note else "."
        st.markdown(f":material/task_alt: Closed {when(campaign.closed_at, now)}{said}")
        return
    go("The template", SCREEN, icon="contract_edit", template=campaign.template_id)
    confirmed(
        "Close the campaign",
        f"campaign.close:{campaign.id}",
        Consequence(
            "Close this campaign?",
            f"The lab waits for no further answers to version {campaign.to_version} of "
            f"*{literal(progress.template_title)}*. Amendments that are open stay open in their agreements.",
            "Close it",
        ),
        lambda reason: lambda who, key: portal().campaigns.close(who, campaign.id, note=reason, idempotency_key=key),
        done="The campaign is closed.",
        icon="task_alt",
    )
    copyable("Id of the campaign, for the command line", campaign.id)


def _entry(entry: EntryProgress, now: datetime) -> None:
    with st.container(border=True, key=f"entry_{entry.agreement_id}"):
        with row():
            go(literal(entry.institution_name), "agreements", icon="contract", agreement=entry.agreement_id)
            status(entry.step)
            if entry.version is not None:
                st.badge(f"version {entry.version} of theirs", icon=":material/history:", color="gray")
        stands = f" · {when(entry.at, now)}" if entry.at else ""
        st.caption(f"{literal(entry.title)}{stands}")
        if entry.conflicts:
            st.caption(f"Stays as negotiated: {literal(', '.join(entry.conflicts))}")
        if entry.reason:
            st.markdown(f":material/block: {literal(entry.reason)}")
