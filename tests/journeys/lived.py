"""What agreements look like when they have been lived with: duties done, due and late, counter-offers, an amendment
to sign, a suspension under appeal, vetting, review before publication, a campaign, notices and a webhook.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from agreements.actors import Actor, Channel
from agreements.agreement import Agreement, Change
from agreements.clauses import Clause, SuspensionReason
from agreements.duties import IncidentKind
from agreements.publication import PublicationKind
from agreements.standard_terms import template
from agreements.vetting import Evidence, VettingItem
from portal.composition import Portal, utc_now
from portal.config import load
from portal.services.publications import RedactionRequest, Submission
from portal.services.templates import USUAL
from tests.journeys.conftest import PARTNER, Cast, Server

AGO = timedelta(days=40)
"""How long the oldest agreement has run: its first feedback is late, its second one due."""

_DIGEST = "sha256:" + "a" * 64


def long_ago() -> datetime:
    """The clock under which the portal and its oldest agreement were made."""
    return utc_now() - AGO


def live(server: Server, cast: Cast) -> dict[str, tuple[str, ...]]:
    """Furnish a portal that was made ``long_ago``; the addresses worth a look, by role. The server must not run yet."""
    settings = load(server.data, port=server.port)
    with Portal.open(settings, clock=long_ago) as portal:
        running = _Life(portal, cast).in_force("A year of misuse research")
    with Portal.open(settings) as portal:
        return _Life(portal, cast).go_on(running)


class _Life:
    """The steps, each as whoever takes it."""

    def __init__(self, portal: Portal, cast: Cast) -> None:
        self._portal = portal
        self._lab: Actor = cast.coordinator.actor(Channel.CLI)
        self._lead: Actor = cast.lead.actor(Channel.CLI)

    def go_on(self, running: str) -> dict[str, tuple[str, ...]]:
        """Everything since; the addresses."""
        duty = self._duties(running)
        negotiated, suspended = self._negotiated(), self._suspended()
        publication = self._publication(running)
        self._vetted()
        self._narrowed_and_ended()
        # Last: it proposes an amendment under every agreement that has none.
        campaign = self._campaign()
        both = (
            *self._parts(running, "terms", "changes", "sign", "life", "allows", "timeline", "comments"),
            *self._parts(negotiated, "changes", "comments", "sign"),
            *self._parts(suspended, "life", "timeline"),
            f"/agreements?agreement={negotiated}&edit=counter",
            f"/duties?agreement={running}&duty={duty}",
            "/duties?view=month",
            "/duties?view=timeline",
            f"/passports?institution={PARTNER}",
            f"/publications?publication={publication}",
        )
        lab = (
            *(f"/templates?template={USUAL}&do={do}" for do in ("read", "compare", "edit", "campaign")),
            f"/templates?campaign={campaign}",
        )
        return {"lead": both, "coordinator": (*both, *lab)}

    def in_force(self, title: str, **changes: Mapping[str, Any]) -> str:
        """An agreement that both signed, with fields of some clauses changed by kind."""
        clauses = [
            {**clause.model_dump(mode="json"), **changes.get(clause.kind, {})} for clause in template(USUAL).clauses
        ]
        drafted = self._portal.agreements.draft(self._lab, institution_id=PARTNER, title=title, clauses=clauses)
        return self._signed(self._portal.agreements.offer(self._lab, drafted.id)).id

    @staticmethod
    def _parts(agreement_id: str, *parts: str) -> tuple[str, ...]:
        return tuple(f"/agreements?agreement={agreement_id}&part={part}" for part in parts)

    def _signed(self, agreement: Agreement) -> Agreement:
        tabled = agreement.proposal or agreement.shown
        for signer in (self._lead, self._lab):
            agreement = self._portal.agreements.sign(
                signer, agreement.id, typed_name=signer.name, document_digest=tabled.digest or ""
            )
        return agreement

    def _duties(self, running: str) -> str:
        """One handed in, one waived, an incident; returns the one that is late."""
        duties = self._portal.duties
        late, due, later, *_ = (view.standing.duty.key for view in duties.of_agreement(self._lead, running))
        duties.fulfil(self._lead, running, due, statement="Four hundred runs, nothing new.", url="https://n.example/1")
        duties.waive(self._lab, running, later, reason="The workshop took its place.")
        duties.report_incident(
            self._lead,
            running,
            kind=IncidentKind.LEAK,
            aware_at=utc_now() - timedelta(hours=3),
            statement="A notebook with samples lay open.",
        )
        return late

    def _negotiated(self) -> str:
        """A text that went to and fro, and lies on the partner's table again."""
        agreements = self._portal.agreements
        drafted = agreements.draft(self._lab, institution_id=PARTNER, title="Detection research")
        agreements.offer(self._lab, drafted.id)
        for writer, weeks, note in ((self._lead, 8, "Four weeks is short."), (self._lab, 6, "Half-way.")):
            agreements.comment(writer, drafted.id, text=f"We can do {weeks} weeks.", clause_id="feedback")
            agreements.counter(
                writer,
                drafted.id,
                title=drafted.title,
                clauses=_with(drafted, "feedback", every_weeks=weeks),
                note=note,
            )
        return drafted.id

    def _suspended(self) -> str:
        """An appeal that awaits its answer, and an amendment to be signed for what changed."""
        agreements, agreement_id = self._portal.agreements, self.in_force("Bias analysis")
        governing = agreements.get(self._lab, agreement_id)
        agreements.propose(
            self._lab,
            agreement_id,
            change=Change.AMENDMENT,
            clauses=_with(governing, "confidentiality", retention_days=180),
            note="The usual time by now.",
        )
        agreements.offer(self._lab, agreement_id)
        reason = SuspensionReason.SUSPECTED_MISUSE.value
        agreements.suspend(self._lab, agreement_id, reason=reason, statement="Prompts that ask for exploits.")
        agreements.appeal(self._lead, agreement_id, number=1, text="They were in the plan.")
        return agreement_id

    def _narrowed_and_ended(self) -> None:
        agreements = self._portal.agreements
        narrowed, ended = self.in_force("Scoring only"), self.in_force("A pilot that is over")
        agreements.narrow(
            self._lab, narrowed, operations=["score"], requests_per_minute=5, statement="Until the report is in."
        )
        agreements.terminate(self._lab, ended, reason="The pilot is over.")

    def _publication(self, running: str) -> str:
        publications = self._portal.publications
        submission = Submission(
            agreement_id=running, title="What models remember", kind=PublicationKind.MANUSCRIPT, sha256=_DIGEST
        )
        publication_id = publications.submit(self._lead, submission).publication.id
        requests = [
            RedactionRequest(where=where, ground="safety", reason="It tells how to get around the filter.")
            for where in ("Section 4", "Appendix B")
        ]
        publications.ask(self._lab, publication_id, requests)
        publications.contest(self._lead, publication_id, 2, reason="It is known from elsewhere.")
        return publication_id

    def _vetted(self) -> None:
        passports, soon = self._portal.passports, utc_now() + timedelta(days=20)
        for item in (VettingItem.IDENTITY, VettingItem.SIGNATORY_AUTHORITY, VettingItem.SECURITY_QUESTIONNAIRE):
            passports.submit(
                self._lead,
                PARTNER,
                item=item,
                statement="As the register says.",
                evidence=[Evidence(label="Charter", sha256="a" * 64)],
            )
        passports.review(self._lab, PARTNER, item=VettingItem.IDENTITY, accepted=True, valid_until=soon)
        passports.review(
            self._lab, PARTNER, item=VettingItem.SIGNATORY_AUTHORITY, accepted=False, reason="It names nobody."
        )

    def _campaign(self) -> str:
        usual = self._portal.templates.get(USUAL)
        self._portal.templates.publish(
            self._lab,
            template_id=USUAL,
            version=usual.version + 1,
            title=usual.title,
            summary=usual.summary,
            clauses=_changed(usual.clauses, "final-report", within_days=45),
            note="More time for the last report.",
        )
        started = self._portal.campaigns.start(self._lab, USUAL, note="More time for the last report.")
        self._portal.webhooks.register(self._lead, institution_id=PARTNER, url="https://hooks.example/concordat")
        return started.campaign.id


def _with(agreement: Agreement, clause_id: str, **data: Any) -> list[dict[str, Any]]:
    return _changed(agreement.shown.clauses, clause_id, **data)


def _changed(clauses: Sequence[Clause], clause_id: str, **data: Any) -> list[dict[str, Any]]:
    return [{**clause.model_dump(mode="json"), **(data if clause.clause_id == clause_id else {})} for clause in clauses]
