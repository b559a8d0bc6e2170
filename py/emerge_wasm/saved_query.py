"""Saved queries: a search or a directory's table, with its filters and columns, as an object. Plain data: no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from .objects import EmergeFile


class Searches(Protocol):
    """What a saved query needs of a filesystem, as the caller sees it."""

    def search(
        self, predicate: str | None = None, path: str = "/", *, order_by: str = "", descending: bool = False
    ) -> Iterable[object]: ...


@dataclass(kw_only=True)
class SavedQuery(EmergeFile):
    """A search that has a name. `query(fs)` makes it, and the page shows it as a table that follows the data.

    `below` is where it looks (`inside`: only in the directory itself); `text` the expression over `o`, "" for all, and
    `expression` the same with the `filters` below the columns; `columns` are those that the user shows or hides.
    """

    below: str = "/"
    inside: bool = False
    text: str = ""
    filters: dict[str, str] = field(default_factory=dict)
    expression: str = ""
    order: str = ""
    descending: bool = False
    columns: dict[str, bool] = field(default_factory=dict)
    results: list[str] = field(default_factory=list)

    def query(self, fs: Searches) -> list[str]:
        """The paths of what it finds now."""
        text = f"o.path == {self.below!r}" if self.inside else ""
        text = f"({text}) and ({self.expression})" if text and self.expression else text or self.expression
        found = fs.search(text or None, self.below, order_by=self.order, descending=self.descending)
        self.results = [_path(each) for each in found]
        return self.results


def _path(found: object) -> str:
    directory, name = str(getattr(found, "path", "")), str(getattr(found, "name", ""))
    return f"{directory.rstrip('/')}/{name}"
