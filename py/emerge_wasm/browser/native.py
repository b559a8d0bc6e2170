"""msgpack's native module after a memory snapshot was restored, in place of the pure one that the snapshot holds.

A snapshot cannot hold native code; the pure module is ten times slower. Imports msgpack and nothing of ours.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

NAMES = ("Packer", "Unpacker", "unpackb")


def use_native_msgpack() -> bool:
    """Put the native functions where the pure ones are, in msgpack and in every module of ours; whether they are."""
    import msgpack

    importlib.invalidate_caches()

    try:
        native: Any = importlib.import_module("msgpack._cmsgpack")
    except ImportError:
        return False
    swaps = {id(getattr(msgpack, name)): getattr(native, name) for name in NAMES}
    for name, module in list(sys.modules.items()):
        if name == "msgpack" or name.startswith("emerge_wasm"):
            _swap(module, swaps)
    return True


def _swap(module: Any, swaps: dict[int, Any]) -> None:
    for name, value in list(vars(module).items()):
        if id(value) in swaps:
            setattr(module, name, swaps[id(value)])
