"""Access tokens for the API: issued, shown once, narrowed, rotated, revoked; programs; the keys that sign."""

import streamlit as st

from portal.pages.context import current_actor, portal
from portal.pages.parts import heading
from portal.pages.program_view import programs
from portal.pages.token_issue import issuing
from portal.pages.token_keys_view import signing_keys
from portal.pages.token_list import token_list
from portal.pages.token_reveal import reveal, revealed

heading("Tokens", "For programs: an access token opens `/v1` and `/api` as you, within one grant, for some hours.")
issued = revealed()
if issued is not None:
    reveal(issued)
with st.expander("Issue a token", icon=":material/add:", expanded=issued is None):
    issuing()
token_list(portal().tokens.list(current_actor()))
programs()
if current_actor().is_coordinator:
    signing_keys()
