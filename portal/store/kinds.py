"""The kinds of objects a store holds, and how one of them follows from its events."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from agreements.deciders import Event
from agreements.errors import Invalid, VerificationError
from portal.store.records import Aggregate, Held, Row


class Kinds:
    """Every kind of object, found by the category in front of a stream's name."""

    def __init__(self, aggregates: Sequence[Aggregate[Any]]) -> None:
        """Raises Invalid ``category_taken`` if two kinds have the same category."""
        self._by_category = {aggregate.decider.category: aggregate for aggregate in aggregates}
        if len(self._by_category) != len(aggregates):
            raise Invalid("category_taken", "Two kinds of objects have the same category.")

    def of(self, stream: str) -> Aggregate[Any]:
        """The kind of a stream ``<category>/<object id>``. Raises Invalid ``unknown_category``."""
        category, _, object_id = stream.partition("/")
        if category not in self._by_category or not object_id:
            raise Invalid("unknown_category", f"{stream!r} is not a stream of any kind of object in this store.")
        return self._by_category[category]

    def begin(self, stream: str) -> Held:
        """The object before anything happened to it. Raises Invalid ``unknown_category``."""
        return Held(0, self.of(stream).decider.initial)

    def read(self, stream: str, version: int, body: str) -> Held:
        """An object from its stored state. Raises VerificationError ``state_unreadable``."""
        try:
            return Held(version, self.of(stream).state_type.model_validate_json(body))
        except ValidationError:
            raise VerificationError(
                "state_unreadable",
                f"The stored state of {stream} does not fit what this release expects.",
                hint="Run: concordat log verify.",
            ) from None

    def advance(self, held: Held, stream: str, type_name: str, body: dict[str, Any]) -> Held:
        """The object after one more event, read from its stored form. Raises Invalid if it cannot be read."""
        return Held(held.version + 1, self.of(stream).decider.evolve(held.state, Event.parse(type_name, body)))

    def rows(self, stream: str, held: Held) -> Sequence[Row]:
        """The read rows of an object; none if nothing has happened to it."""
        if held.version == 0:
            return ()
        return self.of(stream).project(stream.partition("/")[2], held.version, held.state)
