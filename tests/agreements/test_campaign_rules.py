"""Campaigns: recorded once, by coordinators, each agreement with what was proposed or why nothing was."""

from typing import Any

import pytest
from pydantic import ValidationError

from agreements.campaigns import (
    CAMPAIGN,
    Campaign,
    CampaignCommand,
    CampaignEntry,
    CloseCampaign,
    StartCampaign,
)
from agreements.errors import Conflict, Forbidden, Invalid
from agreements.institutions import InstitutionKeyRevoked
from tests.agreements.parties import COORDINATOR, LEAD, NOW

PROPOSED = CampaignEntry(agreement_id="agr_1", proposed=True, version=2, conflicts=("term",))
BLOCKED = CampaignEntry(agreement_id="agr_2", proposed=False, code="proposal_open", reason="Another one is open.")


def start(*entries: CampaignEntry) -> StartCampaign:
    return StartCampaign(campaign_id="cmp_1", template_id="software-access", to_version=2, entries=entries)


def apply(state: Campaign, *commands: CampaignCommand) -> Campaign:
    for command in commands:
        state = CAMPAIGN.fold(CAMPAIGN.decide(state, command, COORDINATOR, NOW), state)
    return state


def test_a_campaign_records_what_was_put_to_whom() -> None:
    state = apply(Campaign(), start(PROPOSED, BLOCKED), CloseCampaign(note="All answered."))
    assert state.entries == (PROPOSED, BLOCKED)
    assert (state.started_by, state.started_at, state.closed_at) == (COORDINATOR.person_id, NOW, NOW)
    assert state.close_note == "All answered."


@pytest.mark.parametrize(
    ("state", "command", "code"),
    [
        (Campaign(id="cmp_1"), start(PROPOSED), "campaign_exists"),
        (Campaign(), CloseCampaign(), "campaign_not_started"),
        (Campaign(id="cmp_1", closed_at=NOW), CloseCampaign(), "campaign_closed"),
    ],
)
def test_what_does_not_follow_is_refused(state: Campaign, command: CampaignCommand, code: str) -> None:
    with pytest.raises(Conflict) as refused:
        apply(state, command)
    assert refused.value.code == code


def test_an_agreement_is_named_once() -> None:
    with pytest.raises(Invalid) as refused:
        apply(Campaign(), start(PROPOSED, PROPOSED))
    assert refused.value.code == "agreement_twice"


@pytest.mark.parametrize("command", [start(PROPOSED), CloseCampaign()], ids=["start", "close"])
def test_only_coordinators_run_campaigns(command: CampaignCommand) -> None:
    with pytest.raises(Forbidden) as refused:
        CAMPAIGN.decide(Campaign(id="" if isinstance(command, StartCampaign) else "cmp_1"), command, LEAD, NOW)
    assert refused.value.code == "not_coordinator"


@pytest.mark.parametrize(
    "fields", [{"proposed": True}, {"proposed": False}, {"proposed": True, "version": 2, "reason": "both"}]
)
def test_an_entry_says_what_was_proposed_or_why_nothing_was(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CampaignEntry.model_validate({"agreement_id": "agr_1", **fields})


def test_an_event_of_another_kind_is_a_programming_error() -> None:
    with pytest.raises(TypeError):
        CAMPAIGN.evolve(Campaign(), InstitutionKeyRevoked(public_key="0" * 64, reason="x", at=NOW))
