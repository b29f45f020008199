"""Who takes part in the demonstration. All of them are made up."""

from dataclasses import dataclass
from typing import Final

from agreements.actors import LAB, Role
from agreements.institutions import Constituency

LAB_NAME: Final = "Meridian Lab"

NORTHGATE: Final = "northgate"
OPENWATCH: Final = "openwatch"
ESTUARY: Final = "estuary"
TESSELLATE: Final = "tessellate"
LAKESIDE: Final = "lakeside"
RIDGELINE: Final = "ridgeline"


@dataclass(frozen=True)
class Organisation:
    """An institution to be registered."""

    id: str
    name: str
    constituency: Constituency
    country: str
    contact_email: str


@dataclass(frozen=True)
class Member:
    """A person to be registered; ``key`` is how the story calls them."""

    key: str
    name: str
    email: str
    institution_id: str
    role: Role


COORDINATOR: Final = Member("mara", "Mara Lindqvist", "mara@meridian-lab.example", LAB, Role.COORDINATOR)
"""Made with the portal itself."""

ORGANISATIONS: Final = (
    Organisation(
        NORTHGATE, "Northgate University", Constituency.ACADEMIA, "United Kingdom", "language@northgate.example"
    ),
    Organisation(OPENWATCH, "Open Watch Foundation", Constituency.CIVIL_SOCIETY, "Kenya", "access@openwatch.example"),
    Organisation(
        ESTUARY, "Estuary Agency for Digital Safety", Constituency.GOVERNMENT, "Netherlands", "models@estuary.example"
    ),
    Organisation(TESSELLATE, "Tessellate Software", Constituency.DEVELOPER, "Japan", "research@tessellate.example"),
    Organisation(LAKESIDE, "Lakeside College", Constituency.ACADEMIA, "Canada", "nlp@lakeside.example"),
    Organisation(
        RIDGELINE, "Ridgeline Security Research", Constituency.DEVELOPER, "Brazil", "models@ridgeline.example"
    ),
)

MEMBERS: Final = (
    Member("tobias", "Tobias Okafor", "tobias@meridian-lab.example", LAB, Role.COORDINATOR),
    Member("ines", "Inês Caldeira", "ines@meridian-lab.example", LAB, Role.RESEARCHER),
    Member("priya", "Priya Raman", "priya@northgate.example", NORTHGATE, Role.PARTNER_LEAD),
    Member("jonas", "Jonas Weber", "jonas@northgate.example", NORTHGATE, Role.PARTNER_MEMBER),
    Member("amara", "Amara Nwosu", "amara@northgate.example", NORTHGATE, Role.RESEARCHER),
    Member("elena", "Elena Petrova", "elena@openwatch.example", OPENWATCH, Role.PARTNER_LEAD),
    Member("samir", "Samir Haddad", "samir@openwatch.example", OPENWATCH, Role.RESEARCHER),
    Member("greta", "Greta Olsen", "greta@openwatch.example", OPENWATCH, Role.OBSERVER),
    Member("malcolm", "Malcolm Reyes", "malcolm@estuary.example", ESTUARY, Role.PARTNER_LEAD),
    Member("yuki", "Yuki Tanabe", "yuki@tessellate.example", TESSELLATE, Role.PARTNER_LEAD),
    Member("hannah", "Hannah Brandt", "hannah@lakeside.example", LAKESIDE, Role.PARTNER_LEAD),
    Member("beatriz", "Beatriz Antunes", "beatriz@ridgeline.example", RIDGELINE, Role.PARTNER_LEAD),
)

SIGN_IN: Final = {
    "coordinator": COORDINATOR.email,
    "partner": "priya@northgate.example",
    "researcher": "samir@openwatch.example",
    "member": "jonas@northgate.example",
    "observer": "greta@openwatch.example",
    "newcomer": "hannah@lakeside.example",
}
"""Whom each role of ``demo.json`` signs in as. The newcomer leads an institution with one offer to be signed
and one that it answered."""
