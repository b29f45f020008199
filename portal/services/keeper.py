"""Keeps prompts and answers of runs where the agreement says so, sealed, and destroys them when it says so.

Authorises nobody: who may read them is decided in ``keeping``.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import JsonValue

from agreements.access import Basis, Held
from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.canonical import canonical_bytes, parse_json
from agreements.clauses import Confidentiality, only
from agreements.deciders import Value
from agreements.errors import ConcordatError, NotFound, Unavailable
from model_access.generation import Prompt, as_sent
from model_access.kept_texts import DestroyText, KeepingTerms, KeepText, KeptText, Today, clock_of
from model_access.runs import RunTerms
from portal.services.aggregates import AGREEMENTS, GRANTS, stamp
from portal.services.kept_box import KeptBox
from portal.services.kept_rows import KEPT_TEXTS
from portal.services.kernel import Kernel, Step

logger = logging.getLogger(__name__)

TEXT_CLOCK = Actor.automatic("text-clock")
"""The named rule that destroys what an agreement keeps no longer."""

_AT_ONCE: Final = 200
_MOST_BYTES: Final = 64 * 2**20


class Texts(Value):
    """What a run was asked and what it answered."""

    prompts: tuple[Prompt, ...]
    outputs: tuple[str, ...] | None
    """The text of each choice; None where only the prompt is there."""


class Keeper:
    """The one hand that seals and destroys them."""

    def __init__(self, kernel: Kernel, box: KeptBox) -> None:
        self._kernel = kernel
        self._box = box

    def agreed(self, terms: RunTerms) -> KeepingTerms | None:
        """What the agreement that a run rests on says about keeping it; None where it says nothing."""
        if terms.basis is not Basis.GRANT or terms.grant_id is None:
            return None
        grant = self._kernel.state(GRANTS, terms.grant_id)
        agreement, framework = self._resting_on(grant.agreement_id)
        held = Held(grant=grant, agreement=agreement, framework=framework, terms_digest=terms.agreement_digest)
        found = held.stated(Confidentiality)
        if found is None or found.clause.runs_kept_days is None:
            return None
        return KeepingTerms(
            agreement_id=agreement.id,
            stands_in=found.agreement.id,
            version_digest=found.version.digest or "",
            clause=f"{found.number}, {found.clause.title}",
            days=found.clause.runs_kept_days,
            lab_reads=bool(found.clause.lab_reads_runs),
            outlives=bool(found.clause.runs_outlive_agreement),
        )

    def keeping(self, terms: RunTerms, prompts: Sequence[Prompt], outputs: Sequence[str]) -> KeepText | None:
        """Seal the words where they are to be kept, and what is then to be recorded.

        Raises Unavailable ``text_not_written`` where they cannot be.
        """
        agreed = self.agreed(terms)
        if agreed is None:
            return None
        words: JsonValue = {
            "prompts": [as_sent(prompt) for prompt in prompts],
            "outputs": list(outputs),
        }
        return KeepText(
            run_id=terms.run_id,
            owner_id=terms.person_id,
            institution_id=terms.institution_id,
            grant_id=terms.grant_id or "",
            terms=agreed,
            size=self._box.seal(terms.run_id, canonical_bytes(words)),
            keep_until=agreed.until(self._kernel.clock()),
        )

    def let_go_unless_recorded(self, run_id: str) -> None:
        """Destroy what was sealed for a run whose completion was not recorded."""
        if self._box.holds(run_id) and self.state(run_id) is None:
            with suppress(ConcordatError):  # what is left is cleared when the portal opens
                self._box.shred(run_id)

    def state(self, run_id: str) -> KeptText | None:
        """What is on record of a run's words; None where they were never kept."""
        try:
            return self._kernel.state(KEPT_TEXTS, run_id)
        except NotFound:
            return None

    def opened(self, run_id: str) -> Texts:
        """The words. Raises Conflict ``text_not_there`` or Unavailable ``text_unreadable``."""
        return Texts.model_validate(parse_json(self._box.open(run_id), _MOST_BYTES))

    def today(self, agreement_id: str) -> Today:
        """What the agreement says now of what was kept under it."""
        now = self._kernel.clock()
        agreement, framework = self._resting_on(agreement_id)
        texts = [agreement] if framework is None else [agreement, framework]
        over = [one.ends_at for one in texts if not one.runs_on(now)]
        clause = next((found for one in texts if (found := _clause(one)) is not None), None)
        return Today(
            runs=not over,
            ended_at=min((one for one in over if one is not None), default=None),
            days=clause.runs_kept_days if clause is not None else None,
            lab_reads=bool(clause is not None and clause.lab_reads_runs),
            outlives=bool(clause is not None and clause.runs_outlive_agreement),
        )

    def destroy(self, state: KeptText, because: str, actor: Actor) -> KeptText:
        """Destroy one text before its time."""
        self._box.shred(state.run_id)
        return self._kernel.execute(KEPT_TEXTS, state.run_id, DestroyText(because=because), actor)

    def sweep(self) -> int:
        """Destroy everything whose time is over, and record it; returns how many texts.

        Gone first and recorded after: after a crash in between, the next sweep records it.
        """
        now, done = self._kernel.clock(), 0
        agreements = self._kernel.store.query(
            "SELECT DISTINCT agreement_id FROM kept_text WHERE destroyed_at = '' ORDER BY agreement_id"
        )
        for row in agreements:
            today = self.today(row["agreement_id"])
            due = self._due(row["agreement_id"], today, now)
            for first in range(0, len(due), _AT_ONCE):
                done += self._destroyed(due[first : first + _AT_ONCE], today, now)
        return done

    def clear_strays(self) -> None:
        """Remove what no record knows, or knows as destroyed: what a crash left."""
        known = {
            row["run_id"] for row in self._kernel.store.query("SELECT run_id FROM kept_text WHERE destroyed_at = ''")
        }
        for name in self._box.names() - known:
            try:
                self._box.shred(name)
            except Unavailable as refusal:
                logger.warning("what is kept as %s could not be destroyed: %s", name, refusal)

    def _destroyed(self, run_ids: Iterable[str], today: Today, now: datetime) -> int:
        steps = []
        for run_id in run_ids:
            state = self._kernel.state(KEPT_TEXTS, run_id)
            clock = clock_of(state, today)
            if not state.kept or clock.until > now:
                continue
            try:
                self._box.shred(run_id)
            except Unavailable as refusal:
                logger.warning("what is kept of run %s could not be destroyed: %s", run_id, refusal)
                continue
            steps.append(Step(KEPT_TEXTS, run_id, DestroyText(because=clock.because)))
        if steps:
            self._kernel.execute_all(steps, TEXT_CLOCK)
        return len(steps)

    def _due(self, agreement_id: str, today: Today, now: datetime) -> list[str]:
        """Runs under an agreement whose words may have to go, without looking at each: ``clock_of`` as a query."""
        rows: Sequence[Mapping[str, Any]] = self._kernel.store.query(
            "SELECT run_id FROM kept_text WHERE agreement_id = ? AND destroyed_at = '' "
            "AND (keep_until <= ? OR kept_at <= ? OR (? AND NOT (outlives AND ?))) ORDER BY run_id",
            [agreement_id, stamp(now), stamp(now - timedelta(days=today.days or 0)), not today.runs, today.outlives],
        )
        return [row["run_id"] for row in rows]

    def _resting_on(self, agreement_id: str) -> tuple[Agreement, Agreement | None]:
        agreement = self._kernel.state(AGREEMENTS, agreement_id)
        if agreement.framework is None:
            return agreement, None
        return agreement, self._kernel.state(AGREEMENTS, agreement.framework.agreement_id)


def _clause(agreement: Agreement) -> Confidentiality | None:
    """The clause of the version that governs."""
    return only(agreement.governing.clauses, Confidentiality) if agreement.governing is not None else None
