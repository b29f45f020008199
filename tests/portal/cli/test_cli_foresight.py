"""What a command says that it would bring about is what the service says, and what happens."""

from datetime import UTC, datetime

import pytest

from portal.cli.foresight import of_agreement, of_grant
from portal.services.consequences import Act, Consequences
from portal.services.grant_views import GrantAct, GrantConsequences

NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("act", [Act.TERMINATE, Act.SUSPEND, Act.NARROW, Act.AMEND])
def test_runs_under_way_are_said_to_stop(act: Act) -> None:
    found = Consequences(act=act, at=NOW, grants=(), tokens=2, runs=("run_1", "run_2"), schedules=(), duties=())
    said = " ".join(of_agreement(found.model_dump(mode="json")))
    assert "2 runs under way are stopped then" in said
    assert ("held to the same" in said, "refused" in said) == (act is Act.NARROW, act is not Act.NARROW)


@pytest.mark.parametrize("act", list(GrantAct))
def test_those_of_a_grant_too(act: GrantAct) -> None:
    found = GrantConsequences(act=act, grants=(), tokens=1, runs=("run_1",))
    said = " ".join(of_grant(found.model_dump(mode="json")))
    assert "1 live access token is refused" in said
    assert "1 run under way is stopped then" in said
