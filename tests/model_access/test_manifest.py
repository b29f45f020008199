import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from agreements.errors import ConcordatError, Invalid, NotFound, VerificationError
from model_access.manifest import Manifest, build_manifest, verify_folder
from tests.model_access.conftest import make_checkpoint


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


def test_describes_the_architecture_and_every_file(folder: Path) -> None:
    manifest = build_manifest(folder)
    assert manifest.architecture == "GPT2LMHeadModel"
    assert (manifest.context_length, manifest.vocabulary_size, manifest.hidden_size) == (96, 320, 32)
    assert [entry.name for entry in manifest.files] == sorted(path.name for path in folder.iterdir())
    assert manifest.weight_bytes == (folder / "model.safetensors").stat().st_size
    assert manifest.parameters * 4 < manifest.weight_bytes < manifest.parameters * 4 + 10_000


def test_digest_names_the_content_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert build_manifest(elsewhere).digest == build_manifest(folder).digest
    (elsewhere / "generation_config.json").write_text("{}")
    assert build_manifest(elsewhere).digest != build_manifest(folder).digest


def test_manifest_cannot_be_changed(folder: Path) -> None:
    manifest = build_manifest(folder)
    with pytest.raises(ValidationError):
        manifest.parameters = 1  # type: ignore[misc]  # the assignment is the attempt


def _edit_config(**changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config.update(changes)
        (folder / "config.json").write_text(json.dumps(config))

    return edit


def _link(folder: Path) -> None:
    (folder / "merges.txt").symlink_to("/etc/hostname")


REFUSED: list[tuple[str, str, Callable[[Path], object]]] = [
    ("pickled weights", "pickle_refused", lambda folder: (folder / "pytorch_model.bin").write_bytes(b"")),
    ("pickled optimiser", "pickle_refused", lambda folder: (folder / "optimizer.PT").write_bytes(b"")),
    ("python beside it", "remote_code_refused", lambda folder: (folder / "modeling_x.py").write_text("")),
    ("remote code", "remote_code_refused", _edit_config(auto_map={"AutoModel": "x.Y"})),
    ("symbolic link", "symlink_refused", _link),
    ("unknown file", "unexpected_file", lambda folder: (folder / "notes.docx").write_bytes(b"")),
    ("folder inside", "unexpected_file", lambda folder: (folder / "deeper").mkdir()),
    ("odd weight name", "unexpected_file", lambda folder: (folder / "a b.safetensors").write_bytes(b"")),
    ("no config", "missing_file", lambda folder: (folder / "config.json").unlink()),
    ("no tokenizer", "missing_file", lambda folder: (folder / "tokenizer.json").unlink()),
    ("no weights", "missing_file", lambda folder: (folder / "model.safetensors").unlink()),
    ("config is no JSON", "bad_config", lambda folder: (folder / "config.json").write_bytes(b"\xff{")),
    ("config is a list", "bad_config", lambda folder: (folder / "config.json").write_text("[]")),
    ("two architectures", "bad_config", _edit_config(architectures=["A", "B"])),
    ("architecture is code", "bad_config", _edit_config(architectures=["__import__('os')"])),
    ("no context length", "bad_config", _edit_config(n_positions=None)),
    ("negative vocabulary", "bad_config", _edit_config(vocab_size=-1)),
    ("cut weights", "bad_safetensors", lambda folder: _cut(folder / "model.safetensors")),
    (
        "promised shard",
        "missing_tensor",
        lambda folder: (folder / "model.safetensors.index.json").write_text('{"weight_map": {"absent": "b"}}'),
    ),
    ("same tensors twice", "bad_safetensors", lambda f: shutil.copy(f / "model.safetensors", f / "more.safetensors")),
]


@pytest.mark.parametrize("name", ["transformer.h.1.mlp.c_fc.bias", "transformer.wpe.weight", "transformer.ln_f.weight"])
def test_weights_of_the_gpt2_family_have_to_be_whole(folder: Path, name: str) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    whole = tensors.pop(name)
    save_file(tensors, path)
    with pytest.raises(Invalid) as refusal:
        build_manifest(folder)
    assert (refusal.value.code, name in refusal.value.message) == ("missing_tensor", True)
    save_file({**tensors, name: whole[:-1].copy()}, path)
    with pytest.raises(Invalid) as refusal:
        build_manifest(folder)
    assert (refusal.value.code, "has the shape" in refusal.value.message) == ("missing_tensor", True)


def test_more_layers_than_there_are_is_a_missing_tensor(folder: Path) -> None:
    _edit_config(n_layer=10**9)(folder)
    with pytest.raises(Invalid) as refusal:
        build_manifest(folder)
    assert refusal.value.code == "missing_tensor"


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_a_worker_loads_no_weights_that_are_not_whole(tmp_path: Path, architecture: str) -> None:
    """What was registered without being looked through so far, as other architectures are."""
    from model_access.engine.loading import load

    path = make_checkpoint(tmp_path, architecture) / "model.safetensors"
    tensors = load_file(path)
    tensors.pop(max(name for name in tensors if "1" in name))
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(Invalid) as refusal:
        load(tmp_path)
    assert refusal.value.code == "missing_tensor"


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(("code", "spoil"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refuses(folder: Path, code: str, spoil: Callable[[Path], object]) -> None:
    spoil(folder)
    with pytest.raises(Invalid) as refusal:
        build_manifest(folder)
    assert refusal.value.code == code


def test_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refusal:
        build_manifest(tmp_path / "nowhere")
    assert refusal.value.code == "no_such_folder"


def test_verify_accepts_what_was_registered(folder: Path) -> None:
    verify_folder(folder, build_manifest(folder))


CHANGES: list[tuple[str, Callable[[Path], object]]] = [
    ("tokenizer.json", lambda folder: (folder / "tokenizer.json").unlink()),
    ("config.json", lambda folder: (folder / "config.json").write_text("{}")),
    ("added.safetensors", lambda folder: (folder / "added.safetensors").write_bytes(b"")),
    ("model.safetensors", lambda folder: _flip(folder / "model.safetensors")),
    ("config.json", lambda folder: _replace_by_link(folder / "config.json")),
]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def _replace_by_link(path: Path) -> None:
    kept = path.rename(path.parent.parent / "kept.json")
    path.symlink_to(kept)


@pytest.mark.parametrize(("name", "change"), CHANGES)
def test_verify_names_the_file_that_changed(folder: Path, name: str, change: Callable[[Path], object]) -> None:
    manifest = build_manifest(folder)
    change(folder)
    with pytest.raises(VerificationError) as refusal:
        verify_folder(folder, manifest)
    assert refusal.value.code == "checkpoint_changed"
    assert name in refusal.value.message


def test_manifest_refuses_names_that_leave_the_folder() -> None:
    with pytest.raises(ValidationError):
        Manifest.model_validate(
            {
                "architecture": "A",
                "parameters": 1,
                "context_length": 1,
                "vocabulary_size": 1,
                "hidden_size": 1,
                "files": [{"name": "../x", "size": 0, "sha256": "0" * 64}] * 3,
            }
        )


def test_an_unreadable_folder_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ConcordatError):
        build_manifest(tmp_path)
