"""A tokenizer without its model: whole for ``transformers``, bare of everything else."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from agreements.errors import Unavailable, VerificationError
from model_access.ladder import Ladder
from model_access.manifest import build_manifest
from model_access.tokenizer_files import tokenizer_archive

SAYING = "def naïve(self): return 'a  b'\n"


@pytest.fixture
def folder(ladder: Ladder, tmp_path: Path) -> Path:
    """A copy of the smallest checkpoint."""
    return Path(shutil.copytree(ladder.rungs[0].folder, tmp_path / "checkpoint"))


def unpacked(content: bytes, into: Path) -> list[str]:
    """The names in the archive, unpacked."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(into)
        return archive.namelist()


@pytest.mark.parametrize("says_its_class", [True, False])
def test_it_cuts_text_as_the_checkpoint_does(folder: Path, tmp_path: Path, says_its_class: bool) -> None:
    described = folder / "tokenizer_config.json"
    if not says_its_class:
        described.chmod(0o600)
        described.write_text(json.dumps({"model_max_length": 256}))
    content = tokenizer_archive(folder, build_manifest(folder))
    assert content == tokenizer_archive(folder, build_manifest(folder))
    names = unpacked(content, tmp_path / "out")
    assert ("config.json" in names) is not says_its_class
    assert not [name for name in names if "safetensors" in name]
    if not says_its_class:
        assert json.loads((tmp_path / "out" / "config.json").read_text()) == {"model_type": "gpt2"}
    own, given = (AutoTokenizer.from_pretrained(str(one)) for one in (folder, tmp_path / "out"))
    assert given(SAYING).input_ids == own(SAYING).input_ids
    assert given.decode(given(SAYING).input_ids) == SAYING


def test_files_that_are_not_those_registered_are_not_given(folder: Path) -> None:
    manifest, file = build_manifest(folder), folder / "tokenizer.json"
    file.chmod(0o600)
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(VerificationError) as refused:
        tokenizer_archive(folder, manifest)
    assert refused.value.code == "checkpoint_changed"
    file.unlink()
    with pytest.raises(Unavailable) as gone:
        tokenizer_archive(folder, manifest)
    assert gone.value.code == "unreadable_checkpoint"
    assert str(folder) not in gone.value.message
