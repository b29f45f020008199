"""Files: uploaded for batches, sealed, fetched by their owner, and destroyed when their time has come."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from agreements.actors import Actor
from agreements.canonical import sha256_hex
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, Limited, NotFound, TooLarge, Unavailable
from agreements.ids import new_id
from model_access.stored_files import (
    DestroyFile,
    FilePurpose,
    NoteFetched,
    SetClock,
    StoredFile,
    StoreFile,
)
from portal.config import Settings
from portal.inputs import clean
from portal.services.aggregates import stamp
from portal.services.batch_rows import STORED_FILES
from portal.services.kernel import Kernel, Step
from portal.services.sealed_files import SealedFiles

logger = logging.getLogger(__name__)

FILE_CLOCK = Actor.automatic("file-clock")
"""The named rule that destroys what is not to be kept any longer."""

MOST_FILES: Final = 200
"""Files that are kept for one person at a time."""

AFTER_FETCHING: Final = timedelta(hours=1)
"""How long a file that is kept until it was fetched stays, so that a download can be repeated."""

_OPEN_BATCHES = "('validating', 'in_progress', 'finalizing', 'cancelling')"


class Retention(Value):
    """How long files are kept."""

    days: int | None
    """None is until they were fetched, and for a bound at most."""
    because: str

    def until(self, now: datetime, unfetched_hours: int) -> datetime:
        """When a file that is stored now is destroyed."""
        return now + (timedelta(hours=unfetched_hours) if self.days is None else timedelta(days=self.days))


class FileService:
    """The one path by which files come, go, and are read."""

    def __init__(self, kernel: Kernel, sealed: SealedFiles, settings: Settings) -> None:
        self._kernel = kernel
        self._sealed = sealed
        self._settings = settings

    @property
    def largest(self) -> int:
        """How many bytes an upload may have."""
        return self._settings.batch_file_bytes

    def upload(
        self,
        actor: Actor,
        *,
        filename: str,
        content: bytes,
        purpose: str = FilePurpose.BATCH.value,
        expires_after_s: int | None = None,
    ) -> StoredFile:
        """Keep an input file, sealed. Its lines are checked with the batch that it is for.

        Raises Invalid ``unsupported_purpose``, ``empty_file`` or ``bad_input``, TooLarge ``file_too_large``, Limited
        ``too_many_files``, Unavailable where it cannot be written.
        """
        if purpose != FilePurpose.BATCH.value:
            raise Invalid(
                "unsupported_purpose", "Files are taken for batches only.", hint="Use 'batch'.", param="purpose"
            )
        if not content:
            raise Invalid("empty_file", "The file is empty.", hint="Write one request on each line.", param="file")
        if len(content) > self.largest:
            raise TooLarge(
                "file_too_large",
                f"The file has {len(content):,} bytes; {self.largest:,} are allowed.",
                hint="Split it into several batches.",
                param="file",
            )
        name = str(clean({"filename": filename.rpartition("/")[2]}, lines=["filename"])["filename"])[:160] or "batch"
        self._refuse_more_than_there_may_be(actor)
        now = self._kernel.clock()
        until = now + timedelta(hours=self._settings.batch_unfetched_hours)
        if expires_after_s is not None:
            until = min(until, now + timedelta(seconds=max(expires_after_s, 1)))
        file_id = new_id("file")
        self._sealed.put(file_id, content)
        command = StoreFile(
            file_id=file_id,
            owner_id=actor.person_id,
            institution_id=next(iter(actor.institution_ids), None),
            grant_id=actor.grant_id,
            purpose=FilePurpose.BATCH,
            filename=name,
            size=len(content),
            digest=f"sha256:{sha256_hex(content)}",
            keep_until=until,
            until_fetched=True,
        )
        try:
            return self._kernel.execute(STORED_FILES, file_id, command, actor, fresh=True)
        except BaseException:
            self._sealed.destroy(file_id)
            raise

    def get(self, actor: Actor, file_id: str) -> StoredFile:
        """One file, for its owner. Raises NotFound for everybody else too."""
        missing = NotFound("file_not_found", f"There is no file {file_id!r} of yours.")
        try:
            state = self._kernel.state(STORED_FILES, file_id)
        except NotFound:
            raise missing from None
        if not _may_read(actor, state):
            raise missing
        return state

    def list(
        self,
        actor: Actor,
        *,
        purpose: str | None = None,
        limit: int = 100,
        after: str | None = None,
        oldest: bool = False,
    ) -> tuple[StoredFile, ...]:
        """The actor's files whose contents are there, the newest first. Raises NotFound for an unknown ``after``."""
        rows = self._kernel.store.query(
            "SELECT file_id FROM stored_file WHERE person_id = ? AND destroyed_at = '' "
            "AND (?::VARCHAR IS NULL OR purpose = ?) ORDER BY stored_at DESC, file_id DESC",
            [actor.person_id, purpose, purpose],
        )
        ids = [row["file_id"] for row in rows]
        if oldest:
            ids.reverse()
        if after is not None:
            if after not in ids:
                raise NotFound("file_not_found", f"There is no file {after!r} of yours.", param="after")
            ids = ids[ids.index(after) + 1 :]
        states = (self._kernel.state(STORED_FILES, file_id) for file_id in ids)
        return tuple(state for state in states if _may_read(actor, state))[:limit]

    def content(self, actor: Actor, file_id: str, *, fetched: bool = True) -> bytes:
        """What a file holds, for its owner alone. Fetching starts the clock of what is kept until it was fetched.

        What is read to replay a line is not ``fetched`` by it.

        Raises NotFound, Conflict ``file_destroyed``, Unavailable where it cannot be read.
        """
        state = self.get(actor, file_id)
        if not state.kept or state.due_on(self._kernel.clock()):
            why = state.destroyed_because or "its time was over"
            raise Conflict("file_destroyed", f"The contents of the file are gone: {why}.", hint="Run the batch again.")
        found = self._sealed.read(file_id)
        if fetched and state.purpose is FilePurpose.BATCH_OUTPUT and state.fetched_at is None:
            self._fetched(actor, state)
        return found

    def delete(self, actor: Actor, file_id: str) -> StoredFile:
        """Destroy a file before its time. Raises NotFound, Conflict ``file_in_use`` or ``file_destroyed``."""
        state = self.get(actor, file_id)
        if not state.kept:
            raise Conflict("file_destroyed", "The contents of the file are gone already.")
        if self._in_use(file_id):
            raise Conflict(
                "file_in_use", "A batch that is not over needs the file.", hint="Cancel the batch, or wait for it."
            )
        return self._destroy(state, "its owner deleted it", actor)

    def state(self, file_id: str) -> StoredFile:
        """A file, whoever asks: for other services. Raises NotFound."""
        return self._kernel.state(STORED_FILES, file_id)

    def for_batch(self, file_id: str) -> bytes:
        """What a batch's input holds: for the runner. Raises NotFound ``file_not_there`` or Unavailable."""
        return self._sealed.read(file_id)

    def storing(self, command: StoreFile, content: bytes) -> Step:
        """Seal an output, and the step that records it. Raises Unavailable where it cannot be written."""
        self._sealed.put(command.file_id, content)
        return Step(STORED_FILES, command.file_id, command, fresh=True)

    def keeping(self, file_id: str, retention: Retention) -> Sequence[Step]:
        """The step that sets an input's clock anew; none for one that is gone."""
        state = self._kernel.state(STORED_FILES, file_id)
        if not state.kept:
            return ()
        until = retention.until(self._kernel.clock(), self._settings.batch_unfetched_hours)
        return [Step(STORED_FILES, file_id, SetClock(keep_until=until, until_fetched=retention.days is None))]

    def sweep(self) -> int:
        """Destroy what is not to be kept any longer, and record it; returns how many files. Inputs in use stay."""
        now = self._kernel.clock()
        rows = self._kernel.store.query(
            f"""
            SELECT file_id FROM stored_file WHERE destroyed_at = '' AND keep_until <= ?
                AND file_id NOT IN (SELECT input_file_id FROM batch WHERE status IN {_OPEN_BATCHES})
            ORDER BY file_id
            """,  # noqa: S608 - only the constant above is spliced in
            [stamp(now)],
        )
        done = 0
        for row in rows:
            state = self._kernel.state(STORED_FILES, row["file_id"])
            why = "it was fetched" if state.until_fetched and state.fetched_at else "its time was over"
            try:
                self._destroy(state, why, FILE_CLOCK)
                done += 1
            except ConcordatError as refusal:
                logger.warning("file %s could not be destroyed: %s", state.id, refusal)
        return done

    def clear_strays(self, needed: Sequence[str] = ()) -> None:
        """Remove what no record knows: what a crash left. ``needed`` are the spools of batches that are not over."""
        known = {
            row["file_id"]
            for row in self._kernel.store.query("SELECT file_id FROM stored_file WHERE destroyed_at = ''")
        }
        for name in self._sealed.ids() - known - set(needed):
            try:
                self._sealed.destroy(name)
            except Unavailable as refusal:
                logger.warning("%s in the folder of files could not be removed: %s", name, refusal)

    def _destroy(self, state: StoredFile, because: str, actor: Actor) -> StoredFile:
        # Gone first and recorded after: after a crash in between, the next sweep records it.
        self._sealed.destroy(state.id)
        return self._kernel.execute(STORED_FILES, state.id, DestroyFile(because=because), actor)

    def _fetched(self, actor: Actor, state: StoredFile) -> None:
        """Note it, and once its owner has all of a batch's output, let the input go with it."""
        until = self._kernel.clock() + AFTER_FETCHING
        steps = [Step(STORED_FILES, state.id, NoteFetched(keep_until=until))]
        rows = self._kernel.store.query(
            "SELECT input_file_id, output_file_id, error_file_id FROM batch "
            "WHERE output_file_id = ? OR error_file_id = ?",
            [state.id, state.id],
        )
        for row in rows:
            outputs = {row["output_file_id"], row["error_file_id"]} - {None, state.id}
            source = self._kernel.state(STORED_FILES, row["input_file_id"])
            others = (self._kernel.state(STORED_FILES, one) for one in outputs)
            if source.kept and source.until_fetched and all(one.fetched_at or not one.kept for one in others):
                sooner = min(until, source.keep_until or until)
                steps.append(Step(STORED_FILES, source.id, SetClock(keep_until=sooner, until_fetched=True)))
        self._kernel.execute_all(steps, actor)

    def _in_use(self, file_id: str) -> bool:
        rows = self._kernel.store.query(
            f"SELECT 1 FROM batch WHERE input_file_id = ? AND status IN {_OPEN_BATCHES} LIMIT 1",  # noqa: S608 - above
            [file_id],
        )
        return bool(rows)

    def _refuse_more_than_there_may_be(self, actor: Actor) -> None:
        if not actor.memberships and not actor.program:
            raise Forbidden("no_role", "Only who has a role here may upload files.")
        rows = self._kernel.store.query(
            "SELECT count(*) AS files FROM stored_file WHERE person_id = ? AND destroyed_at = ''", [actor.person_id]
        )
        if rows[0]["files"] >= MOST_FILES:
            raise Limited(
                "too_many_files", f"{MOST_FILES} files are kept for you already.", hint="Delete some, or wait."
            )


def _may_read(actor: Actor, state: StoredFile) -> bool:
    """Its owner alone; and a token for a grant reads nothing that was obtained on another one."""
    other_grant = (
        actor.token_id is not None and actor.grant_id is not None and state.grant_id not in (None, actor.grant_id)
    )
    return state.owner_id == actor.person_id and not other_grant
