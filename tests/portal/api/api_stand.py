"""A portal with one partner, a real database and the smallest checkpoint, asked over ASGI without any socket."""

import asyncio
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import Any, ClassVar

import httpx
import uvicorn

from agreements.actors import LAB, Channel, Role
from agreements.institutions import Constituency
from agreements.people import Person
from agreements.scopes import Operation
from model_access.generation import GenerationRequest, RunEvent
from model_access.worker import Share, Ticket, WorkerPool
from portal.api.auth import OperatorKey
from portal.api.root import create_app
from portal.composition import Portal
from portal.config import load

PARTNER = "north-university"
CHECKPOINT = "ladder-xs"
WITHHELD = "ladder-xs-again"
BASE_URL = "http://127.0.0.1:8765"
OPERATIONS = (Operation.GENERATE, Operation.SCORE, Operation.LOGPROBS)
OPERATOR_SECRET = OperatorKey.new_secret()

CHAT_TEMPLATE = """
{%- if messages[0].role == 'assistant' %}{{ raise_exception('A conversation begins with the user.') }}{% endif %}
{%- for message in messages %}{{ '\n' ~ message.role ~ ': ' ~ message.content }}{% endfor %}
{%- if add_generation_prompt %}{{ '\nassistant:' }}{% endif %}"""

Hear = Callable[[RunEvent], None]
Script = Callable[[GenerationRequest, Hear], Ticket]
"""What answers one request in place of the engine."""


class ScriptedPool(WorkerPool):
    """The real pool, with scripts that take the next requests first."""

    scripts: ClassVar[list[Script]] = []

    def submit(
        self,
        checkpoint_id: str,
        request: GenerationRequest,
        on_event: Hear,
        *,
        holder: str | None = None,
        share: Share | None = None,
    ) -> Ticket:
        """As the real one, unless a script is waiting."""
        if self.scripts:
            return self.scripts.pop(0)(request, on_event)
        return super().submit(checkpoint_id, request, on_event, holder=holder, share=share)


@dataclass
class Stand:
    """A portal, its application, and the people who use it."""

    portal: Portal
    app: Any
    people: dict[str, Person]
    tokens: dict[str, str]
    grant_id: str

    def ask(self, method: str, path: str, *, as_: str | None = None, **kwargs: Any) -> httpx.Response:
        """One request, answered; an exception that escapes the application fails the test."""
        headers = httpx.Headers(kwargs.pop("headers", {}))
        if as_ is not None:
            headers["authorization"] = f"Bearer {self.tokens[as_]}"
        cookies = kwargs.pop("cookies", None)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL, cookies=cookies) as client:
                return await client.request(method, path, headers=headers, **kwargs)

        return asyncio.run(send())

    def stream(
        self, path: str, *, as_: str, json: dict[str, Any], on_piece: Callable[[str], None] = lambda _: None
    ) -> list[str]:
        """The pieces of a streamed answer; ``on_piece`` is called with each before the next one is taken."""
        body, pieces = dumps(json).encode(), []
        asked = [{"type": "http.request", "body": body, "more_body": False}]
        open_ = asyncio.Event()

        async def receive() -> dict[str, Any]:
            if asked:
                return asked.pop()
            await open_.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and message.get("body"):
                pieces.append(message["body"].decode())
                await asyncio.to_thread(on_piece, pieces[-1])

        scope = posted(path, self.tokens[as_], body)
        asyncio.run(self.app(scope, receive, send))
        return pieces

    def log_size(self) -> int:
        """How many entries the log has."""
        return self.portal.log.size_and_root().size


def taking_conversations(checkpoint: Path, copy: Path) -> Path:
    """A copy of a checkpoint's folder, with a template that lays conversations out."""
    shutil.copytree(checkpoint, copy)
    (copy / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    return copy


def posted(path: str, token: str, body: bytes) -> dict[str, Any]:
    """What an ASGI server says of a request with that body."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "server": ("127.0.0.1", 8765),
        "client": ("127.0.0.1", 50000),
        "headers": [
            (b"host", b"127.0.0.1:8765"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"authorization", f"Bearer {token}".encode()),
        ],
    }


@contextmanager
def made_stand(data: Path, checkpoint: Path, operations: Iterable[Operation] = OPERATIONS) -> Iterator[Stand]:
    """A portal with everything and everybody, closed at the end."""
    settings = load(data, lab_name="Meridian Lab", demo=True)
    portal, coordinator = Portal.create(
        settings,
        coordinator_name="Ada Coordinator",
        coordinator_email="ada@lab.example",
        pool_factory=lambda profile, chosen: ScriptedPool(profile, memory_budget_bytes=chosen.worker_memory_bytes),
    )
    with portal:
        yield peopled(portal, coordinator, checkpoint, operations)


@contextmanager
def served(stand: Stand) -> Iterator[str]:
    """The portal behind a real socket, served by a thread of this process; the address it is at."""
    server = uvicorn.Server(uvicorn.Config(stand.app, log_config=None, access_log=False, lifespan="on"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # a client that comes before the thread has begun waits, and is not turned away
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def peopled(portal: Portal, coordinator: Person, folder: Path, operations: Iterable[Operation] = OPERATIONS) -> Stand:
    """The portal with checkpoints, institutions, people, a grant, and a token for each."""
    ada = coordinator.actor(Channel.CLI)
    for checkpoint_id in (CHECKPOINT, WITHHELD):
        portal.checkpoints.add(ada, folder, checkpoint_id=checkpoint_id, family="ladder")
    for institution_id, name in ((PARTNER, "North University"), ("south-institute", "South Institute")):
        portal.institutions.register(
            ada,
            institution_id=institution_id,
            name=name,
            constituency=Constituency.ACADEMIA,
            contact_email="office@partner.example",
        )
    people = {
        "coordinator": coordinator,
        **{
            key: portal.people.register(ada, name=name, email=f"{key}@partner.example", memberships=[(where, role)])
            for key, name, where, role in (
                ("lead", "Ben Lead", PARTNER, Role.PARTNER_LEAD),
                ("member", "Mia Member", PARTNER, Role.PARTNER_MEMBER),
                ("stranger", "Sam Stranger", "south-institute", Role.PARTNER_LEAD),
                ("researcher", "Cleo Researcher", LAB, Role.RESEARCHER),
            )
        },
    }
    tokens = {
        key: portal.tokens.issue(person.actor(Channel.CLI), label="tests").token for key, person in people.items()
    }
    grant_id = _granted(portal, people, operations)
    tokens["partner"] = portal.tokens.issue(
        people["member"].actor(Channel.CLI), label="tests", grant_id=grant_id, purpose="misuse-analysis"
    ).token
    tokens["operator"] = OPERATOR_SECRET
    app = create_app(portal, with_screens=False, operator=OperatorKey(OPERATOR_SECRET))
    return Stand(portal=portal, app=app, people=people, tokens=tokens, grant_id=grant_id)


def _granted(portal: Portal, people: dict[str, Person], operations: Iterable[Operation]) -> str:
    ada, ben = people["coordinator"].actor(Channel.CLI), people["lead"].actor(Channel.CLI)
    portal.institutions.create_key(ben, PARTNER)
    template = portal.agreements.templates()[0]
    clauses = [clause.model_dump(mode="json") for clause in template.clauses]
    for clause in clauses:
        if clause["kind"] == "permitted_uses":
            clause["checkpoints"] = [CHECKPOINT]
            clause["operations"] = list(operations)
            clause["purposes"] = ["misuse-analysis", "bias-analysis"]
        if clause["kind"] == "usage_limits":
            clause["logit_bias"] = True
    draft = portal.agreements.draft(ada, institution_id=PARTNER, clauses=clauses)
    digest = portal.agreements.offer(ada, draft.id).document_digest
    assert digest is not None
    portal.agreements.sign(ben, draft.id, typed_name="Ben Lead", document_digest=digest)
    portal.agreements.sign(ada, draft.id, typed_name="Ada Coordinator", document_digest=digest)
    return portal.grants.issue(ada, agreement_id=draft.id, label="Evaluation").id
