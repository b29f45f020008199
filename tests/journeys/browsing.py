"""Chromium as the journeys use it: one visitor per browser context, who notices whatever goes wrong on a page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    Response,
    WebSocket,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PATIENCE_MS = 30_000
"""How long anything may take to show; generous, because nothing here judges speed."""

TRIES = 6
"""How often a list that closed by itself is opened again."""

WIDE, NARROW = 1280, 420
HEIGHT = 900

_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)

_HARMLESS = ("Executing inline script", "Loading the image 'https://fonts.gstatic.com/")
"""What our content policy keeps Streamlit from, as meant: the one inline script of its page, and a tab icon from a font
host that it asks for before the portal's own is known. That neither leaves the browser is checked by itself."""

_ANSWERED = "Failed to load resource"
"""How Chromium words an answer of 400 or above on the console; ``_answered`` has the address as well."""

_PROBED = "/_stcore/"
"""What Streamlit's page looks for below each screen's address before it looks at the root, and does not find."""

_PASS_TO = """path => {
    history.pushState({}, '', path);
    dispatchEvent(new PopStateEvent('popstate'));
}"""

_NEXT_FRAMES = "() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))"


def chromium() -> str:
    """Chromium's path: ``CHROMIUM``, or the one on the path. Skips the test where there is none."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("needs Chromium: name it in CHROMIUM")
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser of ours."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = _launch(playwright)
        try:
            yield browser
        finally:
            browser.close()


def _launch(playwright: Playwright) -> Browser:
    # As root Chromium refuses to start with its own sandbox; nobody else is given up to that.
    args = [*_QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    return playwright.chromium.launch(executable_path=chromium(), args=args)


def _ends_a_run(frame: str | bytes) -> bool:
    return isinstance(frame, bytes) and ForwardMsg.FromString(frame).WhichOneof("type") == "script_finished"


@dataclass
class Visitor:
    """One person at a browser of their own."""

    page: Page
    base: str
    expects_refusals: bool = False
    faults: list[str] = field(default_factory=list)
    """What went wrong so far: script errors, errors on the console, and requests that left for another host."""
    _stream: WebSocket | None = None
    """By which the page is told what to show."""

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("console", self._heard)
        self.page.on("requestfinished", self._asked)
        self.page.on("response", self._answered)
        self.page.on("websocket", self._connected)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith((*_HARMLESS, _ANSWERED)):
            self.faults.append(f"console: {message.text}")

    def _connected(self, stream: WebSocket) -> None:
        self._stream = stream

    def _answered(self, response: Response) -> None:
        path = urlsplit(response.url).path
        probe = path.find(_PROBED) > 0 and response.status == HTTPStatus.NOT_FOUND
        if response.status >= HTTPStatus.BAD_REQUEST and not (probe or self.expects_refusals):
            self.faults.append(f"{response.status} at {path}")

    def _asked(self, request: Request) -> None:
        host = urlsplit(request.url).netloc
        if host and host != urlsplit(self.base).netloc:
            self.faults.append(f"left for another host: {request.url}")

    def beside(self) -> "Visitor":
        """Another tab of the same browser."""
        return Visitor(self.page.context.new_page(), self.base, self.expects_refusals, self.faults)

    def open(self, path: str) -> None:
        """Open an address of the portal, or a whole one, and wait until the screen is drawn."""
        self.page.goto(path if "://" in path else f"{self.base}{path}")
        self.settle()

    def pass_to(self, path: str) -> None:
        """Come to an address as by the browser's history, with the page still loaded, until the screen is drawn."""
        assert self._stream is not None, "no page was opened yet"
        # Not from what the page says of itself: a busy browser draws the beginning and the end of a run at once.
        with self._stream.expect_event("framereceived", _ends_a_run, timeout=PATIENCE_MS):
            self.page.evaluate(_PASS_TO, path)
        self.page.evaluate(_NEXT_FRAMES)
        self.settle()

    def settle(self) -> None:
        """Wait until the screen is drawn, and hold it to what every screen must be."""
        self.page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")
        expect(self.page.get_by_test_id("stSkeleton")).to_have_count(0)
        expect(self.page.locator("[data-stale=true]")).to_have_count(0)
        drawn = self.page.get_by_role("heading", level=1).or_(self.page.get_by_test_id("stException"))
        expect(drawn.first).to_be_visible()
        self.no_exception()

    def no_exception(self) -> None:
        """Neither Streamlit's exception box nor a trace is on the screen."""
        expect(self.page.get_by_test_id("stException")).to_have_count(0)
        expect(self.page.get_by_text("Traceback")).to_have_count(0)

    def menu(self, title: str) -> None:
        """Go to a screen by the menu."""
        self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=title, exact=True).click()
        expect(self.page).to_have_title(f"{title} · Concordat")
        self.settle()

    def heads(self, title: str) -> None:
        """The screen of that title is shown, in full."""
        expect(self.page.get_by_role("heading", level=1, name=title)).to_be_visible()
        self.settle()

    def press(self, name: str, *, within: Locator | None = None) -> None:
        """Press the button of exactly that name."""
        (within or self.page).get_by_role("button", name=name, exact=True).click()

    def press_until(self, name: str, words: str) -> None:
        """Press the button until the words are there.

        A button that is drawn anew between press and release hears of neither, as may happen right after a field was
        left; a person presses it again, and so does this.
        """
        said = self.page.get_by_text(words).first
        for _ in range(TRIES):
            self.settle()
            if said.is_visible():
                return
            self.press(name)
            try:
                expect(said).to_be_visible(timeout=PATIENCE_MS / TRIES)
            except AssertionError:
                continue
            return
        expect(said).to_be_visible()

    def follow(self, name: str, *, within: Locator | None = None) -> None:
        """Follow the link of exactly that name."""
        (within or self.page).get_by_role("link", name=name, exact=True).first.click()

    def write(self, label: str, text: str, *, within: Locator | None = None) -> None:
        """Type into a field and leave it, as a reader of the page would."""
        box = (within or self.page).get_by_role("textbox", name=label)
        box.fill(text)
        box.press("Tab")

    def choose(self, label: str, option: str) -> None:
        """Choose from a drop-down list.

        The list closes when the page moves under it, as it does while an expander opens; a person opens it again, and
        so does this.
        """
        box = self.page.get_by_role("combobox", name=label)
        offered = self.page.get_by_role("option", name=option)
        for _ in range(TRIES):
            box.click()
            try:
                offered.click(timeout=PATIENCE_MS / TRIES)
            except PlaywrightTimeoutError:
                continue
            return
        expect(offered).to_be_visible()

    def reads(self, text: str) -> None:
        """The words are on the screen; a table drawn on a canvas has its own words beside it, for who cannot see it."""
        expect(self.page.get_by_text(text).filter(visible=True).first).to_be_visible()
