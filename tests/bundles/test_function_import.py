"""What a function imports within itself is looked at as what a module imports: it only computes, or is refused.

Each module comes in each way; what it gives reaches the value by each road: returned, in a table, kept by a closure.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from types import ModuleType

import pytest

from emerge_wasm.bundles import capture, load
from emerge_wasm.errors import CannotShip

from .conftest import forget, pack

Make = Callable[..., ModuleType]
HEAD = "from dataclasses import dataclass\nfrom emerge_wasm import EmergeFile\n"
ITEM = "@dataclass\nclass Item{0}(EmergeFile):\n    def do_(self):\n        return {1}\n"
COMPUTED = [
    ("re", "compile", "(p).pattern", "'[0-9]+'"),
    ("math", "floor", "(p)", "2.5"),
    ("math", "pi", " * p", "2"),
    ("datetime", "date", "(2026, 1, p)", "3"),
    ("json", "loads", "(p)", "'[1, 2]'"),
    ("urllib.parse", "quote", "(p)", "'a b'"),
]
FOREIGN = [
    ("os", "environ", "[p]", "'SECRET'"),
    ("os", "environ", ".get(p)", "'SECRET'"),
    ("os", "getenv", "(p)", "'SECRET'"),
    ("time", "time", "() + p", "1"),
    ("datetime", "datetime", ".now().year + p", "1"),
    ("pathlib", "Path", ".cwd().name + p", "'a'"),
    ("random", "random", "() + p", "1"),
]
WAYS = [
    ("import {module}", "{module}.{name}"),
    ("import {module} as m", "m.{name}"),
    ("from {module} import {name}", "{name}"),
    ("from {module} import {name} as n", "n"),
    ("try:\n        import {module} as m\n    except ImportError:\n        m = None", "m.{name}"),
]
ROADS = [
    ("    return {value}\n", "X{at} = make{at}({given})\n", "X{at}"),
    ("    return {value}\n", "X{at} = {{'a': make{at}({given})}}\n", "X{at}"),
    ("    kept = {value}\n    return lambda: kept\n", "X{at} = make{at}({given})\n", "X{at}()"),
    (
        "    kept = {value}\n    def f(): return kept\n    return f\n",
        "X{at} = [make{at}({given})]\n",
        "X{at}[0]()",
    ),
]


def rows(kinds: list[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
    """The statements of each combination, with a name of its own, and the expression of its value."""
    found = []
    for at, ((module, name, use, given), (line, read), (body, statement, asked)) in enumerate(
        product(kinds, WAYS, ROADS)
    ):
        value = read.format(module=module, name=name) + use
        head = f"def make{at}(p):\n    " + line.format(module=module, name=name) + "\n"
        text = head + body.format(value=value) + statement.format(at=at, given=given)
        found.append((text, asked.format(at=at)))
    return found


def test_what_only_computes_travels(module: Make) -> None:
    cases = rows(COMPUTED)
    source = module(HEAD + "".join(text + ITEM.format(at, asked) for at, (text, asked) in enumerate(cases)))
    for at, (text, asked) in enumerate(cases):
        here = eval(asked, vars(source))
        hash, table = pack(getattr(source, f"Item{at}"))
        forget()
        assert load(hash, table.get)().do_() == here, text


def test_what_comes_from_outside_is_refused(module: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s3cr3t")
    cases = rows(FOREIGN)
    source = module(HEAD + "".join(text + ITEM.format(at, asked) for at, (text, asked) in enumerate(cases)))
    for at, (text, _) in enumerate(cases):
        try:
            capture(getattr(source, f"Item{at}"))
        except CannotShip as error:
            assert "whose value comes from" in str(error) and "ship(" in str(error), text
        else:
            pytest.fail(f"it travelled: {text}")
