"""Memory for blocks on their way: what was freed is kept for the next ones."""

from __future__ import annotations

from functools import cache

KEPT = 12 << 20
"""Bytes of the largest buffer whose memory is kept, less than the 32 MiB that glibc allows; twice as many in all."""


@cache
def keep_buffers() -> None:
    """Have blocks of some megabytes share memory one after another, for the life of this process.

    The C library gives the memory of a large buffer back when it is freed, and the system clears each of its pages
    when the next one is made: a millisecond of processor time for a megabyte, which is more than to send it. By default
    it learns from the largest buffer that was freed how large they are that come and go; so one is.
    """
    bytes(KEPT)
