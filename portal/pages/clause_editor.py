"""The clauses of a text on the desk: every kind edited in the widgets of its own data, added, removed and reordered.

What is typed stays in the session until the form's call succeeds, so that a refusal or a look elsewhere loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as attribute
from typing import Any, Final, get_args

import streamlit as st

from agreements.clauses import Clause, PlainClause, clause_kinds, parse_clauses
from agreements.errors import Invalid
from portal.pages.clause_fields import Offered, Spec, blank, draw, read, row_count, specs_of
from portal.pages.clause_view import effect_lines, kind_badge
from portal.pages.context import portal
from portal.pages.words import literal, prose, sentence
from portal.pages.writing import afresh, field

_REPEATABLE: Final = frozenset(get_args(PlainClause.model_fields["kind"].annotation))

_UNITED: Final = frozenset({"checkpoints", "operations", "purposes"})
"""The sets of permitted uses that are the union of the uses where these are listed."""


@dataclass
class _Desk:
    """The clauses as they lie on the desk, by id; what is typed about them is in their widgets."""

    base: str
    """What the text was when it was put here."""
    order: list[str]
    data: dict[str, dict[str, Any]]
    gone: list[str] = attribute(default_factory=list)


def clause_editor(form: str, clauses: Sequence[Clause], *, offered: Offered | None = None) -> list[dict[str, Any]]:
    """Draw the editor, and return the clauses as they stand in it, as data for a service to check.

    ``offered`` are values to choose from for sets, by the name of the field. In a callback use ``edited_clauses``.
    """
    desk = _desk(form, clauses)
    if desk.base != _fingerprint(clauses):
        st.warning("The text was changed by somebody else since you began to edit.", icon=":material/sync_problem:")
        st.button(
            "Begin again from the newest text",
            key=field(form, "anew"),
            icon=":material/refresh:",
            on_click=afresh,
            args=(form,),
        )
    for place, name in enumerate(desk.order):
        _clause(form, desk, place, name, offered or {})
    _gone(form, desk)
    _adding(form, desk)
    return edited_clauses(form, clauses)


def edited_clauses(form: str, clauses: Sequence[Clause]) -> list[dict[str, Any]]:
    """The clauses as they stand in the editor; ``clauses`` themselves where it was not drawn yet."""
    desk = _desk(form, clauses)
    return [_edited(form, desk.data[name]) for name in desk.order]


def _fingerprint(clauses: Sequence[Clause]) -> str:
    return "\n".join(clause.model_dump_json() for clause in clauses)


def _desk(form: str, clauses: Sequence[Clause]) -> _Desk:
    key = field(form, "clauses")
    if key not in st.session_state:
        data = {clause.clause_id: clause.model_dump(mode="json") for clause in clauses}
        st.session_state[key] = _Desk(base=_fingerprint(clauses), order=list(data), data=data)
    desk: _Desk = st.session_state[key]
    return desk


def _edited(form: str, before: Mapping[str, Any]) -> dict[str, Any]:
    name = before["clause_id"]
    return {
        "clause_id": name,
        "kind": before["kind"],
        "title": st.session_state.get(field(form, f"{name}.title"), before["title"]),
        "text": st.session_state.get(field(form, f"{name}.text"), before["text"]),
        **{
            spec.name: read(form, f"{name}.{spec.name}", spec, before.get(spec.name, blank(spec)))
            for spec in specs_of(before["kind"])
        },
    }


# ---- one clause ----------------------------------------------------------------------------------------------------


def _clause(form: str, desk: _Desk, place: int, name: str, offered: Offered) -> None:
    before = desk.data[name]
    now = _edited(form, before)
    clause, fault = _parsed(now)
    icon = ":material/error:" if fault else ":material/edit:" if _differs(before, clause) else None
    label = f"{place + 1}. {literal(now['title'])} {_effects(clause)}"
    with st.expander(label, icon=icon, key=field(form, f"{name}.card")):
        if fault:
            st.error(f"**{literal(now['title'])}**: {literal(fault)}", icon=":material/error:")
        _tools(form, desk, place, name)
        _data(form, before, offered)
        _words(form, before, specs_of(before["kind"]))
        if clause is not None:
            st.caption("How it reads")
            st.markdown(prose(clause.rendered()))
            effect_lines(clause)


def _effects(clause: Clause | None) -> str:
    """The badges that stand behind the title of a closed card."""
    kinds = {effect.kind: None for effect in clause.effects()} if clause is not None else {}
    return " ".join(kind_badge(kind) for kind in kinds)


def _parsed(data: Mapping[str, Any]) -> tuple[Clause | None, str]:
    """The clause, or what is wrong with it."""
    try:
        return parse_clauses([data])[0], ""
    except Invalid as refusal:
        # What comes first is the place in a list of one, which says nothing.
        return None, refusal.message.removeprefix("Clause 0.").replace(f"{data['kind']}.", "", 1)


def _differs(before: Mapping[str, Any], clause: Clause | None) -> bool:
    return clause is not None and _parsed(before)[0] != clause


def _tools(form: str, desk: _Desk, place: int, name: str) -> None:
    with st.container(horizontal=True):
        for label, icon, target in (("Up", "arrow_upward", place - 1), ("Down", "arrow_downward", place + 1)):
            st.button(
                label,
                key=field(form, f"{name}.{label.lower()}"),
                icon=f":material/{icon}:",
                type="tertiary",
                disabled=not 0 <= target < len(desk.order),
                on_click=_move,
                args=(desk, name, target),
            )
        st.button(
            "Remove the clause",
            key=field(form, f"{name}.remove"),
            icon=":material/delete:",
            type="tertiary",
            on_click=_remove,
            args=(desk, name),
        )


def _data(form: str, before: Mapping[str, Any], offered: Offered) -> None:
    name, specs = before["clause_id"], specs_of(before["kind"])
    uses = next((spec for spec in specs if spec.name == "uses"), None)
    listed = uses is not None and row_count(form, f"{name}.uses", before.get("uses")) > 0
    if listed:
        st.caption("Checkpoints, operations and purposes are those of the uses listed here, together.")
    for spec in specs:
        if not (listed and spec.name in _UNITED):
            draw(form, f"{name}.{spec.name}", spec, before.get(spec.name, blank(spec)), offered)


def _words(form: str, before: Mapping[str, Any], specs: Sequence[Spec]) -> None:
    name = before["clause_id"]
    for part in ("title", "text"):
        key = field(form, f"{name}.{part}")
        if key not in st.session_state:
            st.session_state[key] = before[part]
        if part == "title":
            st.text_input("Title", key=key, max_chars=120, persist_state="session")
            continue
        cited = ", ".join(f"`{{{spec.name}}}`" for spec in specs)
        st.text_area(
            f"Words; {cited} stand for the data above" if cited else "Words",
            key=key,
            height=110,
            max_chars=8000,
            persist_state="session",
        )


# ---- which clauses there are ---------------------------------------------------------------------------------------


def _move(desk: _Desk, name: str, target: int) -> None:
    desk.order.remove(name)
    desk.order.insert(target, name)


def _remove(desk: _Desk, name: str) -> None:
    desk.order.remove(name)
    desk.gone.append(name)


def _put_back(desk: _Desk, name: str) -> None:
    desk.gone.remove(name)
    original = list(desk.data)
    later = [other for other in desk.order if original.index(other) > original.index(name)]
    desk.order.insert(desk.order.index(later[0]) if later else len(desk.order), name)


def _gone(form: str, desk: _Desk) -> None:
    for name in desk.gone:
        st.button(
            f"Put back: {literal(_edited(form, desk.data[name])['title'])}",
            key=field(form, f"{name}.back"),
            icon=":material/undo:",
            type="tertiary",
            on_click=_put_back,
            args=(desk, name),
        )


def _adding(form: str, desk: _Desk) -> None:
    present = {desk.data[name]["kind"] for name in desk.order}
    kinds = [kind for kind in clause_kinds() if kind in _REPEATABLE or kind not in present]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Another clause of the kind",
            kinds,
            format_func=lambda kind: sentence(kind.replace("_", " ")),
            key=field(form, "new_kind"),
            width=320,
        )
        st.button(
            "Add a clause",
            key=field(form, "add"),
            icon=":material/add:",
            on_click=_add,
            args=(desk, chosen),
        )


def _add(desk: _Desk, kind: str) -> None:
    data = _fresh(kind)
    name, number = data["clause_id"], 2
    while data["clause_id"] in desk.data:
        data["clause_id"] = f"{name}-{number}"
        number += 1
    desk.data[data["clause_id"]] = data
    desk.order.append(data["clause_id"])


def _fresh(kind: str) -> dict[str, Any]:
    """A clause to begin with: as a template has it, else with the least data and words that cite it."""
    known = (clause for template in portal().templates.all() for clause in template.clauses if clause.kind == kind)
    found = next(known, None)
    if found is not None:
        return found.model_dump(mode="json")
    specs = [spec for spec in specs_of(kind) if not spec.optional]
    cited = "; ".join(f"{spec.name.replace('_', ' ')}: {{{spec.name}}}" for spec in specs)
    title = sentence(kind.replace("_", " "))
    return {
        "clause_id": kind.replace("_", "-"),
        "kind": kind,
        "title": title,
        "text": f"{title}. {sentence(cited)}." if cited else f"{title}.",
        **{spec.name: blank(spec) for spec in specs_of(kind)},
    }
