"""Starting a worker inside a profile, with two pipes and nothing else to the outside."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import agreements
import model_access
from agreements.errors import Unavailable
from model_access.sandbox import seccomp
from model_access.sandbox.profile import SandboxProfile

_CODE_INSIDE = "/code"
_CHECKPOINT_INSIDE = "/checkpoint"
KNOWN_VARIABLES = frozenset(
    {
        *("PYTHONPATH", "PYTHONHASHSEED", "LC_ALL", "HOME", "PWD", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM"),
        *("OMP_NUM_THREADS", "TORCHINDUCTOR_CACHE_DIR"),
    }
)
"""All the environment a worker has; bubblewrap itself adds PWD."""
_SYSTEM_LIBRARIES = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/local/lib")
_LINKER_CACHE = "/etc/ld.so.cache"
_SYSTEM_PREFIXES = frozenset({"/", "/usr", "/usr/local"})


def launch(
    profile: SandboxProfile,
    module: str,
    *,
    checkpoint_dir: Path,
    arguments: Sequence[str] = (),
    threads: int = 1,
) -> "subprocess.Popen[bytes]":
    """Run ``python -m module CHECKPOINT_DIR ARGUMENT…`` under ``profile``; stdin, stdout and stderr are pipes.

    The process dies with the *thread* that calls this (``PR_SET_PDEATHSIG`` counts threads), so call it from one that
    lives as long as the worker. The checkpoint's path is given as the worker sees it. Raises Unavailable
    ``sandbox_failed``.
    """
    interpreter = [os.path.realpath(sys.executable), "-s", "-S", "-P", "-B"]
    code = [str(Path(package.__path__[0])) for package in (agreements, model_access)]
    with _filter_descriptor(profile) as filter_fd:
        if profile.kind == "bubblewrap":
            inside = [*interpreter, "-m", module, _CHECKPOINT_INSIDE, *arguments]
            command = [*_bubblewrap(profile, checkpoint_dir, code, threads, filter_fd), "--", *inside]
            environment: dict[str, str] = {}
        else:
            environment = _environment(str(Path(code[0]).parent), code[1], threads)
            worker = [module, str(checkpoint_dir.resolve()), *arguments]
            if profile.kind == "landlock":
                readable = [*_python_roots(), *_system_roots(), *code, str(checkpoint_dir.resolve())]
                shim = "model_access.sandbox.landlock_exec"
                command = [*interpreter, "-m", shim, str(filter_fd), os.pathsep.join(readable), *worker]
            else:
                command = [*interpreter, "-m", *worker]
        try:
            return subprocess.Popen(  # noqa: S603 - built here from our own paths
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                cwd="/",
                close_fds=True,
                pass_fds=() if filter_fd is None else (filter_fd,),
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable("sandbox_failed", f"The {profile.id} sandbox did not start ({error.strerror}).") from None


def _bubblewrap(
    profile: SandboxProfile, checkpoint_dir: Path, code: Sequence[str], threads: int, filter_fd: int | None
) -> list[str]:
    command = [
        profile.executable or "bwrap",
        *("--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
        *("--uid", "65534", "--gid", "65534", "--hostname", "worker"),
        *("--seccomp", str(filter_fd)),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
    ]
    for path in (*_system_roots(), *_python_roots()):
        command += ["--ro-bind", path, path]
    for path in code:
        command += ["--ro-bind", path, f"{_CODE_INSIDE}/{Path(path).name}"]
    command += ["--ro-bind", str(checkpoint_dir.resolve()), _CHECKPOINT_INSIDE]
    for name, value in _environment(_CODE_INSIDE, _CODE_INSIDE, threads).items():
        command += ["--setenv", name, value]
    # The root is a tmpfs that exists only for the mount points; once they are made it is closed too.
    return [*command, "--chdir", "/", "--remount-ro", "/"]


def _environment(code_parent: str, existing_folder: str, threads: int) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([code_parent, *_package_roots()]),
        "PYTHONHASHSEED": "0",
        "LC_ALL": "C.UTF-8",
        "HOME": "/",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": str(threads),
        # torch insists on a cache folder when it is imported and never writes to it; any existing one will do.
        "TORCHINDUCTOR_CACHE_DIR": existing_folder,
    }


def _package_roots() -> list[str]:
    """The folders third-party packages are imported from."""
    names = {"site-packages", "dist-packages"}
    return list(dict.fromkeys(path for path in sys.path if Path(path).name in names and Path(path).is_dir()))


def _python_roots() -> list[str]:
    """What the interpreter reads: itself, its standard library, the third-party packages."""
    shared = sys.base_prefix in _SYSTEM_PREFIXES  # then its library is among the system's
    interpreter = os.path.realpath(sys.executable) if shared else sys.base_prefix
    return list(dict.fromkeys([interpreter, *_package_roots()]))


def _system_roots() -> list[str]:
    return [path for path in (*_SYSTEM_LIBRARIES, _LINKER_CACHE) if Path(path).exists()]


@contextmanager
def _filter_descriptor(profile: SandboxProfile) -> Iterator[int | None]:
    """A readable descriptor with the outer filter, for as long as the process is being started."""
    if not profile.isolates:
        yield None
        return
    reading, writing = os.pipe()
    try:
        with os.fdopen(writing, "wb") as file:
            file.write(seccomp.outer_filter())
        yield reading
    finally:
        os.close(reading)
