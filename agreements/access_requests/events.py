"""What happens to access requests."""

from datetime import datetime

from agreements.access_requests.model import Approval, Draft, Granted, Offer, Terms, Word
from agreements.access_requests.risk import Mark
from agreements.deciders import Event


class RequestOpened(Event, type="access_request:opened"):
    """A draft was begun."""

    request_id: str
    institution_id: str
    institution_name: str
    requester_id: str
    requester_name: str
    reserved_grant_id: str
    reserved_child_id: str
    content: Draft
    copied_from: str = ""
    at: datetime


class RequestDraftSaved(Event, type="access_request:draft_saved"):
    """The draft says something else now."""

    content: Draft
    at: datetime


class RequestSubmitted(Event, type="access_request:submitted"):
    """It is before the lab, which decides until ``decide_by``."""

    terms: Terms
    marks: tuple[Mark, ...]
    decide_by: datetime
    at: datetime


class AlternativeOffered(Event, type="access_request:alternative_offered"):
    """The lab offers another scope; whoever offers it agrees to it, and what was agreed to before is void."""

    offer: Offer


class AlternativeAccepted(Event, type="access_request:alternative_accepted"):
    """The requester takes it."""

    number: int
    word: Word
    decide_by: datetime


class AlternativeDeclined(Event, type="access_request:alternative_declined"):
    """The requester stays with what was asked for; the lab decides on that until ``decide_by``."""

    number: int
    word: Word
    decide_by: datetime


class RequestApproved(Event, type="access_request:approved"):
    """A coordinator agreed to the terms on the table."""

    approval: Approval


class RequestGranted(Event, type="access_request:granted"):
    """Everybody who has to agree did, and the grant was issued."""

    granted: Granted


class RequestRefused(Event, type="access_request:refused"):
    """The lab said no."""

    word: Word


class RequestWithdrawn(Event, type="access_request:withdrawn"):
    """The institution took it back, or threw the draft away."""

    word: Word


class RequestLapsed(Event, type="access_request:lapsed"):
    """Nobody answered in time, or nothing was left to grant."""

    word: Word


DRAFTING = frozenset({RequestOpened.type_name, RequestDraftSaved.type_name})
"""What is the author's alone, also once the request is submitted: what was submitted stands in its own event."""
