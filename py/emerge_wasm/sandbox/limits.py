"""The one place where a worker's process is fenced in, before it has seen any shipped code.

What is here bounds accidents; it is no boundary against malice. Imports nothing that a worker would not have anyway.
"""

from __future__ import annotations

import resource
import sys
from contextlib import suppress


def apply_limits(memory: int) -> None:
    """Bound this process for good: address space of `memory` bytes, no core dump, no file written, few files open."""
    sys.dont_write_bytecode = True
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 256)
    if memory and sys.platform != "darwin":  # macOS maps more than that before the first line runs
        _limit(resource.RLIMIT_AS, memory)


def allow_cpu(seconds: float) -> None:
    """Bound the next call's processor time: the kernel ends the process even when nobody is left to do so."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime + seconds) + 2
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))
