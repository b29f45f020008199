"""The dialog that makes a narrower token: its choices are what the token opens, so that only less can be asked for."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from agreements.actors import Actor
from agreements.errors import Invalid
from agreements.narrowing import Narrowing
from agreements.scopes import Scope, excesses
from model_access.stages import Stage
from portal.inputs import parse
from portal.pages.context import current_actor, portal
from portal.pages.limit_fields import Beside, limit_fields, limits_below, limits_from, steering_fields, steering_from
from portal.pages.parts import row
from portal.pages.token_reveal import keep
from portal.pages.words import literal, sentence
from portal.pages.writing import field, forget, instance, outcome, perform
from portal.services.tokens import IssuedToken, ListedToken

_OPEN = "tokens.narrowing"
_BY_FAMILY = (Stage.PARTNER_ACCESS, Stage.PUBLIC)
"""The stages at which a family selector opens a member."""


def narrowing(record: ListedToken) -> None:
    """The button, and the dialog while it is open."""
    form = f"token.narrow:{record.id}"
    st.button("Narrow", key=f"{form}.open", icon=":material/compress:", on_click=_begin, args=(form,))
    if st.session_state.get(_OPEN) == form:
        st.dialog("Make a narrower token", on_dismiss=_close)(_dialog)(form, record)


def _dialog(form: str, record: ListedToken) -> None:
    if st.session_state.get(_OPEN) != form:
        st.rerun()
    here, actor = portal(), current_actor()
    st.markdown(
        f"From **{literal(record.label)}**. The new token opens no more than is chosen here and ends with that one at "
        "the latest; what it uses counts for both."
    )
    st.text_input("Label", key=field(form, "label"), max_chars=120, placeholder="for the nightly job")
    scope = here.tokens.opens(actor, record.id)
    if scope is not None:
        _choices(form, scope)
        people = _delegates(actor, record)
        st.selectbox(
            "Who is to hold it",
            list(people),
            format_func=people.__getitem__,
            key=field(form, "delegate"),
            help="They act for you: their name is on every run, and the token ends when you or they leave.",
        )
    st.number_input(
        "Hours it lives", 1, here.settings.token_hours, min(8, here.settings.token_hours), key=field(form, "lives")
    )
    st.text_input("Thumbprint of the DPoP key it is bound to", key=field(form, "key"), max_chars=43)
    with row():
        st.button(
            "Make it", key=f"{form}.make", type="primary", on_click=_make, args=(form, record, scope, instance(form))
        )
        st.button("Cancel", key=f"{form}.cancel", on_click=_close)
    outcome(form)


def _choices(form: str, scope: Scope) -> None:
    for name, (chosen, offered) in _sets(scope).items():
        st.multiselect(
            sentence(name),
            offered,
            chosen,
            key=field(form, name),
            help="Instead of a family, choose members of it." if len(offered) > len(chosen) else None,
        )
    st.number_input(
        f"Tokens it may use, of {scope.token_budget:,}",
        1,
        scope.token_budget,
        scope.token_budget,
        key=field(form, "budget"),
    )
    st.number_input(
        f"Requests a minute, of {scope.requests_per_minute:,}",
        1,
        scope.requests_per_minute,
        scope.requests_per_minute,
        key=field(form, "rate"),
    )
    marks = _marks(form, scope)
    with st.expander("Finer limits", icon=":material/tune:", expanded=bool(marks)):
        st.caption("An empty field sets no limit of its own: then what is above holds.")
        beside = Beside(form, scope, "the token", marks)
        limit_fields(beside, scope)
        steering_fields(beside, scope)


def _sets(scope: Scope) -> dict[str, tuple[list[str], list[str]]]:
    """What the token opens, and what may be chosen: besides, the members of a family that it opens as a whole."""
    members = {
        view.checkpoint.id
        for view in portal().checkpoints.list(current_actor())
        if scope.covers_family(view.checkpoint.family) and view.checkpoint.stage in _BY_FAMILY
    }
    operations = sorted(operation.value for operation in scope.operations)
    purposes = sorted(scope.purposes)
    return {
        "checkpoints": (sorted(scope.checkpoints), sorted(scope.checkpoints | members)),
        "operations": (operations, operations),
        "purposes": (purposes, purposes),
    }


def _marks(form: str, scope: Scope) -> Mapping[str, str]:
    """Which finer limits go beyond the token, and how; nothing before the fields were drawn."""
    if field(form, "weekdays") not in st.session_state:
        return {}
    try:
        wanted = parse(Narrowing, steering_from(form) | limits_from(form, scope)).applied(scope)
    except Invalid as refusal:
        return {refusal.param or "": refusal.message}
    return {excess.dimension: excess.message for excess in excesses(wanted, scope)}


def _delegates(actor: Actor, record: ListedToken) -> Mapping[str, str]:
    """Whom it can be passed on to, oneself first. Whether they may use the grant is the service's question."""
    here = portal()
    institution_id = here.grants.get(actor, record.grant_id or "").grant.institution_id
    names = {"": "myself"}
    for person in here.people.list(actor):
        belongs = any(membership.institution_id == institution_id for membership in person.memberships)
        if belongs and person.deactivated_at is None and person.id != actor.person_id:
            names[person.id] = person.name
    for program in here.programs.list(actor):
        if program.institution_id == institution_id and program.active:
            names[program.id] = f"{program.name} (program)"
    return names


def _make(form: str, record: ListedToken, scope: Scope | None, key: str) -> None:
    said = {
        name: st.session_state.get(field(form, name))
        for name in ("budget", "rate", "delegate", "key", "label", "lives")
    }
    narrower = {} if scope is None else _narrower(form, scope, said)

    def call(who: Actor, idempotency_key: str) -> IssuedToken:
        return portal().tokens.narrow(
            who,
            record.id,
            label=str(said["label"] or ""),
            hours=int(said["lives"] or 1),
            narrowing=narrower or None,
            delegate_id=said["delegate"] or None,
            key_thumbprint=str(said["key"] or "").strip() or None,
            idempotency_key=idempotency_key,
        )

    if perform(form, key, call, done="The narrower token is made. Copy it now: it is shown only once.", then=keep):
        _close()


def _narrower(form: str, scope: Scope, said: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen and is less than the token opens, by the names of a narrowing."""
    found: dict[str, Any] = {}
    for name, (values, _offered) in _sets(scope).items():
        chosen = st.session_state.get(field(form, name), values)
        if list(chosen) != values:
            found[name] = list(chosen)
    if said["budget"] not in (None, scope.token_budget):
        found["token_budget"] = said["budget"]
    if said["rate"] not in (None, scope.requests_per_minute):
        found["requests_per_minute"] = said["rate"]
    return found | limits_below(form, scope)


def _begin(form: str) -> None:
    forget(form)
    st.session_state[_OPEN] = form


def _close() -> None:
    st.session_state.pop(_OPEN, None)
