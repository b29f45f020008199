"""Programs of institutions on screen: registered with public keys, rotated, suspended and ended."""

import json

import streamlit as st

from agreements.actors import LAB, Actor, Role
from agreements.errors import Invalid
from agreements.programs import Program, ProgramStatus, may_manage
from portal.pages.context import current_actor, now, portal
from portal.pages.frame import institution_name
from portal.pages.parts import Colour, Consequence, act, confirmed, row, submit
from portal.pages.words import literal, when
from portal.pages.writing import field

_FORM = "program.register"


def programs() -> None:
    """The programs that the reader may see, and for leads and coordinators how to register one."""
    actor = current_actor()
    found = portal().programs.list(actor)
    leads = [m.institution_id for m in actor.memberships if m.role is Role.PARTNER_LEAD]
    places = [one.id for one in portal().institutions.list(actor) if one.id != LAB] if actor.is_coordinator else leads
    if not found and not places:
        return
    st.header("Programs", anchor=False)
    st.caption(
        "A program asks for its own tokens at `/oauth/token` and proves by its key that it is itself. It has no secret "
        "that the portal could lose, and draws on the grants that it holds."
    )
    for program in found:
        _card(program)
    if places:
        with st.expander("Register a program", icon=":material/add:"), st.form(_FORM):
            st.text_input("Name", key=field(_FORM, "name"), max_chars=120)
            st.selectbox("Institution", places, format_func=institution_name, key=field(_FORM, "institution"))
            st.text_input("Contact e-mail", key=field(_FORM, "contact"), max_chars=200)
            st.text_area("Public keys (JWK set)", key=field(_FORM, "jwks"), max_chars=8000, help=_HELP)
            submit(
                "Register the program",
                _FORM,
                _register,
                done=lambda made: f"{literal(made.name)} is registered; its client id is {made.id}.",
                icon="smart_toy",
            )


_HELP = 'For instance `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "…"}]}`. Ed25519 or ES256, public halves only.'


def _register(who: Actor, key: str) -> Program:
    return portal().programs.register(
        who,
        institution_id=st.session_state[field(_FORM, "institution")],
        name=st.session_state[field(_FORM, "name")],
        contact=st.session_state[field(_FORM, "contact")],
        jwks=_json(st.session_state[field(_FORM, "jwks")]),
        idempotency_key=key,
    )


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        raise Invalid("bad_jwk", "The keys are no JSON.", hint="Paste a JWK set (RFC 7517).", param="jwks") from None


def _card(program: Program) -> None:
    at = now()
    with st.container(border=True, key=f"program_{program.id}"):
        with row():
            st.markdown(f"**{literal(program.name)}**")
            st.badge(program.status.value, icon=f":material/{_ICONS[program.status]}:", color=_COLOURS[program.status])
        st.caption(
            f"`{program.id}` · {literal(institution_name(program.institution_id))} · {literal(program.contact)} · "
            f"since {when(program.registered_at, at)}"
        )
        if program.reason:
            st.caption(literal(program.reason))
        for key in program.keys:
            # As it is: a key's id has nothing that would end the code, and what escapes elsewhere would show in it.
            st.caption(f"{key.jwk.algorithm} key `{key.jwk.kid[:24]}` since {when(key.added_at, at)}")
        if program.status is not ProgramStatus.ENDED and may_manage(current_actor(), program.institution_id):
            _managing(program)


def _managing(program: Program) -> None:
    here, form = portal(), f"program.keys:{program.id}"
    with st.expander("Rotate its keys", icon=":material/key:"), st.form(form):
        st.caption("These are all its keys from then on. Name the old and the new one, move the program, name the new.")
        st.text_area("Public keys (JWK set)", key=f"{form}.jwks", max_chars=8000, help=_HELP)
        submit(
            "Replace the keys",
            form,
            lambda who, _key: here.programs.replace_keys(who, program.id, jwks=_json(st.session_state[f"{form}.jwks"])),
            done="The keys are replaced.",
        )
    with row():
        if program.status is ProgramStatus.SUSPENDED:
            act(
                "Resume",
                f"program.resume:{program.id}",
                lambda who, _key: here.programs.resume(who, program.id),
                done=f"{literal(program.name)} is active.",
                icon="play_arrow",
            )
        else:
            confirmed(
                "Suspend",
                f"program.suspend:{program.id}",
                Consequence(
                    "Suspend this program?",
                    f"**{literal(program.name)}** and its tokens are refused from the next request on until resumed.",
                    "Suspend the program",
                ),
                lambda reason: lambda who, _key: here.programs.suspend(who, program.id, reason=reason),
                done="The program is suspended.",
                icon="pause",
            )
        confirmed(
            "End",
            f"program.end:{program.id}",
            Consequence(
                "End this program?",
                f"**{literal(program.name)}** and its tokens are refused for good. What it did stays on record.",
                "End the program",
            ),
            lambda reason: lambda who, _key: here.programs.end(who, program.id, reason=reason),
            done="The program has ended.",
            icon="block",
        )


_ICONS = {
    ProgramStatus.ACTIVE: "check_circle",
    ProgramStatus.SUSPENDED: "pause_circle",
    ProgramStatus.ENDED: "block",
}
_COLOURS: dict[ProgramStatus, Colour] = {
    ProgramStatus.ACTIVE: "green",
    ProgramStatus.SUSPENDED: "orange",
    ProgramStatus.ENDED: "red",
}
