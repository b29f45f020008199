"""Commands on a portal that is not running: the API's answers, and its refusals."""

import sys
from pathlib import Path

import pytest

from portal.cli.app import app
from tests.portal.cli.cli_stand import Say, led, run


def test_a_partner_from_registration_to_a_sign_in_link(home: Path, say: Say) -> None:
    added = say(
        *("institution", "add", "westbay", "--name", "Westbay", "--constituency", "academia", "--email", "a@w.example"),
        "--json",
    )
    assert added.answer["id"] == "westbay"
    refused = say("institution", "key", "create", "westbay")
    assert "(not_signatory)" in refused.err
    with led(home, "westbay"):
        assert say("institution", "key", "create", "westbay").status == 0
    person = say(
        *("person", "add", "--name", "Wanda", "--email", "w@w.example", "--institution", "westbay"),
        *("--role", "partner_lead", "--json"),
    )
    link = say("person", "link", person.answer["id"])
    assert link.out.startswith("http://127.0.0.1:8765/session/enter?code=")
    assert link.out.count("\n") == 1
    listed = say("institution", "list")
    assert "westbay" in listed.out
    assert "Meridian Lab" in listed.out


def test_people_are_found_and_what_a_change_stops_is_previewed(home: Path, say: Say) -> None:
    say("institution", "add", "eastbay", "--name", "Eastbay", "--constituency", "academia", "--email", "a@e.example")
    with led(home, "eastbay"):
        pass
    found = say("person", "list", "--search", "LENA", "--institution", "eastbay", "--role", "partner_lead", "--json")
    (lena,) = found.answer["items"]
    assert say("person", "list", "--state", "waiting", "--json").answer["items"] == []
    preview = say("person", "consequences", lena["id"], "--left-with", "eastbay=observer", "--json").answer
    assert (preview["leaves"], preview["without_lead"]) == (False, ["eastbay"])
    assert "without a partner lead" in say("person", "consequences", lena["id"]).out
    assert say("person", "consequences", lena["id"], "--left-with", "eastbay").status == 1
    provider = say(
        *("identity-provider", "add", "--institution", "eastbay", "--label", "Eastbay", "--client-id", "c"),
        *("--issuer", "https://login.e.example", "--domain", "e.example", "--json"),
    ).answer
    assert say("identity-provider", "people", provider["id"], "--json").answer["people"] == []


def test_an_agreement_from_draft_to_offer(home: Path, say: Say, tmp_path: Path) -> None:
    say("institution", "add", "draftee", "--name", "Draftee", "--constituency", "developer", "--email", "d@d.example")
    drafted = say("agreement", "draft", "--institution", "draftee", "--title", "Trial terms", "--json").answer
    refused = say("agreement", "offer", drafted["id"])
    assert refused.status == 1
    assert "no signing key yet" in refused.err
    assert "(no_active_key)" in refused.err
    with led(home, "draftee"):
        say("institution", "key", "create", "draftee")
    offered = say("agreement", "offer", drafted["id"], "--json").answer
    assert offered["status"] == "offered"
    assert offered["document_digest"] in say("agreement", "show", drafted["id"]).out
    assert say("agreement", "export", drafted["id"], "-o", tmp_path / "a.json").status == 0
    assert say("agreement", "withdraw", drafted["id"], "--reason", "drawn up for a test").status == 0


@pytest.mark.parametrize(
    "words",
    [
        "person list",
        "checkpoint list",
        "agreement list",
        "grant list",
        "token list",
        "run list",
        "finding list",
        "norm list",
        "release list",
        "release decision list",
        "log list",
    ],
)
def test_lists_answer_people_and_programs(say: Say, words: str) -> None:
    assert say(*words.split()).status == 0
    answer = say(*words.split(), "--json").answer
    assert isinstance(answer.get("items", answer.get("families")), list)


def test_a_token_is_alone_on_stdout(say: Say) -> None:
    issued = say("token", "issue", "--label", "script")
    assert issued.out.count(".") == 2
    assert issued.out.count("\n") == 1
    assert "not shown again" in issued.err


def test_a_refusal_says_what_to_do_and_exits_1(say: Say) -> None:
    refused = say("grant", "show", "grt_none")
    assert (refused.status, refused.out) == (1, "")
    assert "(grant_not_found)" in refused.err
    as_json = say("grant", "show", "grt_none", "--json")
    assert as_json.status == 1
    assert as_json.answer["error"]["code"] == "grant_not_found"


def test_wrong_usage_exits_2(say: Say) -> None:
    assert run("grant", "show").status == 2
    assert run("no-such-command").status == 2
    assert say("run", "list", "--limit", "0").status == 2


def test_where_no_portal_is_the_way_to_one_is_named(tmp_path: Path) -> None:
    refused = run("person", "list", data=tmp_path / "nothing")
    assert refused.status == 1
    assert "concordat init" in refused.err
    assert not (tmp_path / "nothing").exists()


def test_a_portal_is_made_once(home: Path) -> None:
    again = run("init", "--lab", "Other", "--coordinator", "Somebody", "--email", "s@o.example", data=home)
    assert again.status == 1
    assert "(portal_exists)" in again.err


def test_the_doctor_finds_what_a_portal_needs(say: Say) -> None:
    looked = say("doctor", "--json")
    assert looked.status == 0
    found = {check["name"]: check["verdict"] for check in looked.answer["checks"]}
    assert found["workers"] == "good"
    assert found["key folder"] == "good"


def test_exposed_keys_stand_in_the_way(tmp_path: Path) -> None:
    data = tmp_path / "data"
    run("init", "--lab", "Meridian", "--coordinator", "Mara L", "--email", "m@lab.example", data=data)
    (data / "keys").chmod(0o755)
    looked = run("doctor", data=data)
    assert looked.status == 1
    assert "other accounts can read" in looked.out


def test_the_program_is_called_concordat() -> None:
    assert app.info.name == "concordat"
    assert "Staged" in run("--help").out


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, say: Say) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    refused = say("person", "list")
    assert refused.status == 1
    assert "needs httpx" in refused.err
    assert "pip install 'concordat[portal]'" in refused.err
