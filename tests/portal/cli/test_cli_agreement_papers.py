"""``concordat agreement export`` by suffix, and ``concordat verify`` on what it wrote."""

import zipfile
from pathlib import Path

from tests.portal.cli.cli_stand import Say, run


def signed(say: Say, folder: Path) -> str:
    """An agreement in force with an institution that keeps its key itself; its id."""
    key, exported, signature = folder / "ours.pem", folder / "a.json", folder / "s.json"
    say(
        *("institution", "add", "westfield", "--name", "Westfield", "--constituency", "academia"),
        *("--email", "x@x.example"),
    )
    run("agreement", "key", "new", key)
    proof = run("institution", "key", "proof", "westfield", "--key", key, "--json").answer
    say(
        *("institution", "key", "register", "westfield"),
        *("--public-key", proof["public_key"], "--proof", proof["proof"]),
    )
    agreement_id: str = say("agreement", "draft", "--institution", "westfield", "--json").answer["id"]
    say("agreement", "offer", agreement_id)
    say("agreement", "export", agreement_id, "-o", exported)
    run("agreement", "sign", exported, "--key", key, "-o", signature)
    return agreement_id


def test_the_suffix_says_what_is_written(say: Say, tmp_path: Path) -> None:
    agreement_id = signed(say, tmp_path)
    paper, bundle = tmp_path / "a.PDF", tmp_path / "a.zip"
    assert say("agreement", "export", agreement_id, "-o", paper).status == 0
    assert paper.read_bytes().startswith(b"%PDF-")
    assert "(reading_copy)" in run("verify", paper).err
    refused = say("agreement", "export", agreement_id, "-o", bundle)
    assert "(never_in_force)" in refused.err
    assert not bundle.exists()


def test_a_damaged_bundle_is_refused_with_the_part_named(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("agreement.json", "{}")
    said = run("verify", path)
    assert said.status == 1
    assert "(not_a_bundle)" in said.err
