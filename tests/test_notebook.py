"""Notebooks: every one is a valid `.ipynb` file and comes back the same; two who edit lose nothing that was typed."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import Conflict, Invalid
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.ipynb import from_ipynb, to_ipynb
from emerge_wasm.notebook import Notebook, NotebookCell, make_cell, merge_cells
from emerge_wasm.stores import open_store

TEXT = st.text(max_size=30) | st.sampled_from(["a\n", "\n\n", "a\r\nb", "x\u2028y", "", "\x0c"])
DATA = st.fixed_dictionaries(
    {"text/plain": TEXT},
    optional={
        "text/html": TEXT,
        "image/png": st.just("iVBORw0KGgo="),
        "application/json": st.recursive(st.none() | st.booleans() | TEXT, lambda each: st.lists(each, max_size=3)),
        "application/vnd.emerge.tree+json": st.fixed_dictionaries({"key": TEXT}),
    },
)
OUTPUT = st.one_of(
    st.fixed_dictionaries(
        {"output_type": st.just("stream"), "name": st.sampled_from(["stdout", "stderr"]), "text": TEXT}
    ),
    st.fixed_dictionaries({"output_type": st.just("display_data"), "data": DATA, "metadata": st.just({})}),
    st.fixed_dictionaries(
        {
            "output_type": st.just("execute_result"),
            "data": DATA,
            "metadata": st.just({}),
            "execution_count": st.integers(1, 9) | st.none(),
        }
    ),
    st.fixed_dictionaries(
        {"output_type": st.just("error"), "ename": TEXT, "evalue": TEXT, "traceback": st.lists(TEXT, max_size=2)}
    ),
)
CODE = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True),
        "kind": st.just("code"),
        "name": st.from_regex(r"[^\n\r]{0,20}", fullmatch=True).filter(lambda text: not text or text.isprintable()),
        "source": TEXT,
        "outputs": st.lists(OUTPUT, max_size=3),
        "count": st.integers(0, 99),
        "folded": st.booleans(),
        "metadata": st.sampled_from([{}, {"tags": ["one"], "x": {"y": 1}}]),
        "attachments": st.just({}),
    }
)
PROSE = st.fixed_dictionaries(
    {
        "id": st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True),
        "kind": st.sampled_from(["markdown", "raw"]),
        "name": st.just(""),
        "source": TEXT,
        "outputs": st.just([]),
        "count": st.just(0),
        "folded": st.booleans(),
        "metadata": st.just({}),
        "attachments": st.sampled_from([{}, {"a.png": {"image/png": "iVBORw0KGgo="}}]),
    }
)
CELLS: st.SearchStrategy[list[Any]] = st.lists(CODE | PROSE, max_size=5, unique_by=lambda cell: cell["id"])


@given(CELLS, st.lists(st.sampled_from(["numpy==2.0", "cbor2==5.6"]), unique=True))
def test_any_notebook_is_a_file_and_comes_back(cells: list[NotebookCell], requirements: list[str]) -> None:
    notebook = Notebook(name="n", cells=cells, requirements=requirements)
    text = to_ipynb(notebook)
    read = nbformat.reads(text, as_version=4)
    nbformat.validate(read)
    back = from_ipynb(text)
    assert (back.cells, back.requirements) == (cells, requirements)
    again = from_ipynb(to_ipynb(back))
    assert (again.cells, again.metadata) == (back.cells, back.metadata)
    written = nbformat.writes(read)  # as Jupyter would write it
    assert from_ipynb(written).cells == cells


def test_ids_that_are_none_and_those_that_are_twice_are_mended() -> None:
    cells = [make_cell("", "a"), make_cell("ü b", "c"), make_cell("x", "d"), make_cell("x", "e")]
    nbformat.validate(nbformat.reads(text := to_ipynb(Notebook(cells=cells)), as_version=4))
    back = from_ipynb(text)
    assert [cell["source"] for cell in back.cells] == ["a", "c", "d", "e"]
    assert len({cell["id"] for cell in back.cells}) == 4


def test_a_file_of_an_older_minor_version_gets_ids() -> None:
    old = {"cell_type": "code", "metadata": {"scrolled": True}, "source": "1", "outputs": [], "execution_count": 3}
    text = json.dumps(
        {"nbformat": 4, "nbformat_minor": 2, "metadata": {"kernelspec": {"name": "x"}}, "cells": [old] * 2}
    )
    back = from_ipynb(text)
    assert [cell["id"] for cell in back.cells] == ["cell-1", "cell-2"] and back.cells[0]["count"] == 3
    assert back.metadata["kernelspec"] == {"name": "x"}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"nbformat": 3, "worksheets": []}', '{"nbformat": 4}', b"\xff\xfe",
             '{"nbformat": 4, "cells": [{"cell_type": "heading"}]}', '{"nbformat": 4, "cells": [7]}']
)  # fmt: skip
def test_what_is_no_notebook_is_refused_by_name(text: str | bytes) -> None:
    with pytest.raises(Invalid, match="ipynb"):
        from_ipynb(text)


IDS = st.sampled_from("abcdefgh")
EDIT = st.tuples(st.sampled_from(["write", "add", "remove", "move", "run", "name"]), IDS, IDS, st.integers(0, 9))


def edited(cells: list[NotebookCell], edits: list[tuple[str, str, str, int]], mark: str) -> list[NotebookCell]:
    """The cells after somebody's edits, each text of which has their mark."""
    made = [dict(cell) for cell in cells]
    for number, (what, id, _, at) in enumerate(edits):
        place = next((n for n, cell in enumerate(made) if cell["id"] == id), None)
        if what == "add":
            made.insert(at % (len(made) + 1), dict(make_cell(f"{mark}{number}", f"new {mark} {number}")))
        elif place is None:
            continue
        elif what == "write":
            made[place]["source"] = f"{mark} wrote {number}"
        elif what == "remove":
            del made[place]
        elif what == "move":
            made.insert(at % len(made), made.pop(place))
        elif what == "run":
            made[place]["count"] = 10 + number
        else:
            made[place]["name"] = f"{mark}{number}"
    return made  # type: ignore[return-value]


@given(st.lists(IDS, unique=True), st.lists(EDIT, max_size=5), st.lists(EDIT, max_size=5))
def test_what_either_side_typed_is_there(ids: list[str], one: list[Any], two: list[Any]) -> None:
    base = [make_cell(id, f"base {id}") for id in ids]
    theirs, mine = edited(base, one, "theirs"), edited(base, two, "mine")
    merged = merge_cells(base, theirs, mine)
    sources = [cell["source"] for cell in merged]
    for side in (theirs, mine):
        for cell in side:
            if not cell["source"].startswith("base"):
                assert cell["source"] in sources
    assert len({cell["id"] for cell in merged}) == len(merged)
    assert merge_cells(base, theirs, base) == theirs and merge_cells(base, base, mine) == mine
    assert merge_cells(theirs, merged, theirs) == merged  # who saves again what they had adds nothing
    untouched = {cell["id"] for cell in base} - {cell["id"] for cell in theirs} - {cell["id"] for cell in mine}
    assert not untouched & {cell["id"] for cell in merged}


async def test_two_who_save_are_merged_where_the_notebook_is() -> None:
    """By the class's own rules, without a sandbox; and its class needs no bundle."""
    store = await open_store("memory:")
    fs = Client(LocalTransport(await Filesystem.open(store, node="n1", url="memory:")))
    cells = [make_cell("a", "1"), make_cell("b", "2")]
    await fs.store(Notebook(name="n", path="/notebooks", cells=cells, requirements=["x==1"]))
    mine, theirs = await fs.getobject("/notebooks/n"), await fs.getobject("/notebooks/n")
    assert isinstance(mine, Notebook) and (await fs.get("/notebooks/n")).bundle == ""
    theirs.cells[0]["source"] = "one"
    theirs.requirements.append("y==2")
    await fs.store(theirs)
    mine.cells.append(make_cell("c", "3"))
    mine.cells[1]["source"] = "two"
    mine.requirements.append("z==3")
    await fs.store(mine)
    assert [cell["source"] for cell in mine.cells] == ["one", "two", "3"]
    assert mine.requirements == ["x==1", "y==2", "z==3"]
    other = await fs.getobject("/notebooks/n")
    await fs.update("/notebooks/n", data=1)
    other.data = 2
    with pytest.raises(Conflict):  # a field without a rule is one, as ever
        await fs.store(other)
