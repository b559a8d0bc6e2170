"""Requests about cells: run one, and select the filesystem of `fs`."""

from __future__ import annotations

from ..console.cell import RUNNING
from ..console.shell import Shell
from ..console.trace import traced
from ..protocol.argument import CellArgs, LiveArgs, PlaceArgs
from ..protocol.view import CellResult, ShownValue, TraceView


async def cell(shell: Shell, args: CellArgs) -> CellResult:
    """Run a cell; its output is sent as events with the cell's number."""

    async def work() -> CellResult:
        shell.output.begin(args["cell"])
        shell.screen.begin()
        prepared, filename = shell.console.prepare(args["cell"], args["code"])
        try:
            await shell.packages.prepare(prepared.code, args["requirements"])
            with traced() as trace:
                result = await shell.console.run_prepared(args["cell"], prepared, filename, args["cause"])
        except Exception as error:
            await shell.packages.explain(error)
            raise
        finally:
            shell.tell_packages(args["cell"], prepared.code)
        value = result.value
        if value is not None:
            shell.charts.tell(value)
        shown = None if value is None else ShownValue(data=value.data, metadata=value.metadata)
        live = trace.view() if prepared.live else None
        return {"text": result.text, "value": shown, "milliseconds": result.milliseconds, "live": live}

    return await shell.run_alone(work())


async def relive(shell: Shell, args: LiveArgs) -> TraceView:
    """Make a live value again; what it read."""
    value = shell.lives.find(args["live"])

    async def work() -> TraceView:
        shell.output.begin(value.cell)
        RUNNING.set(value.cell)
        return await shell.lives.again(args["live"])

    return await shell.run_alone(work())


async def select(shell: Shell, args: PlaceArgs) -> None:
    shell.switch.where = shell.switch.find(args["where"]).name
