"""Editing a draft: each clause's data in the widgets its types ask for, then the offer."""

from enum import StrEnum
from typing import Any

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement
from agreements.clauses import Clause, ClauseBase, EffectKind
from agreements.scopes import family_selector
from portal.pages.context import portal
from portal.pages.parts import act, row, status, submit
from portal.pages.words import literal, sentence

_WORDS = frozenset({"clause_id", "title", "text", "kind"})


def editor(actor: Actor, agreement: Agreement) -> None:
    """The clauses of a draft as a form, and the button that freezes and offers it."""
    form = f"agreement.edit:{agreement.id}"
    st.info("A draft: only coordinators see it. The offer freezes it; from then on its digest is what is signed.")
    with st.form(form):
        st.text_input("Title", value=agreement.title, key=f"{form}.title", max_chars=200)
        for clause in agreement.clauses:
            with st.expander(f"{clause.title}", expanded=any(e.kind is EffectKind.ENFORCED for e in clause.effects())):
                _clause(actor, form, clause)
        submit(
            "Save the draft",
            form,
            lambda who, _key: portal().agreements.edit(
                who,
                agreement.id,
                title=st.session_state[f"{form}.title"],
                clauses=[edited(form, clause) for clause in agreement.clauses],
            ),
            done="The draft is saved.",
            icon="save",
        )
    with st.container(border=True):
        st.markdown(f"**Offer it to {literal(agreement.institution_name)}** once it is saved as it should be.")
        act(
            "Offer",
            f"agreement.offer:{agreement.id}",
            lambda who, key: portal().agreements.offer(who, agreement.id, idempotency_key=key),
            done=f"Offered to {literal(agreement.institution_name)}. Their partner lead signs next.",
            icon="send",
            primary=True,
        )


def data_of(clause: Clause) -> dict[str, Any]:
    """The clause's own data, without its words and without what it leaves open."""
    values = {name: getattr(clause, name) for name in type(clause).model_fields if name not in _WORDS}
    return {name: value for name, value in values.items() if value is not None}


def fixed(clause: Clause) -> dict[str, Any]:
    """The data that no widget changes: lists of parts, such as listed uses, and what follows from them."""
    data = data_of(clause)
    parts = {name for name, value in data.items() if isinstance(value, tuple)}
    # The three sets of permitted uses are the union of the listed ones.
    follows = {"checkpoints", "operations", "purposes"} if "uses" in parts else set()
    return {name: value for name, value in data.items() if name in parts | follows}


def edited(form: str, clause: Clause) -> dict[str, Any]:
    """The clause as its widgets stand, as data for the service to check."""
    values = clause.model_dump(mode="json")
    values["text"] = st.session_state[_key(form, clause, "text")]
    for name in data_of(clause).keys() - fixed(clause).keys():
        values[name] = st.session_state[_key(form, clause, name)]
    return values


def _key(form: str, clause: Clause, name: str) -> str:
    return f"{form}.{clause.clause_id}.{name}"


def _clause(actor: Actor, form: str, clause: Clause) -> None:
    with row():
        for effect in clause.effects():
            status(effect.kind)
    kept = fixed(clause)
    for name, value in data_of(clause).items():
        label = sentence(name.replace("_", " "))
        if name in kept:
            st.markdown(f"{label}: {literal(clause.readable_data()[name])}")
        else:
            _widget(actor, clause, name, value, label, _key(form, clause, name))
    st.text_area(
        "Words (a name in braces stands for the data above)",
        value=clause.text,
        key=_key(form, clause, "text"),
        height=90,
    )


def _widget(actor: Actor, clause: Clause, name: str, value: Any, label: str, key: str) -> None:
    closed = _choices(type(clause), name)
    if isinstance(value, bool):
        st.checkbox(label, value=value, key=key)
    elif isinstance(value, int):
        st.number_input(label, value=value, min_value=0, step=1, key=key)
    elif isinstance(value, str):
        st.selectbox(label, closed, index=closed.index(value), format_func=_readable, key=key)
    else:
        chosen = sorted(item.value if isinstance(item, StrEnum) else str(item) for item in value)
        st.multiselect(
            label,
            closed or sorted({*chosen, *_offered(actor, name)}),
            default=chosen,
            key=key,
            accept_new_options=not closed,
        )


def _readable(choice: str) -> str:
    return choice.replace("_", " ")


def _choices(kind: type[ClauseBase], name: str) -> list[str]:
    """What a field may be, where its type says so; empty where it is open."""
    schema = kind.model_json_schema()
    return sorted(_enumerated(schema["properties"][name], schema.get("$defs", {})))


def _enumerated(part: Any, definitions: dict[str, Any]) -> set[str]:
    if isinstance(part, list):
        return {choice for one in part for choice in _enumerated(one, definitions)}
    if not isinstance(part, dict):
        return set()
    if "$ref" in part:
        return _enumerated(definitions[part["$ref"].rpartition("/")[2]], definitions)
    found = set(part.get("enum", ()))
    return found | {choice for inner in ("anyOf", "items") for choice in _enumerated(part.get(inner), definitions)}


def _offered(actor: Actor, name: str) -> list[str]:
    """What may be chosen besides what the template says."""
    if name == "checkpoints":
        views = portal().checkpoints.list(actor)
        return [v.checkpoint.id for v in views] + [family_selector(v.checkpoint.family) for v in views]
    return []
