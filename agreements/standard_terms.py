"""Standard terms: agreement templates, data files that ship with the package."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from agreements.clauses import Clause, check_clauses, parse_clauses
from agreements.deciders import Value
from agreements.errors import NotFound


class Template(Value):
    """A template: clauses with default data, to be adapted per partner before they are offered."""

    template_id: str
    version: int
    title: str
    summary: str
    clauses: tuple[Clause, ...]


@cache
def templates() -> tuple[Template, ...]:
    """Every template, by id and version."""
    found = [
        _template(json.loads(entry.read_text(encoding="utf-8")))
        for entry in files("agreements").joinpath("templates").iterdir()
        if entry.name.endswith(".json")
    ]
    return tuple(sorted(found, key=lambda template: (template.template_id, template.version)))


def template(template_id: str) -> Template:
    """The newest version of a template. Raises NotFound ``template_not_found``."""
    versions = [entry for entry in templates() if entry.template_id == template_id]
    if not versions:
        known = ", ".join(sorted({entry.template_id for entry in templates()}))
        raise NotFound("template_not_found", f"There is no template {template_id!r}.", hint=f"There are: {known}.")
    return versions[-1]


def _template(data: dict[str, Any]) -> Template:
    clauses = parse_clauses(data["clauses"])
    check_clauses(clauses)
    return Template(**{**data, "clauses": clauses})
