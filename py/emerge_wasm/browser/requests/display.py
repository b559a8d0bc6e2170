"""The request that has an object show itself: its class draws it, as a run of that method here would."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from ...bundles.description import DISPLAYS
from ...errors import Invalid
from ...filesystem.runner import RunCall
from ...results import ObjectRow
from ..places.foreign_run import PlaceHost
from ..places.place import TabPlace
from ..protocol.argument import ShowArgs
from ..protocol.view import ShownValue
from ..tab import Tab

TIMEOUT = 60.0  # seconds
LARGEST = 10_000_000  # characters that are shown
MIME = {
    "html": "text/html",
    "svg": "image/svg+xml",
    "png": "image/png",
    "jpeg": "image/jpeg",
    "markdown": "text/markdown",
    "latex": "text/latex",
    "json": "application/json",
}


async def show_object(tab: Tab, args: ShowArgs) -> ShownValue:
    """Run the method by which an object shows itself, in this browser; nothing that it changes is stored.

    Raises:
        Invalid: it is no such method, or returns what cannot be shown.
    """
    kind = DISPLAYS.get(args["method"])
    if kind is None:
        raise Invalid(f"{args['method'][:80]!r} is no method by which an object shows itself")
    return await tab.under_way(args["run"], tab.run_alone(_show(tab, tab.find(args), args, kind)))


async def _show(tab: Tab, place: TabPlace, args: ShowArgs, kind: str) -> ShownValue:
    path = args["path"]
    found: ObjectRow = await place.call("getobject", [path, args["version"]])
    pointer = found["pointer"]
    bundles = await place.reader.fetch_bundles(pointer["bundle"]) if pointer["bundle"] else {}
    host = PlaceHost(place, path, pointer, tab.printer(args["run"]))
    try:
        call = RunCall(path, {**pointer}, found["state"], bundles, args["method"], [], {}, TIMEOUT)
        outcome = await tab.runners[place.name].run(call, host)
    finally:
        host.close()
    return {"data": _bundle(kind, args["method"], outcome.result), "metadata": {}}


def _bundle(kind: str, method: str, result: object) -> dict[str, object]:
    """Return what was drawn by MIME type. A method may give its data with what describes them, as a pair."""
    drawn = (
        result[0]
        if isinstance(result, tuple | list) and len(result) == 2 and isinstance(result[1], Mapping)
        else result
    )
    by_mime = drawn if kind == "mimebundle" else {MIME[kind]: drawn}
    if not isinstance(by_mime, Mapping):
        raise Invalid(f"{method} gave a {type(drawn).__name__}, not a dict by MIME type")
    shown = {str(mime): _text(method, str(mime), each) for mime, each in by_mime.items() if each is not None}
    if not shown:
        raise Invalid(f"{method} gave nothing to show")
    return shown


def _text(method: str, mime: str, drawn: object) -> object:
    if isinstance(drawn, bytes):
        drawn = base64.b64encode(drawn).decode()
    if mime == "application/json":
        return drawn
    if not isinstance(drawn, str):
        raise Invalid(f"{method} gave a {type(drawn).__name__} as {mime}, not text")
    if len(drawn) > LARGEST:
        raise Invalid(f"{method} gave {len(drawn):,} characters", remedy=f"the limit is {LARGEST:,}")
    return drawn
