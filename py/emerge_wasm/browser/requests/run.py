"""Requests of the page that run methods: of one object, here or where it lives, or of all in a directory.

What they print and how far they are goes out as events with the number that the page gave the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from ...codec import show
from ...errors import Unavailable, error_from_wire
from ...filesystem.runner import RunCall
from ...objects import Pointer
from ...paths import child_path
from ..failure import failure_of
from ..places.foreign_run import Afar
from .arguments import read_arguments

if TYPE_CHECKING:
    from ..places.place import Place
    from ..tab import Tab

Message = dict[str, Any]

SHOWN = 100_000  # characters of a result's repr
TIMEOUT = 3600.0  # seconds; in a tab the user stops a run
KEPT = 500
"""Results of a directory's run, and as many failures, that the page is told one by one."""


async def run(tab: Tab, args: Message) -> Message:
    """Run a method of one object."""
    place = tab.switch.find(args["where"])
    positional, named = read_arguments(args["args"])
    path, method, number = args["path"], args["method"], args.get("run", 0)
    if place is tab.local:
        work = place.call("run", [path, method, positional, named, True])
        return shown(await tab.under_way(number, tab.run_alone(work)))
    if args["place"] == "here":
        here = _run_here(tab, place, path, method, positional, named, lambda text: _printed(tab, number, text))
        return shown(await tab.under_way(number, tab.run_alone(here)))
    return shown(await tab.under_way(number, _run_there(tab, place, [path, method, positional, named], number)))


async def _run_there(tab: Tab, place: Place, asked: list[Any], number: int) -> Message:
    started = time.perf_counter()
    async with aclosing(place.stream("runstream", asked)) as events:
        async for event in events:
            kind = event.pop("event")
            if kind == "output":
                _printed(tab, number, event["text"])
            elif kind == "error":
                raise error_from_wire(event["error"])
            elif kind == "result":
                return {**event, "milliseconds": (time.perf_counter() - started) * 1000}
    raise Unavailable("the node ended the run without a result", path=asked[0])


async def _run_here(
    tab: Tab, place: Place, path: str, method: str, args: list[Any], kwargs: Message, tell: Callable[[str], None]
) -> Message:
    """Run a method in this browser; a changed state becomes a version where the object lives."""
    wire = await place.call("getobject", [path])
    pointer = Pointer.from_wire(wire["pointer"])
    bundles = await place.reader.fetch_bundles(pointer.bundle) if pointer.bundle else {}
    call = RunCall(path, wire["pointer"], wire["state"], bundles, method, args, kwargs, TIMEOUT)
    host = Afar(place, path, tell)
    try:
        outcome = await tab.runners[place.name].run(call, host)
    finally:
        host.close()
    changed = None
    if outcome.state is not None:
        where = child_path(pointer.path, pointer.name)
        stored = [where, outcome.state, pointer.class_name, pointer.bundle, pointer.version, pointer.type]
        changed = await place.call("store", stored)
    return {
        "result": outcome.result,
        "output": outcome.output,
        "milliseconds": outcome.milliseconds,
        "pointer": changed,
    }


def _printed(tab: Tab, number: int, text: str) -> None:
    tab.event("printed", run=number, text=text)


def shown(done: Message) -> Message:
    """What the page is told of a run."""
    told = {name: done.get(name) for name in ("output", "milliseconds", "pointer", "receipt")}
    return {**told, "text": _text(done["result"])}


def _text(result: Any) -> str:
    text = show(result)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


# --- all objects of a directory
async def run_all(tab: Tab, args: Message) -> Message:
    """Run a method of every object in a directory, where they live; how many went well."""
    place = tab.switch.find(args["where"])
    positional, named = read_arguments(args["args"])
    asked = [args["path"], args["method"], positional, named]
    work = _sweep(tab, place, asked, args.get("run", 0))
    result: Message = await tab.under_way(args.get("run", 0), tab.run_alone(work) if place is tab.local else work)
    return result


async def _sweep(tab: Tab, place: Place, asked: list[Any], number: int) -> Message:
    started = time.perf_counter()
    told = {"result": 0, "error": 0}
    progress = {"done": 0, "failed": 0, "total": 0}
    async with aclosing(place.stream("runstream", asked)) as events:
        async for event in events:
            kind = event["event"]
            if kind == "progress":
                progress = {name: event[name] for name in progress}
                tab.event("progress", run=number, **progress)
            elif told.get(kind, KEPT) < KEPT:
                told[kind] += 1
                tab.event("ran", run=number, **_ran(event))
    return {**progress, "milliseconds": (time.perf_counter() - started) * 1000}


def _ran(event: Message) -> Message:
    if event["event"] == "error":
        return {"path": event["path"], "text": None, "failure": failure_of(error_from_wire(event["error"]))}
    return {"path": event["path"], "text": _text(event["result"])[:1000], "failure": None}


async def cancel(tab: Tab, args: Message) -> None:
    """End a run that is under way, where it waits."""
    work = tab.works.get(args.get("run", 0))
    if work is not None:
        work.cancel()


async def receipts(tab: Tab, args: Message) -> Message:
    rows = await tab.switch.find(args["where"]).call("receipts", [args["path"], args["before"], 50])
    return {"receipts": rows}


HANDLERS = {"run": run, "runall": run_all, "cancel": cancel, "receipts": receipts}
