"""Linux system calls that Python has no function for, by ctypes. Imports nothing else of this package.

Symbols are looked up on import, so that confining a worker opens nothing more.
"""

from __future__ import annotations

import ctypes
import os
import platform

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS = 1, 4, 3, 38, 39
SECCOMP = {"x86_64": 317, "aarch64": 277}.get(platform.machine(), -1)
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


def syscall(number: int, *args: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    """Make a raw system call. Raises OSError with its errno when it fails."""
    given = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    result = int(_syscall(ctypes.c_long(number), *given))
    if result == -1:
        raise _failure()
    return result


def prctl(option: int, value: int = 0) -> int:
    """Call prctl. Raises OSError when it fails."""
    result = int(_libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(each) for each in (value, 0, 0, 0))))
    if result == -1:
        raise _failure()
    return result


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def address_space() -> int:
    """Return this process's address space in bytes."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * PAGE
