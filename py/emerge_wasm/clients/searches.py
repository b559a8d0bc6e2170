"""The client's operations that find: by predicate, by words, by GraphQL; figures over objects; indexes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Any

from ..bundles.expression import capture_expression
from ..codec import encode
from ..errors import Invalid
from ..operations import Rows, Values, Wire
from .class_loader import ClassLoader
from .operations import PAGE
from .reads import AsOf, Reading, moment_text

Predicate = Callable[[Any], Any] | str | None
"""A function of one object (a lambda), or the text of an expression over `o`: `"o.unit_price < 3.5"`. None: all."""

POLL = 0.05  # seconds between looks at an index that is being built


class Looked:
    """What an answer tells of how it was found: `scanned`, how many objects were looked at, and `errors`, on how many
    of them the predicate raised ({"count", "first": [{"path", "error"}…]})."""

    scanned: int = 0
    errors: Mapping[str, Any] = MappingProxyType({"count": 0, "first": []})

    def look(self, wire: Wire) -> None:
        """Add what one answer tells."""
        self.scanned += wire.get("scanned", 0)
        if "errors" in wire:
            first = [*self.errors["first"], *wire["errors"]["first"]]
            self.errors = {"count": self.errors["count"] + wire["errors"]["count"], "first": first[:10]}


class Found(list[Any], Looked):
    """Objects that were found. `cursor` continues a limited search ("": there are no more)."""

    cursor = ""


class Groups(list[Wire], Looked):
    """Figures by group."""


class Count(int, Looked):
    """How many were found."""


class Explanation(dict[str, Any]):
    """How a search would be answered, as `explain` tells it; printed, it reads like a plan."""

    def __str__(self) -> str:
        return str(self["text"])

    __repr__ = __str__


class Searching(Reading, ClassLoader):
    """What can be found. A predicate runs where the objects are; what it captured travels with it."""

    async def search(
        self,
        predicate: Predicate = None,
        path: str = "/",
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        cursor: str = "",
        as_of: AsOf = None,
    ) -> Found:
        """The objects at or below a path for which a predicate is true: `search(lambda o: o.unit_price < 3.5)`.

        All of them, or with `limit` one page, continued from its `cursor`; in the order of a field, or in none that is
        promised. An object on which the predicate raises is not found, and counted in `errors`. CannotShip says what of
        the predicate cannot travel.
        """
        pages = self.search_pages(predicate, path, order_by, descending, limit, cursor, as_of)
        return await self._gather(pages)

    async def search_pages(
        self,
        predicate: Predicate = None,
        path: str = "/",
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        cursor: str = "",
        as_of: AsOf = None,
    ) -> AsyncIterator[Wire]:
        """The same page by page, as the operation gives them: pointers' maps and encoded states; no class is loaded."""
        wire, bundles = wire_predicate(predicate)

        def ask(size: int, cursor: str) -> Awaitable[Wire]:
            return self._send("search", [path, wire, order_by, descending, size, cursor, moment_text(as_of)], bundles)

        async for page in _pages(ask, limit, cursor):
            yield page

    async def _gather(self, pages: AsyncIterator[Wire]) -> Found:
        found = Found()
        async for page in pages:
            found.look(page)
            found.cursor = page["cursor"]
            for row in page["objects"]:
                found.append(await self._instance(row))
        return found

    async def count(self, predicate: Predicate = None, path: str = "/", *, as_of: AsOf = None) -> Count:
        """How many objects a search finds, without fetching them."""
        wire, bundles = wire_predicate(predicate)
        answer = await self._send("count", [path, wire, moment_text(as_of)], bundles)
        count = Count(answer["count"])
        count.look(answer)
        return count

    async def searchtext(
        self, field: str, words: str, path: str = "/", *, limit: int | None = None, cursor: str = ""
    ) -> Found:
        """The objects at or below a path whose field has all of the words (`wor*`: all that begin so), best first."""
        return await self._gather(self.text_pages(field, words, path, limit, cursor))

    async def text_pages(
        self, field: str, words: str, path: str = "/", limit: int | None = None, cursor: str = ""
    ) -> AsyncIterator[Wire]:
        """The same page by page, as the operation gives them; no class is loaded."""

        def ask(size: int, cursor: str) -> Awaitable[Wire]:
            return self._call("searchtext", path, field, words, size, cursor)

        async for page in _pages(ask, limit, cursor):
            yield page

    async def aggregate(
        self,
        path: str = "/",
        by: str | list[str] | None = None,
        where: Predicate = None,
        as_of: AsOf = None,
        **values: str | tuple[Any, ...] | list[Any],
    ) -> Groups:
        """Figures over the objects at or below a path, without fetching them; a row for each group:
        `aggregate("/customers", by="country", n="count", sales=("sum", "revenue"), p95=("percentile", "revenue", 95))`.

        Functions: count, sum, mean, min, max, std (of a sample), median, distinct, percentile.
        """
        wire, bundles = wire_predicate(where)
        wanted = {name: [value] if isinstance(value, str) else list(value) for name, value in values.items()}
        groups = [by] if isinstance(by, str) else list(by or [])
        args: Values = [path, wanted, groups, wire, moment_text(as_of)]
        answer = await self._send("aggregate", args, bundles)
        rows = Groups(answer["groups"])
        rows.look(answer)
        return rows

    async def explain(
        self, predicate: Predicate = None, path: str = "/", *, order_by: str = "", as_of: AsOf = None
    ) -> Explanation:
        """How a search would be answered: the plan, about how much is scanned, which index would help. Print it."""
        wire, bundles = wire_predicate(predicate)
        return Explanation(await self._send("explain", [path, wire, order_by, moment_text(as_of)], bundles))

    # --- indexes
    async def index(
        self, path: str, *fields: str, unique: bool = False, text: bool = False, drop: bool = False, wait: bool = True
    ) -> Rows:
        """Keep an index over fields of the objects at or below a directory, or `drop` it; the indexes there.

        It is built in the background; with `wait` this returns when it is ready. Invalid when it cannot be built (a
        unique one over objects that already agree, by name). Without fields: only the indexes there.
        """
        rows: Rows = await self._call("index", path, list(fields) or None, unique, text, drop)
        while wait and fields and not drop:
            mine = [row for row in rows if list(row["fields"]) == list(fields) and row["text"] == text]
            if not any(row["state"] == "building" for row in mine):
                _check_built(path, mine)
                break
            await asyncio.sleep(POLL)
            rows = await self._call("index", path)
        return rows

    # --- GraphQL
    async def graphql(self, document: str, path: str = "/", variables: Wire | None = None, name: str = "") -> Wire:
        """{"data", "errors"…}: the answer to a GraphQL document over the objects at or below a path. `name`: which of
        its operations."""
        answer: Wire = await self._call("graphql", path, document, variables, name)
        return answer

    async def subscribe(
        self, document: str, path: str = "/", variables: Wire | None = None, name: str = ""
    ) -> AsyncIterator[Wire]:
        """The answers to a GraphQL subscription, as they come."""
        async with aclosing(self._stream("subscribe", path, document, variables, name)) as answers:
            async for answer in answers:
                yield answer


async def _pages(ask: Callable[[int, str], Awaitable[Wire]], limit: int | None, cursor: str) -> AsyncIterator[Wire]:
    """Pages until there are no more, or `limit` objects."""
    while limit != 0:
        page = await ask(PAGE if limit is None else min(limit, PAGE), cursor)
        yield page
        cursor = page["cursor"]
        limit = None if limit is None else limit - len(page["objects"])
        if not cursor:
            return


def wire_predicate(predicate: Predicate) -> tuple[Wire | None, dict[str, bytes]]:
    """A predicate as operations take it, and the bundles to send along."""
    if predicate is None:
        return None, {}
    if isinstance(predicate, str):
        return {"text": f"lambda o: {predicate}", "values": encode({}), "bundle": ""}, {}
    expression = capture_expression(predicate)
    return expression.to_wire(), expression.bundles


def _check_built(path: str, rows: Rows) -> None:
    for row in rows:
        if row["state"] == "failed":
            raise Invalid(f"the index over {', '.join(row['fields'])} of {path} failed: {row['error']}", path=path)
