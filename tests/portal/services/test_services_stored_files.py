"""Files: sealed where they lie, kept as agreed, destroyed on time, and never another's to read."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements.errors import ConcordatError, Conflict, Invalid, NotFound, TooLarge, Unavailable
from portal.keyring import Keyring
from portal.services import stored_files
from portal.services.sealed_files import KEY_NAME, SealedFiles
from tests.portal.services.batch_world import MODEL, drained, row, submit, written
from tests.portal.services.world import World


@pytest.fixture
def sealed(tmp_path: Path) -> SealedFiles:
    """Sealed files in a folder of their own."""
    return SealedFiles(tmp_path / "files", Keyring(tmp_path / "keys"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=2000))
def test_what_is_sealed_comes_back_and_is_not_there_in_clear(sealed: SealedFiles, content: bytes) -> None:
    said = b"\x00said\x01" + content
    sealed.put("file_1", said)
    assert sealed.read("file_1") == said
    assert said not in sealed.path("file_1").read_bytes()


@pytest.mark.parametrize("place", ["magic", "salt", "length", "nonce", "sealed", "cut"])
def test_a_changed_file_is_refused(sealed: SealedFiles, place: str) -> None:
    sealed.put("file_1", b"once upon a time")
    path = sealed.path("file_1")
    found = bytearray(path.read_bytes())
    at = {"magic": 0, "salt": 30, "length": 55, "nonce": 62, "sealed": -1, "cut": -1}[place]
    if place == "cut":
        del found[-3:]
    else:
        found[at] ^= 1
    path.write_bytes(bytes(found))
    with pytest.raises(Unavailable) as refusal:
        sealed.read("file_1")
    assert refusal.value.code == "file_unreadable"


def test_one_file_is_not_taken_for_another(sealed: SealedFiles) -> None:
    sealed.put("file_1", b"once upon a time")
    sealed.path("file_2").write_bytes(sealed.path("file_1").read_bytes())
    with pytest.raises(Unavailable):
        sealed.read("file_2")
    spool = sealed.spool("spool")
    spool.append(b"one")
    with pytest.raises(Unavailable):
        sealed.read("spool")


@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_spool_survives_a_crash_at_any_byte(sealed: SealedFiles, data: st.DataObject) -> None:
    sealed.destroy("spool")
    spool, path = sealed.spool("spool"), sealed.path("spool")
    rows = [b"one", b"", b"three" * 20]
    sizes = []
    for one in rows:
        spool.append(one)
        sizes.append(path.stat().st_size)
    cut = data.draw(st.integers(0, sizes[-1]))
    path.write_bytes(path.read_bytes()[:cut])
    whole = sum(size <= cut for size in sizes)
    again = sealed.spool("spool")
    assert sealed.records("spool") == rows[:whole]
    again.append(b"more")
    assert sealed.records("spool") == [*rows[:whole], b"more"]


def test_a_lost_key_is_said_and_not_made_anew(sealed: SealedFiles, tmp_path: Path) -> None:
    sealed.put("file_1", b"x")
    Keyring(tmp_path / "keys").drop_secret(KEY_NAME)
    for act in (lambda: sealed.read("file_1"), lambda: sealed.put("file_2", b"y")):
        with pytest.raises(Unavailable) as refusal:
            act()
        assert refusal.value.code == "file_key_lost"


def test_what_is_not_there_is_not_found_and_destroyed_twice(sealed: SealedFiles) -> None:
    assert sealed.records("spool") == []
    with pytest.raises(NotFound):
        sealed.read("file_1")
    sealed.destroy("file_1")


def _live(world: World, name: str = "cleo") -> set[str]:
    return {file.id for file in world.portal.files.list(world.actor(name))}


def _keeping(world: World, days: int | None) -> str:
    """A grant under an agreement that says how long the portal keeps files."""
    world.checkpoint(MODEL)
    portal, ada, ben = world.portal, world.actor("ada"), world.actor("ben")
    clauses = [clause.model_dump(mode="json") for clause in portal.agreements.templates()[0].clauses]
    for clause in clauses:
        if clause["kind"] == "confidentiality" and days is not None:
            clause["portal_keeps_days"] = days
    draft = portal.agreements.draft(ada, institution_id="north", clauses=clauses)
    digest = portal.agreements.offer(ada, draft.id).document_digest or ""
    portal.agreements.sign(ben, draft.id, typed_name=ben.name, document_digest=digest)
    portal.agreements.sign(ada, draft.id, typed_name=ada.name, document_digest=digest)
    return portal.grants.issue(ada, agreement_id=draft.id, label="A study").id


def test_without_a_word_in_the_agreement_files_go_an_hour_after_they_were_fetched(world: World) -> None:
    _keeping(world, None)
    cleo = world.actor("cleo")
    batch = drained(world, submit(world, cleo, row(1)))
    assert batch.output_file_id is not None
    assert _live(world) == {batch.input_file_id, batch.output_file_id}
    first = world.portal.files.content(cleo, batch.output_file_id)
    world.clock.advance(minutes=59)
    assert world.portal.files.sweep() == 0
    assert world.portal.files.content(cleo, batch.output_file_id) == first, "a download can be repeated"
    world.clock.advance(minutes=2)
    with pytest.raises(Conflict) as refusal:
        world.portal.files.content(cleo, batch.output_file_id)
    assert refusal.value.code == "file_destroyed"
    assert world.portal.files.sweep() == 2
    assert _live(world) == set()
    assert list(world.settings.files_dir.iterdir()) == []
    state = world.portal.files.get(cleo, batch.output_file_id)
    assert (state.destroyed_because, state.fetched_at is not None) == ("it was fetched", True)


def test_what_nobody_fetches_goes_when_its_time_is_over(world: World) -> None:
    _keeping(world, None)
    batch = drained(world, submit(world, world.actor("cleo"), row(1)))
    world.clock.advance(hours=world.settings.batch_unfetched_hours)
    assert world.portal.files.sweep() == 2
    assert batch.output_file_id is not None
    assert world.portal.files.get(world.actor("cleo"), batch.output_file_id).destroyed_because == "its time was over"


def test_an_agreement_that_says_so_keeps_them_for_its_days(world: World) -> None:
    _keeping(world, 30)
    cleo = world.actor("cleo")
    batch = drained(world, submit(world, cleo, row(1)))
    assert (batch.keep_days, batch.output_file_id is not None) == (30, True)
    world.portal.files.content(cleo, batch.output_file_id or "")
    world.clock.advance(days=29)
    assert world.portal.files.sweep() == 0
    world.clock.advance(days=1)
    assert world.portal.files.sweep() == 2


def test_an_input_in_use_is_neither_deleted_nor_swept(world: World) -> None:
    _keeping(world, None)
    cleo = world.actor("cleo")
    batch = submit(world, cleo, row(1))
    with pytest.raises(Conflict) as refusal:
        world.portal.files.delete(cleo, batch.input_file_id)
    assert refusal.value.code == "file_in_use"
    world.clock.advance(hours=world.settings.batch_unfetched_hours)
    assert world.portal.files.sweep() == 0


def test_a_file_is_deleted_by_its_owner_alone_and_once(world: World) -> None:
    cleo = world.actor("cleo")
    file = world.portal.files.upload(cleo, filename="in.jsonl", content=b"x")
    for name in ("ben", "ada", "eve"):
        with pytest.raises(NotFound):
            world.portal.files.delete(world.actor(name), file.id)
    assert not world.portal.files.delete(cleo, file.id).kept
    with pytest.raises(Conflict):
        world.portal.files.delete(cleo, file.id)
    assert list(world.settings.files_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"content": b""}, Invalid),
        ({"purpose": "fine-tune"}, Invalid),
        ({"filename": "a\x1b[2Jb"}, Invalid),
        ({"content": b"x" * 2000}, TooLarge),
    ],
)
def test_what_is_no_input_is_refused_and_leaves_nothing(
    world: World, fields: dict[str, Any], error: type[ConcordatError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_files.FileService, "largest", 1000)
    before = world.size
    with pytest.raises(error):
        world.portal.files.upload(world.actor("cleo"), **{"filename": "in.jsonl", "content": b"x", **fields})
    assert (world.size, list(world.settings.files_dir.iterdir())) == (before, [])


def test_there_are_only_so_many_for_one_person(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_files, "MOST_FILES", 1)
    world.portal.files.upload(world.actor("cleo"), filename="in.jsonl", content=b"x")
    with pytest.raises(ConcordatError) as refusal:
        world.portal.files.upload(world.actor("cleo"), filename="in.jsonl", content=b"x")
    assert refusal.value.code == "too_many_files"
    world.portal.files.upload(world.actor("ben"), filename="in.jsonl", content=b"x")


def test_what_a_crash_left_is_cleared_and_what_is_needed_stays(world: World) -> None:
    _keeping(world, None)
    cleo = world.actor("cleo")
    world.pool.holds = True
    batch = submit(world, cleo, row(1), row(2))
    world.portal.batch_runner.step()
    world.portal.batch_runner.step()
    stray = world.settings.files_dir / "file_stray"
    stray.write_bytes(b"left by a crash")
    (world.settings.files_dir / "somebody's folder").mkdir()
    world.reopen(crash=True)
    lying = {path.name for path in world.settings.files_dir.iterdir()}
    assert lying == {batch.input_file_id, f"spool-{batch.id}", "somebody's folder"}


def test_a_file_that_was_lost_ends_its_batch_and_says_so(world: World) -> None:
    _keeping(world, None)
    batch = submit(world, world.actor("cleo"), row(1))
    (world.settings.files_dir / batch.input_file_id).unlink()
    batch = drained(world, batch)
    assert batch.problems[0].code == "file_not_there"


def test_a_disk_that_is_full_fails_a_line_and_charges_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.services.sealed_files import Spool

    grant = _keeping(world, None)

    def full(*_: object) -> None:
        raise Unavailable("file_not_written", "The answer cannot be written (No space left on device).")

    monkeypatch.setattr(Spool, "append", full)
    batch = submit(world, world.actor("cleo"), row(1))
    for _ in range(4):
        world.portal.batch_runner.drain()
        world.clock.advance(seconds=10)
    batch = drained(world, batch)
    assert (batch.completed, batch.failed) == (0, 1)
    view = world.portal.grants.get(world.actor("ada"), grant)
    assert (view.used_tokens, view.held_tokens) == (0, 0)


def test_an_upload_may_be_kept_less_long(world: World) -> None:
    file = world.portal.files.upload(world.actor("cleo"), filename="in.jsonl", content=b"x", expires_after_s=60)
    assert file.keep_until == world.clock.now + timedelta(minutes=1)
    assert written(row(1)).endswith(b"\n")
