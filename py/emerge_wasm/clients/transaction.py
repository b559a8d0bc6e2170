"""Transactions as Python has them: a block whose changes are all made at its end, or none of them."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Generic, TypeVar

from ..errors import EmergeError
from .class_loader import MetadataJournal
from .writes import WriteOperations

log = logging.getLogger("emerge.clients")

C = TypeVar("C", bound=WriteOperations)


class ClientTransaction(Generic[C]):
    """`async with` gives a client whose calls are part of it. Commit at the end of the block, rollback when it raises.

    One that was joined is ended by whoever began it.
    """

    def __init__(self, client: C, name: str = "", seconds: int = 60, join: str = "") -> None:
        self._client = client
        self._name = name
        self._seconds = seconds
        self._join = join
        self._inside: C | None = None

    async def __aenter__(self) -> C:
        name = self._join or (await self._client.begin(self._name, self._seconds))["transaction"]
        self._inside = inside = self._client.within(transaction=name)
        inside.journal = MetadataJournal()
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

    async def _drop(self, inside: C) -> None:
        """Roll back. What went wrong before matters more than whether that works: the transaction expires by itself."""
        if inside.journal is not None:
            inside.journal.restore()
        name = inside.context["transaction"]
        try:
            await self._client.rollback(name)
        except EmergeError as error:
            log.warning("transaction %s could not be rolled back, and is left to expire: %s", name, error)
