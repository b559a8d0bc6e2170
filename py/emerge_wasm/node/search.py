"""Searching the cluster: each node searches what it has, and the answers become one.

A search in the order of a field, or of scores, takes the first rows of all nodes; one without a promised order goes
through one node after the other. The nodes are chosen when the search begins, and stand in its cursor.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from ..errors import EmergeError, Unavailable
from ..filesystem.runs.event_queue import together
from ..filesystem.searches.aggregate import Table, make_table
from ..filesystem.searches.cursor import AGAIN, continued, fingerprint, with_clock
from ..filesystem.searches.judge import TOLD
from ..filesystem.tree.load import PAGE_BYTES, check_limit
from ..operations import Arguments, Context, Wire, find_operation
from ..paths import split_path
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
)
from .calls import CALLS
from .forward import Holder
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
from .locate import Locator, is_hidden

PAGED = frozenset({"search", "searchtext"})
"""The operations whose cursor may name several nodes."""


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
        if args.cursor and not args.cursor.startswith(JOINT):  # it began when this node was alone
            alone: SearchPage = await self._forwarder.local("search", args, context)
            return alone
        context, cursor = continued(context, args.cursor)
        page = await self._page(args._replace(cursor=cursor), context)
        return {**page, "cursor": with_clock(page["cursor"], context)}

    async def _page(self, args: Arguments, context: Context) -> SearchPage:
        asked = args.predicate or {}
        expression = [asked.get("text"), asked.get("values"), asked.get("bundle")]
        mark = fingerprint(args.path, *expression, args.order_by, args.descending, args.as_of)
        if not args.order_by:
            return await self._one_by_one(args, context, mark)
        part = CALLS["_ordered"].bind(
            [
                *(args.path, args.predicate, args.order_by, args.descending, args.limit),
                *(None, args.as_of, args.bundles),
            ]
        )
        search = JointSearch("_ordered", part, mark, by_field(args.descending), bytes)
        rows, cursor, answers = await self._joined(search, args.cursor, context)
        return {"objects": rows, "cursor": cursor, "scanned": sum_scanned(answers), "errors": sum_errors(answers)}

    async def searchtext(self, args: Arguments, context: Context) -> ScoredPage:
        check_limit(args.limit)
        if args.cursor and not args.cursor.startswith(JOINT):
            alone: ScoredPage = await self._forwarder.local("searchtext", args, context)
            return alone
        mark = fingerprint(args.path, args.field, args.words)
        part = CALLS["_text"].bind([args.path, args.field, args.words, args.limit, None])
        rows, cursor, _ = await self._joined(JointSearch("_text", part, mark, by_score, float), args.cursor, context)
        return {"objects": rows, "cursor": cursor}

    async def _joined(self, search: JointSearch, cursor: str, context: Context) -> tuple[list[Any], str, Sequence[Any]]:
        """The next rows of all nodes, the cursor after them, and the answer of each node."""
        path = search.args.path
        if cursor:
            filesystems, after = read_joint(cursor, search.mark, list)
            args = search.args._replace(after=check_position(after, search.kind))
            asked = await self._forwarder.ask_each(self._present(path, filesystems), search.part, args, context)
            for _, answer in asked:
                if isinstance(answer, BaseException) and not is_hidden(answer):
                    raise answer
            answered = [(holder, answer) for holder, answer in asked if not isinstance(answer, BaseException)]
        else:
            answered = await self._locator.ask_all(search.part, search.args, path, context)
        answers = [answer for _, answer in answered]
        rows, end = join_parts(answers, search.sort_key, search.args.limit)
        if end is None:
            return rows, "", answers
        filesystems = [self._forwarder.uuid(holder) for holder, _ in answered]
        return rows, write_joint(search.mark, filesystems, list(end)), answers

    async def _one_by_one(self, args: Arguments, context: Context, mark: bytes) -> SearchPage:
        """The next objects of one node after the other."""
        if args.cursor:
            filesystems, inner = read_joint(args.cursor, mark, str)
        else:
            everybody = (None, *self._locator.cluster.others())
            filesystems, inner = [self._forwarder.uuid(holder) for holder in everybody], ""
        rows: list[ObjectRow] = []
        answers: list[SearchPage] = []
        hidden: list[BaseException] = []
        for number, holder in enumerate(self._present(args.path, filesystems)):
            asked = args._replace(limit=args.limit - len(rows), cursor=inner)
            try:
                page: SearchPage = await self._forwarder.ask(holder, "search", asked, context)
            except EmergeError as error:
                if not is_hidden(error):
                    raise
                hidden.append(error)
                inner = ""
                continue
            answers.append(page)
            rows += page["objects"]
            inner = page["cursor"]
            rest = filesystems[number if inner else number + 1 :]
            if inner or len(rows) >= args.limit or sum(len(row["state"]) for row in rows) > PAGE_BYTES:
                return _page(rows, write_joint(mark, rest, inner) if rest else "", answers)
        if not answers and not args.cursor:
            raise self._locator.nothing(args.path, hidden)
        return _page(rows, "", answers)

    def _present(self, path: str, filesystems: Sequence[str]) -> list[Holder]:
        """The nodes that serve these filesystems now.

        Raises:
            Unavailable: one is gone, and what it had would be missing.
        """
        cluster = self._locator.cluster
        here: dict[str, Holder] = {each.filesystem: each for each in cluster.others()}
        here[self._forwarder.uuid(None)] = None
        for each in filesystems:
            if each not in here:
                lost = [identity.node for identity in cluster.lost() if identity.filesystem == each]
                raise Unavailable(
                    f"node {lost[0]} is gone" if lost else "one of the nodes that are searched left",
                    path=path,
                    remedy=AGAIN + ": it then finds what the other nodes have",
                )
        return [here[each] for each in filesystems]

    # --- all at once
    async def count(self, args: Arguments, context: Context) -> SearchCount:
        context, _ = continued(context, "")
        answers = [answer for _, answer in await self._locator.ask_all("count", args, args.path, context)]
        total = sum(answer["count"] for answer in answers)
        return {"count": total, "scanned": sum_scanned(answers), "errors": sum_errors(answers)}

    async def explain(self, args: Arguments, context: Context) -> PlanInfo:
        context, _ = continued(context, "")
        answers = await self._locator.ask_all("explain", args, args.path, context)
        plans: list[tuple[str, PlanInfo]] = [(self._forwarder.name(holder), plan) for holder, plan in answers]
        return plans[0][1] if len(plans) == 1 else join_plans(plans)

    async def aggregate(self, args: Arguments, context: Context) -> GroupTable:
        """Aggregate where all objects are, when that is one node; else here, from the fields that are needed."""
        table = make_table(args.values, args.by)
        context, _ = continued(context, "")
        holders = [None, *self._locator.cluster.others()] if args.as_of else await self._holders(args.path)
        if len(holders) == 1:
            groups: GroupTable = await self._forwarder.ask(holders[0], "aggregate", args, context)
            return groups
        part = CALLS["_columns"].bind([args.path, table.fields, args.predicate, args.as_of, args.bundles])
        readers = [ColumnReader(self._forwarder.stream(holder, "_columns", part, context), table) for holder in holders]
        await together(each.read() for each in readers)
        answers = [each.searched for each in readers if each.hidden is None]
        if not answers:
            hidden = [each.hidden for each in readers if each.hidden is not None]
            raise self._locator.nothing(args.path, hidden)
        return {"groups": table.rows(), "scanned": sum_scanned(answers), "errors": sum_errors(answers)}

    async def _holders(self, path: str) -> list[Holder]:
        """All who have what is at a path, the own filesystem last, and alone when nobody has."""
        split_path(path)
        return await self._locator.find_one(path) or [None]

    # --- indexes
    async def index(self, args: Arguments, context: Context) -> list[IndexRow]:
        """The indexes of all nodes; one is defined, or dropped, on every node that has the directory."""
        if args.fields:
            answers = await self._define(args, context)
        else:
            answers = await self._locator.ask_all("index", args, args.path, context)
        return join_indexes([(self._forwarder.name(holder), rows) for holder, rows in answers])

    async def _define(self, args: Arguments, context: Context) -> list[tuple[Holder, Any]]:
        """Define an index on one node after the other. Dropping it need not succeed where there is none."""
        answers: list[tuple[Holder, Any]] = []
        absent: EmergeError | None = None
        for holder in await self._holders(args.path):
            try:
                answers.append((holder, await self._forwarder.ask(holder, "index", args, context)))
            except EmergeError as error:
                if not args.drop or not is_hidden(error):
                    raise
                absent = error
        if absent is not None and not answers:
            raise absent
        return answers


class ColumnReader:
    """Adds the fields of one node's objects to a table.

    `searched` is what the node's search tells in the end, `hidden` the error when the caller may see nothing there.
    """

    def __init__(self, pages: AsyncGenerator[Wire, None], table: Table) -> None:
        self.searched: Searched = {"scanned": 0, "errors": {"count": 0, "first": []}}
        self.hidden: EmergeError | None = None
        self._pages = pages
        self._table = table
        self._unfit: list[SearchError] = []  # the first objects whose values the table refused
        self._count = 0  # of all such objects

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
            paths = page["paths"]
            self._table.add(len(paths), page["columns"], lambda row, error: self._note(paths[row], error))
            return
        errors = page["errors"]
        first = [*errors["first"], *self._unfit][:TOLD]
        self.searched = {"scanned": page["scanned"], "errors": {"count": errors["count"] + self._count, "first": first}}

    def _note(self, path: str, error: str) -> None:
        self._count += 1
        if len(self._unfit) < TOLD:
            self._unfit.append({"path": path, "error": error})


def _page(rows: list[ObjectRow], cursor: str, answers: Sequence[SearchPage]) -> SearchPage:
    return {"objects": rows, "cursor": cursor, "scanned": sum_scanned(answers), "errors": sum_errors(answers)}
