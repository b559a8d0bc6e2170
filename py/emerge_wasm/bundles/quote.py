"""Write f-strings with quotes that every Python reads: newer ones write theirs without regard to those within."""

from __future__ import annotations

import ast

from .grammar import Construct, constructs

_QUOTES = ('"', "'", '"""', "'''")


def requote(text: str) -> str:
    """Return an expression whose f-strings have other quotes where the oldest Python needs them; it means the same.

    What no choice of quotes helps stays as it is.
    """
    found = constructs(text)
    for construct in found:
        for quote in _QUOTES:
            other = _with_quotes(text, construct, quote)
            if other and len(constructs(other)) < len(found) and _is_same(other, text):
                return requote(other)
    return text


def _with_quotes(text: str, construct: Construct, quote: str) -> str:
    written = text[construct.start : construct.end]
    for own in reversed(_QUOTES):
        if written[1:].startswith(own) and written.endswith(own) and written[0] in "fF":
            return f"{text[: construct.start]}f{quote}{written[1 + len(own) : -len(own)]}{quote}{text[construct.end :]}"
    return ""


def _is_same(one: str, other: str) -> bool:
    try:
        return ast.dump(ast.parse(one, mode="eval")) == ast.dump(ast.parse(other, mode="eval"))
    except SyntaxError:
        return False
