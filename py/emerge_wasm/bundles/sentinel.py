"""The values that only their identity tells apart: one in a process for each name, whichever bundle names it."""

from __future__ import annotations

_SENTINELS: dict[tuple[type, str, str], object] = {}


def sentinel(module: str, name: str, kind: type = object) -> object:
    """Return the value of that name of a module: an object(), or an instance of `kind`, whose __init__ does not run."""
    return _SENTINELS.setdefault((kind, module, name), object.__new__(kind))
