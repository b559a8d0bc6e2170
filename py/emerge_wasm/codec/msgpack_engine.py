"""The msgpack functions that Emerge calls, in one object, so that a browser tab can exchange them while it runs.

A tab starts on msgpack's pure-Python module, because a memory snapshot holds no native code, and takes the native one,
ten times as fast, once it is loaded. So call `engine.unpackb(…)` and keep none of these functions under another name.
Imports nothing but msgpack.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgpack

Unpack = Callable[..., Any]
"""Bytes (and options) to the value that they hold."""


class MsgpackEngine:
    """One implementation of msgpack at a time."""

    __slots__ = ("Packer", "Unpacker", "unpackb")

    Packer: type[Any]
    Unpacker: type[Any]
    unpackb: Unpack

    def __init__(self, module: ModuleType) -> None:
        self.use(module)

    def use(self, module: ModuleType) -> None:
        """Call the functions of `module` from now on: `msgpack`, `msgpack.fallback` or `msgpack._cmsgpack`."""
        self.Packer, self.Unpacker, self.unpackb = module.Packer, module.Unpacker, module.unpackb

    def packb(self, value: object) -> bytes:
        """Pack a value of msgpack's own types."""
        data: bytes = self.Packer().pack(value)
        return data


engine = MsgpackEngine(msgpack)
"""The implementation that this process uses."""
