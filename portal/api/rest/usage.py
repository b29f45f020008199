"""Usage: runs and tokens over time, unusual days, hours of the week, and how far budgets reach."""

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response

from agreements.limits import Period
from agreements.scopes import Operation
from model_access.runs import RunStatus
from portal.api.auth import Signed, ThePortal
from portal.api.rest.shapes import Listing
from portal.services.usage_table import as_csv
from portal.services.usage_views import GrantBudget, Grouping, HourCount, UnusualReport, UsageFilter, UsageReport

router = APIRouter(prefix="/usage", tags=["usage"])

Since = Annotated[date | None, Query(alias="from", description="The first day, in UTC; by default four weeks of days.")]
Until = Annotated[date | None, Query(alias="to", description="The last day, included; by default today.")]
_Id = Annotated[str | None, Query(max_length=128)]


def _where(
    institution: _Id = None,
    person: Annotated[str | None, Query(max_length=128, description="A person or a program.")] = None,
    checkpoint: _Id = None,
    purpose: _Id = None,
    operation: Operation | None = None,
    grant: Annotated[str | None, Query(max_length=128, description="With all that is delegated from it.")] = None,
    agreement: _Id = None,
    status: RunStatus | None = None,
) -> UsageFilter:
    """Which runs are counted."""
    return UsageFilter(
        institution=institution,
        person=person,
        checkpoint=checkpoint,
        purpose=purpose,
        operation=operation,
        grant=grant,
        agreement=agreement,
        status=status,
    )


Where = Annotated[UsageFilter, Depends(_where)]


@router.get(
    "",
    summary="Count runs and tokens",
    response_model=UsageReport,
    responses={
        200: {"description": "The report, or with `format` its numbers as a table.", "content": {"text/csv": {}}}
    },
)
def get_usage(
    portal: ThePortal,
    actor: Signed,
    where: Where,
    group_by: Grouping = Grouping.INSTITUTION,
    period: Period = Period.DAY,
    since: Since = None,
    until: Until = None,
    format: Annotated[  # noqa: A002 - the name of a query parameter
        Literal["json", "csv"], Query(description="`csv` answers with a row for each group in each period.")
    ] = "json",
) -> Response | UsageReport:
    """Of the runs the caller may list. Every run is in one group and one day, ISO week or month (UTC) of its start, so
    that both add up to the total; people are counted once in each. Requests refused before a run are not runs."""
    report = portal.usage.report(actor, group_by=group_by, period=period, since=since, until=until, where=where)
    if format == "json":
        return report
    return Response(
        as_csv(report),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="usage.csv"'},
    )


@router.get("/hours", summary="Count runs by hour of the week")
def get_hours(
    portal: ThePortal, actor: Signed, where: Where, since: Since = None, until: Until = None
) -> Listing[HourCount]:
    """In UTC, Monday is 1; hours without a run are left out."""
    return Listing.whole(portal.usage.hours(actor, since=since, until=until, where=where))


@router.get("/unusual", summary="Find days far above what is usual")
def get_unusual(
    portal: ThePortal, actor: Signed, where: Where, since: Since = None, until: Until = None
) -> UnusualReport:
    """By the rule that the answer spells out: a day against the median of the same holder's days in the range."""
    return portal.usage.unusual(actor, since=since, until=until, where=where)


@router.get("/budgets", summary="List budgets of grants with their pace")
def list_budgets(
    portal: ThePortal, actor: Signed, institution: _Id = None, grant: _Id = None, ended: bool = False
) -> Listing[GrantBudget]:
    """The grants the caller may see, each followed by those delegated from it."""
    return Listing.whole(portal.usage_budgets.list(actor, institution_id=institution, grant_id=grant, ended=ended))
