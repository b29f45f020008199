"""Lists as spreadsheets read them: RFC 4180, and nothing in them that a spreadsheet would calculate.

What people wrote may begin like a formula; an apostrophe before it keeps it text in every spreadsheet program.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that spreadsheet programs would calculate instead of show."""


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their columns."""
    return "".join([csv_row(columns), *map(csv_row, rows)])


def csv_row(cells: Iterable[str]) -> str:
    """One row, with the end of its line."""
    out = io.StringIO()
    csv.writer(out).writerow([defused(cell) for cell in cells])
    return out.getvalue()


def defused(cell: str) -> str:
    """The cell as text, whatever it begins with."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
