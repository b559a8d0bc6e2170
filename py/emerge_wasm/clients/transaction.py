"""Transactions as Python has them: a block whose changes are all made at its end, or none of them."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import EmergeError

if TYPE_CHECKING:
    from .client import Client


class Transaction:
    """`async with` gives a client whose calls are part of it. Commit at the end of the block, rollback when it raises.

    One that was joined is ended by whoever began it.
    """

    def __init__(self, client: Client, name: str = "", seconds: int = 60, join: str = "") -> None:
        self._client = client
        self._name = name
        self._seconds = seconds
        self._join = join
        self._inside: Client | None = None

    async def __aenter__(self) -> Client:
        name = self._join or (await self._client.begin(self._name, self._seconds))["transaction"]
        self._inside = inside = self._client.within(transaction=name)
        inside.kept = {}
        return inside

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inside, self._inside = self._inside, None
        if inside is None or self._join:
            return
        if kind is not None:
            await self._drop(inside)
            return
        try:
            await self._client.commit(inside.context["transaction"])
        except BaseException:
            await self._drop(inside)
            raise

    async def _drop(self, inside: Client) -> None:
        """Roll back; what went wrong before matters more than whether that works: it expires by itself."""
        inside._forget()
        with suppress(EmergeError):
            await self._client.rollback(inside.context["transaction"])
