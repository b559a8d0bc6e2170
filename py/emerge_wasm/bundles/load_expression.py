"""An expression's text back to a function, with what it uses: runs shipped code, so only where that may be run."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from typing import Any

from ..codec import decode
from ..codec.state import build
from .body import parse_expression
from .builtin_modules import GIVEN
from .load_class import Find, load
from .source import keep_source


def load_expression(wire: dict[str, Any], find: Find) -> Callable[[Any], Any]:
    """The function that an expression on the wire ({"text", "values", "bundle"}) is.

    `find` gives the bytes of a bundle by its hash. Raises what `load` does; Invalid for a text that is no expression.
    """
    text, hash = wire["text"], wire["bundle"]
    parse_expression(text)
    names: dict[str, Any] = {}
    if hash:
        names |= vars(sys.modules[load(hash, find).__module__])

    def make(name: str, bundle: str, fields: dict[str, Any]) -> Any:
        return build(load(bundle, find), fields)

    names |= {name: value for name, value in vars(builtins).items() if not name.startswith("_")}
    names |= {**GIVEN, **decode(wire["values"], make_record=make), "__name__": "emerge_expression"}
    filename = "<emerge:expression>"
    keep_source(filename, text)
    function: Callable[[Any], Any] = eval(compile(text.strip(), filename, "eval", dont_inherit=True), names)
    return function
