"""A small kind of object for the store's tests: a box of labelled things."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from agreements.actors import Actor, Channel
from agreements.deciders import Decider, Event, Value
from agreements.keys import SigningKey
from agreements.log_head import NoteSigner
from portal.store import Aggregate, Append, Row, Store
from portal.store.migrate import Migration, shipped

ADA = Actor(person_id="per_ada", name="Ada", channel=Channel.API)
GRACE = Actor(person_id="per_grace", name="Grace", channel=Channel.CLI)
NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class Put(Event, type="test_box:put"):
    """A thing went into the box."""

    thing: str
    weight: float = 1.0


class Taken(Event, type="test_box:taken"):
    """A thing was taken out."""

    thing: str


class Broken(Event, type="test_box:broken"):
    """No box survives it: folding it raises."""


class Box(Value):
    """What is in the box."""

    things: dict[str, float] = Field(default_factory=dict)


def _evolve(state: Box, event: Event) -> Box:
    match event:
        case Put():
            return Box(things={**state.things, event.thing: event.weight})
        case Taken():
            return Box(things={name: weight for name, weight in state.things.items() if name != event.thing})
    raise RuntimeError("the box broke")


def _project(object_id: str, version: int, state: Box) -> Sequence[Row]:
    summary = Row(
        "test_box", {"box_id": object_id, "changes": version, "weight": sum(state.things.values()), "seen_at": NOON}
    )
    return [summary, *(Row("test_thing", {"box_id": object_id, "thing": thing}) for thing in state.things)]


BOXES = Aggregate(
    decider=Decider[Box, Value](category="test_box", initial=Box(), decide=lambda *_: (), evolve=_evolve),
    state_type=Box,
    project=_project,
)

TABLES = Migration(
    9000,
    "boxes",
    """
    CREATE TABLE test_box (
        box_id VARCHAR PRIMARY KEY, changes INTEGER NOT NULL, weight DOUBLE NOT NULL, seen_at TIMESTAMP NOT NULL
    );
    CREATE TABLE test_thing (box_id VARCHAR NOT NULL, thing VARCHAR NOT NULL, PRIMARY KEY (box_id, thing));
    """,
)
MIGRATIONS = (*shipped(), TABLES)
SIGNER = NoteSigner("test.example/log", SigningKey.from_seed(b"s" * 32))


def put(box: str, *things: str, expected: int = 0) -> Append:
    """Things put into a box that is at version ``expected``."""
    return Append(f"test_box/{box}", expected, tuple(Put(thing=thing) for thing in things))


def open_store(path: Path) -> Store:
    """A store of boxes."""
    return Store.open(path, signer=SIGNER, aggregates=[BOXES], migrations=MIGRATIONS)
