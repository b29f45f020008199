"""The list of people: filters kept in the address, cards or a table, and the same as a file."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import streamlit as st

from agreements.actors import Actor, Role
from agreements.people import Person, PersonState
from portal.pages import links
from portal.pages.context import now, portal
from portal.pages.filters import clear, pick, pick_view, search
from portal.pages.frame import institution_name
from portal.pages.parts import empty, go, row, status
from portal.pages.role_words import is_lab, titled
from portal.pages.words import count, literal, plain, sentence, when
from portal.services.people_filters import PeopleFilters

PAGE: Final = 25
FILTERS: Final = ("q", "institution", "role", "state")
"""The filters, by their names in the address."""
_KEPT: Final = (*FILTERS, "view", "as", "page")
"""What the address keeps while one person is looked at."""


def kept() -> dict[str, str]:
    """Where in the list the reader is, for the way back."""
    return {name: st.query_params[name] for name in _KEPT if name in st.query_params}


def people_list(actor: Actor) -> None:
    """Whom the reader may see, as far as the filters let them through."""
    everyone = portal().people.directory(actor)
    filters = _filters(everyone)
    found = filters.of(everyone)
    if not found:
        empty("Nobody fits these filters.", icon="filter_alt_off")
        st.button("Show everybody", icon=":material/filter_alt_off:", key="people.all", on_click=clear, args=FILTERS)
        return
    last = portal().sessions.last_sign_ins(actor, found)
    with row():
        st.caption(
            count(len(found), "person", "people") + (f" of {len(everyone)}" if len(found) < len(everyone) else "")
        )
        st.link_button(
            "CSV",
            links.people(**{name: st.query_params.get(name, "") for name in FILTERS}),
            icon=":material/download:",
            help="These people, a line for each role.",
        )
    if pick_view("Show as", "as", {"cards": "Cards", "table": "Table"}, screen="people") == "table":
        table(found, last)
        return
    for person in _page(found):
        card(person, last.get(person.id))


def card(person: Person, last: datetime | None) -> None:
    """One person in the list."""
    with st.container(border=True, key=f"person_{person.id}"):
        with row():
            go(literal(person.name), "people", icon="person", **{**kept(), "person": person.id})
            badges(person)
        told = [literal(person.email)]
        if last is not None:
            told.append(f"last signed in {when(last, now())}")
        st.caption(" · ".join(told))


def badges(person: Person) -> None:
    """Somebody's roles, and their state unless it is the usual one."""
    for membership in person.memberships:
        st.badge(
            titled(membership),
            icon=":material/shield_person:" if is_lab(membership) else ":material/person:",
            color="violet" if is_lab(membership) else "gray",
        )
    if person.pending is not None:
        place = literal(institution_name(person.pending.institution_id))
        st.badge(place, icon=":material/domain:", color="gray")
    if person.state is not PersonState.ACTIVE:
        status(person.state)


def table(people: Sequence[Person], last: Mapping[str, datetime]) -> None:
    """One line for each person; selecting it opens the person."""
    chosen = st.dataframe(
        [
            {
                "Name": plain(person.name),
                "E-mail": plain(person.email),
                "Roles": plain(
                    "; ".join(f"{m.role.label}, {institution_name(m.institution_id)}" for m in person.memberships)
                ),
                "State": person.state.value,
                "Added": f"{person.registered_at:%Y-%m-%d}" if person.registered_at else "",
                "Last signed in": f"{last[person.id]:%Y-%m-%d %H:%M}" if person.id in last else "",
            }
            for person in people
        ],
        hide_index=True,
        key="people_table",
        on_select="rerun",
        selection_mode="single-row",
    )
    rows = _rows(chosen)
    if rows and rows[0] < len(people):
        person = people[rows[0]]
        go(f"Open {literal(person.name)}", "people", icon="person", **{**kept(), "person": person.id})
    else:
        st.caption("Select a line to open the person. Times are UTC.")


def _rows(chosen: Any) -> list[int]:
    return list(chosen.selection.rows)


def _filters(everyone: Sequence[Person]) -> PeopleFilters:
    places = {one.institution_id for person in everyone for one in person.memberships}
    places |= {person.pending.institution_id for person in everyone if person.pending is not None}
    names = {place: plain(institution_name(place)) for place in places}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = search("Search", "q", screen="people", placeholder="Name or e-mail", width=220)
        place = ""
        if len(names) > 1:
            ordered = dict(sorted(names.items(), key=lambda item: item[1].casefold()))
            place = pick("Institution", "institution", ordered, screen="people", width=220)
        role = pick("Role", "role", {one.value: sentence(one.label) for one in Role}, screen="people", width=160)
        state = pick(
            "State", "state", {one.value: sentence(one.value) for one in PersonState}, screen="people", width=140
        )
    return PeopleFilters(
        text=text,
        institution_id=place or None,
        role=Role(role) if role else None,
        state=PersonState(state) if state else None,
    )


def _page(people: Sequence[Person]) -> Sequence[Person]:
    pages = -(-len(people) // PAGE)
    if pages <= 1:
        return people
    given = st.query_params.get("page", "")
    # Bounded before it is read as a number: the address may say anything.
    number = min(max(int(given), 1), pages) if given.isascii() and given.isdigit() and len(given) < 7 else 1
    st.session_state["people.page"] = number
    st.pagination(pages, key="people.page", on_change=_turn)
    return people[(number - 1) * PAGE : number * PAGE]


def _turn() -> None:
    st.query_params["page"] = str(st.session_state["people.page"])
