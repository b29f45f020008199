"""A digest: what one person has not read, as a letter in plain text and in HTML that says the same."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from itertools import groupby

from agreements.deciders import Value
from portal.notices.model import Notice

LISTED = 50
"""How many notices a letter spells out; it counts the others."""

_HEADINGS = {
    "agreement": "Agreements",
    "appeal": "Appeals",
    "duty": "Duties",
    "passport": "Vetting",
    "webhook": "Webhooks",
}


class Digest(Value):
    """A letter to one person; without notices it says so."""

    person_id: str
    subject: str
    text: str
    html: str
    notice_ids: tuple[str, ...]
    """What it tells of, those it only counts included."""
    since: datetime | None
    """It tells of what was raised after this; none for everything unread."""
    now: datetime


def compose(
    notices: Sequence[Notice],
    *,
    person_id: str,
    person_name: str,
    portal_name: str,
    portal_url: str,
    since: datetime | None,
    now: datetime,
) -> Digest:
    """The letter that tells a person of ``notices``, given oldest first; grouped by what they are about."""
    listed = sorted(notices[:LISTED], key=lambda notice: (_heading(notice), notice.at, notice.id))
    groups = [(heading, list(found)) for heading, found in groupby(listed, key=_heading)]
    rest = len(notices) - len(listed)
    number = len(notices)
    subject = f"{portal_name}: {number} {'notice' if number == 1 else 'notices'}" if number else f"{portal_name}: none"
    return Digest(
        person_id=person_id,
        subject=subject,
        text=_text(groups, rest, person_name, portal_url),
        html=_html(groups, rest, person_name, portal_url),
        notice_ids=tuple(notice.id for notice in notices),
        since=since,
        now=now,
    )


def _heading(notice: Notice) -> str:
    topic = notice.kind.partition(".")[0]
    return _HEADINGS.get(topic, topic.replace("_", " ").capitalize())


def _opening(person_name: str) -> str:
    return f"{person_name}, this is what the portal has for you."


def _closing(rest: int, *, nothing: bool) -> str:
    if nothing:
        return "There is nothing that you have not read."
    return f"And {rest} more in your inbox." if rest else ""


def _text(groups: list[tuple[str, list[Notice]]], rest: int, person_name: str, portal_url: str) -> str:
    parts = [_opening(person_name)]
    for heading, notices in groups:
        parts.append(f"{heading}\n{'-' * len(heading)}")
        parts.extend(_paragraph(notice, portal_url) for notice in notices)
    parts += [_closing(rest, nothing=not groups), portal_url]
    return "\n\n".join(part for part in parts if part) + "\n"


def _paragraph(notice: Notice, portal_url: str) -> str:
    return "\n".join(part for part in (notice.subject, notice.body, f"{portal_url}{notice.link}") if part)


def _html(groups: list[tuple[str, list[Notice]]], rest: int, person_name: str, portal_url: str) -> str:
    parts = ['<!doctype html><html lang="en"><meta charset="utf-8"><body>', f"<p>{escape(_opening(person_name))}</p>"]
    for heading, notices in groups:
        parts.append(f"<h2>{escape(heading)}</h2>")
        for notice in notices:
            address = escape(f"{portal_url}{notice.link}")
            body = escape(notice.body).replace("\n", "<br>")
            parts.append(f'<p><a href="{address}"><b>{escape(notice.subject)}</b></a><br>{body}</p>')
    closing = _closing(rest, nothing=not groups)
    if closing:
        parts.append(f"<p>{escape(closing)}</p>")
    parts.append(f'<p><a href="{escape(portal_url)}">{escape(portal_url)}</a></p></body></html>')
    return "\n".join(parts) + "\n"
