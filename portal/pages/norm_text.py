"""The clauses of a norm as people type them: a paragraph each, optionally with a name of its own before a colon."""

import re
from collections.abc import Sequence

from portal.norms.model import NormClause

_NAMED = re.compile(r"^([a-z][a-z0-9_-]{0,31}):\s+(.*)$", re.DOTALL)


def typed(clauses: Sequence[NormClause]) -> str:
    """The clauses as text that ``read`` turns into the same clauses."""
    return "\n\n".join(f"{clause.clause_id}: {clause.text}" for clause in clauses)


def read(text: str) -> list[dict[str, str]]:
    """The clauses that the text says, as data for the service to check.

    A paragraph without a name is given the first free one of ``c1``, ``c2``, and so on. Blank lines part paragraphs.
    """
    paragraphs = [part.strip() for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]
    matches = [_NAMED.match(paragraph) for paragraph in paragraphs]
    taken = {match[1] for match in matches if match}
    free = (f"c{number}" for number in range(1, len(paragraphs) + len(taken) + 1))
    unused = (name for name in free if name not in taken)
    return [
        {"clause_id": match[1], "text": match[2]} if match else {"clause_id": next(unused), "text": paragraph}
        for match, paragraph in zip(matches, paragraphs, strict=True)
    ]
