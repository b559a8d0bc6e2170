"""Notebooks: cells of code and Markdown with their outputs, as an object. Two who edit are merged cell by cell.

Plain data: no I/O. Outputs have the form that nbformat gives them (`output_type`, `data`, `metadata`, …), so that
`emerge_wasm.ipynb` needs to change little.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from .objects import EmergeFile

CellKind = Literal["code", "markdown", "raw"]


class NotebookCell(TypedDict):
    """One cell. `id` is its own for good; `name` is the user's, or ""; `count` is the number of its last run, 0: none.

    `metadata` and `attachments` are what an `.ipynb` file had beside.
    """

    id: str
    kind: CellKind
    name: str
    source: str
    outputs: list[dict[str, object]]
    count: int
    folded: bool
    metadata: dict[str, object]
    attachments: dict[str, object]


NotebookCells = list[NotebookCell]


def merge_cells(base: NotebookCells | None, theirs: NotebookCells, mine: NotebookCells) -> NotebookCells:
    """Merge two edits of the cells of a notebook, by the cells' ids; nothing that was typed is lost.

    A cell that one side removed goes, unless the other changed its text. A text that both changed stays as theirs, and
    mine becomes a cell of its own below it. Of everything else in a cell, mine counts where I changed it. The order is
    mine where I changed it, otherwise theirs; what the other side added stands behind the cell that it stood behind.
    """
    was = {cell["id"]: cell for cell in base or []}
    there = {cell["id"]: cell for cell in theirs}
    here = {cell["id"]: cell for cell in mine}
    merged: dict[str, list[NotebookCell]] = {}
    for id in {**there, **here}:
        cells = _merge_cell(was.get(id), there.get(id), here.get(id))
        if cells:
            merged[id] = cells
    return [cell for id in _order(list(was), list(there), list(here)) for cell in merged.get(id, [])]


def _merge_cell(was: NotebookCell | None, there: NotebookCell | None, here: NotebookCell | None) -> list[NotebookCell]:
    if there is None or here is None:
        left = there or here
        if left is None or (was is not None and left["source"] == was["source"]):
            return []  # removed by the other, and its text is as it was
        return [left]
    changed: Mapping[str, object] = {
        key: value for key, value in here.items() if was is None or value != was.get(key, value)
    }
    both = was is not None and there["source"] != was["source"] != here["source"] != there["source"]
    if not both and not (was is None and there["source"] != here["source"]):
        return [_with(there, changed)]
    copy: NotebookCell = {**here, "id": _other_id(here), "outputs": [], "count": 0}
    return [_with(there, {key: changed[key] for key in changed if key in ("name", "folded")}), copy]


def _with(cell: NotebookCell, changes: Mapping[str, object]) -> NotebookCell:
    return {**cell, **changes}  # type: ignore[typeddict-item]  # the values of another cell


def _other_id(cell: NotebookCell) -> str:
    """The id of what was typed meanwhile: the same wherever the two are merged, so that merging again adds nothing."""
    mark = sum(ord(sign) * 31 ** (at % 7) for at, sign in enumerate(cell["source"])) % 0xFFFFFF
    return f"{cell['id'][:48]}-{mark:06x}"


def _order(was: list[str], there: list[str], here: list[str]) -> list[str]:
    """The ids of both sides in the order of the side that moved something (mine, if both did)."""
    common = set(was) & set(here)
    moved = [id for id in here if id in common] != [id for id in was if id in common]
    first, second = (here, there) if moved else (there, here)
    order = list(first)
    known = set(first)
    for at, id in enumerate(second):
        if id in known:
            continue
        before = next((other for other in reversed(second[:at]) if other in known), None)
        order.insert(0 if before is None else order.index(before) + 1, id)
        known.add(id)
    return order


@dataclass(kw_only=True)
class Notebook(EmergeFile):
    """Cells of code and Markdown with their outputs. `requirements` are the packages that they used, with versions;
    `metadata` is what an `.ipynb` file had beside its cells."""

    cells: NotebookCells = field(default_factory=list, metadata={"merge": merge_cells})
    requirements: list[str] = field(default_factory=list, metadata={"merge": "union"})
    metadata: dict[str, object] = field(default_factory=dict, metadata={"merge": "last"})

    def code(self) -> str:
        """The text of all cells of code, as a script."""
        return "\n\n".join(cell["source"] for cell in self.cells if cell["kind"] == "code")


def make_cell(id: str, source: str = "", kind: CellKind = "code") -> NotebookCell:
    """A cell that has not run."""
    return {
        "id": id,
        "kind": kind,
        "name": "",
        "source": source,
        "outputs": [],
        "count": 0,
        "folded": False,
        "metadata": {},
        "attachments": {},
    }
