"""Objects as a document's fields see them, and one request's way to load them: each once, many at a time.

No graphql-core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from ..codec import Record, Reference, decode, show
from ..errors import EmergeError, Invalid, LimitExceeded
from ..operations import Wire
from .caller import Caller
from .kind import Kind
from .shape import NOTHING, Field

VALUES_LIMIT = 100_000
"""Objects and list items of one answer."""

AT_ONCE = 32
"""Objects that one request loads at the same time."""

State = dict[str, Any]


@dataclass(slots=True, eq=False)
class Node:
    """An object: its pointer, and its state once that is loaded. `version`, `as_of`: of when (0 and "": now)."""

    pointer: Wire
    raw: bytes | None = None
    version: int = 0
    as_of: str = ""
    fields: State | None = None

    @property
    def bundle(self) -> str:
        return str(self.pointer["bundle"])


@dataclass(slots=True, eq=False)
class Inner:
    """A value of a class within an object."""

    record: Record
    as_of: str

    @property
    def bundle(self) -> str:
        return self.record.bundle


@dataclass
class Request:
    """What the fields of one document share. `root`: the path that it was asked for; `notes`: errors that take nothing
    from the answer, as (where in the answer, error)."""

    caller: Caller
    root: str
    book: Any
    notes: list[tuple[list[str | int], EmergeError]] = field(default_factory=list)
    values: int = 0
    _loading: dict[tuple[str, int, str], asyncio.Task[Wire]] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def spend(self, values: int) -> None:
        """Count what the answer comes to; LimitExceeded when it is too much."""
        self.values += values
        if self.values > VALUES_LIMIT:
            raise LimitExceeded(
                f"the answer has more than {VALUES_LIMIT} objects and list items",
                remedy="ask for fewer, page by page",
                limit="values",
            )

    async def load(self, path: str, version: int = 0, as_of: str = "") -> Node:
        """The object at a path; what is asked for twice is loaded once."""
        key = (path, version, as_of)
        task = self._loading.get(key)
        if task is None:
            self.spend(1)
            task = self._loading[key] = asyncio.ensure_future(self._get(key))
        found = await asyncio.shield(task)
        return Node(found["pointer"], found["state"], version, as_of)

    async def _get(self, key: tuple[str, int, str]) -> Wire:
        async with self._turns:
            found: Wire = await self.caller.call("getobject", *key)
            return found

    def forget(self) -> None:
        """Load everything anew: something was changed."""
        self._loading.clear()

    async def close(self) -> None:
        """End what is still being loaded."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def load_state(self, node: Node) -> State:
        if node.raw is None:
            loaded = await self.load(registry_path(node.pointer["uuid"]), node.version, node.as_of)
            node.raw = loaded.raw
        return state_of(node)

    def project(self, value: Any, kind: Kind, as_of: str) -> Any:
        """A value as its type wants it: references as objects, sets as lists. Invalid for what it cannot be."""
        if value is None:
            return None
        if kind.name == "List" and kind.of:
            if not isinstance(value, (list, tuple, set, frozenset)):
                raise _unlike(value, "list")
            self.spend(len(value))
            items = sorted(value, key=show) if isinstance(value, (set, frozenset)) else value
            return [self.project(item, kind.of, as_of) for item in items]
        if kind.name == "Reference":
            if not isinstance(value, Reference):
                raise _unlike(value, "reference")
            return self.load(registry_path(value.uuid), 0, as_of)
        if kind.name == "Nested":
            if not isinstance(value, Record):
                raise _unlike(value, kind.target)
            return Inner(value, as_of)
        if kind.name == "Enum" and isinstance(value, Record):
            return value.fields.get("name")
        return value

    def read(self, source: Node | Inner, field: Field) -> Any:
        """The value of a field of an object whose state is there; what its class says where the state lacks it."""
        state = source.record.fields if isinstance(source, Inner) else state_of(source)
        value = state.get(field.name, NOTHING)
        if value is NOTHING:
            value = field.defaults.get(source.bundle)
        return self.project(None if value is NOTHING else value, field.kind, source.as_of)

    def resolve(self, source: Node | Inner, field: Field) -> Any:
        """As `read`, after loading the state where it is not there."""
        if isinstance(source, Inner) or source.raw is not None:
            return self.read(source, field)
        return self._resolve_later(source, field)

    async def _resolve_later(self, node: Node, field: Field) -> Any:
        await self.load_state(node)
        value = self.read(node, field)
        return await value if isinstance(value, Awaitable) else value


def state_of(node: Node) -> State:
    """The decoded state of a node whose bytes are there."""
    if node.fields is None:
        value = decode(node.raw) if node.raw else {}
        node.fields = value if isinstance(value, dict) else {}
    return node.fields


def registry_path(uuid: str) -> str:
    return f"/registry/{uuid.replace('-', '')}"


def _unlike(value: Any, what: str) -> Invalid:
    return Invalid(f"it holds a {type(value).__name__}, not a {what}", remedy="see the field `state`")
