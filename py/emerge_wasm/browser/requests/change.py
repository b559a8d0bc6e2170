"""The request that changes many things, one after the other, and tells how each change can be undone.

What undoes a change is a change, too: versions make it so. So the page can undo all that it does, and redo it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from ...errors import EmergeError, Invalid, NotFound, Unavailable
from ...objects import DIRECTORY
from ...operations import Values, Wire
from ...paths import child_path
from ...results import PointerRow, RunResult
from ..failure import failure_of
from ..places.attempt import noting, recall
from ..places.attempt import step as numbered
from ..places.place import TabPlace
from ..protocol.argument import ChangeArgs
from ..protocol.event import ProgressEvent
from ..protocol.step import ChangeReport, ChangeStep, StepFailure
from ..tab import Tab
from .carry import carry
from .create import create
from .edit import read_changes, store_changes
from .run import read_arguments

TOLD = 100
"""Failures that are told one by one."""

OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "remove": ("rm",),
    "mkdir": ("mkdir",),
    "move": ("mv",),
    "copy": ("cp",),
    "restore": ("restore",),
    "purge": ("purge",),
    "set": ("update", "store"),
    "chown": ("chown",),
    "chmod": ("chmod",),
    "run": ("run",),
    "create": ("store",),
}
"""The operation that a step calls, or one of them. What is carried takes several, see `carry`."""

Undo = list[ChangeStep]


async def change(tab: Tab, args: ChangeArgs) -> ChangeReport:
    """Make changes; those that fail are told, and the others made, unless the place is lost. What undoes them comes
    back with them."""
    return await tab.under_way(args["run"], _change(tab, args))


async def _change(tab: Tab, args: ChangeArgs) -> ChangeReport:
    place, steps = tab.find(args), args["steps"]
    undo: Undo = []
    failed: list[StepFailure] = []
    report: ChangeReport = {"done": 0, "failed": 0, "failures": failed, "undo": undo, "pointer": None}
    for number, step in enumerate(steps):
        try:
            with numbered(number):
                pointer, back = await _make_change(tab, place, step)
        except EmergeError as error:
            cut_off = isinstance(error, Unavailable) and (not place.online.is_set() or "unknown" in error.details)
            for each in steps[number:] if cut_off else [step]:  # later ones may build on it
                report["failed"] += 1
                if len(failed) < TOLD:
                    failed.append({"path": each["path"], "failure": failure_of(error)})
            if cut_off:
                break
        else:
            report["done"] += 1
            report["pointer"] = pointer
            undo[:0] = back
        if (number + 1) % 10 == 0 or number + 1 == len(steps):
            done, failures = number + 1, report["failed"]
            event: ProgressEvent = {
                "event": "progress",
                "run": args["run"],
                "done": done,
                "failed": failures,
                "total": len(steps),
            }
            tab.send(event)
    return report


Done = tuple[PointerRow | None, Undo]
"""The pointer of what was changed, None when it is gone, and what undoes the change."""


async def _make_change(tab: Tab, place: TabPlace, step: ChangeStep) -> Done:
    """Make a change, unless an earlier attempt has made it: then tell what came of that."""
    if step["change"] == "carry" or step["change"] == "uncarry":
        return await carry(place, tab.find({"where": step["to"]}), step)
    for name in OPERATIONS[step["change"]]:
        made = await recall(place, name, step["path"])
        if made is not None:
            return _done(step, made.result, made.note or {})
    before = await _before(place, step)
    return _done(step, await _call(place, step, before, noting(before)), before)


async def _before(place: TabPlace, step: ChangeStep) -> Wire:
    """Return what a step's undoing needs to know of the time before."""
    path, change = step["path"], step["change"]
    if change == "mkdir":
        return {"missing": await _missing(place, path)}
    if change in ("remove", "purge", "move", "copy", "create"):
        return {}
    if change == "restore" and await _is_absent(place, path):
        return {"version": 0}
    pointer: PointerRow = await place.call("get", [path])
    if change == "run" and pointer["type"] == DIRECTORY:
        raise Invalid(f"{path} is a directory", path=path, remedy="its tab Run runs a method of each object in it")
    return {name: pointer[name] for name in ("version", "owner", "group", "perms")}


async def _call(place: TabPlace, step: ChangeStep, before: Wire, context: Wire) -> object:
    path = step["path"]
    if step["change"] == "create":
        return await create(place, step, context)
    if step["change"] == "set":
        version = step["version"] or before["version"]
        return await store_changes(
            place, path, version, await read_changes(place, path, version, step["fields"]), context
        )
    (name,) = OPERATIONS[step["change"]]
    return await place.call(name, await _arguments(place, step), context)


async def _arguments(place: TabPlace, step: ChangeStep) -> Values:
    path = step["path"]
    if step["change"] == "remove":
        return [path, True]
    if step["change"] == "move":
        return [path, _given(path, "target", step["target"])]
    if step["change"] == "copy":
        pointer: PointerRow = await place.call("get", [path])
        return [path, _given(path, "target", step["target"]), pointer["type"] == DIRECTORY]
    if step["change"] == "restore":
        return [path, step["version"]]
    if step["change"] == "chown":
        return [path, step["owner"], step["group"]]
    if step["change"] == "chmod":
        return [path, _given(path, "perms", step["perms"])]
    if step["change"] == "run":
        return [path, _given(path, "method", step["method"]), *read_arguments(step["args"]), True]
    return [path]


def _done(step: ChangeStep, result: object, before: Wire) -> Done:
    path, change = step["path"], step["change"]
    if change == "purge":
        return None, []
    if change == "remove":
        return None, [{"change": "restore", "path": path, "version": 0}]
    ran = change == "run"
    pointer = cast("RunResult", result)["pointer"] if ran else cast("PointerRow", result)
    if pointer is None:
        return None, []
    pointer.pop("merged", None)  # the page reads the object again
    if change == "mkdir":
        return pointer, [{"change": "remove", "path": before["missing"]}] if before["missing"] else []
    if change == "move":
        return pointer, [{"change": "move", "path": _path(pointer), "target": path}]
    if change in ("copy", "create") or (change == "restore" and not before["version"]):
        return pointer, [{"change": "remove", "path": path if change == "restore" else _path(pointer)}]
    if change == "chown":
        return pointer, [{"change": "chown", "path": path, "owner": before["owner"], "group": before["group"]}]
    if change == "chmod":
        return pointer, [{"change": "chmod", "path": path, "perms": before["perms"]}]
    return pointer, _back(path, before["version"], pointer["version"])


async def _missing(place: TabPlace, path: str) -> str:
    """Return the highest directory that is made with this one, "" if none is: it is removed when that is undone."""
    top, missing = path, ""
    while top != "/" and await _is_absent(place, top):
        missing, top = top, top.rpartition("/")[0] or "/"
    return missing


def _back(path: str, before: int, after: int) -> Undo:
    """Return what makes an older version the newest again; nothing if it still is."""
    return [] if before == after else [{"change": "restore", "path": path, "version": before}]


def _given(path: str, name: str, value: str) -> str:
    if not value:
        raise Invalid(f"the {name} for {path} is missing", path=path)
    return value


def _path(pointer: PointerRow) -> str:
    return child_path(pointer["path"], pointer["name"])


async def _is_absent(place: TabPlace, path: str) -> bool:
    try:
        await place.call("get", [path])
    except NotFound:
        return True
    return False
