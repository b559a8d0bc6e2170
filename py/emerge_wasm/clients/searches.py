"""The client's operations that search: by predicate, by words and by GraphQL, with aggregates and indexes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from ..bundles.expression import capture_expression
from ..codec import encode
from ..errors import EmergeError, Invalid
from ..operations import Operations, Wire
from ..results import GraphQLAnswer, IndexRows, ObjectRow, ScoredPage, Searched, SearchErrors, SearchPage, SearchPages
from .class_loader import Bundles
from .operations import WhoseCode, check_code
from .partial import add_missing, tell_moved
from .pointer_reads import PAGE, AsOf, moment_text
from .reads import ReadOperations, unloaded
from .remote import ending, remote_operations

SearchPredicate = Callable[[Any], object] | str | None
"""A function of one object (a lambda), or the text of an expression over `o`:
`"o.unit_price < 3.5"`. None: all."""

Aggregation = str | Sequence[object]
"""What `aggregate` computes: a function's name ("count"), or the name, a field and further arguments."""

FieldNames = str | Sequence[str]

P = TypeVar("P", SearchPage, ScoredPage)

POLLS = 0.002, 0.05
"""Seconds between looks at an index that is being built: first, and at most; each is twice the one before."""


class SearchStatistics:
    """Statistics of a search. `scanned` is the number of objects that were examined."""

    scanned: int = 0
    _errors: SearchErrors | None = None
    _missing: list[str] | None = None

    @property
    def missing(self) -> list[str]:
        """The names of the nodes that are away, and whose part was not searched; a `PartialAnswer` warns of it."""
        return self._missing or []

    def add_missing(self, names: Sequence[str]) -> None:
        """Add the names of nodes that are away."""
        known = self.missing
        add_missing(known, names)
        self._missing = known

    @property
    def errors(self) -> SearchErrors:
        """The objects on which the predicate raised, or whose class cannot be loaded: {"count", "first":
        [{"path", "error"}…]}."""
        return self._errors or {"count": 0, "first": []}

    def add_statistics(self, answer: Searched) -> None:
        """Add the statistics of one answer."""
        before, new = self.errors, answer["errors"]
        self.scanned += answer["scanned"]
        self._errors = {"count": before["count"] + new["count"], "first": [*before["first"], *new["first"]][:10]}
        self.add_missing(answer.get("missing", ()))
        tell_moved(answer)

    def add_error(self, row: ObjectRow, error: EmergeError) -> None:
        """Add an object that was found, and whose class cannot be loaded here."""
        self._errors = {"count": self.errors["count"] + 1, "first": [*self.errors["first"], unloaded(row, error)][:10]}


class SearchResult(list[Any], SearchStatistics):  # objects of any class
    """The objects that a search found. `cursor` continues a limited search ("": there are no more)."""

    cursor = ""


class GroupRows(list[dict[str, Any]], SearchStatistics):  # the caller's own names and values
    """The rows of `aggregate`, one for each group."""


class ObjectCount(int, SearchStatistics):
    """The number of objects that a search found."""


class Explanation(dict[str, object]):
    """The plan of a search, as `explain` returns it; `print` shows it as text."""

    def __str__(self) -> str:
        return str(self["text"])

    __repr__ = __str__


class SearchOperations(ReadOperations):
    """The operations that search. A predicate runs where the objects are, and its captured values are sent along."""

    async def search(
        self,
        predicate: SearchPredicate = None,
        path: str = "/",
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        cursor: str = "",
        as_of: AsOf = None,
        code: WhoseCode = "stored",
    ) -> SearchResult:
        """The objects at or below a path for which a predicate is true: `search(lambda o: o.unit_price < 3.5)`.

        All of them, or with `limit` one page, continued from its `cursor`; in the order of a field, or in none that is
        promised. An object on which the predicate raises is not found, and counted in `errors`. CannotShip says what of
        the predicate cannot travel. `code`: see `getobject`; the predicate itself meets the code as it was stored.
        """
        check_code(code)
        found = SearchResult()
        async for page in self.search_pages(predicate, path, order_by, descending, limit, cursor, as_of):
            found.add_statistics(page)
            await self._append(found, page["objects"], page["cursor"], code)
        return found

    async def search_pages(
        self,
        predicate: SearchPredicate = None,
        path: str = "/",
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        cursor: str = "",
        as_of: AsOf = None,
    ) -> AsyncIterator[SearchPage]:
        """The same page by page, as the operation gives them: pointers' maps and encoded states; no class is loaded."""
        wire, bundles = wire_predicate(predicate)
        moment = moment_text(as_of)

        remote = self._timed()

        def ask(size: int, cursor: str) -> Awaitable[SearchPage]:
            return self._send(
                lambda fresh: remote.search(path, wire, order_by, descending, size, cursor, moment, fresh),
                bundles,
            )

        async for page in _pages(ask, limit, cursor):
            yield page

    def _timed(self) -> Operations:
        """The operations with this process's clock, which a search takes once: its moment and its time zone."""
        from ..query.local_time import clock_here  # with it comes all that compiles a query, which only nodes do

        clock = self.context.get("clock") or clock_here().wire()
        return remote_operations(self.transport, {**self.context, "clock": clock}, self._turns)

    async def _append(self, found: SearchResult, rows: Sequence[ObjectRow], cursor: str, code: WhoseCode) -> None:
        """Add the objects of one page."""
        found.cursor = cursor
        objects, failed = await self._instances(rows, code)
        found += objects
        for row, error in failed:
            if code == "mine":
                raise error
            found.add_error(row, error)

    async def count(self, predicate: SearchPredicate = None, path: str = "/", *, as_of: AsOf = None) -> ObjectCount:
        """How many objects a search finds, without fetching them."""
        wire, bundles = wire_predicate(predicate)
        moment, remote = moment_text(as_of), self._timed()
        answer = await self._send(lambda fresh: remote.count(path, wire, moment, fresh), bundles)
        count = ObjectCount(answer["count"])
        count.add_statistics(answer)
        return count

    async def searchpages(
        self,
        predicate: SearchPredicate = None,
        path: str = "/",
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int = 1000,
        as_of: AsOf = None,
    ) -> SearchPages:
        """How many objects a search finds, and the `cursor` of each page of so many for `search`, to jump anywhere.

        There are no cursors where several nodes have a part.
        """
        wire, bundles = wire_predicate(predicate)
        moment, remote = moment_text(as_of), self._timed()
        return await self._send(
            lambda fresh: remote.searchpages(path, wire, order_by, descending, limit, moment, fresh), bundles
        )

    async def searchtext(
        self,
        field: str,
        words: str,
        path: str = "/",
        *,
        limit: int | None = None,
        cursor: str = "",
        code: WhoseCode = "stored",
    ) -> SearchResult:
        """The objects at or below a path whose field has all of the words (`wor*`: all that begin so), best first."""
        check_code(code)
        found = SearchResult()
        async for page in self.text_pages(field, words, path, limit, cursor):
            found.add_missing(page.get("missing", ()))
            tell_moved(page)
            await self._append(found, page["objects"], page["cursor"], code)
        return found

    async def text_pages(
        self, field: str, words: str, path: str = "/", limit: int | None = None, cursor: str = ""
    ) -> AsyncIterator[ScoredPage]:
        """The same page by page, as the operation gives them; no class is loaded."""

        def ask(size: int, cursor: str) -> Awaitable[ScoredPage]:
            return self.remote.searchtext(path, field, words, size, cursor)

        async for page in _pages(ask, limit, cursor):
            yield page

    async def aggregate(
        self,
        path: str = "/",
        by: FieldNames | None = None,
        where: SearchPredicate = None,
        as_of: AsOf = None,
        **values: Aggregation,
    ) -> GroupRows:
        """Figures over the objects at or below a path, without fetching them; a row for each group:
        `aggregate("/customers", by="country", n="count", sales=("sum", "revenue"), p95=("percentile", "revenue", 95))`.

        Functions: count, sum, mean, min, max, std (of a sample), median, distinct, percentile.
        """
        wire, bundles = wire_predicate(where)
        wanted = {name: [value] if isinstance(value, str) else [*value] for name, value in values.items()}
        groups = [by] if isinstance(by, str) else [*(by or [])]
        moment, remote = moment_text(as_of), self._timed()
        answer = await self._send(lambda fresh: remote.aggregate(path, wanted, groups, wire, moment, fresh), bundles)
        rows = GroupRows(answer["groups"])
        rows.add_statistics(answer)
        return rows

    async def explain(
        self, predicate: SearchPredicate = None, path: str = "/", *, order_by: str = "", as_of: AsOf = None
    ) -> Explanation:
        """How a search would be answered: the plan, about how much is scanned, which index would help. Print it."""
        wire, bundles = wire_predicate(predicate)
        moment, remote = moment_text(as_of), self._timed()
        plan = await self._send(lambda fresh: remote.explain(path, wire, order_by, moment, fresh), bundles)
        return Explanation(plan)

    # --- indexes
    async def index(
        self, path: str, *fields: str, unique: bool = False, text: bool = False, drop: bool = False, wait: bool = True
    ) -> IndexRows:
        """Keep an index over fields of the objects at or below a directory, or `drop` it; the indexes there.

        It is built in the background; with `wait` this returns when it is ready. Invalid when it cannot be built (a
        unique one over objects that already agree, by name). Without fields: only the indexes there.
        """
        rows = await self.remote.index(path, [*fields] or None, unique, text, drop)
        pause, longest = POLLS
        while wait and fields and not drop:
            mine = [row for row in rows if tuple(row["fields"]) == fields and row["text"] == text]
            if not any(row["state"] == "building" for row in mine):
                _check_built(path, mine)
                break
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)
            rows = await self.remote.index(path)
        return rows

    # --- GraphQL
    async def graphql(
        self, document: str, path: str = "/", variables: Wire | None = None, name: str = ""
    ) -> GraphQLAnswer:
        """{"data", "errors"…}: the answer to a GraphQL document over the objects at or below a path. `name`: which of
        its operations."""
        return await self._timed().graphql(path, document, variables, name)

    async def subscribe(
        self, document: str, path: str = "/", variables: Wire | None = None, name: str = ""
    ) -> AsyncIterator[GraphQLAnswer]:
        """The answers to a GraphQL subscription, as they come."""
        async with ending(self._timed().subscribe(path, document, variables, name)) as answers:
            async for answer in answers:
                yield answer


async def _pages(ask: Callable[[int, str], Awaitable[P]], limit: int | None, cursor: str) -> AsyncIterator[P]:
    """Yield pages until there are no more, or until they have `limit` objects."""
    while limit != 0:
        page = await ask(PAGE if limit is None else min(limit, PAGE), cursor)
        yield page
        cursor = page["cursor"]
        limit = None if limit is None else limit - len(page["objects"])
        if not cursor:
            return


def wire_predicate(predicate: SearchPredicate) -> tuple[Wire | None, Bundles]:
    """Return a predicate in the form that operations take, and the bundles to send along."""
    if predicate is None:
        return None, {}
    if isinstance(predicate, str):
        if predicate.startswith("/"):
            shell = f"in a shell first, emerge search {predicate} EXPRESSION"
            remedy = f"in Python it comes second, search(lambda o: …, {predicate!r}); {shell}"
            raise Invalid(f"a predicate is an expression over o, and not a path: {predicate!r}", remedy=remedy)
        return {"text": f"lambda o: {predicate}", "values": encode({}), "bundle": ""}, {}
    expression = capture_expression(predicate)
    return expression.to_wire(), expression.bundles


def _check_built(path: str, rows: IndexRows) -> None:
    for row in rows:
        if row["state"] == "failed":
            raise Invalid(f"the index over {', '.join(row['fields'])} of {path} failed: {row['error']}", path=path)
