"""Re-sign campaigns: a newer template put to each partner as an amendment of its own agreement."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agreements.actors import Actor
from agreements.agreement import Agreement, Change, VersionStatus
from agreements.campaigns import Campaign, CampaignEntry, CloseCampaign, Note, StartCampaign, coordinator
from agreements.clauses import check_clauses
from agreements.deciders import Value
from agreements.diffs import ClauseChange, MergeResult, changed_ids, compare, three_way
from agreements.errors import ConcordatError, Conflict, Forbidden, Invalid, NotFound
from agreements.ids import new_id
from agreements.standard_terms import Template
from portal.inputs import clean, parse
from portal.services.agreements import AgreementService
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel
from portal.services.template_rows import CAMPAIGNS
from portal.services.templates import TemplateService

_REFUSED = (Conflict, Forbidden, Invalid, NotFound)
"""What stands in the way of one partner's amendment and is no reason to stop the others'."""


class NewCampaign(Value):
    """What a coordinator asks for."""

    template_id: str
    to_version: int | None = None
    """By default the newest."""
    agreement_ids: Annotated[tuple[str, ...], Field(max_length=10_000)] | None = None
    """Only these; None for all that the preview names."""
    note: Note = ""
    """What partners read beside the amendment."""


class Candidate(Value):
    """An agreement in force that came from an earlier version, and what the newer one would make of it."""

    agreement_id: str
    institution_id: str
    institution_name: str
    title: str
    from_version: int
    changes: tuple[ClauseChange, ...]
    """Every clause, from the text in force to the one that would be proposed."""
    changed: tuple[str, ...]
    """The clauses that would have to be accepted anew."""
    conflicts: tuple[str, ...]
    """Clauses that stay as negotiated although the template changed them."""
    code: str = ""
    """Of what stands in the way; empty where nothing does."""
    reason: str = ""

    @property
    def proposable(self) -> bool:
        """Whether an amendment can be proposed now."""
        return not self.reason


class CampaignPreview(Value):
    """What a campaign would do, if it were started now."""

    template_id: str
    template_title: str
    to_version: int
    candidates: tuple[Candidate, ...]


class Step(StrEnum):
    """How far one agreement has come in a campaign."""

    NOT_PROPOSED = "not_proposed"
    DRAFT = "draft"
    OFFERED = "offered"
    COUNTERED = "countered"
    SIGNED = "signed"
    """By some, not by all."""
    IN_FORCE = "in_force"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    ENDED = "ended"
    """The agreement itself ended before the amendment was answered."""

    @property
    def label(self) -> str:
        """The step as people read it."""
        return self.value.replace("_", " ")


class EntryProgress(Value):
    """One agreement in a campaign, as it stands now."""

    agreement_id: str
    institution_id: str
    institution_name: str
    title: str
    step: Step
    version: int | None
    """The version under negotiation or agreed on; counter-offers move it on."""
    conflicts: tuple[str, ...]
    reason: str
    """Why nothing was proposed."""
    at: datetime | None
    """When that version was put on the table or came into force."""


class StepCount(Value):
    """How many agreements stand at a step."""

    step: Step
    count: int
    percent: int
    """Of all agreements in the campaign, rounded."""


class CampaignProgress(Value):
    """A campaign as it stands now."""

    campaign: Campaign
    template_title: str
    entries: tuple[EntryProgress, ...]
    counts: tuple[StepCount, ...]
    """Of the steps that any agreement stands at, in their order."""
    percent_in_force: int
    """Of those that were proposed, rounded."""


class CampaignService:
    """Previews, starts, follows and closes campaigns. For coordinators only."""

    def __init__(
        self,
        kernel: Kernel,
        institutions: InstitutionService,
        templates: TemplateService,
        agreements: AgreementService,
    ) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._templates = templates
        self._agreements = agreements

    def preview(self, actor: Actor, template_id: str, to_version: int | None = None) -> CampaignPreview:
        """What a version, by default the newest, would change in each agreement made from an earlier one.

        Raises Forbidden or NotFound.
        """
        coordinator(actor)
        target = self._templates.get(template_id, to_version)
        found = [self._candidate(agreement, target)[0] for agreement in self._due(actor, target)]
        return CampaignPreview(
            template_id=template_id,
            template_title=target.title,
            to_version=target.version,
            candidates=tuple(found),
        )

    def start(
        self,
        actor: Actor,
        template_id: str,
        to_version: int | None = None,
        *,
        agreement_ids: Sequence[str] | None = None,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> CampaignProgress:
        """Propose and offer the amendments, to all candidates or to those named, and record it.

        What stands in the way of one is recorded with it, and the others go on. Should the portal stop half-way, the
        amendments that were offered stay offered; a campaign started again reports them as open. Raises Forbidden,
        NotFound, Invalid ``not_a_candidate``, or Conflict ``nothing_to_propose``.
        """
        coordinator(actor)
        done = self._kernel.made_under(CAMPAIGNS, actor, idempotency_key)
        if done is not None:
            return self.progress(actor, done)
        wanted = parse(
            NewCampaign,
            clean({"template_id": template_id, "to_version": to_version, "agreement_ids": agreement_ids, "note": note}),
        )
        target = self._templates.get(wanted.template_id, wanted.to_version)
        due = self._chosen(self._due(actor, target), wanted.agreement_ids, target)
        judged = [(agreement, *self._candidate(agreement, target)) for agreement in due]
        if not any(candidate.proposable for _agreement, candidate, _merged in judged):
            why = f" {judged[0][1].reason}" if judged else ""
            raise Conflict(
                "nothing_to_propose",
                f"No agreement can be brought to version {target.version} of {template_id!r} now.{why}",
                hint="The preview says for each what stands in the way.",
            )
        words = wanted.note or f"{target.title}, version {target.version}."
        entries = tuple(
            self._propose(actor, candidate, merged, target, words) for _agreement, candidate, merged in judged
        )
        campaign_id = new_id("cmp")
        command = parse(
            StartCampaign,
            {
                "campaign_id": campaign_id,
                "template_id": target.template_id,
                "to_version": target.version,
                "note": words,
                "entries": entries,
            },
        )
        self._kernel.execute(CAMPAIGNS, campaign_id, command, actor, idempotency_key=idempotency_key)
        return self.progress(actor, campaign_id)

    def progress(self, actor: Actor, campaign_id: str) -> CampaignProgress:
        """How each agreement stands, with counts. Raises NotFound, for everybody but coordinators too."""
        campaign = self._load(actor, campaign_id)
        entries = tuple(self._stands(actor, entry) for entry in campaign.entries)
        steps = [entry.step for entry in entries]
        proposed = sum(step is not Step.NOT_PROPOSED for step in steps)
        return CampaignProgress(
            campaign=campaign,
            template_title=self._templates.get(campaign.template_id, campaign.to_version).title,
            entries=entries,
            counts=tuple(
                StepCount(step=step, count=steps.count(step), percent=_percent(steps.count(step), len(steps)))
                for step in Step
                if step in steps
            ),
            percent_in_force=_percent(steps.count(Step.IN_FORCE), proposed),
        )

    def list(self, actor: Actor) -> tuple[Campaign, ...]:
        """All campaigns, newest first. Raises Forbidden."""
        coordinator(actor)
        rows = self._kernel.store.query("SELECT campaign_id FROM campaign ORDER BY started_at DESC, campaign_id")
        return tuple(self._kernel.state(CAMPAIGNS, row["campaign_id"]) for row in rows)

    def close(
        self, actor: Actor, campaign_id: str, *, note: str = "", idempotency_key: str | None = None
    ) -> CampaignProgress:
        """Wait for no further answers; amendments still open stay open. Raises NotFound or Conflict."""
        self._load(actor, campaign_id)
        command = parse(CloseCampaign, clean({"note": note}))
        self._kernel.execute(CAMPAIGNS, campaign_id, command, actor, idempotency_key=idempotency_key)
        return self.progress(actor, campaign_id)

    def _load(self, actor: Actor, campaign_id: str) -> Campaign:
        missing = NotFound("campaign_not_found", f"There is no campaign {campaign_id!r} that you may see.")
        if not actor.is_coordinator or not campaign_id:
            raise missing
        try:
            return self._kernel.state(CAMPAIGNS, campaign_id)
        except NotFound:
            raise missing from None

    def _due(self, actor: Actor, target: Template) -> Sequence[Agreement]:
        """The agreements whose term runs and whose text came from an earlier version, by institution."""
        now = self._kernel.clock()
        due = [
            agreement
            for agreement in self._agreements.list(actor)
            if agreement.template_id == target.template_id
            and agreement.template_version < target.version
            and agreement.runs_on(now)
        ]
        return sorted(due, key=lambda agreement: (agreement.institution_name, agreement.id))

    @staticmethod
    def _chosen(due: Sequence[Agreement], agreement_ids: Sequence[str] | None, target: Template) -> Sequence[Agreement]:
        if agreement_ids is None:
            return due
        unknown = sorted(set(agreement_ids) - {agreement.id for agreement in due})
        if unknown:
            raise Invalid(
                "not_a_candidate",
                f"{', '.join(unknown)} is no agreement in force from a version before {target.version} of "
                f"{target.template_id!r}.",
                hint="Choose among those of the preview.",
                param="agreement_ids",
            )
        return [agreement for agreement in due if agreement.id in set(agreement_ids)]

    def _candidate(self, agreement: Agreement, target: Template) -> tuple[Candidate, MergeResult]:
        base = self._templates.get(agreement.template_id, agreement.template_version)
        merged = three_way(base.clauses, agreement.clauses, target.clauses)
        obstacle = self._obstacle(agreement, merged)
        candidate = Candidate(
            agreement_id=agreement.id,
            institution_id=agreement.institution_id,
            institution_name=agreement.institution_name,
            title=agreement.title,
            from_version=agreement.template_version,
            changes=compare(agreement.clauses, merged.clauses),
            changed=changed_ids(agreement.clauses, merged.clauses),
            conflicts=merged.conflicts,
            code=obstacle.code if obstacle else "",
            reason=obstacle.message if obstacle else "",
        )
        return candidate, merged

    def _obstacle(self, agreement: Agreement, merged: MergeResult) -> ConcordatError | None:
        """What stands in the way of proposing it now."""
        if agreement.proposal is not None:
            return Conflict(
                "proposal_open",
                f"Version {agreement.proposal.number} of agreement {agreement.id} is still "
                f"{agreement.proposal.status.label}.",
            )
        if not changed_ids(agreement.clauses, merged.clauses):
            return Conflict("nothing_changed", f"The text of agreement {agreement.id} would stay as it is.")
        if not self._institutions.active_keys(agreement.institution_id):
            return Conflict("no_active_key", f"{agreement.institution_name} has no signing key.")
        try:
            check_clauses(merged.clauses, agreement.form)
        except Invalid as refusal:
            return refusal
        return None

    def _propose(
        self, actor: Actor, candidate: Candidate, merged: MergeResult, target: Template, note: str
    ) -> CampaignEntry:
        if not candidate.proposable:
            return _entry(candidate, candidate.code, candidate.reason)
        agreement_id = candidate.agreement_id
        try:
            proposed = self._agreements.propose(
                actor,
                agreement_id,
                change=Change.AMENDMENT,
                clauses=merged.clauses,
                note=note,
                template_version=target.version,
            )
        except _REFUSED as refusal:
            return _entry(candidate, refusal.code, refusal.message)
        try:
            self._agreements.offer(actor, agreement_id)
        except _REFUSED as refusal:
            self._agreements.withdraw(actor, agreement_id, reason=f"It could not be offered: {refusal.message}")
            return _entry(candidate, refusal.code, refusal.message)
        return CampaignEntry(
            agreement_id=agreement_id,
            proposed=True,
            version=proposed.versions[-1].number,
            conflicts=candidate.conflicts,
        )

    def _stands(self, actor: Actor, entry: CampaignEntry) -> EntryProgress:
        agreement = self._agreements.get(actor, entry.agreement_id)
        step, version, at = Step.NOT_PROPOSED, entry.version, None
        if entry.version is not None:
            reached = agreement.version(entry.version)
            while reached.status is VersionStatus.SUPERSEDED:
                # A counter-offer overtook it, and is always the next version.
                reached = agreement.version(reached.number + 1)
            version, at = reached.number, reached.effective_at or reached.tabled_at
            step = Step.IN_FORCE if reached.effective_at is not None else Step(reached.status.value)
            if reached.status.is_open and not agreement.runs_on(self._kernel.clock()):
                step = Step.ENDED
        return EntryProgress(
            agreement_id=agreement.id,
            institution_id=agreement.institution_id,
            institution_name=agreement.institution_name,
            title=agreement.title,
            step=step,
            version=version,
            conflicts=entry.conflicts,
            reason=entry.reason,
            at=at,
        )


def _entry(candidate: Candidate, code: str, reason: str) -> CampaignEntry:
    """An agreement to which nothing was proposed, and why."""
    return CampaignEntry(
        agreement_id=candidate.agreement_id, proposed=False, conflicts=candidate.conflicts, code=code, reason=reason
    )


def _percent(part: int, whole: int) -> int:
    return round(100 * part / whole) if whole else 0
