"""Tokens, their keys, and programs by command."""

import json
import stat
from pathlib import Path

import pytest

from agreements.tokens import TOKEN_PREFIX
from portal.cli.limits import open_hours
from tests.portal.cli.cli_stand import Say, run
from tests.portal.services.token_world import jwks_of, new_key


def test_a_token_is_issued_for_areas_rotated_and_revoked(say: Say) -> None:
    issued = say("token", "issue", "--label", "dashboard", "--area", "read", "--keep-fresh", "--json").answer
    assert issued["record"]["areas"] == ["read"]
    assert issued["refresh_token"].startswith("cdrt_")
    shown = say("token", "show", issued["record"]["id"], "--json").answer
    assert (shown["active"], shown["why_not"]) == (True, None)
    again = say("token", "rotate", issued["record"]["id"])
    assert again.out.startswith(TOKEN_PREFIX)
    assert say("token", "narrow", issued["record"]["id"]).status == 1
    assert "replaced by another token" in say("token", "show", issued["record"]["id"]).out
    second = say("token", "issue", "--label", "plain", "--json").answer["record"]["id"]
    assert say("token", "rotate", second, "--grace", "15").status == 0
    assert say("token", "show", second, "--json").answer["active"] is True
    assert "(token_rotated)" in say("token", "rotate", second).err
    narrowed = say("token", "issue", "--label", "plain", "--json").answer["record"]["id"]
    made = say("token", "narrow", narrowed, "--area", "read", "--hours", "1", "--json").answer["record"]
    assert (made["parent_id"], made["areas"]) == (narrowed, ["read"])
    refused = say("token", "narrow", narrowed, "--operation", "score")
    assert "(grant_needed)" in refused.err
    assert say("token", "revoke", narrowed).status == 0
    assert narrowed in say("token", "list", "--json").out


def test_the_key_that_signs_is_rotated_and_the_old_one_withdrawn(say: Say) -> None:
    before = say("token", "keys", "--json").answer["items"][0]["kid"]
    assert say("token", "rotate-key").status == 0
    assert say("token", "withdraw-key", before, "--reason", "found in a paste").status == 0
    keys = say("token", "keys", "--json").answer["items"]
    assert [(key["kid"] == before, key["verifies"]) for key in keys][:2] == [(False, True), (True, False)]
    assert say("token", "rotate-key", "--compromised", "found there too").status == 0


def test_a_dpop_key_is_made_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "dpop.pem"
    made = run("token", "dpop-key", file)
    assert made.status == 0, made.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("token", "dpop-key", file).status == 1


def test_a_program_is_registered_rotated_and_ended(say: Say, tmp_path: Path) -> None:
    say("institution", "add", "probers", "--name", "Probers", "--constituency", "academia", "--email", "p@p.example")
    file = tmp_path / "jwks.json"
    file.write_text(run("program", "new-key", tmp_path / "program.pem").out)
    assert run("program", "new-key", tmp_path / "program.pem").status == 1
    words = ("program", "register", "probers", "--name", "Probes", "--contact", "p@p.example", "--jwks", file)
    program = say(*words, "--json").answer
    assert "Probes" in say("program", "list").out
    file.write_text(json.dumps(jwks_of(new_key(), new_key("P-256"))))
    assert say("program", "keys", program["id"], "--jwks", file).status == 0
    assert say("program", "suspend", program["id"], "--reason", "it runs wild").status == 0
    assert say("program", "resume", program["id"]).status == 0
    assert say("program", "end", program["id"], "--reason", "the study is over").status == 0
    assert say("program", "show", program["id"], "--json").answer["status"] == "ended"
    file.write_text("{")
    assert "(bad_jwk)" in say(*words).err


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("09:00-17:00", {"weekdays": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "zone": "UTC"}),
        (
            "mon-fri 09:00-17:00 Europe/Zurich",
            {"weekdays": ["mon", "tue", "wed", "thu", "fri"], "zone": "Europe/Zurich"},
        ),
        ("sat-mon,wed 09:00-17:00", {"weekdays": ["mon", "wed", "sat", "sun"], "zone": "UTC"}),
    ],
)
def test_hours_are_said_in_one_line(words: str, hours: dict[str, object]) -> None:
    assert open_hours(words) == {**hours, "opens": "09:00", "closes": "17:00"}


@pytest.mark.parametrize(
    "words",
    [
        ("--open-hours", "nine to five"),
        ("--open-hours", "someday 09:00-17:00"),
        ("--tokens-per", "year=5"),
        ("--requests-per", "day"),
    ],
)
def test_limits_of_another_form_are_refused_before_anything_is_asked(words: tuple[str, str]) -> None:
    refused = run("token", "narrow", "tok_x", *words)
    assert refused.status == 2
    assert "is not of the form" in refused.err


def test_finer_limits_of_a_token_are_said_by_options(say: Say) -> None:
    issued = say("token", "issue", "--label", "plain", "--json").answer["record"]["id"]
    finer = ("--tokens-per", "day=500", "--requests-per", "day=5", "--max-temperature", "0.5", "--at-once", "1")
    steered = ("--no-logit-bias", "--precision", "int8", "--precision", "bfloat16")
    refused = say("token", "narrow", issued, *finer, *steered, "--open-hours", "mon-fri 09:00-17:00 Europe/Zurich")
    # They are understood; a token that names no grant has no part to narrow to.
    assert "(grant_needed)" in refused.err
