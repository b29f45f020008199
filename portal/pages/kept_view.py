"""What is kept of a run, on its page: until when and by which clause, who read it, and what can be done with it."""

import streamlit as st

from agreements.actors import Actor
from model_access.generation import as_read
from model_access.kept_texts import How
from model_access.runs import Run
from portal.pages import links
from portal.pages.context import now, portal
from portal.pages.parts import Consequence, act, confirmed, go, row, untrusted
from portal.pages.words import count, literal, when
from portal.services.keeping import KeptState, KeptView, Texts

_SHOWN = "kept.shown"

_ICONS = {
    KeptState.KEPT: "lock_clock",
    KeptState.IN_BATCH: "stacks",
    KeptState.DESTROYED: "delete_forever",
    KeptState.NOT_KEPT: "visibility_off",
}

_HOW = {How.SHOWN: "read them", How.EXPORTED: "took them away as a file", How.REPLAYED: "took them to replay the run"}


def kept(actor: Actor, run: Run) -> None:
    """The section of a run's page."""
    if run.terms is None:
        return
    view = portal().keeping.view(actor, run.terms.run_id)
    st.header("Prompt and answer", anchor=False)
    st.markdown(f":material/{_ICONS[view.state]}: {literal(view.says)}")
    if view.agreement_id is not None:
        go("The agreement", "agreements", icon="contract", agreement=view.agreement_id)
    if view.state is KeptState.KEPT:
        st.caption(_who(view))
    if view.may_read:
        _reading(view)
    elif view.state in (KeptState.KEPT, KeptState.IN_BATCH):
        st.caption("They are not yours to read.")
    if view.may_delete:
        _deleting(view)
    if view.readings:
        _readings(view)


def _who(view: KeptView) -> str:
    lab = "the lab's coordinators may, as the agreement says" if view.lab_reads else "nobody else, the lab included"
    return f"Sealed with a key of their own. Whoever made the run reads them; {lab}. Each reading is on record."


def _reading(view: KeptView) -> None:
    texts = _shown(view.run_id)
    if texts is None:
        with row():
            act(
                "Show prompt and answer",
                f"kept_show_{view.run_id}",
                lambda who, _key: portal().keeping.texts(who, view.run_id),
                done="",
                then=lambda found: st.session_state.update({_SHOWN: (view.run_id, found)}),
                icon="visibility",
            )
            if view.state is KeptState.KEPT:
                st.link_button("Download", links.kept_texts(view.run_id), icon=":material/download:")
        return
    for place, prompt in enumerate(texts.prompts, start=1):
        said = as_read(prompt)
        untrusted(said, label=f"Prompt {place}" if len(texts.prompts) > 1 else "Prompt")
    for place, output in enumerate(texts.outputs or (), start=1):
        untrusted(output, label=f"Answer {place}" if len(texts.outputs or ()) > 1 else "Answer")
    if texts.outputs is None:
        st.caption("The file with the answers of the batch is gone.")
    st.button("Hide", key="kept_hide", icon=":material/visibility_off:", on_click=_hide)


def _shown(run_id: str) -> Texts | None:
    """What was opened in this tab, for this run and no other."""
    held = st.session_state.get(_SHOWN)
    if held is None:
        return None
    if held[0] != run_id:
        _hide()
        return None
    texts: Texts = held[1]
    return texts


def _hide() -> None:
    st.session_state.pop(_SHOWN, None)


def _deleting(view: KeptView) -> None:
    def deleted(_view: KeptView) -> str:
        _hide()
        return "Prompt and answer are destroyed."

    confirmed(
        "Delete now",
        f"kept_delete_{view.run_id}",
        Consequence(
            title="Destroy prompt and answer?",
            says=f"Prompt and answer of `{view.run_id}` are destroyed now rather than {when(view.until, now())}, and "
            "nobody can read them again. The run, its receipt and the record of who read them stay; a replay then "
            "needs the prompt from you.",
            verb="Destroy them",
            asks_reason=False,
        ),
        lambda _reason: lambda who, _key: portal().keeping.delete(who, view.run_id),
        done=deleted,
        icon="delete_forever",
    )


def _readings(view: KeptView) -> None:
    with st.expander(f"{count(len(view.readings), 'reading')} on record", icon=":material/history:"):
        for one in reversed(view.readings):
            st.markdown(f"{literal(one.by_name)} {_HOW[one.how]}, {when(one.at, now())}.")
        st.caption("Each is an entry of the log, and in the access log.")
