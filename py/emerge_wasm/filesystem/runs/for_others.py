"""Run code here for another node, whose object it is: only nodes ask for this, so it is not in the operation table.

The code gets this node's view of the cluster, with the rights of the caller. What it changed goes back, and the node
that has the object stores it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

from ...context import Context, asker
from ...errors import EmergeError, Unavailable
from ...operations import Values, Wire
from ..core import Core
from ..execution import EXECUTION
from ..runner import EvaluateCall, RunCall
from .event_queue import Feed
from .host import Caller, inside
from .invoke import runner_of, seat_of
from .operations import PARTS


async def run_part(
    core: Core,
    context: Context,
    path: str,
    pointer: Wire,
    state: bytes,
    bundles: dict[str, bytes],
    method: str,
    args: Values,
    kwargs: Wire,
    seconds: float,
) -> AsyncGenerator[Wire, None]:
    """Run a method of an object of another node: yield its output as it comes, and its outcome last."""
    runner = runner_of(core, path)
    seconds = min(seconds, EXECUTION.of(core).timeout)
    call = RunCall(path, pointer, state, bundles, method, list(args), dict(kwargs), seconds, asker(context), True)
    if core.dispatch is None:
        raise Unavailable("this filesystem is not a node's", path=path)
    seat = seat_of(core, context, runner)
    feed = Feed(PARTS)
    host = Caller(
        core.dispatch,
        partial(inside, context, str(pointer.get("uuid", ""))),
        path,
        seat,
        lambda text: feed.write(path, text),
        lambda part: feed.put({"event": "part", "part": part}),
    )

    async def work(feed: Feed) -> None:
        try:
            async with seat:
                done = await runner.run(call, host)
        except EmergeError as error:
            raise host.meaning(error) from None
        finally:
            await host.close()
        host.check()
        outcome = {"result": done.result, "state": done.state, "output": done.output, "digest": done.digest}
        await feed.put({"event": "outcome", "milliseconds": done.milliseconds, **outcome})

    async with aclosing(feed.read(work)) as events:
        async for event in events:
            yield event


async def evaluate_part(
    core: Core,
    context: Context,
    expression: Wire,
    rows: Values,
    bundles: dict[str, bytes],
    seconds: float,
) -> Wire:
    """Evaluate an expression on objects of another node: {"values", "errors"}."""
    runner = runner_of(core, "/")
    seconds = min(seconds, EXECUTION.of(core).timeout)
    pairs = [(pointer, state) for pointer, state in rows]
    done = await runner.evaluate(EvaluateCall(expression, pairs, bundles, seconds, asker(context), context.clock))
    return {"values": done.values, "errors": [[row, text] for row, text in done.errors.items()]}
