"""A sheet in the portal's face: fonts, measures, running foot, and text of others set as nothing but text."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Final

from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import MethodReturnValue, XPos, YPos

FACE: Final = "serif"
INK: Final = (26, 26, 30)
QUIET: Final = (92, 92, 100)
RULE: Final = (176, 176, 184)
_WATERMARK: Final = (232, 232, 236)
_MARGIN: Final = 25.0
"""Millimetres, as all measures here."""
_FOOT: Final = 24.0
_INDENT: Final = 11.0
_KEPT_TOGETHER: Final = 90.0
_PAGES: Final = "\ue000"
"""Stands for the number of pages until it is known. Private use, so ``spelled`` lets nobody else write it."""
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FILES: Final = {"": "SourceSerifPro-Regular.ttf", "B": "SourceSerifPro-Semibold.ttf"}
_LINE: Final = 1.38
"""Line height, in ems."""
_MM: Final = 25.4 / 72


def _font_file(style: str) -> str:
    return str(files("font_source_serif_pro").joinpath("files", _FILES[style]))


@cache
def _drawable() -> frozenset[int]:
    """The code points that the face can draw."""
    with TTFont(_font_file("")) as font:
        return frozenset(font.getBestCmap())


def spelled(text: str) -> str:
    """``text`` as the face can set it: what it cannot draw is spelled as its code point, never dropped.

    That goes for controls and marks of direction too, which could make a paper read otherwise than it was signed.
    """
    lines = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    return "".join(
        one
        if one == "\n" or (ord(one) in _drawable() and unicodedata.category(one)[0] != "C")
        else (" " if one == "\t" else f"[U+{ord(one):04X}]")
        for one in lines
    )


def moment(when: datetime) -> str:
    """A moment as the paper says it."""
    return f"{when.astimezone(UTC):%-d %B %Y, %H:%M:%S} UTC"


class Sheet(FPDF):
    """Pages of A4 with a running foot; the same calls give the same bytes."""

    def __init__(self, *, title: str, author: str, foot: str, mark: str | None, made_at: datetime | None) -> None:
        """``foot`` stands at the bottom of every page, ``mark`` across it."""
        super().__init__(orientation="portrait", unit="mm", format="A4")
        self._foot, self._mark = spelled(foot), spelled(mark) if mark else None
        self.alias_nb_pages(_PAGES)
        for style in _FILES:
            self.add_font(FACE, style, _font_file(style))
        self.set_margins(_MARGIN, 24, _MARGIN)
        self.c_margin = 0.0
        self.set_auto_page_break(auto=True, margin=_FOOT + 6)
        self.set_title(spelled(title))
        self.set_author(spelled(author))
        self.set_lang("en-GB")
        self.set_creation_date(made_at or _EPOCH)
        self.add_page()

    def header(self) -> None:
        """The word across the page, under its text."""
        if self._mark is None:
            return
        # The library keeps the pen across a page break in the middle of a paragraph, and so does this.
        with self.local_context():
            self.set_font(FACE, "B", 92)
            self.set_text_color(*_WATERMARK)
            width = self.get_string_width(self._mark)
            size = min(92.0, 92.0 * 210 / width)
            self.set_font(FACE, "B", size)
            with self.rotation(52, self.w / 2, self.h / 2):
                self.text(self.w / 2 - self.get_string_width(self._mark) / 2, self.h / 2 + size * _MM / 3, self._mark)

    def footer(self) -> None:
        """Digest and page number."""
        self.set_y(-_FOOT + 4)
        self.set_draw_color(*RULE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.set_y(self.get_y() + 2)
        self.set_text_color(*QUIET)
        self.set_font(FACE, "", 7)
        self.cell(self.epw - 22, 3.6, self._foot)
        self.cell(22, 3.6, f"Page {self.page_no()} of {_PAGES}", align="R")

    def put(
        self,
        text: str,
        *,
        size: float = 10.5,
        bold: bool = False,
        quiet: bool = False,
        indent: float = 0,
        after: float = 0,
        align: str = "L",
    ) -> None:
        """A paragraph from the left margin, and ``after`` it a gap."""
        self.set_font(FACE, "B" if bold else "", size)
        self.set_text_color(*(QUIET if quiet else INK))
        self.set_x(self.l_margin + indent)
        self.multi_cell(
            self.epw - indent,
            size * _MM * _LINE,
            spelled(text),
            align=align,
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
        )
        self.set_y(self.get_y() + after)

    def beside(self, label: str, text: str, *, size: float = 9, gutter: float = 34, indent: float = 0) -> None:
        """A label with its text in the column beside it."""
        height = size * _MM * _LINE
        self.keep(height)
        top = self.get_y()
        self.set_font(FACE, "", size)
        self.set_text_color(*QUIET)
        self.set_x(self.l_margin + indent)
        self.cell(gutter, height, spelled(label))
        self.set_text_color(*INK)
        self.set_xy(self.l_margin + indent + gutter, top)
        self.multi_cell(
            self.epw - indent - gutter, height, spelled(text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )

    def clause(
        self,
        number: str,
        title: str,
        text: str,
        data: tuple[str, Sequence[tuple[str, Sequence[str]]]],
        notes: Sequence[tuple[str, str]],
    ) -> None:
        """A clause: its number, title and text; its data under a heading, and what software does, label by label.

        A short one is kept on one page, with its data and notes.
        """
        heading, fields = data
        lines = sum(len(entries) for _, entries in fields)
        paragraphs = [one.strip() for one in re.split(r"\n\s*\n", text) if one.strip()]
        height = 10.5 * _MM * _LINE
        self.set_font(FACE, "", 10.5)
        tall = sum(self._height(one, self.epw - _INDENT, height) + 1.2 for one in paragraphs)
        tall += 5 * lines
        self.keep(min(2 * height + tall + 6 * len(notes), _KEPT_TOGETHER) if tall < _KEPT_TOGETHER else 4 * height)
        self.set_font(FACE, "B", 10.5)
        self.set_text_color(*INK)
        self.set_x(self.l_margin)
        self.cell(_INDENT, height, number)
        self.multi_cell(self.epw - _INDENT, height, spelled(title), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_y(self.get_y() + 1)
        for paragraph in paragraphs:
            self.put(paragraph, indent=_INDENT, align="J", after=1.2)
        if fields:
            self._data(heading, fields)
        for label, summary in notes:
            self._note(label, summary)

    def _data(self, heading: str, fields: Sequence[tuple[str, Sequence[str]]]) -> None:
        """What stands in data, as part of the clause: a heading, and labels with a line for each entry."""
        self.keep(3 * 9 * _MM * _LINE)
        self.put(heading, size=9, bold=True, indent=_INDENT, after=0.3)
        for label, entries in fields:
            for place, entry in enumerate(entries):
                self.beside(label if place == 0 else "", entry, size=9, gutter=50, indent=_INDENT)
        self.set_y(self.get_y() + 1.4)

    def step(self, number: str, text: str) -> None:
        """One of several things to do, in order."""
        self.keep(14)
        self.set_font(FACE, "B", 10.5)
        self.set_text_color(*INK)
        self.set_x(self.l_margin)
        self.cell(_INDENT, 10.5 * _MM * _LINE, number)
        self.put(text, indent=_INDENT, after=2.5)

    def _note(self, label: str, summary: str) -> None:
        """What stands under a clause without being part of it, set apart by a bar."""
        size, gutter = 8.5, 23
        height = size * _MM * _LINE
        left, width = self.l_margin + _INDENT, self.epw - _INDENT - gutter - 3
        self.set_font(FACE, "", size)
        self.keep(self._height(summary, width, height) + 1)
        top = self.get_y()
        self.set_xy(left + 3, top)
        self.set_font(FACE, "B", size)
        self.set_text_color(*INK)
        self.cell(gutter, height, spelled(label))
        self.set_font(FACE, "", size)
        self.set_text_color(*QUIET)
        self.multi_cell(width, height, spelled(summary), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.set_draw_color(*RULE)
        self.set_line_width(0.6)
        self.line(left, top + 0.3, left, self.get_y() - 0.3)
        self.set_line_width(0.2)
        self.set_y(self.get_y() + 0.6)

    def _height(self, text: str, width: float, line: float) -> float:
        """How tall ``text`` is in the present font."""
        lines = self.multi_cell(width, line, spelled(text), align="L", dry_run=True, output=MethodReturnValue.LINES)
        return line * len(lines) if isinstance(lines, list) else line

    def keep(self, height: float) -> None:
        """Begin a new page where ``height`` does not fit on this one."""
        if self.will_page_break(height):
            self.add_page()

    def rule(self, gap: float = 4) -> None:
        """A line across the column."""
        self.set_y(self.get_y() + gap)
        self.set_draw_color(*RULE)
        self.line(self.l_margin, self.get_y(), self.w - self.r_margin, self.get_y())
        self.set_y(self.get_y() + gap)
