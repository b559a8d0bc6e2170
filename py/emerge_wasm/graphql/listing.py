"""Lists of objects: searched page by page, and kept to one class where one is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import ExecutionFailed, Invalid
from ..operations import Wire
from ..paths import join_path, split_path
from .catalogue import is_below
from .condition import Condition
from .limit import LIST, REFERENCES
from .node import Node, Request

LIMIT = 1000
PAGE = 1000
CALLS = 100
"""Searches that one list makes at most to fill its page where objects of other classes lie between."""

LACKS = "AttributeError"
"""What a comparison raises on an object that has not the field: it is not found, and that is no error here."""


@dataclass(slots=True)
class Page:
    """A page of objects. `search` and `predicate` are those of the list, to be counted when that is asked for."""

    objects: list[Node]
    cursor: str
    scanned: int = 0
    listing: Listing | None = None


@dataclass(slots=True)
class Listing:
    """What a list was asked for. `types`: the bundles of its class; None for every object."""

    request: Request
    path: str
    predicate: Wire | None
    class_name: str | None
    as_of: str
    place: list[str | int] = field(default_factory=list)

    async def page(self, order_by: str, descending: bool, limit: int, cursor: str) -> Page:
        """The next objects, at most `limit`. There may be more when the cursor is not ""."""
        found: list[Node] = []
        scanned = 0
        for _ in range(CALLS):
            page = await self._search(order_by, descending, limit - len(found), cursor)
            found += self._fitting(page)
            scanned += page["scanned"]
            cursor = page["cursor"]
            if not cursor or len(found) >= limit:
                break
        self.request.spend(len(found))
        return Page(found, cursor, scanned, self)

    async def count(self) -> int:
        """How many objects the list has in all."""
        caller = self.request.caller
        if not self._mixed:
            counted = await caller.call("count", self.path, self.predicate, self.as_of)
            return int(counted["count"])
        total, cursor = 0, ""
        while True:
            page = await self._search("", False, PAGE, cursor)
            total += len(self._fitting(page))
            cursor = page["cursor"]
            if not cursor:
                return total

    @property
    def _mixed(self) -> bool:
        """Whether objects of other classes can come in between."""
        return self.class_name is not None and self.request.book.has_others(self.class_name)

    async def _search(self, order_by: str, descending: bool, limit: int, cursor: str) -> Wire:
        args = (self.path, self.predicate, order_by, descending, limit, cursor, self.as_of)
        page: Wire = await self.request.caller.call("search", *args)
        return page

    def _fitting(self, page: Wire) -> list[Node]:
        """The objects of a page that are of the class; what failed is noted."""
        self._note(page.get("errors"))
        book = self.request.book
        found = []
        for row in page["objects"]:
            pointer = row["pointer"]
            book.notice(pointer)
            if self.class_name is None or book.class_of(pointer) == self.class_name:
                found.append(Node(pointer, row["state"], 0, self.as_of))
        return found

    def _note(self, errors: Wire | None) -> None:
        if not errors or not errors["count"]:
            return
        first = [each for each in errors["first"] if not each["error"].startswith(LACKS)]
        if not first:
            return
        told = "; ".join(f"{each['path']}: {each['error']}" for each in first[:3])
        self.request.notes.append(
            (
                self.place,
                ExecutionFailed(
                    f"objects that could not be compared: {told}",
                    path=first[0]["path"],
                    remedy="they are left out",
                    first=first,
                ),
            )
        )


async def list_objects(request: Request, place: list[str | int], class_name: str | None, given: Wire) -> Page:
    """The page that a list's arguments ask for."""
    limit = check_limit(given.get("limit", LIST))
    condition = Condition(request.book.sure(class_name))
    predicate = condition.wire(condition.read(given.get("filter") or {}))
    path = within(request, given.get("path") or request.root)
    listing = Listing(request, path, predicate, class_name, given.get("asOf") or "", place)
    return await listing.page(
        given.get("orderBy") or "", bool(given.get("descending")), limit, given.get("cursor") or ""
    )


async def list_references(request: Request, node: Node, back: bool, given: Wire) -> Page:
    """The objects that one refers to, or (`back`) that refer to it."""
    limit = check_limit(given.get("limit", REFERENCES))
    path = f"/registry/{node.pointer['uuid']}"
    found = await request.caller.call("references", path, back, given.get("cursor") or "", limit)
    request.spend(len(found["entries"]))
    return Page([Node(pointer) for pointer in found["entries"]], found["cursor"])


def check_limit(limit: Any) -> int:
    if not isinstance(limit, int) or not 1 <= limit <= LIMIT:
        raise Invalid(f"a limit of {limit} is not between 1 and {LIMIT}", remedy="ask page by page")
    return limit


def within(request: Request, path: str) -> str:
    """A path given in a document, which must be at or below the one that the document is asked for."""
    path = join_path(*split_path(path))
    if not is_below(path, request.root):
        raise Invalid(f"{path} is not below {request.root}", path=path, remedy="ask at a directory above both")
    return path
