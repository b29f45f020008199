"""People: who may sign in, as what, and how they get in."""

import streamlit as st

from agreements.actors import LAB, Role
from agreements.people import Person
from portal.pages import joining
from portal.pages.context import current_actor, now, portal
from portal.pages.filters import pick_view
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, heading, row, submit
from portal.pages.words import literal, sentence, when
from portal.pages.writing import field

_LINK = "people.link"
"""The link just made, with its person's id: shown until it is put away, stored nowhere."""

_FORM = "person.register"

actor, here, at = current_actor(), portal(), now()


def registering() -> None:
    """The form that lets somebody in."""
    mine = [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]
    places = [i.id for i in here.institutions.list(actor)] if actor.is_coordinator else mine
    roles = [role for role in Role if actor.is_coordinator or role not in (Role.COORDINATOR, Role.PARTNER_LEAD)]
    with st.expander("Add a person", icon=":material/person_add:"), st.form(_FORM):
        st.text_input(
            "Name", key=field(_FORM, "name"), max_chars=120, help="They type it to sign, exactly as written here."
        )
        st.text_input("E-mail", key=field(_FORM, "email"), max_chars=200)
        st.selectbox("Institution", places, format_func=institution_name, key=field(_FORM, "institution"))
        st.selectbox("Role", roles, format_func=lambda role: sentence(role.label), key=field(_FORM, "role"))
        submit(
            "Add",
            _FORM,
            lambda who, key: here.people.register(
                who,
                name=st.session_state[field(_FORM, "name")].strip(),
                email=st.session_state[field(_FORM, "email")].strip(),
                memberships=[(st.session_state[field(_FORM, "institution")], st.session_state[field(_FORM, "role")])],
                idempotency_key=key,
            ),
            done=lambda made: f"{literal(made.name)} may sign in once a coordinator has made them a link.",
            icon="person_add",
        )


def link_of(person: Person) -> None:
    """The button that makes a one-time link, and the link while it is shown."""
    act(
        "Make a sign-in link",
        f"person.link:{person.id}",
        lambda who, _key: here.sign_in.issue_link(who, person.id),
        done=f"A sign-in link for {literal(person.name)} is ready to copy.",
        then=lambda url: st.session_state.update({_LINK: (person.id, url)}),
        icon="link",
    )
    shown = st.session_state.get(_LINK)
    if shown and shown[0] == person.id:
        st.code(shown[1], language=None, wrap_lines=True)
        st.caption(
            f"Works once, within {here.settings.sign_in_link_hours} hours. It is shown only now: copy it and send it "
            "by a channel you trust."
        )
        st.button("Put it away", key=f"hide_link_{person.id}", on_click=st.session_state.pop, args=(_LINK, None))


def card(person: Person) -> None:
    """One person."""
    with st.container(border=True, key=f"person_{person.id}"):
        with row():
            st.markdown(f"**{literal(person.name)}**")
            for membership in person.memberships:
                st.badge(
                    literal(f"{membership.role.label}, {institution_name(membership.institution_id)}"),
                    icon=":material/shield_person:" if membership.institution_id == LAB else ":material/person:",
                    color="violet" if membership.institution_id == LAB else "gray",
                )
            if person.deactivated_at:
                st.badge("deactivated", icon=":material/block:", color="red")
        st.caption(f"{literal(person.email)} · added {when(person.registered_at, at)}")
        if person.deactivated_at:
            confirmed(
                "Reactivate",
                f"person.reactivate:{person.id}",
                Consequence(
                    "Reactivate this person?",
                    f"**{literal(person.name)}** may sign in again with the roles shown. Sessions and access tokens of "
                    "before stay ended.",
                    "Reactivate",
                ),
                lambda reason: lambda who, _key: here.people.reactivate(who, person.id, reason=reason),
                done=f"{literal(person.name)} may sign in again.",
                icon="person_check",
            )
            return
        if actor.is_coordinator:
            link_of(person)
        if person.id != actor.person_id:
            confirmed(
                "Deactivate",
                f"person.deactivate:{person.id}",
                Consequence(
                    "Deactivate this person?",
                    f"**{literal(person.name)}** can no longer sign in; open sessions and access tokens stop with the "
                    "next request. What they did stays theirs.",
                    "Deactivate",
                ),
                lambda reason: lambda who, _key: here.people.deactivate(who, person.id, reason=reason),
                done=f"{literal(person.name)} may not sign in any more.",
                icon="person_off",
            )


heading("People", "Nobody has a password. A one-time link opens a session that the portal can end at any moment.")
open_ones = sum(1 for one in here.people.waiting(actor) if one.pending is not None and not one.pending.refused)
view = pick_view(
    "Which",
    "view",
    {"people": "People", "waiting": f"Waiting ({open_ones})", "invitations": "Invitations"},
    screen="people",
)
if view == "waiting":
    joining.waiting(actor)
elif view == "invitations":
    joining.invitations(actor)
else:
    registering()
    for entry in here.people.list(actor):
        card(entry)
