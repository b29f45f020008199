"""``concordat workers`` and the halt of a checkpoint, on a portal that is not running."""

from pathlib import Path

import pytest

from agreements.actors import Channel
from model_access.registry import RegisterCheckpoint
from portal import config
from portal.composition import Portal
from portal.services.aggregates import CHECKPOINTS
from tests.model_access.conftest import save_tokenizer
from tests.model_access.worker.queue_stand import quick_manifest
from tests.portal.cli.cli_stand import Say


@pytest.fixture(scope="module")
def checkpoint(home: Path) -> str:
    """A registered checkpoint that nobody loads."""
    manifest = quick_manifest()
    with Portal.open(config.load(home)) as portal:
        people = portal.store.query("SELECT person_id FROM person WHERE coordinator")
        mara = portal.people.get(people[0]["person_id"]).actor(Channel.CLI)
        folder = portal.settings.checkpoints_dir / manifest.digest.removeprefix("sha256:")
        folder.mkdir(parents=True)
        save_tokenizer(folder)
        command = RegisterCheckpoint(checkpoint_id="idle", family="idle", manifest=manifest)
        portal.kernel.execute(CHECKPOINTS, "idle", command, mara)
    return "idle"


def test_workers_are_listed_and_ended(say: Say, checkpoint: str) -> None:
    listed = say("workers")
    assert listed.status == 0, listed.err
    assert checkpoint in listed.out
    assert "cold" in listed.out
    assert say("workers", "queue", "--json").answer["items"] == []
    assert "Nothing is under way" in say("workers", "evict", checkpoint, "--preview").out
    assert say("workers", "evict", checkpoint, "--yes").status == 0


def test_a_halt_asks_first_and_is_lifted(say: Say, checkpoint: str) -> None:
    refused = say("checkpoint", "halt", checkpoint, "--reason", "A leak is being looked into.", typed="n\n")
    assert refused.status == 1
    assert "not_confirmed" in refused.err
    halted = say("checkpoint", "halt", checkpoint, "--reason", "A leak is being looked into.", "--yes")
    assert halted.status == 0, halted.err
    assert "is halted" in halted.out
    assert "halted" in say("workers").out
    assert say("checkpoint", "lift", checkpoint, "--reason", "It was nothing.").status == 0


def test_a_weight_is_set(say: Say) -> None:
    assert say("workers", "weight", "lab", "2", "--reason", "They carry the evaluation.").status == 0
    assert say("workers", "weight", "lab", "0", "--reason", "None at all.").status == 1
