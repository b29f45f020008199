"""Who acts: people with roles per institution, and named automatic actors."""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from agreements.narrowing import Narrowing

LAB = "lab"
"""The id of the institution that runs the portal and holds the weights."""


class Role(StrEnum):
    """What a person is at one institution."""

    COORDINATOR = "coordinator"
    PARTNER_LEAD = "partner_lead"
    PARTNER_MEMBER = "partner_member"
    RESEARCHER = "researcher"
    OBSERVER = "observer"

    @property
    def label(self) -> str:
        """The role as people read it."""
        return self.value.replace("_", " ")


class PartyKind(StrEnum):
    """Which side of an agreement."""

    INSTITUTION = "institution"
    LAB = "lab"


class Channel(StrEnum):
    """By which door an actor came in."""

    SCREEN = "screen"
    API = "api"
    CLI = "cli"
    AUTOMATIC = "automatic"


class Membership(BaseModel):
    """One role at one institution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    institution_id: str
    role: Role


class TokenBounds(BaseModel):
    """What one token of a chain opens of what its grant does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_id: str
    narrowing: Narrowing
    account: str = ""
    """What its use is charged to, where that is not the token itself: the token it took the place of."""


class Actor(BaseModel):
    """The authenticated subject of a command. Built only by the sign-in and token services."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    person_id: str
    name: str
    memberships: tuple[Membership, ...] = ()
    channel: Channel = Channel.API
    token_id: str | None = None
    """The ``jti`` of the access token the actor came with, if any."""
    grant_id: str | None = None
    """The grant that token names, if any."""
    token_key: SkipJsonSchema[str | None] = Field(default=None, exclude=True)
    """The name of the key that signed that token, if the token itself was shown."""
    session_id: SkipJsonSchema[str | None] = Field(default=None, exclude=True, repr=False)
    """The id of the browser's session that the actor came with, if any; it never leaves the portal."""
    agreement_digest: str | None = None
    """The version of the agreement under which that token was issued, if any."""
    bounds: tuple[TokenBounds, ...] = ()
    """To what that token and those it was narrowed from are narrowed, the first of them first."""
    areas: frozenset[str] | None = None
    """For what that token may be used (``agreements.areas``); None is all that the role allows."""
    key_thumbprint: str | None = None
    """The RFC 7638 thumbprint of the key that the request proved to hold (RFC 9449), if it proved one."""
    program: bool = False
    """Whether a registered program acts rather than a person; ``person_id`` is then the program's."""
    email: str = ""
    """By which clauses may name the person; empty for automatic actors."""

    @classmethod
    def automatic(cls, name: str) -> Self:
        """A named rule that acts by itself, so that the log shows it as the deciding party."""
        return cls(person_id=f"auto:{name}", name=name, channel=Channel.AUTOMATIC)

    @property
    def is_automatic(self) -> bool:
        """Whether a rule acts rather than a person."""
        return self.channel is Channel.AUTOMATIC

    @property
    def is_coordinator(self) -> bool:
        """Whether the actor coordinates for the lab."""
        return self.has(Role.COORDINATOR, LAB)

    @property
    def institution_ids(self) -> tuple[str, ...]:
        """Every institution the actor belongs to, in order, without repeats."""
        return tuple(dict.fromkeys(m.institution_id for m in self.memberships))

    def has(self, role: Role, institution_id: str) -> bool:
        """Whether the actor holds ``role`` at ``institution_id``."""
        return Membership(institution_id=institution_id, role=role) in self.memberships

    def belongs_to(self, institution_id: str) -> bool:
        """Whether the actor has any role at ``institution_id``."""
        return institution_id in self.institution_ids
