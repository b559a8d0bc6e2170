"""Cells on CPython: their values, and the text behind their code."""

from __future__ import annotations

import pytest

from emerge_wasm.browser.console.cell import Console
from emerge_wasm.browser.failure import failure_of


async def test_console_keeps_names_and_gives_the_last_value() -> None:
    console = Console({})
    await console.run(1, "x = 3")
    result = await console.run(2, "import asyncio\nawait asyncio.sleep(0)\nx * 2")
    assert result.text == "6"


@pytest.mark.parametrize("code", ["", "# nothing", "x = 1", "1;", "None", "1;  # quiet? no\n# yes\nNone"])
async def test_console_without_a_value(code: str) -> None:
    assert (await Console({}).run(1, code)).text is None


async def test_a_cell_does_not_inherit_our_future_imports() -> None:
    result = await Console({}).run(1, "def f(a: int): ...\nf.__annotations__['a'] is int")
    assert result.text == "True"


async def test_cells_of_one_number_have_texts_of_their_own() -> None:
    console = Console({})
    await console.run(1, "def first(): return 1 / 0")
    await console.run(1, "second = 2")
    with pytest.raises(ZeroDivisionError) as caught:
        await console.run(2, "first()")
    trace = failure_of(caught.value)["traceback"]
    assert 'File "<cell 2>", line 1' in trace
    assert "def first(): return 1 / 0" in trace
    assert '/cell.py"' not in trace
