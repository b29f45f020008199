"""``concordat template`` and ``concordat campaign``: from a file to a version, from a version to every partner."""

import json
from pathlib import Path
from typing import Any

from agreements.actors import Channel, Role
from portal.composition import Portal
from portal.config import load
from portal.services.aggregates import PEOPLE
from tests.portal.cli.cli_stand import Say, led


def shown(say: Say, source: str, **changes: Any) -> dict[str, Any]:
    """A template as ``show --json`` gives it, edited."""
    text: dict[str, Any] = say("template", "show", source, "--json").answer
    return {**text, **changes}


def written(folder: Path, text: object) -> Path:
    path = folder / "template.json"
    path.write_text(json.dumps(text))
    return path


def test_a_shown_template_is_edited_published_and_retired(say: Say, tmp_path: Path) -> None:
    own = shown(say, "software-access", template_id="cli-terms", version=1, title="Terms from a file")
    said = say("template", "publish", written(tmp_path, own))
    assert (said.status, said.out) == (0, "Version 1 of cli-terms is published.\n")
    again = say("template", "publish", written(tmp_path, own))
    assert again.status == 1
    assert "(template_version)" in again.err
    assert "Terms from a file" in say("template", "list").out
    page = say("template", "show", "cli-terms").out
    assert "1. Licence" in page
    assert "{days}" in page
    assert say("template", "show", "software-access", "--version", "1", "--json").answer["version"] == 1
    assert say("template", "retire", "cli-terms", "--reason", "Only a test.").status == 0
    assert "cli-terms" not in say("template", "list").out
    assert "cli-terms" in say("template", "list", "--retired").out


def test_a_file_that_is_no_template_is_refused(say: Say, tmp_path: Path) -> None:
    for text, code in (([], "bad_template"), ({}, "bad_input"), (shown(say, "framework", form="poem"), "bad_input")):
        said = say("template", "publish", written(tmp_path, text))
        assert said.status == 1
        assert code in said.err or "invalid" in said.err
    assert "no_such_file" in say("template", "publish", tmp_path / "none.json").err


def test_a_campaign_is_previewed_started_shown_and_closed(home: Path, say: Say, tmp_path: Path) -> None:
    say("institution", "add", "harbour", "--name", "Harbour", "--constituency", "academia", "--email", "h@h.example")
    with led(home, "harbour"):
        say("institution", "key", "create", "harbour")
    own = shown(say, "software-access", template_id="drive", version=1, title="Terms of a drive")
    say("template", "publish", written(tmp_path, own))
    drafted = say("agreement", "draft", "--institution", "harbour", "--template", "drive", "--json").answer["id"]
    digest = say("agreement", "offer", drafted, "--json").answer["document_digest"]
    with Portal.open(load(home)) as portal:
        (row,) = portal.store.query("SELECT person_id FROM person WHERE name = 'Mara Lindqvist'")
        lab = portal.kernel.state(PEOPLE, row["person_id"]).actor(Channel.CLI)
        lead = portal.people.register(
            lab, name="Hanna", email="hanna@h.example", memberships=[("harbour", Role.PARTNER_LEAD)]
        )
        portal.agreements.sign(lead.actor(Channel.CLI), drafted, typed_name="Hanna", document_digest=digest)
    assert say("agreement", "countersign", drafted, "--name", "Mara Lindqvist", "--digest", digest).status == 0

    nothing = say("campaign", "start", "drive")
    assert nothing.status == 1
    assert "(nothing_to_propose)" in nothing.err
    own["version"] = 2
    next(clause for clause in own["clauses"] if clause["kind"] == "feedback")["every_weeks"] = 6
    say("template", "publish", written(tmp_path, own))
    preview = say("campaign", "preview", "drive").out
    assert "Harbour" in preview
    assert "feedback" in preview
    started = say("campaign", "start", "drive", "--to", "2", "--agreement", drafted, "--note", "Six weeks.", "--json")
    campaign_id = started.answer["campaign"]["id"]
    page = say("campaign", "show", campaign_id).out
    assert "1 offered (100 %)" in page
    assert "Six weeks." in page
    assert drafted in page
    assert say("campaign", "close", campaign_id, "--note", "Done.").out == f"{campaign_id} is closed.\n"
    assert campaign_id in say("campaign", "list").out
