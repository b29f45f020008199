"""What travels on the pipes between portal and worker: length-prefixed JSON of fixed shape.

A frame is 4 bytes big-endian length and that many bytes of JSON. The portal treats the worker as hostile: a frame that
is too long, no JSON, of unknown shape or with a value out of range is refused before anything acts on it. Numbers are
finite, strings are UTF-8; there is no pickle anywhere.
"""

import struct
from typing import IO, Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from agreements.deciders import Value
from agreements.errors import Invalid, TooLarge
from model_access.build import Precision, Products
from model_access.conversations import Conversation
from model_access.generation import ChoiceDelta, GenerationRequest, TokenIds
from model_access.manifest import Manifest

MAX_FRAME_BYTES = 4 << 20
_LENGTH = struct.Struct(">I")


class Start(Value):
    """First frame to a worker: lock down, then load exactly this checkpoint."""

    kind: Literal["start"] = "start"
    manifest: Manifest
    inner_filter: str
    """Base64 of the system-call filter; empty where the profile offers no isolation."""
    memory_limit_bytes: int = Field(gt=0)
    threads: int = Field(ge=1, le=256)
    precision: Precision = Precision.FLOAT32


class Submit(Value):
    """Run a request whose prompts the portal has turned into token ids."""

    kind: Literal["submit"] = "submit"
    ticket: int = Field(ge=0)
    request: GenerationRequest
    """Its ``prompts`` are token ids only."""
    holder: Annotated[str, Field(max_length=200)] | None = None
    """Whose requests may share the work on a common beginning; ``None``: this one shares with no other."""


class Render(Value):
    """Lay a conversation out with the checkpoint's template."""

    kind: Literal["render"] = "render"
    ticket: int = Field(ge=0)
    conversation: Conversation


class Cancel(Value):
    """Stop a request between two tokens."""

    kind: Literal["cancel"] = "cancel"
    ticket: int = Field(ge=0)


class Ready(Value):
    """The checkpoint is loaded."""

    kind: Literal["ready"] = "ready"
    products: Products


class Refused(Value):
    """The checkpoint cannot be served; the worker ends."""

    kind: Literal["refused"] = "refused"
    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    message: Annotated[str, Field(max_length=1000)]


class Piece(Value):
    """The next piece of a choice."""

    kind: Literal["piece"] = "piece"
    ticket: int = Field(ge=0)
    delta: ChoiceDelta


class Ended(Value):
    """A choice is complete."""

    kind: Literal["ended"] = "ended"
    ticket: int = Field(ge=0)
    index: int = Field(ge=0)
    token_ids: TokenIds
    """Every token generated."""
    passed_over: int = Field(default=0, ge=0)
    """Tokens of this prompt's other candidates, told with its first choice."""


class Stopped(Value):
    """A request was cancelled, as the portal had asked."""

    kind: Literal["stopped"] = "stopped"
    ticket: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class Rendered(Value):
    """A conversation as text."""

    kind: Literal["rendered"] = "rendered"
    ticket: int = Field(ge=0)
    text: str


class NotRendered(Value):
    """The template did not lay a conversation out."""

    kind: Literal["not_rendered"] = "not_rendered"
    ticket: int = Field(ge=0)
    message: Annotated[str, Field(max_length=500)]
    """The template's own words; empty where it gave none."""


class Alive(Value):
    """Nothing to show yet, but working."""

    kind: Literal["alive"] = "alive"


ToWorker = Start | Submit | Render | Cancel
FromWorker = Ready | Refused | Piece | Ended | Stopped | Rendered | NotRendered | Alive

TO_WORKER: TypeAdapter[ToWorker] = TypeAdapter(Annotated[ToWorker, Field(discriminator="kind")])
FROM_WORKER: TypeAdapter[FromWorker] = TypeAdapter(Annotated[FromWorker, Field(discriminator="kind")])


def encode(frame: Value) -> bytes:
    """The frame's bytes. Raises TooLarge ``frame_too_large``."""
    body = frame.model_dump_json().encode()
    if len(body) > MAX_FRAME_BYTES:
        raise TooLarge(
            "frame_too_large", f"The request needs {len(body)} bytes on the pipe; {MAX_FRAME_BYTES} is the limit."
        )
    return _LENGTH.pack(len(body)) + body


def read_bytes(stream: IO[bytes]) -> bytes | None:
    """The next frame's body, or ``None`` at a clean end. Raises Invalid ``bad_frame`` if it is too long or cut off."""
    prefix = _exactly(stream, _LENGTH.size)
    if not prefix:
        return None
    if len(prefix) < _LENGTH.size:
        raise Invalid("bad_frame", "A frame's length is cut off.")
    (length,) = _LENGTH.unpack(prefix)
    if length > MAX_FRAME_BYTES:
        raise Invalid("bad_frame", f"A frame claims {length} bytes.")
    body = _exactly(stream, length)
    if len(body) < length:
        raise Invalid("bad_frame", "A frame is cut off.")
    return body


def parse_from_worker(body: bytes) -> FromWorker:
    """What a worker says. Raises Invalid ``bad_frame``."""
    try:
        return FROM_WORKER.validate_json(body, strict=True)
    except ValidationError as error:
        raise Invalid("bad_frame", f"A worker's frame has {error.error_count()} faults.") from None


def parse_to_worker(body: bytes) -> ToWorker:
    """What the portal says. Raises Invalid ``bad_frame``."""
    try:
        return TO_WORKER.validate_json(body)
    except ValidationError as error:
        raise Invalid("bad_frame", f"The portal's frame has {error.error_count()} faults.") from None


def _exactly(stream: IO[bytes], count: int) -> bytes:
    """``count`` bytes, or fewer where the stream ends."""
    parts = []
    while count > 0:
        part = stream.read(count)
        if not part:
            break
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
