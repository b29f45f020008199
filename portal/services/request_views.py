"""Access requests as people see them."""

from datetime import datetime

from agreements.access_requests import AccessRequest, Act, Comparison, Gap, Mark, RequestStatus, Terms
from agreements.deciders import Value
from portal.services.grant_views import GrantView
from portal.services.request_prerequisites import Prerequisite


class RequestView(Value):
    """A request as it stands now, and what its reader may do to it."""

    request: AccessRequest
    status: RequestStatus
    says: str
    """The status in words, with whose turn it is and until when."""
    due_at: datetime | None
    """Until when whoever's turn it is decides or answers."""
    overdue: bool
    """Whether the lab has let its time pass."""
    terms: Terms | None
    """What is on the table; None for a draft."""
    holder_name: str
    agreement_title: str
    deciders: tuple[str, ...]
    """The coordinators whose word is still wanted."""
    marks: tuple[Mark, ...]
    """Why it is high risk by today's policy; empty where it is not. Once decided, by the policy of then."""
    approvals_needed: int
    approved_by: tuple[str, ...]
    """Whose approval counts, by id: of those on record, who coordinates still."""
    may: tuple[Act, ...]


class Checklist(Value):
    """What a request still needs: fields to fill in, and prerequisites."""

    gaps: tuple[Gap, ...]
    lines: tuple[Prerequisite, ...]
    marks: tuple[Mark, ...]
    """Why two coordinators would have to agree, as far as it is filled in."""
    period: str
    """How long the lab takes at most, in words."""
    decide_by: datetime
    """Until when the lab would decide if it were submitted now."""
    deciders: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether it can be submitted."""
        return not self.gaps and all(line.met for line in self.lines if line.blocks)


class Earlier(Value):
    """Another request of the institution, and what became of it."""

    request_id: str
    title: str
    requester_name: str
    status: RequestStatus
    says: str
    submitted_at: datetime | None


class Background(Value):
    """What a coordinator wants beside a request."""

    comparison: Comparison | None
    """None where no agreement in force opens anything."""
    grants: tuple[GrantView, ...]
    """The institution's live grants with their use, delegated ones apart."""
    earlier: tuple[Earlier, ...]
    """Its other requests, newest first."""
