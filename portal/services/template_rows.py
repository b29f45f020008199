"""The store's view of templates and campaigns: which typed rows stand for each state."""

from collections.abc import Sequence

from agreements.campaigns import CAMPAIGN, Campaign
from agreements.templating import TEMPLATE, TemplateRecord
from portal.services.aggregates import stamp
from portal.store import Aggregate, Row


def _template(object_id: str, _version: int, state: TemplateRecord) -> Sequence[Row]:
    return [
        Row(
            "template",
            {
                "template_id": object_id,
                "versions": len(state.versions),
                "retired_at": stamp(state.retired_at),
            },
        )
    ]


def _campaign(object_id: str, _version: int, state: Campaign) -> Sequence[Row]:
    return [
        Row(
            "campaign",
            {
                "campaign_id": object_id,
                "template_id": state.template_id,
                "to_version": state.to_version,
                "started_at": stamp(state.started_at),
                "closed_at": stamp(state.closed_at),
            },
        )
    ]


TEMPLATES = Aggregate(decider=TEMPLATE, state_type=TemplateRecord, project=_template)
CAMPAIGNS = Aggregate(decider=CAMPAIGN, state_type=Campaign, project=_campaign)
