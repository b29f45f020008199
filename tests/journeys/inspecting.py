"""Screens as they are inspected: wide and narrow, light and dark, and as a screen reader is told them."""

import re
from dataclasses import dataclass, field
from typing import Final

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as NeverHappened

from tests.journeys.browsing import HEIGHT, NARROW, WIDE, Visitor

REDRAWN_MS: Final = 10_000
"""How long a page may take to follow the window and the scheme; only one that never does waits for it."""

AGAIN_MS: Final = 250
"""How long a page that axe objects to is left to settle before it is judged again."""

_WIDER: Final = """() => {
    const pages = [document.documentElement, ...document.querySelectorAll('[data-testid=stMain]')];
    return Math.max(...pages.map(page => page.scrollWidth - page.clientWidth));
}"""

_PASSING: Final = re.compile(
    r""":r\w+: | bui\d+ | react-aria\d+                              # a name that the framework gives an element
    | st-emotion-cache-\w+ | \#[0-9a-fA-F]{6}\b | rgba?\([^)]*\)    # a style, which is another one by night
    | just\ now | (?:a|\d+)\ (?:second|minute)s?\ ago              # how long ago something was
    | \d+\ entries | [0-9a-f]{12}…                                 # the log's head
    """,
    re.VERBOSE,
)

COLOURS: Final = ("color-contrast", "link-in-text-block")
"""Rules that judge by the colours on the page; all others read its markup."""

FRAMEWORK: Final = {
    "list": "Streamlit's sectioned menu puts headings between the items of its list",
    "listitem": "the same menu",
    "scrollable-region-focusable": "Streamlit's tables scroll sideways; the browser lets them be reached by itself",
    "presentation-role-conflict": "Streamlit's file uploader gives its drop zone no role but a label",
}
"""Rules that Streamlit's own markup breaks and the portal cannot mend, with the reason; every other finding is ours."""


def overflow(page: Page) -> int:
    """By how many CSS pixels the page stays wider than the window, once charts have followed it."""
    try:
        page.wait_for_function(f"() => ({_WIDER})() <= 0", timeout=REDRAWN_MS)
    except NeverHappened:
        wider: int = page.evaluate(_WIDER)
        return wider
    return 0


def shade(page: Page, scheme: str) -> None:
    """Let the system turn light or dark, and wait until the page has followed."""
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.wait_for_function(
        """scheme => {
            const colour = getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor;
            return (Number(colour.match(/\\d+/)[0]) < 128) === (scheme === 'dark');
        }""",
        arg=scheme,
    )


def barriers(page: Page, *, frame: bool, colours: bool) -> list[str]:
    """What axe finds on the page that is not the framework's own, one line each.

    ``frame`` has it judge the menu beside the screen too, ``colours`` only what a colour scheme can change. What is
    found is looked for again until it is gone or has stayed for :data:`REDRAWN_MS`: parts of a page turn dark one after
    another, and on a busy machine axe can come between them.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    for _ in range(REDRAWN_MS // AGAIN_MS):
        if not (found := _judged(page, frame=frame, colours=colours)):
            break
        page.wait_for_timeout(AGAIN_MS)
    return found


def _judged(page: Page, *, frame: bool, colours: bool) -> list[str]:
    # What is still fading in would be told as too faint.
    page.evaluate("document.getAnimations().forEach(animation => animation.finish())")
    found = page.evaluate(
        "([context, options]) => axe.run(context, options).then(({violations}) => violations)",
        [
            {"include": [["html"]], "exclude": [] if frame else [["[data-testid=stSidebar]"]]},
            {"resultTypes": ["violations"], **({"runOnly": list(COLOURS)} if colours else {})},
        ],
    )
    return [
        f"{rule['id']}: {node['html'][:200]} {node['failureSummary'][:200]}"
        for rule in found
        if rule["id"] not in FRAMEWORK
        for node in rule["nodes"]
    ]


@dataclass
class Inspection:
    """What one visitor finds wrong with the screens."""

    visitor: Visitor
    seen: set[str]
    """Screens that somebody has inspected, so that what several people see alike is judged once."""
    problems: list[str] = field(default_factory=list)
    _scheme: str = "light"
    _framed: bool = False
    """Whether menu and header, which stay while the screens change, have been judged."""

    def look(self, where: str) -> None:
        """See the screen wide and narrow, by day and by night, unless another looks no different."""
        page = self.visitor.page
        essence = f"{where}: {_essence(page)}"
        if essence in self.seen and self._framed:
            return
        self.seen.add(essence)
        # From the scheme that the page is in to the other one: each turn draws everything anew.
        for width, scheme in ((WIDE, self._scheme), (NARROW, "dark" if self._scheme == "light" else "light")):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.mouse.move(0, 0)  # nothing is judged as it looks under the pointer
            shade(page, scheme)
            if (wider := overflow(page)) > 0:
                self.problems.append(f"{where}: {wider} px wider than a window of {width}")
            # Of the same markup in another width and scheme only the colours have to be judged again.
            found = barriers(page, frame=not self._framed, colours=self._framed and width == NARROW)
            self.problems += [f"{where}, {scheme}, {width} wide: {barrier}" for barrier in found]
            self._scheme = scheme
        self._framed = True
        self.visitor.no_exception()
        page.set_viewport_size({"width": WIDE, "height": HEIGHT})

    def conclude(self) -> None:
        """Fail for whatever was wrong."""
        assert not self.problems, "\n".join(self.problems)
        assert self.visitor.faults == []


def _essence(page: Page) -> str:
    """The screen's markup without what differs each time it is drawn, or passes."""
    markup: str = page.get_by_test_id("stMain").evaluate("main => main.outerHTML")
    return _PASSING.sub("", markup)
