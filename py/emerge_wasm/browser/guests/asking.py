"""The client of a tab's cells: before a class is loaded into this tab that it has not run before, the user is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from ...clients.class_loader import Bundles
from ...clients.client import Client
from ...objects import Pointer
from ...operations import Transport
from .consent import HERE, Consent

T = TypeVar("T")


class AskingClient(Client):
    """A Client that loads no class unasked. `reader` fetches bundles for it, `where` is its filesystem's name."""

    def __init__(self, transport: Transport, consent: Consent, reader: Client, where: str) -> None:
        super().__init__(transport)
        self._consent = consent
        self._reader = reader
        self._where = where
        self._about: dict[str, Any] = {}  # the pointer of the object that is being unpacked

    async def load_class(self, pointer: Pointer) -> type:
        self._about = {**pointer.to_wire()}
        return await super().load_class(pointer)

    async def fetch_bundles(self, hash: str) -> dict[str, bytes]:
        """A bundle and all it requires, for loading: asked for first, and not known to this client before."""
        about = self._about or {"bundle": hash}
        found = await self._reader.fetch_bundles(hash)
        await self._consent.ask(about, found, HERE, self._where)
        self._bundles |= found
        return found

    async def _send(self, send: Callable[[Bundles], Awaitable[T]], bundles: Bundles) -> T:
        """What is sent from here was written or loaded here."""
        self._consent.know(bundles)
        return await super()._send(send, bundles)
