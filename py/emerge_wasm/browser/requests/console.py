"""Requests about cells: run one, and select the filesystem of `fs`."""

from __future__ import annotations

from ..console.shell import Shell
from ..protocol import CellArgs, CellResult, PlaceArgs, ShownValue


async def cell(shell: Shell, args: CellArgs) -> CellResult:
    """Run a cell; its output is sent as events with the cell's number."""

    async def work() -> CellResult:
        shell.output.begin(args["cell"])
        shell.screen.begin()
        prepared, filename = shell.console.prepare(args["cell"], args["code"])
        try:
            await shell.packages.prepare(prepared.code, args["requirements"])
            result = await shell.console.run_prepared(args["cell"], prepared, filename, args["cause"])
        except Exception as error:
            await shell.packages.explain(error)
            raise
        finally:
            shell.tell_packages(args["cell"], prepared.code)
        value = result.value
        shown = None if value is None else ShownValue(data=value.data, metadata=value.metadata)
        return {"text": result.text, "value": shown, "milliseconds": result.milliseconds}

    return await shell.run_alone(work())


async def select(shell: Shell, args: PlaceArgs) -> None:
    shell.switch.where = shell.switch.find(args["where"]).name
