"""Cells on CPython: their values, and the text behind their code."""

from __future__ import annotations

import asyncio
import gc
import inspect
import linecache
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, Invalid
from emerge_wasm.browser.console.cause import CausedTransport
from emerge_wasm.browser.console.cell import Console
from emerge_wasm.browser.console.nested_loop import NestedLoops
from emerge_wasm.browser.failure import failure_of
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Wire
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Values
from emerge_wasm.paths import split_path
from emerge_wasm.stores import open_store


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


@pytest.mark.parametrize(
    ("code", "message", "line"),
    [
        ("x = 1\nreturn x", "SyntaxError: 'return' outside function", "    return x"),
        ("x = = 1", "SyntaxError: invalid syntax", "    x = = 1"),
        ("eval('x y')", "SyntaxError: invalid syntax", "    eval('x y')"),
        ("raise ValueError('a\\n  b')", "ValueError: a\n  b", "    raise ValueError('a\\n  b')"),
        ("raise ValueError('a' * 600)", f"ValueError: {'a' * 485}...", "    raise ValueError('a' * 600)"),
    ],
)
async def test_an_error_has_its_words_as_they_were_and_its_line(code: str, message: str, line: str) -> None:
    with pytest.raises(Exception) as caught:
        await Console({}).run(1, code)
    failure = failure_of(caught.value, traced=True)
    assert failure["message"] == message
    assert line in (failure["traceback"] or "").splitlines()


async def test_what_a_cell_changes_is_recorded_with_its_cause() -> None:
    """And a node of an earlier release, which knows no causes, gets the change all the same."""
    filesystem = LocalTransport(await Filesystem.open(await open_store("memory:"), node="n1", url="memory:"))
    fs = Client(CausedTransport(filesystem))
    console = Console({"fs": fs, "EmergeFile": EmergeFile})
    cause = "cell ab12 of cluster:/notebooks/x@3"
    await console.run(1, "await fs.store(EmergeFile(name='a', path='/x', data=1))\nawait fs.mkdir('/y')", cause)
    await console.run(2, "async with fs.transaction() as tx:\n    await tx.update('/x/a', data=2)", cause)
    await console.run(3, "await fs.update('/x/a', data=3)")
    await fs.update("/x/a", data=4)
    assert [row.get("cause", "") for row in await fs.versions("/x/a")] == ["", "", cause, cause]
    assert (await fs.versions("/y"))[0].get("cause") == cause

    class Earlier(LocalTransport):
        async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
            if context and "cause" in context:
                raise Invalid("a call's context cannot have 'cause': 'cell'", remedy="it is a map")
            return await super().call(name, args, context)

    earlier = Client(CausedTransport(Earlier(filesystem.filesystem)))
    await Console({"fs": earlier}).run(4, "await fs.update('/x/a', data=5)", cause)
    assert (await fs.versions("/x/a"))[0].get("cause") is None


TEXTS = [
    "def f(x: int = 1) -> int:\n    return x + {n}",
    "class A:\n    def m(self) -> int:\n        return {n}",
    "held.append(f)",
    "held.append(A.m)",
    "{n} + 1",
    "raise KeyError({n})",
    "not python {n}",
]


@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.integers(1, 2)), max_size=40))
def test_a_text_that_runs_again_is_kept_anew_only_while_something_of_its_earlier_run_is_left(
    runs: list[tuple[str, int]],
) -> None:
    """However often cells run (live ones do so by themselves): what is left can be shipped, and nothing piles up."""

    async def work() -> None:
        before = set(linecache.cache)
        namespace: dict[str, Any] = {"held": []}
        console = Console(namespace)
        texts: dict[str, str] = {}
        wanted: list[tuple[Any, str]] = []
        for number, (form, which) in enumerate(runs, 1):
            code = form.format(n=which)
            with suppress(KeyError, NameError, SyntaxError):
                await console.run(number, code)
                if form in TEXTS[:2]:
                    texts[form.split()[0]] = code
                elif form in TEXTS[2:4]:
                    wanted.append((namespace["held"][-1], texts["def" if form == TEXTS[2] else "class"]))
        for each, text in wanted:
            assert inspect.getsource(each).strip() in text
        namespace.pop("_", None)
        gc.collect()
        for code in {form.format(n=which) for form, which in runs}:
            with suppress(KeyError, NameError, SyntaxError):
                await console.run(1_000, code)  # which is when that is looked at
        kept = set(linecache.cache) - before
        assert len(kept) <= len(set(runs)) + len({id(each) for each in namespace["held"]}) + 2
        for name in kept:
            del linecache.cache[name]

    gc.freeze()  # only what is made here is looked at
    try:
        asyncio.run(work())
    finally:
        gc.unfreeze()


def test_a_stop_that_pyodide_hides_is_one() -> None:
    hiding = type("ConversionError", (Exception,), {"__module__": "pyodide.ffi"})
    try:
        raise hiding("Conversion from python to javascript failed") from KeyboardInterrupt()
    except Exception as error:
        assert failure_of(error)["message"] == "stopped"
    try:
        raise ValueError("mine") from KeyboardInterrupt()
    except ValueError as error:
        assert failure_of(error)["message"] == "ValueError: mine"


def test_a_traceback_leaves_out_the_loop_in_which_a_cell_waits() -> None:
    async def ask() -> None:
        split_path("no path")

    loops = NestedLoops(lambda seconds: [], lambda payload: None)
    with pytest.raises(Invalid) as ours:
        loops.drive(ask())
    trace = failure_of(ours.value, traced=True)["traceback"]
    assert trace is not None and ", in ask" in trace and "asyncio" not in trace and "emerge_wasm/" not in trace
    loops.close()
    with pytest.raises(Invalid) as mine, asyncio.Runner() as runner:
        runner.run(ask())
    assert "asyncio" in (failure_of(mine.value, traced=True)["traceback"] or "")
