"""Magics: what is Python stays so, what is not is made into it, and what is neither says what there is."""

from __future__ import annotations

import ast
import re
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm import EmergeError, Invalid, NotFound
from emerge_wasm.browser.console import stopwatch
from emerge_wasm.browser.console.cell import Console
from emerge_wasm.browser.console.magic import MAGICS, prepare
from emerge_wasm.browser.failure import failure_of

LINES = st.sampled_from(
    ["x = 7", "y = (8\n%x)", 's = """\n%time x\nx?\n"""', "if x:\n    y = 1", "# %time", "def f(a):\n    return a % 2"]
)
"""Python, in part with what looks like a magic."""
MAGIC = st.sampled_from(
    [
        "%time x = 7",
        "%time f(3)",
        "%timeit -n 1 -r 1 x",
        "x?",
        "?x",
        "x??",
        "for i in [1]:\n    %time x = i",
        "t = %time f(1)",
    ]
)


@given(st.lists(LINES))
def test_python_stays_as_it_is(lines: list[str]) -> None:
    code = "\n".join(lines)
    prepared = prepare(code, "<cell 1>")
    assert prepared.code == code
    assert ast.dump(prepared.tree) == ast.dump(ast.parse(code))


@given(st.lists(st.one_of(LINES, MAGIC), max_size=6))
def test_magics_anywhere_leave_every_line_where_it_is(parts: list[str]) -> None:
    """A cell of any such lines compiles, and an error at its end is told of the right line."""
    code = "\n".join([*parts, "1 / 0"])
    prepared = prepare(code, "<cell 1>")
    assert prepared.code.count("\n") == code.count("\n")
    last = prepared.tree.body[-1]
    assert last.lineno == code.count("\n") + 1
    compile(prepared.tree, "<cell 1>", "exec")


async def test_time_tells_how_long_and_gives_the_value(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console({})
    assert (await console.run(1, "%time 6 * 7")).text == "42"
    assert (await console.run(2, "%time x = 5")).text is None
    assert (await console.run(3, "import asyncio\n%time await asyncio.sleep(0, x)")).text == "5"
    assert (await console.run(4, "%%time\ny = x + 1\ny")).text == "6"
    assert (await console.run(5, "def f():\n    %time return 3\nf()")).text == "3"
    assert capsys.readouterr().out.count("Wall time: ") == 5


async def test_timeit(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console({})
    await console.run(1, "done = []")
    await console.run(2, "%timeit -n 3 -r 2 done.append(1)")
    assert "2 runs, 3 loops each" in capsys.readouterr().out
    assert (await console.run(3, "len(done)")).text == "6"
    await console.run(4, "%%timeit -n 2 -r 1 begun = len(done)\ndone.append(begun)\ndone.append(begun)")
    assert (await console.run(5, "done[6:]")).text == "[6, 6, 6, 6]"
    text = (await console.run(6, "r = %timeit -o -q -n 1 -r 1 1\nr.loops, r.best > 0")).text
    assert text == "(1, True)"
    with pytest.raises(Invalid, match="use %time"):
        await console.run(7, "%timeit await f()")
    with pytest.raises(Invalid, match="no option -z"):
        await console.run(8, "%timeit -z 1")
    with pytest.raises(ZeroDivisionError):
        await console.run(9, "%timeit 1 / 0")


async def test_what_a_coarse_clock_cannot_tell_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([1.0, 1.0, 1.0, 1.000005])
    with monkeypatch.context() as patch:
        patch.setattr(stopwatch.time, "perf_counter", lambda: next(now))
        stopwatch.time_statement({}, "-n 1 -r 2 pass")
    out, err = capsys.readouterr()
    assert out.startswith("2.5 µs ± 2.5 µs per loop") and "larger" in err


@given(st.floats(0, 1e6))
def test_a_span_of_time_is_told_in_three_digits(seconds: float) -> None:
    assert re.fullmatch(r"\d+(\.\d+)?(e[-+]\d+)? (s|ms|µs|ns)|\d+ min \d+ s", stopwatch.format_seconds(seconds))
    assert "e-" not in stopwatch.format_seconds(seconds)


@pytest.mark.parametrize("code", ["%nosuch", "%%nosuch\nx", "x = 1\n%nosuch y", "for i in []:\n    %nosuch 1"])
async def test_an_unknown_magic_names_the_known_ones(code: str) -> None:
    with pytest.raises(Invalid) as caught:
        await Console({}).run(1, code)
    assert "nosuch" in caught.value.message
    assert caught.value.__context__ is None  # what Python says to it is of no use
    for name in MAGICS:
        assert f"%{name}" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "code", ["x = (1,", "%time x = (", "x y", "def f(:\n    pass", "%", "!ls", "f(1)?", "%%time 1\nx y"]
)
async def test_what_is_neither_is_an_error_that_names_it(code: str) -> None:
    with pytest.raises((SyntaxError, EmergeError)) as caught:
        await Console({}).run(1, code)
    assert str(caught.value)


async def test_a_syntax_error_is_told_of_the_line_that_was_written() -> None:
    with pytest.raises(SyntaxError) as caught:
        await Console({}).run(1, "%time x = 1\nx y")
    assert caught.value.lineno == 2
    trace = failure_of(caught.value)["traceback"] or ""
    assert "x y" in trace


async def test_a_traceback_shows_the_magic_as_it_was_written() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        await Console({}).run(1, "x = 1\n%time x / 0")
    assert "%time x / 0" in "".join(traceback.format_exception(caught.value))


async def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console({})
    code = '''class Box:
    """Holds a thing."""
    def __init__(self, thing: int, deep=False): pass
    def open(self, *, wide: bool = True) -> int:
        """Opens it."""
        return 1
    @property
    def danger(self): raise SystemExit
box = Box(3)
number = 12'''
    await console.run(1, code)
    for asked, told in [
        ("Box?", "Box(thing: int, deep=False)"),
        ("?Box", "Holds a thing."),
        ("box.open?", "open(*, wide: bool = True)"),
        ("box.open??", "return 1"),
        ("Box??", "def danger(self)"),
        ("number?", "Value: 12"),
        ("len?", "len(obj, /)"),
        ("%timeit?", "Runs a statement many times"),
        ("?%%time", "how long"),
    ]:
        await console.run(2, asked)
        assert told in capsys.readouterr().out
    for asked in ["nothing?", "box.nothing?", "box.danger?", "%nothing?"]:
        with pytest.raises(NotFound):
            await console.run(2, asked)
