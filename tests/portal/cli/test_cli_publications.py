"""``concordat publication``: the lab's side by command line."""

import hashlib
from pathlib import Path

import pytest

from agreements.actors import Channel, Role
from agreements.institutions import Constituency
from agreements.publication import PublicationKind
from agreements.standard_terms import template
from portal import config
from portal.composition import Portal
from portal.services.publications import Submission
from tests.portal.cli.cli_stand import Say, run

INSTITUTION = "paper-mill"
REASON = "It tells how to get around the filter."


@pytest.fixture(scope="module")
def submitted(home: Path) -> list[str]:
    """Publications that a partner has put forward, and the lab's key last."""
    with Portal.open(config.load(home)) as portal:
        people = portal.store.query("SELECT person_id FROM person WHERE coordinator")
        mara = portal.people.get(people[0]["person_id"]).actor(Channel.CLI)
        portal.institutions.register(
            mara,
            institution_id=INSTITUTION,
            name="Paper Mill",
            constituency=Constituency.ACADEMIA,
            contact_email="p@p.example",
        )
        person = portal.people.register(
            mara, name="Pia", email="pia@p.example", memberships=[(INSTITUTION, Role.PARTNER_LEAD)]
        )
        portal.institutions.create_key(person.actor(Channel.CLI), INSTITUTION)
        pia = person.actor(Channel.CLI)
        clauses = [c.model_dump(mode="json") for c in template("software-access").clauses]
        draft = portal.agreements.draft(mara, institution_id=INSTITUTION, clauses=clauses)
        digest = portal.agreements.offer(mara, draft.id).document_digest or ""
        for signer in (pia, mara):
            portal.agreements.sign(signer, draft.id, typed_name=signer.name, document_digest=digest)
        made = [
            portal.publications.submit(
                pia,
                Submission(
                    agreement_id=draft.id, title=f"Paper {n}", kind=PublicationKind.CODE, sha256="sha256:" + n * 64
                ),
            ).publication.id
            for n in "12"
        ]
        key = portal.kernel.lab_key.public.raw.hex()
    return [*made, key]


def test_a_redaction_is_asked_for_and_taken_back(say: Say, submitted: list[str]) -> None:
    publication_id = submitted[0]
    ask = ("publication", "ask", publication_id, "--where", "Page 2", "--reason", REASON, "--ground")
    refused = say(*ask, "embarrassing")
    assert refused.status == 1
    assert "(ground_not_permitted)" in refused.err
    assert "the lab asks for 1 redaction" in say(*ask, "safety").out
    assert REASON in say("publication", "show", publication_id).out
    early = say("publication", "maintain", publication_id, "1", "--reason", REASON)
    assert "(wrong_redaction_status)" in early.err
    assert "under review" in say("publication", "drop", publication_id, "1").out
    listed = say("publication", "list", "--open")
    assert "Paper 1" in listed.out
    assert "unless the lab asks for more" in listed.out


def test_a_cleared_publication_has_a_letter_that_verifies(say: Say, submitted: list[str], tmp_path: Path) -> None:
    _, publication_id, key = submitted
    letter = tmp_path / "letter.json"
    refused = say("publication", "letter", publication_id, "-o", letter)
    assert "(not_cleared)" in refused.err
    assert not letter.exists()
    assert "cleared by the lab" in say("publication", "clear", publication_id, "--note", "Good luck.").out
    assert say("publication", "letter", publication_id, "-o", letter).status == 0
    verified = run("verify", letter, "--key", key)
    assert verified.status == 0
    assert "clearance of a publication" in verified.out
    assert "Paper 2" in verified.out
    assert run("verify", letter, "--key", "0" * 64).status == 1


def test_a_digest_is_made_without_a_portal(tmp_path: Path) -> None:
    paper = tmp_path / "paper.pdf"
    paper.write_bytes(b"words")
    made = run("publication", "digest", paper)
    assert made.out.strip() == f"sha256:{hashlib.sha256(b'words').hexdigest()}"
    assert run("publication", "digest", paper, "--json").answer == {"sha256": made.out.strip()}
    assert "(no_such_file)" in run("publication", "digest", tmp_path / "none").err
