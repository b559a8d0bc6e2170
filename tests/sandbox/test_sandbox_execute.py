# ruff: noqa: T201 - printing is what is tested
"""Running in this very process, as a browser and `--local` do; and the frames between a pool and its workers."""

from __future__ import annotations

import asyncio
import struct
import sys
from contextlib import ExitStack, redirect_stdout
from contextvars import copy_context
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.errors import ExecutionFailed, LimitExceeded, NotFound
from emerge_wasm.filesystem.runs.inside.capture import Output, Stop, capture
from emerge_wasm.filesystem.runs.inside.execute import execute
from emerge_wasm.sandbox.frame import BadFrame, Splitter, pack_frame

from .conftest import SMALL, call_of
from .thing import Thing


async def test_result_state_and_output() -> None:
    outcome = await execute(call_of(Thing(name="one"), "say", "hello"))
    assert (outcome.result, outcome.output, outcome.state) == ("said", "hello\naside\n", None)
    assert (await execute(call_of(Thing(name="one"), "raise_price"))).state is not None
    assert (await execute(call_of(Thing(name="one"), "later_numbers", 3))).result == [0, 1, 2]


async def test_errors_are_those_of_a_worker() -> None:
    with pytest.raises(ExecutionFailed, match="ZeroDivisionError") as caught:
        await execute(call_of(Thing(name="one"), "divide", 0))
    assert "return self.price / by" in caught.value.details["traceback"]
    assert "emerge_wasm/" not in caught.value.details["traceback"]
    with pytest.raises(NotFound):
        await execute(call_of(Thing(name="one"), "nothing"))
    with pytest.raises(LimitExceeded) as stopped:
        await execute(call_of(Thing(name="one"), "chatter", 100), SMALL)
    assert stopped.value.details["limit"] == "output"


async def test_stop_button_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        await execute(call_of(Thing(name="one"), "interrupt"))


async def test_overlapping_captures_keep_their_lines_apart() -> None:
    before = sys.stdout

    async def speak(word: str, pause: float) -> str:
        with capture(1000) as output:
            for _ in range(3):
                print(word, end="")
                await asyncio.sleep(pause)
        return output.text()

    assert await asyncio.gather(speak("a", 0.01), speak("b", 0.004)) == ["aaa", "bbb"]
    assert sys.stdout is before


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["print", "close", "spoil", "redirect", "leave"]))))
def test_a_capture_gets_its_own_lines_whatever_code_does_to_its_output(steps: list[tuple[int, str]]) -> None:
    before, spoken = (sys.stdout, sys.stderr), dict[int, str]()
    contexts = [copy_context() for _ in range(3)]
    blocks: dict[int, ExitStack] = {}
    outputs: dict[int, Output] = {}

    def do(number: int, step: str) -> None:
        if step == "leave":
            blocks.pop(number).close()
            assert outputs.pop(number).text() == spoken.pop(number)
        elif step == "close":
            sys.stdout.close()
        elif step == "spoil" and len(blocks) == 1:  # what others that run use, code may spoil
            vars(sys.stdout)["write"] = None
            del vars(sys.stdout)["write"]
            vars(sys.stdout)["left"] = number
        elif step == "redirect":
            with redirect_stdout(StringIO()) as elsewhere:
                print("elsewhere", end="")
            assert elsewhere.getvalue() == "elsewhere"
        else:
            print(number, end="")
            spoken[number] += f"{number}"

    def enter(number: int) -> None:
        if not blocks:
            assert "left" not in vars(sys.stdout)
        blocks[number] = ExitStack()
        outputs[number] = blocks[number].enter_context(capture(1000))
        spoken[number] = ""

    for number, step in steps:
        if number not in blocks:
            contexts[number].run(enter, number)
        contexts[number].run(do, number, step)
    for number in list(blocks):
        contexts[number].run(do, number, "leave")
    assert (sys.stdout, sys.stderr) == before and not sys.stdout.closed


def test_output_stops_and_stays_stopped() -> None:
    with capture(5) as output:
        with pytest.raises(Stop):
            print("1234567")
        with pytest.raises(Stop):
            print("8")
    assert output.text() == "12345"


def test_lone_surrogate_in_output() -> None:
    with capture(100) as output:
        print("\udc80", end="")
    assert output.text() == "?"


def test_splitter_puts_pieces_together() -> None:
    splitter = Splitter(100)
    data = pack_frame(b"one") + pack_frame(b"") + pack_frame(b"three")
    frames = [frame for at in range(len(data)) for frame in splitter.feed(data[at : at + 1])]
    assert frames == [b"one", b"", b"three"]
    assert splitter.feed(data) == frames
    with pytest.raises(BadFrame, match="101 bytes"):
        splitter.feed(struct.pack(">I", 101))
