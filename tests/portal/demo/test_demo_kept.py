"""A demonstration that is kept: weeks and two years later its tokens still open what they did on the first day."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.agreement import AgreementStatus
from portal import config
from portal.composition import Portal
from portal.demo.cast import NORTHGATE, OPENWATCH
from portal.demo.handout import hand_out


@pytest.mark.parametrize("days", [15, 200, 729])
def test_the_partners_it_hands_out_stay_open(made: Path, tmp_path: Path, days: int) -> None:
    kept = tmp_path / "kept"
    shutil.copytree(made, kept)
    later = datetime.now(UTC) + timedelta(days=days)
    with Portal.open(config.load(kept), clock=lambda: later) as portal:
        first, again = portal.clockwork.tick(), portal.clockwork.tick()
        assert not first.failed
        assert (again.reminded, again.narrowed, again.suspended, again.announced) == (0, 0, 0, 0)
        handout = hand_out(portal)
        for role, size in (("partner", handout.checkpoints[-1]), ("researcher", handout.checkpoints[1])):
            known = portal.tokens.authenticate(handout.tokens[role])
            assert portal.checkpoints.access(known.actor, portal.checkpoints.state(size), purpose=known.purpose)
        coordinator = portal.tokens.authenticate(handout.tokens["coordinator"]).actor
        for agreement in portal.agreements.list(coordinator):
            if agreement.institution_id in {NORTHGATE, OPENWATCH}:
                assert agreement.status_on(later) is AgreementStatus.IN_FORCE
                assert agreement.narrowing is None
