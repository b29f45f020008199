"""Usage: runs and tokens by institution, person, checkpoint, purpose and more, over days, ISO weeks or months in UTC.

Counted by the database from the rows of the runs that the reader may see: what ``RunService`` shows one by one, and no
total says more. A refusal before a run leaves no run, so that none is counted here.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from agreements.actors import Actor
from agreements.errors import Invalid
from agreements.limits import Period
from portal.services.aggregates import stamp
from portal.services.grants import GrantService
from portal.services.kernel import Kernel
from portal.services.runs import seen_runs
from portal.services.token_records import PROGRAM_PREFIX
from portal.services.usage_views import (
    Bucket,
    Counts,
    Failures,
    Group,
    Grouping,
    HourCount,
    UnusualDay,
    UnusualReport,
    UsageFilter,
    UsageReport,
)

DEFAULT_DAYS: Final = 28
MOST_BUCKETS: Final = 400
"""More than a year of days, seven of weeks, thirty of months."""

UNUSUAL_MADS: Final = 5
UNUSUAL_TIMES: Final = 2
UNUSUAL_DAYS: Final = 5
UNUSUAL_RULE: Final = (
    f"A day is unusual for somebody when its tokens are more than {UNUSUAL_MADS} times the median absolute deviation "
    f"above the median of their days with runs in the range, and more than {UNUSUAL_TIMES} times that median. "
    f"It takes at least {UNUSUAL_DAYS} such days."
)
_MOST_UNUSUAL = 100

_LAST_YEAR = 9000
"""Dates beyond it leave no room to calculate."""

_KEYS: Final = {
    Grouping.INSTITUTION: "coalesce(r.institution_id, '')",
    Grouping.PERSON: f"CASE WHEN starts_with(r.person_id, '{PROGRAM_PREFIX}') THEN '' ELSE r.person_id END",
    Grouping.PROGRAM: f"CASE WHEN starts_with(r.person_id, '{PROGRAM_PREFIX}') THEN r.person_id ELSE '' END",
    Grouping.CHECKPOINT: "r.checkpoint_id",
    Grouping.PURPOSE: "r.purpose",
    Grouping.OPERATION: "r.operation",
    Grouping.GRANT: "coalesce(r.grant_id, '')",
    Grouping.AGREEMENT: "coalesce(g.agreement_id, '')",
}

_FILTERS: Final = {
    "institution": "r.institution_id = ?",
    "person": "r.person_id = ?",
    "checkpoint": "r.checkpoint_id = ?",
    "purpose": "r.purpose = ?",
    "operation": "r.operation = ?",
    "grant": "EXISTS (SELECT 1 FROM run_account a WHERE a.run_id = r.run_id AND a.account = ?)",
    "agreement": "g.agreement_id = ?",
    "status": "r.status = ?",
}

_COUNTS: Final = f"""
    count(*)::BIGINT AS runs,
    count(*) FILTER (status = 'completed')::BIGINT AS completed,
    count(*) FILTER (status = 'failed')::BIGINT AS failed,
    count(*) FILTER (status = 'started')::BIGINT AS under_way,
    coalesce(sum(prompt_tokens), 0)::BIGINT AS prompt_tokens,
    coalesce(sum(completion_tokens), 0)::BIGINT AS completion_tokens,
    coalesce(sum(charged_tokens), 0)::BIGINT AS charged_tokens,
    coalesce(sum(reserved_tokens) FILTER (status = 'started'), 0)::BIGINT AS held_tokens,
    count(DISTINCT person_id) FILTER (NOT starts_with(person_id, '{PROGRAM_PREFIX}'))::BIGINT AS people,
    count(DISTINCT person_id) FILTER (starts_with(person_id, '{PROGRAM_PREFIX}'))::BIGINT AS programs
"""


class UsageService:
    """Counts what was used, for whoever may see the runs it is counted from."""

    def __init__(self, kernel: Kernel, grants: GrantService) -> None:
        self._kernel = kernel
        self._grants = grants

    def report(
        self,
        actor: Actor,
        *,
        group_by: Grouping = Grouping.INSTITUTION,
        period: Period = Period.DAY,
        since: date | None = None,
        until: date | None = None,
        where: UsageFilter | None = None,
    ) -> UsageReport:
        """Usage of the days from ``since`` to ``until``, by default of the last four weeks.

        Raises Invalid ``range_reversed``, ``range_too_wide`` or ``bad_date``.
        """
        since, until = self._range(since, until, period)
        seen, params = _seen(actor, since, until, where or UsageFilter())
        rows = self._kernel.store.query(
            f"""
            WITH counted AS (
                SELECT r.*, {_KEYS[group_by]} AS key,
                       CAST(date_trunc('{period.value}', CAST(left(r.started_at, 10) AS DATE)) AS DATE) AS bucket
                {seen}
            )
            SELECT key, bucket, grouping(key) = 1 AS all_keys, grouping(bucket) = 1 AS all_buckets, {_COUNTS}
            FROM counted GROUP BY GROUPING SETS ((), (key), (bucket), (key, bucket))
            """,  # noqa: S608 - constants, and placeholders for everything that is asked
            params,
        )
        counts: dict[tuple[str | None, date | None], Counts] = {
            (None if row["all_keys"] else row["key"], None if row["all_buckets"] else row["bucket"]): _counts(row)
            for row in rows
        }
        keys = [key for key, bucket in counts if key is not None and bucket is None]
        labels = self._labels(actor, group_by, keys)
        groups = [Group(key=key, label=labels[key], counts=counts[key, None]) for key in keys]
        return UsageReport(
            since=since,
            until=until,
            period=period.value,
            group_by=group_by,
            total=counts.get((None, None), Counts()),
            groups=tuple(sorted(groups, key=lambda one: (-one.counts.charged_tokens, -one.counts.runs, one.label))),
            buckets=tuple(
                Bucket(
                    start=start,
                    label=label_of(start, period),
                    counts=counts.get((None, start), Counts()),
                    by_key={key: counts[key, start] for key in keys if (key, start) in counts},
                )
                for start in _starts(since, until, period)
            ),
            failures=self._failures(seen, params),
        )

    def hours(
        self,
        actor: Actor,
        *,
        since: date | None = None,
        until: date | None = None,
        where: UsageFilter | None = None,
    ) -> tuple[HourCount, ...]:
        """At which hours of the week runs began, in UTC; hours without any are left out. Raises as ``report`` does."""
        since, until = self._range(since, until, Period.DAY)
        seen, params = _seen(actor, since, until, where or UsageFilter())
        rows = self._kernel.store.query(
            f"""
            SELECT isodow(CAST(left(r.started_at, 10) AS DATE)) AS weekday,
                   CAST(substr(r.started_at, 12, 2) AS INTEGER) AS hour,
                   count(*)::BIGINT AS runs, sum(r.charged_tokens)::BIGINT AS charged_tokens
            {seen} GROUP BY 1, 2 ORDER BY 1, 2
            """,
            params,
        )
        return tuple(HourCount(**row) for row in rows)

    def unusual(
        self,
        actor: Actor,
        *,
        since: date | None = None,
        until: date | None = None,
        where: UsageFilter | None = None,
    ) -> UnusualReport:
        """Days far above what is usual for whoever ran on them, by ``UNUSUAL_RULE``. Raises as ``report`` does."""
        since, until = self._range(since, until, Period.DAY)
        seen, params = _seen(actor, since, until, where or UsageFilter())
        rows = self._kernel.store.query(
            f"""
            WITH daily AS (
                SELECT coalesce(r.institution_id, '') AS institution_id, r.person_id, left(r.started_at, 10) AS day,
                       count(*)::BIGINT AS runs, sum(r.charged_tokens)::BIGINT AS tokens
                {seen} GROUP BY ALL
            ), usual AS (
                SELECT institution_id, person_id, count(*)::BIGINT AS days, median(tokens::DOUBLE) AS usual_tokens,
                       mad(tokens::DOUBLE) AS spread_tokens
                FROM daily GROUP BY ALL
            )
            SELECT *, greatest(usual_tokens + {UNUSUAL_MADS} * spread_tokens, {UNUSUAL_TIMES} * usual_tokens)
                      AS limit_tokens
            FROM daily JOIN usual USING (institution_id, person_id)
            ORDER BY tokens - usual_tokens DESC, day, person_id
            """,  # noqa: S608 - as above
            params,
        )
        enough = [row for row in rows if row["days"] >= UNUSUAL_DAYS]
        found = [row for row in enough if row["tokens"] > row["limit_tokens"]][:_MOST_UNUSUAL]
        names = self._names({row["person_id"] for row in found})
        places = self._labels(actor, Grouping.INSTITUTION, [row["institution_id"] for row in found])
        return UnusualReport(
            since=since,
            until=until,
            rule=UNUSUAL_RULE,
            items=tuple(
                UnusualDay(
                    **{**row, "day": date.fromisoformat(row["day"]), "institution_id": row["institution_id"] or None},
                    person_name=names.get(row["person_id"], row["person_id"]),
                    institution_name=places[row["institution_id"]],
                )
                for row in found
            ),
            too_few_days=len({(row["institution_id"], row["person_id"]) for row in rows if row not in enough}),
        )

    # ---- how -------------------------------------------------------------------------------------------------------

    def _range(self, since: date | None, until: date | None, period: Period) -> tuple[date, date]:
        until = until or self._kernel.clock().astimezone(UTC).date()
        for name, day in (("from", since), ("to", until)):
            if day is not None and not 2000 <= day.year <= _LAST_YEAR:
                raise Invalid(
                    "bad_date", f"{day} is no date of this portal.", hint="Use YYYY-MM-DD, from 2000 on.", param=name
                )
        since = since or until - timedelta(days=DEFAULT_DAYS - 1)
        if since > until:
            raise Invalid(
                "range_reversed",
                f"The range begins on {since}, after it ends on {until}.",
                hint="Swap the two days.",
                param="from",
            )
        if sum(1 for _ in _starts(since, until, period)) > MOST_BUCKETS:
            raise Invalid(
                "range_too_wide",
                f"From {since} to {until} are more than {MOST_BUCKETS} {period.value}s.",
                hint="Choose a longer period or a shorter range.",
                param="from",
            )
        return since, until

    def _failures(self, seen: str, params: Sequence[object]) -> tuple[Failures, ...]:
        rows = self._kernel.store.query(
            f"""
            SELECT coalesce(r.failure_code, '') AS code, count(*)::BIGINT AS runs {seen} AND r.status = 'failed'
            GROUP BY 1 ORDER BY 2 DESC, 1
            """,
            params,
        )
        return tuple(Failures(**row) for row in rows)

    def _labels(self, actor: Actor, grouping: Grouping, keys: Sequence[str]) -> dict[str, str]:
        """How groups are called, as far as the actor may know it; the key itself otherwise."""
        known: dict[str, str] = {}
        match grouping:
            case Grouping.PERSON | Grouping.PROGRAM:
                known = self._names(set(keys))
            case Grouping.INSTITUTION:
                known = self._named("SELECT institution_id AS id, name FROM institution", "institution_id", keys)
            case Grouping.AGREEMENT:
                known = self._named("SELECT agreement_id AS id, title AS name FROM agreement", "agreement_id", keys)
            case Grouping.GRANT:
                known = self._grants.labels(actor, [key for key in keys if key])
            case _:
                pass
        return {key: (known.get(key, key) if key else grouping.of_none) for key in keys}

    def _names(self, ids: set[str]) -> dict[str, str]:
        people = self._named("SELECT person_id AS id, name FROM person", "person_id", sorted(ids))
        return people | self._named("SELECT program_id AS id, name FROM program", "program_id", sorted(ids))

    def _named(self, select: str, column: str, keys: Sequence[str]) -> dict[str, str]:
        rows = self._kernel.store.query(f"{select} WHERE list_contains(?::VARCHAR[], {column})", [list(keys)])
        return {row["id"]: row["name"] for row in rows}


def label_of(start: date, period: Period) -> str:
    """How a day, ISO week or month is written."""
    match period:
        case Period.DAY:
            return start.isoformat()
        case Period.WEEK:
            year, week, _ = start.isocalendar()
            return f"{year}-W{week:02d}"
        case Period.MONTH:
            return f"{start:%Y-%m}"


def _seen(actor: Actor, since: date, until: date, where: UsageFilter) -> tuple[str, list[object]]:
    """The runs of the range that the actor may see and asks for: a FROM and a WHERE, with their parameters."""
    seen, params = seen_runs(actor, "r")
    asked = where.model_dump(mode="json", exclude_none=True)
    conditions = " AND ".join([seen, "r.started_at >= ?", "r.started_at < ?", *(_FILTERS[name] for name in asked)])
    source = f"FROM run r LEFT JOIN access_grant g ON g.grant_id = r.grant_id WHERE {conditions}"
    return source, [*params, _midnight(since), _midnight(until + timedelta(days=1)), *asked.values()]


def _midnight(day: date) -> str:
    return stamp(datetime.combine(day, time(), UTC))


def _starts(since: date, until: date, period: Period) -> Iterator[date]:
    """The first day of every period that the range touches, up to one more than is shown."""
    at = period.start(datetime.combine(since, time(), UTC))
    for _ in range(MOST_BUCKETS + 1):
        if at.date() > until:
            return
        yield at.date()
        at = period.end(at)


def _counts(row: dict[str, Any]) -> Counts:
    return Counts(**{name: row[name] for name in Counts.model_fields})
