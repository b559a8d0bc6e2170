"""One handler for each kind of request of web/protocol.ts: arguments as it names them, results that JSON can hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ...codec import decode, encode, show
from ...errors import Conflict
from . import run, search
from .library import load_libraries
from .view import make_fields, make_view, read_changes

if TYPE_CHECKING:
    from ..places.place import Place
    from ..tab import Tab

Message = dict[str, Any]
Handler = Callable[["Tab", Message], Awaitable[Any]]

SHOWN = 10_000  # characters of a value in a difference


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


async def versions(tab: Tab, args: Message) -> Message:
    place = place_of(tab, args)
    return {"versions": await place.call("versions", [args["path"], args["before"]])}


async def diff(tab: Tab, args: Message) -> Message:
    """What differs between two versions, as texts; null where a version lacks a field."""
    found = await place_of(tab, args).call("diff", [args["path"], args["before"], args["after"]])
    return {"fields": [{"field": row["field"], **_sides(row)} for row in found["fields"]]}


def _sides(row: Message) -> Message:
    return {side: show(row[side])[:SHOWN] if side in row else None for side in ("before", "after")}


async def restore(tab: Tab, args: Message) -> Any:
    """Make an older version the newest one; its pointer."""
    return await place_of(tab, args).call("restore", [args["path"], args["version"]])


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


async def answer(tab: Tab, args: Message) -> None:
    """The user's answer to a question whether code may run."""
    tab.consent.answer(args["question"], args["run"])


async def select(tab: Tab, args: Message) -> None:
    tab.switch.where = place_of(tab, args).name


HANDLERS: dict[str, Handler] = {
    "list": list_directory,
    "open": open_object,
    "save": save,
    "versions": versions,
    "diff": diff,
    "restore": restore,
    "mkdir": mkdir,
    "rm": rm,
    "mv": mv,
    "cp": cp,
    "cell": cell,
    "select": select,
    "answer": answer,
    **search.HANDLERS,
    **run.HANDLERS,
}
