"""The dialog that puts another token in place of one: at once, or with a grace in which both work."""

import streamlit as st

from agreements.actors import Actor
from portal.pages.context import portal
from portal.pages.parts import row
from portal.pages.token_reveal import keep
from portal.pages.words import count, literal
from portal.pages.writing import field, forget, instance, outcome, perform
from portal.services.tokens import IssuedToken, ListedToken

_OPEN = "tokens.rotating"
_GRACES = {0: "at once", 15: "in 15 minutes", 60: "in an hour", 480: "in 8 hours"}


def rotating(record: ListedToken) -> None:
    """The button, and the dialog while it is open."""
    form = f"token.rotate:{record.id}"
    st.button("Rotate", key=f"{form}.open", icon=":material/autorenew:", on_click=_begin, args=(form,))
    if st.session_state.get(_OPEN) == form:
        st.dialog("Put another token in its place", on_dismiss=_close)(_dialog)(form, record)


def _dialog(form: str, record: ListedToken) -> None:
    if st.session_state.get(_OPEN) != form:
        st.rerun()
    st.markdown(
        f"You get another token as wide as **{literal(record.label)}**, good as long from now on. What is left of its "
        "budget is left of the new one's."
    )
    most = portal().settings.token_hours * 60
    grace = st.selectbox(
        "The old one ends",
        [minutes for minutes in _GRACES if minutes <= most],
        format_func=_GRACES.__getitem__,
        key=field(form, "grace"),
    )
    below = count(record.descendants, "live token")
    ends = (
        f", and so {'is' if record.descendants == 1 else 'are'} **{below}** made from it" if record.descendants else ""
    )
    if grace:
        st.caption(f":material/schedule: Until then both work. Then the old one is refused{ends}.")
    else:
        st.caption(f":material/block: The next request with the old one is refused{ends}. This cannot be undone.")
    with row():
        st.button("Rotate it", key=f"{form}.make", type="primary", on_click=_make, args=(form, record, instance(form)))
        st.button("Cancel", key=f"{form}.cancel", on_click=_close)
    outcome(form)


def _make(form: str, record: ListedToken, key: str) -> None:
    grace = int(st.session_state.get(field(form, "grace")) or 0)

    def call(who: Actor, _key: str) -> IssuedToken:
        return portal().tokens.rotate(who, record.id, grace_minutes=grace)

    done = f"The old token ends {_GRACES.get(grace, 'soon')}. Copy the new one now: it is shown only once."
    if perform(form, key, call, done=done, then=keep):
        _close()


def _begin(form: str) -> None:
    forget(form)
    st.session_state[_OPEN] = form


def _close() -> None:
    st.session_state.pop(_OPEN, None)
