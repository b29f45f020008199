"""What an agreement waits for: who moves next, what they do, and by when. Lists, banners and the inbox all ask here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from agreements.actors import Actor, PartyKind, Role
from agreements.agreement import Agreement, AgreementStatus, Change, Suspension, Version, VersionStatus
from agreements.clauses import SuspensionReason, Term, only
from portal.pages.words import literal

ENDS_SOON = timedelta(days=30)
"""How long before its end a term is spoken of, where the agreement names no window for renewal."""


@dataclass(frozen=True)
class NextStep:
    """One thing an agreement waits for. ``text`` is Markdown of the portal's own making, without its full stop."""

    icon: str
    text: str
    part: str
    """The part of the screen where it is done."""
    action: str = "Open"
    """What the one who moves does, as a link says it."""
    party: PartyKind | None = None
    """Whose move it is; None where nobody has to move."""
    by: datetime | None = None
    """By when, where there is a clock."""
    email: str | None = None
    """The one person who may do it, where the agreement names them."""
    not_by: str = ""
    """The id of the one person of that side who may not do it."""

    @property
    def dated(self) -> str:
        """The text with its date."""
        return f"{self.text} by {self.by:%d %b %Y}" if self.by is not None else self.text


def next_steps(agreement: Agreement, now: datetime) -> tuple[NextStep, ...]:
    """What the agreement waits for, the most binding first; empty where nothing is due."""
    return tuple(_steps(agreement, now))


def waits_for(step: NextStep, agreement: Agreement, actor: Actor) -> bool:
    """Whether it is the actor's to do."""
    if step.party is None or actor.person_id == step.not_by:
        return False
    if step.email is not None and actor.email.casefold() != step.email.casefold():
        return False
    if step.party is PartyKind.LAB:
        return actor.is_coordinator
    return actor.has(Role.PARTNER_LEAD, agreement.institution_id)


def needs(agreement: Agreement, actor: Actor, now: datetime) -> bool:
    """Whether anything is the actor's to do."""
    return any(waits_for(step, agreement, actor) for step in next_steps(agreement, now))


def side_name(agreement: Agreement, party: PartyKind) -> str:
    """A side as people read it, as Markdown."""
    return "the lab" if party is PartyKind.LAB else f"**{literal(agreement.institution_name)}**"


def changed(version: Version) -> str:
    """What a version is, in words."""
    return "" if version.change is Change.FIRST else f"{version.change.value} (version {version.number})"


def _steps(agreement: Agreement, now: datetime) -> Iterator[NextStep]:
    status = agreement.status_on(now)
    if agreement.runs_on(now):
        for suspension in agreement.open_suspensions:
            yield _suspended(agreement, suspension, now)
    if agreement.proposal is not None:
        yield _negotiated(agreement, agreement.proposal)
    if agreement.narrowing is not None and agreement.runs_on(now):
        allowed = ", ".join(sorted(agreement.narrowing.operations))
        yield NextStep("compress", f"access is narrowed to {literal(allowed)}", "life")
    if status in (AgreementStatus.EXPIRED, AgreementStatus.TERMINATED):
        ended = agreement.ends_at
        text = status.label + (f" {ended:%d %b %Y}" if ended else "") + "; the lab closes the books"
        yield NextStep("inventory_2", text, "life", "Close the books", PartyKind.LAB)
    if status is AgreementStatus.IN_FORCE and agreement.proposal is None and _ends_soon(agreement, now):
        yield NextStep(
            "event", f"the term ends {agreement.expires_at:%d %b %Y}; either side can propose a renewal", "life"
        )


def _suspended(agreement: Agreement, suspension: Suspension, now: datetime) -> NextStep:
    appeal = suspension.appeal
    stands = (
        "suspended"
        if suspension.effective_on(now)
        else f"will be suspended {suspension.takes_effect_at:%d %b %Y %H:%M} UTC"
    )
    why = f"{stands} for {suspension.reason}"
    if appeal is not None and appeal.outcome is None:
        return NextStep(
            "gavel",
            f"{why}; the appeal awaits the lab's decision",
            "life",
            "Decide the appeal",
            PartyKind.LAB,
            by=appeal.decide_by,
            not_by=suspension.by_id,
        )
    in_time = suspension.appeal_until is None or now <= suspension.appeal_until
    if appeal is None and in_time and suspension.reason is not SuspensionReason.REQUESTED:
        text = f"{why}; {side_name(agreement, PartyKind.INSTITUTION)} can appeal"
        return NextStep(
            "pause_circle", text, "life", "Read and appeal", PartyKind.INSTITUTION, by=suspension.appeal_until
        )
    return NextStep("pause_circle", f"{why}; it lasts until it is lifted", "life")


def _negotiated(agreement: Agreement, proposal: Version) -> NextStep:
    what = f"the {changed(proposal)} " if changed(proposal) else ""
    partner = side_name(agreement, PartyKind.INSTITUTION)
    match proposal.status:
        case VersionStatus.DRAFT:
            text = f"{what or 'the draft '}is not offered yet; nobody else can see it"
            return NextStep("edit_note", text, "terms", "Finish and offer", PartyKind.LAB)
        case VersionStatus.COUNTERED:
            text = f"{what}awaits the lab's answer to version {proposal.number}, the text of {partner}"
            return NextStep("swap_horiz", text, "changes", "Read and answer", PartyKind.LAB)
        case _:
            return _awaits_signature(agreement, proposal, what)


def _awaits_signature(agreement: Agreement, proposal: Version, what: str) -> NextStep:
    place = proposal.next_signatory
    party = place.party if place is not None else PartyKind.INSTITUTION
    email = place.email if place is not None else None
    partner = side_name(agreement, PartyKind.INSTITUTION)
    if party is PartyKind.INSTITUTION:
        text = f"{what}awaits {partner}'s signature"
        action = "Read and sign"
    elif any(signature.party is PartyKind.INSTITUTION for signature in proposal.signatures):
        text, action = (
            f"{partner} signed{f' {what.strip()}' if what else ''}; the lab has not countersigned",
            "Countersign",
        )
    else:
        text, action = f"{what}awaits the lab's signature", "Read and sign"
    return NextStep("signature", text, "sign", action, party, email=email)


def _ends_soon(agreement: Agreement, now: datetime) -> bool:
    term = only(agreement.clauses, Term)
    window = term.renewal_window_days if term is not None else None
    ahead = ENDS_SOON if window is None else timedelta(days=window)
    return agreement.expires_at is not None and agreement.expires_at - now <= ahead
