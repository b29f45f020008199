"""A portal with one partner, a real database and the smallest checkpoint, asked over ASGI without any socket."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx

from agreements.actors import LAB, Channel, Role
from agreements.institutions import Constituency
from agreements.people import Person
from agreements.scopes import Operation
from model_access.generation import GenerationRequest, RunEvent
from model_access.worker import Ticket, WorkerPool
from portal.api.auth import OperatorKey
from portal.api.root import create_app
from portal.composition import Portal

PARTNER = "north-university"
CHECKPOINT = "ladder-xs"
WITHHELD = "ladder-xs-again"
BASE_URL = "http://127.0.0.1:8765"
OPERATOR_SECRET = OperatorKey.new_secret()

Hear = Callable[[RunEvent], None]
Script = Callable[[GenerationRequest, Hear], Ticket]
"""What answers one request in place of the engine."""


class ScriptedPool(WorkerPool):
    """The real pool, with scripts that take the next requests first."""

    scripts: ClassVar[list[Script]] = []

    def submit(self, checkpoint_id: str, request: GenerationRequest, on_event: Hear) -> Ticket:
        """As the real one, unless a script is waiting."""
        if self.scripts:
            return self.scripts.pop(0)(request, on_event)
        return super().submit(checkpoint_id, request, on_event)


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

    def log_size(self) -> int:
        """How many entries the log has."""
        return self.portal.log.size_and_root().size


def peopled(portal: Portal, coordinator: Person, folder: Path) -> Stand:
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
    grant_id = _granted(portal, people)
    tokens["partner"] = portal.tokens.issue(
        people["member"].actor(Channel.CLI), label="tests", grant_id=grant_id, purpose="misuse-analysis"
    ).token
    tokens["operator"] = OPERATOR_SECRET
    app = create_app(portal, with_screens=False, operator=OperatorKey(OPERATOR_SECRET))
    return Stand(portal=portal, app=app, people=people, tokens=tokens, grant_id=grant_id)


def _granted(portal: Portal, people: dict[str, Person]) -> str:
    ada, ben = people["coordinator"].actor(Channel.CLI), people["lead"].actor(Channel.CLI)
    portal.institutions.create_key(ben, PARTNER)
    template = portal.agreements.templates()[0]
    clauses = [clause.model_dump(mode="json") for clause in template.clauses]
    for clause in clauses:
        if clause["kind"] == "permitted_uses":
            clause["checkpoints"] = [CHECKPOINT]
            clause["operations"] = [Operation.GENERATE, Operation.SCORE, Operation.LOGPROBS]
            clause["purposes"] = ["misuse-analysis", "bias-analysis"]
    draft = portal.agreements.draft(ada, institution_id=PARTNER, clauses=clauses)
    digest = portal.agreements.offer(ada, draft.id).document_digest
    assert digest is not None
    portal.agreements.sign(ben, draft.id, typed_name="Ben Lead", document_digest=digest)
    portal.agreements.sign(ada, draft.id, typed_name="Ada Coordinator", document_digest=digest)
    return portal.grants.issue(ada, agreement_id=draft.id, label="Evaluation").id
