"""Findings: the one path by which screens, API and command line file and read them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor
from agreements.canonical import canonical_bytes
from agreements.deciders import Value
from agreements.dsse import Envelope, sign
from agreements.errors import Conflict, Invalid, NotFound
from portal.findings.decider import (
    Acknowledge,
    Action,
    Close,
    File,
    FindingCommand,
    MarkDuplicate,
    Revise,
    Withdraw,
    allowed,
    not_found,
)
from portal.findings.evidence import RunFacts, access_statement
from portal.findings.marking import DEFAULT_MARKING, Tlp
from portal.findings.model import (
    DOCUMENT_TYPE,
    Content,
    Credit,
    Finding,
    Kind,
    Severity,
    Status,
    Version,
    Withdrawal,
    document,
)
from portal.findings.ports import Checkpoints, People, RunRecords
from portal.findings.projection import FINDINGS
from portal.findings.reads import Filters, FindingCounts, FindingPage, FindingReads
from portal.inputs import Identifier, Line, Prose, parse
from portal.numbering import Series
from portal.paging import PageSize
from portal.services.kernel import Kernel

SERIES = "CDT"


class FindingDraft(Value):
    """What a reporter fills in; the portal adds number, facts of the runs, digest and time."""

    institution_id: Identifier
    """The institution on whose behalf the finding is filed."""
    title: Line
    summary: Prose
    kind: Kind
    severity: Severity | None = None
    marking: Tlp = DEFAULT_MARKING
    recipients: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    """Person ids to name as readers, whatever the marking."""
    to_coordinators: bool = True
    """Whether to name the lab's present coordinators too: disclosure to the lab is the reporter's choice."""
    checkpoint_ids: Annotated[tuple[Identifier, ...], Field(max_length=50)] = ()
    """Checkpoints it is about; those of the cited runs are added."""
    run_ids: Annotated[tuple[Identifier, ...], Field(max_length=200)] = ()
    credit: Credit = Credit.NAMED
    ai_usage: bool = False


class VersionLine(Value):
    """One version in the history of a finding, among those the reader may open."""

    number: int
    digest: str
    marking: Tlp
    note: str
    made_at: datetime


class FindingView(Value):
    """A finding as one reader sees it. A withdrawn one has a tombstone where its content was."""

    finding_id: str
    institution_id: str
    status: Status
    version: int
    is_current: bool
    digest: str
    content: Content | None
    access_statement: str
    credit: str
    """Who is to be thanked, as far as the reporter wishes."""
    audience: str
    """Who may read this version, in words."""
    history: tuple[VersionLine, ...]
    duplicate_of: str | None
    withdrawal: Withdrawal | None
    closing_note: str
    actions: tuple[Action, ...]


class FindingService:
    """Files, revises and shows findings."""

    def __init__(self, kernel: Kernel, *, runs: RunRecords, checkpoints: Checkpoints, people: People) -> None:
        self._kernel = kernel
        self._runs = runs
        self._checkpoints = checkpoints
        self._people = people
        self.reads = FindingReads(kernel.store)
        self._series = Series(SERIES, self.reads.latest_ordinal)

    def file(self, actor: Actor, draft: FindingDraft, *, idempotency_key: str | None = None) -> FindingView:
        """File a finding. Raises Invalid, Forbidden, or NotFound for a run the reporter may not see.

        The same ``idempotency_key`` from the same actor files once and returns what was filed.
        """
        content = self._content(actor, draft, reporter_id=actor.person_id)
        with self._series.reserve(self._kernel.clock().year) as finding_id:
            command = File(finding_id=finding_id, institution_id=draft.institution_id, content=content)
            state = self._kernel.execute(FINDINGS, finding_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, state.current, actor)

    def revise(
        self,
        actor: Actor,
        finding_id: str,
        draft: FindingDraft,
        *,
        base: int,
        note: str,
        idempotency_key: str | None = None,
    ) -> FindingView:
        """Make a new version on top of version ``base``. Facts of runs that were cited before stay as frozen then."""
        state = self._readable(finding_id, actor)
        if draft.institution_id != state.institution_id:
            raise Invalid("institution_fixed", f"{finding_id} was filed by {state.institution_id}.")
        content = self._content(
            actor, draft, reporter_id=state.reporter_id, frozen={run.run_id: run for run in state.current.content.runs}
        )
        command = parse(Revise, {"base": base, "content": content, "note": note})
        return self._execute(finding_id, command, actor, idempotency_key)

    def acknowledge(self, actor: Actor, finding_id: str, *, idempotency_key: str | None = None) -> FindingView:
        """Confirm, as coordinator, having read it."""
        return self._execute(finding_id, Acknowledge(), actor, idempotency_key)

    def close(self, actor: Actor, finding_id: str, note: str, *, idempotency_key: str | None = None) -> FindingView:
        """End its handling, as coordinator, saying how."""
        return self._execute(finding_id, parse(Close, {"note": note}), actor, idempotency_key)

    def mark_duplicate(
        self, actor: Actor, finding_id: str, duplicate_of: str, *, idempotency_key: str | None = None
    ) -> FindingView:
        """Point to the finding it repeats, which the actor must be able to read. Both ids stay valid."""
        self._readable(duplicate_of, actor)
        command = parse(MarkDuplicate, {"duplicate_of": duplicate_of})
        return self._execute(finding_id, command, actor, idempotency_key)

    def withdraw(
        self, actor: Actor, finding_id: str, reason: str, *, idempotency_key: str | None = None
    ) -> FindingView:
        """Take it back. The id, its digests and the reason stay; the words are served no more."""
        return self._execute(finding_id, parse(Withdraw, {"reason": reason}), actor, idempotency_key)

    def get(self, actor: Actor | None, finding_id: str, version: int | None = None) -> FindingView:
        """One finding, or one version of it. Raises NotFound for whatever the actor may not know of."""
        state = self._readable(finding_id, actor)
        return self._view(state, self._version(state, version, actor), actor)

    def list(
        self,
        actor: Actor | None,
        filters: Filters | None = None,
        *,
        limit: PageSize = 50,
        cursor: str | None = None,
    ) -> FindingPage:
        """A page of the findings the actor may know of, newest or best match first."""
        if not 1 <= limit <= 100:
            raise Invalid("bad_limit", "A page holds 1 to 100 findings.", param="limit")
        return self.reads.page(actor, filters or Filters(), limit=limit, cursor=cursor)

    def counts(self, actor: Actor | None) -> FindingCounts:
        """How many findings the actor may know of, by kind, marking and status."""
        return self.reads.counts(actor)

    def readable(self, finding_ids: Collection[str], actor: Actor | None) -> frozenset[str]:
        """Those of the ids that the actor may know of."""
        return self.reads.readable(finding_ids, actor)

    def evidence_by_kind(self, actor: Actor | None) -> dict[str, dict[Kind, int]]:
        """For each checkpoint, how many findings of each kind about it the caller may see."""
        return self.reads.evidence_by_kind(actor)

    def checkpoints_of(self, actor: Actor | None) -> dict[str, tuple[str, ...]]:
        """For each finding the caller may see, the checkpoints it is about."""
        return self.reads.checkpoints_of(actor)

    def export_native(self, actor: Actor | None, finding_id: str, version: int | None = None) -> Envelope:
        """One version as JSON in a DSSE envelope signed by the lab; the payload's SHA-256 is the version's digest."""
        state = self._readable(finding_id, actor)
        chosen = self._version(state, version, actor)
        if state.status is Status.WITHDRAWN:
            raise Conflict("finding_withdrawn", f"{finding_id} was withdrawn; only its tombstone remains.")
        payload = canonical_bytes(document(finding_id, state.institution_id, state.reporter_id, chosen))
        return sign(DOCUMENT_TYPE, payload, self._kernel.lab_key)

    def _content(
        self,
        actor: Actor,
        draft: FindingDraft,
        *,
        reporter_id: str,
        frozen: Mapping[str, RunFacts] = MappingProxyType({}),
    ) -> Content:
        runs = tuple(frozen.get(run_id) or self._runs.facts(run_id, actor) for run_id in dict.fromkeys(draft.run_ids))
        checkpoint_ids = tuple(dict.fromkeys((*draft.checkpoint_ids, *(run.checkpoint_id for run in runs))))
        named = (*draft.recipients, *(self._people.coordinator_ids() if draft.to_coordinators else ()))
        recipients = tuple(person for person in dict.fromkeys(named) if person != reporter_id)
        self._refuse_unknown(checkpoint_ids, recipients)
        return parse(
            Content,
            {
                **{name: getattr(draft, name) for name in Content.model_fields if name in FindingDraft.model_fields},
                "recipients": recipients,
                "checkpoint_ids": checkpoint_ids,
                "runs": runs,
            },
        )

    def _refuse_unknown(self, checkpoint_ids: tuple[str, ...], recipients: tuple[str, ...]) -> None:
        if strange := self._checkpoints.unknown(checkpoint_ids):
            raise Invalid("unknown_checkpoint", f"No checkpoint {min(strange)} is registered.", param="checkpoint_ids")
        if strange := self._people.unknown(recipients):
            raise Invalid("unknown_recipient", f"There is no person {min(strange)}.", param="recipients")

    def draft_of(self, actor: Actor, finding_id: str) -> FindingDraft:
        """The current version as a draft to revise: the same readers, and nobody added unasked."""
        state = self._readable(finding_id, actor)
        content = state.current.content
        kept = {name: getattr(content, name) for name in FindingDraft.model_fields if name in Content.model_fields}
        return FindingDraft(
            **kept,
            institution_id=state.institution_id,
            to_coordinators=False,
            run_ids=tuple(run.run_id for run in content.runs),
        )

    def check_citation(
        self, actor: Actor, finding_id: str, version: int, digest: str, *, current: bool = False
    ) -> None:
        """Whether the actor may cite that version under that digest.

        Raises NotFound for what the actor may not know of, Invalid for another digest, Conflict for a withdrawn finding
        and, if it has to be ``current``, for a version that has been replaced.
        """
        state = self._readable(finding_id, actor)
        cited = self._version(state, version, actor)
        if cited.digest != digest:
            raise Invalid("digest_mismatch", f"Version {version} of {finding_id} has another digest.")
        if state.status is Status.WITHDRAWN:
            raise Conflict("finding_withdrawn", f"{finding_id} was withdrawn and cannot be relied on.")
        if current and cited is not state.current:
            raise Conflict(
                "stale_citation",
                f"{finding_id} is at version {state.current.number}; version {version} is cited.",
                hint="Read the current version and decide again.",
            )

    def _execute(
        self, finding_id: str, command: FindingCommand, actor: Actor, idempotency_key: str | None
    ) -> FindingView:
        self._readable(finding_id, actor)
        state = self._kernel.execute(FINDINGS, finding_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, state.current, actor)

    def _readable(self, finding_id: str, actor: Actor | None) -> Finding:
        try:
            state = self._kernel.state(FINDINGS, finding_id)
        except NotFound:
            raise not_found(finding_id) from None
        if not state.audience.admits(actor):
            raise not_found(finding_id)
        return state

    def _version(self, state: Finding, number: int | None, actor: Actor | None) -> Version:
        version = state.current if number is None else state.version(number)
        if version is None or not state.audience_of(version).admits(actor):
            raise not_found(f"{state.finding_id} version {number}")
        return version

    def _view(self, state: Finding, version: Version, actor: Actor | None) -> FindingView:
        withdrawn = state.status is Status.WITHDRAWN
        opens = [v for v in state.versions if state.audience_of(v).admits(actor)]
        original = state.duplicate_of
        if original and original not in self.reads.readable([original], actor):
            original = None
        return FindingView(
            finding_id=state.finding_id,
            institution_id=state.institution_id,
            status=state.status,
            version=version.number,
            is_current=version is state.current,
            digest=version.digest,
            content=None if withdrawn else version.content,
            access_statement="" if withdrawn else access_statement(version.content.runs),
            credit=self._credit(state, version),
            audience=state.audience_of(version).describe(),
            history=tuple(
                VersionLine(number=v.number, digest=v.digest, marking=v.content.marking, note=v.note, made_at=v.made_at)
                for v in opens
            ),
            duplicate_of=original,
            withdrawal=state.withdrawal,
            closing_note=state.closing_note,
            actions=tuple(sorted(allowed(state, actor))) if actor else (),
        )

    def _credit(self, state: Finding, version: Version) -> str:
        institution = self._people.institution_name(state.institution_id)
        match version.content.credit:
            case Credit.NAMED:
                return f"{self._people.name(state.reporter_id)}, {institution}"
            case Credit.INSTITUTION:
                return institution
            case Credit.NONE:
                return "The reporter wishes not to be named."
