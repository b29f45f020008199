"""Tokens, their keys, and programs by command."""

import json
import stat
from pathlib import Path

from agreements.tokens import TOKEN_PREFIX
from tests.portal.cli.cli_stand import Say, run
from tests.portal.services.token_world import jwks_of, new_key


def test_a_token_is_issued_for_areas_rotated_and_revoked(say: Say) -> None:
    issued = say("token", "issue", "--label", "dashboard", "--area", "read", "--keep-fresh", "--json").answer
    assert issued["record"]["areas"] == ["read"]
    assert issued["refresh_token"].startswith("cdrt_")
    again = say("token", "rotate", issued["record"]["id"])
    assert again.out.startswith(TOKEN_PREFIX)
    assert say("token", "narrow", issued["record"]["id"]).status == 1
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
