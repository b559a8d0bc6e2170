"""Requests of the console: run cells, select the filesystem of `fs`, answer consent questions, and end runs."""

from __future__ import annotations

from ..library import load_libraries
from ..protocol import AnswerArgs, CancelArgs, CellArgs, CellResult, PlaceArgs, ShownValue
from ..tab import Tab


async def cell(tab: Tab, args: CellArgs) -> CellResult:
    """Run a cell; its output is sent as events with the cell's number."""

    async def work() -> CellResult:
        tab.output.begin(args["cell"])
        tab.screen.begin()
        await load_libraries(args["code"])
        result = await tab.console.run(args["cell"], args["code"])
        value = result.value
        shown = None if value is None else ShownValue(data=value.data, metadata=value.metadata)
        return {"text": result.text, "value": shown, "milliseconds": result.milliseconds}

    return await tab.run_alone(work())


async def answer(tab: Tab, args: AnswerArgs) -> None:
    """Take the user's answer to a question whether code may run."""
    tab.consent.answer(args["question"], args["run"])


async def select(tab: Tab, args: PlaceArgs) -> None:
    tab.switch.where = tab.find(args).name


async def cancel(tab: Tab, args: CancelArgs) -> None:
    """Cancel a run at the point where it waits."""
    tab.cancel(args["run"])
