"""A notice: one thing that somebody should know, whom it is for, and how it reached them."""

import unicodedata
from collections.abc import Collection, Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, field_serializer

from agreements.actors import LAB, Membership, Role
from agreements.deciders import Value
from agreements.texts import OVERRIDES
from portal.inputs import Identifier

SUBJECT_LENGTH = 200
BODY_LENGTH = 4000

_ROLES = frozenset(role.value for role in Role)
_PERSON = "per_"


def _printable(text: object, *, length: int, layout: str) -> object:
    """The portal's own words around names that others chose; a reminder must not fail because a title is odd or long.

    What cannot be printed becomes a space, and what is too long is cut where it is marked with an ellipsis. Stored
    notices are read through this too, so that what it replaces never changes.
    """
    if not isinstance(text, str):
        return text
    clean = "".join(
        " " if char not in layout and (unicodedata.category(char) in ("Cc", "Cs") or char in OVERRIDES) else char
        for char in unicodedata.normalize("NFC", text)
    ).strip()
    return clean if len(clean) <= length else f"{clean[: length - 1].rstrip()}…"


def _addressable(entries: frozenset[str]) -> frozenset[str]:
    strange = sorted(entry for entry in entries if entry not in _ROLES and not entry.startswith(_PERSON))
    if strange:
        raise ValueError(f"neither a role nor a person: {', '.join(strange)}")
    return entries


Kind = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$", max_length=80)]
"""What sort of notice, from the general to the particular: ``duty.due_soon``."""

_IN_PATH = "A-Za-z0-9._~!$&'()*+,;=:@%?-"
Path = Annotated[str, StringConstraints(pattern=rf"^/([{_IN_PATH}][/{_IN_PATH}]*)?$", max_length=500)]
"""A place in the portal, from the slash on; never another host."""

Subject = Annotated[
    str,
    BeforeValidator(lambda text: _printable(text, length=SUBJECT_LENGTH, layout="")),
    Field(min_length=1, max_length=SUBJECT_LENGTH),
]
Body = Annotated[
    str,
    BeforeValidator(lambda text: _printable(text, length=BODY_LENGTH, layout="\n\t")),
    Field(max_length=BODY_LENGTH),
]
Audience = Annotated[frozenset[str], Field(min_length=1, max_length=200), AfterValidator(_addressable)]


class Notice(Value):
    """One thing to know. Plain text throughout."""

    id: Identifier
    """Made from what it is about, so that the same notice is never raised twice: ``duty:agr_1:feedback/1:remind``."""
    kind: Kind
    institution_id: Identifier
    """The institution it is about."""
    subject: Subject
    body: Body = ""
    """What, by when, who can do it, and what happens otherwise."""
    link: Path = "/"
    at: AwareDatetime
    """When what it tells of happened or fell due."""
    audience: Audience
    """Ids of people, and roles at the institution; ``coordinator`` means the coordinators of the lab."""

    @field_serializer("audience")
    def _sorted(self, entries: frozenset[str]) -> list[str]:
        return sorted(entries)

    @property
    def readers(self) -> tuple[tuple[str, str], ...]:
        """Whom it is for, as (reader key, institution of the role or "") pairs; see ``reader_keys``."""
        return tuple(self._reader(entry) for entry in sorted(self.audience))

    def _reader(self, entry: str) -> tuple[str, str]:
        if entry not in _ROLES:
            return entry, ""
        institution_id = LAB if entry == Role.COORDINATOR else self.institution_id
        return _role_key(entry, institution_id), institution_id

    def is_for(self, keys: Collection[str]) -> bool:
        """Whether somebody with these reader keys is addressed."""
        return any(key in keys for key, _ in self.readers)


def reader_keys(person_id: str, memberships: Iterable[Membership]) -> frozenset[str]:
    """What a person is addressed by: their own id, and ``<role>@<institution>`` for each of their roles."""
    return frozenset({person_id, *(_role_key(m.role.value, m.institution_id) for m in memberships)})


def _role_key(role: str, institution_id: str) -> str:
    return f"{role}@{institution_id}"


class DeliveryChannel(StrEnum):
    """By which way a notice leaves the portal."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class DeliveryStatus(StrEnum):
    """How far a delivery has come."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    GIVEN_UP = "given_up"


class Delivery(Value):
    """The latest attempt to bring a notice to one target."""

    channel: DeliveryChannel
    target_id: str
    """A person's id for mail, an endpoint's id for webhooks."""
    attempt: int
    """Counted from 1; from 1 again after a delivery was given up and its endpoint resumed."""
    status: DeliveryStatus
    status_code: int | None
    """What the target's server answered, if it answered."""
    reason: str
    """Why it failed; empty when it did not."""
    at: AwareDatetime
    next_at: AwareDatetime | None
    """When it is tried again."""


class ReadMark(Value):
    """Somebody has seen it."""

    person_id: str
    at: AwareDatetime


class NoticeState(Value):
    """A notice with what became of it."""

    notice: Notice | None = None
    raised_at: AwareDatetime | None = None
    deliveries: tuple[Delivery, ...] = ()
    read_by: tuple[ReadMark, ...] = ()

    def delivery(self, channel: DeliveryChannel, target_id: str) -> Delivery | None:
        """The latest attempt to bring it to a target, if there was one."""
        return next((d for d in self.deliveries if (d.channel, d.target_id) == (channel, target_id)), None)

    def next_attempt(self, channel: DeliveryChannel, target_id: str) -> int:
        """The number that another attempt would have."""
        last = self.delivery(channel, target_id)
        return last.attempt + 1 if last and last.status is DeliveryStatus.WAITING else 1

    def read_at(self, person_id: str) -> AwareDatetime | None:
        """When a person marked it as read."""
        return next((mark.at for mark in self.read_by if mark.person_id == person_id), None)
