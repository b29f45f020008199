"""Recurrence rules: the part of RFC 5545 that clauses need, as its own text, evaluated by python-dateutil.

A rule says how often; ``anchor`` says from when. The anchor itself is no occurrence: what recurs every four weeks from
an entry into force is first due four weeks after it.
"""

import re
from datetime import datetime, timedelta

from dateutil.rrule import rrulestr

from agreements.errors import Invalid

MAX_INTERVAL = 520
"""The widest step of a rule, in its own units."""

LONGEST = timedelta(days=36_600)
"""How far rules are followed: a century, and no agreement is renewed beyond it."""

MAX_OCCURRENCES = LONGEST // timedelta(weeks=1) + 1
"""More than any clause can cause: what is due every week, for as long as an agreement can run."""

_RULE = re.compile(r"FREQ=(DAILY|WEEKLY|MONTHLY|YEARLY)(?:;INTERVAL=([1-9][0-9]{0,2}))?")


def weekly(every_weeks: int) -> str:
    """The rule of what recurs every so many weeks. Raises Invalid ``bad_recurrence``."""
    return _checked(f"FREQ=WEEKLY;INTERVAL={every_weeks}")


def occurrences(rule: str, anchor: datetime, after: datetime, until: datetime) -> tuple[datetime, ...]:
    """When it recurs, in order: later than ``anchor`` and ``after``, at the latest at ``until``.

    All moments have a zone; the answers are in the anchor's. Raises Invalid ``bad_recurrence`` for a rule that is not
    read here or a moment without zone, ``too_many_occurrences`` beyond ``MAX_OCCURRENCES``.
    """
    _checked(rule)
    if any(moment.tzinfo is None for moment in (anchor, after, until)):
        raise _bad("a moment has no time zone")
    floor = max(anchor, after)
    # The library counts in whole seconds; the anchor's fraction is taken off and put back.
    fraction = timedelta(microseconds=anchor.microsecond)
    found: list[datetime] = []
    try:
        for whole in rrulestr(rule, dtstart=anchor - fraction).xafter(floor - fraction, inc=True):
            moment = whole + fraction
            if moment > until:
                break
            if moment <= floor:
                continue
            if len(found) == MAX_OCCURRENCES:
                raise Invalid(
                    "too_many_occurrences",
                    f"The rule {rule} recurs more than {MAX_OCCURRENCES:,} times until {until:%Y-%m-%d}.",
                    hint="Choose a nearer end or a wider interval.",
                )
            found.append(moment)
    except (ValueError, OverflowError) as error:
        raise _bad(f"it has no dates ({type(error).__name__})") from None
    return tuple(found)


def _checked(rule: str) -> str:
    read = _RULE.fullmatch(rule)
    if read is None or int(read[2] or 1) > MAX_INTERVAL:
        raise _bad("only FREQ from daily to yearly is read, and INTERVAL from 1 to 520")
    return rule


def _bad(why: str) -> Invalid:
    return Invalid("bad_recurrence", f"The recurrence rule is refused: {why}.", hint="For instance FREQ=WEEKLY.")
