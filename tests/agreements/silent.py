"""A text whose words say less than its data: what a partner might put on the table in the hope that nobody looks."""

from typing import Any

from agreements.clauses import Clause, parse_clauses
from agreements.standard_terms import template

MODEST = "The institution may use ladder-s to score texts, and nothing else."
HIDDEN = ("ladder-xl", "fine_tune", "activations", "7 requests a minute", "Mallory <mallory@elsewhere.example>")
"""What the data gives and no word tells."""


def silent_terms() -> list[dict[str, Any]]:
    """The standard terms, with uses and named users that their texts are silent about."""
    use = {
        "use_id": "scoring",
        "title": "Scoring of texts",
        "checkpoints": ["ladder-xl", "ladder-l"],
        "operations": ["generate", "fine_tune", "activations"],
        "requests_per_minute": 7,
    }
    changed = {"permitted_uses": {"text": MODEST, "uses": [use]}}
    named = {
        "kind": "named_users",
        "clause_id": "named-users",
        "title": "Named users",
        "text": "Only people whom the lab has approved use the access.",
        "users": [
            {"name": "Ben", "email": "ben@people.example"},
            {"name": "Mallory", "email": "mallory@elsewhere.example"},
        ],
    }
    standard = [clause.model_dump(mode="json") for clause in template("software-access").clauses]
    kept = [one for one in standard if one["kind"] not in {"named_users", "vetting"}]
    return [*({**one, **changed.get(one["kind"], {})} for one in kept), named]


def silent_clauses() -> tuple[Clause, ...]:
    """The same as clauses."""
    return parse_clauses(silent_terms())
