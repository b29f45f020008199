"""``concordat request``: both sides by command line."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agreements.actors import Channel
from agreements.institutions import Constituency
from portal import config
from portal.composition import Portal
from tests.portal.cli.cli_stand import Say, led

INSTITUTION = "pulp-mill"
REASON = "Half of it is enough for a first look."


def agreed(home: Path) -> str:
    """An agreement in force with an institution whose lead has the portal keep the key."""
    with Portal.open(config.load(home)) as portal:
        (row,) = portal.store.query("SELECT person_id FROM person WHERE name = 'Lena Lead'")
        (first,) = portal.store.query("SELECT person_id FROM person WHERE name = 'Mara Lindqvist'")
        lena = portal.people.get(row["person_id"]).actor(Channel.CLI)
        mara = portal.people.get(first["person_id"]).actor(Channel.CLI)
        portal.institutions.create_key(lena, INSTITUTION)
        draft = portal.agreements.draft(mara, institution_id=INSTITUTION)
        digest = portal.agreements.offer(mara, draft.id).document_digest or ""
        for signer in (lena, mara):
            portal.agreements.sign(signer, draft.id, typed_name=signer.name, document_digest=digest)
    return draft.id


def test_a_request_is_written_submitted_amended_and_answered(say: Say, home: Path) -> None:
    with Portal.open(config.load(home)) as portal:
        (first,) = portal.store.query("SELECT person_id FROM person WHERE name = 'Mara Lindqvist'")
        portal.institutions.register(
            portal.people.get(first["person_id"]).actor(Channel.CLI),
            institution_id=INSTITUTION,
            name="Pulp Mill",
            constituency=Constituency.ACADEMIA,
            contact_email="p@p.example",
        )
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
    with led(home, INSTITUTION):
        token = os.environ["CONCORDAT_TOKEN"]
        agreement = agreed(home)
        made = say("request", "new", "--title", "Minimal pairs", "--json")
        assert made.status == 0, made.err
        request_id = made.answer["request"]["id"]
        assert "incomplete_request" in say("request", "submit", request_id).err
        said = say(
            "request", "edit", request_id, "--agreement", agreement, "--use", "Scores of minimal pairs, with the code.",
            "--checkpoint", "ladder/*", "--operation", "score", "--purpose", "bias-analysis", "--tokens", "1000",
            "--rate", "10", "--until", until,
        )  # fmt: skip
        assert said.status == 0, said.err
        assert "bias-analysis" not in say("request", "checklist", request_id).err
        assert say("request", "submit", request_id).status == 0
    assert request_id in say("request", "list", "--waiting").out
    compared = say("request", "compare", request_id)
    assert "Tokens in all" in compared.out
    offered = say("request", "offer", request_id, "--tokens", "500", "--reason", REASON)
    assert "offers an alternative" in offered.out, offered.err
    shown = say("request", "show", request_id)
    assert REASON in shown.out
    assert "alternative_unanswered" in say("request", "approve", request_id).err
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONCORDAT_TOKEN", token)
        assert "approved" in say("request", "accept", request_id, "1").out
        copied = say("request", "new", "--copy-of", request_id, "--title", "Again", "--json").answer
        assert (copied["request"]["draft"]["title"], copied["request"]["draft"]["token_budget"]) == ("Again", 1000)
        withdrawn = say("request", "withdraw", copied["request"]["id"])
        assert "withdrawn" in withdrawn.out
    again = say("request", "refuse", request_id, "--reason", REASON)
    assert "wrong_request_status" in again.err
