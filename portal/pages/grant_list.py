"""The grants that the reader may see: a table with budget bars and filters, cards, and those that are stale."""

import streamlit as st

from agreements.grants.tree import by_parent
from portal.pages.context import current_actor, now, portal
from portal.pages.filters import pick, pick_view
from portal.pages.grant_parts import indented, limit_words, period_words, summary
from portal.pages.parts import empty, go, row
from portal.pages.words import literal, plain, when
from portal.services.grant_views import GrantView

_STATES = {"active": "Active", "stopped": "Opens nothing"}
_LEVELS = {"AL1": "AL1", "AL2": "AL2", "AL3": "AL3"}


def grant_list() -> None:
    """Everything the reader may see, filtered as the address says."""
    actor = current_actor()
    views = portal().grants.list(actor)
    if not views:
        if not actor.is_coordinator:
            empty(
                "Your institution holds no grant yet, and you hold none. A coordinator issues one once an agreement is "
                "in force.",
                screen="agreements",
                label="See your agreements",
                icon="key",
            )
        return
    stale()
    with row():
        state = pick("State", "state", _STATES, screen="grants", width=160)
        level = pick("Access level", "level", _LEVELS, screen="grants", width=160)
        holders = {view.grant.holder.id: plain(view.holder_name) for view in views}
        holder = pick("Holder", "holder", holders, screen="grants")
    shown = [
        view
        for view in views
        if (not state or view.active is (state == "active"))
        and (not level or view.grant.access_level.value == level)
        and (not holder or view.grant.holder.id == holder)
    ]
    if not shown:
        st.caption("No grant is like that.")
        return
    match pick_view("View", "view", {"cards": "Cards", "table": "Table", "tree": "Tree"}, screen="grants"):
        case "table":
            table(shown)
            return
        case "tree":
            tree(shown)
            return
    for view in shown:
        with st.container(border=True, key=f"grant_{view.grant.id}"):
            summary(view)


def tree(views: list[GrantView]) -> None:
    """Each grant below the one it was delegated from; one whose parent is not shown stands by itself."""
    found = {view.grant.id: view for view in views}
    below = by_parent([view.grant for view in views])
    pending = [(0, grant) for grant in reversed(below.get("", ()))]
    while pending:
        steps, grant = pending.pop()
        pending.extend((steps + 1, child) for child in reversed(below.get(grant.id, ())))
        with indented(steps), st.container(border=True, key=f"tree_{grant.id}"):
            summary(found[grant.id], steps=steps)
            if grant.scope is not None and (words := limit_words(grant.scope)):
                st.caption(words)


def table(views: list[GrantView]) -> None:
    """One line for each grant, with a bar for its budget."""
    st.dataframe(
        [
            {
                "Label": plain(view.grant.label),
                "Holder": plain(view.holder_name),
                "Used": round(100 * (view.used_tokens + view.held_tokens) / scope.token_budget, 1),
                "Left": view.left_tokens,
                "Of": scope.token_budget,
                "This period": "; ".join(map(period_words, view.periods)),
                "Ends": scope.expires_at,
                "Active": view.active,
                "Level": view.grant.access_level.value,
                "Requests": view.used_requests,
                "Runs now": view.running,
                "Grant": view.grant.id,
            }
            for view in views
            if (scope := view.grant.scope) is not None
        ],
        hide_index=True,
        column_config={
            "Used": st.column_config.ProgressColumn("Used", min_value=0, max_value=100, format="%.0f %%"),
            "Left": st.column_config.NumberColumn("Tokens left", format="localized"),
            "Of": st.column_config.NumberColumn("Of", format="localized"),
            "Ends": st.column_config.DatetimeColumn("Ends", format="YYYY-MM-DD"),
        },
        key="grants_table",
    )


def stale() -> None:
    """What somebody should look at."""
    found = portal().stale_grants.list(current_actor())
    if not found:
        return
    with st.expander(f"{len(found)} to look at", icon=":material/visibility:"):
        for one in found:
            why = "; ".join(one.why.values())
            used = f"last used {when(one.last_used_at, now())}" if one.last_used_at else "never used"
            with row():
                # By its label: the card below has the button that is named by the id.
                go(literal(one.grant.label), "grants", grant=one.grant.id, icon="key")
                st.caption(f"{literal(one.holder_name)}: {literal(why)} ({used})")
