"""``concordat usage`` and ``concordat access`` on a portal that is not running."""

import csv
import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.actors import Channel, Role
from agreements.inclusion import InclusionEvidence, verify
from agreements.institutions import Constituency
from portal import config
from portal.composition import Portal
from tests.portal.cli.cli_stand import Say
from tests.portal.services.usage_world import Past, record_in

INSTITUTION = "much-used"
RUNS = 9


@pytest.fixture(scope="module")
def used(home: Path) -> str:
    """The key that verifies the log of a portal on which somebody ran on nine days, wild on the last."""
    now = datetime.now(UTC)
    with Portal.open(config.load(home)) as portal:
        people = portal.store.query("SELECT person_id FROM person WHERE coordinator")
        mara = portal.people.get(people[0]["person_id"]).actor(Channel.CLI)
        portal.institutions.register(
            mara,
            institution_id=INSTITUTION,
            name="Much Used",
            constituency=Constituency.ACADEMIA,
            contact_email="m@m.example",
        )
        una = portal.people.register(
            mara, name="Una", email="una@m.example", memberships=[(INSTITUTION, Role.PARTNER_LEAD)]
        )
        past = [
            Past(una.id, now - timedelta(days=day), INSTITUTION, prompt_tokens=100 if day else 9000)
            for day in range(RUNS)
        ]
        record_in(portal, past, now)
        return portal.log.vkey


@pytest.mark.usefixtures("used")
def test_usage_is_counted_with_bars_and_as_json(say: Say) -> None:
    shown = say("usage", "--by", "person", "--per", "day", "--institution", INSTITUTION)
    assert shown.status == 0
    assert "Una" in shown.out
    assert "█" in shown.out
    assert f"{RUNS} runs, 0 failed" in shown.out
    answer = say("usage", "--by", "checkpoint", "--institution", INSTITUTION, "--json").answer
    assert (answer["total"]["runs"], answer["period"], answer["group_by"]) == (RUNS, "week", "checkpoint")
    assert say("usage", "--person", "per_nobody", "--json").answer["total"]["runs"] == 0


@pytest.mark.usefixtures("used")
def test_unusual_days_come_with_their_rule(say: Say) -> None:
    shown = say("usage", "unusual", "--institution", INSTITUTION)
    assert "9,004" in shown.out
    assert "median absolute deviation" in shown.out
    assert len(say("usage", "unusual", "--institution", INSTITUTION, "--json").answer["items"]) == 1


def test_exposure_is_said(say: Say) -> None:
    assert say("usage", "exposure", "--institution", INSTITUTION, "--json").answer["checkpoints"] == []


def test_budgets_are_listed(say: Say) -> None:
    assert say("usage", "budgets", "--institution", INSTITUTION).status == 0
    assert say("usage", "budgets", "--grant", "grt_none", "--json").answer["error"]["code"] == "grant_not_found"


def test_what_makes_no_sense_is_refused(say: Say, tmp_path: Path) -> None:
    for words in (
        ("usage", "--by", "colour"),
        ("usage", "--per", "minute"),
        ("usage", "--from", "then"),
        ("usage", "--from", "2026-02-02", "--to", "2026-02-01"),
        ("access", "log", "--kind", "rumour"),
        ("access", "log", "-o", str(tmp_path / "log.xlsx")),
        ("access", "evidence", "99999999"),
    ):
        assert say(*words).status == 1, words
        assert say(*words, "--json").answer["error"]["code"]


def test_the_log_is_listed_written_and_proved(say: Say, used: str, tmp_path: Path) -> None:
    first = say("access", "log", "--institution", INSTITUTION, "--limit", "4", "--json").answer
    then = say("access", "log", "--institution", INSTITUTION, "--cursor", first["next"], "--json").answer
    leaves = [entry["leaf"] for entry in (*first["items"], *then["items"])]
    assert leaves == sorted(set(leaves), reverse=True)
    assert len(leaves) == RUNS
    shown = say("access", "log", "--institution", INSTITUTION, "--limit", "4")
    assert "Una" in shown.out
    assert first["next"] in shown.err
    for suffix in ("csv", "jsonl"):
        target = tmp_path / f"log.{suffix}"
        said = say("access", "log", "--institution", INSTITUTION, "-o", target, "--json").answer
        assert said["sha256"] == hashlib.sha256(target.read_bytes()).hexdigest()
        lines = target.read_text().splitlines()
        rows = list(csv.DictReader(lines)) if suffix == "csv" else [json.loads(line) for line in lines]
        assert [int(row["leaf"]) for row in rows] == leaves
    target = tmp_path / "evidence.json"
    assert say("access", "evidence", str(leaves[0]), "-o", target).status == 0
    said = verify(InclusionEvidence.from_json(json.loads(target.read_text())), used)
    assert said["type"] == "run:started"
