"""Who waits to be let in: people who signed in through their institution's provider for the first time."""

import streamlit as st

from agreements.actors import Actor
from agreements.people import Person
from portal.pages.context import now, portal
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, empty, go, row, status
from portal.pages.people_list import kept
from portal.pages.person_roles import roles_for
from portal.pages.role_words import DOES
from portal.pages.words import literal, sentence, when


def waiting(actor: Actor) -> None:
    """Those who were not let in yet, and those who were refused."""
    found = portal().people.waiting(actor)
    if not found:
        empty(
            "Nobody waits to be let in. Who signs in through their institution's identity provider for the first time "
            "appears here.",
            screen="sign_in_methods",
            label="Sign-in methods",
        )
    for person in found:
        with st.container(border=True, key=f"waiting_{person.id}"):
            with row():
                go(literal(person.name), "people", icon="person", **{**kept(), "person": person.id})
                status(person.state)
            answering(actor, person)


def answering(actor: Actor, person: Person) -> None:
    """What is known of somebody who waits, and the two answers."""
    pending, here = person.pending, portal()
    if pending is None or person.deactivated_at is not None:
        return
    place = literal(institution_name(pending.institution_id))
    st.caption(f"{literal(person.email)} · {place} · since {when(pending.requested_at, now())}")
    if pending.refused:
        st.markdown(f"Refused: {literal(pending.refused)}")
    st.caption("The provider verified the address. Nothing else is known of them: answer whom you know.")
    form = f"person.approve:{person.id}"
    role = st.selectbox(
        "Let in as",
        roles_for(actor, pending.institution_id),
        format_func=lambda one: sentence(one.label),
        key=f"{form}.role",
        width=240,
    )
    st.caption(f"May then {'; '.join(DOES[role])}.")
    with row():
        act(
            "Let in",
            form,
            lambda who, _key: here.people.approve(who, person.id, role=st.session_state[f"{form}.role"]),
            done=f"{literal(person.name)} is let in.",
            icon="how_to_reg",
            primary=True,
        )
        if not pending.refused:
            confirmed(
                "Refuse",
                f"person.refuse:{person.id}",
                Consequence(
                    "Refuse this person?",
                    f"**{literal(person.name)}** is not let in at {place}, and reads the reason when they look again. "
                    "They can still be let in later.",
                    "Refuse",
                ),
                lambda reason: lambda who, _key: here.people.refuse(who, person.id, reason=reason),
                done=f"{literal(person.name)} is not let in.",
                icon="block",
            )
