"""The tokens that were issued, as the tree they make."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import streamlit as st

from agreements.credentials import Credential, CredentialKind
from agreements.errors import NotFound
from agreements.narrowing import Narrowing
from agreements.scopes import precisions_in_words
from portal.pages.context import current_actor, now, portal
from portal.pages.object_names import name_of
from portal.pages.parts import Consequence, confirmed, empty, row
from portal.pages.token_narrow import narrowing
from portal.pages.token_rotate import rotating
from portal.pages.words import count, literal, sentence, when
from portal.services.refresh import REUSED
from portal.services.tokens import ListedToken

_MARGIN = "↳ "

_TOLD_FOR = timedelta(days=14)
"""How long the page tells of a refresh token that came twice."""

_MOST_OVER = 50
"""Tokens that are over, shown at most."""


def token_list(records: Sequence[ListedToken]) -> None:
    """Live ones as a tree; those that are over below."""
    at = now()
    if not records:
        empty("No token yet. Issue one above to use the portal from a program.", icon="vpn_key")
    stolen(records, at)
    live, over = [r for r in records if r.live_on(at)], [r for r in records if not r.live_on(at)]
    for depth, record in in_tree(live):
        card(record, depth, at)
    if over:
        with st.expander(f"Revoked and expired: {len(over)}"):
            for record in over[:_MOST_OVER]:
                card(record, 0, at)
            if len(over) > _MOST_OVER:
                st.caption(f"The newest {_MOST_OVER} are shown; `concordat token list` has them all.")


def in_tree(records: Sequence[ListedToken]) -> Iterator[tuple[int, ListedToken]]:
    """Each after what it was made from, with its depth; where that is not among them, it stands by itself."""
    known = {record.id for record in records}
    below: dict[str, list[ListedToken]] = {}
    for record in records:
        below.setdefault(record.parent_id if record.parent_id in known else "", []).append(record)
    pending = [(0, record) for record in reversed(below.get("", []))]
    while pending:
        depth, record = pending.pop()
        yield depth, record
        pending.extend((depth + 1, child) for child in reversed(below.get(record.id, [])))


def card(record: ListedToken, depth: int, at: datetime) -> None:
    """One token, without its secret."""
    with st.container(border=True, key=f"token_{record.id}"):
        with row():
            st.markdown(f"{_MARGIN * depth}**{literal(record.label)}**")
            _state(record, at)
            if record.kind is CredentialKind.REFRESH_FAMILY:
                st.badge("keeps itself fresh", icon=":material/autorenew:", color="blue")
            if record.key_thumbprint:
                st.badge("bound to a key", icon=":material/lock:", color="blue")
            if record.narrowing:
                st.badge("narrowed", icon=":material/compress:", color="gray")
            if ends_soon(record, at):
                st.badge("ends soon", icon=":material/hourglass_bottom:", color="orange")
        st.caption(" · ".join(_facts(record, at)))
        if record.narrowing:
            st.caption(literal(narrowing_words(record.narrowing)))
        if record.end_reason:
            st.caption(f":material/info: {literal(sentence(record.end_reason))}")
        if record.live_on(at):
            _opens_nothing(record)
            with row():
                _actions(record)


def ends_soon(record: Credential, at: datetime) -> bool:
    """Whether a live token is in its last hour, or what keeps one fresh in its last three days."""
    left = timedelta(days=3) if record.kind is CredentialKind.REFRESH_FAMILY else timedelta(hours=1)
    return record.live_on(at) and record.expires_at is not None and record.expires_at - at <= left


def _opens_nothing(record: ListedToken) -> None:
    """Why a token that is good opens nothing all the same: its grant is suspended, its agreement ended, or the like."""
    why_not = portal().token_standings.of(record).why_not
    if why_not is not None:
        st.warning(f"It opens nothing now. {literal(why_not.message)} {literal(why_not.hint)}", icon=":material/block:")


def stolen(records: Sequence[ListedToken], at: datetime) -> None:
    """Families that ended lately because a refresh token came twice."""
    for record in records:
        if record.end_reason == REUSED and record.ended_at is not None and at - record.ended_at <= _TOLD_FOR:
            st.error(
                f"**{literal(record.label)}** of {literal(holder_name(record.person_id))} was ended "
                f"{when(record.ended_at, at)}: one of its refresh tokens came a second time, so somebody may have a "
                "copy. All that came of it is refused. See on Runs what it was used for, find out where it was kept, "
                "and issue another one.",
                icon=":material/gpp_bad:",
            )


def _state(record: ListedToken, at: datetime) -> None:
    if record.ended_at:
        st.badge("revoked", icon=":material/block:", color="red")
    elif record.live_on(at):
        st.badge("live", icon=":material/check_circle:", color="green")
    else:
        st.badge("expired", icon=":material/schedule:", color="gray")


def _facts(record: ListedToken, at: datetime) -> Iterator[str]:
    if record.person_id != current_actor().person_id:
        yield literal(holder_name(record.person_id))
    if record.granted_by:
        yield f"acts for {literal(holder_name(record.subject_id))}"
    yield _grant(record.grant_id) if record.grant_id else "no grant"
    if record.areas is not None:
        yield f"for {literal(', '.join(record.areas))}"
    if record.purpose:
        yield literal(record.purpose)
    yield f"until {when(record.expires_at, at)}"
    if record.kind is CredentialKind.ACCESS_TOKEN:
        yield f"last used {when(record.last_used_at, at)}" if record.last_used_at else "not used yet"


def _grant(grant_id: str) -> str:
    called = name_of(portal(), current_actor(), f"grant/{grant_id}")
    return f"grant `{grant_id}`" if called == grant_id else f"grant {literal(called)} `{grant_id}`"


def holder_name(holder_id: str) -> str:
    """How a person or a program is called."""
    here = portal()
    try:
        return here.programs.get(current_actor(), holder_id).name
    except NotFound:
        return here.people.name(holder_id)


def narrowing_words(narrowed: Narrowing) -> str:
    """What a narrowed token is for, in words."""
    said = [
        f"only {', '.join(sorted(values))}"
        for values in (narrowed.checkpoints, narrowed.operations, narrowed.purposes)
        if values is not None
    ]
    if narrowed.token_budget is not None:
        said.append(f"at most {narrowed.token_budget:,} tokens")
    if narrowed.requests_per_minute is not None:
        said.append(f"at most {narrowed.requests_per_minute:,} requests a minute")
    if narrowed.request_budget is not None:
        said.append(f"at most {narrowed.request_budget:,} requests")
    if narrowed.output_budget is not None:
        said.append(f"at most {narrowed.output_budget:,} generated tokens")
    said += [f"at most {budget}" for budget in narrowed.periods]
    if narrowed.concurrency is not None:
        said.append(f"at most {count(narrowed.concurrency, 'run')} at once")
    if narrowed.sampling is not None:
        said.append(str(narrowed.sampling))
    if narrowed.hours is not None:
        said.append(str(narrowed.hours))
    if narrowed.logit_bias is False:
        said.append("no biases of logits")
    if narrowed.precisions is not None:
        said.append(f"computed in {precisions_in_words(narrowed.precisions)}")
    return "; ".join(said)


def _actions(record: ListedToken) -> None:
    here = portal()
    if record.kind is CredentialKind.ACCESS_TOKEN and record.person_id == current_actor().person_id:
        narrowing(record)
        if not record.end_reason:
            rotating(record)
    also = (
        f" So are the **{record.descendants}** live tokens that were made from it."
        if record.descendants > 1
        else " So is the **one** live token that was made from it."
        if record.descendants
        else ""
    )
    confirmed(
        "Revoke",
        f"token.revoke:{record.id}",
        Consequence(
            "Revoke this token?",
            f"The token *{literal(record.label)}* is refused from the next request on.{also} Other tokens and the "
            "grant are untouched.",
            "Revoke the token",
            asks_reason=False,
        ),
        lambda _reason: lambda who, _key: here.tokens.revoke(who, record.id),
        done="The token is revoked.",
        icon="block",
    )
