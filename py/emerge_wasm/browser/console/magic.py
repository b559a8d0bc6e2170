"""Lines that IPython knows and Python does not: `%time f()`, `%%timeit`, `name?`. Each is made into Python before the
cell is compiled; what is valid Python stays as it is.

`Magic` is a row of the table: a new one is a row. Runs nothing; what the rows call is in `Tools`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...errors import Invalid

TOOLS = "__emerge_tools__"
"""The name under which cells have the functions that magics call."""

Nodes = Sequence[ast.stmt]
Rewrite = Callable[[str], Nodes]
"""Makes the statements that stand for a magic with these arguments."""


@dataclass(frozen=True, slots=True)
class Magic:
    """`line` makes the statements of `%name arguments`, `cell` those of `%%name arguments` with the lines below it."""

    doc: str
    line: Rewrite | None = None
    cell: Callable[[str, str], Nodes] | None = None


@dataclass(slots=True)
class Prepared:
    """A cell as Python: `code` is valid text with the same lines, `tree` what it means. `timed` and `live` are marks of
    the whole cell."""

    code: str
    tree: ast.Module
    timed: bool = False
    live: bool = False


@dataclass(slots=True)
class _Rewriting:
    lines: list[str]
    found: dict[str, tuple[Nodes, int]] = field(default_factory=dict)


_CELL = re.compile(r"\s*%%(\w*)[ \t]*(.*)")
_LINE = re.compile(r"(?P<before>\s*(?:[^\s%!?#'\"()=][^%!?#'\"()=]*=\s*)?)%(?P<name>\w*)[ \t]*(?P<rest>.*)")
_HELP = re.compile(
    r"(?P<before>\s*)(?:(?P<mark>\?\??)\s*(?P<after>%{0,2}[\w.]+)|(?P<name>%{0,2}[\w.]+)\s*(?P<marks>\?\??))\s*;?\s*"
)
_PIP = re.compile(r"(?P<before>\s*)!\s*(?:python3? -m )?pip3?\s+(?P<rest>.*)")
_SHELL = re.compile(r"\s*(?:[\w, ]+=\s*)?!")


def prepare(code: str, filename: str) -> Prepared:
    """Return a cell as Python.

    Raises:
        SyntaxError: it is not Python, whatever its magics are.
        Invalid: a magic is not known here, or its arguments do not fit.
    """
    lines = code.split("\n")
    first = next((at for at, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), 0)
    match = _CELL.fullmatch(lines[first])
    if match is None:
        return _prepare(lines, filename)
    name, rest = match[1], match[2].strip()
    below = "\n".join(["" for _ in lines[: first + 1]] + lines[first + 1 :])
    if name in MARKS and not (name == "time" and rest):
        made = prepare(below, filename)
        made.timed, made.live = made.timed or name == "time", made.live or name == "live"
        return made
    magic = find_magic(name, "%%")
    if magic.cell is None:
        raise Invalid(f"%%{name} is for one line, not for a cell", remedy=f"write %{name} before a line")
    body = list(magic.cell(rest, below))
    _place(body, first + 1)
    return Prepared("pass", ast.Module(body, []))


def _prepare(lines: list[str], filename: str) -> Prepared:
    work = _Rewriting(list(lines))
    while True:
        text = "\n".join(work.lines)
        try:
            tree = ast.parse(text, filename)
            break
        except SyntaxError as error:
            wrong = error
        if not _rewrite(
            work, (wrong.lineno or 0) - 1
        ):  # out here: what it raises has nothing to do with Python's words
            raise wrong
    made = Prepared(text, tree)
    if work.found:
        made.live = any(nodes is _LIVE for nodes, _ in work.found.values())
        made.tree = ast.fix_missing_locations(_Insert(work.found).visit(tree))
    return made


def _rewrite(work: _Rewriting, at: int) -> bool:
    """Put a name in place of the magic in a line that is not Python; False if there is none."""
    if not 0 <= at < len(work.lines):
        return False
    line = work.lines[at]
    name = f"__magic_{at}__"
    if match := _HELP.fullmatch(line):
        wanted, marks = match["after"] or match["name"], match["mark"] or match["marks"]
        work.found[name] = ([_call("help", wanted, marks == "??")], at + 1)
        work.lines[at] = f"{match['before']}{name}"
        return True
    if match := _LINE.fullmatch(line):
        magic = find_magic(match["name"], "%")
        if magic.line is None:
            raise Invalid(f"%{match['name']} is for a whole cell", remedy=f"write %%{match['name']} as its first line")
        work.found[name] = (magic.line(match["rest"].strip()), at + 1)
        work.lines[at] = f"{match['before']}{name}"
        return True
    if match := _PIP.fullmatch(line):
        work.lines[at] = f"{match['before']}%pip {match['rest']}"
        return True
    if _SHELL.match(line):
        raise Invalid("there is no shell here for !", remedy="%pip installs packages; Python does the rest")
    return False


class _Insert(ast.NodeTransformer):
    """Puts the statements of magics where their names stand."""

    def __init__(self, found: dict[str, tuple[Nodes, int]]) -> None:
        self._found = found

    def visit_Expr(self, node: ast.Expr) -> ast.AST | list[ast.stmt]:
        if not (isinstance(node.value, ast.Name) and node.value.id in self._found):
            return self.generic_visit(node)
        nodes, line = self._found[node.value.id]
        _place(nodes, line)
        return list(nodes)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """The value of an assignment: a magic that is an expression."""
        if node.id not in self._found:
            return node
        nodes, line = self._found[node.id]
        if len(nodes) != 1 or not isinstance(nodes[0], ast.Expr):
            raise Invalid(f"line {line}: this magic has no value to assign", remedy="put it on a line of its own")
        _place(nodes, line)
        return nodes[0].value


def _place(nodes: Nodes, line: int) -> None:
    """Tell what a statement says that it is from this line of the cell."""
    for node in nodes:
        for inner in ast.walk(node):
            if "lineno" in inner._attributes:
                inner.lineno = inner.end_lineno = line  # type: ignore[attr-defined]  # it has these attributes
                inner.col_offset = inner.end_col_offset = 0  # type: ignore[attr-defined]


# --- the table
def find_magic(name: str, mark: str) -> Magic:
    """Return the magic of that name. Raises Invalid, which names the known ones."""
    if name in MAGICS:
        return MAGICS[name]
    raise Invalid(f"there is no magic {mark}{name}", remedy=f"there are {known_magics()}; ?name shows documentation")


def known_magics() -> str:
    """The magics that there are, as one writes them."""
    return ", ".join(f"%{name}" if magic.line else f"%%{name}" for name, magic in sorted(MAGICS.items()))


def _call(tool: str, *args: object, awaited: bool = False) -> ast.Expr:
    """A call of one of the tools with constants."""
    function = ast.Attribute(ast.Name(TOOLS, ast.Load()), tool, ast.Load())
    call: ast.expr = ast.Call(function, [ast.Constant(value) for value in args], [])  # type: ignore[arg-type]
    return ast.Expr(ast.Await(call) if awaited else call)


def _time_line(rest: str) -> Nodes:
    """`%time x` with the value of x; `%time x = f()` assigns."""
    try:
        body = ast.parse(rest).body
    except SyntaxError as error:
        raise Invalid(
            f"%time {rest}: {error.msg}", remedy="write %time and one statement, or %%time above the cell"
        ) from None
    if not body:
        raise Invalid("%time needs a statement", remedy="write %time f(), or %%time as the first line of the cell")
    timing = _call("timing").value
    if len(body) > 1 or not isinstance(body[0], ast.Expr):
        return [ast.With([ast.withitem(timing, None)], body)]
    taken = ast.Tuple([_call("begin").value, body[0].value, _call("end").value], ast.Load())
    return [ast.Expr(ast.Subscript(taken, ast.Constant(1), ast.Load()))]


_LIVE: Nodes = [ast.Pass()]


def _live(rest: str) -> Nodes:
    if rest:
        raise Invalid(f"%live {rest}: it takes nothing", remedy="write %live by itself: the whole cell runs again")
    return _LIVE


def _nothing(rest: str) -> Nodes:
    return [ast.Pass()]


def _show(mime: str) -> Callable[[str, str], Nodes]:
    return lambda rest, body: [_call("show", mime, body)]


MARKS = frozenset({"time", "live"})
"""Magics of a cell whose lines below stay what they are."""

MAGICS: dict[str, Magic] = {
    "time": Magic("Runs a statement (or with %%time the cell) and tells how long that took.", _time_line),
    "timeit": Magic(
        "Runs a statement many times and tells how long one run takes. -n: runs in a loop, -r: loops, -o: gives the"
        " result as a value, -q: prints nothing. The first line of %%timeit runs once before each loop.",
        lambda rest: [_call("timeit", rest)],
        lambda rest, body: [_call("timeit", rest, body)],
    ),
    "live": Magic("Runs the cell again whenever the objects that it read change.", _live),
    "pip": Magic(
        "Installs packages from the relay: install NAME…, list, freeze, show, uninstall.",
        lambda rest: [_call("pip", rest, awaited=True)],
    ),
    "matplotlib": Magic("Does nothing: figures show by themselves.", _nothing),
    "lsmagic": Magic("Tells which magics there are.", lambda rest: [_call("magics")]),
    "html": Magic("Shows the cell as HTML.", None, _show("text/html")),
    "markdown": Magic("Shows the cell as Markdown.", None, _show("text/markdown")),
    "latex": Magic("Shows the cell as LaTeX.", None, _show("text/latex")),
    "svg": Magic("Shows the cell as SVG.", None, _show("image/svg+xml")),
}
