"""Agreements: drafted from templates, negotiated, signed by both sides, changed, suspended, ended."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from agreements.actors import LAB, Actor, PartyKind
from agreements.agreement import (
    PAYLOAD_TYPE,
    AddComment,
    Agreement,
    AgreementCommand,
    Change,
    Close,
    Counter,
    DecideAppeal,
    Decline,
    DraftAgreement,
    EditDraft,
    FileAppeal,
    FrameworkRef,
    Lift,
    Narrow,
    Offer,
    Propose,
    Sign,
    Suspend,
    Terminate,
    Version,
    Widen,
    Withdraw,
)
from agreements.agreement.export import EXPORT_TYPE
from agreements.clauses import Form, SafeHarbour, parse_clauses
from agreements.dsse import Envelope
from agreements.errors import Conflict, Invalid, NotFound
from agreements.grants import Grant
from agreements.ids import new_id
from agreements.standard_terms import Template
from agreements.succession import fates
from portal.inputs import clean, parse
from portal.services.aggregates import AGREEMENTS, GRANTS
from portal.services.clicks import clicked
from portal.services.duty_book import DutyBook
from portal.services.institutions import InstitutionService
from portal.services.kernel import Kernel, Step
from portal.services.prerequisites import Prerequisites
from portal.services.templates import USUAL, TemplateService
from portal.standing import represents

C = TypeVar("C", bound=AgreementCommand)


class AgreementService:
    """The one path by which agreements live."""

    def __init__(
        self,
        kernel: Kernel,
        institutions: InstitutionService,
        prerequisites: Prerequisites,
        library: TemplateService,
    ) -> None:
        self._kernel = kernel
        self._institutions = institutions
        self._prerequisites = prerequisites
        self._library = library
        self._duties = DutyBook(kernel)

    # ---- from a template to the table ------------------------------------------------------------------------------

    def templates(self) -> tuple[Template, ...]:
        """What a draft can start from."""
        return self._library.all()

    def draft(
        self,
        actor: Actor,
        *,
        institution_id: str,
        template_id: str = USUAL,
        title: str | None = None,
        clauses: Sequence[object] | None = None,
        framework_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Start a draft from a template, with its clauses or given ones.

        A schedule names the framework in force that it belongs to. Raises Forbidden, Invalid, Conflict or NotFound.
        """
        chosen = self._library.for_draft(template_id)
        institution = self._institutions.get(institution_id)
        agreement_id = new_id("agr")
        command = _command(
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
                "form": chosen.form,
                "framework": self._framework(actor, institution.id, chosen.form, framework_id),
            },
        )
        return self._kernel.execute(AGREEMENTS, agreement_id, command, actor, idempotency_key=idempotency_key)

    def edit(
        self, actor: Actor, agreement_id: str, *, title: str, clauses: Sequence[object], note: str = ""
    ) -> Agreement:
        """Replace the title and clauses of a draft."""
        return self._do(
            actor, agreement_id, EditDraft, {"title": title, "clauses": parse_clauses(clauses), "note": note}
        )

    def offer(self, actor: Actor, agreement_id: str, *, idempotency_key: str | None = None) -> Agreement:
        """Put the draft on the table, or take over the institution's text. The institution needs a key to sign with."""
        agreement = self.get(actor, agreement_id)
        if not self._institutions.active_keys(agreement.institution_id):
            raise Conflict(
                "no_active_key",
                f"{agreement.institution_name} has no signing key yet.",
                hint="Register its public key, or let the portal keep one for it.",
            )
        return self._do(actor, agreement_id, Offer, {}, idempotency_key)

    def counter(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        clauses: Sequence[object],
        title: str | None = None,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Answer the text on the table with another; the one before can no longer be signed."""
        agreement = self.get(actor, agreement_id)
        named = title or (agreement.proposal or agreement.shown).title
        fields = {"title": named, "clauses": parse_clauses(clauses), "note": note}
        return self._do(actor, agreement_id, Counter, fields, idempotency_key)

    def propose(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        change: Change,
        clauses: Sequence[object] | None = None,
        title: str | None = None,
        note: str = "",
        template_version: int | None = None,
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Begin an amendment or a renewal: a draft of the lab, or at once on the table by the institution."""
        agreement = self.get(actor, agreement_id)
        fields = {
            "change": change,
            "title": title or agreement.title,
            "clauses": agreement.clauses if clauses is None else parse_clauses(clauses),
            "template_version": agreement.template_version if template_version is None else template_version,
            "note": note,
        }
        return self._do(actor, agreement_id, Propose, fields, idempotency_key)

    def comment(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        text: str,
        clause_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Remark on the text on the table, or on one of its clauses."""
        return self._do(actor, agreement_id, AddComment, {"text": text, "clause_id": clause_id}, idempotency_key)

    def decline(self, actor: Actor, agreement_id: str, *, reason: str, idempotency_key: str | None = None) -> Agreement:
        """Say no to the other side's text."""
        return self._do(actor, agreement_id, Decline, {"reason": reason}, idempotency_key)

    def withdraw(
        self, actor: Actor, agreement_id: str, *, reason: str, idempotency_key: str | None = None
    ) -> Agreement:
        """Take one's own text back."""
        return self._do(actor, agreement_id, Withdraw, {"reason": reason}, idempotency_key)

    # ---- signatures ------------------------------------------------------------------------------------------------

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
        tabled = agreement.proposal or agreement.shown
        if " ".join(typed_name.split()).casefold() != " ".join(actor.name.split()).casefold():
            raise Invalid("name_differs", f"To sign, type your name exactly: {actor.name}.", param="typed_name")
        if document_digest != tabled.digest:
            raise Invalid(
                "digest_differs",
                "The document has another digest than the one you confirmed.",
                hint="Reload the agreement, read it again and sign that.",
                param="document_digest",
            )
        party = self._party(actor, agreement)
        signer = agreement.institution_id if party is PartyKind.INSTITUTION else LAB
        envelope = self._institutions.sign(signer, actor, PAYLOAD_TYPE, agreement.document_bytes(tabled.number))
        return self._sign(actor, agreement, party, envelope, idempotency_key)

    def submit_signature(
        self, actor: Actor, agreement_id: str, envelope: object, *, idempotency_key: str | None = None
    ) -> Agreement:
        """Hand in a DSSE envelope signed elsewhere with the institution's own key."""
        agreement = self.get(actor, agreement_id)
        return self._sign(
            actor, agreement, self._party(actor, agreement), Envelope.from_json(envelope), idempotency_key
        )

    @staticmethod
    def _party(actor: Actor, agreement: Agreement) -> PartyKind:
        """For whom the actor signs; whoever may sign for both sides signs for the one whose turn it is."""
        if represents(actor, LAB) and represents(actor, agreement.institution_id):
            place = agreement.proposal.next_signatory if agreement.proposal is not None else None
            return PartyKind.LAB if place is None else place.party
        return PartyKind.LAB if represents(actor, LAB) else PartyKind.INSTITUTION

    def _sign(
        self, actor: Actor, agreement: Agreement, party: PartyKind, envelope: Envelope, idempotency_key: str | None
    ) -> Agreement:
        signer = agreement.institution_id if party is PartyKind.INSTITUTION else LAB
        proposal = agreement.proposal
        before = _signed_before(proposal, actor, envelope)
        last = proposal is not None and before is not None and before + 1 == len(proposal.order)
        missing = self._prerequisites.missing(agreement, proposal) if last and proposal is not None else ()
        keys = self._institutions.active_keys(signer)
        command = Sign(party=party, envelope=envelope, keys=keys, missing=missing, signed_before=before)
        carried = self._carried_over(agreement, proposal) if last and proposal is not None else ()
        steps = [Step(AGREEMENTS, agreement.id, command), *carried]
        self._kernel.execute_all(steps, actor, idempotency_key=idempotency_key)
        return self.get(actor, agreement.id)

    def grants_under(self, agreement_id: str) -> tuple[Grant, ...]:
        """The grants under an agreement that were not revoked."""
        rows = self._kernel.store.query(
            "SELECT grant_id FROM access_grant WHERE agreement_id = ? AND status <> 'revoked' ORDER BY grant_id",
            [agreement_id],
        )
        return tuple(self._kernel.state(GRANTS, row["grant_id"]) for row in rows)

    def schedules_under(self, framework_id: str) -> tuple[Agreement, ...]:
        """The agreements in force under a framework, by id. Authorises nobody: that is its callers' part."""
        rows = self._kernel.store.query(
            "SELECT agreement_id FROM agreement WHERE framework_id = ? AND status = 'in_force' ORDER BY agreement_id",
            [framework_id],
        )
        return tuple(self._kernel.state(AGREEMENTS, row["agreement_id"]) for row in rows)

    def _carried_over(self, agreement: Agreement, coming: Version) -> tuple[Step, ...]:
        """The grants that go on under a version about to come into force."""
        settled = fates(agreement, coming, self.grants_under(agreement.id), self._kernel.clock())
        return tuple(Step(GRANTS, fate.grant.id, fate.carried) for fate in settled if fate.carried is not None)

    # ---- while it runs ---------------------------------------------------------------------------------------------

    @clicked
    def suspend(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        reason: str,
        statement: str,
        duty_keys: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Stop all access, by notice, until it is lifted; the next request is refused once it takes effect."""
        fields = {
            "reason": reason,
            "statement": statement,
            "duty_keys": tuple(duty_keys),
            "safe_harbour": self._safe_harbour(actor, agreement_id),
        }
        return self._do(actor, agreement_id, Suspend, fields, idempotency_key)

    def lift(
        self, actor: Actor, agreement_id: str, *, number: int, reason: str, idempotency_key: str | None = None
    ) -> Agreement:
        """End a suspension."""
        return self._do(actor, agreement_id, Lift, {"number": number, "reason": reason}, idempotency_key)

    def appeal(
        self, actor: Actor, agreement_id: str, *, number: int, text: str, idempotency_key: str | None = None
    ) -> Agreement:
        """Object to a suspension; the clock of the agreement starts for the lab."""
        fields = {"number": number, "text": text, "safe_harbour": self._safe_harbour(actor, agreement_id)}
        return self._do(actor, agreement_id, FileAppeal, fields, idempotency_key)

    def decide_appeal(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        number: int,
        upheld: bool,
        reasons: str,
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Answer an appeal, by another coordinator than the one who suspended."""
        fields = {"number": number, "upheld": upheld, "reasons": reasons}
        return self._do(actor, agreement_id, DecideAppeal, fields, idempotency_key)

    @clicked
    def narrow(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        operations: Sequence[str],
        requests_per_minute: int,
        statement: str,
        duty_keys: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Cut access down to some operations and a slower rate."""
        fields = {
            "operations": frozenset(operations),
            "requests_per_minute": requests_per_minute,
            "statement": statement,
            "duty_keys": tuple(duty_keys),
        }
        return self._do(actor, agreement_id, Narrow, fields, idempotency_key)

    def widen(self, actor: Actor, agreement_id: str, *, reason: str, idempotency_key: str | None = None) -> Agreement:
        """End a narrowing."""
        return self._do(actor, agreement_id, Widen, {"reason": reason}, idempotency_key)

    @clicked
    def terminate(
        self, actor: Actor, agreement_id: str, *, reason: str, idempotency_key: str | None = None
    ) -> Agreement:
        """End an agreement in force; every grant under it ends with the next request, and so does every schedule."""
        agreement, now = self.get(actor, agreement_id), self._kernel.clock()
        with_it = _command(Terminate, {"reason": f"Framework {agreement.id}, to which it belongs, was terminated."})
        steps = [Step(AGREEMENTS, agreement.id, _command(Terminate, {"reason": reason}))]
        steps += [Step(AGREEMENTS, one.id, with_it) for one in self.schedules_under(agreement.id) if one.runs_on(now)]
        self._kernel.execute_all(steps, actor, idempotency_key=idempotency_key)
        return self.get(actor, agreement.id)

    def close(
        self,
        actor: Actor,
        agreement_id: str,
        *,
        fulfilled: bool,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Close the books after the end; as fulfilled only when no duty is open."""
        undone = self._duties.open_keys(self.get(actor, agreement_id), self._kernel.clock())
        fields = {"fulfilled": fulfilled, "note": note, "open_duties": undone}
        return self._do(actor, agreement_id, Close, fields, idempotency_key)

    def _safe_harbour(self, actor: Actor, agreement_id: str) -> SafeHarbour | None:
        """The clause by which suspensions are notified and appealed: the agreement's, else its framework's."""
        return self._duties.clause(self.get(actor, agreement_id), SafeHarbour)

    # ---- reading ---------------------------------------------------------------------------------------------------

    def get(self, actor: Actor, agreement_id: str) -> Agreement:
        """One agreement, for its parties. Raises NotFound for everybody else too; a draft is the lab's alone."""
        missing = NotFound("agreement_not_found", f"There is no agreement {agreement_id!r} that you may see.")
        try:
            agreement = self._kernel.state(AGREEMENTS, agreement_id)
        except NotFound:
            raise missing from None
        if not _visible(actor, agreement):
            raise missing
        return _as_seen_by(actor, agreement)

    def list(self, actor: Actor) -> tuple[Agreement, ...]:
        """The agreements the actor may see, newest first."""
        rows = self._kernel.store.query(
            """
            SELECT agreement_id FROM agreement
            WHERE ? OR list_contains(?::VARCHAR[], institution_id)
            ORDER BY drafted_at DESC, agreement_id
            """,
            [actor.is_coordinator or actor.is_automatic, list(actor.institution_ids)],
        )
        found = (self._kernel.state(AGREEMENTS, row["agreement_id"]) for row in rows)
        return tuple(_as_seen_by(actor, agreement) for agreement in found if _visible(actor, agreement))

    def export(self, actor: Actor, agreement_id: str, *, version: int | None = None) -> dict[str, Any]:
        """A signed document as JSON: what was signed, and every signature as a DSSE envelope.

        The version on the table while there is one that awaits signatures and nothing governs; else the one in force.
        """
        agreement = self.get(actor, agreement_id)
        chosen = agreement.shown if version is None else agreement.version(version)
        return {
            "type": EXPORT_TYPE,
            "document": agreement.document(chosen.number),
            "document_digest": chosen.digest,
            "status": chosen.status.value if version is not None else agreement.status.value,
            "signatures": [signature.model_dump(mode="json") for signature in chosen.signatures],
        }

    def _framework(
        self, actor: Actor, institution_id: str, form: Form, framework_id: str | None
    ) -> FrameworkRef | None:
        if (framework_id is not None) != (form is Form.SCHEDULE):
            raise Invalid(
                "framework_mismatch",
                "A schedule names the framework agreement it belongs to, and nothing else does.",
                hint="Choose a framework in force, or another template.",
                param="framework_id",
            )
        if framework_id is None:
            return None
        framework = self.get(actor, framework_id)
        now = self._kernel.clock()
        fits = framework.form is Form.FRAMEWORK and framework.institution_id == institution_id
        if not fits or not framework.runs_on(now) or framework.document_digest is None:
            raise Conflict(
                "no_such_framework",
                f"Agreement {framework_id} is no framework in force with this institution.",
                hint="Sign a framework agreement first.",
            )
        return FrameworkRef(agreement_id=framework.id, digest=framework.document_digest, title=framework.title)

    def _do(
        self,
        actor: Actor,
        agreement_id: str,
        kind: type[AgreementCommand],
        fields: Mapping[str, object],
        idempotency_key: str | None = None,
    ) -> Agreement:
        """Carry out one command on an agreement that the actor may see."""
        self.get(actor, agreement_id)
        command = _command(kind, fields)
        self._kernel.execute(AGREEMENTS, agreement_id, command, actor, idempotency_key=idempotency_key)
        return self.get(actor, agreement_id)


def _command(kind: type[C], fields: Mapping[str, object]) -> C:
    return parse(kind, clean(fields, lines={"title"}))


def _signed_before(proposal: Version | None, actor: Actor, envelope: Envelope) -> int | None:
    """How many signatures come before this one; of one that is sent again, how many came before it then.

    By one key two people make the same envelope, so that only the person tells whether it is sent again.
    """
    if proposal is None:
        return None
    sent = (actor.person_id, envelope.to_json())
    again = (number for number, one in enumerate(proposal.signatures) if (one.signer_id, one.envelope) == sent)
    return next(again, len(proposal.signatures))


def _visible(actor: Actor, agreement: Agreement) -> bool:
    if actor.is_coordinator or actor.is_automatic:
        return True
    never_offered = agreement.offered_at is None
    return actor.belongs_to(agreement.institution_id) and not never_offered


def _as_seen_by(actor: Actor, agreement: Agreement) -> Agreement:
    """Without the lab's own drafts and what it remarked on them, for everybody but the lab."""
    if actor.is_coordinator or actor.is_automatic:
        return agreement
    tabled = {version.number: version.tabled_at for version in agreement.versions if version.tabled_at is not None}
    return agreement.model_copy(
        update={
            "versions": tuple(version for version in agreement.versions if version.number in tabled),
            "comments": tuple(
                comment
                for comment in agreement.comments
                if comment.version in tabled and comment.at >= tabled[comment.version]
            ),
        }
    )
