import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HFValidationError

from agreements.errors import Invalid, NotFound, Unavailable
from model_access.importing import import_checkpoint
from model_access.manifest import build_manifest


@pytest.fixture
def source(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "source"))


def test_a_folder_is_copied_under_its_digest_and_read_only(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest, folder = import_checkpoint(
        source, tmp_path / "store", progress=lambda done, total: seen.append((done, total))
    )
    assert manifest == build_manifest(source) == build_manifest(folder)
    assert folder.name == manifest.digest.removeprefix("sha256:")
    assert all(path.stat().st_mode & 0o222 == 0 for path in folder.iterdir())
    assert seen[-1] == (sum(entry.size for entry in manifest.files),) * 2
    assert sorted(seen) == seen


def test_importing_again_keeps_what_is_there(source: Path, tmp_path: Path) -> None:
    first = import_checkpoint(source, tmp_path / "store")
    assert import_checkpoint(str(source), tmp_path / "store") == first
    assert [path.name for path in (tmp_path / "store").iterdir()] == [first[1].name]


def test_what_is_no_part_of_a_checkpoint_stays_behind(source: Path, tmp_path: Path) -> None:
    (source / "README.md").write_text("hello")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "modeling.py").write_text("raise SystemExit")
    manifest, folder = import_checkpoint(source, tmp_path / "store")
    assert {path.name for path in folder.iterdir()} == {entry.name for entry in manifest.files}
    assert not {"README.md", "pytorch_model.bin", "modeling.py"} & {path.name for path in folder.iterdir()}


def test_a_checkpoint_with_pickled_weights_only_is_refused(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    with pytest.raises(Invalid) as refusal:
        import_checkpoint(source, tmp_path / "store")
    assert refusal.value.code == "pickle_refused"
    assert list((tmp_path / "store").iterdir()) == []


def test_links_are_refused(source: Path, tmp_path: Path) -> None:
    weights = (source / "model.safetensors").rename(tmp_path / "elsewhere")
    (source / "model.safetensors").symlink_to(weights)
    with pytest.raises(Invalid) as refusal:
        import_checkpoint(source, tmp_path / "store")
    assert refusal.value.code == "symlink_refused"


def test_a_hub_id_is_downloaded_without_pickles(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(repo_id: str, *, revision: str | None, local_dir: Path, allow_patterns: list[str]) -> str:
        asked.update(repo_id=repo_id, revision=revision, patterns=allow_patterns)
        shutil.copytree(source, local_dir)
        (local_dir / ".cache").mkdir()
        return str(local_dir)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    manifest, _ = import_checkpoint("some/model", tmp_path / "store", revision="main")
    assert manifest == build_manifest(source)
    assert (asked["repo_id"], asked["revision"]) == ("some/model", "main")
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in asked["patterns"])


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (HFValidationError("no"), NotFound, "no_such_checkpoint"),
        (ConnectionError("no"), Unavailable, "hub_unreachable"),
    ],
)
def test_a_hub_that_fails_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception, kind: type[NotFound | Unavailable], code: str
) -> None:
    def snapshot_download(*_: object, **__: object) -> str:
        raise raised

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    with pytest.raises(kind) as refusal:
        import_checkpoint("some/model", tmp_path / "store")
    assert refusal.value.code == code
