"""One handler for each kind of request of web/protocol.ts: arguments as it names them, results that JSON can hold."""

from __future__ import annotations

import ast
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..clients.host import give_client
from ..codec import decode, encode, read_literal, show
from ..errors import Conflict, Invalid
from ..filesystem import RunCall
from ..filesystem.execute import execute
from ..objects import Pointer
from ..paths import child_path
from .library import load_libraries
from .view import make_fields, make_view, read_changes

if TYPE_CHECKING:
    from .place import Place
    from .tab import Tab

Message = dict[str, Any]
Handler = Callable[["Tab", Message], Awaitable[Any]]

SHOWN = 100_000  # characters of a result's repr
TIMEOUT = 3600.0  # seconds; in a tab the user stops a run


def place_of(tab: Tab, args: Message) -> Place:
    """The filesystem that a request means."""
    return tab.switch.find(args["where"])


async def list_directory(tab: Tab, args: Message) -> Any:
    place = place_of(tab, args)
    return await place.call("list", [args["path"], args["cursor"], args["limit"]])


async def open_object(tab: Tab, args: Message) -> Message:
    place = place_of(tab, args)
    return await make_view(place, args["path"], args["version"])


async def save(tab: Tab, args: Message) -> Message:
    """Set fields from their texts. A stale version comes back with both states, not as an error."""
    place = place_of(tab, args)
    path, version = args["path"], args["version"]
    described, state = await read_changes(place, path, version, args["changes"])
    try:
        pointer = await place.call("update", [path, encode(state), version])
    except Conflict as error:
        return {"pointer": None, "conflict": _conflict(error, described, state)}
    return {"pointer": pointer, "conflict": None}


def _conflict(error: Conflict, described: Message, changes: Message) -> Message:
    if not error.details.get("pointer"):
        raise error
    theirs = decode(error.details["theirs"])
    return {
        "theirs": make_fields(described, theirs),
        "mine": make_fields(described, {**theirs, **changes}),
        "pointer": error.details["pointer"],
    }


async def run(tab: Tab, args: Message) -> Message:
    place = place_of(tab, args)
    positional, named = read_arguments(args["args"])
    path, method = args["path"], args["method"]
    if args["place"] == "here" or place is tab.local:
        result: Message = await tab.run_alone(_run_here(place, path, method, positional, named))
        return result
    started = time.perf_counter()
    receipt = await place.call("run", [path, method, positional, named, True])
    receipt["milliseconds"] = (time.perf_counter() - started) * 1000
    return _shown(receipt)


async def _run_here(place: Place, path: str, method: str, args: list[Any], kwargs: Message) -> Message:
    """Load the class in this tab and run it; a changed state becomes a version where the object lives."""
    wire = await place.call("getobject", [path])
    pointer = Pointer.from_wire(wire["pointer"])
    bundles = await place.client.fetch_bundles(pointer.bundle) if pointer.bundle else {}
    call = RunCall(path, wire["pointer"], wire["state"], bundles, method, args, kwargs, TIMEOUT)
    outcome = await execute(call, given=give_client(place.client))
    changed = None
    if outcome.state is not None:
        where = child_path(pointer.path, pointer.name)
        stored = [where, outcome.state, pointer.class_name, pointer.bundle, pointer.version, pointer.type]
        changed = await place.call("store", stored)
    return _shown(
        {
            "result": outcome.result,
            "output": outcome.output,
            "milliseconds": outcome.milliseconds,
            "pointer": changed,
        }
    )


def _shown(receipt: Message) -> Message:
    text = show(receipt.pop("result"))
    return {**receipt, "text": text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text):,} characters)"}


def read_arguments(text: str) -> tuple[list[Any], Message]:
    """`2, rate=0.1` as positional and named values. No code is run; Invalid says what is not understood."""
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


async def versions(tab: Tab, args: Message) -> Message:
    place = place_of(tab, args)
    return {"versions": await place.call("versions", [args["path"], args["before"]])}


async def mkdir(tab: Tab, args: Message) -> Any:
    return await place_of(tab, args).call("mkdir", [args["path"]])


async def rm(tab: Tab, args: Message) -> Message:
    return {"removed": await place_of(tab, args).call("rm", [args["path"], args["recursive"]])}


async def mv(tab: Tab, args: Message) -> Any:
    return await place_of(tab, args).call("mv", [args["path"], args["target"]])


async def cp(tab: Tab, args: Message) -> Any:
    place = place_of(tab, args)
    pointer = await place.call("get", [args["path"]])
    return await place.call("cp", [args["path"], args["target"], pointer["type"] == "directory"])


async def cell(tab: Tab, args: Message) -> Message:
    """Run a console cell; what it prints goes out as events that carry its number."""

    async def work() -> Message:
        tab.output.begin(args["cell"])
        await load_libraries(args["code"])
        result = await tab.console.run(args["cell"], args["code"])
        return {"text": result.text, "milliseconds": result.milliseconds}

    result: Message = await tab.run_alone(work())
    return result


async def select(tab: Tab, args: Message) -> None:
    tab.switch.where = place_of(tab, args).name


HANDLERS: dict[str, Handler] = {
    "list": list_directory,
    "open": open_object,
    "save": save,
    "run": run,
    "versions": versions,
    "mkdir": mkdir,
    "rm": rm,
    "mv": mv,
    "cp": cp,
    "cell": cell,
    "select": select,
}
