"""Attempts made inside the real sandbox, in every profile this machine offers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agreements.errors import Unavailable
from model_access.sandbox import (
    LANDLOCK,
    UNSAFE,
    SandboxCapabilities,
    SandboxProfile,
    bubblewrap_profile,
    choose,
    detect,
    launch,
    self_test,
)

ATTEMPTS = {
    "internet socket",
    "datagram socket",
    "unix socket",
    "netlink socket",
    "write into the checkpoint",
    "write to /tmp",
    "write to shared memory",
    "write to the root",
    "write beside the code",
    "make a folder",
    "start a program",
    "fork",
    "trace the parent",
    "make a namespace",
    "signal the parent",
    "use an inherited descriptor",
    "read the caller's environment",
    "read /etc/passwd",
}

BUBBLEWRAP = bubblewrap_profile("/usr/bin/bwrap")


@pytest.fixture(params=["bubblewrap", "landlock"])
def profile(request: pytest.FixtureRequest) -> SandboxProfile:
    offered = {profile.kind: profile for profile in detect().profiles}
    if request.param not in offered:
        pytest.skip(f"this machine offers no {request.param}: {'; '.join(detect().reasons)}")
    return offered[request.param]


@pytest.mark.sandbox
def test_every_attempt_is_refused_in_both_stages(profile: SandboxProfile, tmp_path: Path) -> None:
    database = tmp_path / "concordat.duckdb"
    database.write_text("secret")
    outside = [database, Path(__file__)]
    attempts = self_test(profile, outside)
    for stage in ("outer", "inner"):
        tried = {attempt.name for attempt in attempts if attempt.stage == stage}
        assert tried == ATTEMPTS | {f"read {path}" for path in outside}
    assert [attempt for attempt in attempts if not attempt.refused] == []


@pytest.mark.sandbox
def test_without_a_sandbox_the_same_attempts_succeed(tmp_path: Path) -> None:
    readable = tmp_path / "file"
    readable.write_text("x")
    outcome = {attempt.name: attempt.refused for attempt in self_test(UNSAFE, [readable]) if attempt.stage == "outer"}
    for name in ("internet socket", "write into the checkpoint", "fork", "signal the parent", f"read {readable}"):
        assert outcome[name] is False


@pytest.mark.sandbox
def test_descriptors_and_environment_stay_outside(
    profile: SandboxProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONCORDAT_SECRET", "s3cret")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        outcome = {attempt.name: attempt for attempt in self_test(profile)}
    finally:
        os.close(descriptor)
    assert outcome["use an inherited descriptor"].refused
    assert outcome["read the caller's environment"].refused


def test_the_strongest_profile_is_chosen() -> None:
    found = SandboxCapabilities(
        profiles=(BUBBLEWRAP, LANDLOCK), bubblewrap="/usr/bin/bwrap", landlock_abi=7, seccomp=True, reasons=()
    )
    assert choose(found) == BUBBLEWRAP
    assert BUBBLEWRAP.isolates
    assert not UNSAFE.isolates


def test_no_isolation_is_refused_unless_waived() -> None:
    nothing = SandboxCapabilities(profiles=(), bubblewrap=None, landlock_abi=0, seccomp=False, reasons=("no kernel",))
    with pytest.raises(Unavailable) as refusal:
        choose(nothing)
    assert refusal.value.code == "no_isolation"
    assert "no kernel" in refusal.value.message
    assert refusal.value.hint
    assert choose(nothing, allow_unsafe=True) == UNSAFE


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr("model_access.sandbox.landlock.abi_version", lambda: 0)
    found = detect.__wrapped__()
    assert found.profiles == ()
    assert any("bubblewrap" in reason for reason in found.reasons)
    assert any("Landlock" in reason for reason in found.reasons)


@pytest.mark.sandbox
def test_a_bubblewrap_that_fails_is_not_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'no user namespaces' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("shutil.which", lambda _: str(broken))
    found = detect.__wrapped__()
    assert all(profile.kind != "bubblewrap" for profile in found.profiles)
    assert any("no user namespaces" in reason for reason in found.reasons)


def test_a_program_that_is_not_there_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refusal:
        launch(bubblewrap_profile("/nowhere/bwrap"), "code", checkpoint_dir=tmp_path)
    assert refusal.value.code == "sandbox_failed"


RULE = "import sys\nfrom pathlib import Path\nfrom model_access.sandbox import landlock\n"

RULES = {
    "reads inside": ("Path(inside, 'file').read_text()", None),
    "lists inside": ("list(Path(inside).iterdir())", None),
    "reads outside": ("Path(outside, 'file').read_text()", "PermissionError"),
    "lists outside": ("list(Path(outside).iterdir())", "PermissionError"),
    "writes inside": ("Path(inside, 'new').write_text('x')", "PermissionError"),
    "truncates inside": ("import os; os.truncate(inside + '/file', 0)", "PermissionError"),
    "removes inside": ("Path(inside, 'file').unlink()", "PermissionError"),
    "makes a folder": ("Path(inside, 'new').mkdir()", "PermissionError"),
    "makes a pipe": ("import os; os.mkfifo(inside + '/new')", "PermissionError"),
    "links": ("Path(inside, 'new').symlink_to('/etc')", "PermissionError"),
    "moves": ("Path(inside, 'file').rename(inside + '/new')", "PermissionError"),
    "executes": ("import os; os.execv(sys.executable, [sys.executable, '-c', ''])", "PermissionError"),
    "connects": ("import socket; socket.create_connection(('127.0.0.1', 9))", "PermissionError"),
    "binds": ("import socket; socket.socket().bind(('127.0.0.1', 0))", "PermissionError"),
    "signals": ("import os; os.kill(os.getppid(), 0)", "PermissionError"),
    "follows a link out": ("Path(inside, 'out').read_text()", "PermissionError"),
}


@pytest.mark.sandbox
@pytest.mark.parametrize("rule", RULES)
def test_each_landlock_rule(rule: str, tmp_path: Path) -> None:
    if detect().landlock_abi < 6:
        pytest.skip("the kernel's Landlock does not know every rule")
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file").write_text("x")
    (inside / "out").symlink_to(outside / "file")
    action, refused = RULES[rule]
    program = (
        f"{RULE}inside, outside = {str(inside)!r}, {str(outside)!r}\n"
        f"landlock.restrict_to_reading([Path(inside)])\n{action}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert (refused or "") in done.stderr
    assert (done.returncode == 0) == (refused is None), done.stderr
    assert (inside / "file").read_text() == "x"
