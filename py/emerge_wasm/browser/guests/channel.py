"""A channel of bytes to a guest worker of this page. The only module of guests' hosts that uses JavaScript."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from ...errors import Unavailable

EVENT_LIMIT = 64 << 20
"""Largest event between kernel and guest, in bytes."""


class GuestChannel(Protocol):
    """The channel to a started guest worker."""

    def send(self, data: bytes) -> None: ...

    def close(self) -> None: ...


OpenGuest = Callable[[Callable[[bytes], None], Callable[[str], None]], Awaitable[GuestChannel]]
"""Starts a guest worker, given (hear, lost): `hear` gets what it sends, `lost` why it ended. Raises Unavailable."""


async def open_guest(hear: Callable[[bytes], None], lost: Callable[[str], None]) -> GuestChannel:
    """Start a guest worker of this page. Raises Unavailable if the page can have none."""
    try:
        from emerge_guests import open  # type: ignore[import-not-found,unused-ignore]  # the kernel worker registers it
        from pyodide.ffi import create_proxy, to_js  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise Unavailable("code of others runs in a page of the relay only: nothing closes it in here") from None
    proxies = [create_proxy(lambda data: hear(data.to_bytes())), create_proxy(lambda detail: lost(str(detail)))]
    try:
        worker = await open(*proxies)
    except Exception as error:
        for proxy in proxies:
            proxy.destroy()
        raise Unavailable(
            f"the worker that closes in code of others did not start: {error}",
            remedy="see that the relay can be reached, then try again; or run it on its node",
        ) from None

    class PortChannel:
        """Make a channel of a worker's MessagePort."""

        def send(self, data: bytes) -> None:
            worker.send(to_js(data))

        def close(self) -> None:
            worker.close()
            for proxy in proxies:
                proxy.destroy()

    return PortChannel()
