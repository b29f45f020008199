"""Stages move one step at a time."""

import pytest

from agreements.errors import Conflict
from model_access.stages import Move, Stage, move_between

STEPS = {
    (Stage.WITHHELD, Stage.PARTNER_ACCESS): Move.ADVANCE,
    (Stage.PARTNER_ACCESS, Stage.PUBLIC): Move.ADVANCE,
    (Stage.PUBLIC, Stage.RETIRED): Move.ADVANCE,
    (Stage.RETIRED, Stage.PUBLIC): Move.RECALL,
    (Stage.PUBLIC, Stage.PARTNER_ACCESS): Move.RECALL,
    (Stage.PARTNER_ACCESS, Stage.WITHHELD): Move.RECALL,
}


@pytest.mark.parametrize(("origin", "goal"), [(a, b) for a in Stage for b in Stage])
def test_only_neighbouring_stages_are_joined(origin: Stage, goal: Stage) -> None:
    if (origin, goal) in STEPS:
        assert move_between(origin, goal) is STEPS[origin, goal]
    else:
        with pytest.raises(Conflict) as refusal:
            move_between(origin, goal)
        assert refusal.value.code == "no_such_step"


def test_the_ladder_has_two_ends() -> None:
    assert Stage.WITHHELD.previous is None
    assert Stage.RETIRED.next is None
