"""Access explained on the command line."""

from pathlib import Path

from agreements.actors import Channel
from model_access.manifest import FileEntry, Manifest
from model_access.registry import RegisterCheckpoint
from portal.composition import Portal
from portal.config import load
from portal.services.aggregates import CHECKPOINTS
from tests.portal.cli.cli_stand import Say
from tests.portal.cli.test_cli_grants import in_force

MODEL = "ladder-why"


def registered(home: Path) -> None:
    """A withheld checkpoint without files."""
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
    with Portal.open(load(home)) as portal:
        (row, *_) = portal.store.query("SELECT person_id FROM person WHERE name = 'Mara Lindqvist'")
        mara = portal.people.get(row["person_id"]).actor(Channel.CLI)
        command = RegisterCheckpoint(checkpoint_id=MODEL, family="ladder", manifest=manifest)
        portal.kernel.execute(CHECKPOINTS, MODEL, command, mara)


def test_an_explanation_is_a_tree_of_conditions_for_people_and_json_for_scripts(say: Say, home: Path) -> None:
    registered(home)
    said = say(
        "institution", "add", "why-partner", "--name", "Why University", "--email", "office@why.example",
        "--constituency", "academia",
    )  # fmt: skip
    assert said.status == 0, said.err
    agreement, lead = in_force(home, "why-partner")
    said = say("grant", "issue", "--agreement", agreement.id, "--label", "A study", "--json")
    assert said.status == 0, said.err
    mine = say("access", "explain", MODEL)
    assert mine.status == 0, mine.err
    assert "You may use generate on ladder-why for internal-evaluation, for the lab." in mine.out
    theirs = say("access", "explain", MODEL, "--person", lead, "--operation", "generate")
    assert theirs.status == 0, theirs.err
    assert "✗ Lena Lead may not use generate on ladder-why." in theirs.out
    assert "more conditions were not asked" in theirs.out
    assert "What would change this" in theirs.out
    invented = say("access", "explain", MODEL, "--role", "partner_member", "--institution", "why-partner", "--json")
    told = invented.answer
    assert told["who"]["kind"] == "invented"
    assert told["explanation"]["grants"][0]["grant_id"] == said.answer["id"]
    later = say("access", "explain", MODEL, "--at", "2001-01-01T09:00Z")
    assert later.status == 1
    assert "time_past" in later.err


def test_a_checkpoint_that_is_not_there_is_refused(say: Say) -> None:
    refused = say("access", "explain", "no-such")
    assert (refused.status, "checkpoint_not_found" in refused.err) == (1, True)
