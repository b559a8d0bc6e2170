"""Requests about what an object refers to, and what refers to it."""

from __future__ import annotations

from ...errors import NotFound
from ...results import EntryPage, PointerRow
from ..protocol.argument import PathArgs, ReferencesArgs
from ..protocol.view import FoundPointer, ReferrerPage
from ..tab import Tab


async def lookup(tab: Tab, args: PathArgs) -> FoundPointer:
    """Return the pointer of what is at a path, `/registry/UUID` too; None if nothing is."""
    try:
        pointer: PointerRow = await tab.find(args).call("get", [args["path"]])
    except NotFound:
        return {"pointer": None}
    return {"pointer": pointer}


async def referrers(tab: Tab, args: ReferencesArgs) -> ReferrerPage:
    """Return a page of the objects that refer to the one at a path."""
    page: EntryPage = await tab.find(args).call("references", [args["path"], True, args["cursor"], args["limit"]])
    return {"entries": page["entries"], "cursor": page["cursor"]}
