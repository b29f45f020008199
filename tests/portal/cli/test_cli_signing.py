"""Keys of one's own: made, proved, used and checked away from the portal."""

import json
import os
import resource
from pathlib import Path

import pytest
from pydantic import JsonValue

from agreements.agreement.export import EXPORT_TYPE
from agreements.canonical import digest_of
from agreements.clauses import parse_clauses
from agreements.errors import Invalid
from agreements.keys import SigningKey
from portal.cli.keyfiles import write_new
from tests.portal.cli.cli_stand import Say, led, run


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "ours.pem"
    assert run("agreement", "key", "new", path).status == 0
    return path


def offered(home: Path, say: Say, institution_id: str, key_file: Path, target: Path) -> str:
    """An agreement offered to an institution that keeps its key itself, exported; its id."""
    say(
        *("institution", "add", institution_id, "--name", institution_id.title(), "--constituency", "academia"),
        *("--email", "x@x.example"),
    )
    proof = run("institution", "key", "proof", institution_id, "--key", key_file, "--json").answer
    with led(home, institution_id):
        registered = say(
            *("institution", "key", "register", institution_id, "--public-key", proof["public_key"]),
            *("--proof", proof["proof"]),
        )
    assert registered.status == 0, registered.err
    agreement_id: str = say("agreement", "draft", "--institution", institution_id, "--json").answer["id"]
    say("agreement", "offer", agreement_id)
    say("agreement", "export", agreement_id, "-o", target)
    return agreement_id


def test_a_key_is_its_owners_alone_and_never_overwritten(key_file: Path) -> None:
    assert key_file.stat().st_mode & 0o077 == 0
    again = run("agreement", "key", "new", key_file)
    assert again.status == 1
    assert "(file_exists)" in again.err


def test_an_agreement_is_signed_and_checked_offline(home: Path, say: Say, key_file: Path, tmp_path: Path) -> None:
    exported, signature = tmp_path / "a.json", tmp_path / "a.signature.json"
    offered(home, say, "southfield", key_file, exported)
    signed = run("agreement", "sign", exported, "--key", key_file, "--json")
    assert signed.answer["signature"] == str(signature)
    public = SigningKey.from_pem(key_file.read_bytes()).public.raw.hex()
    assert "signature of an agreement" in run("verify", signature, "--key", public).out
    other = SigningKey.generate().public.raw.hex()
    assert "(bad_signature)" in run("verify", signature, "--key", other).err


def test_the_operator_signs_for_the_lab_and_only_second(home: Path, say: Say, key_file: Path, tmp_path: Path) -> None:
    exported = tmp_path / "b.json"
    agreement_id = offered(home, say, "northfield", key_file, exported)
    run("agreement", "sign", exported, "--key", key_file, "-o", tmp_path / "s.json")
    refused = say("agreement", "submit", agreement_id, tmp_path / "s.json")
    assert refused.status == 1
    assert "(wrong_agreement_status)" in refused.err


def test_what_was_read_is_what_is_signed(home: Path, say: Say, key_file: Path, tmp_path: Path) -> None:
    exported = tmp_path / "c.json"
    offered(home, say, "eastfield", key_file, exported)
    refused = run("agreement", "sign", exported, "--key", key_file, "--digest", "sha256:" + "0" * 64)
    assert "(digest_differs)" in refused.err
    changed = json.loads(exported.read_text())
    changed["document"]["title"] += " and more"
    exported.write_text(json.dumps(changed))
    assert "(digest_differs)" in run("agreement", "sign", exported, "--key", key_file).err
    assert not (tmp_path / "c.signature.json").exists()


def test_whoever_signs_sees_every_clause_with_its_data(home: Path, say: Say, key_file: Path, tmp_path: Path) -> None:
    exported = tmp_path / "d.json"
    offered(home, say, "westfield", key_file, exported)
    document = json.loads(exported.read_text())["document"]
    shown = " ".join(run("agreement", "sign", exported, "--key", key_file).out.split())
    assert shown.index("Westfield") < shown.index("1. ") < shown.index("Signed, and not handed in yet.")
    for clause in parse_clauses([one["data"] for one in document["clauses"]]):
        for words in (clause.title, clause.rendered(), *(one.words for one in clause.data_fields())):
            assert " ".join(words.split()) in shown


def test_what_cannot_be_read_is_not_signed(key_file: Path, tmp_path: Path) -> None:
    unreadable: list[JsonValue] = [None, [7], [{"text": "Give us everything."}]]
    for clauses in unreadable:
        document: JsonValue = {"title": "Terms", "clauses": clauses}
        file = tmp_path / "hostile.json"
        said = {"type": EXPORT_TYPE, "document": document, "document_digest": digest_of(document)}
        file.write_text(json.dumps(said))
        assert run("agreement", "sign", file, "--key", key_file).status == 1
        assert not (tmp_path / "hostile.signature.json").exists()


def test_an_encrypted_key_takes_its_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.pem"
    path.write_bytes(SigningKey.generate().to_pem(b"correct horse"))
    monkeypatch.setenv("CONCORDAT_KEY_PASSPHRASE", "wrong horse")
    assert "(bad_key)" in run("institution", "key", "proof", "anyone", "--key", path).err
    monkeypatch.setenv("CONCORDAT_KEY_PASSPHRASE", "\udcff")
    assert "(bad_key)" in run("institution", "key", "proof", "anyone", "--key", path).err
    monkeypatch.setenv("CONCORDAT_KEY_PASSPHRASE", "correct horse")
    assert run("institution", "key", "proof", "anyone", "--key", path).status == 0
    monkeypatch.delenv("CONCORDAT_KEY_PASSPHRASE")
    asked = run("institution", "key", "proof", "anyone", "--key", path, typed="correct horse\n")
    assert asked.status == 0
    assert "correct horse" not in asked.out


def test_a_passphrase_is_bytes_and_need_not_be_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.pem"
    path.write_bytes(SigningKey.generate().to_pem(b"\xff horse"))
    monkeypatch.setenv("CONCORDAT_KEY_PASSPHRASE", os.fsdecode(b"\xff horse"))
    assert run("institution", "key", "proof", "anyone", "--key", path).status == 0


def test_half_a_key_is_not_left_behind_where_the_disk_is_full(tmp_path: Path) -> None:
    path, before = tmp_path / "ours.pem", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        with pytest.raises(Invalid) as refused:
            write_new(path, b"k" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert refused.value.code == "unwritable_file"
    assert not path.exists()


def test_files_that_are_not_what_was_asked_for(key_file: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.json"
    junk.write_text("{}")
    assert "(not_an_agreement)" in run("agreement", "sign", junk, "--key", key_file).err
    assert "(unknown_document)" in run("verify", junk).err
    assert "(no_such_file)" in run("verify", tmp_path / "absent").err
    assert "(private_key_given)" in run("verify", junk, "--key", key_file).err
