"""Clients by address: what `emerge_wasm.connect` and the classic names stand on."""

from __future__ import annotations

from .client import Client
from .sync_session import Opener
from .transports.registry import open_transport


def opener(address: str, token: str | None = None) -> Opener:
    """Opens a client of whatever answers at an address, over the transport that its scheme names."""

    async def open_client() -> Client:
        return Client(open_transport(address, token))

    return open_client
