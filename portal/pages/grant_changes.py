"""What somebody who stands above a grant can do with it: delegate, narrow, extend, suspend, lift, revoke."""

import streamlit as st

from agreements.errors import ConcordatError
from agreements.grants import GrantStatus, Holder, HolderKind
from agreements.scopes import Scope, excesses, filled
from portal.pages.context import current_actor, now, portal
from portal.pages.grant_parts import says
from portal.pages.grant_scope import scope_fields, scope_from
from portal.pages.parts import Consequence, confirmed, row, submit
from portal.pages.words import literal
from portal.pages.writing import field, refused
from portal.services.grant_views import GrantAct, GrantView


def changes(view: GrantView) -> None:
    """Everything that the reader may do with the grant."""
    grant, actor = view.grant, current_actor()
    if grant.scope is None or not grant.live_on(now()):
        return
    may = portal().grants.may(actor, grant)
    if may.delegates and grant.status is GrantStatus.ACTIVE:
        _delegating(view, grant.scope)
    if not may.changes:
        return
    _changing(view, grant.scope)
    with row():
        if may.lifts:
            _lifting(view)
        elif grant.status is GrantStatus.SUSPENDED:
            st.caption("Who suspended it stands above you: they lift it, or whoever stands higher still.")
        if may.suspends:
            _suspending(view)
        _revoking(view)


def _named(view: GrantView) -> dict[str, str]:
    return {one.grant.id: one.holder_name for one in portal().grants.below(current_actor(), view.grant.id)}


def _holders(institution_id: str) -> dict[str, tuple[Holder, str]]:
    actor, here = current_actor(), portal()
    people = {
        person.id: (Holder(kind=HolderKind.PERSON, id=person.id), person.name)
        for person in here.people.list(actor)
        if person.deactivated_at is None and institution_id in {one.institution_id for one in person.memberships}
    }
    programs = {
        program.id: (Holder(kind=HolderKind.PROGRAM, id=program.id), f"{program.name} (program)")
        for program in here.programs.list(actor)
        if program.institution_id == institution_id and program.active
    }
    return people | programs


def _delegating(view: GrantView, bounds: Scope) -> None:
    grant, form = view.grant, f"grant.delegate:{view.grant.id}"
    holders = _holders(grant.institution_id)
    with st.expander("Delegate a part of it", icon=":material/account_tree:"), st.form(form):
        st.selectbox(
            "To whom", list(holders), format_func=lambda one: literal(holders[one][1]), key=field(form, "holder")
        )
        st.text_input("What it is for", key=field(form, "label"), max_chars=120)
        scope_fields(form, bounds, "this grant")
        submit(
            "Delegate",
            form,
            lambda who, key: portal().grants.delegate(
                who,
                grant.id,
                holder=holders[st.session_state[field(form, "holder")]][0],
                label=st.session_state[field(form, "label")],
                scope=scope_from(form, bounds),
                idempotency_key=key,
            ),
            done="The grant is delegated.",
            icon="account_tree",
        )


def _above(view: GrantView) -> tuple[Scope | None, str]:
    grant, here, actor = view.grant, portal(), current_actor()
    try:
        if grant.parent_id:
            return here.grants.get(actor, grant.parent_id).grant.scope, "the grant above"
        return here.grants.bounds(actor, grant.agreement_id), "the agreement"
    except ConcordatError:
        return None, ""


def _changing(view: GrantView, scope: Scope) -> None:
    grant, form = view.grant, f"grant.change:{view.grant.id}"
    bounds, above = _above(view)
    with st.expander("Change what it allows", icon=":material/tune:"):
        scope_fields(form, bounds or scope, above or "it", start=scope)
        try:
            wanted = filled(scope_from(form, bounds or scope, start=scope), bounds or scope)
            if wanted == scope:
                st.caption("Change a field to narrow the grant or to extend it.")
            elif not excesses(wanted, scope):
                _narrowing(view, wanted)
            elif not excesses(scope, wanted):
                confirmed(
                    "Extend",
                    f"grant.extend:{grant.id}",
                    Consequence(
                        "Extend this grant?",
                        f"*{literal(grant.label)}* of **{literal(view.holder_name)}** allows more at once. "
                        "What is delegated from it stays as it is.",
                        "Extend the grant",
                    ),
                    lambda reason: (
                        lambda who, key: portal().grants.extend(
                            who, grant.id, scope=wanted, reason=reason, idempotency_key=key
                        )
                    ),
                    done="The grant is extended.",
                    icon="open_in_full",
                )
            else:
                st.info("Some fields are narrower, others wider: do one after the other.", icon=":material/info:")
        except ConcordatError as refusal:
            refused(refusal)


def _narrowing(view: GrantView, wanted: Scope) -> None:
    grant = view.grant
    found = portal().grants.preview(current_actor(), grant.id, GrantAct.NARROW, scope=wanted)
    confirmed(
        "Narrow",
        f"grant.narrow:{grant.id}",
        Consequence(
            "Narrow this grant?",
            f"*{literal(grant.label)}* of **{literal(view.holder_name)}** allows less, beginning with the next request."
            f"{says(found, _named(view))}",
            "Narrow the grant",
        ),
        lambda reason: (
            lambda who, key: portal().grants.narrow(who, grant.id, scope=wanted, reason=reason, idempotency_key=key)
        ),
        done="The grant is narrowed.",
        icon="close_fullscreen",
    )


def _suspending(view: GrantView) -> None:
    grant = view.grant
    found = portal().grants.preview(current_actor(), grant.id, GrantAct.SUSPEND)
    until = (
        "opens nothing until it is lifted, beginning with the next request."
        if grant.suspension is None
        else "is suspended already, from below you. From now on whoever did that no longer lifts it."
    )
    confirmed(
        "Suspend",
        f"grant.suspend:{grant.id}",
        Consequence(
            "Suspend this grant?",
            f"*{literal(grant.label)}* of **{literal(view.holder_name)}** {until}{says(found, _named(view))}",
            "Suspend the grant",
        ),
        lambda reason: lambda who, key: portal().grants.suspend(who, grant.id, reason=reason, idempotency_key=key),
        done="The grant is suspended.",
        icon="pause_circle",
    )


def _lifting(view: GrantView) -> None:
    grant = view.grant
    confirmed(
        "Lift the suspension",
        f"grant.lift:{grant.id}",
        Consequence(
            "Lift the suspension?",
            f"*{literal(grant.label)}* of **{literal(view.holder_name)}** opens again what it did.",
            "Lift it",
        ),
        lambda reason: lambda who, key: portal().grants.lift(who, grant.id, reason=reason, idempotency_key=key),
        done="The suspension is lifted.",
        icon="play_circle",
    )


def _revoking(view: GrantView) -> None:
    grant = view.grant
    found = portal().grants.preview(current_actor(), grant.id, GrantAct.REVOKE)
    confirmed(
        "Revoke",
        f"grant.revoke:{grant.id}",
        Consequence(
            "Revoke this grant?",
            f"*{literal(grant.label)}* of **{literal(view.institution_name)}** opens nothing any more, beginning with "
            f"the next request. This cannot be undone.{says(found, _named(view))}",
            "Revoke the grant",
        ),
        lambda reason: lambda who, key: portal().grants.revoke(who, grant.id, reason=reason, idempotency_key=key),
        done="The grant is revoked; the next request under it is refused.",
        icon="block",
    )
