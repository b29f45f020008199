"""What happened to an agreement. Bodies are kept for ever: what came later has a default."""

from datetime import datetime
from typing import Any

from agreements.actors import PartyKind
from agreements.agreement.measures import Appeal, AppealOutcome, Narrowing, Suspension
from agreements.agreement.state import AgreementStatus
from agreements.agreement.versions import Change, Comment, FrameworkRef, Signature, VersionStatus
from agreements.clauses import Clause, Form
from agreements.deciders import Event


class AgreementDrafted(Event, type="agreement:drafted"):
    """A coordinator made a draft from a template."""

    agreement_id: str
    institution_id: str
    institution_name: str
    lab_name: str
    title: str
    template_id: str
    template_version: int
    clauses: tuple[Clause, ...]
    at: datetime
    form: Form = Form.STANDALONE
    framework: FrameworkRef | None = None


class AgreementEdited(Event, type="agreement:edited"):
    """The draft's clauses or title were replaced."""

    title: str
    clauses: tuple[Clause, ...]
    at: datetime
    note: str = ""


class AgreementProposed(Event, type="agreement:proposed"):
    """A change of an agreement in force was begun: by the lab as a draft, by the institution on the table at once."""

    version: int
    change: Change
    title: str
    clauses: tuple[Clause, ...]
    template_version: int
    proposed_by: PartyKind
    amends: str
    note: str
    at: datetime


class AgreementOffered(Event, type="agreement:offered"):
    """The lab put the document on the table, frozen, or took over the institution's text as it stands."""

    document_digest: str
    at: datetime
    document: dict[str, Any] | None = None
    """Absent in what was recorded before versions; it then follows from the draft."""


class AgreementCountered(Event, type="agreement:countered"):
    """One side answered with a text of its own; the one before can no longer be signed."""

    version: int
    by: PartyKind
    title: str
    clauses: tuple[Clause, ...]
    note: str
    document_digest: str
    document: dict[str, Any]
    at: datetime


class AgreementCommented(Event, type="agreement:commented"):
    """One side remarked on a version or a clause."""

    comment: Comment


class AgreementSigned(Event, type="agreement:signed"):
    """A party signed. The agreement enters into force with the last signature."""

    signature: Signature


class AgreementEnteredIntoForce(Event, type="agreement:entered_into_force"):
    """All signatures stand over the same bytes."""

    at: datetime
    term_starts_at: datetime | None = None
    """When the term begins; with the entry into force, unless a renewal waits for the end of the one before."""
    grace_ends_at: datetime | None = None
    """Until when the version it replaces goes on working."""


class ProposalDropped(Event, type="agreement:proposal_dropped"):
    """An amendment or renewal was declined or withdrawn; what is in force stays."""

    version: int
    status: VersionStatus
    reason: str
    at: datetime


class AgreementSuspended(Event, type="agreement:suspended"):
    """Access was suspended, by notice."""

    suspension: Suspension


class SuspensionLifted(Event, type="agreement:suspension_lifted"):
    """Access is open again."""

    number: int
    by_id: str
    by_name: str
    reason: str
    at: datetime


class SuspensionAppealed(Event, type="agreement:suspension_appealed"):
    """The institution objected."""

    number: int
    appeal: Appeal


class AppealDecided(Event, type="agreement:appeal_decided"):
    """The lab answered an appeal, or let its time pass."""

    number: int
    outcome: AppealOutcome
    by_id: str
    by_name: str
    reasons: str
    at: datetime


class AgreementNarrowed(Event, type="agreement:narrowed"):
    """Access was cut down."""

    narrowing: Narrowing


class AgreementWidened(Event, type="agreement:widened"):
    """A narrowing ended."""

    number: int
    by_id: str
    by_name: str
    reason: str
    at: datetime


class AgreementEnded(Event, type="agreement:ended"):
    """Declined, withdrawn or terminated."""

    status: AgreementStatus
    reason: str
    at: datetime


class AgreementClosed(Event, type="agreement:closed"):
    """The books were closed after the end."""

    fulfilled: bool
    note: str
    at: datetime
