"""``concordat log``: the transparency log, and whether it holds."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agreements.errors import NotFound, VerificationError
from portal.cli.connection import connected
from portal.cli.keyfiles import read_bytes, write_out
from portal.cli.options import DATA, AsJson, DataDir, Limit
from portal.cli.output import Output
from portal.cli.progress import progress_bar

app = typer.Typer(help="The transparency log.", no_args_is_help=True)


@app.command("head")
def head(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Show the log's signed head and the key that verifies it; keep both."""
    with connected(data) as portal:
        answer = portal.get("log", "head")
    output = Output(as_json=as_json)
    lines = str(answer["head"]).splitlines()
    shown = answer if as_json else {**answer, "log": lines[0], "size": lines[1], "root": lines[2]}
    output.fields(shown, (("log", "log"), ("entries", "size"), ("root", "root"), ("key", "vkey")))


@app.command("list")
def list_entries(
    limit: Limit = 50,
    stream: Annotated[str | None, typer.Option("--stream", help="Only this object, such as grant/grt_….")] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """List the latest entries, without their content."""
    with connected(data) as portal:
        answer = portal.get("log", "entries", limit=limit, stream=stream)
    columns = (("position", "position"), ("at", "at"), ("what", "type"), ("of", "stream"), ("by", "actor_name"))
    Output(as_json=as_json).table(answer, answer["items"], columns)


@app.command("evidence")
def evidence(
    position: Annotated[int, typer.Argument(help="The entry's position.", min=0)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to write it.", metavar="FILE")],
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Write proof that an entry is in the log, with the entry itself."""
    with connected(data) as portal:
        answer = portal.get("log", "entries", str(position), "evidence")
    write_out(out, json.dumps(answer, indent=2).encode() + b"\n")
    Output(as_json=as_json).done(answer, f"Written to {out}. Check it with: concordat verify {out} --vkey LOG_KEY")


@app.command("verify")
def verify(
    known_head: Annotated[
        list[Path] | None,
        typer.Option("--head", help="A signed head you kept; the log must still contain it. Needs a stopped portal."),
    ] = None,
    data: DataDir = DATA,
    as_json: AsJson = False,
) -> None:
    """Recompute every entry, head, state and row. Exit status 1 names the first row that was tampered with."""
    from portal.api.server import RunningPortal

    output = Output(as_json=as_json)
    if RunningPortal.of(data) is not None and not known_head:
        with connected(data) as portal, output.notes.status("Verifying the log of the running portal"):
            report = portal.post("log", "verify")
    else:
        report = _verify_closed(data, [read_bytes(path).decode(errors="replace") for path in known_head or []], output)
    fault = report["fault"]
    if fault is not None:
        raise VerificationError(
            "store_tampered",
            f"The store does not hold. {fault['table']} {fault['key']}: {fault['what']}",
            hint="Restore a backup from before.",
        )
    output.done(
        report,
        f"It holds: {report['entries']:,} entries, {report['heads']:,} signed heads, {report['objects']:,} objects and "
        f"{report['rows']:,} rows recomputed.",
    )


def _verify_closed(data: Path, known_heads: list[str], output: Output) -> dict[str, Any]:
    """Verification of the file itself, which needs neither sandbox nor models."""
    from dataclasses import asdict

    from agreements.log_head import NoteVerifier
    from portal import config
    from portal.composition import AGGREGATES
    from portal.keyring import Keyring
    from portal.store.verify import verify_store

    settings = config.load(data)
    if not settings.database_path.exists() or not (settings.keys_dir / "log.pem").exists():
        raise NotFound("no_portal", f"There is no portal in {settings.data_dir}.", hint="Name its folder with --data.")
    vkey = NoteVerifier(settings.issuer, Keyring(settings.keys_dir).own("log").public).vkey
    with progress_bar(output.notes, "Verifying") as report:
        found = verify_store(
            settings.database_path,
            vkey,
            aggregates=AGGREGATES,
            known_heads=known_heads,
            progress=lambda done, total: report(done / max(total, 1), f"{done:,} of {total:,} rows"),
        )
    return asdict(found)
