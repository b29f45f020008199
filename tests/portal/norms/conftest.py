"""A norms service on a real store, with small stand-ins for findings and institution keys."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.actors import LAB, Actor, Membership, Role
from agreements.dsse import Envelope, sign
from agreements.errors import Conflict, NotFound
from agreements.keys import SigningKey
from agreements.log_head import NoteSigner
from portal.norms.projection import NORMS
from portal.norms.service import NormService
from portal.services.kernel import Kernel
from portal.store import Store


class TickingClock:
    """A second passes with every look."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


class Findings:
    """``CDT-2026-0001`` is open to all, ``CDT-2026-0002`` to the uni alone."""

    def readable(self, finding_ids: Collection[str], actor: Actor | None) -> frozenset[str]:
        known = {"CDT-2026-0001"}
        if actor is not None and actor.belongs_to("uni"):
            known.add("CDT-2026-0002")
        return frozenset(finding_ids) & known

    def check_citation(
        self, actor: Actor, finding_id: str, version: int, digest: str, *, current: bool = False
    ) -> None:
        if not self.readable([finding_id], actor):
            raise NotFound("finding_not_found", f"There is no finding {finding_id} that you may read.")


class Keys:
    """Every institution has a key; the portal keeps all but the charity's."""

    def __init__(self) -> None:
        self.keys = {name: SigningKey.generate() for name in ("uni", "institute", "charity", LAB)}

    def active_keys(self, institution_id: str) -> tuple[str, ...]:
        return (self.keys[institution_id].public.raw.hex(),)

    def sign(self, institution_id: str, actor: Actor, payload_type: str, payload: bytes) -> Envelope:
        if institution_id == "charity":
            raise Conflict("no_custodial_key", "The portal keeps no key for charity.")
        return sign(payload_type, payload, self.keys[institution_id])


def _person(institution_id: str, role: Role) -> Actor:
    return Actor(
        person_id=f"{role.value}-{institution_id}",
        name="N",
        memberships=(Membership(institution_id=institution_id, role=role),),
    )


@pytest.fixture
def people() -> dict[str, Actor]:
    """Who binds each institution, by institution, and an observer."""
    leads = {name: _person(name, Role.PARTNER_LEAD) for name in ("uni", "institute", "charity")}
    return leads | {LAB: _person(LAB, Role.COORDINATOR), "observer": _person("institute", Role.OBSERVER)}


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    store = Store.open(
        tmp_path / "portal.duckdb",
        signer=NoteSigner("portal.example/log", SigningKey.generate()),
        aggregates=[NORMS],
    )
    lab = SigningKey.generate()
    yield Kernel(store=store, clock=TickingClock(), lab_keys=lambda: lab)
    store.close()


@pytest.fixture
def norms(kernel: Kernel, keys: Keys) -> NormService:
    return NormService(kernel, findings=Findings(), keys=keys, signer=keys)
