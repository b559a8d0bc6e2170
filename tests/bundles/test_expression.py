"""A lambda's own text is found among others, what it captured travels, and what cannot is refused by name."""

from __future__ import annotations

import datetime as dt
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm.bundles import expression, keep_source
from emerge_wasm.bundles.body import parse_expression
from emerge_wasm.bundles.expression import Expression, capture_expression
from emerge_wasm.bundles.load_expression import load_expression
from emerge_wasm.errors import CannotShip, EmergeError, Invalid
from tests.scale import examples

from .conftest import forget
from .test_bundle_repl import converse

Make = Callable[..., ModuleType]
LIMIT = 3


class Thing:
    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


class Color(Enum):
    RED = 1


@dataclass
class Setting:
    limit: int = 4

    @property
    def twice(self) -> int:
        return self.limit * 2

    def lambdas(self) -> list[Any]:
        return [lambda o: o.x < self.limit, lambda o: o.x < self.twice]


def text(function: Any) -> str:
    return capture_expression(function).text


def again(function: Any) -> Callable[[Any], Any]:
    """The function as another process gets it."""
    captured = capture_expression(function)
    wire = captured.to_wire()
    forget()
    return load_expression(wire, captured.bundles.get)


def passed(*functions: Any, **more: Any) -> tuple[Any, ...]:
    return functions


class Chain:
    def __init__(self) -> None:
        self.kept: list[Any] = []

    def where(self, function: Any) -> Chain:
        self.kept.append(function)
        return self


def test_each_of_many_on_one_line() -> None:
    # fmt: off
    one, two, three = lambda o: o.a, lambda o: o.b, lambda o: o.a
    pair = passed(lambda o: o.a < 1, lambda o: o.a < 2, key=lambda o: o.a)
    nested = passed(lambda o: passed(lambda p: p.x, o), (lambda p: p.x))
    same = [lambda o: 1 + 1, lambda o: 2]
    # fmt: on
    assert [text(f) for f in (one, two, three)] == ["lambda o: o.a", "lambda o: o.b", "lambda o: o.a"]
    assert [text(f) for f in pair] == ["lambda o: o.a < 1", "lambda o: o.a < 2"]
    assert [text(f) for f in nested[1:]] == ["lambda p: p.x"]
    assert text(nested[0]) == "lambda o: passed(lambda p: p.x, o)"
    assert [text(f) for f in same] == ["lambda o: 1 + 1", "lambda o: 2"]
    inner = nested[0](None)[0]
    assert text(inner) == "lambda p: p.x"


def test_in_chains_and_over_lines() -> None:
    chain = Chain().where(lambda o: o.a > 1).where(
        lambda o: (o.b > 2
        and o.c)  # a comment
        or (o.d
            if o.e else "lambda o: o.f")
    ).where(lambda o: o.g)  # fmt: skip
    found = [text(function) for function in chain.kept]
    assert found[0] == "lambda o: o.a > 1"
    assert found[1] == "lambda o: o.b > 2 and o.c or (o.d if o.e else 'lambda o: o.f')"
    assert found[2] == "lambda o: o.g"


def test_within_decorators_defaults_asserts_and_comprehensions() -> None:
    kept: list[Any] = []

    def mark(function: Any) -> Any:
        kept.append(function)
        return lambda inner: inner

    @mark(lambda o: o.marked)
    def some(default: Any = lambda o: o.default) -> Any:
        return default

    assert text(lambda o: o.asserted) == "lambda o: o.asserted"
    assert text(kept[0]) == "lambda o: o.marked"
    assert text(some()) == "lambda o: o.default"
    each = [lambda o, n=n: o.x == n for n in range(3)]
    assert [capture_expression(function).values for function in each] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_what_it_captures_travels_as_values() -> None:
    words, low = {"a", "b"}, 1

    def inner(high: int) -> Any:
        return lambda o: low < o.x < high < LIMIT + 100 and o.name in words

    found = capture_expression(inner(9))
    assert found.values == {"low": 1, "high": 9, "LIMIT": 3, "words": {"a", "b"}}
    assert (found.bundle, found.bundles) == ("", {})
    assert again(inner(9))(Thing(x=2, name="a")) is True


def test_attributes_of_captured_things_travel_as_values() -> None:
    first, second = Setting(7).lambdas()
    assert capture_expression(first) == Expression("lambda o: o.x < self_limit", {"self_limit": 7})
    assert again(second)(Thing(x=13)) and not again(second)(Thing(x=14))
    found = capture_expression(lambda o: o.color == Color.RED)
    assert found.values == {"Color_RED": Color.RED} and found.bundle
    own = Thing(limit=3, file=sys.stdout)
    assert capture_expression(lambda o: o.x > own.limit).values == {"own_limit": 3}


def test_given_names_are_written_in_full() -> None:
    found = capture_expression(
        lambda o: o.d < date(2024, 5, 1) - timedelta(days=1) or o.t > dt.datetime.now(dt.UTC) or re.match("a", o.n)
    )
    assert found.bundle == "" and found.values == {}
    assert found.text == (
        "lambda o: o.d < datetime.date(2024, 5, 1) - datetime.timedelta(days=1)"
        " or o.t > datetime.datetime.now(datetime.UTC) or re.match('a', o.n)"
    )
    assert again(lambda o: math.floor(o.x) == 2 and date(2024, 5, 1).year == 2024)(Thing(x=2.5)) is True
    datetime = "2024"
    assert again(lambda o: o.year == datetime)(Thing(year="2024")) is True


def is_cheap(o: Any, limit: int = LIMIT) -> bool:
    """Cheap is what costs less than the limit."""
    return bool(o.price < limit)


def is_dear(o: Any) -> bool:
    for factor in (1, 2):
        if o.price * factor > LIMIT:
            return not is_cheap(o)
    return False


def test_functions_of_one_argument() -> None:
    assert text(is_cheap) == "lambda o: bool(o.price < limit)"
    assert capture_expression(is_cheap).values == {"limit": 3}
    found = capture_expression(is_dear)
    assert found.text == "lambda o: is_dear(o)" and set(found.bundles) == {found.bundle}
    assert again(is_dear)(Thing(price=4)) is True
    assert again(lambda o: is_dear(o) and Setting(2).twice == 4)(Thing(price=4)) is True


def test_bundles_name_only_what_is_used(module: Make) -> None:
    made = module("from functools import lru_cache\nN = 2\ndef f(x):\n    return x * N\ng = lambda o: f(o.x) > N\n")
    found = capture_expression(made.g)
    assert found.values == {"N": 2}
    assert found == capture_expression(made.g)
    assert again(made.g)(Thing(x=2)) is True


def refused(function: Any) -> str:
    with pytest.raises(EmergeError) as caught:
        capture_expression(function)
    assert isinstance(caught.value, CannotShip | Invalid) and caught.value.remedy
    return caught.value.message


def test_what_an_expression_may_not_be() -> None:
    assert "one argument" in refused(lambda: 1)
    assert "one argument" in refused(lambda o, p: 1)
    assert "one argument" in refused(lambda *o: 1)
    assert "one argument" in refused(lambda o, *, p: 1)
    assert "assigns" in refused(lambda o: (found := o.x) and found)
    assert "yields" in refused(lambda o: (yield o))
    assert "builtin_function_or_method" in refused(len)
    assert "method" in refused(Setting().lambdas)
    assert "Setting" in refused(Setting())

    async def later(o: Any) -> bool:
        return bool(o)

    assert "awaits" in refused(later)
    assert "nests deeper" in refused(eval_lambda("lambda o: " + "(" * 0 + "not " * 60 + "o.x"))
    assert "characters" in refused(eval_lambda(f"lambda o: {'x' * 17000!r}"))


@pytest.mark.parametrize("path", ["/", "/sensors", "/a b/c"])
def test_a_path_where_an_expression_belongs(path: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_expression(path)
    assert caught.value.remedy == "give a path as path="


def eval_lambda(source: str) -> Any:
    keep_source("<cell 77>", source)
    return eval(compile(source, "<cell 77>", "eval"))


def test_what_cannot_travel_is_named() -> None:
    file, own, socket = sys.stdout, Thing(a=sys.stdout), sys
    assert "uses file, a " in refused(lambda o: file.write(o.x))
    assert "uses own, a Thing" in refused(lambda o: own.a.write(o.x))
    assert "uses missing, which is not defined" in refused(lambda o: missing(o))  # type: ignore[name-defined] # noqa: F821
    assert "no source" in refused(eval("lambda o: o.x"))
    assert capture_expression(lambda o: socket.platform == o.x).values == {"socket_platform": sys.platform}

    def sum(values: Any) -> int:
        return 0

    assert "uses a sum that is not Python's own" in refused(lambda o: sum(o.xs))


def test_a_file_that_was_changed(module: Make) -> None:
    made = module("f = lambda o: o.x < 1\n")
    assert made.__file__
    with open(made.__file__, "w") as file:
        file.write("f = lambda o: o.x < 1000\n")
    assert "no source that fits" in refused(made.f)


def test_cells_of_a_console() -> None:
    names: dict[str, Any] = {"__name__": "__main__", "LIMIT": 8}
    for number, source in enumerate(["limit = 2\nfs = [lambda o: o.x < limit, lambda o: o.x < LIMIT]", "limit = 5"]):
        keep_source(f"<console {number}>", source)
        exec(compile(source, f"<console {number}>", "exec"), names)
    assert capture_expression(names["fs"][0]) == Expression("lambda o: o.x < limit", {"limit": 5})
    assert capture_expression(names["fs"][1]) == Expression("lambda o: o.x < LIMIT", {"LIMIT": 8})


PROGRAM = """
import re
from emerge_wasm.bundles.expression import capture_expression as c
n = 4
def outer(limit):
    return lambda o: o.a < limit, lambda o: o.a > limit, lambda o: (lambda p: p > limit)(o.b)
fs = [lambda o: o.a, lambda o: o.b < n, lambda o: lambda p: p.c, *outer(2), lambda o: re.search("x", o.c)]
print(*[c(f).text for f in fs], sep="\\n")
"""


@pytest.mark.parametrize("flags", [[], ["-X", "no_debug_ranges"], ["-O"]], ids=str)
@pytest.mark.parametrize("by", ["file", "command"])
def test_without_columns_and_as_a_command(tmp_path: Any, flags: list[str], by: str) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    rest = ["program.py"] if by == "file" else ["-c", PROGRAM]
    done = subprocess.run([sys.executable, *flags, *rest], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "lambda o: o.a",
        "lambda o: o.b < n",
        "lambda o: lambda p: p.c",
        "lambda o: o.a < limit",
        "lambda o: o.a > limit",
        "lambda o: (lambda p: p > limit)(o.b)",
        "lambda o: re.search('x', o.c)",
    ]


def test_lambdas_typed_at_the_prompt() -> None:
    said = converse(
        [
            "from emerge_wasm.bundles.expression import capture_expression as c",
            "n = 3",
            "print('first', c(lambda o: o.x < n).text, c(lambda o: o.y).text)",
            "f = c(lambda o: (",
            "    o.x > n))",
            "print('second', f.text, f.values)",
            "exit()",
        ]
    )
    assert "first lambda o: o.x < n lambda o: o.y" in said, said
    assert "second lambda o: o.x > n {'n': 3}" in said, said


def test_a_module_s_name_that_means_something_else_around_the_lambda(module: Make) -> None:
    one = module("from math import floor\nmath = 3\nfound = lambda o: floor(o.x) == math")
    assert again(one.found)(Thing(x=3.5)) and not again(one.found)(Thing(x=4.5))
    other = module("from math import floor\nmath = 3\nfound = lambda o: floor(o.x) == 3")
    assert again(other.found)(Thing(x=3.5)) and not again(other.found)(Thing(x=4.5))


# --- what is remembered of a lambda
BODIES = [
    "o.x < limit",
    "o.x in names and len(o.y) > limit",
    "max(o.x, limit) == names",
    "o.x < config.limit",
    "names.count(o.x) + offset",
    "math.floor(o.x) < limit",
    "date(2024, 1, 1) < o.x < limit",
    "[x for x in names if x < o.x][:limit]",
]
MEANINGS: list[Any] = [
    3, 2.5, "text", b"raw", None, True, [1, 2], ("a", 2), {1, 2}, [[1], [2]], {"a": 1}, math, math.pi, math.floor, date,
    dt, len, max, Color.RED, Color, Setting(), Thing(limit=1), Setting, timedelta(1), re, 1 << 70, float("nan"),
]  # fmt: skip
NAMES = ["limit", "names", "config", "offset", "len", "max", "math", "date"]
WHERE = ["global", "closure", "default", "nowhere"]


@settings(max_examples=examples(60), deadline=None)
@given(
    st.sampled_from(BODIES),
    st.lists(
        st.dictionaries(st.sampled_from(NAMES), st.tuples(st.sampled_from(WHERE), st.sampled_from(MEANINGS))),
        min_size=2,
        max_size=6,
    ),
)
def test_what_is_remembered_of_a_lambda_changes_nothing(body: str, rounds: list[dict[str, tuple[str, Any]]]) -> None:
    """The same line, run again with other meanings of its names, is captured as if it had not been seen before."""
    where = {name: kind for each in reversed(rounds) for name, (kind, _) in each.items()}
    closed = [name for name, kind in where.items() if kind == "closure"]
    given_ = ", ".join(f"{name}={name}" for name, kind in where.items() if kind == "default")
    head = f"def make({', '.join(closed)}):\n    return lambda o{', ' + given_ if given_ else ''}: {body}\n"
    filename = f"<remembered {head!r}>"
    keep_source(filename, head)
    names: dict[str, Any] = {"__name__": "remembered"}
    exec(compile(head, filename, "exec"), names)
    make = names["make"]
    for meanings in rounds:
        for name in NAMES:
            names.pop(name, None)
        names |= {name: meanings[name][1] for name, kind in where.items() if kind == "default" and name in meanings}
        names |= {name: 1 for name, kind in where.items() if kind == "default" and name not in meanings}
        values = [meanings.get(name, ("", 7))[1] for name in closed]
        function = make(*values)
        for name, kind in where.items():
            names.pop(name, None)
            if kind == "global" and name in meanings:
                names[name] = meanings[name][1]
        found = _captured(function)
        expression._KNOWN.clear()  # private: as if it were the first time
        assert _captured(function) == found


def _captured(function: Any) -> object:
    try:
        found = capture_expression(function)
        return found.text, repr(found.values), found.bundle, found.to_wire()
    except EmergeError as error:
        return error.code, error.message


def test_a_line_that_is_run_again_is_remembered() -> None:
    expression._KNOWN.clear()  # private: nothing is known
    seen = [capture_expression(lambda o, limit=limit: o.x < limit).values for limit in range(3)]
    assert seen == [{"limit": 0}, {"limit": 1}, {"limit": 2}] and len(expression._KNOWN) == 1
