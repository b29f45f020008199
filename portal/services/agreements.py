"""Agreements: drafted from templates, offered, signed by both sides, ended."""

from collections.abc import Sequence
from typing import Any

from agreements.actors import LAB, Actor
from agreements.agreement import (
    PAYLOAD_TYPE,
    Agreement,
    AgreementStatus,
    Decline,
    DraftAgreement,
    EditDraft,
    Offer,
    PartyKind,
    Sign,
    Terminate,
    Withdraw,
)
from agreements.clauses import parse_clauses
from agreements.dsse import Envelope
from agreements.errors import Conflict, Invalid, NotFound
from agreements.ids import new_id
from agreements.standard_terms import Template, template, templates
from portal.inputs import parse
from portal.services.aggregates import AGREEMENTS
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel
from portal.standing import represents


class AgreementService:
    """The one path by which agreements live."""

    def __init__(self, kernel: Kernel, institutions: InstitutionService) -> None:
        self._kernel = kernel
        self._institutions = institutions

    def templates(self) -> tuple[Template, ...]:
        """What a draft can start from."""
        return templates()

    def draft(
        self,
        actor: Actor,
        *,
        institution_id: str,
        template_id: str = "software-access",
        title: str | None = None,
        clauses: Sequence[object] | None = None,
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Start a draft from a template, with its clauses or given ones. Raises Forbidden, Invalid or NotFound."""
        chosen = template(template_id)
        institution = self._institutions.get(institution_id)
        agreement_id = new_id("agr")
        command = parse(
            DraftAgreement,
            {
                "agreement_id": agreement_id,
                "institution_id": institution.id,
                "institution_name": institution.name,
                "lab_name": self._institutions.get(LAB).name,
                "title": title or chosen.title,
                "template_id": chosen.template_id,
                "template_version": chosen.version,
                "clauses": chosen.clauses if clauses is None else parse_clauses(clauses),
            },
        )
        return self._kernel.execute(AGREEMENTS, agreement_id, command, actor, idempotency_key=idempotency_key)

    def edit(self, actor: Actor, agreement_id: str, *, title: str, clauses: Sequence[object]) -> Agreement:
        """Replace the title and clauses of a draft."""
        self.get(actor, agreement_id)
        command = parse(EditDraft, {"title": title, "clauses": parse_clauses(clauses)})
        return self._kernel.execute(AGREEMENTS, agreement_id, command, actor)

    def offer(self, actor: Actor, agreement_id: str, *, idempotency_key: str | None = None) -> Agreement:
        """Freeze the document and offer it. The institution needs a key to sign with, so one is required first."""
        agreement = self.get(actor, agreement_id)
        if not self._institutions.active_keys(agreement.institution_id):
            raise Conflict(
                "no_active_key",
                f"{agreement.institution_name} has no signing key yet.",
                hint="Register its public key, or let the portal keep one for it.",
            )
        return self._kernel.execute(AGREEMENTS, agreement_id, Offer(), actor, idempotency_key=idempotency_key)

    def sign(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        typed_name: str,
        document_digest: str,
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Sign on screen with the key in custody: for the institution by its lead, for the lab by a coordinator.

        The signatory types their name and confirms the digest they read; both are checked. Raises Invalid
        ``name_differs`` or ``digest_differs``, and what the decider raises.
        """
        agreement = self.get(actor, agreement_id)
        if " ".join(typed_name.split()).casefold() != " ".join(actor.name.split()).casefold():
            raise Invalid("name_differs", f"To sign, type your name exactly: {actor.name}.", param="typed_name")
        if document_digest != agreement.document_digest:
            raise Invalid(
                "digest_differs",
                "The document has another digest than the one you confirmed.",
                hint="Reload the agreement, read it again and sign that.",
                param="document_digest",
            )
        party = self._party(actor, agreement)
        signer = agreement.institution_id if party is PartyKind.INSTITUTION else LAB
        envelope = self._institutions.sign(signer, actor, PAYLOAD_TYPE, agreement.document_bytes())
        return self._sign(actor, agreement, party, envelope, idempotency_key)

    def submit_signature(
        self, actor: Actor, agreement_id: str, envelope: object, *, idempotency_key: str | None = None
    ) -> Agreement:
        """Hand in a DSSE envelope signed elsewhere with the institution's own key."""
        agreement = self.get(actor, agreement_id)
        return self._sign(
            actor, agreement, self._party(actor, agreement), Envelope.from_json(envelope), idempotency_key
        )

    def decline(self, actor: Actor, agreement_id: str, *, reason: str) -> Agreement:
        """Say no to an offer."""
        return self._end(actor, agreement_id, Decline, reason)

    def withdraw(self, actor: Actor, agreement_id: str, *, reason: str) -> Agreement:
        """Take a draft or an offer back."""
        return self._end(actor, agreement_id, Withdraw, reason)

    def terminate(self, actor: Actor, agreement_id: str, *, reason: str) -> Agreement:
        """End an agreement in force; every grant under it ends with the next request."""
        return self._end(actor, agreement_id, Terminate, reason)

    def get(self, actor: Actor, agreement_id: str) -> Agreement:
        """One agreement, for its parties. Raises NotFound for everybody else too; a draft is the lab's alone."""
        missing = NotFound("agreement_not_found", f"There is no agreement {agreement_id!r} that you may see.")
        try:
            agreement = self._kernel.state(AGREEMENTS, agreement_id)
        except NotFound:
            raise missing from None
        if not _visible(actor, agreement):
            raise missing
        return agreement

    def list(self, actor: Actor) -> tuple[Agreement, ...]:
        """The agreements the actor may see, newest first."""
        rows = self._kernel.store.query(
            """
            SELECT agreement_id FROM agreement
            WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY drafted_at DESC, agreement_id
            """,
            [actor.is_coordinator, list(actor.institution_ids)],
        )
        found = (self._kernel.state(AGREEMENTS, row["agreement_id"]) for row in rows)
        return tuple(agreement for agreement in found if _visible(actor, agreement))

    def export(self, actor: Actor, agreement_id: str) -> dict[str, Any]:
        """The signed document as JSON: what was signed, and every signature as a DSSE envelope."""
        agreement = self.get(actor, agreement_id)
        return {
            "type": "concordat-signed-agreement/v1",
            "document": agreement.document(),
            "document_digest": agreement.document_digest,
            "status": agreement.status.value,
            "signatures": [signature.model_dump(mode="json") for signature in agreement.signatures],
        }

    @staticmethod
    def _party(actor: Actor, agreement: Agreement) -> PartyKind:
        """For whom the actor signs; whoever may sign for both sides signs for the one whose turn it is."""
        if represents(actor, LAB) and represents(actor, agreement.institution_id):
            return PartyKind.LAB if agreement.status is AgreementStatus.SIGNED else PartyKind.INSTITUTION
        return PartyKind.LAB if represents(actor, LAB) else PartyKind.INSTITUTION

    def _sign(
        self, actor: Actor, agreement: Agreement, party: PartyKind, envelope: Envelope, idempotency_key: str | None
    ) -> Agreement:
        signer = agreement.institution_id if party is PartyKind.INSTITUTION else LAB
        command = Sign(party=party, envelope=envelope, keys=self._institutions.active_keys(signer))
        return self._kernel.execute(AGREEMENTS, agreement.id, command, actor, idempotency_key=idempotency_key)

    def _end(
        self, actor: Actor, agreement_id: str, kind: type[Decline | Withdraw | Terminate], reason: str
    ) -> Agreement:
        self.get(actor, agreement_id)
        return self._kernel.execute(AGREEMENTS, agreement_id, parse(kind, {"reason": reason}), actor)


def _visible(actor: Actor, agreement: Agreement) -> bool:
    if actor.is_coordinator or actor.is_automatic:
        return True
    never_offered = agreement.offered_at is None
    return actor.belongs_to(agreement.institution_id) and not never_offered
