"""Invitations on the screen: one sent, its link shown once, and what became of each."""

from collections import Counter
from typing import Final

import streamlit as st

from agreements.actors import Actor
from agreements.invitations import InvitationStatus
from portal.pages import shown_once
from portal.pages.context import now, portal
from portal.pages.filters import clear, pick
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, empty, go, row, status, submit
from portal.pages.person_roles import places_for, roles_for
from portal.pages.role_words import titled
from portal.pages.words import count, literal, sentence, when
from portal.pages.writing import field
from portal.services.invitations import InvitationView, Invited

_LINK: Final = "people.invitation"
"""The link just made, with its invitation's id: shown until it is put away, stored nowhere."""
_INVITE: Final = "person.invite"
_EXPIRED: Final = "expired"
_STATES: Final = {"open": "Open", _EXPIRED: "Expired", "accepted": "Accepted", "revoked": "Taken back"}


def invitations(actor: Actor) -> None:
    """The form that invites, and what became of invitations."""
    _inviting(actor)
    everything = portal().invitations.list(actor)
    if not everything:
        empty("Nobody was invited yet. Whoever opens an invitation becomes a person with the roles it offers.")
        return
    counts = Counter(map(_state, everything))
    labels = {state: f"{label} ({counts[state]})" for state, label in _STATES.items() if counts[state]}
    wanted = pick("State", "invited", labels, screen="people", width=200)
    found = [view for view in everything if not wanted or _state(view) == wanted]
    if not found:
        st.caption("No invitation is like that.")
        st.button("Show all", key="invitations.all", on_click=clear, args=("invited",))
    for view in found:
        _card(view)


def _inviting(actor: Actor) -> None:
    with st.expander("Invite somebody", icon=":material/forward_to_inbox:"):
        # Outside the form, which would keep it from saying which roles there are.
        place = st.selectbox(
            "Institution", places_for(actor), format_func=institution_name, key=field(_INVITE, "institution")
        )
        with st.form(_INVITE):
            st.text_input("E-mail", key=field(_INVITE, "email"), max_chars=200)
            st.selectbox(
                "Role", roles_for(actor, place), format_func=lambda r: sentence(r.label), key=field(_INVITE, "role")
            )
            st.caption(
                f"The link works once, within {count(portal().settings.invitation_hours, 'hour')}, for whoever has it. "
                "It dies with your right to send it."
            )
            submit(
                "Invite",
                _INVITE,
                lambda who, _key: portal().invitations.invite(
                    who,
                    email=st.session_state[field(_INVITE, "email")].strip(),
                    memberships=[
                        (st.session_state[field(_INVITE, "institution")], st.session_state[field(_INVITE, "role")])
                    ],
                ),
                done=_told,
                then=_show,
                icon="send",
            )


def _card(view: InvitationView) -> None:
    here, at = portal(), now()
    with st.container(border=True, key=f"invitation_{view.id}"):
        with row():
            st.markdown(f"**{literal(view.email)}**")
            if view.expired:
                st.badge("expired", icon=":material/timer_off:", color="gray")
            elif view.status is InvitationStatus.REVOKED:
                status(view.status, label="taken back")
            else:
                status(view.status)
            for membership in view.memberships:
                st.badge(titled(membership), icon=":material/person:", color="gray")
        by = literal(here.people.name(view.invited_by))
        told = [f"invited by {by} {when(view.invited_at, at)}"]
        if view.status is InvitationStatus.OPEN:
            told.append(f"{'expired' if view.expired else 'good until'} {when(view.expires_at, at)}")
        st.caption(" · ".join(told))
        if view.status is InvitationStatus.REVOKED:
            st.caption(f"Taken back: {literal(view.reason)}")
        if view.status is InvitationStatus.ACCEPTED:
            go(literal(here.people.name(view.person_id)), "people", icon="person", person=view.person_id)
        if view.status is InvitationStatus.OPEN:
            _moves(view)


def _moves(view: InvitationView) -> None:
    here = portal()
    shown = shown_once.kept(_LINK)
    if shown and shown[0] == view.id:
        st.code(shown[1], language=None, wrap_lines=True)
        st.caption("Copy it now: it is shown only here, and a newer link kills it.")
        st.button("Put it away", key=f"hide_invitation_{view.id}", on_click=shown_once.put_away, args=(_LINK,))
    with row():
        act(
            "Send it again" if here.invitations.by_mail else "Make a new link",
            f"invitation.renew:{view.id}",
            lambda who, _key: here.invitations.renew(who, view.id),
            done=_told,
            then=_show,
            icon="refresh",
        )
        confirmed(
            "Take back",
            f"invitation.revoke:{view.id}",
            Consequence(
                "Take this invitation back?",
                f"The link sent to **{literal(view.email)}** opens nothing any more.",
                "Take back",
            ),
            lambda reason: lambda who, _key: here.invitations.revoke(who, view.id, reason=reason),
            done=f"The invitation of {literal(view.email)} is taken back.",
            icon="undo",
        )


def _state(view: InvitationView) -> str:
    return _EXPIRED if view.expired else view.status.value


def _told(made: Invited) -> str:
    email = literal(made.invitation.email)
    if made.mailed:
        return f"The invitation went to {email} by mail; its link is shown once, to copy."
    problem = f" Mail did not take it: {literal(made.mail_problem)}" if made.mail_problem else ""
    return f"The link for {email} is ready to copy. Any link before it is dead.{problem}"


def _show(made: Invited) -> None:
    shown_once.keep(_LINK, (made.invitation.id, made.url))
