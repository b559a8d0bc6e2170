"""Requests that answer what cells and runs ask the user, and end runs."""

from __future__ import annotations

from ..protocol.argument import AnswerArgs, CancelArgs, InputArgs
from ..tab import Tab


async def answer(tab: Tab, args: AnswerArgs) -> None:
    """Take the user's answer to a question whether code may run."""
    tab.consent.answer(args["question"], args["run"])


async def give_input(tab: Tab, args: InputArgs) -> None:
    """Take what was typed into a cell's field."""
    tab.inputs.answer(args["input"], args["text"])


async def cancel(tab: Tab, args: CancelArgs) -> None:
    """Cancel a run at the point where it waits."""
    tab.cancel(args["run"])
