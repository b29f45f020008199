"""System-call filters: compiled in the portal by libseccomp, applied in the worker by one raw call.

Two filters stack. The *outer* one is in force before the worker's first instruction: everything is allowed except what
no model needs. The *inner* one is applied once Python and torch are loaded and before the checkpoint is read: nothing
is allowed except a short list, so a flaw in a parser or a kernel meets a very small system. A refused call returns
EPERM.
"""

import ctypes
import errno
import os
import platform
import tempfile
from functools import cache
from typing import Any

from agreements.errors import Unavailable

_CLONE_THREAD = 0x00010000
_WRITING_FLAGS = os.O_ACCMODE | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA = 15, 16, 0x53564D41
_TCGETS, _FIONREAD = 0x5401, 0x541B

_NEVER = """
    socket socketpair ptrace mount umount2 pivot_root chroot unshare setns keyctl add_key request_key
    io_uring_setup io_uring_enter io_uring_register bpf userfaultfd perf_event_open process_vm_readv process_vm_writev
    kcmp pidfd_open pidfd_getfd pidfd_send_signal kexec_load kexec_file_load init_module finit_module delete_module
    open_by_handle_at name_to_handle_at fsopen fsmount fsconfig fspick move_mount open_tree mount_setattr
    personality quotactl reboot swapon swapoff acct settimeofday clock_settime clock_adjtime adjtimex iopl ioperm
    shmget shmat shmctl msgget msgsnd msgrcv msgctl semget semop semctl mq_open fork vfork syslog vhangup
    fanotify_init lookup_dcookie nfsservctl memfd_secret
"""

_SERVING = """
    read pread64 readv preadv write writev close lseek fstat newfstatat stat lstat statx access faccessat faccessat2
    readlink readlinkat getdents64 getcwd fcntl dup dup2 dup3 poll ppoll select pselect6
    mmap munmap mprotect mremap madvise brk mincore membarrier mbind get_mempolicy set_mempolicy
    futex futex_waitv set_robust_list get_robust_list rseq set_tid_address sched_yield sched_getaffinity
    sched_setaffinity sched_getparam sched_getscheduler getcpu
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times setitimer getrandom
    getpid getppid gettid getuid geteuid getgid getegid getrusage sysinfo uname arch_prctl exit exit_group
"""


@cache
def outer_filter() -> bytes:
    """The BPF program in force from the start. Raises Unavailable ``no_seccomp`` without libseccomp."""
    seccomp = _library()
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    refuse = seccomp.ERRNO(errno.EPERM)
    for name in _NEVER.split():
        _add(rules, refuse, name)
    _add(rules, refuse, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
    _hide_unfilterable(rules)
    return _compiled(rules)


@cache
def inner_filter() -> bytes:
    """The BPF program a worker serves under. Raises Unavailable ``no_seccomp`` without libseccomp."""
    seccomp = _library()
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in _SERVING.split():
        _add(rules, seccomp.ALLOW, name)
    _add(rules, seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_THREAD, _CLONE_THREAD))
    _add(rules, seccomp.ALLOW, "openat", seccomp.Arg(2, seccomp.MASKED_EQ, _WRITING_FLAGS, os.O_RDONLY))
    _add(rules, seccomp.ALLOW, "open", seccomp.Arg(1, seccomp.MASKED_EQ, _WRITING_FLAGS, os.O_RDONLY))
    for operation in (_PR_SET_NAME, _PR_GET_NAME, _PR_SET_VMA):
        _add(rules, seccomp.ALLOW, "prctl", seccomp.Arg(0, seccomp.EQ, operation))
    for request in (_TCGETS, _FIONREAD):
        _add(rules, seccomp.ALLOW, "ioctl", seccomp.Arg(1, seccomp.EQ, request))
    # Reading one's own limits is allowed, setting any is not: the third argument is the new limit.
    _add(rules, seccomp.ALLOW, "prlimit64", seccomp.Arg(2, seccomp.EQ, 0))
    _hide_unfilterable(rules)
    return _compiled(rules)


def apply(program: bytes) -> None:
    """Put every thread of this process under ``program``, for good. Raises Unavailable ``no_seccomp`` if refused."""

    class Fprog(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    set_mode_filter, flag_tsync = 1, 1
    libc = ctypes.CDLL(None, use_errno=True)
    fprog = Fprog(len(program) // 8, program)
    number = {"x86_64": 317, "aarch64": 277}.get(platform.machine())
    if number is None or libc.syscall(number, set_mode_filter, flag_tsync, ctypes.byref(fprog)) != 0:
        raise Unavailable("no_seccomp", f"The kernel refused the system-call filter (errno {ctypes.get_errno()}).")


def _hide_unfilterable(rules: Any) -> None:
    """Calls whose flags sit in memory, out of a filter's sight, do not exist: libc then falls back to those that do."""
    seccomp = _library()
    for name in ("clone3", "openat2"):
        _add(rules, seccomp.ERRNO(errno.ENOSYS), name)


def _add(rules: Any, action: int, name: str, *arguments: Any) -> None:
    """Add a rule, unless this machine's architecture has no such call."""
    seccomp = _library()
    try:
        known = seccomp.resolve_syscall(seccomp.system_arch(), name) >= 0
    except ValueError:
        return
    if known:
        rules.add_rule(action, name, *arguments)


def _compiled(rules: Any) -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def _library() -> Any:
    try:
        import pyseccomp
    except (ImportError, RuntimeError, OSError):
        raise Unavailable(
            "no_seccomp", "libseccomp is not installed.", hint="Install the package libseccomp2."
        ) from None
    return pyseccomp
