"""``concordat doctor``: what this machine offers, and what stands in the way."""

import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import typer

from agreements.errors import ConcordatError
from portal.cli.options import DATA, AsJson, DataDir
from portal.cli.output import Output

_ENOUGH_MEMORY_BYTES = 4 * 2**30
_ENOUGH_DISK_BYTES = 2 * 2**30
_ENGINE = ("torch", "transformers", "safetensors", "tokenizers", "numba", "psutil", "pyseccomp")
_PORTAL = ("duckdb", "fastapi", "httpx", "pydantic_settings", "streamlit", "uvicorn")


class Check(NamedTuple):
    """One thing looked at: ``good``, ``worth knowing`` or ``stands in the way``."""

    name: str
    verdict: str
    found: str


GOOD, NOTE, BAD = "good", "worth knowing", "stands in the way"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("doctor")(doctor)


def doctor(data: DataDir = DATA, as_json: AsJson = False) -> None:
    """Look at this machine. Exit status 1 if a portal could not run here."""
    checks = [check for look in _LOOKS for check in look(data)]
    blocked = any(check.verdict == BAD for check in checks)
    rows = [check._asdict() for check in checks]
    Output(as_json=as_json).table(
        {"ok": not blocked, "checks": rows}, rows, (("", "name"), ("", "verdict"), ("", "found"))
    )
    if blocked:
        raise typer.Exit(1)


def _software(_data: Path) -> Iterator[Check]:
    yield Check("Python", GOOD, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for part, modules in (("engine", _ENGINE), ("portal", _PORTAL)):
        missing = [module for module in modules if find_spec(module) is None]
        found = f"not installed: {', '.join(missing)}; install concordat[{part}]" if missing else "installed"
        yield Check(f"{part} packages", BAD if missing else GOOD, found)


def _isolation(_data: Path) -> Iterator[Check]:
    if any(find_spec(module) is None for module in _ENGINE):
        yield Check("isolation", NOTE, "not tried, because the engine's packages are missing")
        return
    from model_access.sandbox import choose, detect

    offered = detect()
    yield Check("bubblewrap", GOOD if offered.bubblewrap else NOTE, offered.bubblewrap or "not installed")
    yield Check("Landlock", GOOD if offered.landlock_abi else NOTE, f"ABI {offered.landlock_abi}")
    yield Check("seccomp", GOOD if offered.seccomp else BAD, "filters load" if offered.seccomp else "not usable")
    for reason in offered.reasons:
        yield Check("isolation", NOTE, reason)
    try:
        profile = choose(offered)
    except ConcordatError as error:
        yield Check("workers", BAD, f"{error.message} {error.hint}")
        return
    yield Check("workers", GOOD, f"run under {profile.id}; a process was started in it")


def _machine(data: Path) -> Iterator[Check]:
    yield Check("processor", GOOD, f"{os.cpu_count() or 1} cores")
    if find_spec("psutil") is not None:
        import psutil

        memory = psutil.virtual_memory().available
        verdict = GOOD if memory >= _ENOUGH_MEMORY_BYTES else NOTE
        yield Check("memory", verdict, f"{memory / 2**30:.1f} GiB available")
    standing = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    free = shutil.disk_usage(standing).free
    yield Check("disk", GOOD if free >= _ENOUGH_DISK_BYTES else NOTE, f"{free / 2**30:.1f} GiB free at {standing}")


def _folder(data: Path) -> Iterator[Check]:
    if find_spec("pydantic_settings") is None:
        return
    from portal import config
    from portal.api.server import RunningPortal

    try:
        settings = config.load(data)
    except ConcordatError as error:
        yield Check("settings", BAD, f"{error.message} {error.hint}")
        return
    if not settings.database_path.exists():
        yield Check("portal", NOTE, f"none in {settings.data_dir} yet")
    else:
        running = RunningPortal.of(settings.data_dir)
        yield Check("portal", GOOD, f"runs at {running.base_url}" if running else f"stopped, in {settings.data_dir}")
        yield from _modes(settings.keys_dir)
        if running:
            return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
            yield Check("port", GOOD, f"{settings.port} on {settings.host} is free")
        except OSError:
            yield Check("port", NOTE, f"{settings.port} on {settings.host} is taken; choose another with --port")


def _modes(keys: Path) -> Iterator[Check]:
    exposed = [path.name for path in (keys, *keys.glob("*.pem")) if path.exists() and path.stat().st_mode & 0o077]
    found = f"other accounts can read {', '.join(exposed)}; run: chmod -R go= {keys}" if exposed else "yours alone"
    yield Check("key folder", BAD if exposed else GOOD, found)


_LOOKS: tuple[Callable[[Path], Iterator[Check]], ...] = (_software, _isolation, _machine, _folder)
