"""Finding out what isolation this machine really offers, by starting a process in each profile."""

import platform
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from agreements.errors import ConcordatError
from model_access.sandbox import landlock, seccomp
from model_access.sandbox.launcher import launch
from model_access.sandbox.profile import LANDLOCK, SandboxCapabilities, SandboxProfile, bubblewrap_profile

_PROBE_TIMEOUT_S = 60


@cache
def detect() -> SandboxCapabilities:
    """What is offered here. Starts one short process per candidate profile, once per program."""
    reasons: list[str] = []
    if sys.platform != "linux":
        reasons.append(f"{platform.system()} has neither bubblewrap nor Landlock")
        return SandboxCapabilities(profiles=(), bubblewrap=None, landlock_abi=0, seccomp=False, reasons=tuple(reasons))
    has_seccomp = _has_seccomp(reasons)
    executable = shutil.which("bwrap")
    abi = landlock.abi_version()
    candidates: list[SandboxProfile] = []
    if executable is None:
        reasons.append("bubblewrap (bwrap) is not installed")
    else:
        candidates.append(bubblewrap_profile(executable))
    if abi < landlock.MINIMUM_ABI:
        reasons.append(f"the kernel's Landlock ABI is {abi}, and {landlock.MINIMUM_ABI} is needed")
    else:
        candidates.append(LANDLOCK)
    working = [candidate for candidate in candidates if has_seccomp and _starts(candidate, reasons)]
    return SandboxCapabilities(
        profiles=tuple(working),
        bubblewrap=executable,
        landlock_abi=abi,
        seccomp=has_seccomp,
        reasons=tuple(reasons),
    )


def _has_seccomp(reasons: list[str]) -> bool:
    try:
        seccomp.outer_filter()
        seccomp.inner_filter()
    except ConcordatError as error:
        reasons.append(error.message.rstrip("."))
        return False
    return True


def _starts(profile: SandboxProfile, reasons: list[str]) -> bool:
    """Whether a Python with our code in it comes up under ``profile``."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            process = launch(profile, "model_access.build", checkpoint_dir=Path(folder))
            _, complaint = process.communicate(timeout=_PROBE_TIMEOUT_S)
        except ConcordatError as error:
            reasons.append(error.message.rstrip("."))
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            reasons.append(f"{profile.kind} did not start within {_PROBE_TIMEOUT_S} s")
            return False
    if process.returncode == 0:
        return True
    last_line = complaint.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {process.returncode}"]
    reasons.append(f"{profile.kind} does not work here: {last_line[0]}")
    return False
