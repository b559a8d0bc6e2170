"""The options with which kernels start, and words that all messages use."""

from __future__ import annotations

from typing import Literal, TypedDict

PlaceName = Literal["local", "cluster"]


class Options(TypedDict):
    """The options with which the worker starts the kernel.

    `relay` is the relay's WebSocket address ("" without one), `sync` whether Python can block for a result, `interrupt`
    whether a running loop can be stopped, `recursion` the recursion limit, `restored` whether Python was restored from
    a memory snapshot, `allowed` the keys of code that the user has allowed to run, `apart` whether cells have a kernel
    of their own.
    """

    relay: str
    sync: bool
    interrupt: bool
    recursion: int
    restored: bool
    allowed: list[str]
    apart: bool


class ShellOptions(TypedDict):
    """The options of a cells' kernel; `shared`: it can block for the page's kernel in shared memory."""

    recursion: int
    restored: bool
    shared: bool


CompletionKind = Literal[
    "function", "class", "module", "property", "value", "keyword", "parameter", "path", "directory", "key"
]
