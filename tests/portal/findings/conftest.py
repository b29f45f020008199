"""A findings service on a real store, with small stand-ins for runs, checkpoints and people."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.actors import LAB, Actor, Membership, Role
from agreements.errors import NotFound
from agreements.keys import SigningKey
from agreements.log_head import NoteSigner
from portal.findings.evidence import RunFacts
from portal.findings.projection import FINDINGS
from portal.findings.service import FindingService
from portal.services.kernel import Kernel
from portal.store import Store

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class TickingClock:
    """A second passes with every look."""

    def __init__(self) -> None:
        self._now = START

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


class Runs:
    """Runs belong to the institution they were made for."""

    def facts(self, run_id: str, actor: Actor) -> RunFacts:
        if not run_id.startswith("run_uni") or not actor.belongs_to("uni"):
            raise NotFound("run_not_found", f"There is no run {run_id}.")
        return RunFacts(
            run_id=run_id,
            checkpoint_id="ladder-xl",
            manifest_digest="sha256:" + "b" * 64,
            operation="generate",
            sampling={"temperature": 0.7, "top_p": 1.0, "max_tokens": 64},
            seed=7,
            ran_at=START,
            institution_id="uni",
            grant_id="grt_1",
            receipt_digest="sha256:" + "c" * 64,
        )


class Registered:
    def unknown(self, checkpoint_ids: Collection[str]) -> frozenset[str]:
        return frozenset(checkpoint_ids) - {"ladder-s", "ladder-xl"}


class Directory:
    def institution_name(self, institution_id: str) -> str:
        return institution_id.title()

    def coordinator_ids(self) -> tuple[str, ...]:
        return ("cora",)

    def unknown(self, person_ids: Collection[str]) -> frozenset[str]:
        return frozenset(person_ids) - {"ada", "lea", "cora", "stan"}

    def name(self, person_id: str) -> str:
        return person_id.title()


def _person(person_id: str, institution_id: str, role: Role) -> Actor:
    return Actor(
        person_id=person_id,
        name=person_id.title(),
        memberships=(Membership(institution_id=institution_id, role=role),),
    )


@pytest.fixture
def reporter() -> Actor:
    return _person("ada", "uni", Role.RESEARCHER)


@pytest.fixture
def lead() -> Actor:
    return _person("lea", "uni", Role.PARTNER_LEAD)


@pytest.fixture
def coordinator() -> Actor:
    return _person("cora", LAB, Role.COORDINATOR)


@pytest.fixture
def stranger() -> Actor:
    return _person("stan", "institute", Role.RESEARCHER)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    store = Store.open(
        tmp_path / "portal.duckdb",
        signer=NoteSigner("portal.example/log", SigningKey.generate()),
        aggregates=[FINDINGS],
    )
    lab = SigningKey.generate()
    yield Kernel(store=store, clock=TickingClock(), lab_keys=lambda: lab)
    store.close()


@pytest.fixture
def findings(kernel: Kernel) -> FindingService:
    return FindingService(kernel, runs=Runs(), checkpoints=Registered(), people=Directory())
