"""The draft of a request: saved with each field that is left, beside what the agreement allows and what is missing.

The form's widgets begin with what is stored, so that a draft is there again after a reload or on another machine.
"""

from datetime import UTC, datetime, time
from typing import Any

import streamlit as st

from agreements.access_requests import Draft
from agreements.agreement import Agreement
from agreements.errors import ConcordatError
from agreements.grants import Holder, HolderKind
from agreements.limits import Hours
from agreements.scopes import Operation, Scope
from portal.inputs import parse
from portal.pages.context import current_actor, now, portal
from portal.pages.limit_fields import (
    Beside,
    binding_field,
    binding_from,
    limit_fields,
    limits_from,
    steering_fields,
    steering_from,
)
from portal.pages.parts import Consequence, act, confirmed, empty, row
from portal.pages.request_compare import comparison_table
from portal.pages.request_parts import checklist, deciding
from portal.pages.words import literal, moment
from portal.pages.writing import refused
from portal.services.request_views import RequestView

_INSTITUTION = "institution"


def draft_page(view: RequestView) -> None:
    """The form, what is missing, and the way to submit it. Everything that changed is saved before this returns."""
    request, form = view.request, f"request.draft:{view.request.id}"
    st.caption(
        f":material/lock: Only you see this draft, for **{literal(request.institution_name)}**. It is saved as you go."
    )
    agreements = _agreements(request.institution_id, request.draft.agreement_id)
    if not agreements:
        empty(
            "Access is granted under an agreement in force, and your institution has none yet.",
            screen="agreements",
            label="See your agreements",
            icon="contract",
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        agreement = _basics(form, view, agreements)
        bounds = _bounds(agreement)
        if agreement is not None and bounds is not None:
            _scope_fields(_scoped(form, agreement.id), request.draft, bounds, agreement)
    saved = _autosave(form, view, bounds)
    with right:
        _still_missing(saved, form, bounds)


def _still_missing(view: RequestView, form: str, bounds: Scope | None) -> None:
    request, at = view.request, now()
    st.subheader("Before you submit", anchor=False)
    found = portal().access_requests.checklist(current_actor(), request.id)
    checklist(found, submitting=True)
    deciding(found, at)
    comparison = portal().access_requests.background(current_actor(), request.id).comparison
    if comparison is not None and not comparison.within:
        st.warning(
            "It goes beyond the agreement. You may ask all the same; the lab can offer an alternative, or amend the "
            "agreement first.",
            icon=":material/open_in_full:",
        )
        comparison_table(comparison, only_beyond=True)
    st.caption(f":material/cloud_done: Saved {moment(request.saved_at)}")
    with row():
        act(
            "Submit the request",
            f"request.submit:{request.id}",
            lambda who, key: _submitted(who, key, request.id, form, bounds),
            done="The request is before the lab. You see here who decides, and by when.",
            icon="send",
            primary=True,
        )
        confirmed(
            "Throw the draft away",
            f"request.discard:{request.id}",
            Consequence(
                "Throw this draft away?",
                f"*{literal(request.draft.title) or 'The untitled draft'}* is never submitted. It stays in your list "
                "as withdrawn, and you can begin another one as a copy of it.",
                "Throw it away",
                asks_reason=False,
            ),
            lambda _reason: lambda who, key: portal().access_requests.withdraw(who, request.id, idempotency_key=key),
            done="The draft is thrown away.",
            icon="delete",
        )


def _submitted(who: Any, key: str, request_id: str, form: str, bounds: Scope | None) -> RequestView:
    """Submit what the fields say now: the click may come before the run that would have saved the last of them."""
    service = portal().access_requests
    view = service.get(who, request_id)
    wanted = draft_from(form, view, bounds)
    if wanted != view.request.draft:
        service.save(who, request_id, wanted)
    return service.submit(who, request_id, idempotency_key=key)


def _autosave(form: str, view: RequestView, bounds: Scope | None) -> RequestView:
    """Keep what changed; what cannot be kept is said, and the rest of the draft stays as it was."""
    try:
        wanted = draft_from(form, view, bounds)
        if wanted == view.request.draft:
            return view
        return portal().access_requests.save(current_actor(), view.request.id, wanted)
    except ConcordatError as refusal:
        refused(refusal)
        return view


# ---- fields ----------------------------------------------------------------------------------------------------------


def _agreements(institution_id: str, chosen: str) -> dict[str, Agreement]:
    at = now()
    return {
        agreement.id: agreement
        for agreement in portal().agreements.list(current_actor())
        if agreement.institution_id == institution_id and (agreement.in_force_on(at) or agreement.id == chosen)
    }


def _basics(form: str, view: RequestView, agreements: dict[str, Agreement]) -> Agreement | None:
    draft = view.request.draft
    ids = list(agreements)
    wanted = draft.agreement_id or (ids[0] if len(ids) == 1 else "")
    chosen = st.selectbox(
        "Under which agreement",
        ids,
        index=ids.index(wanted) if wanted in ids else None,
        format_func=lambda one: f"{literal(agreements[one].title)} ({one})",
        placeholder="Choose the agreement",
        key=f"{form}.agreement",
    )
    st.text_input(
        "What it is called", draft.title, max_chars=120, key=f"{form}.title", placeholder="Bias study, spring"
    )
    st.text_area(
        "What you will do",
        draft.intended_use,
        max_chars=4000,
        height=140,
        key=f"{form}.use",
        help="The coordinator reads this: the question, the method, what you will publish.",
    )
    holders = holders_of(view.request.institution_id, view.request.institution_name)
    holder = draft.holder.id if draft.holder is not None else _INSTITUTION
    names = list(holders)
    st.selectbox(
        "Who is to use it",
        names,
        index=names.index(holder) if holder in names else 0,
        format_func=lambda one: literal(holders[one][1]),
        key=f"{form}.holder",
        help="The institution's people together, or one person or program alone.",
    )
    return agreements.get(chosen) if chosen is not None else None


def _bounds(agreement: Agreement | None) -> Scope | None:
    if agreement is None:
        return None
    try:
        return agreement.bounds().scope
    except ConcordatError as refusal:
        refused(refusal)
        return None


def _scope_fields(form: str, draft: Draft, bounds: Scope, agreement: Agreement) -> None:
    sizes = {
        view.checkpoint.id: f"{view.checkpoint.stage.label}, {view.checkpoint.parameters:,} parameters"
        for view in portal().checkpoints.list(current_actor())
    }
    labels = (("checkpoints", "Checkpoints"), ("operations", "Operations"), ("purposes", "Purposes"))
    for name, label in labels:
        st.multiselect(
            label,
            sorted(getattr(bounds, name)),
            default=sorted(getattr(draft, name) & getattr(bounds, name)),
            format_func=(lambda one: f"{one} ({sizes[one]})" if one in sizes else one),
            key=f"{form}.{name}",
            help="A name opens that checkpoint even while withheld; family/* opens what has reached partner access."
            if name == "checkpoints"
            else None,
        )
    left, right = st.columns(2)
    left.number_input(
        f"Tokens in all (the agreement allows {bounds.token_budget:,})",
        min_value=1,
        value=draft.token_budget,
        step=10_000,
        placeholder="Prompt and completion together",
        key=f"{form}.budget",
    )
    right.number_input(
        f"Requests a minute (the agreement allows {bounds.requests_per_minute:,})",
        min_value=1,
        value=draft.requests_per_minute,
        placeholder="At most",
        key=f"{form}.rate",
    )
    st.date_input(
        f"Until (the agreement ends {moment(bounds.expires_at)})",
        value=draft.expires_at.date() if draft.expires_at is not None else None,
        min_value=min(now().date(), draft.expires_at.date()) if draft.expires_at is not None else now().date(),
        key=f"{form}.ends",
    )
    with st.expander("Finer limits", icon=":material/tune:"):
        st.caption("An empty field asks for what the agreement allows.")
        begin = bounds.model_copy(
            update={
                "request_budget": draft.request_budget,
                "output_budget": draft.output_budget,
                "logit_bias": draft.logit_bias,
                "precisions": draft.precisions,
                "holder_bound": draft.holder_bound,
                "concurrency": draft.concurrency,
                "periods": draft.periods,
                "sampling": draft.sampling,
                "hours": draft.hours,
            }
        )
        beside = Beside(form, bounds, "the agreement", {})
        limit_fields(beside, begin)
        steering_fields(beside, begin)
        binding_field(beside, begin)


def holders_of(institution_id: str, institution_name: str) -> dict[str, tuple[Holder | None, str]]:
    """Who may hold a grant of the institution, by id; the institution itself first."""
    actor, here = current_actor(), portal()
    people = {
        person.id: (Holder(kind=HolderKind.PERSON, id=person.id), person.name)
        for person in (*here.people.list(actor), here.people.get(actor.person_id))
        if person.deactivated_at is None and institution_id in {one.institution_id for one in person.memberships}
    }
    programs = {
        program.id: (Holder(kind=HolderKind.PROGRAM, id=program.id), f"{program.name} (program)")
        for program in here.programs.list(actor)
        if program.institution_id == institution_id and program.active
    }
    return {_INSTITUTION: (None, f"Everybody of {institution_name}"), **people, **programs}


# ---- from the fields -------------------------------------------------------------------------------------------------


def draft_from(form: str, view: RequestView, bounds: Scope | None) -> Draft:
    """The draft that the fields make. Raises Invalid where a field says what cannot be read."""
    state, before = st.session_state, view.request.draft
    if f"{form}.title" not in state:
        return before
    agreement_id = state.get(f"{form}.agreement") or ""
    holders = holders_of(view.request.institution_id, view.request.institution_name)
    found: dict[str, Any] = {
        "title": (state.get(f"{form}.title") or "").strip(),
        "agreement_id": agreement_id,
        "holder": holders.get(state.get(f"{form}.holder") or _INSTITUTION, (None, ""))[0],
        "intended_use": (state.get(f"{form}.use") or "").strip().replace("\r\n", "\n"),
    }
    scoped = _scoped(form, agreement_id)
    if bounds is None or f"{scoped}.budget" not in state:
        kept = {name: getattr(before, name) for name in Draft.model_fields if name not in found}
        return parse(Draft, {**kept, **found})
    ends = state.get(f"{scoped}.ends")
    last = datetime.combine(ends, time.max, UTC).replace(microsecond=0) if ends is not None else None
    if last is not None:
        last = next(
            (end for end in (before.expires_at, bounds.expires_at) if end is not None and end.date() == ends), last
        )
    limits = limits_from(scoped, bounds)
    hours = parse(Hours, limits["hours"]) if limits.get("hours") else None
    return parse(
        Draft,
        {
            **found,
            "checkpoints": frozenset(state.get(f"{scoped}.checkpoints") or ()),
            "operations": frozenset(Operation(one) for one in state.get(f"{scoped}.operations") or ()),
            "purposes": frozenset(state.get(f"{scoped}.purposes") or ()),
            "token_budget": state.get(f"{scoped}.budget"),
            "requests_per_minute": state.get(f"{scoped}.rate"),
            "expires_at": last,
            **{name: value for name, value in limits.items() if name != "hours"},
            "hours": None if hours == bounds.hours else hours,
            **steering_from(scoped),
            "holder_bound": binding_from(scoped)["holder_bound"] and not bounds.holder_bound,
        },
    )


def _scoped(form: str, agreement_id: str) -> str:
    """Fields within an agreement's bounds are that agreement's: another one has other choices."""
    return f"{form}.{agreement_id}"
