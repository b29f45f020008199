"""Home: what waits for me, what I may do now, and where to begin."""

import streamlit as st

from agreements.actors import Role
from portal.pages.context import current_actor, now, portal
from portal.pages.inbox import tasks_for
from portal.pages.menu import holds
from portal.pages.parts import budget, empty, go, heading, marking, row, status
from portal.pages.reach import reach_of
from portal.pages.words import count, literal, relative

actor, here, at = current_actor(), portal(), now()

heading(f"Welcome, {literal(actor.name.split()[0])}")

if actor.is_coordinator:
    counts = here.findings.counts(actor)
    columns = st.columns(4)
    columns[0].metric("Partner institutions", len(here.institutions.list(actor)) - 1, border=True)
    columns[1].metric("Active grants", sum(view.active for view in here.grants.list(actor)), border=True)
    columns[2].metric("Findings you may read", counts.total, border=True)
    columns[3].metric("Log entries", f"{here.log.size_and_root().size:,}", border=True)

tasks = tasks_for(here, actor, at)
if tasks or holds(actor, (Role.COORDINATOR, Role.PARTNER_LEAD)):
    st.header(f"Waiting for you: {len(tasks)}" if tasks else "Waiting for you", anchor=False)
    if not tasks:
        st.markdown(":material/task_alt: Nothing waits for you.")
    for number, task in enumerate(tasks):
        with st.container(border=True, key=f"task_{number}"), row():
            st.markdown(f":material/{task.icon}: {task.text}", width="stretch")
            go(task.action, task.screen, **task.query)

mine = [
    view
    for view in here.grants.list(actor)
    if actor.belongs_to(view.grant.institution_id) and not view.grant.delegated_only
]
if mine or holds(actor, (Role.PARTNER_LEAD, Role.PARTNER_MEMBER)):
    st.header("Your access", anchor=False)
    if not mine:
        empty(
            "Your institution holds no grant yet. Access begins with an agreement that both sides signed.",
            screen="agreements",
            label="See your agreements",
            icon="key",
        )
    for view in mine:
        scope = view.grant.scope
        if scope is None:
            continue
        with st.container(border=True):
            with row():
                st.markdown(f"**{literal(view.grant.label)}**")
                if view.active:
                    st.badge("active", icon=":material/check_circle:", color="green")
                else:
                    st.badge(view.grant.status.value, icon=":material/block:", color="red")
            budget(view.used_tokens, view.held_tokens, scope.token_budget)
            st.caption(
                f"{literal(view.holder_name)} · {', '.join(sorted(scope.operations))} on "
                f"{literal(', '.join(sorted(scope.checkpoints)))}, "
                f"ends {relative(scope.expires_at, at)}"
            )

if here.access_requests.asks_for(actor):
    go("Ask for access", "requests", icon="approval")

reachable = [reach for reach in reach_of(here, actor) if reach.open]
st.header("Checkpoints you may query", anchor=False)
if not reachable:
    empty("None yet.", screen="checkpoints", label="See all checkpoints and why", icon="deployed_code")
else:
    with row():
        for reach in reachable:
            status(reach.checkpoint.stage, label=f"{reach.checkpoint.id}, {reach.checkpoint.stage.label}")
    with row():
        go("Open the playground", "playground", icon="experiment")
        go("Issue a token for the API", "tokens", icon="vpn_key")

st.header("Latest findings", anchor=False)
latest = here.findings.list(actor, limit=5)
if not latest.rows:
    empty(
        "No finding that you may read has been filed. Null results and benefits count too.",
        screen="file_finding",
        label="File the first one",
        icon="lab_profile",
    )
for finding in latest.rows:
    with st.container(border=True):
        st.markdown(f"**{literal(finding.title)}**")
        with row():
            go(finding.finding_id, "findings", finding=finding.finding_id, icon="lab_profile")
            marking(finding.marking)
            status(finding.status)
if latest.rows:
    with row():
        go(f"All {count(latest.total, 'finding')}", "findings")
        go("File a finding", "file_finding", icon="edit_document")
