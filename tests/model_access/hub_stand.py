"""A hub on this machine: what the hub's own client asks of one, answered from a folder."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_COMMIT = "0" * 40


@dataclass
class Hub:
    """Where it is, and which files were asked of it."""

    address: str
    fetched: set[str] = field(default_factory=set)


@contextmanager
def hub_of(repository: str, folder: Path) -> Iterator[Hub]:
    """A hub that has one repository, with the files of a folder as they are when they are asked for."""

    class Answering(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(whole=False)

        def do_GET(self) -> None:
            self._answer(whole=True)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _answer(self, *, whole: bool) -> None:
            content = self._content()
            self.send_response(404 if content is None else 200)
            if content is None:
                self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("ETag", f'"{hashlib.sha256(content or b"").hexdigest()}"')
            self.send_header("X-Repo-Commit", _COMMIT)
            self.end_headers()
            if whole and content is not None:
                self.wfile.write(content)

        def _content(self) -> bytes | None:
            path = urlsplit(self.path).path.lstrip("/")
            files = sorted(one for one in folder.iterdir() if one.is_file())
            if path.startswith(f"api/models/{repository}/tree/"):
                listed = [
                    {"type": "file", "path": one.name, "size": one.stat().st_size, "oid": one.name} for one in files
                ]
                return json.dumps(listed).encode()
            if path.startswith(f"api/models/{repository}/"):
                siblings = [{"rfilename": one.name} for one in files]
                return json.dumps({"id": repository, "sha": _COMMIT, "siblings": siblings}).encode()
            beginning = f"{repository}/resolve/{_COMMIT}/"
            name = path.removeprefix(beginning)
            if not path.startswith(beginning) or name not in {one.name for one in files}:
                return None
            hub.fetched.add(name)
            return (folder / name).read_bytes()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
