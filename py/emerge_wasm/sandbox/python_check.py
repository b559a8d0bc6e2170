"""Checks that the sandbox's Python can parse the text of a class's bundles."""

from __future__ import annotations

from functools import lru_cache

from ..bundles import parse
from ..bundles.grammar import Grammar
from ..bundles.needed_python import too_old
from ..errors import Unavailable


def check_pythons(bundles: dict[str, bytes], path: str | None, have: Grammar) -> None:
    """Raise Unavailable when a bundle's text needs a newer Python than `have`; `details["python"]` says which."""
    for data in bundles.values():
        if _grammar(data) > have:
            refused = too_old(parse(data), have)
            remedy = f"start the node with --python python{refused.details['python']}, or {refused.remedy}"
            raise Unavailable(refused.message, path=path, remedy=remedy, **refused.details)


@lru_cache(maxsize=4096)
def _grammar(data: bytes) -> Grammar:
    """Return which Python a bundle's own text needs; that of a class in another bundle is checked with that."""
    content = parse(data).content
    return content.grammar if content.parts else (0, 0)
