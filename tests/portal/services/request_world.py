"""Access requests on a real portal: an agreement in force, a second coordinator, and drafts that can be submitted."""

from datetime import timedelta
from typing import Any

from agreements.access_requests import Draft
from agreements.actors import LAB, Role
from agreements.agreement import Agreement
from agreements.scopes import Scope
from portal.services.request_views import RequestView
from tests.portal.services.world import START, World

REASON = "Half of it is enough for a first look."
END = START + timedelta(days=60)


def second_coordinator(world: World) -> None:
    """Somebody else of the lab who decides."""
    world.people["fay"] = world.portal.people.register(
        world.actor("ada"), name="Fay", email="fay@lab.example", memberships=[(LAB, Role.COORDINATOR)]
    )


def scope_of(world: World, agreement: Agreement, **changes: Any) -> Scope:
    """Within the agreement, and less than all of it."""
    bounds = world.portal.grants.bounds(world.actor("ada"), agreement.id)
    return bounds.model_copy(update={"token_budget": 1_000, "expires_at": END, **changes})


def draft(world: World, agreement: Agreement, **changes: Any) -> Draft:
    """A draft that lacks nothing."""
    scope = scope_of(world, agreement)
    fields: dict[str, Any] = {
        "title": "Bias in the larger sizes",
        "agreement_id": agreement.id,
        "intended_use": "Scores of minimal pairs, published with the code.",
        **{name: getattr(scope, name) for name in ("checkpoints", "operations", "purposes")},
        **{name: getattr(scope, name) for name in ("token_budget", "requests_per_minute", "expires_at")},
    }
    return Draft(**{**fields, **changes})


def opened(world: World, who: str = "cleo", **changes: Any) -> RequestView:
    """A draft that lacks nothing, under a new agreement in force."""
    agreement = world.agreement()
    return world.portal.access_requests.open(world.actor(who), content=draft(world, agreement, **changes))


def submitted(world: World, who: str = "cleo", **changes: Any) -> RequestView:
    """The same, before the lab."""
    view = opened(world, who, **changes)
    return world.portal.access_requests.submit(world.actor(who), view.request.id)
