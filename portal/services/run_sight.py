"""Which runs somebody may see."""

from agreements.actors import Actor
from model_access.runs import RunTerms


def seen_runs(actor: Actor, row: str = "run") -> tuple[str, list[object]]:
    """The rows of ``run`` that the actor may see, as a condition and its parameters: what ``get`` shows, one by one.

    ``row`` is what the statement calls the table.
    """
    condition = f"({row}.person_id = ? OR ? OR list_contains(?::VARCHAR[], {row}.institution_id))"
    return condition, [actor.person_id, actor.is_coordinator, list(actor.institution_ids)]


def visible(actor: Actor, terms: RunTerms) -> bool:
    """``seen_runs`` for one run."""
    same = terms.institution_id is not None and actor.belongs_to(terms.institution_id)
    return actor.is_coordinator or actor.person_id == terms.person_id or same
