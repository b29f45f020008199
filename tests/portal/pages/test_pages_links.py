"""Addresses that screens point to outside themselves exist in the API, and none is a screen's own address."""

import re

from starlette.routing import Match, Mount, Route

from portal.api.root import create_app
from portal.pages import links
from portal.pages.menu import SCREENS, address_of
from tests.portal.pages.pages_world import World

POINTED_TO = (
    links.agreement_version("agr_1", 2),
    links.agreement_bundle("agr_1"),
    links.receipt("run_1"),
    links.agreement("agr_1"),
    links.finding("CDT-2026-0001"),
    links.decision("DEC-0001"),
    links.publication("pub_1"),
    links.calendar(),
    links.passport("northfield"),
    links.evidence(7),
)


def test_every_link_is_a_route_of_the_api(world: World) -> None:
    app = create_app(world.portal, with_screens=False)
    api = next(route for route in app.routes if isinstance(route, Mount) and route.path == "/api")
    for address in POINTED_TO:
        scope = {"type": "http", "method": "GET", "path": address.removeprefix("/api"), "root_path": "", "headers": []}
        assert any(route.matches(scope)[0] is Match.FULL for route in api.routes), address


def test_no_screen_hides_behind_a_mount(world: World) -> None:
    app = create_app(world.portal, with_screens=False)
    taken = {route.path.strip("/") for route in app.routes if isinstance(route, Mount | Route)}
    assert not taken & {address_of(screen.name) for screen in SCREENS}


def test_a_link_cannot_be_led_elsewhere_by_an_id() -> None:
    assert re.fullmatch(r"/api/runs/[^/]+/receipt", links.receipt("../../session/signout?x#y"))
