"""Checks that the sandbox's Python can parse the text of a class's bundles."""

from __future__ import annotations

from functools import lru_cache

from ..bundles import parse
from ..bundles.grammar import Grammar
from ..bundles.needed_python import PYTHON, too_old
from ..errors import Unavailable


def check_pythons(bundles: dict[str, bytes], path: str | None) -> None:
    """Raise Unavailable when a bundle's text needs a newer Python; `details["python"]` says which."""
    for data in bundles.values():
        if _grammar(data) > PYTHON:
            refused = too_old(parse(data))
            raise Unavailable(refused.message, path=path, remedy=refused.remedy, **refused.details)


@lru_cache(maxsize=4096)
def _grammar(data: bytes) -> Grammar:
    """Return which Python a bundle's own text needs; that of a class in another bundle is checked with that."""
    content = parse(data).content
    return content.grammar if content.parts else (0, 0)
