"""One agreement on the screen: its parties, where it stands, what it waits for, and the parts it is laid out in."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement, AgreementStatus, Change, VersionStatus
from agreements.clauses import Form
from portal.pages import links
from portal.pages.agreement_allows import allowances
from portal.pages.agreement_changes import changes_part
from portal.pages.agreement_edit import EDIT, answer_editor, change_editor
from portal.pages.agreement_life import life_part
from portal.pages.agreement_list import term_bar
from portal.pages.agreement_moves import moves
from portal.pages.agreement_next import next_steps, waits_for
from portal.pages.agreement_sign import sign_part
from portal.pages.agreement_talk import comments_part
from portal.pages.agreement_terms import terms_part
from portal.pages.agreement_timeline import timeline_part
from portal.pages.parts import go, heading, row, status
from portal.pages.words import literal, sentence, when
from portal.standing import represents

PART: Final = "part"
"""The name in the address of the part that is shown."""

_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "terms": ("Terms", "article"),
    "changes": ("Changes", "difference"),
    "sign": ("Signatures", "signature"),
    "life": ("Life", "monitor_heart"),
    "allows": ("Allows today", "rule"),
    "timeline": ("Timeline", "timeline"),
    "comments": ("Comments", "forum"),
}

_RAIL: Final = (AgreementStatus.DRAFT, AgreementStatus.OFFERED, AgreementStatus.SIGNED, AgreementStatus.IN_FORCE)


def agreement_page(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """All of one agreement, for whoever may see it."""
    heading(literal(agreement.title))
    parties(agreement)
    rail(agreement, now)
    term_bar(agreement, now)
    banner(actor, agreement, now)
    if _writing(actor, agreement, now):
        return
    moves(actor, agreement, now)
    downloads(agreement)
    match _chosen(actor, agreement, now):
        case "changes":
            changes_part(actor, agreement, now)
        case "sign":
            sign_part(actor, agreement, now)
        case "life":
            life_part(actor, agreement, now)
        case "allows":
            allowances(actor, agreement)
        case "timeline":
            timeline_part(actor, agreement, now)
        case "comments":
            comments_part(actor, agreement, now)
        case _:
            terms_part(actor, agreement, now)


def parties(agreement: Agreement) -> None:
    """Between whom, and what kind of instrument it is."""
    kind = sentence(agreement.form.label)
    st.markdown(f"{kind} between **{literal(agreement.lab_name)}** and **{literal(agreement.institution_name)}**")
    if agreement.framework is not None:
        go(
            f"Under the framework: {literal(agreement.framework.title)}",
            "agreements",
            agreement=agreement.framework.agreement_id,
            icon="account_tree",
        )


def rail(agreement: Agreement, now: datetime) -> None:
    """The steps an agreement takes, and where this one stands."""
    stands = agreement.status_on(now)
    with row(key="rail"):
        if agreement.in_force_at is not None:
            _passed(_RAIL if stands is not AgreementStatus.IN_FORCE else _RAIL[:-1])
            status(stands)
            if agreement.runs_on(now):
                _ahead("ended")
        elif stands in (AgreementStatus.DECLINED, AgreementStatus.WITHDRAWN):
            _passed(_RAIL[: 1 if agreement.offered_at is None else 2])
            status(stands)
        else:
            reached = 1 if stands is AgreementStatus.COUNTERED else _RAIL.index(stands)
            _passed(_RAIL[:reached])
            status(stands)
            for step in _RAIL[reached + 1 :]:
                _ahead(step.label)


def _passed(steps: tuple[AgreementStatus, ...]) -> None:
    for step in steps:
        st.badge(step.label, icon=":material/check:", color="gray")


def _ahead(label: str) -> None:
    st.badge(label, icon=":material/radio_button_unchecked:", color="gray")


def banner(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """What it waits for: who does what, by when."""
    if agreement.end_reason:
        st.warning(
            f"{sentence(agreement.status.label)} {when(agreement.ended_at, now)}: {literal(agreement.end_reason)}",
            icon=":material/info:",
        )
    for step in next_steps(agreement, now):
        by = f" by {when(step.by, now)}" if step.by is not None else ""
        turn = "**Your turn.** " if waits_for(step, agreement, actor) else ""
        st.info(f"{turn}{sentence(step.text)}{by}.", icon=f":material/{step.icon}:")
    if agreement.closed_at is not None:
        how = "fulfilled" if agreement.fulfilled else "not fulfilled"
        note = f": {literal(agreement.close_note)}" if agreement.close_note else "."
        st.info(f"Closed as {how} {when(agreement.closed_at, now)}{note}", icon=":material/inventory_2:")


def downloads(agreement: Agreement) -> None:
    """The agreement as files, from the API."""
    if agreement.document_digest is None:
        return
    with row():
        st.link_button("PDF to read", links.agreement_pdf(agreement.id), icon=":material/picture_as_pdf:")
        st.link_button("JSON, with signatures", links.agreement(agreement.id), icon=":material/data_object:")
        if agreement.history:
            st.link_button(
                "Bundle that proves itself", links.agreement_bundle(agreement.id), icon=":material/verified_user:"
            )


# ---- which part ----------------------------------------------------------------------------------------------------


def _parts(agreement: Agreement) -> tuple[str, ...]:
    """The parts there are something to say in."""
    found = dict(_PARTS)
    if agreement.in_force_at is None:
        del found["life"]
    if agreement.in_force_at is None or agreement.form in (Form.FRAMEWORK, Form.OUTPUTS):
        del found["allows"]
    if all(version.digest is None for version in agreement.versions):
        del found["sign"]
    return tuple(found)


def _chosen(actor: Actor, agreement: Agreement, now: datetime) -> str:
    """The part to show: as the address says, else where it is the reader's turn."""
    options = _parts(agreement)
    wanted = st.query_params.get(PART, "")
    if wanted not in options:
        mine = (step.part for step in next_steps(agreement, now) if waits_for(step, agreement, actor))
        wanted = next((part for part in mine if part in options), "terms")
        # Kept, because after the reader's move it is no longer their turn, and the page would turn under their eyes.
        st.query_params[PART] = wanted
    with row(key="agreement_parts"):
        for part in options:
            label, icon = _PARTS[part]
            talk = len(agreement.comments) if part == "comments" else 0
            st.button(
                f"{label} ({talk})" if talk else label,
                key=f"agreement.part:{part}",
                icon=f":material/{icon}:",
                # The chosen one is told by its ground: written in the theme's accent it would be hard to read at night.
                type="primary" if part == wanted else "secondary",
                on_click=_turn_to,
                args=(part,),
            )
    return wanted


def _turn_to(part: str) -> None:
    st.query_params[PART] = part


# ---- writing -------------------------------------------------------------------------------------------------------


def _writing(actor: Actor, agreement: Agreement, now: datetime) -> bool:
    """Whether the reader writes a text now, drawn in place of the parts."""
    wanted, tabled, governing = st.query_params.get(EDIT), agreement.proposal, agreement.governing
    lead = represents(actor, agreement.institution_id)
    if wanted == "counter" and tabled is not None:
        theirs = VersionStatus.COUNTERED if actor.is_coordinator else VersionStatus.OFFERED
        if tabled.status is not theirs or not (actor.is_coordinator or lead):
            return False
        _back()
        answer_editor(actor, agreement, tabled)
        return True
    changes = {change.value: change for change in (Change.AMENDMENT, Change.RENEWAL)}
    if wanted in changes and lead and tabled is None and governing is not None and agreement.runs_on(now):
        _back()
        change_editor(actor, agreement, governing, changes[wanted], now)
        return True
    return False


def _back() -> None:
    st.button(
        "Back to the agreement",
        icon=":material/arrow_back:",
        type="tertiary",
        key="agreement.edit.back",
        on_click=_leave,
    )


def _leave() -> None:
    st.query_params.pop(EDIT, None)
