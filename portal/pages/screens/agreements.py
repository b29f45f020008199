"""Agreements: the list, a new draft, and by ``?agreement=`` one agreement to read, negotiate, sign, run and end."""

import streamlit as st

from agreements.errors import ConcordatError
from portal.pages.agreement_list import agreement_list
from portal.pages.agreement_start import starting
from portal.pages.agreement_view import agreement_page
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import go, heading
from portal.pages.writing import refused

actor, at = current_actor(), now()


def detail(agreement_id: str) -> None:
    """One agreement."""
    go("All agreements", "agreements", icon="arrow_back")
    try:
        agreement = portal().agreements.get(actor, agreement_id)
    except ConcordatError as refusal:
        heading("Agreement")
        refused(refusal)
        return
    agreement_page(actor, agreement, at)


def listing() -> None:
    """All agreements that the reader may see."""
    heading(
        "Agreements",
        "Terms between the lab and an institution. What a clause lets through is enforced where software can enforce "
        "it, and says so where it cannot.",
    )
    if actor.is_coordinator:
        starting(actor, at, expanded=not portal().agreements.list(actor))
    agreement_list(actor, at)


selected = st.query_params.get("agreement")
if selected:
    detail(selected)
else:
    listing()
