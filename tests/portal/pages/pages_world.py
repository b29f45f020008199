"""A small portal with people in it, and the screens run on it without a browser.

Runs go to a scripted pool: what the screens show of a run does not depend on which weights answered.
"""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from streamlit.testing.v1 import AppTest

from agreements.actors import LAB, Actor, Channel, Role
from agreements.agreement import Agreement
from agreements.credentials import SignInMethod
from agreements.errors import Invalid
from agreements.grants import Grant
from agreements.institutions import Constituency
from agreements.log_head import NoteSigner
from agreements.people import Person
from agreements.standard_terms import template
from model_access.generation import (
    ChoiceDelta,
    ChoiceSummary,
    Failed,
    Finished,
    GenerationRequest,
    Logprobs,
    Prompt,
    RunEvent,
)
from model_access.manifest import FileEntry, Manifest
from model_access.registry import Card, ChangeStage, RegisterCheckpoint
from model_access.runs import Run, RunTerms
from model_access.sandbox import SandboxProfile
from model_access.sandbox.profile import UNSAFE
from model_access.stages import Stage
from model_access.worker import InstitutionLine, Share, WorkerPool, WorkerStatus
from portal.composition import AGGREGATES, SETUP, Portal
from portal.config import Settings
from portal.findings.marking import Tlp
from portal.findings.model import Kind, Severity
from portal.findings.service import FindingDraft, FindingView
from portal.keyring import Keyring
from portal.norms.model import NormClause, NormText
from portal.norms.service import NormDraft, NormView
from portal.services.aggregates import CHECKPOINTS
from portal.services.templates import USUAL
from portal.store import Store

APP = Path(__file__).parents[3] / "portal" / "pages" / "app.py"

SIZES = {"ladder-xs": 1_000_000, "ladder-s": 3_000_000, "ladder-m": 8_000_000, "ladder-l": 20_000_000}
STAGES = {
    "ladder-xs": Stage.PUBLIC,
    "ladder-s": Stage.PUBLIC,
    "ladder-m": Stage.PARTNER_ACCESS,
    "ladder-l": Stage.WITHHELD,
}


T = TypeVar("T")


def existing(value: T | None) -> T:
    """What must be there."""
    assert value is not None
    return value


class ScriptedTicket:
    """A request that has been answered already."""

    def cancel(self) -> None:
        """Too late."""

    def place(self) -> None:
        """It waits no more."""


class ScriptedPool:
    """Answers every request at once, with the words it was given or the failure it was told."""

    def __init__(self) -> None:
        self.words: tuple[str, ...] = (" the", " sea", " is", " calm")
        self.failure: Failed | None = None
        self.meanwhile: Callable[[], object] | None = None
        """What happens after the first word."""
        self.requests: list[GenerationRequest] = []
        self.workers: list[WorkerStatus] = []
        self.lines: tuple[InstitutionLine, ...] = ()
        self.stopped: list[str] = []
        self.profile = UNSAFE

    def count_tokens(self, _checkpoint_id: str, request: GenerationRequest) -> int:
        """A word is a token."""
        tokens = sum(len(str(p).split()) for p in request.prompts)
        if tokens == 0:
            raise Invalid("empty_prompt", "The prompt is empty.", hint="Write something.", param="prompt")
        return tokens

    def in_tokens(self, _checkpoint_id: str, request: GenerationRequest) -> GenerationRequest:
        """As it came."""
        return request

    def prompt_tokens(self, _checkpoint_id: str, prompts: Sequence[Prompt]) -> tuple[tuple[int, ...], ...]:
        """Of no known words."""
        return ((),) * len(prompts)

    def tokenize(self, _checkpoint_id: str, texts: Sequence[str]) -> list[list[int]]:
        """Of no known words."""
        return [[] for _ in texts]

    def detokenize(self, _checkpoint_id: str, token_ids: Sequence[int]) -> str:
        """A token is the place of a word in the answer."""
        return "".join(self.words[token] for token in token_ids)

    def submit(
        self,
        _checkpoint_id: str,
        request: GenerationRequest,
        on_event: Callable[[RunEvent], None],
        *,
        holder: str | None = None,
        share: Share | None = None,
    ) -> ScriptedTicket:
        """Play the script."""
        self.requests.append(request)
        if self.failure is not None:
            on_event(self.failure)
            return ScriptedTicket()
        words = self.words[: request.max_tokens]
        for place, word in enumerate(words):
            on_event(
                ChoiceDelta(
                    index=0,
                    text=word,
                    token_ids=(place,),
                    logprobs=Logprobs(
                        tokens=(word,),
                        token_logprobs=(-0.5,),
                        top_logprobs=({word: -0.5, " <b>other</b>": -1.5},),
                        text_offset=(place,),
                    )
                    if request.logprobs is not None
                    else None,
                    finish_reason="length" if place == len(words) - 1 else None,
                )
            )
            if self.meanwhile is not None and place == 0:
                self.meanwhile()
        text = "".join(words)
        on_event(
            Finished(
                prompt_tokens=self.count_tokens("", request),
                completion_tokens=len(words),
                choices=(
                    ChoiceSummary(index=0, text=text, token_ids=tuple(range(len(words))), finish_reason="length"),
                ),
            )
        )
        return ScriptedTicket()

    def require_room(self, _checkpoint_id: str, _share: Share) -> None:
        """There is always room."""

    def register(self, *_: object) -> None:
        """Every checkpoint is available."""

    def is_registered(self, _checkpoint_id: str) -> bool:
        """Every checkpoint is available."""
        return True

    def status(self) -> list[WorkerStatus]:
        """As it was set."""
        return self.workers

    def queue(self, _checkpoint_id: str) -> tuple[InstitutionLine, ...]:
        """As it was set."""
        return self.lines

    def stop(self, checkpoint_id: str) -> None:
        """Remember it."""
        self.stopped.append(checkpoint_id)

    def close(self) -> None:
        """Nothing runs."""


def _clauses(limits: Mapping[str, object]) -> list[dict[str, Any]]:
    return [
        {**clause.model_dump(mode="json"), **(limits if clause.kind == "usage_limits" else {})}
        for clause in template(USUAL).clauses
    ]


@dataclass
class World:
    """The portal and those who use it."""

    portal: Portal
    pool: ScriptedPool
    coordinator: Person
    lead: Person
    member: Person
    rival: Person
    researcher: Person
    observer: Person

    def actor(self, person: Person) -> Actor:
        """The person at a screen."""
        return person.actor(Channel.SCREEN)

    def agreement(
        self, *, until: str = "in_force", institution: str = "northfield", limits: Mapping[str, object] | None = None
    ) -> Agreement:
        """An agreement that has come as far as ``until``. ``limits`` changes its clause on usage limits."""
        lab, service = self.actor(self.coordinator), self.portal.agreements
        lead = self.actor(self.lead if institution == "northfield" else self.rival)
        agreement = service.draft(lab, institution_id=institution, clauses=_clauses(limits) if limits else None)
        if until != "draft":
            agreement = service.offer(lab, agreement.id)
        for name, signer in (("signed", lead), ("in_force", lab)):
            if until in ("in_force", name) and agreement.status.value != until:
                agreement = service.sign(
                    signer, agreement.id, typed_name=signer.name, document_digest=agreement.document_digest or ""
                )
        return agreement

    def grant(
        self,
        *,
        institution: str = "northfield",
        label: str = "Misuse study",
        limits: Mapping[str, object] | None = None,
        **narrower: object,
    ) -> Grant:
        """A grant of everything a new agreement allows, unless something is said narrower."""
        agreement, lab = self.agreement(institution=institution, limits=limits), self.actor(self.coordinator)
        scope = self.portal.grants.bounds(lab, agreement.id).model_copy(update=narrower) if narrower else None
        return self.portal.grants.issue(lab, agreement_id=agreement.id, label=label, scope=scope)

    def run(self, person: Person, checkpoint_id: str = "ladder-l", purpose: str | None = "misuse-analysis") -> str:
        """The id of a completed run."""
        request = GenerationRequest(prompts=("Once upon a time",), max_tokens=4, seed=1)
        active = self.portal.runs.begin(self.actor(person), checkpoint_id, request, purpose=purpose)
        active.result()
        return active.run_id

    def newest_run(self, person: Person) -> tuple[Run, RunTerms]:
        """The newest run that the person may see, and its terms."""
        run = self.portal.runs.list(self.actor(person))[0]
        return run, existing(run.terms)

    def finding(self, person: Person, title: str = "Copies poems", **fields: Any) -> FindingView:
        """A finding of a person, for their first institution."""
        draft: dict[str, Any] = {
            "institution_id": person.memberships[0].institution_id,
            "title": title,
            "summary": "It repeats whole poems.",
            "kind": Kind.MISUSE_FINDING,
            "severity": Severity.MODERATE,
            "marking": Tlp.GREEN,
            "checkpoint_ids": ("ladder-l",),
        }
        return self.portal.findings.file(self.actor(person), FindingDraft(**{**draft, **fields}))

    def norm(self, quorum: int = 1, title: str = "Publish null results") -> NormView:
        """An open norm that the lab proposed."""
        text = NormText(title=title, clauses=(NormClause(clause_id="c1", text="Null results are filed too."),))
        return self.portal.norms.propose(
            self.actor(self.coordinator), NormDraft(institution_id=LAB, quorum=quorum, text=text)
        )

    def screen(self, person: Person | None, name: str = "", /, **query: str) -> AppTest:
        """The screen as the person sees it, run once."""
        app = AppTest.from_file(str(APP), default_timeout=30)
        if person is not None:
            secret = self.portal.sessions.open(person, method=SignInMethod.LINK).secret
            app.user = {"session": self.portal.sign_in.session_id(secret)}
        app.run()
        if name:
            app.switch_page(f"screens/{name}.py")
            app.query_params.update(query)
            app.run()
        return app


def manifest(parameters: int) -> Manifest:
    """A manifest that no files stand behind."""
    return Manifest(
        architecture="GPT2LMHeadModel",
        parameters=parameters,
        context_length=256,
        vocabulary_size=4096,
        hidden_size=64,
        files=tuple(
            FileEntry(name=name, size=size, sha256=f"{parameters:064x}")
            for name, size in (("config.json", 600), ("model.safetensors", parameters * 4), ("tokenizer.json", 90_000))
        ),
    )


def furnish(portal: Portal, coordinator: Person) -> tuple[Person, ...]:
    """Register institutions and people: lead, member, rival lead, researcher, observer."""
    lab = coordinator.actor(Channel.SCREEN)
    for institution_id, name, kind in (
        ("northfield", "Northfield University", Constituency.ACADEMIA),
        ("open-press", "Open Press Watch", Constituency.CIVIL_SOCIETY),
    ):
        portal.institutions.register(
            lab,
            institution_id=institution_id,
            name=name,
            constituency=kind,
            contact_email=f"office@{institution_id}.example",
        )
    people: Sequence[tuple[str, str, Role]] = (
        ("Ada Lovell", "northfield", Role.PARTNER_LEAD),
        ("Ben Okoro", "northfield", Role.PARTNER_MEMBER),
        ("Rita Vance", "open-press", Role.PARTNER_LEAD),
        ("Sam Iyer", "open-press", Role.RESEARCHER),
        ("Olga Brandt", "northfield", Role.OBSERVER),
    )
    registered = tuple(
        portal.people.register(
            lab, name=name, email=f"{name.split()[0].lower()}@{institution}.example", memberships=[(institution, role)]
        )
        for name, institution, role in people
    )
    for person, (_name, institution, role) in zip(registered, people, strict=True):
        if role is Role.PARTNER_LEAD:
            portal.institutions.create_key(person.actor(Channel.SCREEN), institution)
    return registered


class TickingClock:
    """Moves a second with every look, so that newest first is a fact."""

    def __init__(self) -> None:
        self._moment = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._moment += timedelta(seconds=1)
        return self._moment


def build_world(folder: Path) -> World:
    """Two partner institutions, five people, four checkpoints at three stages.

    A copy of one that was founded before: its keys and ids are those of every other copy.
    """
    source, founded, clock = _founded_before()
    shutil.copytree(source, folder, dirs_exist_ok=True)
    pool = ScriptedPool()
    return replace(founded, portal=_opened(folder, pool, copy(clock)), pool=pool)


@cache
def _founded_before() -> tuple[Path, World, TickingClock]:
    """The folder of a world that is closed, its people, and the time it is there."""
    folder = Path(tempfile.mkdtemp(prefix="concordat-screens-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    clock = TickingClock()
    world = _found(folder, clock)
    world.portal.close()
    return folder, world, clock


def _opened(folder: Path, pool: ScriptedPool, clock: TickingClock) -> Portal:
    settings = Settings(data_dir=folder / "data", lab_name="Meridian Lab")
    settings.data_dir.mkdir(exist_ok=True)
    keyring = Keyring(settings.keys_dir)
    store = Store.open(
        settings.database_path, signer=NoteSigner(settings.issuer, keyring.own("log")), aggregates=AGGREGATES
    )
    sandbox = SandboxProfile(kind="landlock", id="landlock+seccomp/1")
    return Portal(settings, store, keyring, cast("WorkerPool", pool), sandbox, clock)


def _found(folder: Path, clock: TickingClock) -> World:
    pool = ScriptedPool()
    portal = _opened(folder, pool, clock)
    portal.institutions.register_lab(SETUP, "Meridian Lab", "lab@meridian.example")
    coordinator = portal.people.register(
        SETUP, name="Cora Meridian", email="cora@meridian.example", memberships=[(LAB, Role.COORDINATOR)]
    )
    lead, member, rival, researcher, observer = furnish(portal, coordinator)
    lab = coordinator.actor(Channel.SCREEN)
    for checkpoint_id, parameters in SIZES.items():
        portal.kernel.execute(
            CHECKPOINTS,
            checkpoint_id,
            RegisterCheckpoint(
                checkpoint_id=checkpoint_id,
                family="ladder",
                manifest=manifest(parameters),
                card=Card(summary="A rung."),
            ),
            lab,
        )
        stage = Stage.WITHHELD
        while stage is not STAGES[checkpoint_id] and stage.next:
            step = ChangeStage(decision_id="DEC-0000", from_stage=stage, to_stage=stage.next)
            portal.kernel.execute(CHECKPOINTS, checkpoint_id, step, lab)
            stage = stage.next
    return World(portal, pool, coordinator, lead, member, rival, researcher, observer)


def said(app: AppTest) -> str:
    """All the words on the screen."""
    kinds = ("title", "header", "markdown", "caption", "success", "error", "warning", "info", "code")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(app, kind))


def click(app: AppTest, key: str) -> AppTest:
    """Click the button of that key, and run."""
    app.button(key=key).click().run()
    assert not app.exception, app.exception
    return app
