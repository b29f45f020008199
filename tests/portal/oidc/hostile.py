"""A server on loopback that speaks as badly as it is told to, over bare sockets: what no HTTP library would send."""

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

TLS_HANDSHAKE = b"\x16\x03"
"""How the first bytes of a client begin that speaks TLS (RFC 8446, section 5.1)."""

Speaks = Callable[["Visit"], None]
"""What the server does with one connection."""


@dataclass
class Visit:
    """One connection: what was asked, and the means to answer."""

    connection: socket.socket
    request: bytes
    over: threading.Event
    """Set when the server is to end: what waits for ever waits for this."""

    @property
    def path(self) -> str:
        """What was asked for."""
        return self.request.split(b" ", 2)[1].decode()

    def send(self, *parts: bytes) -> None:
        """Send bytes as they are."""
        for part in parts:
            self.connection.sendall(part)

    def hang(self) -> None:
        """Say nothing more, and leave the connection open."""
        self.over.wait(30)


@dataclass
class HostileServer:
    """Does with each connection what ``speaks`` says, and counts them."""

    speaks: Speaks
    tls: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._over = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with suppress(OSError):
            # Closing alone does not wake who waits for a connection.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, by the scheme it speaks."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        # Whoever is spoken to so badly hangs up, which is what the tests are about.
        with suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                connection.settimeout(30)
                request = _read(connection)
                if not request:
                    return
                self.requests.append(request)
                self.speaks(Visit(connection, request, self._over))
                # Closed with something unread, the connection would be reset, and with it what was said.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass


def _read(connection: socket.socket) -> bytes:
    """A request whole, or the beginning of a TLS handshake."""
    request = b""
    while True:
        chunk = connection.recv(65536)
        request += chunk
        head, ended, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head.lower())
        whole = ended and len(body) >= (int(length[1]) if length else 0)
        if not chunk or whole or request.startswith(TLS_HANDSHAKE):
            return request


def says(body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: bytes = b"") -> Speaks:
    """An ordinary answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n"
    return lambda visit: visit.send(head.encode() + more + b"\r\n" + body)


def says_json(document: object, *, status: str = "200 OK") -> Speaks:
    """An ordinary answer in JSON."""
    return says(json.dumps(document).encode(), status=status)
