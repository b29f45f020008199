"""The leaf of an event: the canonical bytes that are hashed into the log, and the row that holds them.

An entry names the actor by id and channel and carries sixteen random bytes, so that its hash can be public without
giving anyone's name, words or choices away.
"""

import secrets
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import JsonValue

from agreements.canonical import canonical_bytes, parse_json
from agreements.errors import Invalid, TooLarge
from agreements.merkle import leaf_hash

MAX_ENTRY_BYTES = 1 << 20
"""Largest entry that the log takes."""

_SALT_BYTES = 16


class Leaf(NamedTuple):
    """One row of ``event``, column by column."""

    position: int
    stream: str
    version: int
    type: str
    actor_id: str
    channel: str
    recorded_at: datetime
    """Naive UTC."""
    body: str
    salt: str
    leaf_hash: bytes

    def entry(self) -> dict[str, JsonValue]:
        """The logged value. Raises Invalid if the body is not JSON."""
        return {
            "position": self.position,
            "stream": self.stream,
            "version": self.version,
            "type": self.type,
            "actor": {"id": self.actor_id, "channel": self.channel},
            "at": f"{self.recorded_at.isoformat(timespec='microseconds')}Z",
            "body": read_body(self.body),
            "salt": self.salt,
        }

    def entry_bytes(self) -> bytes:
        """The entry in RFC 8785 form."""
        return canonical_bytes(self.entry())

    def computed_hash(self) -> bytes:
        """The leaf hash (RFC 6962 section 2.1) that the other columns give."""
        return leaf_hash(self.entry_bytes())


LEAF_COLUMNS = ", ".join(Leaf._fields)


def new_leaf(
    *,
    position: int,
    stream: str,
    version: int,
    type_name: str,
    actor_id: str,
    channel: str,
    at: datetime,
    body: dict[str, Any],
) -> Leaf:
    """The leaf of a new event. Raises Invalid ``not_canonical`` or TooLarge ``event_too_large``."""
    draft = Leaf(
        position=position,
        stream=stream,
        version=version,
        type=type_name,
        actor_id=actor_id,
        channel=channel,
        recorded_at=to_utc(at),
        body=canonical_bytes(body).decode(),
        salt=secrets.token_hex(_SALT_BYTES),
        leaf_hash=b"",
    )
    if len(draft.body) > MAX_ENTRY_BYTES // 2:
        raise TooLarge(
            "event_too_large", f"An event of {type_name} has {len(draft.body)} characters.", hint="Shorten the text."
        )
    return draft._replace(leaf_hash=draft.computed_hash())


def read_body(text: str) -> dict[str, Any]:
    """The JSON object that a stored body is. Raises Invalid ``bad_json`` or ``bad_event_body``."""
    body = parse_json(text.encode(), MAX_ENTRY_BYTES)
    if not isinstance(body, dict):
        raise Invalid("bad_event_body", "The body of an event is a JSON object.")
    return body


def to_utc(moment: datetime) -> datetime:
    """A timezone-aware moment as DuckDB keeps it: naive UTC. Raises Invalid ``naive_time``."""
    if moment.utcoffset() is None:
        raise Invalid("naive_time", "A time without a time zone cannot be recorded.")
    return moment.astimezone(UTC).replace(tzinfo=None)
