"""What every row of every index must be, worked out from the objects alone, to compare with what a store holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.codec import decode, encode
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.indexes.class_shape import shapes_of
from emerge_wasm.filesystem.indexes.index_row import rows_of
from emerge_wasm.filesystem.indexes.maintain import REFERENCE, most_rows
from emerge_wasm.filesystem.layout.catalogue import CATALOGUE, NONE, Definition, parse
from emerge_wasm.filesystem.layout.record import ROOT, Entry
from emerge_wasm.store import prefix_end
from emerge_wasm.stores import open_store

CONTEXT = Context("tester", superuser=True)
Rows = dict[bytes, bytes]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Filesystem]:
    filesystem = await Filesystem.open(await open_store(url), url=url)
    try:
        yield filesystem
    finally:
        await filesystem.close()


class Hands:
    """Operations on plain states, by name: `await hands("mv", "/a", "/b")`."""

    def __init__(self, filesystem: Filesystem, context: Context = CONTEXT) -> None:
        self.filesystem = filesystem
        self.context = context
        self.client = Client(LocalTransport(filesystem, context))

    async def __call__(self, name: str, *args: Any) -> Any:
        result: Any = self.filesystem.dispatch(name, list(args), self.context)
        return await result

    async def put(self, path: str, **fields: Any) -> Any:
        return await self("store", path, encode(fields))

    async def put_all(self, directory: str, objects: dict[str, dict[str, Any]]) -> None:
        rows = list(objects.items())
        for cut in range(0, len(rows), 500):
            await self("storeall", [[f"{directory}/{name}", encode(fields)] for name, fields in rows[cut : cut + 500]])

    async def settle(self) -> None:
        """Wait until all indexes are built, and what was dropped is gone."""
        await asyncio.wait_for(self.filesystem.builder.settle(), 30)


async def rows_there(filesystem: Filesystem) -> Rows:
    """Every row of `indexes` but those of references."""
    found: Rows = {}
    start = b""
    while True:
        page = await filesystem.core.store.scan("indexes", start, limit=1000)
        found.update(page)
        if len(page) < 1000:
            break
        start = page[-1][0] + b"\0"
    end = prefix_end(REFERENCE) or b""
    return {key: value for key, value in found.items() if not REFERENCE <= key < end}


async def definitions(filesystem: Filesystem) -> tuple[Definition, ...]:
    raw = (await filesystem.core.store.get([CATALOGUE]))[0]
    return parse(raw or NONE).definitions


async def rows_expected(filesystem: Filesystem) -> Rows:
    """What those rows must be, by a walk over everything."""
    hands = Hands(filesystem)
    most = most_rows(filesystem.core.store)
    kept = [each for each in await definitions(filesystem) if not each.error]
    found: Rows = {}

    async def walk(path: str, above: tuple[bytes, ...]) -> None:
        cursor = ""
        while True:
            page = await hands("list", path, cursor, 1000)
            for pointer in page["entries"]:
                full = f"{path.rstrip('/')}/{pointer['name']}"
                uuid = bytes.fromhex(pointer["uuid"])
                if pointer["type"] == "directory":
                    await walk(full, (*above, uuid))
                    continue
                state = decode((await hands("getobject", full))["state"])
                names = {key: pointer[key] for key in Entry._fields if key in pointer and key != "uuid"}
                entry = Entry(uuid=uuid, content=0, **names)
                shape = (await shapes_of(filesystem.core.store, [entry.bundle]))[entry.bundle]
                for each in kept:
                    if each.directory in above:
                        found.update(rows_of(each, above[-1], entry, state, shape, most))
            cursor = page["cursor"]
            if not cursor:
                return

    await walk("/", (ROOT,))
    return found


async def check(filesystem: Filesystem) -> None:
    there, expected = await rows_there(filesystem), await rows_expected(filesystem)
    assert there == expected, (
        f"missing {sorted(set(expected) - set(there))[:3]}, too many {sorted(set(there) - set(expected))[:3]}"
    )
