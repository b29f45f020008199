"""A usage report as a table: a row for each group in each period that had runs."""

from portal.services.usage_views import Counts, UsageReport
from portal.spreadsheets import csv_row

_COUNTS = tuple(Counts.model_fields)


def as_csv(report: UsageReport) -> str:
    """The numbers of the chart. Sums of the rows are the report's totals, but for people and programs."""
    lines = [csv_row((report.period, "begins_on", report.group_by.value, "label", *_COUNTS))]
    for bucket in report.buckets:
        for group in report.groups:
            if counts := bucket.by_key.get(group.key):
                cells = [str(getattr(counts, name)) for name in _COUNTS]
                lines.append(csv_row((bucket.label, bucket.start.isoformat(), group.key, group.label, *cells)))
    return "".join(lines)
