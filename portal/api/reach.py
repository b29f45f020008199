"""Which area a route belongs to: the one place where a token's scope is held against a request.

Whoever comes with a token comes through here, whatever the route does after.
"""

from typing import Final

from fastapi import Request

from agreements.actors import Actor
from agreements.areas import Area, outside

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

AREAS: Final = {
    "/v1": Area.RUN,
    "/api/runs": Area.RUN,
    "/api/batches": Area.RUN,
    "/api/presets": Area.RUN,
    "/api/findings": Area.EVIDENCE,
    "/api/norms": Area.EVIDENCE,
    "/api/release": Area.RELEASE,
    "/api/checkpoints": Area.RELEASE,
    "/api/institutions": Area.ACCESS,
    "/api/passports": Area.ACCESS,
    "/api/people": Area.ACCESS,
    "/api/programs": Area.ACCESS,
    "/api/templates": Area.ACCESS,
    "/api/campaigns": Area.ACCESS,
    "/api/agreements": Area.ACCESS,
    "/api/duties": Area.ACCESS,
    "/api/publications": Area.ACCESS,
    "/api/access": Area.ACCESS,
    "/api/grants": Area.ACCESS,
    "/api/token-keys": Area.ACCESS,
    "/api/notices": Area.ACCESS,
    "/api/webhooks": Area.ACCESS,
    "/api/operator": Area.ACCESS,
    "/api/log": Area.ACCESS,
    # A token ends itself and narrows itself: what it issues has no area that it lacks itself.
    "/api/tokens": Area.READ,
}
"""The area in which a route changes something, by how its address begins. Reading is ``read``."""


def area_of(method: str, path: str) -> Area | None:
    """The area that a request needs; None where only a token for the whole role will do."""
    if method in _SAFE:
        return Area.READ
    whole = "/".join(path.split("/")[:3])
    return AREAS.get(whole) or AREAS.get("/".join(path.split("/")[:2]))


def refuse_outside(actor: Actor, request: Request) -> None:
    """Refuse a request for which the actor's token is not. Raises Forbidden ``insufficient_scope``."""
    refusal = outside(actor.areas, area_of(request.method, request.url.path))
    if refusal is not None:
        raise refusal
