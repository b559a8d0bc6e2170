"""Requests that run methods: of one object, here or where it lives, or of all objects in a directory.

A run's output and progress are sent as events with the number that the page gave it.
"""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from contextlib import aclosing

from ...codec import read_literal, show
from ...errors import Invalid, Unavailable, error_from_wire
from ...filesystem.runner import RunCall
from ...operations import Values, Wire
from ...paths import child_path
from ...results import ObjectRow, PointerRow, RunEvent
from ..failure import failure_of
from ..places.attempt import noting, recall
from ..places.foreign_run import PlaceHost
from ..places.place import TabPlace
from ..protocol.argument import ReceiptsArgs, RunAllArgs, RunArgs
from ..protocol.event import RanEvent
from ..protocol.view import ReceiptList, RunProgress, RunView, Sweep
from ..tab import Tab

SHOWN = 100_000  # characters of a result's repr
TIMEOUT = 3600.0  # seconds; in a tab the user stops a run
RECEIPTS = 50  # shown at once
KEPT = 500
"""Most results of a directory's run, and most failures, that are sent to the page one by one."""


async def run(tab: Tab, args: RunArgs) -> RunView:
    """Run a method of one object."""
    place, number = tab.find(args), args["run"]
    asked = [args["path"], args["method"], *read_arguments(args["args"])]
    as_me = args.get("as_me", False)
    if args["method"] == "query" and not args["args"].strip() and (place is tab.local or args["place"] == "there"):
        return await tab.under_way(number, _query(place, args["path"], _rights(as_me)))
    if place is tab.local:
        return await tab.under_way(number, tab.run_alone(_run_there(place, asked, tab.printer(number), _rights(as_me))))
    if args["place"] == "there":
        return await tab.under_way(number, _run_there(place, asked, tab.printer(number), _rights(as_me)))
    return await tab.under_way(number, tab.run_alone(_run_here(tab, place, asked, tab.printer(number), as_me)))


async def _query(place: TabPlace, path: str, rights: Wire | None) -> RunView:
    """Query a query object where it lives, which keeps what it found."""
    started = time.perf_counter()
    found = await place.call("query", [path], rights)
    spent = (time.perf_counter() - started) * 1000
    pointer: PointerRow = await place.call("get", [path])
    return {"text": _text(found), "output": "", "milliseconds": spent, "pointer": pointer, "receipt": None}


async def _run_there(place: TabPlace, asked: Values, write: Callable[[str], None], rights: Wire | None) -> RunView:
    """Run a method where the object lives."""
    started = time.perf_counter()
    async with aclosing(place.stream("runstream", asked, rights)) as events:
        async for event in events:
            if event["event"] == "output":
                write(event["text"])
            elif event["event"] == "error":
                raise error_from_wire({**event["error"]})
            elif event["event"] == "result":
                return {
                    "text": _text(event["result"]),
                    "output": event["output"],
                    "milliseconds": (time.perf_counter() - started) * 1000,
                    "pointer": event["pointer"],
                    "receipt": event["receipt"],
                }
    raise Unavailable("the node ended the run without a result", path=asked[0])


async def _run_here(tab: Tab, place: TabPlace, asked: Values, write: Callable[[str], None], as_me: bool) -> RunView:
    """Run a method in this browser; a changed state is stored as a version where the object lives."""
    path, method, args, kwargs = asked
    made = await recall(place, "store", path)
    if made is not None:
        said = made.note or {}
        return {
            "text": said.get("text", ""),
            "output": said.get("output", ""),
            "milliseconds": said.get("milliseconds", 0.0),
            "pointer": made.result,
            "receipt": None,
        }
    found: ObjectRow = await place.call("getobject", [path])
    pointer = found["pointer"]
    bundles = await place.reader.fetch_bundles(pointer["bundle"]) if pointer["bundle"] else {}
    host = PlaceHost(place, path, pointer, write, as_me=as_me)
    try:
        call = RunCall(path, {**pointer}, found["state"], bundles, method, args, kwargs, TIMEOUT)
        outcome = await tab.runners[place.name].run(call, host)
    finally:
        host.close()
    text, output, milliseconds = _text(outcome.result), outcome.output, outcome.milliseconds
    stored = None
    if outcome.state is not None:
        note = noting({"text": text, "output": output, "milliseconds": milliseconds})
        stored = await _store(place, pointer, outcome.state, note)
    return {"text": text, "output": output, "milliseconds": milliseconds, "pointer": stored, "receipt": None}


async def _store(place: TabPlace, pointer: PointerRow, state: bytes, note: Wire) -> PointerRow:
    """Store an object's state after a run, unless the object was changed meanwhile."""
    where = child_path(pointer["path"], pointer["name"])
    known = (pointer["class_name"], pointer["bundle"], pointer["version"], pointer["type"])
    read = ("", None, pointer["uuid"], pointer["node"])
    changed: PointerRow = await place.call("store", [where, state, *known, *read], note)
    changed.pop("merged", None)
    return changed


def _rights(as_me: bool) -> Wire | None:
    """What a run asks for that is to have all that the user may do."""
    return {"rights": "caller"} if as_me else None


def _text(result: object) -> str:
    text = show(result)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"


# --- all objects of a directory
async def run_all(tab: Tab, args: RunAllArgs) -> Sweep:
    """Run a method of every object in a directory, where they live."""
    place = tab.find(args)
    work = _sweep(
        tab,
        place,
        [args["path"], args["method"], *read_arguments(args["args"])],
        args["run"],
        _rights(args.get("as_me", False)),
    )
    return await tab.under_way(args["run"], tab.run_alone(work) if place is tab.local else work)


async def _sweep(tab: Tab, place: TabPlace, asked: Values, number: int, rights: Wire | None) -> Sweep:
    started = time.perf_counter()
    room = {"result": KEPT, "error": KEPT}
    progress: RunProgress = {"done": 0, "failed": 0, "total": 0}
    async with aclosing(place.stream("runstream", asked, rights)) as events:
        async for event in events:
            kind = event["event"]
            if kind == "progress":
                progress = {"done": event["done"], "failed": event["failed"], "total": event["total"]}
                tab.send({"event": "progress", "run": number, **progress})
            elif room.get(kind, 0) > 0:
                room[kind] -= 1
                tab.send(_ran(number, event))
    return {**progress, "milliseconds": (time.perf_counter() - started) * 1000}


def _ran(number: int, event: RunEvent) -> RanEvent:
    failed = event["event"] == "error"
    return {
        "event": "ran",
        "run": number,
        "path": event["path"],
        "text": None if failed else _text(event["result"])[:1000],
        "failure": failure_of(error_from_wire({**event["error"]})) if failed else None,
    }


async def receipts(tab: Tab, args: ReceiptsArgs) -> ReceiptList:
    return {"receipts": await tab.find(args).call("receipts", [args["path"], args["before"], RECEIPTS])}


# --- arguments
def read_arguments(text: str) -> tuple[Values, Wire]:
    """Read `2, rate=0.1` as positional and named values, without running code.

    Raises:
        Invalid: the text is no list of values.
    """
    try:
        call = ast.parse(f"f({text}\n)", mode="eval").body
    except SyntaxError as error:
        raise Invalid(f"the arguments {text[:80]!r} are not Python: {error.msg}", remedy="write 2, rate=0.1") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise Invalid(f"the arguments {text[:80]!r} are not a list of values", remedy="write 2, rate=0.1")
    if any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords):
        raise Invalid("* and ** cannot be used in arguments", remedy="write each value")
    positional = [read_literal(ast.unparse(item)) for item in call.args]
    return positional, {str(item.arg): read_literal(ast.unparse(item.value)) for item in call.keywords}
