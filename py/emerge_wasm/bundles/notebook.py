"""Find the texts that IPython runs under other names than their cells': what %time, %timeit and %%time are given.

A cell's own text is in `linecache`, with `get_ipython().run_cell_magic('time', '', '…')` where it had a magic.
IPython is asked only where the program has imported it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

FILENAMES = frozenset({"<timed exec>", "<timed eval>", "<magic-timeit>"})
"""The names under which IPython compiles such texts, all of them alike."""
_OPTIONS = re.compile(r"(?:-\w+\s*\d*\s+)*")


def magic_texts(tree: ast.Module) -> Iterator[str]:
    """Yield the texts that a cell gives to magics, as IPython compiles them; some may be no Python."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(attr="run_line_magic"), [_, ast.Constant(str(text)), *_]) | ast.Call(
                ast.Attribute(attr="run_cell_magic"), [_, _, ast.Constant(str(text))]
            ):
                yield _transformed(text[_options(text) :])


def _options(text: str) -> int:
    found = _OPTIONS.match(text)
    return found.end() if found else 0


def _transformed(text: str) -> str:
    """Return the text as IPython turns it into Python."""
    transform = getattr(_shell(), "transform_cell", str)
    return str(transform(text))


def run_number(filename: str) -> int:
    """Return the number of the run that compiled a cell last (a notebook's cell keeps its filename), 0 for no cell."""
    name_of = getattr(getattr(_shell(), "compile", None), "format_code_name", None)
    found = re.search(r"\d+", str(name_of(filename))) if name_of else None
    return int(found[0]) if found else 0


def _shell() -> object:
    get = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get() if get else None
