"""Every screen runs for every role, with and without anything to show."""

import pytest

from portal.pages.menu import SCREENS


@pytest.mark.parametrize("who", ["coordinator", "lead", "member", "researcher", "observer"])
def test_every_screen_of_the_role_runs(world, who):
    person = getattr(world, who)
    for name in (s.name for s in SCREENS if s.open_to(world.actor(person))):
        app = world.screen(person, name)
        assert not app.exception, (name, app.exception)
