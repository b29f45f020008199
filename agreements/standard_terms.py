"""Standard terms: agreement templates, data files that ship with the package.

A file is never changed once it was released: agreements name the template and the version they came from. New words are
a new file with the next version.
"""

import json
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from agreements.clauses import Clause, Form, check_clauses, parse_clauses
from agreements.deciders import Value
from agreements.errors import NotFound


class Template(Value):
    """A template: clauses with default data, to be adapted per partner before they are offered."""

    template_id: str
    version: int
    title: str
    summary: str
    clauses: tuple[Clause, ...]
    form: Form = Form.STANDALONE
    note: str = ""
    """What changed since the version before."""
    published_at: datetime | None = None
    """When a coordinator published it; None for what ships with the package."""
    retired_at: datetime | None = None
    """Since when no draft may start from the template; None while drafts may."""


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
    check_clauses(clauses, Form(data.get("form", Form.STANDALONE)))
    return Template(**{**data, "clauses": clauses})
