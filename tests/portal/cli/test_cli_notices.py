"""``concordat notice`` and ``concordat webhook``."""

from pathlib import Path

from agreements.actors import LAB
from portal.composition import Portal
from portal.config import load
from tests.portal.cli.cli_stand import Say
from tests.portal.notices.outside import notice


def test_notices_are_listed_shown_as_a_letter_and_read(say: Say, home: Path) -> None:
    with Portal.open(load(home)) as portal:
        portal.notices.raise_(notice("cli/1", "coordinator", institution_id=LAB, subject="The key expires"))
    assert "The key expires" in say("notice", "list").out
    letter = say("notice", "digest").out
    assert "By 1 March.\nOtherwise the grant is narrowed." in letter
    assert "cli/1" in say("notice", "digest", "--json").answer["notice_ids"]
    assert say("notice", "read", "cli/1").out == "Read: The key expires\n"
    assert "The key expires" not in say("notice", "list", "--unread").out
    refused = say("notice", "read", "cli/2")
    assert refused.status == 1
    assert "notice_not_found" in refused.err


def test_a_webhook_is_added_paused_resumed_and_removed(say: Say) -> None:
    added = say("webhook", "add", "https://hooks.example.org/in", "--kind", "duty", "--kind", "appeal", "--json").answer
    webhook_id = added["webhook"]["id"]
    assert added["webhook"]["institution_id"] == LAB
    assert added["webhook"]["kinds"] == ["appeal", "duty"]
    assert "https://hooks.example.org/in" in say("webhook", "list").out
    assert say("webhook", "pause", webhook_id, "--reason", "moving house").out == f"{webhook_id} is paused.\n"
    assert "0 notices" in say("webhook", "resume", webhook_id).out
    assert say("webhook", "remove", webhook_id, "--reason", "no more").status == 0
    refused = say("webhook", "test", webhook_id)
    assert refused.status == 1
    assert "webhook_removed" in refused.err


def test_an_address_inside_is_refused(say: Say) -> None:
    refused = say("webhook", "add", "https://10.0.0.1/")
    assert refused.status == 1
    assert "webhook_address_refused" in refused.err
