"""A line to a guest worker of this page: bytes out, bytes in, and its end. The only part that knows JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from ...errors import Unavailable


class Line(Protocol):
    """A started guest worker."""

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...


Open = Callable[[Callable[[bytes], None], Callable[[str], None]], Awaitable[Line]]
"""open(hear, lost): start a guest worker. Raises Unavailable."""


async def open_guest(hear: Callable[[bytes], None], lost: Callable[[str], None]) -> Line:
    """A guest worker of this page. Unavailable when there can be none."""
    try:
        from emerge_guests import open  # type: ignore[import-not-found,unused-ignore]  # the kernel worker registers it
        from pyodide.ffi import create_proxy, to_js  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise Unavailable("code of others runs in a page of the relay only: nothing closes it in here") from None
    proxies = [create_proxy(lambda data: hear(data.to_bytes())), create_proxy(lambda detail: lost(str(detail)))]
    try:
        started = await open(*proxies)
    except Exception as error:
        for proxy in proxies:
            proxy.destroy()
        raise Unavailable(
            f"the worker that closes in code of others did not start: {error}",
            remedy="see that the relay can be reached, then try again; or run it on its node",
        ) from None
    return _Started(started, proxies, to_js)


class _Started:
    def __init__(self, worker: Any, proxies: list[Any], to_js: Callable[[bytes], Any]) -> None:
        self._worker = worker
        self._proxies = proxies
        self._to_js = to_js

    def send(self, data: bytes) -> None:
        self._worker.send(self._to_js(data))

    def close(self) -> None:
        self._worker.close()
        for proxy in self._proxies:
            proxy.destroy()
