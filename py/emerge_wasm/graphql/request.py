"""The objects that a document's fields read, and one request that loads them: each once, many at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field

from ..codec import Record, Reference, decode, show
from ..errors import EmergeError, Invalid, LimitExceeded
from ..results import ObjectRow, PointerRow
from .caller import GraphQLCaller
from .class_schema import ClassSchema
from .field_kind import FieldKind
from .schema_class import NOTHING, SchemaField

VALUES_LIMIT = 100_000
"""Objects and list items of one answer."""

AT_ONCE = 32
"""Objects that one request loads at the same time."""

State = dict[str, object]


@dataclass(slots=True, eq=False)
class ObjectNode:
    """An object: its pointer, and its state once that is loaded. `version` and `as_of` say of when (0 and "": now)."""

    pointer: PointerRow
    raw: bytes | None = None
    version: int = 0
    as_of: str = ""
    fields: State | None = None

    @property
    def bundle(self) -> str:
        return self.pointer["bundle"]


@dataclass(slots=True, eq=False)
class NestedNode:
    """An instance within an object."""

    record: Record
    as_of: str

    @property
    def bundle(self) -> str:
        return self.record.bundle


@dataclass
class GraphQLRequest:
    """What the fields of one document share. `root`: the path that it is asked at.

    `notes`: errors beside the answer, as (place in the answer, error).
    """

    caller: GraphQLCaller
    root: str
    class_schema: ClassSchema
    notes: list[tuple[list[str | int], EmergeError]] = field(default_factory=list)
    values: int = 0
    _loading: dict[tuple[str, int, str], asyncio.Task[ObjectRow]] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    def spend(self, values: int) -> None:
        """Count values of the answer. Raises LimitExceeded for too many."""
        self.values += values
        if self.values > VALUES_LIMIT:
            raise LimitExceeded(
                f"the answer has more than {VALUES_LIMIT} objects and list items",
                remedy="ask for fewer, page by page",
                limit="values",
            )

    async def load(self, path: str, version: int = 0, as_of: str = "") -> ObjectNode:
        """Load the object at a path, once for all fields that ask for it."""
        key = (path, version, as_of)
        task = self._loading.get(key)
        if task is None:
            self.spend(1)
            task = self._loading[key] = asyncio.ensure_future(self._get(*key))
        found = await asyncio.shield(task)
        return ObjectNode(found["pointer"], found["state"], version, as_of)

    async def _get(self, path: str, version: int, as_of: str) -> ObjectRow:
        async with self._turns:
            found: ObjectRow = await self.caller.call("getobject", path=path, version=version, as_of=as_of)
            return found

    def forget(self) -> None:
        """Load everything anew, because something was changed."""
        self._loading.clear()

    async def close(self) -> None:
        """Cancel what is still being loaded."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def load_state(self, node: ObjectNode) -> State:
        if node.raw is None:
            loaded = await self.load(registry_path(node.pointer["uuid"]), node.version, node.as_of)
            node.raw = loaded.raw
        return state_of(node)

    def project(self, value: object, kind: FieldKind, as_of: str) -> object:
        """Return a value as its type has it: references as objects, sets as lists.

        Raises:
            Invalid: the value is not of that kind.
        """
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
            return NestedNode(value, as_of)
        if kind.name == "Enum" and isinstance(value, Record):
            return value.fields.get("name")
        return value

    def read(self, source: ObjectNode | NestedNode, field: SchemaField) -> object:
        """Return the value of a field whose object is loaded; its default where the state lacks it."""
        state = source.record.fields if isinstance(source, NestedNode) else state_of(source)
        value = state.get(field.name, NOTHING)
        if value is NOTHING:
            value = field.defaults.get(source.bundle)
        return self.project(None if value is NOTHING else value, field.kind, source.as_of)

    def resolve(self, source: ObjectNode | NestedNode, field: SchemaField) -> object:
        """Return the value of a field, after loading the state where it is not there."""
        if isinstance(source, NestedNode) or source.raw is not None:
            return self.read(source, field)
        return self._resolve_later(source, field)

    async def _resolve_later(self, node: ObjectNode, field: SchemaField) -> object:
        await self.load_state(node)
        value = self.read(node, field)
        return await value if isinstance(value, Awaitable) else value


def state_of(node: ObjectNode) -> State:
    """Return the decoded state of a node whose bytes are there."""
    if node.fields is None:
        value = decode(node.raw) if node.raw else {}
        node.fields = value if isinstance(value, dict) else {}
    return node.fields


def registry_path(uuid: str) -> str:
    return f"/registry/{uuid.replace('-', '')}"


def _unlike(value: object, what: str) -> Invalid:
    return Invalid(f"it holds a {type(value).__name__}, not a {what}", remedy="see the field `state`")
