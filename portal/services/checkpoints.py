"""Checkpoints: imported, pinned by digest, listed with what the caller may do with them."""

import logging
from collections.abc import Collection
from pathlib import Path

from agreements.access import Allowed, AskedSampling, Denied, Question, Subject, decide_access
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Forbidden, NotFound, VerificationError
from agreements.scopes import Operation
from model_access.engine.vocabulary import Vocabulary
from model_access.importing import Progress, import_checkpoint
from model_access.manifest import Manifest
from model_access.registry import Card, ChangeStage, Checkpoint, RegisterCheckpoint
from model_access.stages import Stage
from model_access.worker import WorkerPool
from portal.config import Settings
from portal.inputs import parse
from portal.release.ports import LadderCheckpoint
from portal.services.aggregates import CHECKPOINTS
from portal.services.grants import GrantService
from portal.services.kernel import Kernel, Step

logger = logging.getLogger(__name__)


class CheckpointView(Value):
    """A checkpoint and whether the caller may generate with it now."""

    checkpoint: Checkpoint
    access: Allowed | Denied


class CheckpointService:
    """The registry's one path, and the answer to who may query what."""

    def __init__(self, kernel: Kernel, grants: GrantService, pool: WorkerPool, settings: Settings) -> None:
        self._kernel = kernel
        self._grants = grants
        self._pool = pool
        self._settings = settings

    def add(
        self,
        actor: Actor,
        source: str | Path,
        *,
        checkpoint_id: str,
        family: str,
        card: Card | None = None,
        progress: Progress | None = None,
    ) -> Checkpoint:
        """Import a folder or hub id, pin it by digest and register it, withheld.

        Raises Forbidden, or Conflict for an id in use, before anything is copied; then what the import refuses, and
        Invalid ``bad_tokenizer`` or for an unusable id.
        """
        if not actor.is_coordinator:
            raise Forbidden("not_coordinator", "Only a coordinator registers checkpoints.")
        if not self.unknown([checkpoint_id]):
            raise Conflict(
                "checkpoint_exists",
                f"A checkpoint {checkpoint_id} is registered.",
                hint="Choose another id: a registered checkpoint is never replaced.",
            )
        manifest, folder = import_checkpoint(source, self._settings.checkpoints_dir, progress=progress)
        Vocabulary(folder)  # What cannot be served must not be registered: registering is for good.
        command = parse(
            RegisterCheckpoint,
            {"checkpoint_id": checkpoint_id, "family": family, "manifest": manifest, "card": card or Card()},
        )
        checkpoint = self._kernel.execute(CHECKPOINTS, checkpoint_id, command, actor)
        self._serve(checkpoint.id, manifest)
        return checkpoint

    def serve_all(self) -> None:
        """Tell the worker pool about every registered checkpoint; done when the portal opens.

        One whose files are gone is left out, and named in the portal's log: the rest of the portal goes on.
        """
        for checkpoint in self._all():
            if checkpoint.manifest is None:
                continue
            try:
                self._serve(checkpoint.id, checkpoint.manifest)
            except ConcordatError as refusal:
                logger.warning("%s cannot be queried: %s", checkpoint.id, refusal)

    def get(self, actor: Actor, checkpoint_id: str) -> CheckpointView:
        """One checkpoint. Raises NotFound."""
        checkpoint = self.state(checkpoint_id)
        return CheckpointView(checkpoint=checkpoint, access=self.access(actor, checkpoint))

    def list(self, actor: Actor) -> tuple[CheckpointView, ...]:
        """Every checkpoint, by family and size."""
        return tuple(
            CheckpointView(checkpoint=checkpoint, access=self.access(actor, checkpoint)) for checkpoint in self._all()
        )

    def state(self, checkpoint_id: str) -> Checkpoint:
        """The registered checkpoint. Raises NotFound ``checkpoint_not_found``."""
        try:
            return self._kernel.state(CHECKPOINTS, checkpoint_id)
        except NotFound:
            raise NotFound(
                "checkpoint_not_found",
                f"There is no checkpoint {checkpoint_id!r}.",
                hint="GET /v1/models lists those you may query.",
                param="model",
            ) from None

    def access(
        self,
        actor: Actor,
        checkpoint: Checkpoint,
        operations: frozenset[Operation] = frozenset({Operation.GENERATE}),
        purpose: str | None = None,
        sampling: AskedSampling | None = None,
    ) -> Allowed | Denied:
        """Whether the actor may do it now, from the live grant, agreement and stage."""
        return decide_access(
            actor,
            Subject(checkpoint_id=checkpoint.id, family=checkpoint.family, stage=checkpoint.stage.value),
            Question(operations=operations, purpose=purpose, sampling=sampling),
            self._grants.usable_by(actor),
            self._kernel.clock(),
        )

    def unknown(self, checkpoint_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids under which nothing is registered."""
        rows = self._kernel.store.query(
            "SELECT checkpoint_id FROM model_checkpoint WHERE list_contains(?::VARCHAR[], checkpoint_id)",
            [sorted(checkpoint_ids)],
        )
        return frozenset(checkpoint_ids) - {row["checkpoint_id"] for row in rows}

    def checkpoints(self) -> tuple[LadderCheckpoint, ...]:
        """Every registered checkpoint, as the release board needs it."""
        return tuple(_rung(checkpoint) for checkpoint in self._all())

    def checkpoint(self, checkpoint_id: str) -> LadderCheckpoint:
        """One checkpoint, as the release board needs it. Raises NotFound."""
        return _rung(self.state(checkpoint_id))

    def stage_change(self, checkpoint_id: str, decision_id: str, from_stage: Stage, to_stage: Stage) -> Step:
        """The step that moves a checkpoint, to be committed with the decision that moves it."""
        command = ChangeStage(decision_id=decision_id, from_stage=from_stage, to_stage=to_stage)
        return Step(CHECKPOINTS, checkpoint_id, command)

    def _all(self) -> tuple[Checkpoint, ...]:
        rows = self._kernel.store.query(
            "SELECT checkpoint_id FROM model_checkpoint ORDER BY family, parameters, checkpoint_id"
        )
        return tuple(self._kernel.state(CHECKPOINTS, row["checkpoint_id"]) for row in rows)

    def _serve(self, checkpoint_id: str, manifest: Manifest) -> None:
        folder = self._settings.checkpoints_dir / manifest.digest.removeprefix("sha256:")
        if not folder.is_dir():
            raise VerificationError(
                "checkpoint_files_missing",
                f"The files of {checkpoint_id} are not in {folder}.",
                hint="Restore them, or import the checkpoint again.",
            )
        self._pool.register(checkpoint_id, folder, manifest)


def _rung(checkpoint: Checkpoint) -> LadderCheckpoint:
    return LadderCheckpoint(
        checkpoint_id=checkpoint.id,
        family=checkpoint.family,
        parameters=checkpoint.parameters,
        stage=checkpoint.stage,
    )
