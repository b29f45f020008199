"""Backups, and whether the log of a stopped portal holds."""

import tarfile
from pathlib import Path

import duckdb
import pytest

from tests.portal.cli.cli_stand import Said, run


@pytest.fixture
def portal_folder(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    run("init", "--lab", "Meridian Lab", "--coordinator", "Mara Lindqvist", "--email", "m@lab.example", data=data)
    return data


def tampered(data: Path, statement: str) -> None:
    """Change the file as somebody with access to it could."""
    connection = duckdb.connect(data / "concordat.duckdb")
    connection.execute(statement)
    connection.close()


def test_a_log_that_holds(portal_folder: Path) -> None:
    said = run("log", "verify", "--json", data=portal_folder)
    assert said.status == 0
    assert said.answer["fault"] is None
    assert said.answer["entries"] == 5


def test_a_changed_row_is_named(portal_folder: Path) -> None:
    tampered(portal_folder, "UPDATE institution SET name = 'Somebody Else' WHERE institution_id = 'lab'")
    said = run("log", "verify", data=portal_folder)
    assert said.status == 1
    assert "institution" in said.err
    assert "(store_tampered)" in said.err


def test_an_older_store_shows_against_a_head_that_was_kept(portal_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "old.tar"
    assert run("backup", archive, data=portal_folder).status == 0
    run("token", "issue", "--label", "later", data=portal_folder)
    head = tmp_path / "head"
    head.write_text(run("log", "head", "--json", data=portal_folder).answer["head"])
    assert run("log", "verify", "--head", head, data=portal_folder).status == 0
    put_back = tmp_path / "back"
    run("restore", archive, data=put_back)
    assert run("log", "verify", "--head", head, data=put_back).status == 1


def test_a_backup_comes_back_whole(portal_folder: Path, tmp_path: Path) -> None:
    archive, copy = tmp_path / "b.tar", tmp_path / "copy"
    made = run("backup", archive, "--json", data=portal_folder)
    assert archive.stat().st_mode & 0o077 == 0
    assert {part["name"] for part in made.answer["files"]} >= {"concordat.duckdb", "concordat.toml", "keys/lab.pem"}
    assert run("restore", archive, data=copy).status == 0
    assert run("person", "list", "--json", data=copy).out == run("person", "list", "--json", data=portal_folder).out
    assert (copy / "keys").stat().st_mode & 0o077 == 0


def test_nothing_is_overwritten(portal_folder: Path, tmp_path: Path) -> None:
    archive = tmp_path / "b.tar"
    run("backup", archive, data=portal_folder)
    assert "(backup_exists)" in run("backup", archive, data=portal_folder).err
    assert "(folder_in_use)" in run("restore", archive, data=portal_folder).err


@pytest.mark.parametrize("spoil", ["cut", "changed", "junk"])
def test_a_damaged_backup_puts_nothing_in_place(portal_folder: Path, tmp_path: Path, spoil: str) -> None:
    archive = tmp_path / "b.tar"
    run("backup", archive, data=portal_folder)
    whole = archive.read_bytes()
    with tarfile.open(archive) as opened:
        member = opened.getmember("concordat.duckdb")
    inside = member.offset_data + member.size // 2
    archive.write_bytes(
        {
            "cut": whole[:inside],
            "changed": whole[:inside] + bytes([whole[inside] ^ 1]) + whole[inside + 1 :],
            "junk": b"not a tar file",
        }[spoil]
    )
    said: Said = run("restore", archive, data=tmp_path / "copy")
    assert said.status == 1
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == []
