"""The way into the Landlock profile: lock this process down, then become the worker in it.

``python -m model_access.sandbox.landlock_exec FILTER_FD READABLE:PATHS MODULE ARGUMENT…``. Nothing heavy is imported
and no thread started before the restrictions are in force.
"""

import ctypes
import os
import resource
import runpy
import signal
import sys
from pathlib import Path

import agreements  # noqa: F401 - once loaded, its submodules are found through its own folder
from model_access.sandbox import landlock, seccomp

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Restrict, then run the named module as ``__main__``."""
    filter_fd, readable, module, *rest = arguments
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(int(filter_fd), "rb") as file:
        program = file.read()
    own = [Path("/proc/self"), Path("/proc/cpuinfo"), Path("/proc/meminfo"), Path("/sys/devices/system")]
    devices = [Path("/dev/null"), Path("/dev/urandom"), Path("/dev/random")]
    landlock.restrict_to_reading([*map(Path, readable.split(os.pathsep)), *own, *devices])
    seccomp.apply(program)
    sys.argv = [module, *rest]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
