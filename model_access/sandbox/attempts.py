"""What a hostile worker would try, tried from inside the real sandbox.

``self_test`` starts this module under a profile exactly as a worker is started and reports, for each attempt and each
of the two stages (outer filter only; then with the inner one), whether it was refused. ``concordat doctor`` shows it.
"""

import base64
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from agreements.deciders import Value
from agreements.errors import Unavailable
from model_access.sandbox import lockdown, seccomp
from model_access.sandbox.launcher import KNOWN_VARIABLES, launch
from model_access.sandbox.profile import SandboxProfile

_TIMEOUT_S = 60
_MEMORY_BYTES = 1 << 30
_PTRACE_ATTACH = 16


class Attempt(Value):
    """One thing tried, and how it ended."""

    stage: str
    """``outer`` while loading code, ``inner`` while serving."""
    name: str
    refused: bool
    detail: str
    """The error's name, or what was achieved."""


class _Plan(Value):
    inner_filter: str
    outside_files: tuple[str, ...]
    parent_pid: int


def self_test(profile: SandboxProfile, outside_files: Sequence[Path] = ()) -> tuple[Attempt, ...]:
    """Every attempt, in both stages. ``outside_files`` exist on this machine and must be unreadable inside.

    Raises Unavailable ``sandbox_failed`` when the sandbox does not start or does not answer.
    """
    plan = _Plan(
        inner_filter=base64.b64encode(seccomp.inner_filter() if profile.isolates else b"").decode(),
        outside_files=("/etc/passwd", *map(str, outside_files)),
        parent_pid=os.getpid(),
    )
    with tempfile.TemporaryDirectory() as folder:
        process = launch(profile, __name__, checkpoint_dir=Path(folder))
        try:
            answer, complaint = process.communicate(plan.model_dump_json().encode(), timeout=_TIMEOUT_S)
            return TypeAdapter(tuple[Attempt, ...]).validate_json(answer)
        except (subprocess.TimeoutExpired, ValidationError):
            process.kill()
            process.communicate()
            raise Unavailable(
                "sandbox_failed",
                f"The {profile.id} sandbox did not answer its self-test (exit status {process.returncode}).",
                hint=complaint.decode(errors="replace")[-300:] if process.returncode is not None else "",
            ) from None


def main() -> None:
    """Inside the sandbox: try everything, lock down, try again, report."""
    plan = _Plan.model_validate_json(sys.stdin.buffer.read())
    attempts = list(_try_all("outer", plan))
    lockdown.enter(base64.b64decode(plan.inner_filter), _MEMORY_BYTES)
    attempts += _try_all("inner", plan)
    sys.stdout.write(json.dumps([attempt.model_dump() for attempt in attempts]))


def _try_all(stage: str, plan: _Plan) -> Iterator[Attempt]:
    for name, attempt in _attempts(plan).items():
        try:
            achieved = attempt()
        except OSError as error:
            yield Attempt(stage=stage, name=name, refused=True, detail=type(error).__name__)
        else:
            yield Attempt(stage=stage, name=name, refused=False, detail=achieved)


def _attempts(plan: _Plan) -> dict[str, Callable[[], str]]:
    folder = sys.argv[1]
    tried: dict[str, Callable[[], str]] = {
        "internet socket": lambda: _socket(socket.AF_INET, socket.SOCK_STREAM),
        "datagram socket": lambda: _socket(socket.AF_INET6, socket.SOCK_DGRAM),
        "unix socket": lambda: _socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "netlink socket": lambda: _socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "write into the checkpoint": lambda: _write(f"{folder}/planted"),
        "write to /tmp": lambda: _write("/tmp/planted"),  # noqa: S108 - it must fail
        "write to shared memory": lambda: _write("/dev/shm/planted"),  # noqa: S108 - it must fail
        "write to the root": lambda: _write("/planted"),
        "write beside the code": lambda: _write(str(Path(__file__).with_name("planted"))),
        "make a folder": lambda: _make_folder(f"{folder}/planted"),
        "start a program": lambda: str(subprocess.run([sys.executable, "-c", ""], check=False).returncode),
        "fork": _fork,
        "trace the parent": lambda: _checked(ctypes.CDLL(None, use_errno=True).ptrace, _PTRACE_ATTACH, plan.parent_pid),
        "make a namespace": lambda: _checked(ctypes.CDLL(None, use_errno=True).unshare, 0x10000000),
        "use an inherited descriptor": _inherited_descriptors,
        "read the caller's environment": _environment,
        "signal the parent": lambda: _signal(plan.parent_pid),
    }
    for path in plan.outside_files:
        tried[f"read {path}"] = lambda path=path: str(len(Path(path).read_bytes()))  # type: ignore[misc]  # mypy cannot type a bound default
    return tried


def _socket(family: int, kind: int) -> str:
    with socket.socket(family, kind):
        return "opened"


def _write(path: str) -> str:
    with Path(path).open("w") as file:
        file.write("x")
    return "written"


def _make_folder(path: str) -> str:
    Path(path).mkdir()
    return "made"


def _signal(pid: int) -> str:
    os.kill(pid, signal.SIGCONT)
    return "sent"


def _inherited_descriptors() -> str:
    own = os.open(os.devnull, os.O_RDONLY)
    os.close(own)
    found = [number for number in range(3, 256) if number != own and _is_open(number)]
    if not found:
        raise FileNotFoundError("nothing was inherited")
    return f"descriptors {found}"


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _environment() -> str:
    foreign = sorted(os.environ.keys() - KNOWN_VARIABLES)
    if not foreign:
        raise FileNotFoundError("nothing was passed on")
    return f"{len(foreign)} variables"


def _fork() -> str:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return "forked"


def _checked(function: Callable[..., int], *arguments: int) -> str:
    if function(*arguments, *([0] * (4 - len(arguments)))) != 0:
        raise OSError(ctypes.get_errno(), "refused")
    return "allowed"


if __name__ == "__main__":
    main()
