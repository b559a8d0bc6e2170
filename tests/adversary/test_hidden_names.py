"""In a directory that one may not pass, a name that exists and one that does not answer alike, to every operation."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import encode
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.objects import EmergeFile
from emerge_wasm.operations import TABLE, Context
from emerge_wasm.stores.memory import MemoryStore

pytestmark = pytest.mark.asyncio

PATHS = ("path", "source", "target", "first", "second")
"""Arguments that are paths."""

GIVEN: dict[str, Any] = {
    "state": encode({"data": 1}),
    "values": encode([1]),
    "changes": encode({"data": 2}),
    "field": "data",
    "method": "look",
    "perms": "rwxrwxrwx",
    "class_name": "Mixed",
    "name": "mixed",
    "owner": "bob",
    "group": "staff",
    "hashes": [],
    "before": 1,
    "words": "a",
    "query": "{ __typename }",
    "aggregations": {"n": ["count"]},
    "values_of": {"n": ["count"]},
    "limit": 10,
    "blocks": [],
    "names": [],
    "records": [],
    "objects": [],
    "args": [],
    "kwargs": {},
}
"""What the other arguments without a default are."""


@pytest_asyncio.fixture
async def bob() -> AsyncIterator[Client]:
    """Someone who may do all in / and read nothing in /closed, in which /closed/there and /closed/inner/deep are."""
    filesystem = await Filesystem.open(MemoryStore(), node="here")
    owner = Client(LocalTransport(filesystem, Context("anna", superuser=True)))
    for path in ("/closed", "/closed/inner"):
        for name in ("there", "deep"):
            await owner.store(EmergeFile(name=name, path=path, data=[1], perms="rwxrwxrwx"))
    await owner.store(EmergeFile(name="open", path="/", data=1, perms="rwxrwxrwx"))
    await owner.chmod("/", "rwxrwxrwx")
    await owner.chmod("/closed/inner", "rwxrwxrwx")
    await owner.chmod("/closed", "rwx------")
    yield Client(LocalTransport(filesystem, Context("bob")))
    await filesystem.close()


async def answer(client: Client, name: str, args: dict[str, Any]) -> tuple[str, str]:
    """What an operation answers: the kind of error and its text, or "ok"."""
    row = TABLE[name]
    values = [args[each.name] if each.name in args else each.default for each in row.parameters]
    try:
        if row.streams:
            async for _ in client.transport.stream(name, values, {}):
                pass
        else:
            await client.transport.call(name, values, {})
    except EmergeError as error:
        return error.code, f"{error.message} {error.remedy} {sorted(error.details)}"
    return "ok", ""


def cases() -> list[tuple[str, str]]:
    """Every operation with each of its arguments that is a path, if what else it needs is known."""
    return [
        (name, each.name)
        for name, row in TABLE.items()
        for each in row.parameters
        if each.name in PATHS
        and name not in ("subscribe", "watch")  # they have no end
        and all(
            other.name in GIVEN or other.name in PATHS or other.default is not inspect.Parameter.empty
            for other in row.parameters
        )
    ]


@pytest.mark.parametrize(("name", "argument"), cases())
@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ("/closed/there", "/closed/nope!"),
        ("/closed/inner/deep", "/closed/inner/nope"),
        ("/closed/inner/deep", "/closed/outer/deep"),
        ("/closed/there.data", "/closed/nope.data"),
    ],
)
async def test_what_is_hidden_answers_as_what_is_not_there(
    bob: Client, name: str, argument: str, there: str, missing: str
) -> None:
    said = []
    for path in (there, missing):
        args = {**GIVEN, **dict.fromkeys(PATHS, "/open"), argument: path}
        code, text = await answer(bob, name, args)
        said.append((code, text.replace(path, "PATH")))
    assert said[0] == said[1]
