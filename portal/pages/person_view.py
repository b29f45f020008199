"""One person, whole: roles, how they sign in, where they are signed in, what they hold, and the end of it."""

from functools import partial

import streamlit as st

from agreements.actors import Actor
from agreements.people import Person, PersonState
from portal.pages import shown_once
from portal.pages.context import now, portal, session_id
from portal.pages.joining import answering
from portal.pages.parts import Consequence, act, confirmed, go, heading, row
from portal.pages.people_list import badges, kept
from portal.pages.person_roles import ending, roles
from portal.pages.session_view import session_card
from portal.pages.words import count, literal, when
from portal.pages.writing import Call

_LINK = "people.link"
"""The link just made, with its person's id: shown until it is put away, stored nowhere."""
_TOKENS = "person.tokens"


def detail(actor: Actor, person_id: str) -> None:
    """Everything about one person that the reader may know. Raises NotFound."""
    here, at = portal(), now()
    person = here.people.visible(actor, person_id)
    heading(literal(person.name))
    with row():
        badges(person)
    last = here.sessions.last_sign_ins(actor, [person]).get(person.id)
    told = [literal(person.email), f"added {when(person.registered_at, at)}"]
    if actor.is_coordinator or last is not None:
        told.append(f"last signed in {when(last, at)}" if last is not None else "never signed in")
    st.caption(" · ".join(told))
    if person.deactivated_at is not None:
        st.warning(f"Deactivated {when(person.deactivated_at, at)}.", icon=":material/person_off:")
    if person.pending is not None:
        answering(actor, person)
    else:
        roles(actor, person)
    if person.state is PersonState.ACTIVE:
        _ways_in(actor, person)
        _sessions(actor, person)
        _grants(actor, person)
    ending(actor, person)


def _ways_in(actor: Actor, person: Person) -> None:
    here = portal()
    st.header("How they sign in", anchor=False)
    if actor.is_coordinator:
        link_of(person)
    else:
        st.caption("By a one-time link from a coordinator, or by their institution's identity provider.")
        go("Sign-in methods", "sign_in_methods", icon="login")
    if not (actor.is_coordinator or actor.person_id == person.id):
        return
    labels = {one.id: one.label for one in here.identity_providers.list(actor)}
    found = here.identity_providers.identities(actor, person.id)
    if not found:
        st.caption("Not linked to an identity provider.")
    for identity in found:
        label = literal(labels.get(identity.provider_id, identity.issuer))
        with st.container(border=True, key=f"identity_{identity.identity_id[:16]}"):
            with row():
                st.badge("identity provider", icon=":material/login:", color="gray")
                go(label, "sign_in_methods", icon="arrow_forward", provider=identity.provider_id)
            st.caption(literal(identity.issuer))
            if actor.is_coordinator:
                confirmed(
                    "Unlink",
                    f"identity.unlink:{identity.identity_id}",
                    Consequence(
                        "Unlink this account?",
                        f"Whoever has this account at **{label}** is not **{literal(person.name)}** here any more, and "
                        "every session of theirs ends. Who comes by it next is linked by the address that the provider "
                        "verified then.",
                        "Unlink it",
                    ),
                    partial(_unlinking, identity.identity_id),
                    done="The account is unlinked, and its sessions are over.",
                    icon="link_off",
                )


def _unlinking(identity_id: str, reason: str) -> Call[None]:
    return lambda who, _key: portal().identity_providers.unlink(who, identity_id, reason=reason)


def link_of(person: Person) -> None:
    """The button that makes a one-time link, and the link while it is shown."""
    act(
        "Make a sign-in link",
        f"person.link:{person.id}",
        lambda who, _key: portal().sign_in.issue_link(who, person.id),
        done=f"A sign-in link for {literal(person.name)} is ready to copy.",
        then=lambda url: shown_once.keep(_LINK, (person.id, url)),
        icon="link",
    )
    shown = shown_once.kept(_LINK)
    if shown and shown[0] == person.id:
        st.code(shown[1], language=None, wrap_lines=True)
        st.caption(
            f"Works once, within {portal().settings.sign_in_link_hours} hours. It is shown only now: copy it and send "
            "it by a channel you trust."
        )
        st.button("Put it away", key=f"hide_link_{person.id}", on_click=shown_once.put_away, args=(_LINK,))


def _sessions(actor: Actor, person: Person) -> None:
    if not actor.is_coordinator:
        return
    here = portal()
    st.header("Sessions", anchor=False)
    found = here.sessions.of_person(actor, person.id, current=session_id())
    if not found:
        st.caption("Not signed in anywhere.")
    for view in found:
        session_card(view)
    keep = session_id() if person.id == actor.person_id else ""
    key = f"{_TOKENS}:{person.id}"
    st.checkbox("End their access tokens too", key=key, help="Programs that use them are refused from then on.")
    confirmed(
        "Sign them out everywhere",
        f"person.end_all:{person.id}",
        Consequence(
            "Sign this person out everywhere?",
            f"**{literal(person.name)}** is signed out of {count(len(found), 'session')}"
            + (", except this one of yours" if keep else "")
            + "; sign-in links not used yet are dead."
            + (" Every access token of theirs ends too." if st.session_state.get(key) else "")
            + " They may sign in again.",
            "Sign them out",
            asks_reason=False,
        ),
        lambda _reason: (
            lambda who, _key: here.sessions.end_all(who, person.id, tokens=bool(st.session_state.get(key)), keep=keep)
        ),
        done=lambda ended: f"Ended: {ended.sessions} sessions and links, {ended.tokens} access tokens.",
        icon="logout",
    )


def _grants(actor: Actor, person: Person) -> None:
    st.header("Grants in their name", anchor=False)
    found = portal().person_consequences.grants_of(actor, person.id)
    if not found:
        st.caption("None. They use what their institution holds, as far as their role and the agreement allow.")
    for grant in found:
        go(literal(grant.label), "grants", icon="key", grant=grant.grant_id)


def back() -> None:
    """The way back to the list as it was."""
    st.button(
        "All people",
        key="people.back",
        icon=":material/arrow_back:",
        type="tertiary",
        on_click=st.query_params.from_dict,
        args=(kept(),),
    )
