"""What tests of searching share: objects of plain state, a search as a plain loop would do it, and all pages of one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from emerge_wasm import EmergeFile
from emerge_wasm.codec import decode, encode
from emerge_wasm.codec.state import unpack_state
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store

State = dict[str, Any]


class Searched:
    """A filesystem with calls that tests read easily."""

    def __init__(self, filesystem: Filesystem, context: Context) -> None:
        self.filesystem = filesystem
        self.context = context

    def as_user(self, name: str, *groups: str) -> Searched:
        return Searched(self.filesystem, Context(name, groups))

    async def call(self, operation: str, *args: Any) -> Any:
        return await self.filesystem.dispatch(operation, list(args), self.context)  # type: ignore[misc]  # no stream

    async def put(self, objects: dict[str, State]) -> None:
        await self.call("storeall", [[path, encode(state), "EmergeFile"] for path, state in objects.items()])

    async def index(self, path: str, *fields: str, text: bool = False) -> None:
        await self.call("index", path, list(fields), False, text)
        builder = self.filesystem.builder
        assert builder is not None
        await asyncio.wait_for(builder.settle(), 30)

    async def names(self, path: str, text: str | None = None, **more: Any) -> list[str]:
        """The paths of what a search finds, over all its pages."""
        return [path_of(row) for row in await self.rows(path, text, **more)]

    async def rows(
        self, path: str, text: str | None = None, order_by: str = "", descending: bool = False, limit: int = 1000
    ) -> list[Any]:
        found: list[Any] = []
        cursor = ""
        while True:
            page = await self.call("search", path, predicate(text), order_by, descending, limit, cursor)
            assert len(page["objects"]) <= limit
            found += page["objects"]
            cursor = page["cursor"]
            if not cursor:
                return found

    async def words(self, path: str, field: str, words: str, limit: int = 100) -> list[tuple[str, float]]:
        """(path, score) of what a full text search finds, over all its pages."""
        found: list[Any] = []
        cursor = ""
        while True:
            page = await self.call("searchtext", path, field, words, limit, cursor)
            found += [(path_of(row), row["score"]) for row in page["objects"]]
            cursor = page["cursor"]
            if not cursor:
                return found


@asynccontextmanager
async def searched(url: str = "memory:", **more: Any) -> AsyncIterator[Searched]:
    filesystem = await Filesystem.open(await open_store(url), node="here", url=url, **more)
    try:
        yield Searched(filesystem, Context("tester", superuser=True))
    finally:
        await filesystem.close()


def predicate(text: str | None, **values: Any) -> Any:
    return None if text is None else {"text": f"lambda o: {text}", "values": encode(values), "bundle": ""}


def path_of(row: Any) -> str:
    return str(row["pointer"]["path"]).rstrip("/") + "/" + str(row["pointer"]["name"])


def fits(text: str, state: State, pointer: Any) -> bool:
    """Whether the lambda itself is true of an instance; False where it raises."""
    instance = unpack_state(encode(state), EmergeFile, lambda bundle, name: EmergeFile)
    for name in ("name", "path", "type", "perms", "owner", "group", "uuid", "node", "version", "date"):
        setattr(instance, name, pointer[name])
    try:
        return bool(eval(f"lambda o: {text}")(instance))  # the reference: Python itself
    except Exception:
        return False


def states_of(rows: Sequence[Any]) -> list[State]:
    return [decode(row["state"]) for row in rows]


async def longest_stall(work: Awaitable[Any]) -> float:
    """For how many seconds of its processor's time the process held the event loop at a time while this was done."""
    longest, done = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not done:
            began = time.process_time()
            await asyncio.sleep(0)
            longest = max(longest, time.process_time() - began)

    watching = asyncio.create_task(watch())
    await work
    done = True
    await watching
    return longest
