"""File a finding: from a run or from nothing, with its readers shown before it is sent."""

import streamlit as st

from portal.pages.context import current_actor, portal
from portal.pages.finding_form import drafted, finding_form
from portal.pages.menu import path_of
from portal.pages.parts import act, heading

_FORM = "finding.file"
_FILED = "finding.filed"

actor = current_actor()

filed = st.session_state.pop(_FILED, None)
if filed:
    st.switch_page(path_of("findings"), query_params={"finding": filed})

heading(
    "File a finding",
    "What you learned about a checkpoint: misuse, bias, a capability, a benefit, or that you looked and found nothing. "
    "It gets a permanent number, and its versions are never changed.",
)
finding_form(actor, _FORM, run_ids=st.query_params.get("run", "").split(","))
act(
    "File it",
    _FORM,
    lambda who, key: portal().findings.file(who, drafted(_FORM), idempotency_key=key),
    done=lambda view: f"Filed as {view.finding_id}.",
    then=lambda view: st.session_state.update({_FILED: view.finding_id}),
    icon="send",
    primary=True,
)
