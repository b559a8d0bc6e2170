"""The request that changes many things, one after the other, and tells how each change can be undone.

What undoes a change is a change, too: versions make it so. So the page can undo all that it does, and redo it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ...codec import encode
from ...errors import EmergeError, Invalid, NotFound
from ...paths import child_path
from ...results import PointerRow, RunResult
from ..failure import failure_of
from ..places.place import TabPlace
from ..protocol import ChangeArgs, ChangeReport, ChangeStep, ProgressEvent, StepFailure
from ..tab import Tab
from .run import read_arguments
from .view import read_changes

TOLD = 100
"""Failures that are told one by one."""

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
            pointer, back = await _STEPS[step["change"]](place, step)
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


async def _remove(place: TabPlace, step: ChangeStep) -> Done:
    await place.call("rm", [step["path"], True])
    return None, [{"change": "restore", "path": step["path"]}]


async def _move(place: TabPlace, step: ChangeStep) -> Done:
    pointer: PointerRow = await place.call("mv", [step["path"], _given(step, "target")])
    return pointer, [{"change": "move", "path": _path(pointer), "target": step["path"]}]


async def _copy(place: TabPlace, step: ChangeStep) -> Done:
    """Copy an object, or a directory with all that is in it."""
    source = await _get(place, step["path"])
    recursive = source["type"] == "directory"
    pointer: PointerRow = await place.call("cp", [step["path"], _given(step, "target"), recursive])
    return pointer, [{"change": "remove", "path": _path(pointer)}]


async def _make(place: TabPlace, step: ChangeStep) -> Done:
    """Make a directory, and undo that unless it was there."""
    top = step["path"]
    missing = None
    while top != "/" and await _is_absent(place, top):
        missing, top = top, top.rpartition("/")[0] or "/"
    pointer: PointerRow = await place.call("mkdir", [step["path"]])
    return pointer, [] if missing is None else [{"change": "remove", "path": missing}]


async def _set_fields(place: TabPlace, step: ChangeStep) -> Done:
    """Set fields of an object from their texts."""
    path, before = step["path"], await _get(place, step["path"])
    version = step.get("version", 0) or before["version"]
    _, values = await read_changes(place, path, version, step.get("fields", {}))
    pointer: PointerRow = await place.call("update", [path, encode(values), version])
    pointer.pop("merged", None)
    return pointer, _back(path, before, pointer)


async def _restore(place: TabPlace, step: ChangeStep) -> Done:
    path = step["path"]
    before = None if await _is_absent(place, path) else await _get(place, path)
    pointer: PointerRow = await place.call("restore", [path, step.get("version", 0)])
    return pointer, [{"change": "remove", "path": path}] if before is None else _back(path, before, pointer)


async def _set_rights(place: TabPlace, step: ChangeStep) -> Done:
    before = await _get(place, step["path"])
    pointer: PointerRow = await place.call("chmod", [step["path"], _given(step, "perms")])
    return pointer, [{"change": "chmod", "path": step["path"], "perms": before["perms"]}]


async def _run(place: TabPlace, step: ChangeStep) -> Done:
    """Run a method where the object lives."""
    path, before = step["path"], await _get(place, step["path"])
    done: RunResult = await place.call(
        "run", [path, _given(step, "method"), *read_arguments(step.get("args", "")), True]
    )
    pointer = done["pointer"]
    return pointer, [] if pointer is None else _back(path, before, pointer)


_STEPS: dict[str, Callable[[TabPlace, ChangeStep], Awaitable[Done]]] = {
    "remove": _remove,
    "move": _move,
    "copy": _copy,
    "mkdir": _make,
    "set": _set_fields,
    "restore": _restore,
    "chmod": _set_rights,
    "run": _run,
}


def _back(path: str, before: PointerRow, after: PointerRow) -> Undo:
    """Return what makes an older version the newest again; nothing if it still is."""
    if before["version"] == after["version"]:
        return []
    return [{"change": "restore", "path": path, "version": before["version"]}]


def _given(step: ChangeStep, name: str) -> str:
    value = step.get(name)
    if not isinstance(value, str) or not value:
        raise Invalid(f"to {step['change']} {step['path']}, {name} is needed", path=step["path"])
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
