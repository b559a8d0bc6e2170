"""What is kept of an object between its runs is never told of another version, object or class."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, NotFound
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs import at_hand
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.stores.memory import MemoryStore

PATHS = st.sampled_from(["/a", "/t/a", "/t/b"])
STEPS = st.one_of(
    st.tuples(st.just("store"), PATHS, st.integers(0, 9)),
    st.tuples(st.sampled_from(["run", "look", "rm", "restore"]), PATHS),
    st.tuples(st.just("mv"), PATHS, PATHS),
)


@dataclass
class Thing(EmergeFile):
    size: int = 0

    def grow(self) -> int:
        self.size += 1
        return self.size

    def look(self) -> tuple[str, str, int, int]:
        return self.path, self.name, self.version, self.size


@dataclass
class Other(Thing):
    """The same with another method, which a look tells apart."""

    def look(self) -> tuple[str, str, int, int]:
        return "other", self.name, self.version, -self.size


async def looked(client: Client, path: str) -> Any:
    try:
        return await client.run(path, "look")
    except NotFound:
        return None


async def told(client: Client, path: str) -> Any:
    """What a look has to return, by what is stored there now."""
    try:
        found = await client.getobject(path)
    except NotFound:
        return None
    return found.look()


async def play(steps: list[tuple[Any, ...]]) -> None:
    filesystem = await Filesystem.open(MemoryStore(), runner=Here())
    client = Client(LocalTransport(filesystem))
    for step, path, *more in steps:
        directory, _, name = path.rpartition("/")
        try:
            if step == "store":
                await client.store((Thing, Other)[more[0] % 2](name=name, path=directory or "/", size=more[0]))
            elif step == "run":
                await client.run(path, "grow")
            elif step == "mv":
                await client.mv(path, more[0])
            elif step != "look":
                await getattr(client, step)(path)
        except Exception as error:
            if getattr(error, "code", None) is None:  # nothing is there, or something is: both are fine
                raise
        for each in ("/a", "/t/a", "/t/b"):
            assert await looked(client, each) == await told(client, each), (step, path)
    await filesystem.close()


@pytest.mark.parametrize("most", [1, at_hand.MOST])
def test_a_run_has_what_is_stored(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(at_hand, "MOST", most)

    @settings(max_examples=40, deadline=None)
    @given(st.lists(STEPS, max_size=10))
    def check(steps: list[tuple[Any, ...]]) -> None:
        asyncio.run(play(steps))

    check()
