"""Backups: a portal's folder in one file, every part with its digest, restored only if all of it holds."""

import hashlib
import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from agreements.deciders import Value
from agreements.errors import Conflict, Invalid, NotFound, Unavailable, VerificationError
from agreements.log_head import NoteVerifier
from portal import config
from portal.composition import AGGREGATES, Portal, utc_now
from portal.keyring import Keyring
from portal.store import backup as copy_store
from portal.store.verify import verify_store

CONTENT_NAME = "backup.json"
MAX_CONTENT_BYTES = 16 * 2**20

Report = Callable[[float, str], None]
"""Hears the fraction done, 0 to 1, and what is being done."""


class Part(Value):
    """One file of a backup."""

    name: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Content(Value):
    """What a backup holds; the first file in it."""

    type: Literal["concordat-backup/v1"] = "concordat-backup/v1"
    made_at: datetime
    log_head: str
    """The log's signed head at that moment; a restored log must contain it."""
    log_vkey: str
    files: tuple[Part, ...]


def write_backup(portal: Portal, target: Path, *, with_checkpoints: bool) -> Content:
    """Back up an open portal, between two transactions, while it works on.

    Raises Conflict ``backup_exists`` rather than overwrite anything, Unavailable ``backup_failed``.
    """
    target = target.absolute()
    if target.exists():
        raise Conflict("backup_exists", f"There is something at {target} already.", hint="Choose another name.")
    settings = portal.settings
    part = target.with_name(f"{target.name}.part")
    with tempfile.TemporaryDirectory(dir=settings.data_dir) as folder:
        # The head first: the copy, made later, contains it whatever is written in between.
        head, vkey = portal.log.head(), portal.log.vkey
        database = copy_store(portal.store, Path(folder) / settings.database_path.name)
        files = [(database.name, database), *_beside(settings, with_checkpoints=with_checkpoints)]
        parts = tuple(Part(name=name, sha256=_digest(path)) for name, path in files)
        content = Content(made_at=utc_now(), log_head=head, log_vkey=vkey, files=parts)
        try:
            _write(part, content, files)
            part.replace(target)
        except OSError as error:
            raise Unavailable("backup_failed", f"The backup could not be written: {error.strerror}.") from None
        finally:
            part.unlink(missing_ok=True)
    return content


def read_backup(source: Path, data_dir: Path, *, report: Report) -> Content:
    """Restore into a folder that is empty or missing; it is put in place only after everything has been verified.

    Raises NotFound, Conflict ``folder_in_use``, Invalid ``not_a_backup``, VerificationError ``backup_damaged`` or
    ``store_tampered``.
    """
    data_dir = data_dir.absolute()
    if data_dir.exists() and (not data_dir.is_dir() or any(data_dir.iterdir())):
        raise Conflict("folder_in_use", f"{data_dir} is not empty.", hint="Restore into a new folder with --data.")
    if not source.exists():
        raise NotFound("no_such_file", f"There is no file {source}.", hint="Check the path.")
    unfinished = data_dir.with_name(f".{data_dir.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(mode=0o700, parents=True)
        content = _extract(source, unfinished, report)
        _verify(unfinished, content)
        if data_dir.exists():
            data_dir.rmdir()
        unfinished.replace(data_dir)
    except (tarfile.TarError, EOFError):
        raise _not_a_backup() from None
    except OSError as error:
        raise Unavailable("restore_failed", f"The backup could not be restored: {error.strerror}.") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return content


def _beside(settings: config.Settings, *, with_checkpoints: bool) -> Iterator[tuple[str, Path]]:
    file = settings.data_dir / config.FILE_NAME
    if file.exists():
        yield file.name, file
    folders = [settings.keys_dir, *([settings.checkpoints_dir] if with_checkpoints else [])]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(settings.data_dir).as_posix(), path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(target: Path, content: Content, files: list[tuple[str, Path]]) -> None:
    described = content.model_dump_json(indent=2).encode()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w") as archive:
        first = tarfile.TarInfo(CONTENT_NAME)
        first.size, first.mode = len(described), 0o600
        archive.addfile(first, io.BytesIO(described))
        for name, path in files:
            archive.add(path, arcname=name, recursive=False)
        raw.flush()
        os.fsync(raw.fileno())


def _extract(source: Path, target: Path, report: Report) -> Content:
    """Only files that the content lists are taken, each under a name that stays within ``target``."""
    with tarfile.open(source, mode="r:") as archive:
        content = _content(archive)
        for number, part in enumerate(content.files):
            report(number / len(content.files), part.name)
            name = PurePosixPath(part.name)
            if name.is_absolute() or ".." in name.parts or not name.parts:
                raise _not_a_backup()
            path = target / name
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with path.open("wb") as file:
                path.chmod(0o600)
                shutil.copyfileobj(_open(archive, part.name), file, 1 << 20)
            if _digest(path) != part.sha256:
                raise VerificationError("backup_damaged", f"{part.name} in the backup is not what was backed up.")
    report(1.0, "verifying")
    return content


def _content(archive: tarfile.TarFile) -> Content:
    try:
        return Content.model_validate_json(_open(archive, CONTENT_NAME).read(MAX_CONTENT_BYTES))
    except ValidationError:
        raise _not_a_backup() from None


def _open(archive: tarfile.TarFile, name: str) -> "tarfile.ExFileObject | io.BufferedReader":
    try:
        file = archive.extractfile(name)
    except KeyError:
        raise _not_a_backup() from None
    if file is None:
        raise _not_a_backup()
    return file  # type: ignore[return-value]  # typeshed knows it as IO[bytes]


def _verify(folder: Path, content: Content) -> None:
    settings = config.load(folder)
    if not (settings.keys_dir / "log.pem").exists():
        raise _not_a_backup()
    vkey = NoteVerifier(settings.issuer, Keyring(settings.keys_dir).own("log").public).vkey
    verify_store(settings.database_path, vkey, aggregates=AGGREGATES, known_heads=(content.log_head,)).require()


def _not_a_backup() -> Invalid:
    return Invalid(
        "not_a_backup",
        "The file is no backup of a portal, or not whole.",
        hint="Give a file that 'concordat backup' wrote.",
    )
