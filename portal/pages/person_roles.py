"""Somebody's roles on the screen: given, changed and taken, each with what stops by it; and the end of all of them."""

import streamlit as st

from agreements.actors import Actor, Membership, Role
from agreements.people import MOST_MEMBERSHIPS, Person, governs, may_admit, roles_at
from portal.pages.context import portal
from portal.pages.frame import institution_name
from portal.pages.parts import Consequence, accepted, confirmed, row
from portal.pages.role_words import DOES, acceptance, difference, placed, stuck, titled, told
from portal.pages.words import literal, sentence


def places_for(actor: Actor) -> list[str]:
    """At which institutions the actor may give roles."""
    if actor.is_coordinator:
        return [institution.id for institution in portal().institutions.list(actor)]
    return [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]


def roles_for(actor: Actor, institution_id: str) -> list[Role]:
    """Which roles the actor may give at an institution, the least first: what is chosen by default gives little."""
    return [
        role
        for role in reversed(roles_at(institution_id))
        if may_admit(actor, Membership(institution_id=institution_id, role=role))
    ]


def roles(actor: Actor, person: Person) -> None:
    """Every role of a person who was let in, and what the actor may do about it."""
    st.header("Roles", anchor=False)
    own = person.id == actor.person_id
    for membership in person.memberships:
        with st.container(border=True, key=f"role_{membership.institution_id}_{membership.role.value}"):
            st.markdown(f"**{sentence(titled(membership))}**")
            st.caption(f"May {'; '.join(DOES[membership.role])}.")
            if not own and person.active and may_admit(actor, membership):
                _changing(actor, person, membership)
                _taking(actor, person, membership)
    if own:
        st.caption("Nobody changes their own roles: ask another coordinator.")
    elif person.active:
        _giving(actor, person)


def _changing(actor: Actor, person: Person, membership: Membership) -> None:
    place = membership.institution_id
    options = [
        role
        for role in roles_for(actor, place)
        if Membership(institution_id=place, role=role) not in person.memberships
    ]
    if not options:
        return
    form = f"person.role:{person.id}:{place}:{membership.role.value}"
    role = st.selectbox(
        "Make them", options, format_func=lambda one: sentence(one.label), key=f"{form}.role", width=240
    )
    after = Membership(institution_id=place, role=role)
    left = [after if one == membership else one for one in person.memberships]
    found = portal().person_consequences.if_left_with(actor, person.id, left)
    if why := stuck(found):
        st.caption(f":material/block: {why}")
        return
    confirmed(
        "Change the role",
        form,
        Consequence(
            "Change this role?",
            f"**{literal(person.name)}** is {placed(membership)}, and becomes {literal(role.label)} there, from their "
            f"next request on.\n\n{difference(membership.role, role)}\n{told(person, found)}",
            "Change it",
            asks_reason=False,
            accepts=acceptance(found),
        ),
        lambda _reason: (
            lambda who, _key: portal().people.change_role(
                who,
                person.id,
                institution_id=place,
                before=membership.role,
                after=role,
                without_lead=accepted(form),
            )
        ),
        done=f"{literal(person.name)} is {literal(role.label)} at {literal(institution_name(place))} now.",
        icon="swap_horiz",
    )


def _taking(actor: Actor, person: Person, membership: Membership) -> None:
    if len(person.memberships) == 1:
        st.caption("It is their only role. To take it away, deactivate the person.")
        return
    form = f"person.role_end:{person.id}:{membership.institution_id}:{membership.role.value}"
    left = [one for one in person.memberships if one != membership]
    found = portal().person_consequences.if_left_with(actor, person.id, left)
    if why := stuck(found):
        st.caption(f":material/block: {why}")
        return
    confirmed(
        "Take the role away",
        form,
        Consequence(
            "Take this role away?",
            f"**{literal(person.name)}** is no {placed(membership)} any more, from their next request on."
            f"\n\n{told(person, found)}",
            "Take it away",
            accepts=acceptance(found),
        ),
        lambda reason: (
            lambda who, _key: portal().people.remove_membership(
                who,
                person.id,
                institution_id=membership.institution_id,
                role=membership.role,
                reason=reason,
                without_lead=accepted(form),
            )
        ),
        done=f"{literal(person.name)} has that role no more.",
        icon="remove_moderator",
    )


def _giving(actor: Actor, person: Person) -> None:
    places = places_for(actor)
    if not places or len(person.memberships) >= MOST_MEMBERSHIPS:
        return
    form = f"person.role_add:{person.id}"
    with st.expander("Give another role", icon=":material/add_moderator:"):
        place = st.selectbox("Institution", places, format_func=institution_name, key=f"{form}.institution")
        free = [
            role
            for role in roles_for(actor, place)
            if Membership(institution_id=place, role=role) not in person.memberships
        ]
        if not free:
            st.caption("They have every role there that you may give.")
            return
        role = st.selectbox("Role", free, format_func=lambda one: sentence(one.label), key=f"{form}.role")
        more = Membership(institution_id=place, role=role)
        found = portal().person_consequences.if_left_with(actor, person.id, [*person.memberships, more])
        confirmed(
            "Give the role",
            form,
            Consequence(
                "Give this role?",
                f"**{literal(person.name)}** becomes {placed(more)} too, from their next request on."
                f"\n\n{difference(None, role)}\n{told(person, found)}",
                "Give it",
                asks_reason=False,
            ),
            lambda _reason: (
                lambda who, _key: portal().people.add_membership(who, person.id, institution_id=place, role=role)
            ),
            done=f"{literal(person.name)} is {literal(role.label)} at {literal(institution_name(place))} too.",
            icon="add_moderator",
        )


def ending(actor: Actor, person: Person) -> None:
    """The end of all that somebody is here, and the way back."""
    if person.deactivated_at is not None:
        _returning(actor, person)
        return
    if person.id == actor.person_id or not (actor.is_coordinator or governs(actor, person) or person.pending):
        return
    form = f"person.deactivate:{person.id}"
    says, accepts = "They are not let in, and cannot ask again until they are reactivated.", ""
    if person.pending is None:
        found = portal().person_consequences.if_left_with(actor, person.id, ())
        if why := stuck(found):
            st.caption(f":material/block: {why}")
            return
        says, accepts = told(person, found), acceptance(found)
    confirmed(
        "Deactivate",
        form,
        Consequence("Deactivate this person?", f"**{literal(person.name)}**\n\n{says}", "Deactivate", accepts=accepts),
        lambda reason: (
            lambda who, _key: portal().people.deactivate(who, person.id, reason=reason, without_lead=accepted(form))
        ),
        done=f"{literal(person.name)} may not sign in any more.",
        icon="person_off",
    )


def _returning(actor: Actor, person: Person) -> None:
    by_lead = bool(person.memberships) and all(may_admit(actor, one) for one in person.memberships)
    if not (actor.is_coordinator or by_lead):
        st.caption("A coordinator can let them in again.")
        return
    roles_then = ", ".join(placed(one) for one in person.memberships)
    says = f"as {roles_then}" if roles_then else "to wait for an answer, as before"
    with row():
        confirmed(
            "Reactivate",
            f"person.reactivate:{person.id}",
            Consequence(
                "Reactivate this person?",
                f"**{literal(person.name)}** may sign in again, {says}. Sessions, links and access tokens of before "
                "stay ended; grants in their name open again as far as nothing else stops them.",
                "Reactivate",
            ),
            lambda reason: lambda who, _key: portal().people.reactivate(who, person.id, reason=reason),
            done=f"{literal(person.name)} may sign in again.",
            icon="person_check",
        )
