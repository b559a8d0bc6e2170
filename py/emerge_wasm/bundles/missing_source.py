"""Say why a class or function has no source that can be found, and what to do about it."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Iterable
from dataclasses import is_dataclass
from types import FunctionType

from ..errors import CannotShip

_ELSEWHERE = "put it in a file, a console cell or python -c"
_WRITTEN = "write it as a class statement, or assign it to one name, in a file, a console cell or python -c"


def no_source(cls: type, files: Iterable[str], other: tuple[str, str] | None) -> CannotShip:
    """Return the refusal of a class without source.

    `files` are the filenames that its methods were compiled under; `other` is a file that defines a class of its name,
    with the method that was replaced since, or "".
    """
    if other and other[1]:
        return CannotShip(
            f"{cls.__name__}.{other[1]} was replaced after the class's definition", remedy="write it in the class"
        )
    if other:
        what, remedy = f"{other[0]} was changed after it was imported", "import it again"
    else:
        module = sys.modules.get(cls.__module__)
        file = str(getattr(module, "__file__", None) or "")
        own = [name for name in files if not (name == "<string>" and is_dataclass(cls))]  # which dataclass() compiled
        what, remedy = _why(cls.__module__, file, next(iter(own), ""))
    return CannotShip(f"the class {cls.__name__} has no source that can be found: {what}", remedy=remedy)


def no_function_source(function: FunctionType) -> CannotShip:
    """Return the refusal of a function without source."""
    code = function.__code__
    file = str(function.__globals__.get("__file__") or "")
    what, remedy = _why(str(function.__module__), file, code.co_filename)
    if linecache.getlines(code.co_filename):
        what, remedy = f"{code.co_filename} was changed after it was imported", "import it again"
    return CannotShip(f"the function {function.__name__} has no source that fits it: {what}", remedy=remedy)


def _why(module: str, file: str, compiled: str) -> tuple[str, str]:
    """Return why there is none, and a remedy, for code of a module that was compiled under a filename."""
    file = "" if file.startswith("<") else file
    typed = module == "__main__" and not file and sys.argv[:1] in (["-"], [""])
    if compiled == "<stdin>" or (typed and not compiled):
        if hasattr(sys, "ps1"):
            return "a REPL before Python 3.13 keeps it only with readline, and without blank lines in it", _ELSEWHERE
        return "Python read it from standard input, and keeps no text of that", "save it in a file, or use python -c"
    if compiled.startswith("<"):
        return f"it was made by exec or eval (as {compiled})", _ELSEWHERE
    if file.endswith(".pyc"):
        return f"its module {module} has only compiled code", f"put {os.path.basename(file)[:-1]} beside it"
    if file and not (compiled and compiled != file):
        return f"{file} does not define it (if it was changed, import it again)", _WRITTEN
    return "it is in no file", _WRITTEN
