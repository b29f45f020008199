"""Serving: one process, one port, and a note for the command line on where to find it."""

import errno
import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

import uvicorn
from pydantic import ValidationError

from agreements.deciders import Value
from agreements.errors import Unavailable
from portal.api.auth import OperatorKey
from portal.api.root import create_app
from portal.composition import Portal
from portal.config import Settings

NOTE_NAME: Final = "portal.json"

_SHUTDOWN_S: Final = 10
_SOCKET_BYTES: Final = 200 * 2**20
"""The largest message on a screen's socket; uploads travel on it."""


class RunningPortal(Value):
    """What a running portal leaves in its folder for commands on the same machine."""

    pid: int
    port: int
    base_url: str
    operator_secret: str

    def __repr__(self) -> str:
        return f"RunningPortal(pid={self.pid}, port={self.port})"

    __str__ = __repr__

    @classmethod
    def of(cls, data_dir: Path) -> "RunningPortal | None":
        """The portal that runs on this folder, or None: the note of one that was killed does not count."""
        try:
            note = cls.model_validate_json((data_dir / NOTE_NAME).read_bytes())
            os.kill(note.pid, 0)
        except (OSError, ValidationError):
            return None
        return note


def serve(portal: Portal, *, on_ready: Callable[[], None] = lambda: None, with_screens: bool = True) -> None:
    """Serve until SIGINT or SIGTERM; ``on_ready`` is called once requests are answered.

    Returns when every connection is closed; the portal stays open. Raises Unavailable ``port_in_use`` or
    ``address_unusable`` before anything is served.
    """
    settings = portal.settings
    secret = OperatorKey.new_secret()
    with _listening(settings) as listener:
        application = create_app(portal, with_screens=with_screens, operator=OperatorKey(secret))
        config = uvicorn.Config(
            application,
            access_log=False,
            log_config=None,
            log_level="warning",
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
            ws="websockets-sansio",
            ws_max_size=_SOCKET_BYTES,
            ws_ping_interval=30,
        )
        port = listener.getsockname()[1]
        note = RunningPortal(pid=os.getpid(), port=port, base_url=settings.url, operator_secret=secret)
        with _note(settings.data_dir, note), _clockwork(portal), portal.batch_runner.running():
            _Server(config, on_ready).run(sockets=[listener])


def require_port(settings: Settings) -> None:
    """Raise what ``serve`` would if it could not listen, before anything is made that takes minutes."""
    with _listening(settings):
        pass


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal ends the server and nothing more; raised again, as uvicorn does, it would cut the closing short."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _clockwork(portal: Portal) -> AbstractContextManager[None]:
    minutes = portal.settings.clockwork_minutes
    return portal.clockwork.running(60 * minutes) if minutes else nullcontext()


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Unavailable(
                    "port_in_use",
                    f"Port {settings.port} on {settings.host} is taken by another program.",
                    hint="Stop it, or choose another port with --port.",
                ) from None
            raise Unavailable(
                "address_unusable",
                f"The portal cannot listen on {settings.host} port {settings.port}.",
                hint="Correct the settings host and port; ports below 1024 need privileges.",
            ) from None
        yield listener


@contextmanager
def _note(data_dir: Path, note: RunningPortal) -> Iterator[None]:
    """The note lies in the folder, readable by its owner alone, for as long as the block runs."""
    path = data_dir / NOTE_NAME
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(note.model_dump(), file)
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
