"""Making a portal, serving it, and the demonstration."""

import json
import os
import signal
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from agreements.errors import Conflict
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output
from portal.cli.progress import progress_bar

if TYPE_CHECKING:
    from portal.composition import Portal
    from portal.demo.handout import Handout

DEMO_DATA = Path("demo-data")

Port = Annotated[int | None, typer.Option("--port", help="The port to serve on.", min=1, max=65535)]
Unsafe = Annotated[
    bool, typer.Option("--unsafe-no-sandbox", help="Run models without isolation, at your own risk; receipts say so.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command("init")(init)
    app.command("serve")(serve)
    app.command("demo")(demo)


def init(
    coordinator_name: Annotated[str, typer.Option("--coordinator", prompt="Your name", help="The first coordinator.")],
    coordinator_email: Annotated[str, typer.Option("--email", prompt="Your e-mail address")],
    lab_name: Annotated[str, typer.Option("--lab", prompt="Name of the lab", help="The institution that runs it.")],
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="The address people type, if a proxy stands in front.")
    ] = None,
    port: Port = None,
    unsafe: Unsafe = False,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Make a portal: keys, database, the lab, and its first coordinator with a link to sign in."""
    from portal import config
    from portal.composition import Portal

    chosen = {"lab_name": lab_name, "base_url": base_url, "port": port, "allow_unsafe_no_sandbox": unsafe or None}
    settings = config.load(data, **chosen)
    portal, person = Portal.create(settings, coordinator_name=coordinator_name, coordinator_email=coordinator_email)
    with portal:
        # JSON strings, numbers and booleans are TOML's.
        lines = [f"{name} = {json.dumps(value)}" for name, value in chosen.items() if value is not None]
        (settings.data_dir / config.FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
        from portal.composition import SETUP

        link = portal.sign_in.issue_link(SETUP, person.id)
    Output(as_json=as_json).fields(
        {"data": str(settings.data_dir), "url": settings.url, "person_id": person.id, "sign_in": link},
        [("data", "data"), ("address", "url"), ("sign in once with", "sign_in")],
        title="The portal is made. Start it with: concordat serve",
    )


def serve(port: Port = None, unsafe: Unsafe = False, data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Serve the portal until it is told to stop."""
    from portal import config
    from portal.composition import Portal

    output = Output(as_json=as_json)
    settings = config.load(data, port=port, allow_unsafe_no_sandbox=unsafe or None)
    _refuse_second(settings.data_dir)
    with Portal.open(settings) as portal:
        ready = {"url": settings.url, "sandbox": portal.sandbox.id, "log_vkey": portal.log.vkey}
        _serve(
            portal, lambda: output.done(ready, f"The portal answers at {settings.url} (workers: {portal.sandbox.id})")
        )


def demo(
    port: Port = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard the demonstration's data and start over.")] = False,
    unsafe: Unsafe = False,
    data: DataDir = DEMO_DATA,
    as_json: AsJson = False,
) -> None:
    """Run a complete demonstration: real models, sandbox, log and receipts; fictional people and history."""
    from portal import config
    from portal.api.server import require_port
    from portal.composition import Portal
    from portal.demo.handout import FILE_NAME, hand_out
    from portal.demo.making import discard, ensure_ladder, is_made, make

    output = Output(as_json=as_json)
    _refuse_second(data)
    require_port(config.load(data, port=port))
    if fresh:
        discard(data)
    if is_made(data):
        # Whoever waits for the file must not be handed the links of an earlier start.
        (data / FILE_NAME).unlink(missing_ok=True)
    else:
        with progress_bar(output.notes, "Training the demo ladder") as report:
            ladder = ensure_ladder(report)
        with progress_bar(output.notes, "Telling its history") as report:
            make(data, ladder, report, allow_unsafe=unsafe or None)
    settings = config.load(data, port=port, allow_unsafe_no_sandbox=unsafe or None)
    with Portal.open(settings) as portal:

        def on_ready() -> None:
            handout = hand_out(portal)
            path = handout.write(settings.data_dir)
            if as_json:
                output.done(handout.model_dump(mode="json"), "")
            else:
                _welcome(output, handout, path)
            if not no_browser and _has_display():
                with suppress(webbrowser.Error):
                    webbrowser.open(handout.base_url)

        _serve(portal, on_ready)


def _serve(portal: "Portal", on_ready: Callable[[], None]) -> None:
    from portal.api.server import serve as serve_portal

    # The server hands a signal on once it has shut down; as an interrupt it lets the portal close too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        serve_portal(portal, on_ready=on_ready)


def _refuse_second(data: Path) -> None:
    from portal.api.server import RunningPortal

    running = RunningPortal.of(data)
    if running is not None:
        raise Conflict(
            "portal_running",
            f"The portal in {data} runs already, at {running.base_url} (process {running.pid}).",
            hint="Use that one, or stop it first.",
        )


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _welcome(output: Output, handout: "Handout", path: Path) -> None:
    """How to get in. Links stand outside the frame and unbroken, so that they can be clicked and copied."""
    lead = Text.assemble("The portal answers at ", (handout.base_url, "bold"))
    note = Text(f"Links, access tokens and the log's key are in {path}. Stop with Ctrl-C.", style="dim")
    output.notes.print(Panel(Group(lead, note), title="Concordat demonstration", border_style="cyan", expand=False))
    output.notes.print("Each link signs in once:", style="dim")
    width = max(map(len, handout.sign_in))
    for role, url in handout.sign_in.items():
        output.notes.print(Text.assemble((f"  {role:<{width}}  ", "bold"), url), soft_wrap=True)
