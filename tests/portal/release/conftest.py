"""The release service on a real store with real findings and norms, and a small stand-in for the rest."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.actors import LAB, Actor, Membership, Role
from agreements.dsse import Envelope, sign
from agreements.errors import NotFound
from agreements.keys import SigningKey
from agreements.log_head import NoteSigner
from model_access.manifest import FileEntry, Manifest
from model_access.registry import ChangeStage, RegisterCheckpoint
from model_access.stages import Stage
from portal.findings.evidence import RunFacts
from portal.findings.projection import FINDINGS
from portal.findings.service import FindingService
from portal.norms.projection import NORMS
from portal.norms.service import NormService
from portal.release.ports import LadderCheckpoint
from portal.release.projection import DECISIONS
from portal.release.service import ReleaseService
from portal.services.aggregates import CHECKPOINTS
from portal.services.kernel import Kernel, Step
from portal.store import Store

LADDER = {"ladder-s": 1_000_000, "ladder-xl": 20_000_000}


class TickingClock:
    """A second passes with every look."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


class Surroundings:
    """No runs; the ladder's checkpoints; one coordinator; a key for every institution."""

    def __init__(self) -> None:
        self.keys = {name: SigningKey.generate() for name in ("uni", "institute", LAB)}

    def facts(self, run_id: str, actor: Actor) -> RunFacts:
        raise NotFound("run_not_found", f"{actor.name} knows no run {run_id}.")

    def institution_name(self, institution_id: str) -> str:
        return institution_id.title()

    def coordinator_ids(self) -> tuple[str, ...]:
        return ("cora",)

    def name(self, person_id: str) -> str:
        return person_id

    def active_keys(self, institution_id: str) -> tuple[str, ...]:
        return (self.keys[institution_id].public.raw.hex(),)

    def sign(self, institution_id: str, actor: Actor, payload_type: str, payload: bytes) -> Envelope:
        assert actor.belongs_to(institution_id)
        return sign(payload_type, payload, self.keys[institution_id])


class Ladder:
    """The registered checkpoints, read off their states."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def checkpoints(self) -> tuple[LadderCheckpoint, ...]:
        return tuple(self.checkpoint(checkpoint_id) for checkpoint_id in LADDER)

    def checkpoint(self, checkpoint_id: str) -> LadderCheckpoint:
        state = self._kernel.state(CHECKPOINTS, checkpoint_id)
        return LadderCheckpoint(
            checkpoint_id=state.id, family=state.family, parameters=state.parameters, stage=state.stage
        )

    def stage_change(self, checkpoint_id: str, decision_id: str, from_stage: Stage, to_stage: Stage) -> Step:
        command = ChangeStage(decision_id=decision_id, from_stage=from_stage, to_stage=to_stage)
        return Step(CHECKPOINTS, checkpoint_id, command)


class Registered:
    def unknown(self, checkpoint_ids: Collection[str]) -> frozenset[str]:
        return frozenset(checkpoint_ids) - frozenset(LADDER)


class Directory(Surroundings):
    def unknown(self, person_ids: Collection[str]) -> frozenset[str]:
        return frozenset(person_ids) - {"cora", "ada", "lea", "ida"}


@dataclass(frozen=True)
class World:
    """The services and the people who use them."""

    kernel: Kernel
    findings: FindingService
    norms: NormService
    release: ReleaseService
    coordinator: Actor
    reporter: Actor
    uni_lead: Actor
    institute_lead: Actor


def _person(person_id: str, institution_id: str, role: Role) -> Actor:
    return Actor(
        person_id=person_id,
        name=person_id.title(),
        memberships=(Membership(institution_id=institution_id, role=role),),
    )


def _manifest(parameters: int) -> Manifest:
    return Manifest(
        architecture="GPT2LMHeadModel",
        parameters=parameters,
        context_length=256,
        vocabulary_size=4096,
        hidden_size=64,
        files=tuple(
            FileEntry(name=name, size=1, sha256="0" * 64)
            for name in ("config.json", "model.safetensors", "tokenizer.json")
        ),
    )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(
        tmp_path / "portal.duckdb",
        signer=NoteSigner("portal.example/log", SigningKey.generate()),
        aggregates=[FINDINGS, NORMS, DECISIONS, CHECKPOINTS],
    )
    lab = SigningKey.generate()
    kernel = Kernel(store=store, clock=TickingClock(), lab_keys=lambda: lab)
    directory = Directory()
    findings = FindingService(kernel, runs=directory, checkpoints=Registered(), people=directory)
    norms = NormService(kernel, findings=findings, keys=directory, signer=directory)
    coordinator = _person("cora", LAB, Role.COORDINATOR)
    for checkpoint_id, parameters in LADDER.items():
        command = RegisterCheckpoint(checkpoint_id=checkpoint_id, family="ladder", manifest=_manifest(parameters))
        kernel.execute(CHECKPOINTS, checkpoint_id, command, coordinator)
    yield World(
        kernel=kernel,
        findings=findings,
        norms=norms,
        release=ReleaseService(kernel, ladder=Ladder(kernel), evidence=findings, practice=norms),
        coordinator=coordinator,
        reporter=_person("ada", "uni", Role.RESEARCHER),
        uni_lead=_person("lea", "uni", Role.PARTNER_LEAD),
        institute_lead=_person("ida", "institute", Role.PARTNER_LEAD),
    )
    store.close()
