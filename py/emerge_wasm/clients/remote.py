"""The operation table as typed calls of a transport, checked against `operations.Operations`.

Names no operation: each row of the table becomes a method.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, TypeVar, cast

from ..codec import native
from ..errors import Invalid
from ..operations import PATHS, TABLE, Operation, Operations, Transport, Wire
from ..paths import split_path, split_properties
from .fork import renew_in_child
from .partial import VALUES as MARKED_VALUES
from .partial import take_age, take_value
from .skew import explained, without_clock

T = TypeVar("T")

AT_ONCE = 192
"""Most calls of one client under way; more wait here, since a relay refuses those beyond 256 (streams count too)."""

_VALUES = frozenset({"aggregate", "cat", "diff", "query", "run", "runstream"})
"""Operations whose results hold values of objects."""

_MAPS = frozenset({"aggregate", "diff"})
"""Those of them whose results are maps with keys that the operation knows."""


class Turns:
    """Bounds the calls under way of a client and of all clients made from it."""

    def __init__(self) -> None:
        self.renew()
        renew_in_child(self)

    def renew(self) -> None:
        """Reset in a forked child, where no call is under way."""
        self.semaphore = asyncio.Semaphore(AT_ONCE)


class Remote:
    """Every operation of the table, as a method that takes its arguments by position.

    `context` is that of every call (see `Context.narrowed`).
    """

    def __init__(self, transport: Transport, context: Wire, turns: Turns) -> None:
        self._transport = transport
        self._context = context
        self._turns = turns

    async def _call(self, row: Operation, args: tuple[object, ...]) -> object:
        try:
            async with self._turns.semaphore:
                result = await self._ask(row, args)
            if row.name in MARKED_VALUES:
                result = take_value(result)
            elif row.name not in _VALUES or row.name in _MAPS:
                take_age(result)
            return native(result) if row.name in _VALUES else result
        except Invalid as error:
            _check_paths(row, args)
            raise await explained(error, row, args, self._transport) from None

    async def _ask(self, row: Operation, args: tuple[object, ...]) -> object:
        sent = row.without_defaults(args)
        try:
            return await self._transport.call(row.name, sent, self._context or None)
        except Invalid as error:
            context = without_clock(self._context, error)
            if context is None:
                raise
        return await self._transport.call(row.name, sent, context or None)

    async def _stream(self, row: Operation, args: tuple[object, ...]) -> AsyncGenerator[object, None]:
        items = self._transport.stream(row.name, row.without_defaults(args), self._context or None)
        warned = False
        try:
            async for item in items:
                warned = take_age(item, warned=warned) if row.name not in _VALUES else warned
                yield native(item) if row.name in _VALUES else item
        except Invalid as error:
            _check_paths(row, args)
            raise await explained(error, row, args, self._transport) from None
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()


def _method(row: Operation) -> Callable[..., object]:
    """Make the method of `Remote` for an operation."""

    def call(self: Remote, *args: object) -> object:
        return self._call(row, args)

    def stream(self: Remote, *args: object) -> object:
        return self._stream(row, args)

    return stream if row.streams else call


for _row in TABLE.values():
    setattr(Remote, _row.name, _method(_row))


def remote_operations(transport: Transport, context: Wire, turns: Turns) -> Operations:
    """Return the operations of a transport, typed as the table declares them."""
    return cast(Operations, Remote(transport, context, turns))  # its methods are made from the table's rows


def ending(items: AsyncIterator[T]) -> aclosing[AsyncGenerator[T, Any]]:
    """Return a context manager that ends an operation's stream at the end of the block.

    The garbage collector would end it later, and until then a stream holds a place on the other side.
    """
    return aclosing(cast("AsyncGenerator[T, Any]", items))  # as every stream of `Remote`


def _check_paths(row: Operation, args: tuple[Any, ...]) -> None:
    """Raise Invalid, naming the argument, for a path that cannot be encoded.

    The transport's error names only a position in the message.
    """
    for parameter, value in zip(row.parameters, args, strict=False):
        if parameter.name in PATHS:
            split_properties(value) if row.name == "cat" else split_path(value)
