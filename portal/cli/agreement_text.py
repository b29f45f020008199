"""The terms of an agreement's document, as whoever signs or looks has to see them: nothing that binds is left out."""

from collections.abc import Mapping
from typing import Any

from agreements.clauses import Clause, parse_clauses
from agreements.errors import Invalid
from portal.cli.output import Output


def show_clauses(output: Output, document: Mapping[str, Any]) -> None:
    """Every clause: its words, all its data whether or not the words cite it, and what software does about it.

    Raises Invalid where the document's clauses cannot be read.
    """
    for number, (clause, text) in enumerate(_clauses(document), start=1):
        told: dict[str, object] = {"": text}
        told |= {f"in data: {one.label.lower()}": one.words for one in clause.data_fields()}
        for effect in clause.effects():
            said = told.get(effect.kind.value)
            told[effect.kind.value] = f"{said} {effect.summary}" if said else effect.summary
        output.fields(told, [(name, name) for name in told], title=f"{number}. {clause.title} ({clause.kind})")


def _clauses(document: Mapping[str, Any]) -> list[tuple[Clause, str]]:
    listed = document.get("clauses")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Invalid(
            "not_an_agreement",
            "The document has no clauses to be read.",
            hint="Export the agreement again: concordat agreement export ID -o FILE.",
        )
    data = parse_clauses([one.get("data") for one in listed])
    return [(clause, str(one.get("text", ""))) for clause, one in zip(data, listed, strict=True)]
