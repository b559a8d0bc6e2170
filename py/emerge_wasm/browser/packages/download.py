"""How much of the files of packages has come. Only `listening` needs a browser; imports js late."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LARGE = 1_000_000  # bytes of a file from which it is told
OFTEN = 0.2  # seconds between two lines
HEARD = "packagebytes"
"""The event of web/packages.ts."""


class Download:
    """Files on their way. `tell` is given each line."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._files: dict[str, tuple[int, int]] = {}
        self._told = -OFTEN

    def hear(self, name: str, done: int, total: int) -> None:
        """Of a file so many bytes have come; a `total` of 0 is not known."""
        if max(done, total) < LARGE:
            return
        self._files[name] = (done, max(done, total))
        here, all = (sum(numbers) for numbers in zip(*self._files.values(), strict=True))
        now = time.monotonic()
        if here < all and now - self._told < OFTEN:
            return
        self._told = now
        self._tell(f"{here / 1e6:.1f} of {all / 1e6:.1f} MB")


@contextmanager
def listening(download: Download) -> Iterator[None]:
    """Let it hear what this worker fetches."""
    import js
    from pyodide.ffi import create_proxy

    hear = create_proxy(lambda event: download.hear(*event.detail))
    js.addEventListener(HEARD, hear)
    try:
        yield
    finally:
        js.removeEventListener(HEARD, hear)
        hear.destroy()
