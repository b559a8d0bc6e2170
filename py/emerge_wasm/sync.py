"""The sync face of async code: the one switch between CPython and Pyodide.

On CPython an event loop in a background thread runs what is handed to it; in Pyodide `run_sync` (JSPI) suspends
the Python stack; in a sandbox's worker, whose transport blocks, it simply runs. Imports nothing of ours but the errors.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

from .errors import Unavailable

T = TypeVar("T")

IN_PYODIDE = sys.platform == "emscripten"


def wait(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, waited for here. Unavailable where this browser cannot wait."""
    value: T = drive(work)
    return value


def run_straight(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never suspends. RuntimeError when it does."""
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("it waits for something else than the filesystem: use afs, and await it")


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an async iterator, one by one; leaving the loop early closes it."""

    async def step() -> tuple[bool, Any]:
        try:
            return True, await anext(items)
        except StopAsyncIteration:
            return False, None

    try:
        while True:
            more, item = wait(step())
            if not more:
                return
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            wait(close())


def _wait_in_pyodide(work: Coroutine[Any, Any, T]) -> T:
    from pyodide.ffi import can_run_sync, run_sync

    if not can_run_sync():
        work.close()
        raise Unavailable(
            "this browser cannot wait for a result inside Python (no JSPI)",
            remedy="use the async client with await, or a newer browser: Chromium 137, Firefox 153, Safari 27",
        )

    async def keep() -> None:
        # JavaScript is in between: a float that passes through it comes back an int, an error prints itself
        try:
            kept.append((await work, None))
        except BaseException as error:
            kept.append((None, error))

    kept: list[tuple[Any, BaseException | None]] = []
    run_sync(keep())
    result, error = kept[0]
    if error is not None:
        raise error
    value: T = result
    return value


_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def background_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the background thread, started at first use; it ends with the process."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="emerge-sync", daemon=True).start()
        return _loop


def _wait_on_thread(work: Coroutine[Any, Any, T]) -> T:
    loop = background_loop()
    future = asyncio.run_coroutine_threadsafe(work, loop)
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise


drive: Callable[[Coroutine[Any, Any, Any]], Any] = _wait_in_pyodide if IN_PYODIDE else _wait_on_thread
"""How this process waits for a coroutine: a sandbox's worker sets it to `run_straight`."""
