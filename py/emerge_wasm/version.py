"""The version of this package, as it was installed."""

from __future__ import annotations

from functools import cache


@cache
def package_version() -> str:
    """The installed version; "unknown" where the package is used without being installed."""
    from importlib.metadata import PackageNotFoundError, version  # here, for it takes long to import

    try:
        return version("emerge-wasm")
    except PackageNotFoundError:
        return "unknown"
