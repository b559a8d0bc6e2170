"""Requests about notebooks: open, keep, make, and read and write `.ipynb` files. No code runs for them."""

from __future__ import annotations

from ...codec import decode, encode
from ...errors import Invalid, Unavailable
from ...ipynb import from_ipynb, to_ipynb
from ...notebook import Notebook, NotebookCell
from ...objects import METADATA, Pointer
from ...paths import child_path
from ...results import ObjectRow, PointerRow
from ..places.attempt import recall
from ..places.place import TabPlace
from ..protocol.argument import KeepNotebookArgs, MakeNotebookArgs, ReadIpynbArgs, VersionArgs
from ..protocol.view import IpynbText, KeptNotebook, NotebookView
from ..tab import Tab
from .right import may_write


async def notebook(tab: Tab, args: VersionArgs) -> NotebookView:
    """Open a notebook; `version` 0 is the newest."""
    place = tab.find(args)
    found: ObjectRow = await place.call("getobject", [args["path"], args["version"]])
    return _view(found["pointer"], _notebook(found), await _may_change(place, found["pointer"]))


async def keep_notebook(tab: Tab, args: KeepNotebookArgs) -> KeptNotebook:
    """Store the cells as the next version; `view` is what was stored, where others had changed it meanwhile."""
    place = tab.find(args)
    state = {"cells": args["cells"], "requirements": args["requirements"]}
    made = await recall(place, "update", args["path"])
    pointer: PointerRow
    if made is not None:
        pointer = made.result
    else:
        pointer = await place.call("update", [args["path"], encode(state), args["version"]])
    merged = pointer.pop("merged", None)
    if merged is None:
        return {"pointer": pointer, "view": None}
    found: ObjectRow = {"pointer": pointer, "state": merged}
    return {"pointer": pointer, "view": _view(pointer, _notebook(found), may=True)}


async def make_notebook(tab: Tab, args: MakeNotebookArgs) -> PointerRow:
    """Store a new notebook in a directory, under the first name that is free."""
    made = Notebook(cells=args["cells"], requirements=args["requirements"])
    return await _store(tab.find(args), args["path"], args["name"], made)


async def read_ipynb(tab: Tab, args: ReadIpynbArgs) -> PointerRow:
    """Store the notebook in an `.ipynb` file's text."""
    return await _store(tab.find(args), args["path"], args["name"], from_ipynb(args["text"]))


async def write_ipynb(tab: Tab, args: VersionArgs) -> IpynbText:
    """Return the text of the `.ipynb` file of a notebook."""
    found: ObjectRow = await tab.find(args).call("getobject", [args["path"], args["version"]])
    return {"text": to_ipynb(_notebook(found))}


def _notebook(found: ObjectRow) -> Notebook:
    pointer = found["pointer"]
    if pointer["class_name"] != Notebook.__name__ or pointer["bundle"]:
        path = child_path(pointer["path"], pointer["name"])
        raise Invalid(f"{path} is no notebook", path=path, remedy="open its state")
    made = Notebook()
    vars(made).update({name: value for name, value in decode(found["state"]).items() if name not in METADATA})
    return made  # with fields that no notebook has, if somebody gave it some: they are kept, as those of any object


async def _may_change(place: TabPlace, pointer: PointerRow) -> bool:
    try:
        return may_write(await place.call("whoami", []), pointer)
    except Unavailable:  # it is shown as it was last seen
        return True


def _view(pointer: PointerRow, found: Notebook, may: bool) -> NotebookView:
    cells: list[NotebookCell] = [{**cell, "outputs": list(cell["outputs"])} for cell in found.cells]
    return {"pointer": pointer, "cells": cells, "requirements": list(found.requirements), "may": may}


async def _store(place: TabPlace, directory: str, name: str, made: Notebook) -> PointerRow:
    made.path, number = directory, 1
    made.name = name
    while await place.has(child_path(directory, made.name)):
        earlier = await recall(place, "store", child_path(directory, made.name))
        if earlier is not None:
            return earlier.result
        number += 1
        made.name = f"{name} {number}"
    pointer: Pointer = await place.reader.store(made)
    return pointer.to_wire()
