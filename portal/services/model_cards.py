"""The card of a checkpoint: what it is, who reaches it, its use and what was found, as far as the reader may know."""

from datetime import date
from functools import lru_cache
from pathlib import Path

from agreements.access import Allowed, Denied
from agreements.actors import Actor
from agreements.deciders import Value
from agreements.errors import Unavailable
from model_access.manifest import Manifest
from model_access.model_facts import ModelFacts, facts_of
from model_access.registry import Checkpoint
from model_access.stages import Stage
from portal.config import Settings
from portal.findings.reads import Filters, FindingRow
from portal.findings.service import FindingService
from portal.services.checkpoints import CheckpointService
from portal.services.grant_views import GrantView
from portal.services.grants import GrantService
from portal.services.usage import UsageService
from portal.services.usage_views import Counts, UsageFilter

SHOWN = 5
"""Findings that a card names; the others are counted."""


class Reacher(Value):
    """An institution whose grants reach a checkpoint now."""

    institution_id: str
    name: str
    grants: int
    grant_ids: tuple[str, ...]


class ModelCard(Value):
    """Everything a card says."""

    checkpoint: Checkpoint
    access: Allowed | Denied
    """Whether the reader may generate with it now, or why not."""
    digest: str
    size_bytes: int
    """Of all its files."""
    weight_bytes: int
    facts: ModelFacts | None
    """None where the files are not on this machine."""
    precision: str
    """In which this portal computes answers; receipts name it."""
    reached_by: tuple[Reacher, ...] | None
    """For coordinators: institutions with active grants that reach it at its stage. None for everybody else."""
    usage: Counts
    """Runs that the reader may see, of the last four weeks."""
    usage_since: date
    findings: tuple[FindingRow, ...]
    """The newest that the reader may know of."""
    finding_count: int
    """How many those are in all."""


class ModelCardService:
    """Puts cards together from what other services show the same reader."""

    def __init__(
        self,
        checkpoints: CheckpointService,
        grants: GrantService,
        usage: UsageService,
        findings: FindingService,
        settings: Settings,
    ) -> None:
        self._checkpoints = checkpoints
        self._grants = grants
        self._usage = usage
        self._findings = findings
        self._settings = settings

    def card(self, actor: Actor, checkpoint_id: str) -> ModelCard:
        """The card of one checkpoint, for whoever may see the list of them. Raises NotFound."""
        view = self._checkpoints.get(actor, checkpoint_id)
        checkpoint, manifest = view.checkpoint, view.checkpoint.manifest
        usage = self._usage.report(actor, where=UsageFilter(checkpoint=checkpoint_id))
        found = self._findings.list(actor, Filters(checkpoint_id=checkpoint_id), limit=SHOWN)
        return ModelCard(
            checkpoint=checkpoint,
            access=view.access,
            digest=checkpoint.digest,
            size_bytes=sum(entry.size for entry in manifest.files) if manifest is not None else 0,
            weight_bytes=manifest.weight_bytes if manifest is not None else 0,
            facts=self._facts(manifest) if manifest is not None else None,
            precision=self._settings.worker_precision.value,
            reached_by=self._reached_by(actor, checkpoint) if actor.is_coordinator else None,
            usage=usage.total,
            usage_since=usage.since,
            findings=found.rows,
            finding_count=found.total,
        )

    def _reached_by(self, actor: Actor, checkpoint: Checkpoint) -> tuple[Reacher, ...]:
        """By named grants until retirement, by grants for the family once partners have access."""
        by_family = checkpoint.stage in (Stage.PARTNER_ACCESS, Stage.PUBLIC)
        reaching: dict[str, list[GrantView]] = {}
        for view in self._grants.list(actor):
            scope = view.grant.scope
            if not view.active or scope is None or checkpoint.stage is Stage.RETIRED:
                continue
            if scope.names(checkpoint.id) or (by_family and scope.covers_family(checkpoint.family)):
                reaching.setdefault(view.grant.institution_id, []).append(view)
        found = (
            Reacher(
                institution_id=institution_id,
                name=views[0].institution_name,
                grants=len(views),
                grant_ids=tuple(view.grant.id for view in views),
            )
            for institution_id, views in reaching.items()
        )
        return tuple(sorted(found, key=lambda one: (-one.grants, one.name)))

    def _facts(self, manifest: Manifest) -> ModelFacts | None:
        folder = self._settings.checkpoints_dir / manifest.digest.removeprefix("sha256:")
        try:
            return _facts_in(folder, manifest)
        except Unavailable:
            return None


@lru_cache(maxsize=64)
def _facts_in(folder: Path, manifest: Manifest) -> ModelFacts:
    """A registered checkpoint never changes: what was read of it once holds."""
    return facts_of(folder, manifest)
