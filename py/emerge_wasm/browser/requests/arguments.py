"""Arguments as one writes them in a call, `2, rate=0.1`, read without running code. Pure."""

from __future__ import annotations

import ast
from typing import Any

from ...codec import read_literal
from ...errors import Invalid


def read_arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """`2, rate=0.1` as positional and named values. No code is run; Invalid says what is not understood."""
    try:
        call = ast.parse(f"f({text}\n)", mode="eval").body
    except SyntaxError as error:
        raise Invalid(f"the arguments {text[:80]!r} are not Python: {error.msg}", remedy="write 2, rate=0.1") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise Invalid(f"the arguments {text[:80]!r} are not a list of values", remedy="write 2, rate=0.1")
    if any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords):
        raise Invalid("* and ** cannot be used in arguments", remedy="write each value")
    positional = [read_literal(ast.unparse(item)) for item in call.args]
    return positional, {str(item.arg): read_literal(ast.unparse(item.value)) for item in call.keywords}
