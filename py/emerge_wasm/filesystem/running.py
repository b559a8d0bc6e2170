"""Running a method where the object lives: load, hand to the runner, store what it changed."""

from __future__ import annotations

from typing import Any

from ..errors import Unavailable
from ..operations import Context, Values, Wire
from .core import Core
from .find import find
from .read import load_bundles, load_state
from .run import RunCall
from .write import save_run


async def run(
    core: Core, context: Context, path: str, method: str, args: Values | None, kwargs: Wire | None, receipt: bool
) -> Any:
    if core.runner is None:
        raise Unavailable("this filesystem runs no code", path=path, remedy="get the object and run its method there")
    found = await find(core, context, path, "x")
    entry, path = found.entry, found.path
    pointer = entry.wire(found.directory, core.node)
    state = await load_state(core, entry, path)
    bundles = await load_bundles(core, entry.bundle, state)
    call = RunCall(path, pointer, state, bundles, method, list(args or []), dict(kwargs or {}), core.run_timeout)
    outcome = await core.runner(call)
    changed = None
    if outcome.state is not None:
        changed = await save_run(core, context, found.place.names, entry, outcome.state)
    if not receipt:
        return outcome.result
    return {
        "result": outcome.result,
        "output": outcome.output,
        "milliseconds": outcome.milliseconds,
        "pointer": changed,
    }
