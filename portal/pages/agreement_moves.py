"""What each side may do with the text on the table: answer, take it over, decline, take it back, begin a change."""

from datetime import datetime

import streamlit as st

from agreements.actors import Actor
from agreements.agreement import Agreement, Change, Version, VersionStatus
from portal.pages.agreement_edit import EDIT, renewal_window
from portal.pages.agreement_next import changed
from portal.pages.context import portal
from portal.pages.parts import Consequence, act, confirmed, row
from portal.pages.words import literal
from portal.standing import represents


def moves(actor: Actor, agreement: Agreement, now: datetime) -> None:
    """The buttons of whoever may move; nothing for everybody else."""
    lab, lead = actor.is_coordinator, represents(actor, agreement.institution_id)
    if not (lab or lead):
        return
    proposal = agreement.proposal
    if proposal is None:
        if agreement.runs_on(now):
            _beginning(agreement, now, lab=lab)
        return
    with row(key="agreement_moves"):
        if lead and proposal.status is VersionStatus.OFFERED:
            _writes("Answer with another text", agreement)
        if lead and proposal.status in (VersionStatus.OFFERED, VersionStatus.SIGNED):
            _declines(agreement, proposal, "the lab")
        if lead and proposal.status is VersionStatus.COUNTERED:
            _withdraws(agreement, proposal)
        if lab and proposal.status is VersionStatus.COUNTERED:
            _takes_over(agreement, proposal)
            _writes("Answer with another text", agreement)
            _declines(agreement, proposal, f"**{literal(agreement.institution_name)}**")
        if lab and proposal.status in (VersionStatus.DRAFT, VersionStatus.OFFERED, VersionStatus.SIGNED):
            _withdraws(agreement, proposal)


def _writes(label: str, agreement: Agreement, wanted: str = "counter") -> None:
    st.button(
        label,
        key=f"agreement.write:{wanted}:{agreement.id}",
        icon=":material/edit_document:",
        on_click=_turn_to,
        args=(wanted,),
    )


def _turn_to(wanted: str) -> None:
    st.query_params[EDIT] = wanted


def _takes_over(agreement: Agreement, proposal: Version) -> None:
    name = literal(agreement.institution_name)
    confirmed(
        "Accept their text",
        f"agreement.accept:{agreement.id}:{proposal.number}",
        Consequence(
            f"Accept version {proposal.number}?",
            f"The lab takes over the text of **{name}** word for word and offers it for signature. It is not in force "
            "until everybody has signed.",
            "Accept it",
            asks_reason=False,
        ),
        lambda _reason: lambda who, key: portal().agreements.offer(who, agreement.id, idempotency_key=key),
        done=f"Version {proposal.number} is accepted and can be signed.",
        icon="handshake",
    )


def _declines(agreement: Agreement, proposal: Version, whose: str) -> None:
    change = changed(proposal)
    what = f"The {change} ends" if change else "The negotiation ends, and with it the agreement"
    stays = " What is in force stays in force." if change else " To begin again, the lab drafts a new one."
    confirmed(
        "Decline",
        f"agreement.decline:{agreement.id}",
        Consequence(
            f"Decline this {proposal.change.value}?" if change else "Decline this agreement?",
            f"The text of {whose}, *{literal(proposal.title)}* between the lab and "
            f"**{literal(agreement.institution_name)}**, is refused. {what}.{stays}",
            "Decline it",
        ),
        lambda reason: (
            lambda who, key: portal().agreements.decline(who, agreement.id, reason=reason, idempotency_key=key)
        ),
        done="It is declined.",
        icon="thumb_down",
    )


def _withdraws(agreement: Agreement, proposal: Version) -> None:
    change = changed(proposal)
    stays = " What is in force stays in force." if change else ""
    signed = " The signatures given so far are void." if proposal.signatures else ""
    confirmed(
        "Withdraw",
        f"agreement.withdraw:{agreement.id}",
        Consequence(
            f"Withdraw this {proposal.change.value}?" if change else "Withdraw this agreement?",
            f"*{literal(proposal.title)}* between the lab and **{literal(agreement.institution_name)}** is taken back "
            f"and can no longer be signed.{signed}{stays}",
            "Withdraw it",
        ),
        lambda reason: (
            lambda who, key: portal().agreements.withdraw(who, agreement.id, reason=reason, idempotency_key=key)
        ),
        done="It is withdrawn.",
        icon="undo",
    )


# ---- changes of what is in force -----------------------------------------------------------------------------------


def _beginning(agreement: Agreement, now: datetime, *, lab: bool) -> None:
    with row(key="agreement_moves"):
        for change in (Change.AMENDMENT, Change.RENEWAL):
            if lab:
                _drafts(agreement, change)
            else:
                _writes(f"Propose {_article(change)}", agreement, change.value)
    renewal_window(agreement, now)


def _drafts(agreement: Agreement, change: Change) -> None:
    act(
        f"Draft {_article(change)}",
        f"agreement.begin:{change.value}:{agreement.id}",
        lambda who, key: portal().agreements.propose(who, agreement.id, change=change, idempotency_key=key),
        done=f"The draft of the {change.value} is made, with the clauses as they are. Edit them, then offer it.",
        then=_to_terms,
        icon="edit_document" if change is Change.AMENDMENT else "event_repeat",
    )


def _to_terms(_agreement: Agreement) -> None:
    st.query_params["part"] = "terms"


def _article(change: Change) -> str:
    return "an amendment" if change is Change.AMENDMENT else "a renewal"
