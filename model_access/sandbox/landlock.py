"""Landlock by raw system calls: a process gives up everything but reading named paths.

Covers files, TCP, and from ABI 6 signals and abstract sockets to processes outside. Numbers and structures are the
kernel's user interface, ``include/uapi/linux/landlock.h``; the three calls have the same numbers on every architecture.
"""

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

from agreements.errors import Unavailable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_FS_READ_FILE, _FS_READ_DIR = 1 << 2, 1 << 3
_FS_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many file-system rights each ABI knows; they are numbered from bit 0."""
_NET_BIND_AND_CONNECT_TCP = 0b11
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

MINIMUM_ABI = 3
"""Older kernels cannot refuse to truncate a file."""


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi_version() -> int:
    """The Landlock ABI of this kernel, 0 where there is none."""
    return max(0, _call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION, check=False))


def restrict_to_reading(paths: Iterable[Path]) -> None:
    """From now on this thread and its children can only read below ``paths``; nothing can be written or executed.

    Must run before any other thread exists. Paths that do not exist are passed over. Raises Unavailable
    ``no_landlock``.
    """
    abi = abi_version()
    if abi < MINIMUM_ABI:
        raise Unavailable("no_landlock", f"Landlock ABI {MINIMUM_ABI} is needed, and this kernel has {abi}.")
    attributes = _RulesetAttributes(
        fs=(1 << _FS_RIGHTS_BY_ABI.get(abi, 16)) - 1,
        net=_NET_BIND_AND_CONNECT_TCP if abi >= 4 else 0,
        scoped=_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if abi >= 6 else 0,
    )
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8  # older kernels refuse fields they do not know
    ruleset = _call(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    try:
        for path in paths:
            _allow_reading(ruleset, path)
        forbid_new_privileges()
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def forbid_new_privileges() -> None:
    """No program this process starts can gain rights (set-user-id and the like). Raises Unavailable ``no_landlock``."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise Unavailable("no_landlock", "The kernel refused no_new_privs.")


def _allow_reading(ruleset: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rights = _FS_READ_FILE | (_FS_READ_DIR if path.is_dir() else 0)
        _call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(rights, descriptor)), 0)
    finally:
        os.close(descriptor)


def _call(number: int, *arguments: object, check: bool = True) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, *arguments))
    if check and result < 0:
        raise Unavailable("no_landlock", f"The kernel refused a Landlock rule (errno {ctypes.get_errno()}).")
    return result
