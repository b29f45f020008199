"""The log as each reader may know it, and checkpoints from a folder to the registry."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agreements.access import Held
from agreements.actors import Actor
from agreements.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from agreements.inclusion import verify
from model_access.registry import Card
from model_access.stages import Stage
from portal.composition import Portal
from portal.config import load
from portal.services.grants import GrantService
from tests.model_access.conftest import make_checkpoint
from tests.portal.services.world import HandClock, StandInPool, World, ask, make_world


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """For what changes nothing."""
    world = make_world(tmp_path_factory.mktemp("log"))
    yield world
    world.portal.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    folder.mkdir()
    return make_checkpoint(folder)


def test_people_see_what_they_did_and_coordinators_see_the_rest(world: World) -> None:
    world.agreement(until="signed")
    log = world.portal.log
    seen = {name: log.entries(world.actor(name), limit=500) for name in ("ada", "ben", "eve")}
    assert len(seen["ada"]) == world.size
    assert [line.type for line in seen["ben"]] == ["agreement:signed", "institution:key_registered"]
    assert {line.actor_name for line in seen["ben"]} == {"Ben"}
    assert seen["eve"] == ()
    newest, *_ = seen["ada"]
    assert [line.position for line in log.entries(world.actor("ada"), before=newest.position, limit=2)] == [
        newest.position - 1,
        newest.position - 2,
    ]
    assert {line.stream for line in log.entries(world.actor("ada"), stream=newest.stream)} == {newest.stream}


def test_evidence_of_ones_own_entry_verifies_with_the_public_key(world: World) -> None:
    world.agreement(until="signed")
    own, *_ = world.portal.log.entries(world.actor("ben"))
    entry = verify(world.portal.log.evidence(world.actor("ben"), own.position), world.portal.log.vkey)
    assert (entry["type"], entry["position"]) == ("agreement:signed", own.position)


@pytest.mark.parametrize("position", [-1, -(10**30), 10**6, 2**63 - 1, 2**63, 10**30])
def test_an_entry_that_is_not_there_is_not_found(shared: World, position: int) -> None:
    with pytest.raises(NotFound) as refusal:
        shared.portal.log.evidence(shared.actor("ada"), position)
    assert refusal.value.code == "no_such_entry"


@pytest.mark.parametrize("before", [-1, 0, 2**63, 10**30])
@pytest.mark.parametrize("limit", [-1, 0, 1, 10**30])
def test_any_page_can_be_asked_for(shared: World, before: int, limit: int) -> None:
    lines = shared.portal.log.entries(shared.actor("ada"), before=before, limit=limit)
    assert len(lines) <= min(max(limit, 1), 500)
    assert all(line.position < before for line in lines)


def test_the_whole_store_verifies_after_everything(world: World) -> None:
    world.checkpoint("ladder-l", to=Stage.PARTNER_ACCESS)
    world.grant()
    world.portal.runs.begin(world.actor("cleo"), "ladder-l", ask(), purpose="misuse-analysis").result()
    heard: list[tuple[int, int]] = []
    report = world.portal.log.verify(world.actor("ada"), lambda done, total: heard.append((done, total)))
    report.require()
    assert heard[-1][0] == heard[-1][1]


def test_a_checkpoint_is_imported_pinned_and_served(world: World, model: Path) -> None:
    heard: list[int] = []
    source = Path(shutil.copytree(model, world.settings.data_dir.parent / "source"))
    (source / "README.md").write_text("# Tiny")
    checkpoint = world.portal.checkpoints.add(
        world.actor("ada"),
        source,
        checkpoint_id="tiny",
        family="ladder",
        card=Card(summary="Random weights."),
        progress=lambda done, _total: heard.append(done),
    )
    assert (checkpoint.stage, checkpoint.card.summary) == (Stage.WITHHELD, "Random weights.")
    assert heard
    card = world.portal.model_cards.card(world.actor("eve"), "tiny")
    assert (card.checkpoint.card.readme, card.facts is not None) == ("# Tiny", True)
    assert world.portal.runs.begin(world.actor("ada"), "tiny", ask()).result().run.receipt
    assert not world.portal.checkpoints.get(world.actor("eve"), "tiny").access
    (view,) = world.portal.checkpoints.list(world.actor("ada"))
    assert view.access
    assert world.portal.checkpoints.unknown(["tiny", "other"]) == {"other"}
    with pytest.raises(Conflict) as refusal:
        world.portal.checkpoints.add(world.actor("ada"), model, checkpoint_id="tiny", family="ladder")
    assert refusal.value.code == "checkpoint_exists"
    world.reopen()
    assert world.portal.checkpoints.state("tiny") == checkpoint


def test_a_list_of_checkpoints_looks_the_readers_grants_up_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ladder-l", "ladder-m"):
        world.checkpoint(name)
    world.checkpoint("ladder-s", to=Stage.PUBLIC)
    world.grant()
    asked: list[str] = []
    usable = GrantService.usable_by

    def counted(self: GrantService, actor: Actor, **more: Any) -> tuple[Held, ...]:
        asked.append(actor.person_id)
        return usable(self, actor, **more)

    monkeypatch.setattr(GrantService, "usable_by", counted)
    cleo, eve = world.actor("cleo"), world.actor("eve")
    assert len(world.portal.checkpoints.list(cleo)) == 3
    assert "ladder-l" in {one.id for one in world.portal.checkpoints.queryable(cleo)}, "its purpose is still to be said"
    assert {one.id for one in world.portal.checkpoints.queryable(eve)} == {"ladder-s"}
    assert asked == [cleo.person_id, cleo.person_id, eve.person_id]


def test_what_could_not_be_served_is_not_registered(world: World, model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in model.iterdir():
        (broken / path.name).write_bytes(b"{}" if path.name == "tokenizer.json" else path.read_bytes())
    before = world.size
    with pytest.raises(Invalid) as refusal:
        world.portal.checkpoints.add(world.actor("ada"), broken, checkpoint_id="broken", family="ladder")
    assert refusal.value.code == "bad_tokenizer"
    with pytest.raises(Invalid):
        world.portal.checkpoints.add(world.actor("ada"), model, checkpoint_id="Not An Id", family="ladder")
    assert world.size == before


def test_a_portal_is_made_whole_or_not_at_all(tmp_path: Path) -> None:
    settings = load(tmp_path / "data", allow_unsafe_no_sandbox=True)

    def create(email: str) -> Portal:
        return Portal.create(
            settings,
            coordinator_name="Ada",
            coordinator_email=email,
            clock=HandClock(),
            pool_factory=lambda *_: StandInPool(),
        )[0]

    with pytest.raises(Invalid):
        create("no address")
    assert not settings.database_path.exists()
    with pytest.raises(NotFound) as refusal:
        Portal.open(settings)
    assert refusal.value.code == "no_portal"
    with create("ada@lab.example"), pytest.raises(Conflict) as exists:
        create("ada@lab.example")
    assert exists.value.code == "portal_exists"


def test_one_process_has_a_portal_once(world: World) -> None:
    with pytest.raises(Unavailable) as refusal:
        Portal.open(world.settings, pool_factory=lambda *_: StandInPool())
    assert refusal.value.code == "store_in_use"


def test_keys_that_others_could_read_stop_the_portal(world: World) -> None:
    world.portal.close()
    world.settings.keys_dir.chmod(0o755)
    with pytest.raises(Unavailable) as refusal:
        Portal.open(world.settings, pool_factory=lambda *_: StandInPool())
    assert refusal.value.code == "keys_exposed"


def test_a_key_file_that_is_damaged_is_named(world: World) -> None:
    world.portal.close()
    (world.settings.keys_dir / "token.pem").write_text("nothing")
    with pytest.raises(Unavailable) as refusal:
        Portal.open(world.settings, pool_factory=lambda *_: StandInPool())
    assert refusal.value.code == "key_unreadable"
    assert "token.pem" in refusal.value.message


@pytest.mark.parametrize("text", ["port = 0", "unknown = 1", "port = ", "\x00", 'token_hours = "many"'])
def test_a_setting_that_is_not_usable_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "concordat.toml").write_text(text)
    with pytest.raises(Invalid) as refusal:
        load(tmp_path)
    assert refusal.value.code == "bad_settings"
    assert "concordat.toml" in refusal.value.hint


def test_only_coordinators_verify_from_inside(shared: World) -> None:
    with pytest.raises(Forbidden):
        shared.portal.log.verify(shared.actor("ben"))
