"""The entry script: the gate, the menu of the signed-in person's roles, the frame, and then the screen."""

from pathlib import Path

import streamlit as st

from agreements.errors import Unauthenticated
from portal.pages.context import current_actor
from portal.pages.frame import footer, notices, sidebar, signed_out
from portal.pages.menu import enter, pages_for
from portal.pages.writing import flash

_HERE = Path(__file__).parent

try:
    actor = current_actor()
except Unauthenticated as refusal:
    # The menu of the session that ended stays on screen unless another navigation takes its place.
    st.navigation([st.Page(lambda: None, title="Sign in")], position="hidden")
    st.set_page_config(
        page_title="Concordat", page_icon=_HERE / "icon.svg", layout="centered", initial_sidebar_state="collapsed"
    )
    signed_out(refusal)
    st.stop()

page = st.navigation(pages_for(actor), expanded=True)
# After st.navigation, whose page icon would otherwise become a favicon fetched from another host.
st.set_page_config(page_title=f"{page.title} · Concordat", page_icon=_HERE / "icon.svg", layout="wide")
st.logo(str(_HERE / "wordmark.svg"), icon_image=str(_HERE / "icon.svg"), size="large")
enter(page)
sidebar(actor)
notices()
above = st.container()
page.run()
# Drawn last: a screen that sends the reader on to another one leaves the message to that one.
with above:
    flash()
footer()
