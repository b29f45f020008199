"""Access tokens for the API: issued, shown once, revoked."""

from datetime import datetime

import streamlit as st

from agreements.credentials import Credential
from portal.pages.context import current_actor, now, portal
from portal.pages.parts import Consequence, confirmed, empty, heading, row, submit
from portal.pages.reach import reach_of
from portal.pages.words import literal, when
from portal.pages.writing import field
from portal.services.tokens import IssuedToken

_REVEALED = "tokens.revealed"
"""The token just issued, until it is put away; the portal stores it nowhere else."""

_FORM = "token.issue"

actor, here, at = current_actor(), portal(), now()

NO_GRANT = ""


def issuing() -> None:
    """The form that issues a token."""
    grants = {
        view.grant.id: view.grant
        for view in here.grants.list(actor)
        if view.active and actor.belongs_to(view.grant.institution_id)
    }
    purposes = sorted({purpose for grant in grants.values() if grant.scope for purpose in grant.scope.purposes})
    wanted = st.query_params.get("grant")
    names = {grant_id: f"{grant.label} ({grant_id})" for grant_id, grant in grants.items()}
    names[NO_GRANT] = "no grant: what my role and public checkpoints allow"
    with st.form(_FORM):
        st.text_input("Label", key=field(_FORM, "label"), max_chars=120, placeholder="notebook on my laptop")
        st.selectbox(
            "Grant it draws on",
            list(names),
            index=list(names).index(wanted) if wanted in names else 0,
            format_func=names.__getitem__,
            key=field(_FORM, "grant"),
        )
        st.selectbox(
            "Purpose",
            [None, *purposes],
            format_func=lambda purpose: purpose or "declared with each request",
            key=field(_FORM, "purpose"),
            help="A token for one purpose needs no X-Concordat-Purpose header.",
        )
        st.number_input(
            f"Hours it lives, at most {here.settings.token_hours}",
            1,
            here.settings.token_hours,
            here.settings.token_hours,
            key=field(_FORM, "hours"),
        )
        submit(
            "Issue the token",
            _FORM,
            lambda who, key: here.tokens.issue(
                who,
                label=st.session_state[field(_FORM, "label")],
                grant_id=st.session_state[field(_FORM, "grant")] or None,
                purpose=st.session_state[field(_FORM, "purpose")] if st.session_state[field(_FORM, "grant")] else None,
                hours=int(st.session_state[field(_FORM, "hours")]),
                idempotency_key=key,
            ),
            done="The token is issued. Copy it now: it is shown only once.",
            then=lambda issued: st.session_state.update({_REVEALED: issued}),
            icon="vpn_key",
        )


def reveal(issued: IssuedToken) -> None:
    """The token, and how to use it."""
    model = next((reach.checkpoint.id for reach in reach_of(here, actor) if reach.open), "CHECKPOINT")
    base = here.settings.url
    purpose = _purpose_to_declare(issued.record)
    header = f' \\\n  -H "X-Concordat-Purpose: {purpose}"' if purpose else ""
    headers = f', default_headers={{"X-Concordat-Purpose": "{purpose}"}}' if purpose else ""
    with st.container(border=True, key="token_revealed"):
        st.markdown(f"**Your token**, good until {when(issued.record.expires_at, at)}")
        st.code(issued.token, language=None, wrap_lines=True)
        st.caption("The portal keeps no copy. Put it where your other secrets are; whoever has it acts as you.")
        st.caption("With curl")
        st.code(
            f'curl {base}/v1/completions \\\n  -H "Authorization: Bearer $CONCORDAT_TOKEN"{header} \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f'  -d \'{{"model": "{model}", "prompt": "Once upon a time", "max_tokens": 24}}\'',
            language="bash",
        )
        st.caption("With the openai package for Python")
        st.code(
            "import os\nfrom openai import OpenAI\n\n"
            f'client = OpenAI(base_url="{base}/v1", api_key=os.environ["CONCORDAT_TOKEN"]{headers})\n'
            f'answer = client.completions.create(model="{model}", prompt="Once upon a time", max_tokens=24)\n'
            "print(answer.choices[0].text)",
            language="python",
        )
        st.button("I have copied it", key="token_hide", on_click=st.session_state.pop, args=(_REVEALED, None))


def _purpose_to_declare(record: Credential) -> str:
    if record.purpose or record.grant_id is None:
        return ""
    scope = here.grants.get(actor, record.grant_id).grant.scope
    return min(scope.purposes) if scope and len(scope.purposes) > 1 else ""


def state_of(record: Credential, moment: datetime) -> None:
    """Whether it works."""
    if record.ended_at:
        st.badge("revoked", icon=":material/block:", color="red")
    elif record.live_on(moment):
        st.badge("live", icon=":material/check_circle:", color="green")
    else:
        st.badge("expired", icon=":material/schedule:", color="gray")


def card(record: Credential) -> None:
    """One token, without its secret."""
    with st.container(border=True, key=f"token_{record.id}"):
        with row():
            st.markdown(f"**{literal(record.label)}**")
            state_of(record, at)
        whose = "" if record.person_id == actor.person_id else f"{literal(here.people.name(record.person_id))} · "
        st.caption(
            f"{whose}{'grant `' + record.grant_id + '`' if record.grant_id else 'no grant'}"
            f"{' · ' + literal(record.purpose) if record.purpose else ''} · until {when(record.expires_at, at)}"
        )
        if record.live_on(at):
            confirmed(
                "Revoke",
                f"token.revoke:{record.id}",
                Consequence(
                    "Revoke this token?",
                    f"The token *{literal(record.label)}* is refused from the next request on. Other tokens and the "
                    "grant are untouched.",
                    "Revoke the token",
                    asks_reason=False,
                ),
                lambda _reason: lambda who, _key: here.tokens.revoke(who, record.id),
                done="The token is revoked.",
                icon="block",
            )


heading("Tokens", "For programs: an access token opens `/v1` and `/api` as you, within one grant, for some hours.")
issued = st.session_state.get(_REVEALED)
if isinstance(issued, IssuedToken):
    reveal(issued)
with st.expander("Issue a token", icon=":material/add:", expanded=issued is None):
    issuing()
records = here.tokens.list(actor)
if not records:
    empty("No token yet. Issue one above to use the portal from a program.", icon="vpn_key")
live, over = [r for r in records if r.live_on(at)], [r for r in records if not r.live_on(at)]
for entry in live:
    card(entry)
if over:
    with st.expander(f"Revoked and expired: {len(over)}"):
        for entry in over:
            card(entry)
