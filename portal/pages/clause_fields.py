"""The data of a clause as widgets, made from the schema of its type: no kind of clause has a form of its own.

Each value has a path below its form, ``term.days`` or ``permitted-uses.uses.0.title``. ``draw`` lays out the widget of
a path, ``read`` takes from it what was typed. Both know the same shapes, so that what is drawn is what is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import streamlit as st
from pydantic import TypeAdapter

from agreements.clauses import Clause
from agreements.clauses.base import WORDS
from portal.pages.words import literal, sentence
from portal.pages.writing import field

Shape = Literal["whole number", "yes or no", "choice", "set", "rows", "line", "number", "part"]

Offered = Mapping[str, Sequence[str]]
"""What may be chosen for a field besides what stands there, by the field's name."""

NOT_SET = "not set"


@dataclass(frozen=True)
class Spec:
    """One field of a clause, as its widget has to know it."""

    name: str
    shape: Shape
    optional: bool
    least: float | None = None
    most: float | None = None
    """The bounds of a number; of a line, how long it may be."""
    options: tuple[str, ...] = ()
    """The values there are; empty where new ones may be typed."""
    columns: tuple["Spec", ...] = ()
    """The fields of one row."""

    @property
    def label(self) -> str:
        """The field as people read it."""
        return sentence(self.name.replace("_", " "))


@cache
def specs_of(kind: str) -> tuple[Spec, ...]:
    """The data fields of a kind of clause, in the order of its type, words left out."""
    schema = _schema()
    entry = _resolved(schema, {"$ref": schema["discriminator"]["mapping"][kind]})
    return _specs(schema, entry, leave_out=WORDS)


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = TypeAdapter(Clause).json_schema()
    return found


def _specs(schema: Mapping[str, Any], entry: Mapping[str, Any], leave_out: frozenset[str]) -> tuple[Spec, ...]:
    return tuple(_spec(schema, name, each) for name, each in entry["properties"].items() if name not in leave_out)


def _resolved(schema: Mapping[str, Any], entry: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = entry.get("$ref")
    if reference is None:
        return entry
    found: Mapping[str, Any] = schema["$defs"][reference.removeprefix("#/$defs/")]
    return found


def _spec(schema: Mapping[str, Any], name: str, given: Mapping[str, Any]) -> Spec:
    optional = "anyOf" in given
    entry = _resolved(schema, given["anyOf"][0] if optional else given)
    if "enum" in entry:
        return Spec(name, "choice", optional, options=tuple(entry["enum"]))
    match entry["type"]:
        case "boolean":
            return Spec(name, "yes or no", optional)
        case "integer":
            return Spec(name, "whole number", optional, least=entry.get("minimum"), most=entry.get("maximum"))
        case "number":
            least, most = float(entry.get("minimum", 0)), float(entry["maximum"])
            return Spec(name, "number", optional, least=least, most=most)
        case "object":
            return Spec(name, "part", optional, columns=_specs(schema, entry, leave_out=frozenset()))
        case "array":
            item = _resolved(schema, entry["items"])
            if "properties" in item:
                return Spec(name, "rows", optional, columns=_specs(schema, item, leave_out=frozenset()))
            return Spec(name, "set", optional, options=tuple(item.get("enum", ())))
        case _:
            return Spec(name, "line", optional, most=entry.get("maxLength"))


def blank(spec: Spec) -> Any:
    """What a field holds before anybody typed: nothing where that is allowed, else the least that fits."""
    if spec.optional:
        return None
    match spec.shape:
        case "yes or no":
            return False
        case "whole number" | "number":
            return spec.least or 0
        case "choice":
            return spec.options[0]
        case "rows":
            return [{column.name: blank(column) for column in spec.columns}]
        case "set":
            return []
        case _:
            return ""


def read(form: str, path: str, spec: Spec, before: Any) -> Any:
    """What stands in the widget of ``path`` as JSON data; ``before`` where it was never drawn."""
    if spec.shape == "rows":
        rows = [
            {
                column.name: read(form, f"{path}.{row}.{column.name}", column, given[column.name])
                for column in spec.columns
            }
            for row, given in zip(_rows(form, path, before), _given(form, path, spec, before), strict=True)
        ]
        return rows or (None if spec.optional else [])
    if spec.shape == "part":
        known = before or {}
        part = {
            column.name: read(form, f"{path}.{column.name}", column, known.get(column.name, blank(column)))
            for column in spec.columns
        }
        # What is left empty is not said, and has its default.
        return {name: value for name, value in part.items() if value not in ("", [], None)} or None
    value = st.session_state.get(field(form, path), before)
    if spec.optional and (value in ("", []) or value is False):
        return None
    return value.strip() if isinstance(value, str) else value


def draw(form: str, path: str, spec: Spec, before: Any, offered: Offered) -> None:
    """The widget of ``path``; it begins with ``before``."""
    if spec.shape == "rows":
        _draw_rows(form, path, spec, before, offered)
        return
    if spec.shape == "part":
        known = before or {}
        with st.container(border=True):
            st.markdown(f"**{spec.label}**" + (f" ({NOT_SET} if all is left empty)" if spec.optional else ""))
            for column in spec.columns:
                draw(form, f"{path}.{column.name}", column, known.get(column.name, blank(column)), offered)
        return
    key = field(form, path)
    if key not in st.session_state:
        st.session_state[key] = _held(spec, before)
    label = f"{spec.label} ({NOT_SET} if left empty)" if spec.optional else spec.label
    match spec.shape:
        case "yes or no":
            st.checkbox(label, key=key, persist_state="session")
        case "whole number":
            _number(label, key, spec, step=1)
        case "number":
            _number(label, key, spec, step=0.1)
        case "choice":
            # Emptied, such a field is not set; one that needs a value cannot be emptied.
            index = None if spec.optional else 0
            st.selectbox(
                label,
                spec.options,
                index=index,
                format_func=_named,
                key=key,
                placeholder=NOT_SET,
                persist_state="session",
            )
        case "set":
            _set(label, key, spec, before, offered)
        case _:
            st.text_input(label, key=key, max_chars=int(spec.most) if spec.most else None, persist_state="session")


def _held(spec: Spec, value: Any) -> Any:
    """A value as its widget keeps it."""
    if spec.shape == "set":
        return sorted(str(each) for each in value or ())
    if spec.shape == "yes or no":
        return bool(value)
    if spec.shape == "number" and value is not None:
        return float(value)
    return "" if spec.shape == "line" and value is None else value


def _named(value: str) -> str:
    return value.replace("_", " ")


def _number(label: str, key: str, spec: Spec, *, step: float) -> None:
    if spec.least is not None and spec.most is not None:
        label += f", {spec.least:,} to {spec.most:,}"
    st.number_input(
        label,
        value=None,
        min_value=spec.least,
        max_value=spec.most,
        step=step,
        key=key,
        placeholder=NOT_SET if spec.optional else "",
        persist_state="session",
    )


def _set(label: str, key: str, spec: Spec, before: Any, offered: Offered) -> None:
    chosen: list[str] = st.session_state[key]
    options = spec.options or tuple(sorted({*chosen, *_held(spec, before), *offered.get(spec.name, ())}))
    st.multiselect(
        label,
        options,
        format_func=_named if spec.options else str,
        key=key,
        accept_new_options=not spec.options,
        placeholder="Choose" if spec.options else "Choose, or type and press Enter",
        persist_state="session",
    )


# ---- rows ----------------------------------------------------------------------------------------------------------


def _rows(form: str, path: str, before: Any) -> list[int]:
    """Which rows there are: those that were there have the first numbers, new ones the next."""
    found: list[int] = st.session_state.get(field(form, f"{path}#"), list(range(len(before or ()))))
    return found


def _given(form: str, path: str, spec: Spec, before: Any) -> list[Mapping[str, Any]]:
    empty = {column.name: blank(column) for column in spec.columns}
    known = before or ()
    return [{**empty, **known[row]} if row < len(known) else empty for row in _rows(form, path, before)]


def row_count(form: str, path: str, before: Any) -> int:
    """How many rows stand there now."""
    return len(_rows(form, path, before))


def _draw_rows(form: str, path: str, spec: Spec, before: Any, offered: Offered) -> None:
    st.markdown(f"**{spec.label}**" + (f" ({NOT_SET} if there are none)" if spec.optional else ""))
    rows = _rows(form, path, before)
    for place, (number, given) in enumerate(zip(rows, _given(form, path, spec, before), strict=True), start=1):
        with st.container(border=True):
            for column in spec.columns:
                draw(form, f"{path}.{number}.{column.name}", column, given[column.name], offered)
            st.button(
                f"Remove {literal(spec.label.lower())} {place}",
                key=field(form, f"{path}.{number}.remove"),
                icon=":material/remove:",
                type="tertiary",
                on_click=_keep_rows,
                args=(form, path, [other for other in rows if other != number]),
            )
    last = max([*rows, len(before or ()) - 1], default=-1)
    st.button(
        f"Add to {spec.label.lower()}",
        key=field(form, f"{path}.add"),
        icon=":material/add:",
        on_click=_keep_rows,
        # A number is never given twice: its widgets would come back with what was typed before.
        args=(form, path, [*rows, _next(form, path, last)]),
    )


def _next(form: str, path: str, last: int) -> int:
    used: int = st.session_state.get(field(form, f"{path}#last"), -1)
    return max(last, used) + 1


def _keep_rows(form: str, path: str, rows: list[int]) -> None:
    st.session_state[field(form, f"{path}#")] = rows
    used: int = st.session_state.get(field(form, f"{path}#last"), -1)
    st.session_state[field(form, f"{path}#last")] = max([*rows, used])
