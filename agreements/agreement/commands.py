"""What may be asked of an agreement."""

from typing import Annotated

from pydantic import Field

from agreements.actors import PartyKind
from agreements.agreement.versions import Change, FrameworkRef
from agreements.clauses import Clause, Form, SafeHarbour, SuspensionReason
from agreements.deciders import Value
from agreements.dsse import Envelope
from agreements.scopes import Operation, PerMinute

Reason = Annotated[str, Field(min_length=3, max_length=1000)]
Statement = Annotated[str, Field(min_length=10, max_length=4000)]
Title = Annotated[str, Field(min_length=3, max_length=200)]
Note = Annotated[str, Field(max_length=2000)]


class DraftAgreement(Value):
    """Start a draft. Names are copied in, so that the signed text stands by itself."""

    agreement_id: str
    institution_id: str
    institution_name: str
    lab_name: str
    title: Title
    template_id: str
    template_version: int
    clauses: tuple[Clause, ...]
    form: Form = Form.STANDALONE
    framework: FrameworkRef | None = None


class EditDraft(Value):
    """Replace title and clauses of a draft."""

    title: Title
    clauses: tuple[Clause, ...]
    note: Note = ""


class Propose(Value):
    """Begin to change an agreement in force."""

    change: Change
    title: Title
    clauses: tuple[Clause, ...]
    template_version: int
    note: Note = ""


class Offer(Value):
    """Freeze the draft and offer it; or take over the institution's text as it stands."""


class Counter(Value):
    """Answer the text on the table with another."""

    title: Title
    clauses: tuple[Clause, ...]
    note: Note = ""


class AddComment(Value):
    """Remark on the text on the table, or on one of its clauses."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]
    clause_id: str | None = None


class Sign(Value):
    """Sign for a party.

    ``keys`` are that party's active public keys (raw, hex), and ``missing`` what keeps the agreement from entering into
    force; both are given by the service, for the signature after ``signed_before`` others (None where it does not say).
    """

    party: PartyKind
    envelope: Envelope
    keys: tuple[str, ...]
    missing: tuple[str, ...] = ()
    signed_before: int | None = None


class Decline(Value):
    """Say no to the other side's text."""

    reason: Reason


class Withdraw(Value):
    """Take one's own text back."""

    reason: Reason


class Terminate(Value):
    """Either party ends an agreement in force."""

    reason: Reason


class Suspend(Value):
    """Stop all access until it is lifted. ``safe_harbour`` is the framework's, given by the service for a schedule."""

    reason: SuspensionReason
    statement: Statement
    duty_keys: tuple[str, ...] = ()
    safe_harbour: SafeHarbour | None = None


class Lift(Value):
    """End a suspension."""

    number: int
    reason: Reason


class FileAppeal(Value):
    """Object to a suspension. ``safe_harbour`` is the framework's, given by the service for a schedule."""

    number: int
    text: Statement
    safe_harbour: SafeHarbour | None = None


class DecideAppeal(Value):
    """Answer an appeal."""

    number: int
    upheld: bool
    reasons: Statement


class LapseAppeal(Value):
    """Record that an appeal was not decided in time. ``safe_harbour`` is the framework's, given for a schedule."""

    number: int
    safe_harbour: SafeHarbour | None = None


class Narrow(Value):
    """Cut access down to some operations and a slower rate."""

    operations: frozenset[Operation] = Field(min_length=1)
    requests_per_minute: PerMinute
    statement: Statement
    duty_keys: tuple[str, ...] = ()


class Widen(Value):
    """End a narrowing."""

    reason: Reason


class Close(Value):
    """Close the books. ``open_duties`` are those still to be done, given by the service."""

    fulfilled: bool
    note: Note = ""
    open_duties: tuple[str, ...] = ()


AgreementCommand = (
    DraftAgreement
    | EditDraft
    | Propose
    | Offer
    | Counter
    | AddComment
    | Sign
    | Decline
    | Withdraw
    | Terminate
    | Suspend
    | Lift
    | FileAppeal
    | DecideAppeal
    | LapseAppeal
    | Narrow
    | Widen
    | Close
)
