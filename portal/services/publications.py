"""Publications under review: put forward by their digest, answered item by item, cleared by silence, recorded."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import Field

from agreements.actors import Actor, PartyKind
from agreements.agreement import Agreement
from agreements.deciders import Value
from agreements.dsse import Envelope, sign
from agreements.errors import Conflict, NotFound
from agreements.ids import new_id
from agreements.publication import (
    AUTHORS,
    CLEARANCE_TYPE,
    AcceptRedaction,
    Act,
    AskRedactions,
    ClearPublication,
    ContestRedaction,
    MaintainRedaction,
    OpenReview,
    Publication,
    PublicationCommand,
    PublicationKind,
    PublicationStatus,
    RecordPublication,
    Redaction,
    RedactionStatus,
    ReviewTerms,
    WithdrawPublication,
    WithdrawRedaction,
    acts_on,
    acts_on_redaction,
    clearance_bytes,
    review_terms,
    says,
)
from portal.inputs import Digest, Identifier, Line, Prose, parse
from portal.services.aggregates import AGREEMENTS
from portal.services.agreements import AgreementService
from portal.services.kernel import Kernel
from portal.services.publication_rows import PUBLICATIONS


class Submission(Value):
    """What an author fills in. The file itself stays where it is."""

    agreement_id: Identifier
    title: Line
    kind: PublicationKind
    sha256: Digest
    url: Annotated[str, Field(max_length=500)] = ""
    venue: Annotated[str, Field(max_length=200)] = ""
    planned_for: date | None = None


class RedactionRequest(Value):
    """One passage that the lab wants left out or changed, and why."""

    where: Prose
    ground: str
    reason: Prose


class Appearance(Value):
    """Where it appeared, and who is credited."""

    link: str = ""
    doi: str = ""
    credits: tuple[Line, ...]
    published_on: date
    note: str = ""


class _Words(Value):
    """What is said in passing, made safe to keep; what was left empty is not here."""

    reason: Prose | None = None
    note: Prose | None = None
    venue: Line | None = None


class RedactionView(Value):
    """A redaction as it stands, and what its reader may do to it."""

    redaction: Redaction
    status: RedactionStatus
    may: tuple[Act, ...]


class PublicationView(Value):
    """A publication as it stands now, and what its reader may do to it."""

    publication: Publication
    status: PublicationStatus
    says: str
    """The status in words, with what comes next."""
    turn: PartyKind | None
    """Whose move it is."""
    due_at: datetime | None
    """When the clock that runs against the lab runs out."""
    cleared_at: datetime | None
    redactions: tuple[RedactionView, ...]
    may: tuple[Act, ...]


class PublicationService:
    """The one path by which publications are reviewed. Both sides of the agreement see them, and nobody else."""

    def __init__(self, kernel: Kernel, agreements: AgreementService) -> None:
        self._kernel = kernel
        self._agreements = agreements

    def submit(self, actor: Actor, submission: Submission, *, idempotency_key: str | None = None) -> PublicationView:
        """Put a file forward; the lab's window begins.

        Raises Forbidden for anyone but a lead or member, NotFound for an agreement of others, Conflict without an
        agreement in force or a clause on review.
        """
        agreement = self._agreements.get(actor, submission.agreement_id)
        publication_id = new_id("pub")
        command = parse(
            OpenReview,
            {
                "publication_id": publication_id,
                "institution_id": agreement.institution_id,
                "institution_name": agreement.institution_name,
                "lab_name": agreement.lab_name,
                "terms": self._terms(agreement),
                **_cleaned(dict(submission)),
            },
        )
        state = self._kernel.execute(PUBLICATIONS, publication_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, actor)

    def ask(
        self,
        actor: Actor,
        publication_id: str,
        redactions: Sequence[RedactionRequest],
        *,
        idempotency_key: str | None = None,
    ) -> PublicationView:
        """Ask for redactions, as a coordinator and within the window.

        Raises Invalid ``ground_not_permitted`` for a ground that is not on the agreement's list.
        """
        asked = tuple(dict(redaction) for redaction in redactions)
        return self._do(actor, publication_id, AskRedactions, {"redactions": asked}, idempotency_key)

    def accept(
        self,
        actor: Actor,
        publication_id: str,
        number: int,
        *,
        sha256: str,
        note: str = "",
        idempotency_key: str | None = None,
    ) -> PublicationView:
        """Make a redaction, as the institution; ``sha256`` is the digest of the file with it."""
        fields = {"number": number, "sha256": sha256, "note": note}
        return self._do(actor, publication_id, AcceptRedaction, fields, idempotency_key)

    def contest(
        self, actor: Actor, publication_id: str, number: int, *, reason: str, idempotency_key: str | None = None
    ) -> PublicationView:
        """Refuse a redaction, as the institution; the lab has another window to maintain it."""
        fields = {"number": number, "reason": reason}
        return self._do(actor, publication_id, ContestRedaction, fields, idempotency_key)

    def maintain(
        self, actor: Actor, publication_id: str, number: int, *, reason: str, idempotency_key: str | None = None
    ) -> PublicationView:
        """Stand by a contested redaction, as a coordinator; it may then be published over the objection."""
        fields = {"number": number, "reason": reason}
        return self._do(actor, publication_id, MaintainRedaction, fields, idempotency_key)

    def drop(
        self, actor: Actor, publication_id: str, number: int, *, note: str = "", idempotency_key: str | None = None
    ) -> PublicationView:
        """Ask for a redaction no longer, as a coordinator."""
        fields = {"number": number, "note": note}
        return self._do(actor, publication_id, WithdrawRedaction, fields, idempotency_key)

    def clear(
        self, actor: Actor, publication_id: str, *, note: str = "", idempotency_key: str | None = None
    ) -> PublicationView:
        """Clear it before the window ends, as a coordinator; redactions still open fall away."""
        return self._do(actor, publication_id, ClearPublication, {"note": note}, idempotency_key)

    def publish(
        self, actor: Actor, publication_id: str, appearance: Appearance, *, idempotency_key: str | None = None
    ) -> PublicationView:
        """Record where it appeared, as the institution, once it is cleared or disputed."""
        return self._do(actor, publication_id, RecordPublication, dict(appearance), idempotency_key)

    def withdraw(
        self, actor: Actor, publication_id: str, *, reason: str, idempotency_key: str | None = None
    ) -> PublicationView:
        """Take it out of review, as the institution."""
        return self._do(actor, publication_id, WithdrawPublication, {"reason": reason}, idempotency_key)

    def reviewable(self, actor: Actor) -> tuple[tuple[Agreement, ReviewTerms], ...]:
        """The agreements under which the actor can put a file forward now, each with the terms of its review."""
        found = []
        for agreement in self._agreements.list(actor):
            if any(actor.has(role, agreement.institution_id) for role in AUTHORS):
                with suppress(Conflict):
                    found.append((agreement, self._terms(agreement)))
        return tuple(found)

    def get(self, actor: Actor, publication_id: str) -> PublicationView:
        """One publication, for its institution and coordinators. Raises NotFound for everybody else too."""
        return self._view(self._load(actor, publication_id), actor)

    def list(self, actor: Actor, *, agreement_id: str | None = None) -> tuple[PublicationView, ...]:
        """The publications the actor may see, newest first, of one agreement or of all."""
        return self._listed(actor, agreement_id, undecided_only=False)

    def open_for(self, actor: Actor) -> tuple[PublicationView, ...]:
        """Those whose review still runs, newest first: ``turn`` says whose move it is, ``due_at`` until when."""
        listed = self._listed(actor, None, undecided_only=True)
        return tuple(view for view in listed if view.status.is_open)

    def letter(self, actor: Actor, publication_id: str) -> Envelope:
        """The clearance letter, signed by the lab. Raises NotFound, or Conflict ``not_cleared``."""
        state = self._load(actor, publication_id)
        return sign(CLEARANCE_TYPE, clearance_bytes(state, self._kernel.clock()), self._kernel.lab_key)

    def _listed(self, actor: Actor, agreement_id: str | None, *, undecided_only: bool) -> tuple[PublicationView, ...]:
        rows = self._kernel.store.query(
            """
            SELECT publication_id FROM publication
            WHERE (? OR list_contains(?::VARCHAR[], institution_id))
                AND (?::VARCHAR IS NULL OR agreement_id = ?) AND NOT (? AND decided)
            ORDER BY opened_at DESC, publication_id
            """,
            [actor.is_coordinator, list(actor.institution_ids), agreement_id, agreement_id, undecided_only],
        )
        return tuple(self._view(self._kernel.state(PUBLICATIONS, row["publication_id"]), actor) for row in rows)

    def _terms(self, agreement: Agreement) -> ReviewTerms:
        framework = agreement.framework
        state = self._kernel.state(AGREEMENTS, framework.agreement_id) if framework is not None else None
        return review_terms(agreement, state, self._kernel.clock())

    def _load(self, actor: Actor, publication_id: str) -> Publication:
        missing = NotFound("publication_not_found", f"There is no publication {publication_id!r} that you may see.")
        try:
            state = self._kernel.state(PUBLICATIONS, publication_id)
        except NotFound:
            raise missing from None
        if not (actor.is_coordinator or actor.belongs_to(state.institution_id)):
            raise missing
        return state

    def _do(
        self,
        actor: Actor,
        publication_id: str,
        kind: type[PublicationCommand],
        fields: dict[str, Any],
        idempotency_key: str | None,
    ) -> PublicationView:
        self._load(actor, publication_id)
        command = parse(kind, _cleaned(fields))
        state = self._kernel.execute(PUBLICATIONS, publication_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, actor)

    def _view(self, state: Publication, actor: Actor) -> PublicationView:
        now = self._kernel.clock()
        return PublicationView(
            publication=state,
            status=state.status_on(now),
            says=says(state, now),
            turn=state.turn_on(now),
            due_at=state.due_on(now),
            cleared_at=state.cleared_at(now),
            redactions=tuple(
                RedactionView(
                    redaction=redaction,
                    status=redaction.status_on(now),
                    may=_sorted(acts_on_redaction(state, redaction, actor, now)),
                )
                for redaction in state.redactions
            ),
            may=_sorted(acts_on(state, actor, now)),
        )


def _cleaned(fields: dict[str, Any]) -> dict[str, Any]:
    said = {name: fields[name] for name in _Words.model_fields if fields.get(name)}
    return fields | parse(_Words, said).model_dump(exclude_unset=True)


def _sorted(acts: frozenset[Act]) -> tuple[Act, ...]:
    return tuple(act for act in Act if act in acts)
