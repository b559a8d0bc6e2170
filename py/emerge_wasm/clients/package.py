"""How a missing package is told: by the extra that installs it."""

from __future__ import annotations

from ..errors import Unavailable


def missing_package(error: ImportError, extra: str) -> Unavailable:
    """Return the error for a missing package that a transport needs and that `extra` installs."""
    return Unavailable(f"the package {error.name} is not installed", remedy=f"pip install 'emerge-wasm[{extra}]'")
