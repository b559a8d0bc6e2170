"""Searching the cluster: each owner of a part searches what it has, and the answers become one.

A search in the order of a field, or of scores, takes the first rows of all parts; one without a promised order goes
through one part after the other. The parts are chosen when the search begins, and stand in its cursor. Parts whose
owner is away are left out, and `missing` names their nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from random import random
from typing import Any, NamedTuple, TypeVar, cast

from ..errors import EmergeError, Unavailable
from ..filesystem.searches.aggregate import Table, make_table
from ..filesystem.searches.cursor import continued, fingerprint, with_clock
from ..filesystem.searches.judge import TOLD
from ..filesystem.tree.load import PAGE_BYTES, check_limit
from ..operations import Arguments, Context, Wire, find_operation
from ..results import (
    GroupTable,
    IndexRow,
    ObjectRow,
    PlanInfo,
    ScoredPage,
    SearchCount,
    Searched,
    SearchError,
    SearchPage,
    SearchPages,
)
from .calls import CALLS
from .gather import Answered, Gathered, gather, gather_parts, sort_out
from .join import (
    JOINT,
    SortKey,
    by_field,
    by_score,
    check_position,
    join_indexes,
    join_parts,
    join_plans,
    read_joint,
    sum_errors,
    sum_scanned,
    write_joint,
)
from .locate import Locator, VolumePart, at, is_hidden
from .recent_moves import MOVES, MoveCheck
from .stale import oldest

PAUSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Seconds, at most, before a search is made again during which something was moved."""

PAGED = frozenset({"search", "searchtext"})
"""The operations whose cursor may name several nodes."""


T = TypeVar("T", SearchPage, ScoredPage, SearchCount, GroupTable)


def continues(name: str, args: Sequence[object]) -> bool:
    """Tell whether a call continues a search over several nodes, some of which may be gone."""
    return name in PAGED and bool(find_operation(name).bind(args).cursor.startswith(JOINT))


class JointSearch(NamedTuple):
    """A search whose pages take the first rows of all nodes: the part that each of them is asked for.

    `mark` tells searches apart, `kind` is the type of the first value of a position.
    """

    part: str
    args: Arguments
    mark: bytes
    sort_key: SortKey
    kind: type


class SearchRoutes:
    """The routes of the operations that search."""

    def __init__(self, locator: Locator) -> None:
        self._locator = locator
        self._forwarder = locator.forwarder

    # --- pages
    async def search(self, args: Arguments, context: Context) -> SearchPage:
        check_limit(args.limit)
        if args.cursor and not args.cursor.startswith(JOINT):  # it began at a node that owns it all
            alone: SearchPage = await self._locator.ask(args.path, "search", args, context)
            return alone
        context, cursor = continued(context, args.cursor)
        args = args._replace(cursor=cursor)
        # in the order of a field, what is moved while a page is made is before or after that page wherever it is
        page = await self._steady(args, context, self._page, by_page=bool(args.order_by))
        return {**page, "cursor": with_clock(page["cursor"], context)}

    async def _page(self, args: Arguments, context: Context, check: MoveCheck) -> SearchPage:
        asked = args.predicate or {}
        expression = [asked.get("text"), asked.get("values"), asked.get("bundle")]
        mark = fingerprint(args.path, *expression, args.order_by, args.descending, args.as_of)
        if not args.order_by:
            return await self._one_by_one(args, context, mark, check)
        part = CALLS["_ordered"].bind(
            [
                *(args.path, args.predicate, args.order_by, args.descending, args.limit),
                *(None, args.as_of, args.bundles),
            ]
        )
        search = JointSearch("_ordered", part, mark, by_field(args.descending), bytes)
        rows, cursor, found = await self._joined(search, args.cursor, context, check)
        return _page(rows, cursor, [answer for _, answer in found.answers], found.missing)

    async def searchtext(self, args: Arguments, context: Context) -> ScoredPage:
        check_limit(args.limit)
        if args.cursor and not args.cursor.startswith(JOINT):
            alone: ScoredPage = await self._locator.ask(args.path, "searchtext", args, context)
            return alone
        return await self._steady(args, context, self._scored)

    async def _scored(self, args: Arguments, context: Context, check: MoveCheck) -> ScoredPage:
        mark = fingerprint(args.path, args.field, args.words)
        part = CALLS["_text"].bind([args.path, args.field, args.words, args.limit, None])
        search = JointSearch("_text", part, mark, by_score, float)
        rows, cursor, found = await self._joined(search, args.cursor, context, check)
        page: ScoredPage = {"objects": rows, "cursor": cursor}
        if age := oldest(answer for _, answer in found.answers):
            page["stale"] = age
        missing = merge_missing(found.missing, [answer for _, answer in found.answers])
        return {**page, "missing": missing} if missing else page

    async def _joined(
        self, search: JointSearch, cursor: str, context: Context, check: MoveCheck
    ) -> tuple[list[Any], str, Gathered]:
        """The next rows of all parts, the cursor after them, and what each part answered."""
        args = search.args
        parts, missing, began = self._locator.parts(args.path), list[str](), time.time_ns()
        if cursor:
            paths, missing, began, after = read_joint(cursor, search.mark, list)
            check.since(began)
            parts = [part for part in parts if part.path in paths]
            args = args._replace(after=check_position(after, search.kind))
        found = await gather_parts(self._locator, parts, search.part, args, context, begun=bool(cursor))
        check.look(answer for _, answer in found.answers)
        found = found._replace(missing=list(dict.fromkeys([*missing, *found.missing])))
        rows, end = join_parts([answer for _, answer in found.answers], search.sort_key, search.args.limit)
        if end is None:
            return rows, "", found
        paths = [part.path for part, _ in found.answers]
        return rows, write_joint(search.mark, paths, found.missing, began, list(end)), found

    async def _one_by_one(self, args: Arguments, context: Context, mark: bytes, check: MoveCheck) -> SearchPage:
        """The next objects of one part after the other."""
        parts, missing, began, inner = self._locator.parts(args.path), list[str](), time.time_ns(), ""
        if args.cursor:
            paths, missing, began, inner = read_joint(args.cursor, mark, str)
            check.since(began)
            parts = [part for part in parts if part.path in paths]  # one that was unmounted is in what is above
            inner = inner if parts and parts[0].path == paths[0] else ""
        rows: list[ObjectRow] = []
        answers: list[SearchPage] = []
        failed: list[EmergeError] = []
        for number, part in enumerate(parts):
            asked = args._replace(limit=args.limit - len(rows), cursor=inner)
            try:
                page: SearchPage = await self._locator.ask_part(part, "search", asked, context)
            except EmergeError as error:
                away = [] if inner else self._locator.away(error)
                if not away and (not is_hidden(error) or (number == 0 and not args.cursor)):
                    raise
                missing += [each for each in away if each not in missing]
                failed.append(error)
                inner = ""
                continue
            check.look([cast(Wire, page)])
            answers.append(page)
            rows += page["objects"]
            inner = page["cursor"]
            rest = [each.path for each in parts[number if inner else number + 1 :]]
            if inner or len(rows) >= args.limit or sum(len(row["state"]) for row in rows) > PAGE_BYTES:
                return _page(rows, write_joint(mark, rest, missing, began, inner) if rest else "", answers, missing)
        if not answers and not args.cursor:
            raise failed[0]
        return _page(rows, "", answers, missing)

    # --- all at once
    async def count(self, args: Arguments, context: Context) -> SearchCount:
        context, _ = continued(context, "")
        return await self._steady(args, context, self._count)

    async def _count(self, args: Arguments, context: Context, check: MoveCheck) -> SearchCount:
        found = await gather(self._locator, args.path, "count", args, context)
        check.look(answer for _, answer in found.answers)
        total = sum(answer["count"] for _, answer in found.answers)
        return {"count": total, **_searched([answer for _, answer in found.answers], found.missing)}

    async def searchpages(self, args: Arguments, context: Context) -> SearchPages:
        if len(self._locator.parts(args.path)) == 1:
            pages: SearchPages = await self._locator.ask(args.path, "searchpages", args, context)
            return pages
        asked = find_operation("count").bind([args.path, args.predicate, args.as_of, args.bundles])
        return {"cursors": [], **await self.count(asked, context)}

    async def explain(self, args: Arguments, context: Context) -> PlanInfo:
        context, _ = continued(context, "")
        found = await gather(self._locator, args.path, "explain", args, context)
        plans: list[tuple[str, PlanInfo]] = [(self._locator.name(part), plan) for part, plan in found.answers]
        return plans[0][1] if len(plans) == 1 else join_plans(plans)

    async def aggregate(self, args: Arguments, context: Context) -> GroupTable:
        """Aggregate where all objects are, when that is one node; else here, from the fields that are needed."""
        make_table(args.values, args.by)
        context, _ = continued(context, "")
        return await self._steady(args, context, self._aggregate)

    async def _aggregate(self, args: Arguments, context: Context, check: MoveCheck) -> GroupTable:
        table = make_table(args.values, args.by)
        parts = self._locator.parts(args.path)
        if len(parts) == 1:
            try:
                groups: GroupTable = await self._locator.ask(args.path, "aggregate", args, context)
                return groups
            except Unavailable as error:
                if not error.details.get("undecided"):
                    raise  # something is to be left out of what is here
        part = CALLS["_columns"].bind([args.path, table.fields, args.predicate, args.as_of, args.bundles])
        readers = [
            ColumnReader(self._locator.stream(each.path, "_columns", at(part, each.path), context, args.path), table)
            for each in parts
        ]
        answers = await asyncio.gather(*(each.read() for each in readers), return_exceptions=True)
        found = sort_out(self._locator, parts, answers)
        check.look(answer for _, answer in found.answers)
        return {"groups": await table.rows(), **_searched([answer for _, answer in found.answers], found.missing)}

    async def _steady(
        self,
        args: Arguments,
        context: Context,
        ask: Callable[[Arguments, Context, MoveCheck], Awaitable[T]],
        *,
        by_page: bool = False,
    ) -> T:
        """Ask all parts, and again when something was moved from one to another meanwhile; in the end, tell that.

        A page that goes on with others is not asked for again, unless what was moved before does not matter: `by_page`.
        """
        if not self._locator.is_apart(args.path):
            answer = await ask(args, context, MoveCheck(args.path))
            if not self._locator.is_apart(args.path):
                return answer
        context = replace(context, part=True)
        goes_on = bool(getattr(args, "cursor", "")) and not by_page
        for pause in (0.0,) if goes_on else PAUSES:
            check = MoveCheck(args.path, by_page)
            answer = await ask(args, context, check)
            if not check.moved:
                return answer
            await asyncio.sleep(pause * random())
        return cast(T, {**answer, "moved": check.moved})

    # --- indexes
    async def index(self, args: Arguments, context: Context) -> list[IndexRow]:
        """The indexes of all nodes; one is defined, or dropped, on every node that has the directory."""
        if args.fields:
            answers = await self._define(args, context)
        else:
            answers = (await gather(self._locator, args.path, "index", args, context)).answers
        top = self._locator.parts(args.path)[0].path
        return join_indexes([(self._locator.name(part), rows) for part, rows in _seen_from(top, answers)])

    async def _define(self, args: Arguments, context: Context) -> list[Answered]:
        """Define an index on one part after the other, or drop it, unless an owner is away."""
        parts = self._locator.parts(args.path)
        for part in parts:
            self._locator.serving(part.filesystem, part.path)
        answers: list[Answered] = []
        absent: EmergeError | None = None
        for part in parts:
            try:
                answers.append((part, await self._locator.ask_part(part, "index", args, context)))
            except EmergeError as error:
                if not is_hidden(error) or (part == parts[0] and not args.drop):
                    raise
                absent = error
        if absent is not None and not answers:
            raise absent
        return answers


class ColumnReader:
    """Adds the fields of one part's objects to a table."""

    def __init__(self, pages: AsyncGenerator[Wire, None], table: Table) -> None:
        self._searched: Searched = {"scanned": 0, "errors": {"count": 0, "first": []}}
        self._pages = pages
        self._table = table
        self._unfit: list[SearchError] = []  # the first objects whose values the table refused
        self._count = 0  # of all such objects
        self._age = ""

    async def read(self) -> Searched:
        """Read all; return what the search tells in the end."""
        async with aclosing(self._pages) as pages:
            async for page in pages:
                await self._take(page)
        return self._searched

    async def _take(self, page: Wire) -> None:
        self._age = self._age or oldest([page])
        if "columns" in page:
            paths = page["paths"]
            await self._table.add(len(paths), page["columns"], lambda row, error: self._note(paths[row], error))
            return
        errors = page["errors"]
        first = [*errors["first"], *self._unfit][:TOLD]
        self._searched = {
            "scanned": page["scanned"],
            "errors": {"count": errors["count"] + self._count, "first": first},
        }
        if self._age:
            self._searched["stale"] = self._age
        told = {key: page[key] for key in (MOVES, "missing") if key in page}
        self._searched = cast(Searched, {**self._searched, **told})

    def _note(self, path: str, error: str) -> None:
        self._count += 1
        if len(self._unfit) < TOLD:
            self._unfit.append({"path": path, "error": error})


def _seen_from(
    top: str, answers: Sequence[tuple[VolumePart, list[IndexRow]]]
) -> list[tuple[VolumePart, list[IndexRow]]]:
    """The indexes of each part; what covers a volume as an index of `top` covers the rest is that index."""
    defined = {_covers(row) for part, rows in answers if part.path == top for row in rows if row["path"] == top}

    def named(part: VolumePart, row: IndexRow) -> IndexRow:
        return {**row, "path": top} if row["path"] == part.path and _covers(row) in defined else row

    return [(part, [named(part, row) for row in rows]) for part, rows in answers]


def _covers(row: IndexRow) -> tuple[object, ...]:
    return (*row["fields"], row["text"], row["state"] == "suggested")


def merge_missing(missing: Sequence[str], answers: Sequence[Mapping[str, object]]) -> list[str]:
    """The names of nodes that are away, and of those that an answer lacks something of."""
    return list(
        dict.fromkeys(
            [*missing, *(name for answer in answers for name in cast(Sequence[str], answer.get("missing", ())))]
        )
    )


def _searched(answers: Sequence[Searched], missing: list[str]) -> Searched:
    """What all answers together tell."""
    searched: Searched = {"scanned": sum_scanned(answers), "errors": sum_errors(answers)}
    missing = merge_missing(missing, answers)
    if age := oldest(answers):
        searched["stale"] = age
    return {**searched, "missing": missing} if missing else searched


def _page(rows: list[ObjectRow], cursor: str, answers: Sequence[Searched], missing: list[str]) -> SearchPage:
    return {"objects": rows, "cursor": cursor, **_searched(answers, missing)}
