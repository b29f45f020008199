"""People: who may sign in, as what, and how they get in."""

import streamlit as st

from agreements.errors import ConcordatError
from portal.pages.context import current_actor, portal
from portal.pages.filters import pick_view
from portal.pages.frame import institution_name
from portal.pages.invitation_view import invitations
from portal.pages.joining import waiting
from portal.pages.parts import heading, submit
from portal.pages.people_list import people_list
from portal.pages.person_roles import places_for, roles_for
from portal.pages.person_view import back, detail
from portal.pages.words import literal, sentence
from portal.pages.writing import field, refused

_FORM = "person.register"

actor, here = current_actor(), portal()


def registering() -> None:
    """The form that lets somebody in."""
    with st.expander("Add a person", icon=":material/person_add:"):
        # Outside the form, which would keep it from saying which roles there are.
        place = st.selectbox(
            "Institution", places_for(actor), format_func=institution_name, key=field(_FORM, "institution")
        )
        with st.form(_FORM):
            st.text_input(
                "Name", key=field(_FORM, "name"), max_chars=120, help="They type it to sign, exactly as written here."
            )
            st.text_input("E-mail", key=field(_FORM, "email"), max_chars=200)
            st.selectbox(
                "Role",
                roles_for(actor, place),
                format_func=lambda role: sentence(role.label),
                key=field(_FORM, "role"),
            )
            submit(
                "Add",
                _FORM,
                lambda who, key: here.people.register(
                    who,
                    name=st.session_state[field(_FORM, "name")].strip(),
                    email=st.session_state[field(_FORM, "email")].strip(),
                    memberships=[
                        (st.session_state[field(_FORM, "institution")], st.session_state[field(_FORM, "role")])
                    ],
                    idempotency_key=key,
                ),
                done=lambda made: f"{literal(made.name)} may sign in once a coordinator has made them a link.",
                then=lambda made: st.query_params.from_dict({"person": made.id}),
                icon="person_add",
            )


def directory() -> None:
    """Everyone, who waits, and who was invited."""
    heading("People", "Nobody has a password. A one-time link opens a session that the portal can end at any moment.")
    open_ones = sum(1 for one in here.people.waiting(actor) if one.pending is not None and not one.pending.refused)
    view = pick_view(
        "Which",
        "view",
        {"people": "People", "waiting": f"Waiting ({open_ones})", "invitations": "Invitations"},
        screen="people",
    )
    if view == "waiting":
        waiting(actor)
    elif view == "invitations":
        invitations(actor)
    else:
        registering()
        people_list(actor)


selected = st.query_params.get("person")
if selected:
    back()
    try:
        detail(actor, selected)
    except ConcordatError as refusal:
        heading("Person")
        refused(refusal)
else:
    directory()
