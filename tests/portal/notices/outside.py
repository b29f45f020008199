"""What stands outside the portal: a partner's HTTP server, a mail server, and ways to make notices for them."""

import asyncio
import ssl
import threading
from dataclasses import dataclass, field
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller

from agreements.actors import Actor
from portal.config import load
from portal.services.notices import Notice
from tests.portal.services.world import START, World

RULE = Actor.automatic("tests")


@dataclass
class Arrived:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Endpoint:
    """Answers with the statuses it is given, then with 204, and keeps what came."""

    tls: ssl.SSLContext | None = None
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    body: bytes = b""

    def __enter__(self) -> Self:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("content-length", 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                endpoint.arrived.append(Arrived(self.path, headers, self.rfile.read(length)))
                status, more = endpoint.answers.pop(0) if endpoint.answers else (204, {})
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.end_headers()
                if endpoint.body:
                    self.wfile.write(endpoint.body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hook?from=concordat"

    def fail(self, times: int, status: int = 500, **headers: str) -> None:
        """Refuse the next requests."""
        self.answers += [(status, {name.replace("_", "-"): value for name, value in headers.items()})] * times


class _AnyPort(Controller):
    """Listens on whatever port is free."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd leaves it so


@dataclass
class Post:
    """A mail server that keeps what it is given."""

    options: dict[str, Any] = field(default_factory=dict)
    letters: list[EmailMessage] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd calls it so
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Refuse some mailboxes."""
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd calls it so
        """Keep the letter."""
        letter = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller = _AnyPort(self, hostname="127.0.0.1", port=0, server_hostname="localhost", **self.options)
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._controller.port)

    @property
    def url(self) -> str:
        """As the setting ``smtp_url`` names it."""
        return f"smtp://127.0.0.1:{self.port}"


def reopened(world: World, **settings: object) -> World:
    """The same portal under other settings."""
    world.settings = load(world.settings.data_dir, allow_unsafe_no_sandbox=True, **settings)
    world.reopen()
    return world


def notice(key: str = "duty:agr_1:feedback/1:remind", *audience: str, at: datetime = START, **fields: Any) -> Notice:
    """A reminder to North's lead, unless something else is said."""
    told = {
        "kind": "duty.due_soon",
        "institution_id": "north",
        "subject": "Feedback is due",
        "body": "By 1 March.\nOtherwise the grant is narrowed.",
        "link": "/duties",
        **fields,
    }
    return Notice(id=key, at=at, audience=frozenset(audience or {"partner_lead"}), **told)
