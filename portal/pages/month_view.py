"""A month of dates as a calendar sheet: a real table of weeks and days, which keyboards and screen readers can walk.

Every entry is a link and says in words what it is; signs and colours only repeat it.
"""

import calendar
import html
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from urllib.parse import urlencode

import streamlit as st

from portal.pages.menu import address_of
from portal.pages.words import literal, plain
from portal.services.duty_calendar import Appointment, AppointmentKind

_SIGNS = {
    AppointmentKind.DUTY: "●",
    AppointmentKind.TERM: "■",
    AppointmentKind.RENEWAL: "↻",
    AppointmentKind.GRACE: "◧",
    AppointmentKind.APPEAL: "⚖",
    AppointmentKind.PASSPORT: "◆",
}
_MEANS = {
    AppointmentKind.DUTY: "duty",
    AppointmentKind.TERM: "end of an agreement",
    AppointmentKind.RENEWAL: "renewal opens",
    AppointmentKind.GRACE: "end of a grace",
    AppointmentKind.APPEAL: "clock of an appeal",
    AppointmentKind.PASSPORT: "vetting lapses",
}
_EARLIEST, _LATEST = date(1900, 1, 1), date(2999, 12, 1)
"""The months that are shown: the calendar's own ends have weeks that reach beyond them."""

_LINE = "border:1px solid rgba(128,140,145,.4)"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def month_sheet(dated: Sequence[Appointment], first: date, now: datetime) -> None:
    """The month that begins on ``first``, with a table of the same dates below."""
    inside = [one for one in dated if (one.at.year, one.at.month) == (first.year, first.month)]
    st.html(sheet(inside, first, now))
    used = {one.kind for one in inside}
    legend = ", ".join(f"{_SIGNS[kind]} {_MEANS[kind]}" for kind in AppointmentKind if kind in used)
    st.caption(f"{legend + '. ' if legend else ''}All times are UTC.")
    if not inside:
        st.markdown("Nothing has a date in this month.")
        return
    with st.expander("The same as a table", icon=":material/table_rows:"):
        st.table([_row(one, now) for one in inside], border="horizontal", hide_index=True)


def month_of(text: str, now: datetime) -> date:
    """The first day of the month that an address names as ``YYYY-MM``, or of the nearest that is shown; of the present
    one if it names none."""
    try:
        first = datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no time zone
    except ValueError:
        return now.date().replace(day=1)
    return min(max(first, _EARLIEST), _LATEST)


def shifted(first: date, months: int) -> str:
    """The month so many months later, as an address names it; the calendar's own ends are not passed."""
    number = first.year * 12 + first.month - 1 + months
    year, month = divmod(number, 12)
    return f"{min(max(date(year, month + 1, 1), _EARLIEST), _LATEST):%Y-%m}"


def sheet(dated: Iterable[Appointment], first: date, now: datetime) -> str:
    """The calendar sheet as HTML, every word of others escaped."""
    by_day: dict[date, list[Appointment]] = defaultdict(list)
    for one in dated:
        by_day[one.at.date()].append(one)
    head = "".join(
        f'<th scope="col" style="{_LINE};padding:.3rem;font-weight:600;text-align:left">'
        f'<abbr title="{day}" style="text-decoration:none">{day[:3]}</abbr></th>'
        for day in _WEEKDAYS
    )
    weeks = "".join(
        f"<tr>{''.join(_cell(day, first, by_day.get(day, []), now) for day in week)}</tr>"
        for week in calendar.Calendar().monthdatescalendar(first.year, first.month)
    )
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Calendar">'
        '<table style="border-collapse:collapse;table-layout:fixed;width:100%;min-width:46rem;font-size:.85rem">'
        f'<caption style="text-align:left;font-weight:600;font-size:1.1rem;padding:.2rem 0">{first:%B %Y}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{weeks}</tbody></table></div>"
    )


def _cell(day: date, first: date, dated: Sequence[Appointment], now: datetime) -> str:
    if day.month != first.month:
        return f'<td style="{_LINE};background:rgba(128,140,145,.08)"></td>'
    today = day == now.date()
    mark = ' aria-current="date"' if today else ""
    number = f"<strong>{day.day} today</strong>" if today else f"{day.day}"
    entries = "".join(_entry(one, now) for one in dated)
    return (
        f'<td{mark} style="{_LINE};vertical-align:top;padding:.3rem;height:4.6rem;overflow-wrap:anywhere">'
        f'<time datetime="{day.isoformat()}">{number}</time>{entries}</td>'
    )


def _entry(one: Appointment, now: datetime) -> str:
    title = html.escape(plain(one.title), quote=True)
    state = _state(one, now)
    words = f"{state}: {title}" if state else title
    struck = "text-decoration:line-through;" if one.called_off else ""
    return (
        f'<div style="margin-top:.25rem"><a target="_self" href="{html.escape(address(one), quote=True)}" '
        f'title="{html.escape(plain(one.text), quote=True)}" style="{struck}color:inherit">'
        f'<span aria-hidden="true">{_SIGNS[one.kind]} </span>{words}</a></div>'
    )


def address(one: Appointment) -> str:
    """Where the portal shows what a date is about."""
    screen, query = destination(one)
    return f"/{address_of(screen)}?{urlencode(query)}"


def destination(one: Appointment) -> tuple[str, dict[str, str]]:
    """The screen and the query that show what a date is about."""
    if one.agreement_id is None:
        return "passports", {"institution": one.institution_id}
    if one.kind is AppointmentKind.DUTY:
        key = one.uid.removeprefix(f"duty/{one.agreement_id}/")
        return "duties", {"agreement": one.agreement_id, "duty": key}
    return "agreements", {"agreement": one.agreement_id}


def _state(one: Appointment, now: datetime) -> str:
    if one.called_off:
        return "Waived"
    if one.done:
        return "Done"
    return "Overdue" if one.kind is AppointmentKind.DUTY and one.at < now else ""


def _row(one: Appointment, now: datetime) -> dict[str, str]:
    return {
        "When": f"{one.at:%a %Y-%m-%d %H:%M}",
        "What": literal(one.title),
        "Kind": _MEANS[one.kind],
        "State": _state(one, now) or "to come",
    }
