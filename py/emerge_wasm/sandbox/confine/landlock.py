"""Applies Landlock without exceptions: no file, directory, TCP port, or foreign abstract socket or process is allowed.

Restricts all that the kernel's Landlock version supports. Imports only `syscall` of this package.
"""

from __future__ import annotations

import os
import struct

from .syscall import LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF, syscall

_VERSION = 1
_FS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}  # all rights, by version
_NET = 0b11  # bind and connect TCP, from version 4
_SCOPES = 0b11  # abstract sockets and signals, from version 6


def abi() -> int:
    """Return the kernel's Landlock version. Raises OSError when it has no Landlock."""
    return syscall(LANDLOCK_CREATE_RULESET, None, 0, _VERSION)


def attributes(version: int) -> bytes:
    """Return the kernel's `struct landlock_ruleset_attr` with the rights to forbid: without rules, all it handles."""
    rights = max((mask for since, mask in _FS.items() if since <= version), default=0)
    fields = [rights, _NET if version >= 4 else 0, _SCOPES if version >= 6 else 0]
    used = 3 if version >= 6 else 2 if version >= 4 else 1
    return struct.pack(f"={used}Q", *fields[:used])


def restrict(version: int) -> None:
    """Restrict this process irrevocably; needs no_new_privs. Raises OSError when that fails."""
    data = attributes(version)
    ruleset = syscall(LANDLOCK_CREATE_RULESET, data, len(data), 0)
    try:
        syscall(LANDLOCK_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
