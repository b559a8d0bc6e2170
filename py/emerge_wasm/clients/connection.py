"""Opens clients by address, for `emerge_wasm.connect` and the classic API."""

from __future__ import annotations

from .client import Client
from .sync_session import Opener
from .transports.address import Reach
from .transports.registry import open_transport
from .trust import Trust


def opener(address: str, token: str | None = None, key: str | None = None) -> Opener:
    """Return a function that opens a client of an address, over the transport that its scheme names."""

    async def open_client() -> Client:
        client = Client(open_transport(address, token, key))
        client.reach = Reach(address, token, key)
        client.trusted = Trust(address)
        return client

    return open_client
