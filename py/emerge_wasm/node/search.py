"""Searching the cluster: each node looks through what it has, and the answers become one.

A search in the order of a field, or of scores, takes the first rows of all nodes; one in no order that is promised goes
through one node after the other. Which nodes it goes over is settled when it begins and stands in its cursor.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from ..errors import EmergeError, Unavailable
from ..filesystem.runs.event_queue import together
from ..filesystem.searches.aggregate import Table, make_table
from ..filesystem.searches.cursor import AGAIN, fingerprint
from ..filesystem.searches.judge import TOLD
from ..filesystem.tree.load import PAGE_BYTES, check_limit
from ..operations import Context, Names, Rows, Wire
from ..paths import split_path
from .join import (
    JOINT,
    Place,
    check_position,
    join_indexes,
    join_parts,
    join_plans,
    place_ordered,
    place_scored,
    read_joint,
    sum_errors,
    write_joint,
)
from .locate import Reach, Where, is_hidden

CURSORS = {"search": 5, "searchtext": 4}
"""Which argument is the cursor."""


def goes_on(name: str, args: Sequence[Any]) -> bool:
    """Whether it continues a search that began over several nodes, which may have gone."""
    cursor = args[CURSORS[name]] if name in CURSORS and len(args) > CURSORS[name] else ""
    return isinstance(cursor, str) and cursor.startswith(JOINT)


class Searching:
    """The routes of the operations that search."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    # --- pages
    async def search(self, args: list[Any], context: Context) -> Any:
        path, predicate, order_by, descending, limit, cursor, as_of, bundles = args
        check_limit(limit)
        if cursor and not cursor.startswith(JOINT):  # it began when this node was alone
            return await self._reach.local("search", args, context)
        asked = predicate or {}
        expression = [asked.get("text"), asked.get("values"), asked.get("bundle")]
        mark = fingerprint(path, *expression, order_by, descending, as_of)
        if not order_by:
            return await self._one_by_one(args, context, mark)

        def part(after: Any) -> list[Any]:
            return [path, predicate, order_by, descending, limit, after, as_of, bundles]

        rows, cursor, answers = await self._joined(
            "_ordered", part, (path, limit, cursor), context, mark, place_ordered(descending), bytes
        )
        return {"objects": rows, "cursor": cursor, **sum_errors(answers)}

    async def searchtext(self, args: list[Any], context: Context) -> Any:
        path, field, words, limit, cursor = args
        check_limit(limit)
        if cursor and not cursor.startswith(JOINT):
            return await self._reach.local("searchtext", args, context)
        mark = fingerprint(path, field, words)

        def part(after: Any) -> list[Any]:
            return [path, field, words, limit, after]

        rows, cursor, _ = await self._joined("_text", part, (path, limit, cursor), context, mark, place_scored, float)
        return {"objects": rows, "cursor": cursor}

    async def _joined(
        self, name: str, part: Any, page: tuple[str, int, str], context: Context, mark: bytes, place: Place, kind: type
    ) -> tuple[list[Any], str, list[Wire]]:
        """The next rows of all nodes, the cursor after them, and what each node told."""
        path, limit, cursor = page
        after = None
        if cursor:
            filesystems, after = read_joint(cursor, mark, list)
            args = part(check_position(after, kind))
            tried = await self._reach.try_all(self._places(path, filesystems), name, args, context)
            for _, answer in tried:
                if isinstance(answer, BaseException) and not is_hidden(answer):
                    raise answer
            told = [(where, answer) for where, answer in tried if isinstance(answer, dict)]
        else:
            told = await self._reach.ask_all(name, part(None), context)
        answers = [answer for _, answer in told]
        rows, end = join_parts(answers, place, limit)
        if end is None:
            return rows, "", answers
        return rows, write_joint(mark, [self._filesystem(where) for where, _ in told], list(end)), answers

    async def _one_by_one(self, args: list[Any], context: Context, mark: bytes) -> Wire:
        """The next objects of one node after the other."""
        path, limit, cursor, begun = args[0], args[4], args[5], bool(args[5])
        if begun:
            filesystems, inner = read_joint(cursor, mark, str)
        else:
            filesystems, inner = [self._filesystem(where) for where in (None, *self._reach.cluster.others())], ""
        places = self._places(path, filesystems)
        rows: list[Any] = []
        answers: list[Wire] = []
        hidden: list[BaseException] = []
        for number, where in enumerate(places):
            try:
                page = await self._reach.ask(where, "search", [*args[:4], limit - len(rows), inner, *args[6:]], context)
            except EmergeError as error:
                if not is_hidden(error):
                    raise
                hidden.append(error)
                inner = ""
                continue
            answers.append(page)
            rows += page["objects"]
            inner, rest = page["cursor"], filesystems[number:]
            if not inner:
                rest = rest[1:]
            if inner or len(rows) >= limit or sum(len(row["state"]) for row in rows) > PAGE_BYTES:
                after = write_joint(mark, rest, inner) if rest else ""
                return {"objects": rows, "cursor": after, **sum_errors(answers)}
        if not answers and not begun:
            raise self._reach.nothing(path, hidden)
        return {"objects": rows, "cursor": "", **sum_errors(answers)}

    def _filesystem(self, where: Where) -> str:
        return self._reach.filesystem.uuid if where is None else where.filesystem

    def _places(self, path: str, filesystems: Sequence[str]) -> list[Where]:
        """Where these are now; Unavailable when one is gone: what it had would be missing."""
        here: dict[str, Where] = {each.filesystem: each for each in self._reach.cluster.others()}
        here[self._reach.filesystem.uuid] = None
        for each in filesystems:
            if each not in here:
                lost = [identity.node for identity in self._reach.cluster.lost() if identity.filesystem == each]
                raise Unavailable(
                    f"node {lost[0]} is gone" if lost else "one of the nodes that are searched left",
                    path=path,
                    remedy=AGAIN + ": it then finds what the other nodes have",
                )
        return [here[each] for each in filesystems]

    # --- all at once
    async def count(self, args: list[Any], context: Context) -> Wire:
        answers = [answer for _, answer in await self._reach.ask_all("count", args, context)]
        return {"count": sum(answer["count"] for answer in answers), **sum_errors(answers)}

    async def explain(self, args: list[Any], context: Context) -> Wire:
        answers = await self._reach.ask_all("explain", args, context)
        if len(answers) == 1:
            only: Wire = answers[0][1]
            return only
        return join_plans([(self._reach.name(where), answer) for where, answer in answers])

    async def aggregate(self, args: list[Any], context: Context) -> Any:
        """Where all is, when that is one node; else here, from the fields that are needed of all objects."""
        path, values, by, predicate, as_of, bundles = args
        table = make_table(values, by)
        places = [None, *self._reach.cluster.others()] if as_of else await self._holders(path)
        if len(places) == 1:
            return await self._reach.ask(places[0], "aggregate", args, context)
        asked = [path, table.fields, predicate, as_of, bundles]
        columns = [_Columns(self._reach, where, asked, context, table) for where in places]
        await together(each.read() for each in columns)
        told = [each.told for each in columns if each.hidden is None]
        if not told:
            raise self._reach.nothing(path, [each.hidden for each in columns if each.hidden is not None])
        return {"groups": table.rows(), **sum_errors(told)}

    async def _holders(self, path: str) -> Sequence[Where]:
        """The nodes that have it, the own last."""
        split_path(path)
        return (await self._reach.find([path], everywhere=True)).get(path) or [None]

    # --- indexes
    async def index(self, args: list[Any], context: Context) -> Rows:
        """Those of all nodes; one is defined, or dropped, on every node that has the directory."""
        path, fields = args[:2]
        if fields:
            answers = await self._define(path, fields, args, context)
        else:
            answers = await self._reach.ask_all("index", args, context)
        return join_indexes([(self._reach.name(where), rows) for where, rows in answers])

    async def _define(self, path: str, fields: Names, args: list[Any], context: Context) -> list[tuple[Where, Rows]]:
        """One node after the other. To drop it where it is, is enough."""
        drop = args[4]
        answers: list[tuple[Where, Rows]] = []
        absent: EmergeError | None = None
        for where in await self._holders(path):
            try:
                answers.append((where, await self._reach.ask(where, "index", args, context)))
            except EmergeError as error:
                if not drop or not is_hidden(error):
                    raise
                absent = error
        if absent is not None and not answers:
            raise absent
        return answers


class _Columns:
    """The fields of what one node has, on their way into a table."""

    def __init__(self, reach: Reach, where: Where, args: list[Any], context: Context, table: Table) -> None:
        self.told: Wire = {"scanned": 0, "errors": {"count": 0, "first": []}}
        self.hidden: EmergeError | None = None
        self._pages = reach.stream(where, "_columns", args, context)
        self._table = table
        self._unfit: Rows = []
        self._count = 0

    async def read(self) -> None:
        try:
            async with aclosing(self._pages) as pages:
                async for page in pages:
                    self._take(page)
        except EmergeError as error:
            if not is_hidden(error):
                raise
            self.hidden = error

    def _take(self, page: Wire) -> None:
        if "columns" in page:
            self._table.add(
                len(page["paths"]), page["columns"], lambda row, error: self._note(page["paths"][row], error)
            )
            return
        errors = page["errors"]
        first = [*errors["first"], *self._unfit][:TOLD]
        self.told = {"scanned": page["scanned"], "errors": {"count": errors["count"] + self._count, "first": first}}

    def _note(self, path: str, error: str) -> None:
        self._count += 1
        if len(self._unfit) < TOLD:
            self._unfit.append({"path": path, "error": error})
