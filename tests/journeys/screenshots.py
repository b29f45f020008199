"""``python -m tests.journeys.screenshots FOLDER``: a picture of each screen, taken from a running demonstration.

Each screen is taken by the role that works on it, light and dark at 1280 pixels, and at 420 as on a telephone.
One agreement, request, grant or publication is taken light alone, in a window twice as high.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser

from tests.journeys.acting import run
from tests.journeys.browsing import HEIGHT, NARROW, WIDE, Visitor, launched

Scheme = Literal["light", "dark"]

SCREENS: dict[str, tuple[str, ...]] = {
    "coordinator": (
        "",
        "agreements",
        "requests",
        "grants",
        "usage",
        "access-log",
        "explain",
        "revocations",
        "workers",
        "checkpoints",
        "findings",
        "norms",
        "release",
        "transparency",
        "institutions",
        "people",
        "sign-in-methods",
        "duties",
        "templates",
        "passports",
        "publications",
        "notices",
    ),
    "partner": ("playground", "runs", "batches", "tokens", "file-finding", "sessions"),
}
"""The addresses each role's pictures are taken at; the first is home."""

WORTH: dict[str, Callable[[dict[str, Any]], tuple[int, ...]]] = {
    "terms": lambda agreement: (len(agreement["comments"]),),
    "changes": lambda agreement: (len(agreement["versions"]),),
    "sign": lambda agreement: (
        agreement["versions"][-1]["status"] in ("offered", "signed"),
        len(agreement["versions"]),
    ),
    "life": lambda agreement: (len(agreement["suspensions"]) + len(agreement["narrowings"]),),
    "allows": lambda agreement: (agreement["status"] == "in_force", len(agreement["versions"])),
    "timeline": lambda agreement: (len(agreement["versions"]) + len(agreement["suspensions"]),),
}
"""By part of an agreement, how much there is to see in it; the picture is of the one with the most."""

TALL = 2 * HEIGHT
"""The window for one thing: what there is to see of it stands below its head."""

LOOKS: tuple[tuple[str, Scheme, int], ...] = (
    ("light", "light", WIDE),
    ("dark", "dark", WIDE),
    ("phone", "light", NARROW),
)


@contextmanager
def demonstration() -> Iterator[dict[str, Any]]:
    """A demonstration of its own on a free port: what its ``demo.json`` says."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        data = Path(folder) / "demo"
        command = [sys.executable, "-m", "portal.cli", "demo", "--data", str(data), "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--no-browser", "--json"], stdout=subprocess.PIPE, env={**os.environ, "NO_COLOR": "1"}
        )
        try:
            # The first line of the answer comes once the portal is ready; until then reading waits.
            if not (process.stdout and process.stdout.readline()):
                raise SystemExit("The demonstration did not start.")
            yield json.loads((data / "demo.json").read_text(encoding="utf-8"))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def objects(visitor: Visitor, role: str) -> dict[str, str]:
    """By the name of its picture, the address of each thing whose id differs with every demonstration."""

    def listed(path: str) -> list[Any]:
        answer = visitor.page.context.request.get(f"{visitor.base}/api/{path}")
        found: list[Any] = answer.json()["items"]
        return found

    def request(status: str) -> str:
        found = [one for one in listed("access/requests") if one["status"] == status]
        return f"requests?request={max(found, key=lambda one: len(one['request']['approvals']))['request']['id']}"

    if role == "partner":
        return {
            "request-draft": request("draft"),
            "request-alternative": request("amended"),
            "run": f"runs?run={listed('runs')[0]['terms']['run_id']}",
            "batch": f"batches?batch={listed('batches')[0]['id']}",
        }
    agreements, grants, people = listed("agreements"), listed("grants"), listed("people")
    parents = Counter(one["grant"]["parent_id"] for one in grants if one["grant"]["parent_id"])
    [(busiest, _parts)] = parents.most_common(1)
    somebody = next(one for one in people if one["memberships"][0]["role"] == "partner_member")
    return {
        **{
            f"agreement-{part}": f"agreements?agreement={max(agreements, key=worth)['id']}&part={part}"
            for part, worth in WORTH.items()
        },
        "request": request("submitted"),
        "grant": f"grants?grant={busiest}",
        "grant-tree": "grants?view=tree",
        "usage-weeks": "usage?days=182",
        "usage-hours": "usage?view=hours&days=182",
        "usage-budgets": "usage?view=budgets",
        "usage-exposure": "usage?view=exposure&days=182",
        "checkpoint": "checkpoints?checkpoint=ladder-l",
        "explain-refused": f"explain?checkpoint=ladder-l&operation=generate&purpose=detection-research&who=person"
        f"&person={somebody['id']}",
        "person": f"people?person={somebody['id']}",
        "duties-month": "duties?view=month",
        "duties-timeline": "duties?view=timeline",
        "template-compare": "templates?template=software-access&do=compare",
        "campaign": f"templates?campaign={listed('campaigns')[0]['id']}",
        "passport": f"passports?institution={listed('passports')[0]['institution_id']}",
        "publication": f"publications?publication={listed('publications')[0]['publication']['id']}",
    }


def answers(visitor: Visitor, target: Path) -> None:
    """Pictures of the playground with something to show: sizes side by side, and a text that was scored."""
    visitor.page.set_viewport_size({"width": WIDE, "height": TALL})
    visitor.open("/playground?checkpoint=ladder-l")
    visitor.choose("Compare with", "ladder-s")
    visitor.page.get_by_text("Show token probabilities").click()
    visitor.write("Prompt", "The module")
    run(visitor)
    visitor.reads("were left before")
    visitor.page.screenshot(path=target / "playground-compared-light.png")
    visitor.open("/playground?checkpoint=ladder-l")
    visitor.page.get_by_text("Score the text").click()
    visitor.write("Prompt", "Return the name of the module.")
    run(visitor)
    visitor.reads("were left before")
    visitor.page.screenshot(path=target / "playground-scored-light.png")


def take(browser: Browser, handout: dict[str, Any], target: Path) -> None:
    """All pictures of all roles."""
    for role, addresses in SCREENS.items():
        context = browser.new_context(viewport={"width": WIDE, "height": HEIGHT})
        visitor = Visitor(context.new_page(), handout["base_url"])
        visitor.open(handout["sign_in"][role])
        named = {address or "home": address for address in addresses}
        named |= objects(visitor, role)
        for look, scheme, width in LOOKS:
            visitor.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            for name, address in named.items():
                one = "?" in address
                if one and look != "light":
                    continue
                height = TALL if one else HEIGHT
                visitor.page.set_viewport_size({"width": width, "height": height})
                visitor.open(f"/{address}")
                visitor.page.screenshot(path=target / f"{name}-{look}.png")
            if role == "partner" and look == "light":
                answers(visitor, target)
        context.close()
    page = browser.new_page(viewport={"width": WIDE, "height": HEIGHT})
    page.goto(f"{handout['base_url']}/session/login")
    page.screenshot(path=target / "sign-in-light.png")


def main(arguments: list[str]) -> int:
    """Take the pictures; 0 when all are there."""
    target = Path(arguments[0])
    target.mkdir(parents=True, exist_ok=True)
    with demonstration() as handout, launched() as browser:
        take(browser, handout, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
