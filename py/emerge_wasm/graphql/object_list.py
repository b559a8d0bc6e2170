"""List objects: search them page by page, and keep those of one class where one is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from ..errors import ExecutionFailed, Invalid, Unavailable
from ..operations import Wire
from ..paths import join_path, split_path
from ..results import EntryPage, SearchCount, Searched, SearchErrors, SearchPage
from .class_catalogue import is_below
from .filter_predicate import FilterPredicate
from .limit import LIST, REFERENCES
from .request import GraphQLRequest, ObjectNode

LIMIT = 1000
PAGE = 1000
CALLS = 100
"""Searches that one list makes at most to fill its page when objects of other classes lie between."""

LACKS = "AttributeError"
"""What a comparison raises on an object without the field: it is not found, and that is no error here."""


class PageArguments(TypedDict, total=False):
    """The arguments of a page, as a document gives them."""

    limit: int | None
    cursor: str | None


class ListArguments(PageArguments, total=False):
    """The arguments of a list, as a document gives them."""

    filter: Wire | None
    orderBy: str | None
    descending: bool | None
    path: str | None
    asOf: str | None


@dataclass(slots=True)
class ListPage:
    """A page of objects. `listing` is the list that it is of, which counts its objects when asked."""

    objects: list[ObjectNode]
    cursor: str
    scanned: int = 0
    listing: ObjectList | None = None


@dataclass(slots=True)
class ObjectList:
    """One list. `class_name`: of which class (None: of all). `place`: where in the answer it is."""

    request: GraphQLRequest
    path: str
    predicate: Wire | None
    class_name: str | None
    as_of: str
    place: list[str | int] = field(default_factory=list)
    _away: set[str] = field(default_factory=set)

    async def page(self, order_by: str, descending: bool, limit: int, cursor: str) -> ListPage:
        """Return the next objects, at most `limit`. There may be more when the cursor is not ""."""
        found: list[ObjectNode] = []
        scanned = 0
        for _ in range(CALLS):
            page = await self._search(order_by, descending, limit - len(found), cursor)
            found += self._fitting(page)
            scanned += page["scanned"]
            cursor = page["cursor"]
            if not cursor or len(found) >= limit:
                break
        self.request.spend(len(found))
        return ListPage(found, cursor, scanned, self)

    async def count(self) -> int:
        """Count the objects of the list."""
        caller = self.request.caller
        if not self._mixed:
            counted: SearchCount = await caller.call(
                "count", path=self.path, predicate=self.predicate, as_of=self.as_of
            )
            self._note_missing(counted)
            return counted["count"]
        total, cursor = 0, ""
        while True:
            page = await self._search("", False, PAGE, cursor)
            total += len(self._fitting(page))
            cursor = page["cursor"]
            if not cursor:
                return total

    @property
    def _mixed(self) -> bool:
        """Whether objects of other classes can lie between."""
        return self.class_name is not None and self.request.class_schema.has_others(self.class_name)

    async def _search(self, order_by: str, descending: bool, limit: int, cursor: str) -> SearchPage:
        page: SearchPage = await self.request.caller.call(
            "search",
            path=self.path,
            predicate=self.predicate,
            order_by=order_by,
            descending=descending,
            limit=limit,
            cursor=cursor,
            as_of=self.as_of,
        )
        return page

    def _fitting(self, page: SearchPage) -> list[ObjectNode]:
        """Return the objects of a page that are of the class, and note the errors of the search."""
        self._note(page["errors"])
        self._note_missing(page)
        class_schema = self.request.class_schema
        found = []
        for row in page["objects"]:
            pointer = row["pointer"]
            class_schema.notice(pointer)
            if self.class_name is None or class_schema.class_of(pointer) == self.class_name:
                found.append(ObjectNode(pointer, row["state"], 0, self.as_of))
        return found

    def _note_missing(self, searched: Searched) -> None:
        """Note what an answer lacks; each node once, though several searches of this list tell of it."""
        for node in sorted({*searched.get("missing", ())} - self._away):
            self._away.add(node)
            away = Unavailable(f"node {node} is away: what it holds is left out", remedy=f"start node {node} again")
            self.request.notes.append((self.place, away))
        for path in searched.get("moved", ()):
            moved = Unavailable(f"what was moved to {path} meanwhile may be found twice, or not at all", path=path)
            self.request.notes.append((self.place, moved))
        if "stale" in searched:
            old = Unavailable(
                f"a copy answered for an owner that is away: this may have changed since {searched['stale']}",
                remedy="start that node again for what is there now",
            )
            self.request.notes.append((self.place, old))

    def _note(self, errors: SearchErrors) -> None:
        first = [each for each in errors["first"] if not each["error"].startswith(LACKS)]
        if not first:
            return
        shown = "; ".join(f"{each['path']}: {each['error']}" for each in first[:3])
        self.request.notes.append(
            (
                self.place,
                ExecutionFailed(
                    f"objects that could not be compared: {shown}",
                    path=first[0]["path"],
                    remedy="they are left out",
                    first=first,
                ),
            )
        )


async def list_objects(
    request: GraphQLRequest, place: list[str | int], class_name: str | None, given: ListArguments
) -> ListPage:
    """Return the page that a list's arguments ask for."""
    limit = check_limit(given.get("limit", LIST))
    condition = FilterPredicate(request.class_schema.sure(class_name))
    predicate = condition.wire(condition.read(given.get("filter") or {}))
    path = within(request, given.get("path") or request.root)
    listing = ObjectList(request, path, predicate, class_name, given.get("asOf") or "", place)
    return await listing.page(
        given.get("orderBy") or "", bool(given.get("descending")), limit, given.get("cursor") or ""
    )


async def list_references(request: GraphQLRequest, node: ObjectNode, back: bool, given: PageArguments) -> ListPage:
    """Return the objects that one refers to, or (`back`) that refer to it."""
    limit = check_limit(given.get("limit", REFERENCES))
    path = f"/registry/{node.pointer['uuid']}"
    found: EntryPage = await request.caller.call(
        "references", path=path, back=back, cursor=given.get("cursor") or "", limit=limit
    )
    request.spend(len(found["entries"]))
    return ListPage([ObjectNode(pointer) for pointer in found["entries"]], found["cursor"])


def check_limit(limit: object) -> int:
    if not isinstance(limit, int) or not 1 <= limit <= LIMIT:
        raise Invalid(f"a limit of {limit} is not between 1 and {LIMIT}", remedy="ask page by page")
    return limit


def within(request: GraphQLRequest, path: str) -> str:
    """Return a path in a document, which must be at or below the one that the document is asked at."""
    path = join_path(*split_path(path))
    if not is_below(path, request.root):
        raise Invalid(f"{path} is not below {request.root}", path=path, remedy="ask at a directory above both")
    return path
