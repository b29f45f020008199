"""What is to be explained: checkpoint, operations, purpose, who, when, with which token; all of it in the address."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import streamlit as st

from agreements.access import AskedSampling
from agreements.actors import LAB, Actor, Role
from agreements.areas import Area
from agreements.narrowing import Narrowing
from agreements.people import roles_at
from agreements.scopes import Operation
from model_access.generation import MAX_CHOICES
from portal.pages.context import portal
from portal.pages.filters import ANY, chosen, decimal_in, moment_in, number_in, pick, pick_several, pick_view, write_in
from portal.pages.words import sentence
from portal.services.askers import institutions_to_ask_about, may_ask_about_others
from portal.services.explaining import sampling_of

SCREEN: Final = "explain"
NAMES: Final = (
    *("checkpoint", "operation", "purpose", "who", "person", "institution", "role", "email", "at"),
    *("grant", "key", "only", "area", "max_tokens", "choices", "top_logprobs", "temperature"),
)
"""What may stand in the address."""

_OPERATIONS: Final = {one.value: sentence(one.value.replace("_", " ")) for one in Operation}
_WHO: Final = {"me": "Me", "person": "Somebody here", "invented": "Somebody invented"}
_FINER: Final = NAMES[NAMES.index("at") :]
_MOST_TOKENS: Final = 100_000


def in_address(sampling: AskedSampling) -> dict[str, str]:
    """How a request samples, as this screen's address says it, and the API's too."""
    names = ("max_tokens", "choices", "top_logprobs", "temperature")
    return {name: str(getattr(sampling, name)) for name in names}


def asked(actor: Actor, now: datetime) -> dict[str, Any] | None:
    """The widgets, and what they ask; None while something is still to be chosen."""
    checkpoints = {one.id: f"{one.id}, {one.stage.label}" for one in portal().checkpoints.registered()}
    left, middle, right = st.columns(3)
    with left:
        first = next(iter(checkpoints))
        checkpoint = pick("Checkpoint", "checkpoint", checkpoints, screen=SCREEN, default=first, width=600)
    with middle:
        operations = pick_several(
            "Operations", "operation", _OPERATIONS, screen=SCREEN, default=(Operation.GENERATE.value,)
        )
    with right:
        purpose = _purpose(actor)
    found: dict[str, Any] = {
        "checkpoint": checkpoint,
        "operations": operations or (Operation.GENERATE.value,),
        "purpose": purpose or None,
    }
    who = _who(actor)
    if who is None:
        return None
    with st.expander("Another time, a token, a request", icon=":material/tune:", expanded=_finer_in_address()):
        finer = _finer(actor, now)
    return found | dict(who) | finer


def _purpose(actor: Actor) -> str:
    """One of the purposes that the reader's grants are for, or what the address says."""
    known = {
        purpose: purpose
        for view in portal().grants.list(actor)
        if view.grant.scope is not None
        for purpose in sorted(view.grant.scope.purposes)
    }
    given = st.query_params.get("purpose", ANY)[:120]
    if given and given not in known:
        known = {given: given, **known}
    return pick("Purpose", "purpose", known, screen=SCREEN, any_label="None declared", width=600)


def _who(actor: Actor) -> Mapping[str, Any] | None:
    """Whom it is about; None while nobody is chosen."""
    if not may_ask_about_others(actor):
        return {}
    kind = pick_view("Who", "who", _WHO, screen=SCREEN)
    if kind == "person":
        people = _people(actor)
        default = chosen("person", list(people), next(iter(people), ANY))
        if not people:
            st.info("There is nobody else to ask about yet.", icon=":material/group:")
            return None
        return {"person": pick("Person or program", "person", people, screen=SCREEN, default=default, width=600)}
    if kind == "invented":
        return _invented(actor)
    return {}


def _people(actor: Actor) -> dict[str, str]:
    here, allowed = portal(), institutions_to_ask_about(actor)
    names = {one.id: one.name for one in here.institutions.list(actor)}

    def within(institution_id: str) -> bool:
        return allowed is None or institution_id in allowed

    people = {
        person.id: f"{person.name}, {', '.join(names.get(one, one) for one in _places(person.memberships, within))}"
        for person in here.people.list(actor)
        if person.id != actor.person_id and _places(person.memberships, within)
    }
    programs = {
        program.id: f"{program.name}, a program of {names.get(program.institution_id, program.institution_id)}"
        for program in here.programs.list(actor)
        if within(program.institution_id)
    }
    return people | programs


def _places(memberships: Any, within: Any) -> list[str]:
    return [one for one in dict.fromkeys(m.institution_id for m in memberships) if within(one)]


def _invented(actor: Actor) -> Mapping[str, Any]:
    allowed = institutions_to_ask_about(actor)
    names = {one.id: one.name for one in portal().institutions.list(actor) if allowed is None or one.id in allowed}
    left, middle, right = st.columns(3)
    with left:
        usual = next((one for one in names if one != LAB), next(iter(names)))
        institution = pick("Institution", "institution", names, screen=SCREEN, default=usual, width=600)
    with middle:
        roles = {role.value: sentence(role.label) for role in Role if role in roles_at(institution)}
        usual = Role.PARTNER_MEMBER.value if institution != LAB else Role.RESEARCHER.value
        role = pick("Role", "role", roles, screen=SCREEN, default=usual, width=600)
    with right:
        email = write_in(
            "E-mail address", "email", screen=SCREEN, max_chars=200, placeholder="for agreements that name people"
        )
    return {"institution": institution, "role": role, "email": email or None}


def _finer_in_address() -> bool:
    return any(st.query_params.get(name) for name in _FINER)


def _finer(actor: Actor, now: datetime) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        at = moment_in(
            "At (UTC)",
            "at",
            screen=SCREEN,
            earliest=now.replace(second=0, microsecond=0),
            note="A moment to come, read from what is known today. Now, if left empty.",
        )
        sampling = sampling_of(
            max_tokens=number_in("Tokens to write, at most", "max_tokens", screen=SCREEN, most=_MOST_TOKENS, least=0),
            choices=number_in("Choices in all", "choices", screen=SCREEN, most=MAX_CHOICES),
            top_logprobs=number_in("Alternatives per token", "top_logprobs", screen=SCREEN, most=20, least=0),
            temperature=decimal_in("Temperature", "temperature", screen=SCREEN, most=2.0),
        )
        proof = pick(
            "Proof of the token's key",
            "key",
            {"yes": "Proved by the request", "no": "Not proved"},
            screen=SCREEN,
            any_label="As here",
            width=600,
        )
    with right:
        grants = {view.grant.id: f"{view.grant.label} ({view.holder_name})" for view in portal().grants.list(actor)}
        grant = pick("A token for this grant", "grant", grants, screen=SCREEN, any_label="No token", width=600)
        only = pick_several("A token narrowed to", "only", _OPERATIONS, screen=SCREEN, placeholder="not narrowed")
        areas = pick_several(
            "A token for these areas",
            "area",
            {one.value: sentence(one.says) for one in Area},
            screen=SCREEN,
            placeholder="all of the role",
        )
    return {
        "at": at,
        "grant": grant or None,
        "proves_key": {"yes": True, "no": False}.get(proof),
        "narrowing": Narrowing(operations=frozenset(map(Operation, only))) if only else None,
        "areas": areas or None,
        "sampling": sampling,
    }
