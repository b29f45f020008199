"""Access requests: a partner asks, sees what is missing, and the lab approves, offers an alternative or refuses.

Who decides and until when is part of the request. What the policy marks as high risk needs two coordinators, and nobody
decides on what they asked for. Approving issues the grant in the same transaction.
"""

from agreements.access_requests.commands import (
    AcceptAlternative,
    ApproveRequest,
    Blocker,
    DeclineAlternative,
    GrantAgreed,
    LapseRequest,
    OfferAlternative,
    OpenRequest,
    RefuseRequest,
    RequestCommand,
    SaveDraft,
    SubmitRequest,
    WithdrawRequest,
)
from agreements.access_requests.comparison import Comparison, Line, UseNote, compared, differences, said
from agreements.access_requests.deadlines import DecisionPeriod
from agreements.access_requests.decider import ACCESS_REQUEST, ASKERS, Act, acts_on, check_may, decide, sees
from agreements.access_requests.events import DRAFTING
from agreements.access_requests.fold import evolve
from agreements.access_requests.model import (
    AccessRequest,
    Approval,
    Draft,
    Gap,
    Granted,
    Offer,
    RequestStatus,
    Terms,
    Word,
    approvals_needed,
)
from agreements.access_requests.risk import CheckpointFacts, Mark, MarkRule, RiskPolicy, marks_of
from agreements.access_requests.words import says, why_lapsed

__all__ = [
    "ACCESS_REQUEST",
    "ASKERS",
    "DRAFTING",
    "AcceptAlternative",
    "AccessRequest",
    "Act",
    "Approval",
    "ApproveRequest",
    "Blocker",
    "CheckpointFacts",
    "Comparison",
    "DecisionPeriod",
    "DeclineAlternative",
    "Draft",
    "Gap",
    "GrantAgreed",
    "Granted",
    "LapseRequest",
    "Line",
    "Mark",
    "MarkRule",
    "Offer",
    "OfferAlternative",
    "OpenRequest",
    "RefuseRequest",
    "RequestCommand",
    "RequestStatus",
    "RiskPolicy",
    "SaveDraft",
    "SubmitRequest",
    "Terms",
    "UseNote",
    "WithdrawRequest",
    "Word",
    "acts_on",
    "approvals_needed",
    "check_may",
    "compared",
    "decide",
    "differences",
    "evolve",
    "marks_of",
    "said",
    "says",
    "sees",
    "why_lapsed",
]
