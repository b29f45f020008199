"""``concordat duty`` and ``concordat tick`` on a portal that is not running."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from icalendar import Calendar

from agreements.actors import Channel, Role
from agreements.institutions import Constituency
from portal import config
from portal.composition import Portal
from tests.portal.cli.cli_stand import Say

INSTITUTION = "dutybound"


@pytest.fixture(scope="module")
def owing(home: Path) -> str:
    """An agreement in force, by which an institution owes something."""
    with Portal.open(config.load(home)) as portal:
        people = portal.store.query("SELECT person_id FROM person WHERE coordinator")
        mara = portal.people.get(people[0]["person_id"]).actor(Channel.CLI)
        portal.institutions.register(
            mara,
            institution_id=INSTITUTION,
            name="Duty Bound",
            constituency=Constituency.ACADEMIA,
            contact_email="d@d.example",
        )
        dora = portal.people.register(
            mara, name="Dora", email="dora@d.example", memberships=[(INSTITUTION, Role.PARTNER_LEAD)]
        ).actor(Channel.CLI)
        portal.institutions.create_key(dora, INSTITUTION)
        draft = portal.agreements.draft(mara, institution_id=INSTITUTION)
        digest = portal.agreements.offer(mara, draft.id).document_digest or ""
        for signer in (dora, mara):
            portal.agreements.sign(signer, draft.id, typed_name=signer.name, document_digest=digest)
        return draft.id


def test_what_is_owed_is_listed_put_off_and_waived(say: Say, owing: str) -> None:
    listed = say("duty", "list", "--agreement", owing, "--days", "200", "--json").answer["items"]
    first, second = (item["standing"]["duty"]["key"] for item in listed[:2])
    shown = say("duty", "list", "--institution", INSTITUTION).out
    assert first in shown
    assert "Duty Bound" in shown
    until = (datetime.now(UTC) + timedelta(days=90)).isoformat()
    assert say("duty", "postpone", owing, first, "--until", until, "--reason", "a holiday").status == 0
    waived = say("duty", "waive", owing, second, "--reason", "one is enough")
    assert waived.out == f"{second} is waived.\n"
    assert second in say("duty", "list", "--state", "waived").out


def test_a_refusal_says_what_to_do(say: Say, owing: str, tmp_path: Path) -> None:
    report = tmp_path / "report.pdf"
    report.write_bytes(b"words")
    refused = say(
        *("duty", "fulfil", owing, "final-report/term-1", "--statement", "It is all in the file."),
        *("--file", report, "--url", "https://d.example/report"),
    )
    assert (refused.status, "(not_signatory)" in refused.err) == (1, True)
    missing = say("duty", "send-back", owing, "feedback/1999-01-01", "--reason", "empty")
    assert "(duty_not_found)" in missing.err


def test_an_incident_goes_on_record(say: Say, owing: str) -> None:
    aware = (datetime.now(UTC) - timedelta(hours=2)).isoformat()
    told = say(
        *("duty", "incident", owing, "--kind", "breach", "--aware", aware),
        *("--statement", "Somebody reached the portal's logs."),
    )
    assert told.out == "Incident 1 is on record.\n"


def test_the_calendar_is_a_file(say: Say, owing: str, tmp_path: Path) -> None:
    target = tmp_path / "duties.ics"
    assert say("duty", "calendar", "--agreement", owing, "-o", target).status == 0
    assert any(owing in str(entry["uid"]) for entry in Calendar.from_ical(target.read_bytes()).walk("VEVENT"))
    assert "(agreement_not_found)" in say("duty", "calendar", "--agreement", "agr_none", "-o", target).err


def test_a_tick_by_command(say: Say, owing: str) -> None:
    del owing
    ticked = say("tick")
    assert ticked.status == 0
    assert "agreements looked at" in ticked.out
    assert say("tick").out.endswith("nothing to do.\n")
    assert say("tick", "--json").answer["failed"] == []
