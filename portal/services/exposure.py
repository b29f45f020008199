"""Exposure: how much of each checkpoint's output layer every institution could have learned, and who is told of it.

Added up from the rows of runs, each of which has what it told (``model_access.exposure``) from when it is settled: a
run is one row, so that nothing counts twice, however often the portal starts or the rows are made again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from agreements.actors import LAB, Actor
from agreements.canonical import sha256_hex
from agreements.deciders import Value
from model_access.exposure import Exposure, Level, Thresholds
from model_access.registry import Checkpoint
from model_access.stages import Stage
from portal.config import Settings
from portal.inputs import parse
from portal.notices.model import Notice
from portal.services.checkpoints import CheckpointService
from portal.services.kernel import Kernel
from portal.services.notice_making import LAB_SIDE, LEADS


class Holder(Value):
    """One person or program, and what they saw."""

    person_id: str
    name: str
    runs: int
    values: int
    states: int
    vectors: float
    share: float


class InstitutionExposure(Value):
    """What one institution saw of one checkpoint, all its holders together."""

    institution_id: str
    institution_name: str
    values: int
    """Log-probabilities, at most."""
    states: int
    """Hidden states, as embeddings."""
    vectors: float
    """Full vectors: the states, and as many logit vectors as so many values could make up."""
    share: float
    """Of what recovers the output layer: vectors over the hidden size."""
    level: Level
    holders: tuple[Holder, ...]
    """Who saw most first."""


class CheckpointExposure(Value):
    """What was seen of one checkpoint."""

    checkpoint_id: str
    stage: Stage
    vocabulary_size: int
    hidden_size: int
    institutions: tuple[InstitutionExposure, ...]
    """Those whom the reader may see, who saw most first."""
    together: float
    """The share of all of these institutions together."""
    level: Level
    """Of all of them together."""


class ExposureReport(Value):
    """What was seen of the checkpoints, as far as the reader may know it."""

    warn: float
    """The share from which on it is a warning."""
    alert: float
    checkpoints: tuple[CheckpointExposure, ...]


class ExposureService:
    """Adds up, for whoever may see the runs it is added up from."""

    def __init__(self, kernel: Kernel, checkpoints: CheckpointService, settings: Settings) -> None:
        self._kernel = kernel
        self._checkpoints = checkpoints
        warn, alert = settings.exposure_warn_percent / 100, settings.exposure_alert_percent / 100
        self._thresholds = Thresholds(warn=min(warn, alert), alert=alert)

    def report(
        self, actor: Actor, *, checkpoint_id: str | None = None, institution_id: str | None = None
    ) -> ExposureReport:
        """Every checkpoint that anything was seen of; for a coordinator by whom, for a partner its own institution."""
        rows = self._kernel.store.query(
            f"""
            {_SUMS}
            AND (? OR list_contains(?::VARCHAR[], r.institution_id))
            AND (?::VARCHAR IS NULL OR r.checkpoint_id = ?) AND (?::VARCHAR IS NULL OR r.institution_id = ?)
            {_GROUPED}
            """,
            [
                *(actor.is_coordinator, sorted(actor.institution_ids)),
                *(checkpoint_id, checkpoint_id, institution_id, institution_id),
            ],
        )
        return ExposureReport(
            warn=self._thresholds.warn, alert=self._thresholds.alert, checkpoints=tuple(self._checkpoints_of(rows))
        )

    def notices(self) -> Iterator[Notice]:
        """What has to be told: each institution at its level, and the lab of a checkpoint that several saw together."""
        now = self._kernel.clock()
        for seen in self._checkpoints_of(self._kernel.store.query(f"{_SUMS} {_GROUPED}")):
            if seen.stage is Stage.PUBLIC:
                continue
            for one in seen.institutions:
                if one.level is not Level.LOW:
                    yield _of_institution(seen, one, now)
            if len(seen.institutions) > 1 and seen.level is not Level.LOW:
                yield _of_all(seen, now)

    # ---- how -------------------------------------------------------------------------------------------------------

    def _checkpoints_of(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[CheckpointExposure]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            found.setdefault(row["checkpoint_id"], []).append(row)
        known = (self._of_checkpoint(one, found[one.id]) for one in self._checkpoints.registered() if one.id in found)
        # Who looks is after what is nearest to being recovered; of what is public there is nothing left to recover.
        seen = [one for one in known if one is not None]
        yield from sorted(seen, key=lambda one: (one.stage is Stage.PUBLIC, -one.together, one.checkpoint_id))

    def _of_checkpoint(self, checkpoint: Checkpoint, rows: Sequence[Mapping[str, Any]]) -> CheckpointExposure | None:
        manifest = checkpoint.manifest
        if manifest is None:
            return None

        def exposure(of: Sequence[Mapping[str, Any]]) -> Exposure:
            return Exposure(
                values=sum(row["seen_values"] for row in of),
                states=sum(row["seen_states"] for row in of),
                vocabulary_size=manifest.vocabulary_size,
                hidden_size=manifest.hidden_size,
            )

        by_institution: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            by_institution.setdefault(row["institution_id"], []).append(row)
        institutions = []
        for institution_id, of in by_institution.items():
            whole = exposure(of)
            most = sorted(((exposure([row]), row) for row in of), key=lambda pair: -pair[0].vectors)
            institutions.append(
                InstitutionExposure(
                    institution_id=institution_id,
                    institution_name=of[0]["institution_name"],
                    values=whole.values,
                    states=whole.states,
                    vectors=whole.vectors,
                    share=whole.share,
                    level=self._thresholds.level(whole.share),
                    holders=tuple(
                        Holder(
                            person_id=row["person_id"],
                            name=row["name"],
                            runs=row["runs"],
                            values=one.values,
                            states=one.states,
                            vectors=one.vectors,
                            share=one.share,
                        )
                        for one, row in most
                    ),
                )
            )
        together = exposure(rows).share
        return CheckpointExposure(
            checkpoint_id=checkpoint.id,
            stage=checkpoint.stage,
            vocabulary_size=manifest.vocabulary_size,
            hidden_size=manifest.hidden_size,
            institutions=tuple(sorted(institutions, key=lambda one: (-one.vectors, one.institution_name))),
            together=together,
            level=self._thresholds.level(together),
        )


_SUMS = """
    SELECT r.checkpoint_id, r.institution_id, coalesce(any_value(i.name), r.institution_id) AS institution_name,
           r.person_id, coalesce(any_value(p.name), any_value(g.name), r.person_id) AS name,
           count(*)::BIGINT AS runs, sum(r.seen_values)::BIGINT AS seen_values,
           sum(r.seen_states)::BIGINT AS seen_states
    FROM run r
    LEFT JOIN institution i ON i.institution_id = r.institution_id
    LEFT JOIN person p ON p.person_id = r.person_id
    LEFT JOIN program g ON g.program_id = r.person_id
    WHERE r.seen_values + r.seen_states > 0 AND r.institution_id IS NOT NULL
"""
_GROUPED = """
    GROUP BY r.checkpoint_id, r.institution_id, r.person_id
    ORDER BY r.checkpoint_id, r.person_id
"""


def _of_institution(seen: CheckpointExposure, one: InstitutionExposure, now: datetime) -> Notice:
    most = one.holders[0]
    return _notice(
        seen,
        one.level,
        one.institution_id,
        f"{one.institution_name} may have seen {one.share:.0%} of the output layer of {seen.checkpoint_id}",
        f"{one.vectors:,.0f} full vectors at most, of {seen.hidden_size:,} that recover it; the most by "
        f"{most.name}, {most.vectors:,.0f}.\n\n{_WHAT_NEXT}",
        now,
        LAB_SIDE | LEADS,
    )


def _of_all(seen: CheckpointExposure, now: datetime) -> Notice:
    return _notice(
        seen,
        seen.level,
        LAB,
        f"{len(seen.institutions)} institutions together may have seen {seen.together:.0%} of the output layer of "
        f"{seen.checkpoint_id}",
        f"Each by itself has seen less; who shares answers has seen the sum.\n\n{_WHAT_NEXT}",
        now,
        LAB_SIDE,
    )


_WHAT_NEXT = (
    "A coordinator can narrow the grant: fewer alternatives per token, fewer decimals, no biases, or no operation "
    "logprobs or embed. Nothing is stopped by itself."
)


def _notice(
    seen: CheckpointExposure,
    level: Level,
    institution_id: str,
    subject: str,
    body: str,
    now: datetime,
    audience: frozenset[str],
) -> Notice:
    return parse(
        Notice,
        {
            # The two ids may be longer together than an id can be.
            "id": f"exposure:{sha256_hex(f'{seen.checkpoint_id} {institution_id}'.encode())[:24]}:{level.value}",
            "kind": f"exposure.{level.value}",
            "institution_id": institution_id,
            "subject": subject,
            "body": body,
            "link": f"/usage?view=exposure&checkpoint={seen.checkpoint_id}",
            "at": now,
            "audience": audience,
        },
    )
