"""What a machine offers for isolation, and the profile chosen from it."""

from typing import Literal

from agreements.deciders import Value
from agreements.errors import Unavailable

SandboxKind = Literal["bubblewrap", "landlock", "none"]


class SandboxProfile(Value):
    """One way to isolate a worker. ``id`` goes into every receipt; its number rises when the rules change."""

    kind: SandboxKind
    id: str
    executable: str | None = None
    """Where bubblewrap is, for that kind."""

    @property
    def isolates(self) -> bool:
        """Whether a worker under this profile is kept from the network, other files and other processes."""
        return self.kind != "none"


LANDLOCK = SandboxProfile(kind="landlock", id="landlock+seccomp/1")
UNSAFE = SandboxProfile(kind="none", id="none/0")
"""No isolation at all: for development on systems that offer none. Every receipt says so."""


def bubblewrap_profile(executable: str) -> SandboxProfile:
    """The bubblewrap profile with the program at ``executable``."""
    return SandboxProfile(kind="bubblewrap", id="bubblewrap+seccomp/1", executable=executable)


class SandboxCapabilities(Value):
    """What was found on this machine, with the reason for everything that is not offered."""

    profiles: tuple[SandboxProfile, ...]
    """Profiles that really started a process here, strongest first."""
    bubblewrap: str | None
    landlock_abi: int
    """0 where the kernel has none."""
    seccomp: bool
    reasons: tuple[str, ...]
    """Why something is missing, in words for the operator."""


def choose(capabilities: SandboxCapabilities, *, allow_unsafe: bool = False) -> SandboxProfile:
    """The strongest profile offered. Raises Unavailable ``no_isolation`` when there is none and it is not waived."""
    if capabilities.profiles:
        return capabilities.profiles[0]
    if allow_unsafe:
        return UNSAFE
    raise Unavailable(
        "no_isolation",
        "This machine offers no isolation for model workers: " + "; ".join(capabilities.reasons) + ".",
        hint="Install bubblewrap and libseccomp2, or use a Linux kernel with Landlock. "
        "To run without, at your own risk, pass --unsafe-no-sandbox.",
    )
