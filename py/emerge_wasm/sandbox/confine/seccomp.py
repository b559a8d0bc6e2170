"""The system calls that a worker may make, as a seccomp filter (classic BPF). Pure except for `install`.

An unlisted call fails with EPERM; a call of another architecture kills the process. The numbers are from the kernel's
asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from .syscall import SECCOMP, syscall

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN, _MASK = 0x20, 0x15, 0x35, 0x45, 0x06, 0x54
_ALLOW, _FAIL, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in the kernel's struct seccomp_data
_SET_MODE_FILTER, _ALL_THREADS = 1, 1

_PROT_EXEC = 4
_THREAD = 0x3D0F00  # the flags that pthread_create passes to clone
_DETACHED = 0x400000  # added by musl
_FCNTL = (1, 2, 3)  # F_GETFD, F_SETFD, F_GETFL

ALLOWED = """
    read write readv writev recvfrom close fstat lseek poll ppoll select pselect6
    munmap mremap brk madvise futex membarrier rseq set_robust_list get_robust_list set_tid_address
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack restart_syscall
    pause setitimer getitimer clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
    sched_yield sched_getaffinity getrandom getrusage uname getcwd exit exit_group
    getpid getppid gettid getpgrp getpgid getsid getuid geteuid getgid getegid getresuid getresgid getgroups
""".split()
"""Calls allowed with any arguments; `mmap`, `mprotect`, `sendto`, `fcntl` and `clone` are allowed only with some."""

X86_64 = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19, "writev": 20, "select": 23,
    "sched_yield": 24, "mremap": 25, "madvise": 28, "pause": 34, "nanosleep": 35, "getitimer": 36, "setitimer": 38,
    "getpid": 39, "sendto": 44, "recvfrom": 45, "clone": 56, "exit": 60, "uname": 63, "fcntl": 72, "getcwd": 79,
    "gettimeofday": 96, "getrusage": 98, "times": 100, "getuid": 102, "getgid": 104, "geteuid": 107, "getegid": 108,
    "getppid": 110, "getpgrp": 111, "getgroups": 115, "getresuid": 118, "getresgid": 120, "getpgid": 121, "getsid": 124,
    "rt_sigpending": 127, "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "sigaltstack": 131, "gettid": 186, "time": 201,
    "futex": 202, "sched_getaffinity": 204, "set_tid_address": 218, "restart_syscall": 219, "clock_gettime": 228,
    "clock_getres": 229, "clock_nanosleep": 230, "exit_group": 231, "pselect6": 270, "ppoll": 271,
    "set_robust_list": 273, "get_robust_list": 274, "getrandom": 318, "membarrier": 324, "rseq": 334, "clone3": 435,
}  # fmt: skip

AARCH64 = {
    "getcwd": 17, "fcntl": 25, "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66,
    "pselect6": 72, "ppoll": 73, "fstat": 80, "exit": 93, "exit_group": 94, "set_tid_address": 96, "futex": 98,
    "set_robust_list": 99, "get_robust_list": 100, "nanosleep": 101, "getitimer": 102, "setitimer": 103,
    "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123, "sched_yield": 124,
    "restart_syscall": 128, "sigaltstack": 132, "rt_sigsuspend": 133, "rt_sigaction": 134, "rt_sigprocmask": 135,
    "rt_sigpending": 136, "rt_sigtimedwait": 137, "rt_sigreturn": 139, "getresuid": 148, "getresgid": 150, "times": 153,
    "getpgid": 155, "getsid": 156, "getgroups": 158, "uname": 160, "getrusage": 165, "gettimeofday": 169, "getpid": 172,
    "getppid": 173, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "gettid": 178, "sendto": 206,
    "recvfrom": 207, "brk": 214, "munmap": 215, "mremap": 216, "clone": 220, "mmap": 222, "mprotect": 226,
    "madvise": 233, "getrandom": 278, "membarrier": 283, "rseq": 293, "clone3": 435,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """An architecture: `audit` is its number in the kernel's audit.h. Calls from `foreign` on are x32's (0: none)."""

    audit: int
    numbers: dict[str, int]
    foreign: int = 0


ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, X86_64, 0x40000000),
    "aarch64": Architecture(0xC00000B7, AARCH64),
}


def program(architecture: Architecture, *, threads: bool) -> bytes:
    """Return the filter as an array of `struct sock_filter`. Without `threads`, no thread can be started."""
    numbers = architecture.numbers
    steps = [_step(_LOAD, _ARCHITECTURE), *_unless(_EQUAL, architecture.audit, _KILL), _step(_LOAD, _NUMBER)]
    if architecture.foreign:
        steps += [_step(_AT_LEAST, architecture.foreign, 0, 1), _step(_RETURN, _KILL)]
    for name in ALLOWED:
        if name in numbers:
            steps += [_step(_EQUAL, numbers[name], 0, 1), _step(_RETURN, _ALLOW)]
    for name, checks in _conditional(threads).items():
        steps += [_step(_EQUAL, numbers[name], 0, len(checks)), *checks]
    steps.append(_step(_RETURN, _FAIL | errno.EPERM))
    return b"".join(steps)


def _conditional(threads: bool) -> dict[str, list[bytes]]:
    """Return the checks of each call that is allowed only with some arguments; every list ends the filter."""
    fail = _FAIL | errno.EPERM
    no_exec = [_step(_LOAD, _argument(2)), _step(_ANY_BIT, _PROT_EXEC, 0, 1), _step(_RETURN, fail)]
    no_address = [
        step for at in (_argument(4), _argument(4) + 4) for step in (_step(_LOAD, at), *_unless(_EQUAL, 0, fail))
    ]
    thread = [_step(_LOAD, _argument(0)), _step(_MASK, 0xFFFFFFFF ^ _DETACHED), *_unless(_EQUAL, _THREAD, fail)]
    return {
        "sendto": [*no_address, _step(_RETURN, _ALLOW)],
        "mmap": [*no_exec, _step(_RETURN, _ALLOW)],
        "mprotect": [*no_exec, _step(_RETURN, _ALLOW)],
        "fcntl": [_step(_LOAD, _argument(1)), *_one_of(_FCNTL), _step(_RETURN, fail)],
        "clone": [*thread, _step(_RETURN, _ALLOW)] if threads else [_step(_RETURN, fail)],
        "clone3": [_step(_RETURN, _FAIL | errno.ENOSYS)],  # its flags are behind a pointer; libc falls back to clone
    }


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _argument(number: int) -> int:
    """Return the offset of an argument's low half, which both architectures (little-endian) store first."""
    return 16 + 8 * number


def _unless(test: int, value: int, action: int) -> Iterator[bytes]:
    yield _step(test, value, 1, 0)
    yield _step(_RETURN, action)


def _one_of(values: tuple[int, ...]) -> Iterator[bytes]:
    for value in values:
        yield _step(_EQUAL, value, 0, 1)
        yield _step(_RETURN, _ALLOW)


def install(steps: bytes) -> None:
    """Install the filter on this process irrevocably; needs no_new_privs. Raises OSError when that fails."""
    buffer = ctypes.create_string_buffer(steps, len(steps))
    head = struct.pack("HxxxxxxP", len(steps) // 8, ctypes.addressof(buffer))
    syscall(SECCOMP, _SET_MODE_FILTER, _ALL_THREADS, ctypes.create_string_buffer(head, len(head)))
