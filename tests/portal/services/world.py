"""A real portal on a real file, with people of every role; only the models are stood in for."""

import atexit
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from agreements.actors import LAB, Actor, Channel, Role
from agreements.agreement import Agreement
from agreements.errors import Invalid, NotFound
from agreements.grants import Grant
from agreements.institutions import Constituency
from agreements.people import Person
from agreements.standard_terms import template
from model_access.conversations import Conversation
from model_access.generation import ChoiceDelta, ChoiceSummary, Failed, Finished, GenerationRequest, Prompt
from model_access.manifest import FileEntry, Manifest
from model_access.registry import ChangeStage, RegisterCheckpoint
from model_access.sandbox import SandboxProfile
from model_access.sandbox.profile import UNSAFE
from model_access.stages import Stage
from model_access.worker import InstitutionLine, Place, Share, Ticket, WorkerPool, WorkerState, WorkerStatus
from model_access.worker.tickets import OnEvent
from portal.composition import Portal
from portal.config import Settings, load
from portal.services.aggregates import CHECKPOINTS
from portal.services.templates import USUAL

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PURPOSE = "misuse-analysis"
ANSWER = (" the", " sea", " is", " calm")
ROOM = 60
"""Tokens that the stand-in has room for besides a prompt."""


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how: float) -> None:
        """Let time pass, as ``timedelta`` takes it."""
        self.now += timedelta(**how)


@dataclass
class Asked:
    """A request the pool has taken, and how to end it."""

    checkpoint_id: str
    request: GenerationRequest
    tell: OnEvent
    holder: str | None = None
    share: Share | None = None
    place: Place | None = None
    """Where it stands in the queue."""

    def answer(self, words: Sequence[str] = ANSWER) -> None:
        """Stream the words to every choice and finish."""
        spoken = tuple(words[: self.request.max_tokens])
        ids = tuple(range(len(spoken)))
        for index in range(self.request.choice_count):
            for place, word in enumerate(spoken):
                last = place == len(spoken) - 1
                self.tell(
                    ChoiceDelta(index=index, text=word, token_ids=(place,), finish_reason="length" if last else None)
                )
        choice = [
            ChoiceSummary(index=index, text="".join(spoken), token_ids=ids, finish_reason="length")
            for index in range(self.request.choice_count)
        ]
        self.tell(
            Finished(
                prompt_tokens=words_in(self.request),
                completion_tokens=len(spoken) * self.request.choice_count,
                choices=tuple(choice),
            )
        )

    def say(self, *words: str) -> None:
        """Stream one token after another to the first choice, and go on."""
        for word in words:
            self.tell(ChoiceDelta(index=0, text=word, token_ids=(0,)))

    def stop(self, *, completion_tokens: int) -> None:
        """End as an engine does that was told to stop, having made so many."""
        self.tell(
            Failed(
                code="cancelled",
                message="The request was cancelled.",
                retriable=False,
                prompt_tokens=words_in(self.request),
                completion_tokens=completion_tokens,
            )
        )

    def fail(self, *, completion_tokens: int = 0) -> None:
        """Die, having generated so much."""
        self.tell(
            Failed(
                code="worker_died",
                message="The worker ended.",
                retriable=True,
                prompt_tokens=words_in(self.request),
                completion_tokens=completion_tokens,
            )
        )


def words_in(request: GenerationRequest) -> int:
    """How many words the prompts have: the stand-in's tokens."""
    return sum(_words(prompt) for prompt in request.prompts)


def _words(prompt: Prompt) -> int:
    if isinstance(prompt, Conversation):
        return sum(_words(message.content) for message in prompt.messages)
    return len(prompt.split() if isinstance(prompt, str) else prompt)


class StandInPool(WorkerPool):
    """Takes requests as a pool does; answers at once, or when told if ``holds``."""

    def __init__(self, *_: object) -> None:
        self.holds = False
        self.words: tuple[str, ...] = ANSWER
        self.asked: list[Asked] = []
        self.cancelled: list[Asked] = []
        self.on_cancel: Callable[[], None] = lambda: None
        self.refusal: Exception | None = None
        self.lines: tuple[InstitutionLine, ...] = ()
        """Who waits for each worker."""
        self.stopped: list[str] = []
        """Checkpoints whose workers were ended, in order."""
        self.profile = UNSAFE
        self._known: set[str] = set()
        self._taking = threading.Lock()

    def register(self, checkpoint_id: str, _folder: Path, _manifest: Manifest) -> None:
        """Remember the checkpoint."""
        self._known.add(checkpoint_id)

    def is_registered(self, checkpoint_id: str) -> bool:
        """Whether it was registered."""
        return checkpoint_id in self._known

    def count_tokens(self, checkpoint_id: str, request: GenerationRequest) -> int:
        """A word is a token."""
        if checkpoint_id not in self._known:
            raise NotFound("no_such_checkpoint", "Not loaded here.")
        tokens = words_in(request)
        if tokens == 0:
            raise Invalid("empty_prompt", "The prompt is empty.", param="prompt")
        return tokens

    def in_tokens(self, _checkpoint_id: str, request: GenerationRequest) -> GenerationRequest:
        """As it came; where it asks for what fits, there is room for so many."""
        return request.model_copy(update={"max_tokens": ROOM, "fits": False}) if request.fits else request

    def prompt_tokens(self, _checkpoint_id: str, prompts: Sequence[Prompt]) -> tuple[tuple[int, ...], ...]:
        """Of no known words."""
        return ((),) * len(prompts)

    def tokenize(self, _checkpoint_id: str, texts: Sequence[str]) -> list[list[int]]:
        """Of no known words."""
        return [[] for _ in texts]

    def detokenize(self, _checkpoint_id: str, token_ids: Sequence[int]) -> str:
        """A token is the place of a word in the answer."""
        return "".join(self.words[token] for token in token_ids)

    def require_room(self, _checkpoint_id: str, _share: Share) -> None:
        """Any number may wait."""

    def submit(
        self,
        checkpoint_id: str,
        request: GenerationRequest,
        on_event: OnEvent,
        *,
        holder: str | None = None,
        share: Share | None = None,
    ) -> Ticket:
        """Take a request."""
        if self.refusal is not None:
            raise self.refusal
        asked = Asked(checkpoint_id, request, on_event, holder, share)
        with self._taking:
            self.asked.append(asked)
        if not self.holds:
            asked.answer(self.words)
        return Ticket(lambda: self._cancel(asked), lambda: asked.place)

    def status(self) -> list[WorkerStatus]:
        """A worker that is not up, for every checkpoint."""
        return [
            WorkerStatus(checkpoint_id=one, state=WorkerState.COLD, profile=self.profile.id)
            for one in sorted(self._known)
        ]

    def queue(self, _checkpoint_id: str) -> tuple[InstitutionLine, ...]:
        """As it was set."""
        return self.lines

    def stop(self, checkpoint_id: str) -> None:
        """Remember it."""
        self.stopped.append(checkpoint_id)

    def _cancel(self, asked: Asked) -> None:
        self.cancelled.append(asked)
        self.on_cancel()

    def close(self) -> None:
        """Nothing runs."""


@dataclass
class World:
    """The portal and those who use it."""

    portal: Portal
    clock: HandClock
    pool: StandInPool
    settings: Settings
    people: dict[str, Person] = field(default_factory=dict)

    def actor(self, name: str) -> Actor:
        """The person at a screen."""
        return self.people[name].actor(Channel.SCREEN)

    @property
    def size(self) -> int:
        """Entries in the log: nothing is written without one."""
        return self.portal.log.size_and_root().size

    def agreement(
        self, institution: str = "north", *, until: str = "in_force", limits: Mapping[str, object] | None = None
    ) -> Agreement:
        """An agreement that has come as far as ``until``. ``limits`` changes its clause on usage limits."""
        service, lab, lead = self.portal.agreements, self.actor("ada"), self.actor(LEADS[institution])
        changed = [
            {**clause.model_dump(mode="json"), **(limits or {} if clause.kind == "usage_limits" else {})}
            for clause in template(USUAL).clauses
        ]
        agreement = service.draft(lab, institution_id=institution, clauses=changed if limits else None)
        if until == "draft":
            return agreement
        agreement = service.offer(lab, agreement.id)
        digest = agreement.document_digest or ""
        if until == "offered":
            return agreement
        agreement = service.sign(lead, agreement.id, typed_name=lead.name, document_digest=digest)
        if until == "signed":
            return agreement
        return service.sign(lab, agreement.id, typed_name=lab.name, document_digest=digest)

    def grant(
        self, institution: str = "north", *, limits: Mapping[str, object] | None = None, **narrower: Any
    ) -> Grant:
        """A grant under a new agreement, of all it allows unless something is said narrower."""
        agreement = self.agreement(institution, limits=limits)
        scope = self.portal.grants.bounds(self.actor("ada"), agreement.id).model_copy(update=narrower)
        return self.portal.grants.issue(self.actor("ada"), agreement_id=agreement.id, label="A study", scope=scope)

    def checkpoint(self, checkpoint_id: str, *, to: Stage = Stage.WITHHELD) -> str:
        """A registered checkpoint without files, moved to a stage."""
        manifest = Manifest(
            architecture="GPT2LMHeadModel",
            parameters=1000,
            context_length=64,
            vocabulary_size=320,
            hidden_size=32,
            files=tuple(
                FileEntry(name=name, size=1, sha256="0" * 64)
                for name in ("config.json", "model.safetensors", "tokenizer.json")
            ),
        )
        command = RegisterCheckpoint(checkpoint_id=checkpoint_id, family="ladder", manifest=manifest)
        kernel, ada = self.portal.kernel, self.actor("ada")
        stage = kernel.execute(CHECKPOINTS, checkpoint_id, command, ada).stage
        while stage is not to and stage.next is not None:
            move = ChangeStage(decision_id="rel_test", from_stage=stage, to_stage=stage.next)
            stage = kernel.execute(CHECKPOINTS, checkpoint_id, move, ada).stage
        self.pool.register(checkpoint_id, self.settings.checkpoints_dir, manifest)
        return checkpoint_id

    def reopen(self, *, crash: bool = False) -> None:
        """Close the portal, or let the store go as a crash would, and open it again."""
        if crash:
            self.portal.store.close()
        else:
            self.portal.close()
        self.portal = Portal.open(self.settings, clock=self.clock, pool_factory=lambda *_: self.pool)


LEADS = {"north": "ben", "south": "dan"}

CAST: dict[str, tuple[str, Role]] = {
    "rae": (LAB, Role.RESEARCHER),
    "olga": (LAB, Role.OBSERVER),
    "ben": ("north", Role.PARTNER_LEAD),
    "cleo": ("north", Role.PARTNER_MEMBER),
    "nina": ("north", Role.OBSERVER),
    "dan": ("south", Role.PARTNER_LEAD),
    "eve": ("south", Role.RESEARCHER),
}
"""Everyone but Ada, the coordinator."""


def make_world(folder: Path) -> World:
    """A portal with two partners that have keys in custody, and the cast.

    Founding one takes three times as long as opening it, so this opens a copy of one that was founded before; its keys
    and ids are those of every other copy.
    """
    source, people = _founded_before()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    clock, pool = HandClock(), StandInPool()
    settings = _settings(folder)
    portal = Portal.open(settings, clock=clock, pool_factory=lambda *_: pool)
    return World(portal, clock, pool, settings, dict(people))


@cache
def _founded_before() -> tuple[Path, dict[str, Person]]:
    """The folder of a world that is closed, and its people."""
    folder = Path(tempfile.mkdtemp(prefix="concordat-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world = found_world(folder)
    world.portal.close()
    return folder, world.people


def found_world(folder: Path) -> World:
    """``make_world`` with keys and ids of its own."""
    clock, pool = HandClock(), StandInPool()
    settings = _settings(folder)
    factory: Callable[[SandboxProfile, Settings], WorkerPool] = lambda *_: pool  # noqa: E731 - typed, and said once
    portal, ada = Portal.create(
        settings, coordinator_name="Ada", coordinator_email="ada@lab.example", clock=clock, pool_factory=factory
    )
    world = World(portal, clock, pool, settings, {"ada": ada})
    coordinator = world.actor("ada")
    for institution_id in LEADS:
        portal.institutions.register(
            coordinator,
            institution_id=institution_id,
            name=f"{institution_id.title()} University",
            constituency=Constituency.ACADEMIA,
            contact_email=f"office@{institution_id}.example",
        )
    for name, membership in CAST.items():
        world.people[name] = portal.people.register(
            coordinator, name=name.title(), email=f"{name}@people.example", memberships=[membership]
        )
    for institution_id, lead in LEADS.items():
        portal.institutions.create_key(world.actor(lead), institution_id)
    return world


def _settings(folder: Path) -> Settings:
    return load(folder / "data", allow_unsafe_no_sandbox=True)


def ask(words: str = "once upon a time", *, max_tokens: int = 4, **more: object) -> GenerationRequest:
    """A request."""
    return GenerationRequest.parse({"prompts": (words,), "max_tokens": max_tokens, "seed": 7, **more})
