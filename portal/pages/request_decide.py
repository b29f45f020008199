"""The coordinator's side of a request: beside the agreement, with the institution's other access, and the decision."""

from datetime import datetime

import streamlit as st

from agreements.access_requests import Act, Comparison, Terms
from agreements.errors import ConcordatError
from agreements.scopes import Scope
from portal.pages.context import current_actor, portal
from portal.pages.grant_parts import summary
from portal.pages.grant_scope import scope_fields, scope_from
from portal.pages.parts import Consequence, confirmed, go, row, status, submit
from portal.pages.request_compare import amount_bars, comparison_table
from portal.pages.request_parts import checklist
from portal.pages.words import count, literal, moment
from portal.pages.writing import field, refused
from portal.services.request_views import Background, RequestView


def decision(view: RequestView, now: datetime) -> None:
    """Everything a coordinator weighs, and then the three ways to decide."""
    request, terms, service = view.request, view.terms, portal().access_requests
    if terms is None:
        return
    background = service.background(current_actor(), request.id)
    st.header("Beside the agreement", anchor=False)
    if background.comparison is None:
        st.warning("The agreement opens nothing now, so that nothing can be granted.", icon=":material/block:")
    else:
        comparison_table(background.comparison)
        amount_bars(background.comparison)
    with st.expander("Prerequisites", icon=":material/checklist:", expanded=True):
        checklist(service.checklist(current_actor(), request.id), submitting=False)
    beside(background)
    st.header("Decide", anchor=False)
    approvals(view)
    with row():
        if Act.APPROVE in view.may:
            approving(view, terms)
        if Act.REFUSE in view.may:
            refusing(view, terms)
    if Act.OFFER in view.may and background.comparison is not None:
        offering(view, background.comparison)


def beside(background: Background) -> None:
    """The institution's other access, and what became of its other requests."""
    with st.expander(
        f"The institution's live grants ({len(background.grants)})", icon=":material/key:", expanded=False
    ):
        if not background.grants:
            st.caption("It holds none.")
        for grant in background.grants:
            with st.container(border=True):
                summary(grant)
    with st.expander(f"Its other requests ({len(background.earlier)})", icon=":material/history:", expanded=False):
        if not background.earlier:
            st.caption("It has made none.")
        for earlier in background.earlier:
            with row():
                st.markdown(f"*{literal(earlier.title)}*")
                go(earlier.request_id, "requests", icon="approval", request=earlier.request_id)
                status(earlier.status)
            st.caption(f"{literal(earlier.requester_name)} · {literal(earlier.says)}")


def approvals(view: RequestView) -> None:
    """Who agreed already, and who still has to."""
    approved = view.request.approvals
    if view.marks:
        st.warning(
            "High risk, so two coordinators have to agree to the same terms: "
            f"{literal('; '.join(mark.says for mark in view.marks))}.",
            icon=":material/warning:",
        )
    for one in approved:
        said = f"**{literal(one.by_name)}** agreed {moment(one.at)}"
        if view.status.is_open and one.by_id not in view.approved_by:
            st.markdown(f":orange[:material/person_off:] {said}, and coordinates no more: it does not count.")
        else:
            st.markdown(f":green[:material/how_to_reg:] {said}.")
    if approved and Act.APPROVE not in view.may and Act.OFFER in view.may and view.request.offer is None:
        st.info("You agreed. Another coordinator has to agree too.", icon=":material/hourglass_top:")


def approving(view: RequestView, terms: Terms) -> None:
    """The word of approval, with what it brings about."""
    request = view.request
    last = len({*view.approved_by, current_actor().person_id}) >= view.approvals_needed
    holder = literal(request.institution_name if request.holder.id == request.institution_id else view.holder_name)
    if last:
        follows = (
            f"A grant is issued at once: **{holder}** may use {literal(', '.join(sorted(terms.scope.checkpoints)))} by "
            f"{literal(', '.join(sorted(terms.scope.operations)))}, {count(terms.scope.token_budget, 'token')} in all, "
            f"until {moment(terms.scope.expires_at)}. It can be narrowed, suspended or revoked later."
        )
    else:
        follows = "Nothing is opened yet: another coordinator has to agree to the same terms."
    confirmed(
        "Approve it" if last else "Approve it as the first of two",
        f"request.approve:{request.id}",
        Consequence(f"Approve {literal(terms.title)}?", follows, "Approve", asks_reason=False),
        lambda _reason: (
            lambda who, key: portal().access_requests.approve(
                who, request.id, expected=terms.scope, idempotency_key=key
            )
        ),
        done=lambda done: "Approved: the grant is issued." if done.request.granted else "Your approval is on record.",
        icon="check_circle",
        primary=True,
    )


def refusing(view: RequestView, terms: Terms) -> None:
    """No, with a reason."""
    request = view.request
    confirmed(
        "Refuse it",
        f"request.refuse:{request.id}",
        Consequence(
            f"Refuse {literal(terms.title)}?",
            f"**{literal(request.institution_name)}** reads your reason, which has to say something: twenty characters "
            "at least. The request is over then; they may ask again.",
            "Refuse it",
        ),
        lambda reason: (
            lambda who, key: portal().access_requests.refuse(who, request.id, reason=reason, idempotency_key=key)
        ),
        done="The request is refused.",
        icon="block",
    )


def offering(view: RequestView, found: Comparison) -> None:
    """The form by which the lab offers an alternative; it begins with what lies within both."""
    request, form = view.request, f"request.offer:{view.request.id}:{len(view.request.offers)}"
    bounds = _bounds(view)
    if bounds is None:
        return
    with st.expander("Offer an alternative", icon=":material/forum:", expanded=bool(found.suggestion)):
        st.caption(
            "The fields begin with the widest scope that lies within both the request and the agreement."
            if found.suggestion is not None
            else "The fields begin with what is on the table."
        )
        if request.approvals:
            st.warning("What was agreed to before is void with another offer.", icon=":material/undo:")
        start = found.suggestion or found.asked
        with st.form(form):
            scope_fields(form, bounds, "the agreement", start=start)
            st.text_area(
                "Why; the institution reads it",
                key=field(form, "reason"),
                max_chars=4000,
                height=90,
                help="Twenty characters at least.",
            )
            submit(
                "Offer it",
                form,
                lambda who, key: portal().access_requests.offer(
                    who,
                    request.id,
                    scope=scope_from(form, bounds, start=start),
                    reason=st.session_state[field(form, "reason")],
                    idempotency_key=key,
                ),
                done="The alternative is offered. The institution accepts or declines it.",
                icon="forum",
            )


def _bounds(view: RequestView) -> Scope | None:
    try:
        return portal().grants.bounds(current_actor(), view.request.draft.agreement_id)
    except ConcordatError as refusal:
        refused(refusal)
        return None
