"""The shape every governance object has: a frozen state, ``decide`` and ``evolve``.

``decide(state, command, actor, now)`` returns the events a command causes or raises a refusal; ``evolve(state, event)``
folds one event into the state. Neither does I/O nor reads a clock, so rules are tested by the thousand.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import ValidationError

from agreements.actors import Actor
from agreements.errors import Invalid
from agreements.values import Value, later

__all__ = ["Decider", "Event", "Value", "later"]


class Event(Value):
    """Something that happened. Subclasses give ``type="subject:action"``, unique in the whole program.

    Evolution rule: a field is never removed, renamed or retyped; a new one has a default. Anything else is a new type.
    """

    type_name: ClassVar[str] = ""
    _registry: ClassVar[dict[str, type["Event"]]] = {}

    def __init_subclass__(cls, *, type: str = "", **kwargs: Any) -> None:  # noqa: A002 - reads as a word of the class statement
        """Register the event type; a duplicate is a programming error."""
        super().__init_subclass__(**kwargs)
        if not type:
            return
        if type in Event._registry:
            raise TypeError(f"event type {type!r} is registered twice")
        cls.type_name = type
        Event._registry[type] = cls

    @staticmethod
    def parse(type_name: str, body: dict[str, Any]) -> "Event":
        """The event a stored body stands for. Raises Invalid for an unknown type or a body that does not fit."""
        try:
            return Event._registry[type_name].model_validate(body)
        except KeyError:
            raise Invalid("unknown_event_type", f"No event type {type_name!r} is known.") from None
        except ValidationError as error:
            raise Invalid(
                "bad_event_body", f"A body of {type_name} does not fit: {error.error_count()} errors."
            ) from None

    def body(self) -> dict[str, Any]:
        """The JSON value that is stored, hashed and logged."""
        return self.model_dump(mode="json")


S = TypeVar("S", bound=Value)
C = TypeVar("C", bound=Value)


@dataclass(frozen=True)
class Decider(Generic[S, C]):
    """One kind of governance object. ``category`` prefixes its streams: ``agreement/agr_…``."""

    category: str
    initial: S
    decide: Callable[[S, C, Actor, datetime], Sequence[Event]]
    evolve: Callable[[S, Event], S]

    def stream(self, object_id: str) -> str:
        """The stream that holds one object's events."""
        return f"{self.category}/{object_id}"

    def fold(self, events: Iterable[Event], state: S | None = None) -> S:
        """The state after ``events``, starting from ``state`` or from nothing."""
        current = self.initial if state is None else state
        for event in events:
            current = self.evolve(current, event)
        return current
