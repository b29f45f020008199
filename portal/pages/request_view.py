"""One access request on the screen: where it stands, what is asked for, what was said, and what its reader may do."""

from datetime import datetime

import streamlit as st

from agreements.access_requests import Act, RequestStatus, Terms, Word
from agreements.access_requests import said as dimensions
from portal.pages.context import current_actor, portal
from portal.pages.parts import Consequence, act, confirmed, copyable, fields, go, row
from portal.pages.request_compare import difference_table
from portal.pages.request_decide import decision
from portal.pages.request_parts import badges, holder_badge, rail
from portal.pages.words import literal, moment, prose, when
from portal.services.request_views import RequestView

_DECIDING = frozenset({Act.APPROVE, Act.OFFER, Act.REFUSE})


def request_page(view: RequestView, now: datetime) -> None:
    """All of it, for either side."""
    request = view.request
    st.markdown(f"Asked for by **{literal(request.requester_name)}** of **{literal(request.institution_name)}**")
    with row(key="request_status"):
        badges(view, now)
        holder_badge(view)
    rail(view, now)
    outcome(view, now)
    answering(view, now)
    if view.terms is not None:
        asked(view, view.terms, now)
    if _DECIDING & set(view.may):
        decision(view, now)
    history(view, now)
    with row():
        withdrawing(view)
        again(view)
    copyable("Id of the request", request.id)


def outcome(view: RequestView, now: datetime) -> None:
    """What became of it."""
    request = view.request
    granted = request.granted
    if granted is not None:
        grant_id = granted.delegated_id or granted.grant_id
        by_rule = " by the rule" if granted.by_id.startswith("auto:") else " by"
        until = moment(granted.scope.expires_at)
        st.success(
            f"Granted{by_rule} {literal(granted.by_name)} {when(granted.at, now)}. "
            + (f"Access is open until {until}." if now < granted.scope.expires_at else f"Access ended on {until}."),
            icon=":material/key:",
        )
        with row():
            go(f"Open grant {grant_id}", "grants", icon="key", grant=grant_id)
            if request.holder.id == current_actor().person_id or not granted.delegated_id:
                go("Issue a token on it", "tokens", icon="vpn_key", grant=grant_id)
    for word, verb in ((request.refused, "Refused"), (request.lapsed, "Lapsed"), (request.withdrawn, "Withdrawn")):
        if word is not None:
            say = st.error if word is request.refused else st.warning
            text = f": {prose(word.text)}" if word.text else ""
            say(f"{verb} by {literal(word.by_name)}{text}", icon=":material/gavel:")


def answering(view: RequestView, now: datetime) -> None:
    """The alternative that awaits its answer, with what it changes, and the way to answer it."""
    request, offer = view.request, view.request.offer
    if offer is None or request.asked is None or view.status is not RequestStatus.AMENDED:
        return
    st.header("The lab offers an alternative", anchor=False)
    with st.container(border=True, key="request_alternative"):
        said("Offered", offer, now)
        difference_table(request.asked.scope, offer.scope)
        with st.expander("All that it would allow", icon=":material/list:"):
            fields([(label, literal(text)) for label, text in dimensions(offer.scope)])
    if Act.ACCEPT not in view.may:
        return
    title = literal(request.asked.title)
    opens = (
        "Another coordinator still has to agree to it, since it is high risk."
        if view.marks
        else f"Access is open at once, until {moment(offer.scope.expires_at)}."
    )
    with row():
        confirmed(
            "Accept the alternative",
            f"request.accept:{request.id}:{offer.number}",
            Consequence(
                "Accept the alternative?",
                f"*{title}* then goes by what the lab offers, not by what was asked for. {opens}",
                "Accept it",
                asks_reason=False,
            ),
            lambda _reason: (
                lambda who, key: portal().access_requests.accept(who, request.id, offer.number, idempotency_key=key)
            ),
            done=lambda done: (
                "Accepted: access is open." if done.status is RequestStatus.APPROVED else "Accepted. The lab goes on."
            ),
            icon="check",
            primary=True,
        )
        confirmed(
            "Decline it",
            f"request.decline:{request.id}:{offer.number}",
            Consequence(
                "Decline the alternative?",
                f"The lab then decides on *{title}* as it was asked for, and may refuse it. It reads your reason.",
                "Decline it",
            ),
            lambda reason: (
                lambda who, key: portal().access_requests.decline(
                    who, request.id, offer.number, reason=reason, idempotency_key=key
                )
            ),
            done="Declined. The lab decides on what was asked for.",
            icon="close",
        )


def asked(view: RequestView, terms: Terms, now: datetime) -> None:
    """What is on the table, whole."""
    request = view.request
    st.header("What is asked for" if request.agreed is None else "What is agreed", anchor=False)
    st.markdown(prose(terms.intended_use))
    scope = request.asked.scope if request.asked is not None and request.agreed is None else terms.scope
    if not _DECIDING & set(view.may):
        # Whoever decides sees each dimension beside the agreement.
        fields([(label, literal(text)) for label, text in dimensions(scope)])
    st.caption(f"Submitted {when(request.submitted_at, now)}")
    go(literal(view.agreement_title) or "The agreement", "agreements", icon="contract", agreement=terms.agreement_id)


def history(view: RequestView, now: datetime) -> None:
    """Every word that was said on it, in order."""
    request = view.request
    spoken: list[tuple[str, Word]] = []
    for offer in request.offers:
        spoken.append((f"Alternative {offer.number} offered", offer))
        spoken += [(f"Alternative {offer.number} accepted", offer.accepted)] if offer.accepted else []
        spoken += [(f"Alternative {offer.number} declined", offer.declined)] if offer.declined else []
    offered = {(offer.by_id, offer.at) for offer in request.offers}
    spoken += [("Approved", one) for one in request.approvals if (one.by_id, one.at) not in offered]
    if not spoken:
        return
    st.header("What was said", anchor=False)
    for verb, word in sorted(spoken, key=lambda one: one[1].at):
        with st.container(border=True):
            said(verb, word, now)


def said(verb: str, word: Word, now: datetime) -> None:
    """One statement, with who made it and when."""
    if word.text:
        st.markdown(prose(word.text))
    st.caption(f"{verb} by {literal(word.by_name)} {when(word.at, now)}")


def withdrawing(view: RequestView) -> None:
    """The institution takes it back."""
    request = view.request
    if Act.WITHDRAW not in view.may:
        return
    confirmed(
        "Withdraw the request",
        f"request.withdraw:{request.id}",
        Consequence(
            "Withdraw this request?",
            f"The lab no longer decides on *{literal(request.draft.title)}*, and nothing is granted on it. It stays on "
            "record; you can ask again with a copy of it. A reason is welcome, not needed.",
            "Withdraw it",
        ),
        lambda reason: (
            lambda who, key: portal().access_requests.withdraw(who, request.id, reason=reason, idempotency_key=key)
        ),
        done="The request is withdrawn.",
        icon="undo",
    )


def again(view: RequestView) -> None:
    """Begin another request with what this one says."""
    request, actor = view.request, current_actor()
    asks = portal().access_requests.asks_for(actor)
    if view.status.is_open or view.status is RequestStatus.DRAFT or request.institution_id not in asks:
        return
    act(
        "Ask again with a copy",
        f"request.copy:{request.id}",
        lambda who, key: portal().access_requests.open(who, copy_of=request.id, idempotency_key=key),
        done="A new draft is begun with what this request said.",
        then=lambda made: st.query_params.from_dict({"request": made.request.id}),
        icon="content_copy",
    )
