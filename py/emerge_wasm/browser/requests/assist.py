"""Requests while a cell or a search is written: what could stand there, what a name is, what a call takes.

The cells' kernel knows what cells have made. While that computes, the page's own tells what the text alone does.
"""

from __future__ import annotations

from functools import partial

from ...clients.client import Client
from ...clients.sync import SyncClient
from ...objects import EmergeFile, EmergeObject
from ...results import EntryPage, SearchPage
from ..console.caret import read_caret
from ..console.completion import Completer
from ..console.inspection import InstanceOf, is_one, names_of
from ..console.shell import Shell
from ..places.place import TabPlace
from ..protocol.argument import AssistArgs, SketchArgs
from ..protocol.option import CompletionKind
from ..protocol.view import AssistView, CompletionItem, MethodView
from ..tab import Tab
from .class_view import describe_class

SEEN = 50  # objects whose classes a search's completions come from
TYPES: dict[str, type] = {kind.__name__: kind for kind in (str, int, float, bool, bytes, list, dict)}
"""Classes of fields by the beginning of their annotation."""


async def assist(shell: Shell, args: AssistArgs) -> AssistView:
    """Answer with what cells have made."""
    return await _answer(shell.completer, args)


async def sketch(tab: Tab, args: SketchArgs) -> AssistView:
    """Answer by the text alone, or, with a path, by the classes of the objects below it."""
    place = tab.find(args)
    if args["path"]:
        return await _of_search(place, args)
    client, sync = InstanceOf(Client), InstanceOf(SyncClient)
    names: dict[str, object] = {
        **{"fs": sync, "local": sync, "cluster": sync, "afs": client, "alocal": client, "acluster": client},
        **{"EmergeFile": EmergeFile, "EmergeObject": EmergeObject},
    }
    return await _answer(Completer(names, partial(_list, tab, place)), args)


async def _list(
    tab: Tab, selected: TabPlace, client: object, root: str, path: str, cursor: str, limit: int
) -> EntryPage:
    place = tab.places.get(root.removeprefix("a"), selected)
    page: EntryPage = await place.call("list", [path, cursor, limit])
    return page


async def _answer(completer: Completer, args: AssistArgs) -> AssistView:
    if args["ask"] == "complete":
        found = await completer.complete(args["before"], args["after"])
        return {"typed": found.typed, "items": found.items, "whole": found.whole, "about": None}
    about = (completer.describe if args["ask"] == "name" else completer.call_of)(args["before"])
    return {"typed": "", "items": [], "whole": True, "about": about}


async def _of_search(place: TabPlace, args: SketchArgs) -> AssistView:
    caret = read_caret(args["before"])
    if args["ask"] != "complete" or caret.owner != "o":
        fields = await _stored(place, args["path"]) if (caret.owner or "").startswith("o.") else {}
        inside = {name: _value(item["detail"]) for name, item in fields.items()}
        return await _answer(Completer({"o": InstanceOf(type("o", (), inside))}, partial(_no_list)), args)
    typed = caret.typed.lower()
    items = [item for name, item in (await _stored(place, args["path"])).items() if typed in name.lower()]
    items.sort(key=lambda item: not item["text"].startswith(caret.typed))
    return {"typed": caret.typed, "items": items, "whole": True, "about": None}


def _value(annotation: str) -> object:
    kind = TYPES.get(annotation.partition("[")[0].partition(" ")[0])
    return InstanceOf(kind) if kind is not None else None


async def _stored(place: TabPlace, path: str) -> dict[str, CompletionItem]:
    """Fields, then methods, of the classes of objects below a path, then what every object has."""
    page: SearchPage = await place.call("search", [path, None, "", False, SEEN, ""])
    bundles = dict.fromkeys(row["pointer"]["bundle"] for row in page["objects"])
    described = [await describe_class(place, bundle) for bundle in bundles]
    found: dict[str, CompletionItem] = {}
    for each in described:
        for field in each.fields:
            found.setdefault(field["name"], {"text": field["name"], "kind": "value", "detail": field["annotation"]})
    for each in described:
        for method in each.methods:
            if not method["name"].startswith("_"):
                found.setdefault(method["name"], _member(method))
    for name, value in sorted(names_of(EmergeFile(name="o", path="/")).items()):
        if not name.startswith("_"):
            detail = type(value).__name__ if is_one(value, *TYPES.values()) else ""
            found.setdefault(name, {"text": name, "kind": "value", "detail": detail})
    return found


def _member(method: MethodView) -> CompletionItem:
    kind: CompletionKind = "property" if method["kind"] == "property" else "function"
    return {"text": method["name"], "kind": kind, "detail": method["signature"]}


async def _no_list(client: object, root: str, path: str, cursor: str, limit: int) -> EntryPage:
    return {"entries": [], "cursor": ""}
