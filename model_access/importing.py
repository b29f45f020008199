"""Bringing a checkpoint into the portal's own store: copied, described, and from then on read-only."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from agreements.errors import Invalid, NotFound, Unavailable
from model_access.manifest import ALLOWED_JSON, ALLOWED_TEXT, Manifest, build_manifest, is_admissible, verify_folder
from model_access.model_facts import LICENCE_NAMES, README_NAMES, texts_beside

Progress = Callable[[int, int], None]
"""Bytes copied so far, and in all."""

_CHUNK_BYTES = 4 << 20
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")


class Imported(NamedTuple):
    """A checkpoint in the store, and what its makers say of it."""

    manifest: Manifest
    folder: Path
    readme: str | None
    """The read-me that lay beside the files; it is no part of them, and stays out of the store."""
    licence_text: str | None


def import_checkpoint(
    source: str | Path, store_dir: Path, *, revision: str | None = None, progress: Progress | None = None
) -> Imported:
    """Copy the checkpoint at ``source``, a local folder or a hub id such as ``openai-community/gpt2``, into the store.

    It ends up in ``store_dir/<hex of its manifest digest>``, whole or not at all; one that is there already is checked
    and kept. Raises what ``build_manifest`` raises; NotFound ``no_such_checkpoint``; Unavailable ``hub_unreachable`` or
    ``store_full``.
    """
    try:
        store_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".import-", dir=store_dir) as scratch:
            folder = Path(source)
            if not folder.is_dir():
                folder = _download(str(source), revision, Path(scratch) / "download")
            partial = Path(scratch) / "checkpoint"
            _copy(folder, partial, progress or (lambda _done, _all: None))
            manifest = build_manifest(partial)
            return Imported(manifest, _place(partial, manifest, store_dir), *texts_beside(folder))
    except OSError as error:
        raise Unavailable("store_full", f"The checkpoint cannot be stored ({error.strerror}).") from None


def _place(partial: Path, manifest: Manifest, store_dir: Path) -> Path:
    final = store_dir / manifest.digest.removeprefix("sha256:")
    if final.is_dir():
        verify_folder(final, manifest)
        return final
    for path in partial.iterdir():
        path.chmod(0o444)
    partial.replace(final)
    return final


def _copy(folder: Path, target: Path, progress: Progress) -> None:
    """Copy what belongs to a checkpoint and leave the rest (a read-me, other formats) behind."""
    chosen = sorted(path for path in folder.iterdir() if is_admissible(path.name))
    links = [path.name for path in chosen if path.is_symlink()]
    if links:
        raise Invalid("symlink_refused", f"{links[0]} is a symbolic link.", hint="Copy the files themselves.")
    if not any(path.suffix == ".safetensors" for path in chosen):
        pickles = [path.name for pattern in _PICKLES for path in folder.glob(pattern)]
        if pickles:
            raise Invalid(
                "pickle_refused",
                f"The only weights are in {pickles[0]}, a format that can run code when it is loaded.",
                hint="Convert them to safetensors first.",
            )
    target.mkdir()
    total, done = sum(path.stat().st_size for path in chosen), 0
    for path in chosen:
        with path.open("rb") as reading, (target / path.name).open("wb") as writing:
            while chunk := reading.read(_CHUNK_BYTES):
                writing.write(chunk)
                done += len(chunk)
                progress(done, total)


def _download(hub_id: str, revision: str | None, target: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        snapshot_download(
            hub_id,
            revision=revision,
            local_dir=target,
            allow_patterns=[
                *sorted(ALLOWED_JSON | ALLOWED_TEXT),
                "*.safetensors",
                *README_NAMES,
                *LICENCE_NAMES,
            ],
        )
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError):
        raise NotFound(
            "no_such_checkpoint",
            f"{hub_id!r} is neither a folder here nor a checkpoint on the hub.",
            hint="Give a folder with config.json in it, or a hub id such as openai-community/gpt2.",
        ) from None
    except Exception as error:  # noqa: BLE001 - network libraries raise many kinds
        raise Unavailable(
            "hub_unreachable",
            f"The hub could not be reached ({type(error).__name__}).",
            hint="Check the network, or add the checkpoint from a local folder.",
        ) from None
    shutil.rmtree(target / ".cache", ignore_errors=True)
    return target
