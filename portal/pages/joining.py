"""Who waits to be let in, and who was invited: the parts of the People screen before somebody is one of the people."""

import streamlit as st

from agreements.actors import Actor, Role
from agreements.invitations import InvitationStatus
from agreements.people import Person
from portal.pages.context import now, portal
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, act, confirmed, empty, row, submit
from portal.pages.words import literal, sentence, when
from portal.pages.writing import field
from portal.services.invitations import InvitationView, Invited

_LINK = "people.invitation"
"""The link just made, with its invitation's id: shown until it is put away, stored nowhere."""
_INVITE = "person.invite"


def roles_for(actor: Actor) -> list[Role]:
    """Which roles the actor may give somewhere."""
    return [role for role in Role if actor.is_coordinator or role not in (Role.COORDINATOR, Role.PARTNER_LEAD)]


def places_for(actor: Actor) -> list[str]:
    """At which institutions the actor may give roles."""
    if actor.is_coordinator:
        return [institution.id for institution in portal().institutions.list(actor)]
    return [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]


def waiting(actor: Actor) -> None:
    """Those who signed in through their institution's provider and were not let in yet."""
    found = portal().people.waiting(actor)
    if not found:
        empty("Nobody waits to be let in. Who signs in through their institution for the first time appears here.")
    for person in found:
        _waiting_card(person)


def _waiting_card(person: Person) -> None:
    pending, here = person.pending, portal()
    if pending is None:
        return
    place = literal(institution_name(pending.institution_id))
    with st.container(border=True, key=f"waiting_{person.id}"):
        with row():
            st.markdown(f"**{literal(person.name)}**")
            if pending.refused:
                st.badge("refused", icon=":material/block:", color="red")
            else:
                st.badge("waits", icon=":material/hourglass_top:", color="orange")
        st.caption(f"{literal(person.email)} · {place} · since {when(pending.requested_at, now())}")
        if pending.refused:
            st.markdown(f"Refused: {literal(pending.refused)}")
        form = f"person.approve:{person.id}"
        options = [Role.PARTNER_MEMBER, Role.RESEARCHER, Role.OBSERVER]
        st.selectbox("Let in as", options, format_func=lambda r: sentence(r.label), key=f"{form}.role", width=240)
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


def invitations(actor: Actor) -> None:
    """The form that invites, and what became of invitations."""
    here = portal()
    with st.expander("Invite somebody", icon=":material/forward_to_inbox:"), st.form(_INVITE):
        st.text_input("E-mail", key=field(_INVITE, "email"), max_chars=200)
        places, roles = places_for(actor), roles_for(actor)
        st.selectbox("Institution", places, format_func=institution_name, key=field(_INVITE, "institution"))
        st.selectbox("Role", roles, format_func=lambda r: sentence(r.label), key=field(_INVITE, "role"))
        submit(
            "Invite",
            _INVITE,
            lambda who, _key: here.invitations.invite(
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
    found = here.invitations.list(actor)
    if not found:
        empty("Nobody was invited yet.")
    for view in found:
        _invitation_card(view)


def _invitation_card(view: InvitationView) -> None:
    here = portal()
    with st.container(border=True, key=f"invitation_{view.id}"):
        with row():
            st.markdown(f"**{literal(view.email)}**")
            st.badge("expired" if view.expired else view.status.value, icon=":material/mail:", color="gray")
        roles = ", ".join(f"{m.role.label} at {institution_name(m.institution_id)}" for m in view.memberships)
        by = here.people.name(view.invited_by)
        st.caption(f"{literal(roles)} · invited by {literal(by)} {when(view.invited_at, now())}")
        if view.status is not InvitationStatus.OPEN:
            return
        act(
            "Make a new link",
            f"invitation.renew:{view.id}",
            lambda who, _key: here.invitations.renew(who, view.id),
            done=_told,
            then=_show,
            icon="refresh",
        )
        shown = st.session_state.get(_LINK)
        if shown and shown[0] == view.id:
            st.code(shown[1], language=None, wrap_lines=True)
            st.caption("Works once, until it expires. It is shown only now; the link before is dead.")
            st.button(
                "Put it away", key=f"hide_invitation_{view.id}", on_click=st.session_state.pop, args=(_LINK, None)
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


def _chosen() -> tuple[str, Role]:
    return st.session_state[field(_INVITE, "institution")], st.session_state[field(_INVITE, "role")]


def _told(made: Invited) -> str:
    email = literal(made.invitation.email)
    if made.mailed:
        return f"The invitation went to {email} by mail; its link is shown once, to copy."
    problem = f" Mail did not take it: {literal(made.mail_problem)}" if made.mail_problem else ""
    return f"The link for {email} is ready to copy.{problem}"


def _show(made: Invited) -> None:
    st.session_state[_LINK] = (made.invitation.id, made.url)
