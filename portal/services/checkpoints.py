"""Checkpoints: imported, pinned by digest, listed with what the caller may do with them."""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeGuard

from agreements.access import Allowed, AskedSampling, Basis, Denied, Held, Question, Subject, decide_access
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import ConcordatError, Conflict, Fixer, Forbidden, NotFound, VerificationError
from agreements.scopes import Operation
from model_access.engine.vocabulary import Vocabulary
from model_access.importing import Imported, Progress, import_checkpoint
from model_access.manifest import Manifest
from model_access.registry import Card, ChangeStage, Checkpoint, RegisterCheckpoint
from model_access.stages import Stage
from model_access.tokenizer_files import tokenizer_archive
from model_access.worker import WorkerPool
from portal.config import Settings
from portal.inputs import parse
from portal.release.ports import LadderCheckpoint
from portal.services.aggregates import CHECKPOINTS
from portal.services.grants import GrantService
from portal.services.kernel import Kernel, Step

logger = logging.getLogger(__name__)

_GENERATE = frozenset({Operation.GENERATE})
_RUNNABLE = (Operation.GENERATE, Operation.SCORE, Operation.EMBED)


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
        imported = import_checkpoint(source, self._settings.checkpoints_dir, progress=progress)
        Vocabulary(imported.folder)  # What cannot be served must not be registered: registering is for good.
        command = parse(
            RegisterCheckpoint,
            {
                "checkpoint_id": checkpoint_id,
                "family": family,
                "manifest": imported.manifest,
                "card": _with_texts(card or Card(), imported),
            },
        )
        checkpoint = self._kernel.execute(CHECKPOINTS, checkpoint_id, command, actor)
        self._serve(checkpoint.id, imported.manifest)
        return checkpoint

    def serve_all(self) -> None:
        """Tell the worker pool about every registered checkpoint; done when the portal opens.

        One whose files are gone is left out, and named in the portal's log: the rest of the portal goes on.
        """
        for checkpoint in self.registered():
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
        helds, generate = self._grants.usable_by(actor), Question(operations=_GENERATE)
        return tuple(
            CheckpointView(checkpoint=checkpoint, access=self._decided(actor, checkpoint, generate, helds))
            for checkpoint in self.registered()
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
        operations: frozenset[Operation] = _GENERATE,
        purpose: str | None = None,
        sampling: AskedSampling | None = None,
    ) -> Allowed | Denied:
        """Whether the actor may do it now, from the live grant, agreement and stage."""
        question = Question(operations=operations, purpose=purpose, sampling=sampling)
        return self._decided(actor, checkpoint, question, self._grants.usable_by(actor))

    def any_run(self, actor: Actor, checkpoint: Checkpoint, purpose: str | None = None) -> Allowed | Denied:
        """On what ground a run of whichever kind is open to the actor; else why none is, a missing purpose ahead."""
        return self._any_run(actor, checkpoint, purpose, self._grants.usable_by(actor))

    def queryable(self, actor: Actor, purpose: str | None = None) -> tuple[Checkpoint, ...]:
        """Those that some run of the actor's is open on, be it that its purpose is still to be said."""
        helds = self._grants.usable_by(actor)
        answers = ((one, self._any_run(actor, one, purpose, helds)) for one in self.registered())
        return tuple(one for one, answer in answers if not _closes(answer))

    def queried(self, actor: Actor, checkpoint_id: str, purpose: str | None = None) -> Checkpoint:
        """A checkpoint that some run of the actor's is open on. Raises NotFound, or why none is."""
        checkpoint = self.state(checkpoint_id)
        answer = self.any_run(actor, checkpoint, purpose)
        if _closes(answer):
            raise answer.error()
        return checkpoint

    def tokenizer(self, actor: Actor, checkpoint_id: str, purpose: str | None = None) -> bytes:
        """The tokenizer of a checkpoint that the actor may query, as a ZIP of its registered files; never a weight.

        Raises NotFound, the refusal where no run is open, VerificationError ``checkpoint_changed`` and Unavailable.
        """
        checkpoint = self.queried(actor, checkpoint_id, purpose)
        if checkpoint.manifest is None:
            raise NotFound(
                "no_tokenizer",
                f"{checkpoint_id} is registered without files.",
                hint="Nothing can be asked of it here.",
                fixer=Fixer.NOBODY,
            )
        return tokenizer_archive(self._folder(checkpoint.manifest), checkpoint.manifest)

    def takes_conversations(self, checkpoint: Checkpoint) -> bool:
        """Whether conversations with it can be laid out here: its files are there, and a chat template among them."""
        return self._pool.is_registered(checkpoint.id) and self._pool.takes_conversations(checkpoint.id)

    def still(
        self, actor: Actor, checkpoint_id: str, question: Question, *, basis: Basis, grant_id: str | None
    ) -> Allowed:
        """Ask again what was allowed on some ground. Another ground that would do now is not that ground.

        Raises the refusal where that ground does not allow it any more.
        """
        checkpoint = self.state(checkpoint_id)
        held_to = actor.model_copy(update={"grant_id": grant_id})
        helds = self._grants.usable_by(held_to) if grant_id is not None else ()
        answer = self._decided(held_to, checkpoint, question, helds)
        if isinstance(answer, Denied):
            raise answer.error()
        if answer.basis is not basis:
            raise Forbidden(
                "ground_gone",
                f"What was allowed as {basis.value} use is not allowed as such any more.",
                hint="Send the request again: it may be allowed on another ground.",
                fixer=Fixer.CALLER,
            )
        return answer

    def subject(self, checkpoint: Checkpoint) -> Subject:
        """The checkpoint as it is served, as far as access is concerned."""
        return Subject(
            checkpoint_id=checkpoint.id,
            family=checkpoint.family,
            stage=checkpoint.stage.value,
            precision=self._settings.worker_precision,
            halted=checkpoint.halt.reason if checkpoint.halt is not None else "",
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
        return tuple(_rung(checkpoint) for checkpoint in self.registered())

    def checkpoint(self, checkpoint_id: str) -> LadderCheckpoint:
        """One checkpoint, as the release board needs it. Raises NotFound."""
        return _rung(self.state(checkpoint_id))

    def stage_change(self, checkpoint_id: str, decision_id: str, from_stage: Stage, to_stage: Stage) -> Step:
        """The step that moves a checkpoint, to be committed with the decision that moves it."""
        command = ChangeStage(decision_id=decision_id, from_stage=from_stage, to_stage=to_stage)
        return Step(CHECKPOINTS, checkpoint_id, command)

    def registered(self) -> tuple[Checkpoint, ...]:
        """Every registered checkpoint, by family and size."""
        rows = self._kernel.store.query(
            "SELECT checkpoint_id FROM model_checkpoint ORDER BY family, parameters, checkpoint_id"
        )
        return tuple(self._kernel.state(CHECKPOINTS, row["checkpoint_id"]) for row in rows)

    def _decided(
        self, actor: Actor, checkpoint: Checkpoint, question: Question, helds: Sequence[Held]
    ) -> Allowed | Denied:
        return decide_access(actor, self.subject(checkpoint), question, helds, self._kernel.clock())

    def _any_run(
        self, actor: Actor, checkpoint: Checkpoint, purpose: str | None, helds: Sequence[Held]
    ) -> Allowed | Denied:
        denied = []
        for operation in _RUNNABLE:
            question = Question(operations=frozenset({operation}), purpose=purpose)
            answer = self._decided(actor, checkpoint, question, helds)
            if isinstance(answer, Allowed):
                return answer
            denied.append(answer)
        return next((one for one in denied if not _closes(one)), denied[0])

    def _serve(self, checkpoint_id: str, manifest: Manifest) -> None:
        folder = self._folder(manifest)
        if not folder.is_dir():
            raise VerificationError(
                "checkpoint_files_missing",
                f"The files of {checkpoint_id} are not in {folder}.",
                hint="Restore them, or import the checkpoint again.",
            )
        self._pool.register(checkpoint_id, folder, manifest)

    def _folder(self, manifest: Manifest) -> Path:
        return self._settings.checkpoints_dir / manifest.digest.removeprefix("sha256:")


def _closes(answer: Allowed | Denied) -> TypeGuard[Denied]:
    """Whether it is a no that a purpose alone would not change."""
    return isinstance(answer, Denied) and answer.code != "purpose_required"


def _with_texts(card: Card, imported: Imported) -> Card:
    """The card with the read-me and the licence that lie beside the files, where it has none of its own."""
    update = {
        "readme": card.readme or imported.readme,
        "licence_text": card.licence_text or imported.licence_text,
    }
    return Card.model_validate({**card.model_dump(), **{name: text for name, text in update.items() if text}})


def _rung(checkpoint: Checkpoint) -> LadderCheckpoint:
    return LadderCheckpoint(
        checkpoint_id=checkpoint.id,
        family=checkpoint.family,
        parameters=checkpoint.parameters,
        stage=checkpoint.stage,
    )
