"""Confines a worker, layer by layer, before it receives shipped code. The order of the layers matters.

Each layer is applied and verified; a missing one is reported by name. Imports nothing that needs a file later.
"""

from __future__ import annotations

import errno
import os
import platform
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ..settings import LAYERS, THREADS
from . import landlock, seccomp, syscall

OPEN_FILES = 32
FIRST_UID, UIDS = 61184, 4336
"""The range of user ids that systemd reserves for dynamic users, so that no account has one."""


@dataclass(frozen=True, slots=True)
class Fence:
    """The limits of a worker: `memory` bytes beyond those in use, and `processor` seconds for its whole life.

    `user` is a user id that no other process has, set if the node runs as root. `keep` are the descriptors that stay
    open. The worker ends when the process `parent` does.
    """

    memory: int
    processor: int
    user: int
    keep: frozenset[int]
    parent: int


def _descriptors(fence: Fence) -> None:
    last = 2
    for descriptor in sorted(fence.keep):
        os.closerange(last + 1, descriptor)
        last = descriptor
    os.closerange(last + 1, 1 << 20)


def _environment(fence: Fence) -> None:
    os.environ.clear()


def _no_new_privs(fence: Fence) -> None:
    syscall.prctl(syscall.PR_SET_NO_NEW_PRIVS, 1)
    _demand(syscall.prctl(syscall.PR_GET_NO_NEW_PRIVS) == 1)


def _memory(fence: Fence) -> None:
    if sys.platform == "linux":  # on macOS a new process already maps more than any limit
        _limit(resource.RLIMIT_AS, syscall.address_space() + fence.memory)


def _rlimits(fence: Fence) -> None:
    _limit(resource.RLIMIT_CPU, fence.processor)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)


def _user(fence: Fence) -> None:
    """Switch to a user of the worker's own, with a bounded number of threads. Only a node that runs as root can."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    os.setresgid(fence.user, fence.user, fence.user)
    os.setresuid(fence.user, fence.user, fence.user)
    _demand(set(os.getresuid() + os.getresgid()) == {fence.user} and not os.getgroups())
    _limit(resource.RLIMIT_NPROC, THREADS)


def _dumpable(fence: Fence) -> None:
    syscall.prctl(syscall.PR_SET_DUMPABLE, 0)
    _demand(syscall.prctl(syscall.PR_GET_DUMPABLE) == 0)


def _parent(fence: Fence) -> None:
    syscall.prctl(syscall.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != fence.parent:  # the parent died before prctl took effect
        os._exit(1)


def _landlock(fence: Fence) -> None:
    landlock.restrict(landlock.abi())


def _seccomp(fence: Fence) -> None:
    architecture = seccomp.ARCHITECTURES.get(platform.machine())
    if architecture is None:
        raise OSError(errno.ENOSYS, f"not known on {platform.machine()}")
    own_user = os.geteuid() == fence.user
    seccomp.install(seccomp.program(architecture, threads=own_user))
    try:
        os.open("/", os.O_RDONLY)
    except OSError as error:
        _demand(error.errno == errno.EPERM)
    else:
        _demand(False)


_STEPS: dict[str, Callable[[Fence], None]] = {
    "descriptors": _descriptors,
    "environment": _environment,
    "no_new_privs": _no_new_privs,
    "memory": _memory,
    "rlimits": _rlimits,
    "user": _user,
    "dumpable": _dumpable,
    "parent": _parent,
    "Landlock": _landlock,
    "seccomp": _seccomp,
}

assert tuple(_STEPS) == LAYERS


def confine(fence: Fence, layers: frozenset[str]) -> dict[str, str]:
    """Confine this process irrevocably by these layers. Return the layers that are missing, with reasons."""
    missing = {name: "left out" for name in LAYERS if name not in layers}
    for name, put_on in _STEPS.items():
        if name in layers:
            try:
                put_on(fence)
            except (OSError, ValueError) as error:
                missing[name] = str(error)
    return missing


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _demand(holds: bool) -> None:
    if not holds:
        raise OSError(errno.EPERM, "it does not hold")
