"""Access requests: drafted, checked, submitted, decided by one coordinator or two, and granted in the same step."""

import logging
from collections.abc import Sequence
from typing import Any

from agreements.access_requests import (
    ASKERS,
    AcceptAlternative,
    AccessRequest,
    Act,
    ApproveRequest,
    Comparison,
    DecisionPeriod,
    DeclineAlternative,
    Draft,
    GrantAgreed,
    LapseRequest,
    Mark,
    OfferAlternative,
    OpenRequest,
    RefuseRequest,
    RequestCommand,
    RequestStatus,
    RiskPolicy,
    SaveDraft,
    SubmitRequest,
    Terms,
    WithdrawRequest,
    acts_on,
    approvals_needed,
    check_may,
    compared,
    says,
    sees,
    why_lapsed,
)
from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.errors import ConcordatError, Conflict, Fixer, Forbidden, Invalid, NotFound
from agreements.grants import HolderKind
from agreements.ids import new_id
from agreements.scopes import Scope, filled
from portal.config import Settings
from portal.inputs import clean, parse
from portal.services.aggregates import AGREEMENTS
from portal.services.agreements import AgreementService
from portal.services.grants import GrantService
from portal.services.high_risk import HighRisk
from portal.services.holders import Holders
from portal.services.kernel import ATTEMPTS, Kernel, Step
from portal.services.people import PeopleService
from portal.services.request_prerequisites import RequestPrerequisites
from portal.services.request_rows import ACCESS_REQUESTS
from portal.services.request_views import Background, Checklist, Earlier, RequestView

logger = logging.getLogger(__name__)

REQUEST_CLOCK = Actor.automatic("access-requests")
"""The named rule that issues what everybody agreed to, and records what has lapsed."""


class AccessRequestService:
    """The one path by which access is asked for and decided on."""

    def __init__(
        self,
        kernel: Kernel,
        agreements: AgreementService,
        people: PeopleService,
        grants: GrantService,
        prerequisites: RequestPrerequisites,
        holders: Holders,
        high_risk: HighRisk,
        settings: Settings,
    ) -> None:
        self._kernel = kernel
        self._agreements = agreements
        self._people = people
        self._grants = grants
        self._prerequisites = prerequisites
        self._holders = holders
        self._period = DecisionPeriod(days=settings.request_decision_days, working=settings.request_working_days)
        self._answer_days = settings.request_answer_days
        self._high_risk = high_risk

    @property
    def policy(self) -> RiskPolicy:
        """What the operator marks as high risk."""
        return self._high_risk.policy

    # ---- the institution's side ------------------------------------------------------------------------------------

    def open(
        self,
        actor: Actor,
        *,
        institution_id: str | None = None,
        content: Draft | None = None,
        copy_of: str | None = None,
        idempotency_key: str | None = None,
    ) -> RequestView:
        """Begin a draft, empty, filled in, or as a copy of an earlier request.

        ``institution_id`` may be left out by whoever asks for one institution only. Raises Forbidden ``not_asker``,
        Invalid ``institution_needed``, NotFound for what the actor may not see.
        """
        earlier = self._load(actor, copy_of) if copy_of else None
        institution = institution_id or (earlier.institution_id if earlier else self._only_institution(actor))
        if not any(actor.has(role, institution) for role in ASKERS):
            raise Forbidden(
                "not_asker",
                "Only a partner lead or member asks for access, for their own institution.",
                hint="Ask one of them.",
                fixer=Fixer.LEAD,
            )
        draft = self._cleaned(actor, institution, content or (earlier.draft if earlier else Draft()))
        request_id = new_id("req")
        command = OpenRequest(
            request_id=request_id,
            institution_id=institution,
            institution_name=self._people.institution_name(institution),
            reserved_grant_id=new_id("grt"),
            reserved_child_id=new_id("grt"),
            content=draft,
            copied_from=earlier.id if earlier else "",
        )
        state = self._kernel.execute(ACCESS_REQUESTS, request_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, actor)

    def save(self, actor: Actor, request_id: str, content: Draft, *, idempotency_key: str | None = None) -> RequestView:
        """Keep a draft as it is now; what did not change is not recorded. Raises Forbidden, Conflict or Invalid."""
        state = self._load(actor, request_id)
        command = SaveDraft(content=self._cleaned(actor, state.institution_id, content))
        return self._execute(actor, request_id, command, idempotency_key)

    def submit(self, actor: Actor, request_id: str, *, idempotency_key: str | None = None) -> RequestView:
        """Put a draft before the lab.

        Raises Invalid ``incomplete_request`` naming the first open field, Conflict with the code of the first
        prerequisite that is missing.
        """
        state = self._load(actor, request_id)
        command = SubmitRequest(
            content=state.draft,
            blockers=self._prerequisites.blockers(state),
            marks=() if state.draft.gaps() else self._high_risk.marks(state.draft.terms(state.institution_id).scope),
            period=self._period,
        )
        return self._execute(actor, request_id, command, idempotency_key)

    def accept(
        self, actor: Actor, request_id: str, number: int, *, note: str = "", idempotency_key: str | None = None
    ) -> RequestView:
        """Take the alternative. Where no other coordinator has to agree, access is open when this returns."""
        fields = {"number": number, "note": note, "period": self._period}
        self._do(actor, request_id, AcceptAlternative, fields, idempotency_key)
        try:
            self.complete(request_id)
        except ConcordatError as refusal:
            # The acceptance stands; the clockwork tries again, and so can a coordinator.
            logger.info("access request %s is agreed and not granted yet: %s", request_id, refusal.code)
        return self.get(actor, request_id)

    def decline(
        self, actor: Actor, request_id: str, number: int, *, reason: str, idempotency_key: str | None = None
    ) -> RequestView:
        """Stay with what was asked for; the lab decides on that."""
        fields = {"number": number, "reason": reason, "period": self._period}
        return self._do(actor, request_id, DeclineAlternative, fields, idempotency_key)

    def withdraw(
        self, actor: Actor, request_id: str, *, reason: str = "", idempotency_key: str | None = None
    ) -> RequestView:
        """Take a request back, or throw a draft away."""
        return self._do(actor, request_id, WithdrawRequest, {"reason": reason}, idempotency_key)

    # ---- the lab's side --------------------------------------------------------------------------------------------

    def approve(
        self,
        actor: Actor,
        request_id: str,
        *,
        note: str = "",
        expected: Scope | None = None,
        idempotency_key: str | None = None,
    ) -> RequestView:
        """Agree to the terms on the table. The last word that is needed issues the grant in the same transaction.

        ``expected`` is the scope that the coordinator looked at. Raises Forbidden ``own_request``, Conflict
        ``second_person_needed``, or ``request_changed`` where another scope is on the table; Invalid
        ``beyond_agreement``.
        """
        self._load(actor, request_id)
        for attempt in range(ATTEMPTS):
            steps = self._approving(actor, request_id, note=note, expected=expected)
            try:
                self._kernel.execute_all(steps, actor, idempotency_key=idempotency_key)
                break
            except Conflict as refusal:
                if refusal.code != "request_changed" or attempt == ATTEMPTS - 1:
                    raise
        return self.get(actor, request_id)

    def offer(
        self, actor: Actor, request_id: str, *, scope: Scope, reason: str, idempotency_key: str | None = None
    ) -> RequestView:
        """Offer another scope instead. Finer limits that it leaves unsaid are the agreement's."""
        state = self._load(actor, request_id)
        check_may(state, Act.OFFER, actor)
        bounds = self._agreement(state).bounds()
        wanted = filled(scope, bounds.scope)
        fields = {
            "scope": wanted,
            "reason": reason,
            "bounds": bounds,
            "marks": self._high_risk.marks(wanted),
            "answer_days": self._answer_days,
        }
        return self._do(actor, request_id, OfferAlternative, fields, idempotency_key)

    def refuse(self, actor: Actor, request_id: str, *, reason: str, idempotency_key: str | None = None) -> RequestView:
        """Say no, with a reason that the institution reads."""
        return self._do(actor, request_id, RefuseRequest, {"reason": reason}, idempotency_key)

    # ---- the clock's side ------------------------------------------------------------------------------------------

    def complete(self, request_id: str) -> bool:
        """Issue the grant where everybody agreed already; False where somebody has still to. Raises what keeps it."""
        state = self._kernel.state(ACCESS_REQUESTS, request_id)
        terms = state.terms
        if terms is None or state.status_on(self._kernel.clock()) is not RequestStatus.SUBMITTED:
            return False
        marks = self._high_risk.marks(terms.scope)
        gone = self._gone(state)
        if state.agreed is None or not state.complete_with(marks, gone=gone):
            return False
        blockers = self._prerequisites.blockers(state)
        command = GrantAgreed(scope=terms.scope, marks=marks, blockers=blockers, gone=gone)
        steps = [Step(ACCESS_REQUESTS, request_id, command), *self._opening(state, terms)]
        self._kernel.execute_all(steps, REQUEST_CLOCK)
        return True

    def lapse(self, request_id: str) -> bool:
        """Record that a request has lapsed, by its own clocks or with its agreement; False where it has not."""
        state = self._kernel.state(ACCESS_REQUESTS, request_id)
        now = self._kernel.clock()
        if not state.status.is_open:
            return False
        agreement = self._agreement(state)
        if state.status_on(now) is RequestStatus.LAPSED:
            command = LapseRequest(reason=why_lapsed(state, now))
        elif agreement.ends_at is not None and now >= agreement.ends_at:
            reason = f"agreement {agreement.id} ended on {agreement.ends_at:%Y-%m-%d %H:%M} UTC"
            command = LapseRequest(reason=reason, agreement_over=True)
        else:
            return False
        self._kernel.execute(ACCESS_REQUESTS, request_id, command, REQUEST_CLOCK)
        return True

    def state(self, request_id: str) -> AccessRequest:
        """The request as recorded, for the rules that attend to it. Authorises nobody."""
        return self._kernel.state(ACCESS_REQUESTS, request_id)

    def marks(self, state: AccessRequest) -> tuple[Mark, ...]:
        """Why the terms on the table are high risk by today's policy; once decided, why they were then."""
        terms = state.terms
        if terms is None or not state.status_on(self._kernel.clock()).is_open:
            return state.approvals[-1].marks if state.approvals else state.marks
        return self._high_risk.marks(terms.scope)

    # ---- looking ---------------------------------------------------------------------------------------------------

    def get(self, actor: Actor, request_id: str) -> RequestView:
        """One request, for its institution and coordinators; a draft for its author. Raises NotFound otherwise."""
        return self._view(self._load(actor, request_id), actor)

    def list(
        self, actor: Actor, *, agreement_id: str | None = None, open_only: bool = False
    ) -> tuple[RequestView, ...]:
        """The requests the actor may see, newest first. ``open_only`` leaves out what is over, and drafts."""
        rows = self._kernel.store.query(
            """
            SELECT request_id FROM access_request
            WHERE (? OR list_contains(?::VARCHAR[], institution_id))
                AND (?::VARCHAR IS NULL OR agreement_id = ?) AND (NOT ? OR status IN ('submitted', 'amended'))
            ORDER BY CASE WHEN submitted_at = '' THEN opened_at ELSE submitted_at END DESC, request_id
            """,
            [actor.is_coordinator, list(actor.institution_ids), agreement_id, agreement_id, open_only],
        )
        states = (self._kernel.state(ACCESS_REQUESTS, row["request_id"]) for row in rows)
        views = (self._view(state, actor) for state in states if sees(state, actor))
        return tuple(view for view in views if not open_only or view.status.is_open)

    def waiting_for(self, actor: Actor) -> tuple[RequestView, ...]:
        """Those in which the next word is the actor's: to decide, or to answer. The one due first ahead."""
        wanted = {Act.APPROVE, Act.ACCEPT}
        found = [view for view in self.list(actor, open_only=True) if wanted & set(view.may)]
        return tuple(sorted(found, key=lambda view: (view.due_at is None, view.due_at, view.request.id)))

    @staticmethod
    def asks_for(actor: Actor) -> tuple[str, ...]:
        """The institutions for which the actor may ask for access."""
        if actor.grant_id is not None or actor.program:
            return ()
        return tuple(one for one in actor.institution_ids if any(actor.has(role, one) for role in ASKERS))

    def checklist(self, actor: Actor, request_id: str) -> Checklist:
        """What is still missing, and who decides by when. Raises NotFound."""
        state = self._load(actor, request_id)
        draft = state.draft
        gaps = draft.gaps()
        now = self._kernel.clock()
        return Checklist(
            gaps=gaps,
            lines=self._prerequisites.checklist(state),
            marks=() if gaps else self._high_risk.marks(draft.terms(state.institution_id).scope),
            period=str(self._period),
            decide_by=state.decide_by or self._period.end(now),
            deciders=self._deciders(state),
        )

    def background(self, actor: Actor, request_id: str) -> Background:
        """The request beside what its agreement allows, the institution's other grants and requests.

        For coordinators, and for those who may see the request themselves as far as they may see the rest. Raises
        NotFound.
        """
        state = self._load(actor, request_id)
        now = self._kernel.clock()
        views = self._grants.list(actor)
        others = self.list(actor)
        return Background(
            comparison=self._comparison(state),
            grants=tuple(
                view
                for view in views
                if view.grant.institution_id == state.institution_id
                and view.grant.holder.kind is HolderKind.INSTITUTION
                and view.grant.live_on(now)
            ),
            earlier=tuple(
                Earlier(
                    request_id=view.request.id,
                    title=view.request.asked.title,
                    requester_name=view.request.requester_name,
                    status=view.status,
                    says=view.says,
                    submitted_at=view.request.submitted_at,
                )
                for view in others
                if view.request.institution_id == state.institution_id
                and view.request.id != state.id
                and view.request.asked is not None
            ),
        )

    # ---- how -------------------------------------------------------------------------------------------------------

    def _load(self, actor: Actor, request_id: str) -> AccessRequest:
        missing = NotFound("access_request_not_found", f"There is no access request {request_id!r} that you may see.")
        try:
            state = self._kernel.state(ACCESS_REQUESTS, request_id)
        except NotFound:
            raise missing from None
        if not sees(state, actor):
            raise missing
        return state

    def _only_institution(self, actor: Actor) -> str:
        found = self.asks_for(actor)
        if len(found) > 1:
            raise Invalid(
                "institution_needed",
                "You ask for several institutions.",
                hint=f"Name one of {', '.join(found)}.",
                param="institution_id",
            )
        return found[0] if found else ""

    def _cleaned(self, actor: Actor, institution_id: str, content: Draft) -> Draft:
        """The draft with its texts made safe to keep. Raises Invalid, or NotFound for an agreement of others."""
        if content.agreement_id:
            agreement = self._agreements.get(actor, content.agreement_id)
            if agreement.institution_id != institution_id:
                raise Invalid(
                    "agreement_of_others",
                    f"Agreement {agreement.id} is another institution's.",
                    hint="Name one of the institution that you ask for.",
                    param="agreement_id",
                )
        return parse(Draft, clean(dict(content), lines=("title",)))

    def _agreement(self, state: AccessRequest) -> Agreement:
        return self._kernel.state(AGREEMENTS, state.draft.agreement_id)

    def _approving(self, actor: Actor, request_id: str, *, note: str, expected: Scope | None) -> Sequence[Step]:
        """The steps of an approval, with those of the grant where this is the last word that is needed."""
        state, now = self._load(actor, request_id), self._kernel.clock()
        check_may(state, Act.APPROVE, actor)
        terms = state.terms
        if terms is None:
            raise NotFound(
                "access_request_not_found",
                "There is no such access request before the lab.",
                hint="Its institution has to submit it first.",
                fixer=Fixer.LEAD,
            )
        marks = self._high_risk.marks(terms.scope)
        waits = state.status_on(now) is RequestStatus.SUBMITTED
        gone = self._gone(state)
        opens = len({*_before(state, actor), actor.person_id} - set(gone)) >= approvals_needed(marks)
        fields = {
            "scope": expected or terms.scope,
            "marks": marks,
            "blockers": self._prerequisites.blockers(state),
            "opens": opens,
            "note": note,
            "gone": gone,
        }
        if waits:
            _refuse_beyond(self._comparison(state))
            if expected is not None and expected != terms.scope:
                raise Conflict(
                    "request_changed",
                    f"Something else than what you looked at is on the table of access request {request_id}.",
                    hint="Look at it again, then decide.",
                )
        approval = Step(ACCESS_REQUESTS, request_id, parse(ApproveRequest, clean(fields)))
        return [approval, *(self._opening(state, terms) if waits and opens else ())]

    def _opening(self, state: AccessRequest, terms: Terms) -> Sequence[Step]:
        return self._grants.opening(state, terms, self._agreement(state))

    def _comparison(self, state: AccessRequest) -> Comparison | None:
        draft = state.draft
        terms = state.terms
        if terms is None:
            terms = None if draft.gaps() else draft.terms(state.institution_id)
        if terms is None:
            return None
        try:
            return compared(terms.scope, self._agreement(state).bounds())
        except Conflict:
            return None

    def _deciders(self, state: AccessRequest, waiting_for: tuple[Mark, ...] = ()) -> tuple[str, ...]:
        """The coordinators whose word is still wanted, by name."""
        enough = state.complete_with(waiting_for, gone=self._gone(state))
        spoken = frozenset() if enough else state.approver_ids
        ids = [one for one in self._people.coordinator_ids() if one not in state.interested_ids | spoken]
        return tuple(self._people.name(person_id) for person_id in ids)

    def _do(
        self,
        actor: Actor,
        request_id: str,
        kind: type[RequestCommand],
        fields: dict[str, Any],
        idempotency_key: str | None,
    ) -> RequestView:
        self._load(actor, request_id)
        return self._execute(actor, request_id, parse(kind, clean(fields)), idempotency_key)

    def _execute(
        self, actor: Actor, request_id: str, command: RequestCommand, idempotency_key: str | None
    ) -> RequestView:
        state = self._kernel.execute(ACCESS_REQUESTS, request_id, command, actor, idempotency_key=idempotency_key)
        return self._view(state, actor)

    def _view(self, state: AccessRequest, actor: Actor) -> RequestView:
        now = self._kernel.clock()
        status, terms = state.status_on(now), state.terms
        marks = self.marks(state)
        gone = self._gone(state)
        acts = acts_on(state, actor, now, marks, gone=gone)
        return RequestView(
            request=state,
            status=status,
            says=says(state, now),
            due_at=state.due_on(now),
            overdue=state.overdue_on(now),
            terms=terms,
            holder_name=self._holder_name(state),
            agreement_title=self._agreement(state).title if state.draft.agreement_id else "",
            deciders=self._deciders(state, waiting_for=marks) if status.is_open else (),
            marks=marks,
            approvals_needed=approvals_needed(marks),
            approved_by=tuple(one.by_id for one in state.approvals if one.by_id not in gone),
            may=tuple(act for act in Act if act in acts),
        )

    def _gone(self, state: AccessRequest) -> tuple[str, ...]:
        """Who agreed while it is open, and coordinates no more: their word does not open anything."""
        if not state.status.is_open:
            return ()
        return tuple(sorted(state.approver_ids - set(self._people.coordinator_ids())))

    def _holder_name(self, state: AccessRequest) -> str:
        gone = self._holders.gone(state.holder, state.institution_id) if state.submitted_at is None else ""
        return state.holder.id if gone else self._holders.name(state.holder)


def _before(state: AccessRequest, actor: Actor) -> tuple[str, ...]:
    """Who had agreed before the actor did, so that an approval that is sent again is planned as it was at first."""
    ids = [approval.by_id for approval in state.approvals]
    return tuple(ids[: ids.index(actor.person_id)] if actor.person_id in ids else ids)


def _refuse_beyond(comparison: Comparison | None) -> None:
    """A first word on what could never be granted would lead the second coordinator astray. Raises Invalid."""
    beyond = next((line for line in comparison.lines if line.beyond), None) if comparison is not None else None
    if beyond is not None:
        raise Invalid(
            "beyond_agreement",
            f"The request goes beyond the agreement in {beyond.dimension}: {beyond.beyond}.",
            hint="Offer an alternative within the agreement, or amend the agreement first.",
            param=beyond.dimension,
        )
