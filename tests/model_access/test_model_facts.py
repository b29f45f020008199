"""What a checkpoint's files say of it, and that nothing but the registered ones is believed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agreements.errors import Unavailable
from model_access.manifest import build_manifest
from model_access.model_facts import MOST_TEXT_BYTES, facts_of, texts_beside


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def test_layers_heads_formats_and_tokenizer_are_read(folder: Path) -> None:
    manifest = build_manifest(folder)
    facts = facts_of(folder, manifest)
    config = json.loads((folder / "config.json").read_text())
    assert (facts.layers, facts.heads) == (config["n_layer"], config["n_head"])
    assert [one.name for one in facts.stored] == ["F32"]
    assert sum(one.numbers for one in facts.stored) == manifest.parameters
    assert (facts.tokenizer.kind, facts.tokenizer.special) == ("BPE", ("<|endoftext|>",))
    assert 256 < facts.tokenizer.entries <= 320
    assert not facts.chat


def test_a_chat_template_beside_the_tokenizer_is_told(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert facts_of(folder, build_manifest(folder)).chat


SPOILT: list[Callable[[Path], object]] = [
    lambda folder: (folder / "config.json").write_text('{"n_layer": 99}'),
    lambda folder: (folder / "config.json").unlink(),
    lambda folder: (folder / "tokenizer.json").write_text("[]"),
    lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 40),
    lambda folder: (folder / "chat_template.jinja").write_text("{{ messages }}"),
    shutil.rmtree,
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_files_that_are_not_the_registered_ones_say_nothing(folder: Path, spoil: Callable[[Path], object]) -> None:
    manifest = build_manifest(folder)
    spoil(folder)
    with pytest.raises(Unavailable) as refusal:
        facts_of(folder, manifest)
    assert refusal.value.code == "checkpoint_files_missing"


def test_a_short_text_beside_the_files_is_taken_and_nothing_else_is(tmp_path: Path) -> None:
    assert texts_beside(tmp_path) == (None, None)
    (tmp_path / "README.md").write_bytes(b"\xff\xfe")
    (tmp_path / "LICENSE").write_text("x" * (MOST_TEXT_BYTES + 1))
    assert texts_beside(tmp_path) == (None, None)
    (tmp_path / "README.md").unlink()
    (tmp_path / "README.md").symlink_to("/etc/hostname")
    assert texts_beside(tmp_path) == (None, None)
    (tmp_path / "README.txt").write_text(" Grüße \n")
    (tmp_path / "COPYING").write_text("MIT")
    assert texts_beside(tmp_path) == ("Grüße", "MIT")
