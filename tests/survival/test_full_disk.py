"""The disk is full: a clear error, nothing lost, reading goes on, and so does the same node when there is room."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg2
import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import LimitExceeded
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.stores import open_store
from tests.backends import BACKENDS, serve_of
from tests.backends.disk import Disk, small_disk
from tests.backends.postgresql import Server, server
from tests.backends.zodb import relstorage_url, zeo_server

from .load import Note

Where = Iterator[tuple[str, Disk]]


@contextmanager
def zeo(folder: Path) -> Where:
    with small_disk(folder) as disk, zeo_server(folder, "full") as served:
        yield served.url("full"), disk


@contextmanager
def tables(running: Server) -> Iterator[Disk]:
    """A disk on which the server's tables are made from now on: its log of what is to be written is elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="emerge-tables-"))
    try:
        with small_disk(folder) as disk:
            owner = running.data.stat()
            os.chown(folder, owner.st_uid, owner.st_gid)
            _execute(running, f"CREATE TABLESPACE small LOCATION '{folder}'")
            _execute(running, "ALTER ROLE ALL SET default_tablespace = small")
            yield disk
            running.stop()
    finally:
        shutil.rmtree(folder)


def _execute(running: Server, statement: str) -> None:
    connection = psycopg2.connect(running.url("").partition("?")[0])
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()


@contextmanager
def postgresql(folder: Path) -> Where:
    with server() as running, tables(running) as disk:
        yield running.url("full"), disk


@contextmanager
def relstorage(folder: Path) -> Where:
    with server() as running, tables(running) as disk:
        yield relstorage_url(running, "filled"), disk


SERVERS = {"zeo": zeo, "postgresql": postgresql, "relstorage": relstorage}


@contextmanager
def on_small_disk(backend: str, folder: Path) -> Where:
    """The URL of a store on a disk with little room, and the disk."""
    if backend in SERVERS:
        with SERVERS[backend](folder) as made:
            yield made
    else:
        with small_disk(folder) as disk, serve_of(backend)(folder) as urls:
            yield urls("full"), disk


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Client]:
    """A client of a filesystem; in the end everything in it must agree."""
    store = await open_store(url)
    client = Client(LocalTransport(await Filesystem.open(store)))
    try:
        yield client
        assert (await audit(store)).faults == []
    finally:
        await client.close()
        await store.close()


def note(number: int, size: int = 20_000) -> Note:
    """One whose text no engine can make smaller."""
    return Note(name=f"o{number:04}", path="/notes", n=number, text=os.urandom(size // 2).hex())


class Filling:
    """What was stored, by name, and the errors of what was not."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.stored: dict[str, str] = {}
        self.refused: list[LimitExceeded] = []
        self._next = 0

    async def fill(self, errors: int) -> None:
        """Store from four sides until there were so many errors."""
        self.refused.clear()
        await asyncio.gather(*[self._fill(errors) for _ in range(4)])

    async def _fill(self, errors: int) -> None:
        while len(self.refused) < errors:
            self._next += 1
            assert self._next < 2000, "the disk is never full"
            await self.store(note(self._next))

    async def store(self, one: Note) -> None:
        try:
            await self.client.store(one)
            self.stored[one.name] = one.text
        except LimitExceeded as error:
            self.refused.append(error)

    async def check(self, client: Client) -> None:
        """All that was stored is there, and nothing else."""
        found = {each.name: each.text async for each in client.objects("/notes")}
        assert found.keys() == self.stored.keys()
        assert found == self.stored


def test_every_engine_is_filled() -> None:
    """But those that have no disk of ours: what their services refuse is tested with the stores."""
    assert {name for name, backend in BACKENDS.items() if backend.disk == "server"} == set(SERVERS)


@pytest.mark.parametrize("backend", [name for name, backend in BACKENDS.items() if backend.disk])
async def test_full_disk(backend: str, tmp_path: Path) -> None:
    with on_small_disk(backend, tmp_path) as (url, disk):
        async with opened(url) as client:
            filling = Filling(client)
            await filling.fill(8)
            for error in filling.refused:
                assert error.details["limit"] == "disk space" and error.remedy and "then try again" in error.remedy
            await filling.check(client)
            await filling.store(note(0, 4_000_000))
            await filling.check(client)
            disk.make_room()
            before = len(filling.stored)
            for number in range(3000, 3020):
                await filling.store(note(number))
            assert len(filling.stored) == before + 20, "there is room, and it does not go on"
            await filling.check(client)
            await filling.store(note(4000, 2_000_000))
            assert note(4000).name in filling.stored
        async with opened(url) as client:
            await filling.check(client)
