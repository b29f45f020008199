"""Notices: what the portal told the reader, the digest that mail would bring, and webhooks for whoever binds one."""

from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from agreements.actors import Actor
from portal.pages.context import current_actor, now, portal
from portal.pages.filters import pick_view
from portal.pages.frame import institution_name
from portal.pages.menu import SCREENS, address_of
from portal.pages.parts import act, empty, go, heading, row, untrusted
from portal.pages.webhook_view import webhooks
from portal.pages.words import count, literal, prose, when
from portal.services.notices import NoticeView
from portal.standing import represents

_SCREEN = "notices"

actor, here, at = current_actor(), portal(), now()


def destination(link: str) -> tuple[str, dict[str, str]]:
    """The screen and the query that a notice's link names; no screen where it names none of the portal's."""
    parts = urlsplit(link)
    address = parts.path.strip("/")
    name = next((screen.name for screen in SCREENS if address_of(screen.name) == address), "")
    return name, dict(parse_qsl(parts.query))


def read_all(who: Actor, _key: str) -> int:
    """Mark everything unread as read; how many that were."""
    waiting = here.notices.inbox(who, unread_only=True)
    for view in waiting:
        here.notices.mark_read(who, view.notice_id)
    return len(waiting)


def card(view: NoticeView) -> None:
    """One notice."""
    with st.container(border=True, key=f"notice_{view.notice_id}"):
        with row():
            if view.read_at is None:
                st.badge("unread", icon=":material/mark_email_unread:", color="blue")
                st.markdown(f"**{literal(view.subject)}**")
            else:
                st.markdown(literal(view.subject))
        st.caption(
            f"{literal(institution_name(view.institution_id))} · {literal(view.kind.replace('_', ' '))} · "
            f"{when(view.raised_at, at)}"
        )
        if view.body:
            if view.read_at is None:
                st.markdown(prose(view.body))
            else:
                with st.expander("Read again"):
                    st.markdown(prose(view.body))
        with row():
            screen, query = destination(view.link)
            if screen:
                go("Open", screen, icon="arrow_forward", **query)
        if view.read_at is None:
            act(
                "I have read it",
                f"notice.read:{view.notice_id}",
                lambda who, _key: here.notices.mark_read(who, view.notice_id),
                done="",
                icon="mark_email_read",
            )


def inbox() -> None:
    """Notices, newest first."""
    waiting = here.notices.unread(actor)
    which = pick_view("Which notices", "show", {"unread": f"Unread: {waiting}", "all": "All"}, screen=_SCREEN)
    views = here.notices.inbox(actor, unread_only=which == "unread")
    if waiting > 1:
        act(
            "Mark all as read",
            "notice.read_all",
            read_all,
            done=lambda number: f"{count(number, 'notice')} marked as read.",
            icon="done_all",
        )
    if not views:
        empty(
            "You have read everything." if which == "unread" else "Nobody has told you anything yet.",
            icon="mark_email_read",
        )
    for view in views:
        card(view)


def digest() -> None:
    """The letter that mail would bring."""
    letter = here.digests.preview(actor)
    with st.expander("Your digest", icon=":material/mail:"):
        if here.digests.by_mail:
            st.markdown("Mail brings it once a day, and only when there is something in it. As it would read now:")
        else:
            st.markdown("This portal sends no mail; its operator can set that up. As the letter would read now:")
        untrusted(letter.text, label=literal(letter.subject))


heading("Notices", "What happened or falls due that concerns you. Each is raised once, by a rule the log names.")
inbox()
digest()
if any(represents(actor, one) for one in actor.institution_ids):
    st.header("Webhooks", anchor=False)
    webhooks(actor, at)
