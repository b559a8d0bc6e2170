"""What operations answer has the types that the table declares: every scenario of the filesystem contract, looked over.

A TypedDict is checked by name and type of each key, so a key that is missing, misspelt or not declared is an error.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from emerge_wasm import EmergeFile, operations, results
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.host import give_filesystem
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.codec import encode
from emerge_wasm.codec.msgpack_engine import engine
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.filesystem import HANDLERS
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.node.node import Node
from emerge_wasm.operations import ROWS, TABLE, Context, Operations, Transport, Wire
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import SCENARIOS, Scenario

NAMES = {**vars(results), **vars(operations)}
RESULTS = {name: get_type_hints(getattr(Operations, name), NAMES)["return"] for name in TABLE}

MAPS = [kind for kind in vars(results).values() if is_typeddict(kind)]


def misfits(value: object, kind: Any, where: str = "result") -> list[str]:
    """Where a value does not have a type: one line each, none when it fits."""
    origin, args = get_origin(kind), get_args(kind)
    if is_typeddict(kind):
        return _misfits_of_map(value, kind, where)
    if kind in (Any, object):
        return []
    if origin is NotRequired:
        return misfits(value, args[0], where)
    if origin is Literal:
        return [] if value in args else [f"{where} is {value!r}, not one of {args}"]
    if origin is list:
        if not isinstance(value, list):
            return [f"{where} is a {type(value).__name__}, not a list"]
        return [line for number, item in enumerate(value) for line in misfits(item, args[0], f"{where}[{number}]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{where} is a {type(value).__name__}, not a dict"]
        return [line for key, item in value.items() for line in misfits(item, args[1], f"{where}[{key!r}]")]
    if origin is UnionType or NoneType in args:
        tried = [misfits(value, each, where) for each in args]
        return [] if [] in tried else tried[0]
    fits = isinstance(value, kind) and (kind is bool or type(value) is not bool)
    return [] if fits else [f"{where} is a {type(value).__name__}, not {kind.__name__}"]


def _misfits_of_map(value: object, kind: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where} is a {type(value).__name__}, not a map"]
    hints = get_type_hints(kind, NAMES, include_extras=True)
    known = set().union(*(each.__annotations__ for each in MAPS if hints.keys() <= each.__annotations__.keys()))
    lines = [f"{where} has {key!r}, which {kind.__name__} does not declare" for key in value if key not in known]
    for key, hint in hints.items():
        if key in value:
            lines += misfits(value[key], hint, f"{where}.{key}")
        elif get_origin(hint) is not NotRequired:
            lines.append(f"{where} lacks {key!r} of {kind.__name__}")
    return lines


class CheckedTransport:
    """A transport that fails for an answer that is not as declared."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def call(self, name: str, args: list[Any], context: Wire | None = None) -> Any:
        answer = await self._inner.call(name, args, context)
        assert misfits(answer, RESULTS[name], name) == []
        assert name not in ROWS or engine.packb(answer) == encode(answer)
        return answer

    async def stream(self, name: str, args: list[Any], context: Wire | None = None) -> AsyncIterator[Any]:
        async with aclosing(self._inner.stream(name, args, context)) as items:  # type: ignore[type-var]
            async for item in items:
                assert misfits(item, get_args(RESULTS[name])[0], name) == []
                yield item

    async def close(self) -> None:
        await self._inner.close()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_answers_are_as_declared(scenario: Scenario) -> None:
    runner = Here(given=give_filesystem)
    filesystem = await Filesystem.open(await open_store("memory:"), node="here", url="memory:", runner=runner)
    transport = LocalTransport(filesystem, Context("tester", superuser=True))
    async with Client(CheckedTransport(transport)) as client:
        await scenario(client)


FREE = {"cat", "export", "query", "run", "runstream"}
"""Operations whose handlers answer what a class, a method or an archive makes of it."""


@pytest.mark.parametrize("name", sorted(HANDLERS.keys() - FREE))
def test_handlers_are_annotated_as_declared(name: str) -> None:
    made = get_type_hints(HANDLERS[name])["return"]
    assert (get_args(made)[0] if TABLE[name].streams else made) == (
        get_args(RESULTS[name])[0] if TABLE[name].streams else RESULTS[name]
    )


async def test_a_node_answers_as_declared() -> None:
    filesystem = await Filesystem.open(await open_store("memory:"), node="here")
    async with Node(filesystem, "tcp://127.0.0.1:0", context=Context("tester", superuser=True)) as node:
        async with Client(CheckedTransport(ZeroMQTransport(node.endpoint))) as client:
            await client.store(EmergeFile(name="a", path="/d"))
            assert [row["node"] for row in await client.nodes()] == ["here"]
            assert await client.whohas("/d/a", "/d/b") == {"/d/a": "here"}
            assert [row["path"] for row in await client.index("/d", "data")] == ["/d"]
            assert (await client.explain(lambda o: o.data == 1, "/d"))["scans"] == 0
            assert (await client.count(lambda o: o.data is None, "/d")) == 1
            assert await client.graphql("{ objects { count } }", "/d")
    await filesystem.close()


@pytest.mark.parametrize(
    ("value", "kind", "count"),
    [
        ({"entries": [], "cursor": ""}, results.EntryPage, 0),
        ({"entries": []}, results.EntryPage, 1),
        ({"entries": [], "cursor": "", "more": 1}, results.EntryPage, 1),
        ({"entries": [{}], "cursor": 1}, results.EntryPage, 15),
        ({"path": "/a", "error": None}, results.SearchError, 1),
        (True, int, 1),
        ([1, "a"], list[int], 1),
        (None, int | None, 0),
        ("other", Literal["a", "b"], 1),
    ],
)
def test_what_does_not_fit_is_found(value: object, kind: Any, count: int) -> None:
    assert len(misfits(value, kind)) == count
