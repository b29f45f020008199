"""Templates and campaigns: the list; by ``?template=`` one template; by ``?campaign=`` one campaign."""

import streamlit as st

from agreements.errors import ConcordatError
from agreements.standard_terms import Template
from portal.pages.campaign_view import campaign_line, campaign_page, previewing
from portal.pages.context import current_actor, now, portal
from portal.pages.filters import pick, pick_view
from portal.pages.parts import empty, go, heading
from portal.pages.template_view import SCREEN, badges, comparing, editing, reading, retiring
from portal.pages.words import count, literal
from portal.pages.writing import refused

_DOINGS = {"read": "Read", "compare": "Compare", "edit": "Edit", "campaign": "Put it to partners"}

actor, here, at = current_actor(), portal(), now()


def line(template: Template) -> None:
    """One template in the list."""
    with st.container(border=True, key=f"template_{template.template_id}"):
        go(f"**{literal(template.title)}**", SCREEN, icon="contract_edit", template=template.template_id)
        badges(template)
        st.caption(literal(template.summary))
        if template.note:
            st.caption(f"Version {template.version}: {literal(template.note)}")


def listing() -> None:
    """Templates, and the campaigns that put newer ones to partners."""
    heading(
        "Templates",
        "What drafts start from. A published version never changes, because agreements name it; new words are the next "
        "version, and a campaign puts that to partners.",
    )
    templates = here.templates.all(retired=True)
    for template in templates:
        line(template)
    st.header("Campaigns", anchor=False)
    campaigns = here.campaigns.list(actor)
    if not campaigns:
        empty("No campaign yet. One starts from a template with a newer version.", icon="campaign")
    titles = {template.template_id: template.title for template in templates}
    for campaign in campaigns:
        campaign_line(campaign, titles.get(campaign.template_id, campaign.template_id), at)


def detail(template_id: str) -> None:
    """One template."""
    go("All templates", SCREEN, icon="arrow_back")
    try:
        versions = here.templates.versions(template_id)
    except ConcordatError as refusal:
        heading("Template")
        refused(refusal)
        return
    newest = versions[-1]
    heading(literal(newest.title))
    badges(newest)
    doing = pick_view("What to do", "do", _DOINGS, screen=SCREEN)
    if doing == "edit":
        editing(newest)
        retiring(newest)
        return
    numbers = {str(one.version): f"Version {one.version}" for one in reversed(versions)}
    of = f"Of {count(len(versions), 'version')}"
    wanted = pick(of, "version", numbers, screen=SCREEN, default=str(newest.version))
    chosen = next(one for one in versions if str(one.version) == wanted)
    if doing == "compare":
        comparing(versions, chosen)
    elif doing == "campaign":
        previewing(actor, chosen)
    else:
        reading(chosen, at)


def campaign_detail(campaign_id: str) -> None:
    """One campaign."""
    go("All templates and campaigns", SCREEN, icon="arrow_back")
    try:
        progress = here.campaigns.progress(actor, campaign_id)
    except ConcordatError as refusal:
        heading("Campaign")
        refused(refusal)
        return
    campaign_page(progress, at)


selected, campaign = st.query_params.get("template"), st.query_params.get("campaign")
if campaign:
    campaign_detail(campaign)
elif selected:
    detail(selected)
else:
    listing()
