"""Make a function of an expression's text and what it uses. This runs shipped code: call it only where that may run."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

from ..codec import decode
from ..codec.state import InstanceMaker
from .body import parse_expression
from .builtin_modules import BUILTIN_MODULES
from .bundle import Find
from .load_class import load
from .source import keep_source


def load_expression(wire: dict[str, Any], find: Find) -> Callable[[Any], Any]:
    """Make the function of an expression on the wire: {"text", "values", "bundle"}.

    Raises:
        Invalid: the text is no expression.
        EmergeError: its bundle cannot be loaded; see `load`.
    """
    text, hash = wire["text"], wire["bundle"]
    parse_expression(text)
    names: dict[str, object] = {}
    if hash:
        names |= vars(sys.modules[load(hash, find).__module__])

    maker = InstanceMaker(lambda bundle, name: load(bundle, find))
    names |= {name: value for name, value in vars(builtins).items() if not name.startswith("_")}
    names |= {**BUILTIN_MODULES, **decode(wire["values"], maker=maker), "__name__": "emerge_expression"}
    filename = "<emerge:expression>"
    keep_source(filename, text)
    function: Callable[[Any], Any] = eval(compile(text.strip(), filename, "eval", dont_inherit=True), names)
    return function
