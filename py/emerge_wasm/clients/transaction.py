"""Transactions as context managers: all changes of a block are made at its end, or none."""

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
    """Context manager of a client whose calls are part of a transaction.

    The end of the block commits, and an exception rolls back. A joined transaction is left to the client that began it.
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
        """Roll back. A failure of that is only logged: the first error matters more, and the transaction expires."""
        if inside.journal is not None:
            inside.journal.restore()
        name = inside.context["transaction"]
        try:
            await self._client.rollback(name)
        except EmergeError as error:
            log.warning("transaction %s could not be rolled back, and is left to expire: %s", name, error)
