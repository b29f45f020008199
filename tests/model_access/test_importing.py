import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import HFValidationError

from agreements.errors import Invalid, NotFound, Unavailable
from model_access.importing import import_checkpoint
from model_access.manifest import build_manifest
from model_access.model_facts import MOST_TEXT_BYTES
from tests.model_access.hub_stand import Hub, hub_of

_FILES = "{repo_id}/resolve/{revision}/{filename}"


@pytest.fixture
def source(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "source"))


def test_a_folder_is_copied_under_its_digest_and_read_only(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    manifest, folder, *_ = import_checkpoint(
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
    assert [path.name for path in (tmp_path / "store").iterdir()] == [first.folder.name]


def test_what_is_no_part_of_a_checkpoint_stays_behind(source: Path, tmp_path: Path) -> None:
    (source / "README.md").write_text("hello")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "modeling.py").write_text("raise SystemExit")
    manifest, folder, readme, licence = import_checkpoint(source, tmp_path / "store")
    assert (readme, licence) == ("hello", None)
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


@pytest.fixture
def hub(source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine that has ``some/model``: the folder, with what its makers put beside it."""
    (source / "README.md").write_text("# Ours\n\n<script>alert(1)</script>")
    (source / "LICENSE").write_text("MIT")
    (source / "pytorch_model.bin").write_bytes(b"pickle")
    (source / "modeling.py").write_text("raise SystemExit")
    with hub_of("some/model", source) as there:
        # What HF_ENDPOINT sets, had it been set before the client was imported.
        monkeypatch.setattr(constants, "ENDPOINT", there.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{there.address}/{_FILES}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield there


def test_a_hub_id_is_downloaded_with_its_read_me_and_without_what_could_run(hub: Hub, tmp_path: Path) -> None:
    imported = import_checkpoint("some/model", tmp_path / "store", revision="main")
    assert imported.manifest == build_manifest(imported.folder)
    assert (imported.readme, imported.licence_text) == ("# Ours\n\n<script>alert(1)</script>", "MIT")
    assert {path.name for path in imported.folder.iterdir()} == {one.name for one in imported.manifest.files}
    assert {"model.safetensors", "README.md", "LICENSE"} <= hub.fetched
    assert not {"pytorch_model.bin", "modeling.py"} & hub.fetched


def test_a_read_me_that_is_too_long_is_left_out(hub: Hub, source: Path, tmp_path: Path) -> None:
    (source / "README.md").write_text("x" * (MOST_TEXT_BYTES + 1))
    assert import_checkpoint("some/model", tmp_path / "store").readme is None


def test_what_the_hub_does_not_have_is_not_found(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refusal:
        import_checkpoint("some/other", tmp_path / "store")
    assert refusal.value.code == "no_such_checkpoint"


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
