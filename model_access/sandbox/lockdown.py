"""The last door: what a worker gives up once its own code is loaded and before it reads the checkpoint."""

import resource

from model_access.sandbox import seccomp

_HEADROOM_BYTES = 1 << 30
"""Private memory a worker may map beyond its limit before the kernel refuses; the parent's watchdog acts earlier."""


def enter(inner_filter: bytes, memory_limit_bytes: int) -> None:
    """No new process, no socket, no file opened for writing, no signal, no core dump, bounded memory; for good.

    An empty filter means the profile offers no isolation. Raises Unavailable ``no_seccomp`` if the kernel refuses.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    bound = memory_limit_bytes + _HEADROOM_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or bound < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    if inner_filter:
        seccomp.apply(inner_filter)
