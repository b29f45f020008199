"""Norms: the list, a new proposal, and by ``?norm=`` one norm with its positions and outcome."""

import streamlit as st

from agreements.errors import ConcordatError
from portal.inputs import parse
from portal.norms.reads import NormRow
from portal.norms.service import NormDraft, NormView
from portal.pages.context import current_actor, now, portal
from portal.pages.frame import institution_name
from portal.pages.norm_view import norm_page, text_fields, text_of
from portal.pages.parts import act, empty, go, heading, row, status
from portal.pages.words import literal
from portal.pages.writing import refused
from portal.standing import contributes

_FORM = "norm.propose"

actor, here, at = current_actor(), portal(), now()


def open_norm(view: NormView) -> None:
    """Go to the norm that was just proposed."""
    st.query_params["norm"] = view.norm_id


def proposing() -> None:
    """The form that proposes a norm."""
    mine = [i for i in actor.institution_ids if contributes(actor, i)]
    if not mine:
        return
    with st.expander("Propose a norm", icon=":material/add:"):
        st.selectbox("On behalf of", mine, format_func=institution_name, key=f"{_FORM}.institution")
        text_fields(actor, _FORM)
        st.number_input(
            "Institutions that must take a position before it can be decided",
            min_value=1,
            max_value=1000,
            value=2,
            key=f"{_FORM}.quorum",
        )
        act(
            "Propose it",
            _FORM,
            lambda who, key: here.norms.propose(
                who,
                parse(
                    NormDraft,
                    {
                        "institution_id": st.session_state[f"{_FORM}.institution"],
                        "quorum": int(st.session_state[f"{_FORM}.quorum"]),
                        "text": text_of(_FORM),
                    },
                ),
                idempotency_key=key,
            ),
            done=lambda view: f"Proposed as {view.norm_id}. Institutions take their positions on its exact words.",
            then=open_norm,
            icon="campaign",
            primary=True,
        )


def line(norm: NormRow) -> None:
    """One norm in the list."""
    with st.container(border=True, key=f"norm_{norm.norm_id}"):
        st.markdown(f"**{literal(norm.title)}**")
        with row():
            go(norm.norm_id, "norms", icon="balance", norm=norm.norm_id)
            if norm.decision:
                status(norm.decision)
            else:
                st.badge("open", icon=":material/how_to_vote:", color="orange")
            if norm.awaiting:
                st.badge("awaits your position", icon=":material/notification_important:", color="violet")
            if norm.objections:
                st.badge(f"{norm.objections} objecting", icon=":material/gavel:", color="red")
        st.caption(
            f"Revision {norm.revision} · {literal(institution_name(norm.institution_id))} · "
            f"positions of {norm.counted} institutions, {norm.quorum} needed · proposed {norm.proposed_at[:10]}"
        )


def listing() -> None:
    """Every norm."""
    heading(
        "Norms",
        "How checkpoints and findings are published. Institutions take signed positions on exact words; an objection "
        "names the harm and the cure, and if it is overruled it stays in the outcome as dissent.",
    )
    proposing()
    rows = here.norms.list(actor)
    if not rows:
        empty("No norm has been proposed yet.", icon="balance")
    for norm in rows:
        line(norm)


def detail(norm_id: str) -> None:
    """One norm."""
    go("All norms", "norms", icon="arrow_back")
    try:
        view = here.norms.get(actor, norm_id)
    except ConcordatError as refusal:
        heading("Norm")
        refused(refusal)
        return
    norm_page(actor, view, at)


selected = st.query_params.get("norm")
if selected:
    detail(selected)
else:
    listing()
