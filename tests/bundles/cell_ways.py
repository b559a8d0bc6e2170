"""Classes as people write them in cells, and the ways in which programs compile what is typed.

Run as a program, it says which ways and shapes fail: `python cell_ways.py [few|ipython]`. It runs on every Python.
"""

from __future__ import annotations

import ast
import asyncio
import code
import inspect
import itertools
import linecache
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from emerge_wasm.bundles import capture, keep_source, load
from emerge_wasm.bundles.expression import capture_expression
from emerge_wasm.bundles.load_expression import load_expression
from emerge_wasm.bundles.registry import forget
from emerge_wasm.errors import CannotShip

AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
HEAD = "from dataclasses import dataclass, field\nfrom emerge_wasm import EmergeFile\n"
CLASS = "@dataclass\nclass A(EmergeFile):\n    n: int = 3\n"
SHAPES = {
    "an import beside it": "import math\n" + CLASS + "    def f(self): return math.floor(self.n + 4.5)",
    "several imports": "import math, os.path as p\nfrom fractions import Fraction as F\n"
    + CLASS
    + "    def f(self): return int(F.from_float(0.5) + math.floor(1.5)) + len(p.join('abc', 'cd'))",
    "an import under if": "if True:\n    import math\n" + CLASS + "    def f(self): return math.floor(7.5)",
    "all under if": "if True:\n    import math as m\n    @dataclass\n    class A(EmergeFile):\n"
    "        def f(self): return m.floor(7.5)",
    "an import under try": "try:\n    import math as fast\nexcept ImportError:\n    import cmath as fast\n"
    + CLASS
    + "    def f(self): return fast.floor(7.5)",
    "a helper with an import": "import math\ndef help(x): return math.floor(x)\n"
    + CLASS
    + "    def f(self): return help(7.2)",
    "a lambda with an import": "import math\nhelp = lambda x: math.floor(x) + math.ceil(0.5)\n"
    + CLASS
    + "    def f(self): return help(6.2)",
    "an import after it": CLASS + "    def f(self): return math.floor(7.5)\nimport math",
    "jumps among calls": "import math\n"
    + CLASS
    + "    def f(self):\n        total = 0\n        for k in range(30):\n            try:\n"
    "                if math.floor(k) % 7 == 0 and k: total += math.gcd(k, 7) - 6\n"
    "                elif math.isnan(k): continue\n            except ValueError as e:\n                raise e\n"
    "            finally:\n                math.ceil(k)\n        return total + 3 + sum(math.floor(k) for k in [0])",
    "annotated functions within": "import typing\n"
    + CLASS
    + "    def f(self) -> int:\n        def g(x: int, *, y: 'str' = '') -> typing.Optional[int]:\n"
    "            z: int = x\n            return typing.cast(int, z)\n        return g(7)",
    "a class within": "import math\n" + CLASS + "    def f(self):\n        class B:\n            size: int = 7\n"
    "            def g(self): return math.floor(self.size)\n        return B().g()",
    "decorated": "import math, functools\n"
    + CLASS
    + "    @property\n    def p(self): return math.floor(1.5)\n    @staticmethod\n    def s(): return math.floor(1.5)\n"
    "    @classmethod\n    def c(cls): return math.floor(1.5)\n    @functools.cached_property\n"
    "    def k(self): return math.floor(4.5)\n    def f(self): return self.p + self.s() + self.c() + self.k",
    "sets and assertions": CLASS + "    def f(self):\n        assert self.n in {3, 'three', 3.5, None}, f'{self.n!r}'\n"
    "        return 7 if 'a' in {'b', 'a', 'c'} else 0",
    "generators and matches": "import itertools\n"
    + CLASS
    + "    def g(self):\n        yield from itertools.islice(itertools.count(7), 1)\n    def f(self):\n"
    "        match list(self.g()):\n            case [int(x)] if (y := itertools.count(x)): return next(y)",
    "async methods": "import asyncio\n"
    + CLASS
    + "    async def g(self):\n        async with asyncio.timeout(5):\n            return [x async for x in self.h()]\n"
    "    async def h(self):\n        yield await asyncio.sleep(0, 7)\n"
    "    def f(self):\n        import asyncio as a\n        one = self.h().__anext__().__await__()\n"
    "        try:\n            while True: next(one)\n        except StopIteration as e: return e.value",
    "a base in the same cell": "import math\nclass Base(EmergeFile):\n    def g(self): return math.floor(7.5)\n"
    "@dataclass\nclass A(Base):\n    def f(self): return super().g()",
}
TOP = {
    "await before": "import asyncio\nawait asyncio.sleep(0)\n{}",
    "await after": "import asyncio\n{}\nX = await asyncio.sleep(0, 1)",
    "async for": "async def numbers():\n    yield 1\nasync for X in numbers():\n    pass\n{}",
    "async with": "import contextlib\nasync with contextlib.AsyncExitStack() as X:\n    pass\n{}",
    "async comprehension": "async def numbers():\n    yield 1\nX = [n async for n in numbers()]\n{}",
}
Run = Callable[[str, dict[str, Any]], None]
_count = 0


def name() -> str:
    global _count
    _count += 1
    return f"<cell {_count}>"


def finish(made: Any, namespace: dict[str, Any]) -> None:
    value = eval(made, namespace)
    if made.co_flags & inspect.CO_COROUTINE:
        asyncio.run(value)


def whole(text: str, namespace: dict[str, Any]) -> None:
    """As a module, or `python -c`."""
    file = name()
    keep_source(file, text)
    finish(compile(text, file, "exec", AWAIT, dont_inherit=True), namespace)


def apart(text: str, namespace: dict[str, Any]) -> None:
    """As IPython: each statement by itself."""
    file = name()
    keep_source(file, text)
    for node in ast.parse(text).body:
        finish(compile(ast.Module([node], []), file, "exec", AWAIT, dont_inherit=True), namespace)


def interactive(text: str, namespace: dict[str, Any]) -> None:
    """As IPython whose `ast_node_interactivity` is all."""
    file = name()
    keep_source(file, text)
    for node in ast.parse(text).body:
        finish(compile(ast.Interactive([node]), file, "single", AWAIT, dont_inherit=True), namespace)


def lasting(text: str, namespace: dict[str, Any]) -> None:
    """As IPython after `from __future__ import annotations`."""
    import __future__

    file, flags = name(), AWAIT | __future__.annotations.compiler_flag
    keep_source(file, text)
    for node in ast.parse(text).body:
        finish(compile(ast.Module([node], []), file, "exec", flags, dont_inherit=True), namespace)


def page(text: str, namespace: dict[str, Any]) -> None:
    """As the page's console."""
    from emerge_wasm.browser.console.cell import Console

    global _count
    _count += 1
    asyncio.run(Console(namespace).run(_count + 10_000, text))


def documented(text: str, namespace: dict[str, Any]) -> None:
    """As doctest: each statement is a text of its own."""
    lines = text.split("\n")
    for node in ast.parse(text).body:
        first = min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", ()))])
        whole("\n".join(lines[first - 1 : node.end_lineno]) + "\n", namespace)


def typed(text: str, namespace: dict[str, Any]) -> None:
    """As a console of the `code` module that keeps its texts."""
    lines = text.split("\n")
    console = code.InteractiveInterpreter(namespace)
    for node in ast.parse(text).body:
        first = min([node.lineno, *(mark.lineno for mark in getattr(node, "decorator_list", ()))])
        statement, file = "\n".join(lines[first - 1 : node.end_lineno]) + "\n", name()
        keep_source(file, statement)
        console.runsource(statement + "\n", file)


WAYS: dict[str, Run] = {run.__name__: run for run in (whole, apart, interactive, lasting, page, documented, typed)}
SYNC = {"typed"}
LIKE_OTHERS = {"interactive", "documented", "typed", "ipython none", "ipython all"}


def cells(way: str) -> Iterator[tuple[str, str]]:
    yield from list(SHAPES.items())[:: 4 if way in LIKE_OTHERS else 1]
    shapes = itertools.cycle(("an import beside it", "a lambda with an import", "annotated functions within"))
    for (top, frame), shape in zip(TOP.items(), shapes, strict=False):
        if way not in SYNC:
            yield f"{top}, {shape}", frame.format(SHAPES[shape])


def check(way: str, text: str, namespace: dict[str, Any]) -> str:
    """Run a cell, store its class and read it back in a new process's place; what is wrong, or ""."""
    run = WAYS[way]
    try:
        run(HEAD, namespace)
        run(text, namespace)
        bundles = capture(namespace["A"])
        table = {bundle.hash: bundle.data for bundle in bundles}
        forget()
        found = load(bundles[-1].hash, table.get)().f()
        return "" if found == 7 else f"gives {found!r}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def check_changed(way: str, text: str, namespace: dict[str, Any]) -> str:
    """The same for a method that was replaced since: it must be refused."""
    WAYS[way](HEAD, namespace)
    WAYS[way](text, namespace)
    line = namespace["A"].f.__code__.co_firstlineno
    WAYS[way]("\n" * (line - 1) + "def f(self): return 8", namespace)
    namespace["A"].f = namespace["f"]
    try:
        capture(namespace["A"])
    except CannotShip:
        return ""
    return "ships a method that was replaced"


def check_search(way: str, namespace: dict[str, Any]) -> str:
    """A lambda that uses an import of its own cell, in the cell's last expression."""
    namespace["keep"] = namespace.setdefault("kept", []).append
    text = "import math, random\nrandom.seed(1)\nkeep(lambda o: math.floor(o) + random.Random(o).randint(0, 0))"
    WAYS[way](text, namespace)
    expression = capture_expression(namespace["kept"][-1])
    forget()
    found = load_expression(expression.to_wire(), expression.bundles.get)(7)
    return "" if found == 7 else f"gives {found!r}"


def failures(ways: list[str]) -> Iterator[str]:
    module = sys.modules["__main__"]
    for way in ways:
        for number, (shape, text) in enumerate(cells(way)):
            linecache.clearcache()
            for look in (check, check_changed)[: 1 if number % 4 else 2]:
                wrong = look(way, text, vars(module))
                if wrong:
                    yield f"{way}, {shape}: {wrong}"
        wrong = check_search(way, vars(module))
        if wrong:
            yield f"{way}, a search: {wrong}"


def in_ipython() -> Iterator[str]:
    """The same in an IPython of each kind."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()

    def cell(text: str, namespace: dict[str, Any]) -> None:
        shell.run_cell(text, store_history=True).raise_error()

    def magic(text: str, namespace: dict[str, Any]) -> None:
        shell.run_cell("%%time\n" + text, store_history=True).raise_error()

    for kind in ("last_expr", "all", "none"):
        shell.ast_node_interactivity = kind
        WAYS[f"ipython {kind}"] = cell
        yield from failures([f"ipython {kind}"])
    SYNC.add("ipython %%time")
    WAYS["ipython %%time"] = magic
    yield from failures(["ipython %%time"])


if __name__ == "__main__":
    sys.modules["__main__"] = ModuleType("__main__")
    ways = ["apart", "lasting", "page"] if sys.argv[1:] == ["few"] else list(WAYS)
    found = list(in_ipython() if sys.argv[1:] == ["ipython"] else failures(ways))
    sys.stdout.write("\n".join([*found, "done"]))
