"""People, invitations, sessions, identity providers and programs by command, and what a lead's token may not do."""

import json
from pathlib import Path

from tests.portal.cli.cli_stand import Say, led
from tests.portal.services.token_world import jwks_of, new_key

SECRET = "handed-out-by-the-provider"


def institution(say: Say, institution_id: str) -> None:
    """A partner to work on."""
    name, office = f"{institution_id.title()} University", f"office@{institution_id}.example"
    added = say("institution", "add", institution_id, "--name", name, "--constituency", "academia", "--email", office)
    assert added.status == 0, added.err


def test_a_person_from_registration_to_return(say: Say) -> None:
    institution(say, "west")
    at = ("--institution", "west")
    made = say("person", "add", "--name", "Wes", "--email", "wes@west.example", *at, "--role", "researcher", "--json")
    person = made.answer["id"]
    assert say("person", "role", person, *at, "--add", "observer", "--json").status == 0
    swapped = say("person", "role", person, *at, "--add", "partner_lead", "--remove", "observer", "--json")
    assert {one["role"] for one in swapped.answer["memberships"]} == {"researcher", "partner_lead"}
    refused = say("person", "role", person, *at, "--remove", "partner_lead", "--reason", "on leave")
    assert (refused.status, "lead" in refused.err) == (1, True)
    assert say("person", "deactivate", person, "--reason", "left", "--without-lead").status == 0
    refused = say("person", "link", person)
    assert (refused.status, "may not sign in" in refused.err) == (1, True)
    assert say("person", "reactivate", person, "--reason", "is back").status == 0
    link = say("person", "link", person, "--json").answer["url"]
    assert "/session/enter?code=" in link
    assert link.partition("code=")[2] not in say("session", "list", "--person", person, "--json").out
    assert say("session", "end", "--person", person, "--tokens", "--json").answer["sessions"] == 1, "the unused link"
    assert say("person", "waiting", "--json").answer["items"] == []
    assert say("person", "approve", person, "--role", "researcher").status == 1


def test_an_invitation_from_sending_to_taking_back(say: Say) -> None:
    institution(say, "east")
    words = ("--email", "ida@east.example", "--institution", "east", "--role", "researcher")
    sent = say("invitation", "send", *words, "--json").answer
    invitation, code = sent["invitation"]["id"], sent["url"].partition("code=")[2]
    assert len(code) >= 43
    listed = say("invitation", "list", "--json")
    assert invitation in listed.out
    assert code not in listed.out
    again = say("invitation", "send", *words)
    assert (again.status, "open invitation" in again.err) == (1, True)
    assert say("invitation", "renew", invitation, "--json").answer["url"] != sent["url"]
    assert say("invitation", "revoke", invitation, "--reason", "a mistake").status == 0
    assert say("invitation", "renew", invitation).status == 1


def test_an_identity_provider_from_registration_to_removal(say: Say, tmp_path: Path) -> None:
    institution(say, "hill")
    file = tmp_path / "secret.txt"
    file.write_text(f"{SECRET}\n", encoding="utf-8")
    words = (
        *("--institution", "hill", "--label", "Hill", "--client-id", "portal", "--domain", "hill.example"),
        *("--issuer", "https://login.hill.invalid", "--authentication", "client_secret_basic"),
    )
    missing = say("identity-provider", "add", *words)
    assert (missing.status, "secret" in missing.err) == (1, True)
    unread = say("identity-provider", "add", *words, "--secret-file", tmp_path / "nothing")
    assert (unread.status, "cannot be read" in unread.err) == (1, True)
    added = say("identity-provider", "add", *words, "--secret-file", file, "--json")
    provider = added.answer["id"]
    assert added.answer["redirect_uri"].endswith(f"/session/oidc/callback/{provider}")
    listed = say("identity-provider", "list")
    assert SECRET not in added.out + added.err + listed.out
    for move, more in (("pause", ("--reason", "broken")), ("resume", ()), ("remove", ("--reason", "replaced"))):
        assert say("identity-provider", move, provider, *more).status == 0, move
    refused = say("identity-provider", "resume", provider)
    assert (refused.status, "removed" in refused.err) == (1, True)


def test_a_program_from_registration_to_its_end(say: Say, tmp_path: Path) -> None:
    institution(say, "dale")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(jwks_of(new_key())), encoding="utf-8")
    words = ("--name", "Nightly", "--contact", "ops@dale.example", "--jwks", keys)
    program = say("program", "register", "dale", *words, "--json").answer["id"]
    private = tmp_path / "private.json"
    private.write_text(json.dumps({"keys": [new_key().as_dict(private=True)]}), encoding="utf-8")
    refused = say("program", "keys", program, "--jwks", private)
    assert refused.status == 1
    assert json.loads(private.read_text())["keys"][0]["d"] not in refused.err + refused.out
    for move, more in (("suspend", ("--reason", "odd")), ("resume", ()), ("end", ("--reason", "over"))):
        assert say("program", move, program, *more).status == 0, move
    assert say("program", "resume", program).status == 1
    assert say("program", "show", program, "--json").answer["status"] == "ended"


def test_a_leads_token_opens_their_institution_alone(home: Path, say: Say) -> None:
    institution(say, "moor")
    institution(say, "fens")
    other = say("person", "list", "--json").answer["items"][0]["id"]
    with led(home, "moor"):
        at = ("--institution", "moor")
        assert say("person", "add", "--name", "Mo", "--email", "mo@moor.example", *at, "--role", "observer").status == 0
        assert say("invitation", "send", "--email", "mia@moor.example", *at, "--role", "researcher").status == 0
        fens = ("--institution", "fens", "--role", "observer")
        provider = ("--label", "x", "--issuer", "https://x.example", "--client-id", "x", "--domain", "x.example")
        for words in (
            ("person", "add", "--name", "Fe", "--email", "fe@fens.example", *fens),
            ("person", "link", other),
            ("person", "deactivate", other, "--reason", "not mine"),
            ("invitation", "send", "--email", "fe@fens.example", *fens),
            ("identity-provider", "add", *provider, *at),
            ("session", "list", "--person", other),
            ("session", "end", "--person", other),
        ):
            refused = say(*words)
            assert (refused.status, bool(refused.err), refused.out) == (1, True, ""), words
