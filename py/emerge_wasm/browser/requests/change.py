"""The request that changes many things, one after the other, and tells how each change can be undone.

What undoes a change is a change, too: versions make it so. So the page can undo all that it does, and redo it.
"""

from __future__ import annotations

from ...errors import EmergeError, Invalid, NotFound
from ...paths import child_path
from ...results import PointerRow, RunResult
from ..failure import failure_of
from ..places.attempt import attempt
from ..places.place import TabPlace
from ..protocol import ChangeArgs, ChangeReport, ChangeStep, ProgressEvent, StepFailure
from ..tab import Tab
from .carry import carry
from .create import create
from .edit import read_changes, store_changes
from .run import read_arguments

TOLD = 100
"""Failures that are told one by one."""

ONE_CALL = frozenset({"create", "mkdir", "move", "copy", "remove"})
"""Steps that make one change, so that they can be asked for again."""

Undo = list[ChangeStep]


async def change(tab: Tab, args: ChangeArgs) -> ChangeReport:
    """Make changes; those that fail are told, and the others made. What undoes them comes back with them."""
    return await tab.under_way(args["run"], _change(tab, args))


async def _change(tab: Tab, args: ChangeArgs) -> ChangeReport:
    place, steps = tab.find(args), args["steps"]
    undo: Undo = []
    failed: list[StepFailure] = []
    report: ChangeReport = {"done": 0, "failed": 0, "failures": failed, "undo": undo, "pointer": None}
    for number, step in enumerate(steps):
        try:
            with attempt(f"{args['id']} {number}" if args["id"] and step["change"] in ONE_CALL else ""):
                pointer, back = await _make_change(tab, place, step)
        except EmergeError as error:
            report["failed"] += 1
            if len(failed) < TOLD:
                failed.append({"path": step["path"], "failure": failure_of(error)})
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
    path = step["path"]
    if step["change"] == "carry" or step["change"] == "uncarry":
        return await carry(place, tab.find({"where": step["to"]}), step)
    if step["change"] == "create":
        made = await create(place, step)
        return made, [{"change": "remove", "path": path}]
    if step["change"] == "remove":
        await place.call("rm", [path, True])
        return None, [{"change": "restore", "path": path, "version": 0}]
    if step["change"] == "mkdir":
        return await _make(place, path)
    if step["change"] == "move":
        moved: PointerRow = await place.call("mv", [path, _given(path, "target", step["target"])])
        return moved, [{"change": "move", "path": _path(moved), "target": path}]
    if step["change"] == "copy":
        return await _copy(place, path, _given(path, "target", step["target"]))
    if step["change"] == "restore":
        return await _restore(place, path, step["version"])
    before = await _get(place, path)
    if step["change"] == "set":
        version = step["version"] or before["version"]
        edited = await store_changes(place, path, version, await read_changes(place, path, version, step["fields"]))
        return edited, _back(path, before, edited)
    if step["change"] == "chown":
        given: PointerRow = await place.call("chown", [path, step["owner"], step["group"]])
        return given, [{"change": "chown", "path": path, "owner": before["owner"], "group": before["group"]}]
    if step["change"] == "chmod":
        pointer: PointerRow = await place.call("chmod", [path, _given(path, "perms", step["perms"])])
        return pointer, [{"change": "chmod", "path": path, "perms": before["perms"]}]
    asked = [path, _given(path, "method", step["method"]), *read_arguments(step["args"]), True]
    done: RunResult = await place.call("run", asked)
    return done["pointer"], [] if done["pointer"] is None else _back(path, before, done["pointer"])


async def _copy(place: TabPlace, path: str, target: str) -> Done:
    """Copy an object, or a directory with all that is in it."""
    source = await _get(place, path)
    copied: PointerRow = await place.call("cp", [path, target, source["type"] == "directory"])
    return copied, [{"change": "remove", "path": _path(copied)}]


async def _make(place: TabPlace, path: str) -> Done:
    """Make a directory; undone, those above it that were made with it go, too."""
    top, missing = path, ""
    while top != "/" and await _is_absent(place, top):
        missing, top = top, top.rpartition("/")[0] or "/"
    made: PointerRow = await place.call("mkdir", [path])
    return made, [{"change": "remove", "path": missing}] if missing else []


async def _restore(place: TabPlace, path: str, version: int) -> Done:
    before = None if await _is_absent(place, path) else await _get(place, path)
    restored: PointerRow = await place.call("restore", [path, version])
    return restored, [{"change": "remove", "path": path}] if before is None else _back(path, before, restored)


def _back(path: str, before: PointerRow, after: PointerRow) -> Undo:
    """Return what makes an older version the newest again; nothing if it still is."""
    if before["version"] == after["version"]:
        return []
    return [{"change": "restore", "path": path, "version": before["version"]}]


def _given(path: str, name: str, value: str) -> str:
    if not value:
        raise Invalid(f"the {name} for {path} is missing", path=path)
    return value


def _path(pointer: PointerRow) -> str:
    return child_path(pointer["path"], pointer["name"])


async def _get(place: TabPlace, path: str) -> PointerRow:
    pointer: PointerRow = await place.call("get", [path])
    return pointer


async def _is_absent(place: TabPlace, path: str) -> bool:
    try:
        await _get(place, path)
    except NotFound:
        return True
    return False
