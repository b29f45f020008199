"""``concordat agreement`` through negotiation, amendment, suspension and appeal, by people of both sides."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agreements.actors import LAB, Actor, Channel, Role
from agreements.canonical import digest_of, sha256_hex
from agreements.key_succession import possession_challenge
from agreements.keys import SigningKey
from portal.composition import Portal
from portal.config import load
from tests.portal.cli.cli_stand import Said, Say, run

PASSPHRASE = "correct horse"
WORDS = "Enough words to say what happened."
MARA = ("countersign", "--name", "Mara Lindqvist")


@dataclass(frozen=True)
class Sides:
    """An institution of the test's own, with a lead and an encrypted key, and a second coordinator."""

    name: str
    key: Path
    tokens: dict[str, str]
    say: Say
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *words: str | Path, as_: str | None = None) -> Said:
        """One command as the operator, or with somebody's access token."""
        with self.monkeypatch.context() as patch:
            if as_ is not None:
                patch.setenv("CONCORDAT_TOKEN", self.tokens[as_])
            return self.say("agreement", *words)

    def good(self, *words: str | Path, as_: str | None = None) -> Any:
        """The JSON of a command that must succeed."""
        said = self(*words, "--json", as_=as_)
        assert said.status == 0, said.out
        return said.answer

    def refused(self, code: str, *words: str | Path, as_: str | None = None) -> None:
        """A command that must be refused, in words and in JSON, with this code."""
        said = self(*words, as_=as_)
        assert (said.status, said.out) == (1, ""), said.out
        assert f"({code})" in said.err
        assert self(*words, "--json", as_=as_).answer["error"]["code"] == code

    def drafted(self) -> str:
        """The id of a draft."""
        agreement_id: str = self.good("draft", "--institution", self.name)["id"]
        return agreement_id

    def signed(self, agreement_id: str, folder: Path, *choice: str) -> Any:
        """The lead signs offline and hands it in, the operator countersigns."""
        file = folder / "exported.json"
        assert self("export", agreement_id, "-o", file, *choice, as_="lead").status == 0
        assert run("agreement", "sign", file, "--key", self.key).status == 0
        self.good("submit", agreement_id, folder / "exported.signature.json", as_="lead")
        digest = json.loads(file.read_text())["document_digest"]
        return self.good(MARA[0], agreement_id, *MARA[1:], "--digest", digest)

    def in_force(self, folder: Path) -> Any:
        """An agreement that both have signed."""
        agreement_id = self.drafted()
        self.good("offer", agreement_id)
        return self.signed(agreement_id, folder)


@pytest.fixture
def sides(
    say: Say, home: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Sides:
    name = f"a-{sha256_hex(request.node.name.encode())[:12]}"
    say("institution", "add", name, "--name", f"House {name}", "--constituency", "academia", "--email", "a@a.example")
    private = SigningKey.generate()
    key = tmp_path / "ours.pem"
    key.write_bytes(private.to_pem(PASSPHRASE.encode()))
    monkeypatch.setenv("CONCORDAT_KEY_PASSPHRASE", PASSPHRASE)
    public = private.public.raw.hex()
    with Portal.open(load(home)) as portal:
        mara = the_first_coordinator(portal)
        proof = private.sign(possession_challenge(name, public)).hex()
        people = {
            who: portal.people.register(mara, name=who.title(), email=f"{who}@{name}.example", memberships=[place])
            for who, place in (
                ("lead", (name, Role.PARTNER_LEAD)),
                ("member", (name, Role.PARTNER_MEMBER)),
                ("second", (LAB, Role.COORDINATOR)),
            )
        }
        lead = people["lead"].actor(Channel.CLI)
        portal.institutions.register_key(lead, name, public_key=public, proof=proof)
        tokens = {
            who: portal.tokens.issue(person.actor(Channel.CLI), label="cli").token for who, person in people.items()
        }
    return Sides(name, key, tokens, say, monkeypatch)


def the_first_coordinator(portal: Portal) -> Actor:
    """Mara, who made the portal."""
    first = min(map(portal.people.get, portal.people.coordinator_ids()), key=lambda person: str(person.registered_at))
    return first.actor(Channel.CLI)


def text_of(clauses: list[dict[str, Any]], folder: Path, **feedback: Any) -> Path:
    """A file with the clauses, those of feedback changed."""
    path = folder / "clauses.json"
    changed = [{**clause, **feedback} if clause["clause_id"] == "feedback" else clause for clause in clauses]
    path.write_text(json.dumps(changed))
    return path


def test_a_negotiation_by_both_sides(sides: Sides, tmp_path: Path) -> None:
    agreement_id = sides.drafted()
    clauses = sides.good("show", agreement_id)["clauses"]
    edited = sides("edit", agreement_id, "--clauses", text_of(clauses, tmp_path, every_weeks=3), "--note", "Weekly?")
    assert "has its new text" in edited.out
    sides.refused("agreement_not_found", "show", agreement_id, as_="lead")
    offered = sides("offer", agreement_id)
    assert f"{agreement_id} is offered, with the digest sha256:" in offered.out

    counter = ("counter", agreement_id, "--clauses", text_of(clauses, tmp_path, every_weeks=8), "--note", "Too often.")
    sides.refused("wrong_agreement_status", *counter)
    sides.refused("not_signatory", *counter, as_="member")
    assert "version 2 is on the table, with digest sha256:" in sides(*counter, as_="lead").out
    remark = sides("comment", agreement_id, "--text", "Six?", "--clause", "feedback", as_="lead")
    assert "comment 1, on clause feedback of version 2" in remark.out
    sides.refused("clause_unknown", "comment", agreement_id, "--text", "Six?", "--clause", "nope")

    shown = sides("diff", agreement_id)
    assert "version 1" in shown.out
    assert "version 2" in shown.out
    assert "[-3" in shown.out
    assert "{+8" in shown.out
    assert "Term" not in shown.out.replace("Terms", "")
    assert "in data: every weeks" in sides("show", agreement_id, "--proposal").out
    compared = sides.good("diff", agreement_id, "--template")
    assert [one["clause_id"] for one in compared["clauses"] if one["kind"] != "same"] == ["feedback"]
    assert "Nothing differs" in sides("diff", agreement_id, "--from", "1", "--to", "1").out
    sides.refused("two_bases", "diff", agreement_id, "--from", "1", "--template")

    sides.good("counter", agreement_id, "--clauses", text_of(clauses, tmp_path, every_weeks=6))
    sides.refused("own_text", "decline", agreement_id, "--reason", "not now")
    needed = sides("checklist", agreement_id, as_="lead")
    assert "your partner lead" in needed.out
    assert "has not signed" in needed.out
    done = sides.signed(agreement_id, tmp_path)
    assert (done["status"], len(done["versions"])) == ("in_force", 3)
    told = sides("timeline", agreement_id, as_="member").out
    assert "Too often." in told
    assert "Weekly?" not in told
    sides.refused("wrong_agreement_status", "decline", agreement_id, "--reason", "too late")


def test_an_amendment_is_exported_signed_with_an_encrypted_key_and_countersigned(sides: Sides, tmp_path: Path) -> None:
    agreement = sides.in_force(tmp_path)
    agreement_id = agreement["id"]
    sides.refused("no_proposal", "export", agreement_id, "-o", tmp_path / "none.json", "--proposal")
    text = text_of(agreement["clauses"], tmp_path, every_weeks=9)
    begun = sides("amend", agreement_id, "--clauses", text, "--note", "Fewer reports.")
    assert "version 2 is begun as an amendment; offer it when it is ready." in begun.out
    sides.refused("version_not_found", "export", agreement_id, "-o", tmp_path / "x.json", "--version", "2", as_="lead")
    sides.refused("no_proposal", "show", agreement_id, "--proposal", as_="lead")
    assert f"Version 2 of {agreement_id} is offered" in sides("offer", agreement_id).out
    assert agreement_id in sides("list", "--institution", sides.name, "--status", "in_force", "--proposal").out
    assert "version 2, offered, sha256:" in sides("show", agreement_id).out

    stale = tmp_path / "stale.json"
    sides("export", agreement_id, "-o", stale)
    run("agreement", "sign", stale, "--key", sides.key)
    sides.refused("other_document", "submit", agreement_id, tmp_path / "stale.signature.json", as_="lead")

    file = tmp_path / "amendment.json"
    sides("export", agreement_id, "-o", file, "--version", "2", as_="lead")
    document = json.loads(file.read_text())["document"]
    assert document["amends"] == agreement["document_digest"]
    sides.monkeypatch.setenv("CONCORDAT_KEY_PASSPHRASE", "wrong horse")
    assert "(bad_key)" in run("agreement", "sign", file, "--key", sides.key).err
    sides.monkeypatch.delenv("CONCORDAT_KEY_PASSPHRASE")
    asked = run("agreement", "sign", file, "--key", sides.key, "--digest", digest_of(document), typed=f"{PASSPHRASE}\n")
    assert asked.status == 0, asked.err
    assert PASSPHRASE not in asked.out + asked.err
    handed = sides("submit", agreement_id, tmp_path / "amendment.signature.json", as_="lead")
    assert f"Version 2 of {agreement_id} is signed." in handed.out
    done = sides(*MARA[:1], agreement_id, *MARA[1:], "--digest", digest_of(document))
    assert f"Version 2 of {agreement_id} is in force." in done.out
    for number in ("1", "2"):
        assert sides("export", agreement_id, "-o", file, "--version", number, as_="member").status == 0
        assert "It holds" in run("verify", file).out
    replaced = sides.good("export", agreement_id, "-o", tmp_path / "one.json", "--version", "1", as_="member")
    assert (replaced["status"], len(replaced["signatures"])) == ("replaced", 2)
    sides.refused("renewal_too_early", "renew", agreement_id)


def test_the_institution_amends_and_takes_it_back(sides: Sides, tmp_path: Path) -> None:
    agreement = sides.in_force(tmp_path)
    text = text_of(agreement["clauses"], tmp_path, every_weeks=9)
    begun = sides("amend", agreement["id"], "--clauses", text, as_="lead")
    assert "it is the lab's turn" in begun.out
    sides.refused("not_own_text", "withdraw", agreement["id"], "--reason", "not now")
    taken = sides("withdraw", agreement["id"], "--reason", "we changed our mind", as_="lead")
    assert f"Version 2 of {agreement['id']} is withdrawn." in taken.out
    sides.good("amend", agreement["id"], "--clauses", text, as_="lead")
    assert "version 3 is declined" in sides("decline", agreement["id"], "--reason", "too few reports").out
    assert sides.good("show", agreement["id"])["status"] == "in_force"


def test_suspended_appealed_and_decided_by_two_coordinators(sides: Sides, tmp_path: Path) -> None:
    agreement_id = sides.in_force(tmp_path)["id"]
    sides.refused("not_suspended", "lift", agreement_id, "--reason", "over")
    sides.refused("suspension_not_found", "lift", agreement_id, "--number", "3", "--reason", "over")
    assert sides("suspend", agreement_id, "--reason", "mood", "--statement", WORDS).status == 2
    suspending = ("suspend", agreement_id, "--reason", "security_incident", "--statement", WORDS)
    sides.refused("not_confirmed", *suspending)
    foreseen = sides(*suspending, "--preview")
    assert "It takes effect" in foreseen.out
    suspended = sides(*suspending, "--yes")
    assert f"{agreement_id}: suspension 1 takes effect" in suspended.out
    sides.refused("not_signatory", "appeal", agreement_id, "--text", WORDS)
    assert "the lab has until" in sides("appeal", agreement_id, "--text", WORDS, as_="lead").out
    decision = ("decide-appeal", agreement_id, "--dismiss", "--reasons", WORDS)
    sides.refused("own_suspension", *decision)
    sides.refused("not_coordinator", *decision, as_="lead")
    assert "the appeal against suspension 1 is dismissed" in sides(*decision, as_="second").out
    assert "nothing is open under it" in sides("allows", agreement_id, as_="member").out
    assert "suspension 1 is lifted" in sides("lift", agreement_id, "--reason", "settled").out


def test_narrowed_widened_ended_and_closed(sides: Sides, tmp_path: Path) -> None:
    agreement_id = sides.in_force(tmp_path)["id"]
    sides.refused("not_narrowed", "widen", agreement_id, "--reason", "over")
    narrowing = (
        *("narrow", agreement_id, "--operation", "score", "--operation", "logprobs"),
        *("--requests-per-minute", "5", "--statement", WORDS),
    )
    sides.refused("not_confirmed", *narrowing)
    foreseen = sides.good(*narrowing, "--preview")
    assert (foreseen["act"], sides.good("show", agreement_id)["narrowings"]) == ("narrow", [])
    assert "narrowed to logprobs, score" in sides(*narrowing, "--yes").out
    assert "as wide as the agreement again" in sides("widen", agreement_id, "--reason", "the report came").out
    sides.refused("wrong_agreement_status", "close", agreement_id, "--not-fulfilled", "--yes")
    foreseen = sides("consequences", agreement_id, "--of", "terminate", as_="lead")
    assert "final report" in foreseen.out
    sides.refused("bad_input", "consequences", agreement_id, "--of", "forget")
    ending = ("terminate", agreement_id, "--reason", "over")
    sides.refused("not_confirmed", *ending, as_="lead")
    assert sides.good(*ending, "--preview", as_="lead")["act"] == "terminate"
    assert sides.good("show", agreement_id)["status"] == "in_force"
    assert "is terminated" in sides(*ending, "--yes", as_="lead").out
    sides.refused("duties_open", "close", agreement_id, "--fulfilled", "--yes")
    closing = ("close", agreement_id, "--not-fulfilled", "--note", "No report ever came.")
    assert "stays on record as open" in sides(*closing, "--preview").out
    closed = sides(*closing, "--yes")
    assert "is closed as not fulfilled" in closed.out


def test_files_and_choices_that_do_not_fit(sides: Sides, tmp_path: Path) -> None:
    agreement_id = sides.drafted()
    junk = tmp_path / "junk.json"
    junk.write_text('{"clauses": "none"}')
    sides.refused("no_clauses", "counter", agreement_id, "--clauses", junk)
    sides.refused("no_such_file", "amend", agreement_id, "--clauses", tmp_path / "absent")
    sides.refused("bundle_is_whole", "export", agreement_id, "-o", tmp_path / "a.zip", "--version", "1")
    sides.refused("framework_mismatch", "draft", "--institution", sides.name, "--template", "model-schedule")
    sides("export", agreement_id, "-o", tmp_path / "draft.json")
    assert "(not_offered)" in run("agreement", "sign", tmp_path / "draft.json", "--key", sides.key).err
    shown = tmp_path / "shown.json"
    shown.write_text(json.dumps(sides.good("show", agreement_id)))
    assert sides("edit", agreement_id, "--clauses", shown, "--title", "The same terms").status == 0


@pytest.mark.parametrize("words", ["timeline", "checklist", "allows", "diff", "show", "widen --reason over"])
def test_to_outsiders_there_is_no_such_agreement(sides: Sides, words: str) -> None:
    agreement_id = sides.drafted()
    verb, *more = words.split()
    sides.refused("agreement_not_found", verb, agreement_id, *more, as_="lead")


def test_a_spent_token_is_refused_and_the_operator_is_not_meant(sides: Sides) -> None:
    sides.tokens["stray"] = "no-token"
    sides.refused("invalid_token", "list", as_="stray")
