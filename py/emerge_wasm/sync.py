"""The sync face of async code: the one switch between CPython and Pyodide.

On CPython an event loop in a background thread runs what is handed to it; in Pyodide `run_sync` (JSPI) suspends
the Python stack; in a sandbox's worker, whose transport blocks, it simply runs. Of ours it imports the errors and
`straight.py`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, ParamSpec, Protocol, TypeVar

from .errors import Invalid, Unavailable
from .straight import run_straight as run_straight

T = TypeVar("T")
P = ParamSpec("P")

AsyncWork = Coroutine[Any, Any, T]

IN_PYODIDE = sys.platform == "emscripten"


async def beside(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what takes long in another thread, so that the event loop goes on; here where there are no threads."""
    return function(*args, **kwargs) if IN_PYODIDE else await asyncio.to_thread(function, *args, **kwargs)


def wait(work: AsyncWork[T]) -> T:
    """Wait here for the result of a coroutine.

    Raises:
        Invalid: this code runs inside the event loop that it would wait for.
        Unavailable: this browser cannot wait.
    """
    return drive(work)


def iterate(items: AsyncIterator[T]) -> Generator[T, None, None]:
    """The items of an async iterator, one by one; leaving the loop early closes it.

    Raises:
        Unavailable: it is used in a process that was forked after it began.
    """

    async def step() -> list[T]:
        """The next item; none at the end."""
        try:
            return [await anext(items)]
        except StopAsyncIteration:
            return []

    process = os.getpid()
    try:
        while taken := wait(step()):
            yield taken[0]
            if os.getpid() != process:
                raise Unavailable("this stream belongs to the parent process", remedy="begin another one here")
    finally:
        close: Callable[[], AsyncWork[None]] | None = getattr(items, "aclose", None)
        if close is not None and os.getpid() == process:
            _finish(close())


def wait_in_pyodide(work: AsyncWork[T]) -> T:
    """Wait by suspending the Python stack, so that the browser's event loop goes on.

    Raises:
        Unavailable: this browser cannot do that.
    """
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
            results.append(await work)
        except BaseException as error:
            errors.append(error)

    results: list[T] = []
    errors: list[BaseException] = []
    run_sync(keep())
    for error in errors:
        raise error
    return results[0]


_loop: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()
_of_the_parent: list[object] = []  # kept, so that no finalizer closes what the parent process uses
_closing: set[asyncio.Task[None]] = set()


def background_loop() -> asyncio.AbstractEventLoop:
    """The event loop of the background thread, started at first use; it ends with the process."""
    global _loop
    with _lock:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="emerge-sync", daemon=True).start()
        return _loop


def _begin_anew() -> None:
    """In a forked child: neither the loop's thread nor whoever held the lock came along."""
    global _loop, _lock
    _of_the_parent.extend([_loop, list(_closing)])
    _closing.clear()
    _loop, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):  # neither Windows nor a browser forks
    os.register_at_fork(after_in_child=_begin_anew)


def _is_inside_loop() -> bool:
    try:
        return asyncio.get_running_loop() is _loop
    except RuntimeError:
        return False


def _wait_on_thread(work: AsyncWork[T]) -> T:
    if _is_inside_loop():
        work.close()
        raise Invalid(
            "this runs inside the event loop that it would wait for, so the wait would never end",
            remedy="await the async client here: emerge_wasm.clients.Client, or afs",
        )
    future = asyncio.run_coroutine_threadsafe(work, background_loop())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise


def _finish(work: AsyncWork[None]) -> None:
    """Wait for the end of a stream. It ends later inside the loop itself, where the garbage collector may find one, and
    with the process when that ends: its threads are gone by then."""
    if sys.is_finalizing():
        work.close()
        return
    if not _is_inside_loop():
        wait(work)
        return
    task = asyncio.get_running_loop().create_task(work)
    _closing.add(task)
    task.add_done_callback(_closing.discard)


class Drive(Protocol):
    """A way to wait for a coroutine."""

    def __call__(self, work: AsyncWork[T], /) -> T: ...


drive: Drive = wait_in_pyodide if IN_PYODIDE else _wait_on_thread
"""How this process waits for a coroutine: a sandbox's worker sets it to `run_straight`."""
