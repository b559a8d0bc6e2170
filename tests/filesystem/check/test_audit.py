"""The audit finds nothing where nothing is wrong, whatever was done; and names each thing that was made wrong."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from emerge_wasm import EmergeError, EmergeFile
from emerge_wasm.cli.check import check
from emerge_wasm.cli.session import Session
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import Report, audit
from emerge_wasm.filesystem.indexes.maintain import reference_key
from emerge_wasm.filesystem.layout.record import (
    INLINE_LIMIT,
    ROOT,
    Entry,
    VersionRecord,
    entry_key,
    link_key,
    log_key,
    version_key,
)
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.store import Batch, Store
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import Part, item
from tests.scale import examples


@pytest.fixture
async def store() -> Store:
    return await open_store("memory:")


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    filesystem = await Filesystem.open(store, runner=Here())
    async with Client(LocalTransport(filesystem)) as client:
        yield client


# --- what is healthy
class Workload:
    """Random operations of every kind; those that cannot be done just then are refused, and that is all."""

    def __init__(self, client: Client, seed: int) -> None:
        self.client = client
        self.source = random.Random(seed)
        self.done: dict[str, int] = {}
        self.known: list[str] = ["/a"]

    def fresh(self) -> str:
        depth = self.source.choice((1, 2, 2, 3))
        return "".join("/" + self.source.choice("abcd") for _ in range(depth))

    def path(self) -> str:
        """One where something is, or was; or any."""
        return self.source.choice(self.known) if self.source.random() < 0.9 else self.fresh()

    async def some(self, client: Client, number: int) -> None:
        for _ in range(number):
            kind = self.source.choice(sorted(OPERATIONS))
            try:
                await OPERATIONS[kind](self, client)
                self.done[kind] = self.done.get(kind, 0) + 1
            except EmergeError:
                continue

    async def in_transaction(self) -> None:
        async with self.client.transaction() as tx:
            await self.some(tx, self.source.randrange(1, 8))
            if self.source.random() < 0.2:
                raise EmergeError("changed my mind")

    async def run(self) -> None:
        for _ in range(50):
            found = [pointer async for pointer in self.client.tree("/")]
            files = [p.full_path for p in found if not p.is_directory]
            self.known = [p.full_path for p in found] + 5 * [p for p in files if "/n" not in p] + self.known[:5]
            await self.some(self.client, 8)
            try:
                await self.in_transaction()
            except EmergeError:
                continue

    async def store(self, client: Client) -> None:
        directory, _, name = self.fresh().rpartition("/")
        size = self.source.choice((1, 1, 10, INLINE_LIMIT + 5))
        await client.store(item(name, directory or "/", data="x" * size, parts=[Part("p")]))

    async def storeall(self, client: Client) -> None:
        path = self.fresh() + "/many"
        await client.storeall([EmergeFile(name=f"n{number}", path=path, data=number) for number in range(20)])

    async def refer(self, client: Client) -> None:
        await client.update(
            self.path(), data=[await client.reference(self.path()), await client.reference(self.path())]
        )

    async def update(self, client: Client) -> None:
        await client.update(self.path(), data=self.source.random())

    async def restore(self, client: Client) -> None:
        await client.restore(self.path(), self.source.choice((0, 0, 1, 2)))

    async def restore_removed(self, client: Client) -> None:
        path = self.path()
        await client.rm(path, recursive=True)
        await client.restore(path, self.source.choice((0, 0, 0, 1)))

    async def archive(self, client: Client) -> None:
        file, path = io.BytesIO(), self.path()
        await client.export(path, file, versions=self.source.random() < 0.7)
        if self.source.random() < 0.7:
            await client.rm(path, recursive=True)
        file.seek(0)
        await client.load(file, self.source.choice(("/", "/loaded", "/a")))

    async def archive_from_elsewhere(self, client: Client) -> None:
        file = io.BytesIO()
        async with Client(LocalTransport(await Filesystem.open(await open_store("memory:")))) as other:
            await other.store(item("w", "/x", data=1))
            await other.update("/x/w", data=2)
            await other.rm("/x/w")
            await other.restore("/x/w")
            await other.export("/x", file)
        file.seek(0)
        await client.load(file, f"/loaded/{self.source.randrange(1000)}")

    async def purge(self, client: Client) -> None:
        path = self.path()
        await client.rm(path, recursive=True)
        await client.purge(self.source.choice((path, path, "/", "/a")))


OPERATIONS: dict[str, Callable[[Workload, Client], Awaitable[object]]] = {
    "store": Workload.store,
    "store again": Workload.store,
    "storeall": Workload.storeall,
    "update": Workload.update,
    "refer": Workload.refer,
    "restore": Workload.restore,
    "restore removed": Workload.restore_removed,
    "purge": Workload.purge,
    "archive": Workload.archive,
    "archive from elsewhere": Workload.archive_from_elsewhere,
    "run": lambda self, client: client.run(self.path(), "sell", 0),
    "sell": lambda self, client: client.run(self.path(), "sell", -1),
    "add": lambda self, client: client.add(self.path(), "parts", Part("more")),
    "mixin": lambda self, client: client.mixin(self.path(), self.path(), "Mixed", "m", self.fresh()),
    "mkdir": lambda self, client: client.mkdir(self.fresh()),
    "cp": lambda self, client: client.cp(self.path(), self.fresh(), recursive=True),
    "mv": lambda self, client: client.mv(self.path(), self.fresh()),
    "mv again": lambda self, client: client.mv(self.path(), self.path()),
    "rm": lambda self, client: client.rm(self.path(), recursive=self.source.random() < 0.5),
    "retain": lambda self, client: client.retain(self.fresh()[:2], self.source.choice(("1", "2", "", "all", "9 days"))),
    "chmod": lambda self, client: client.chmod(
        self.source.choice((self.path(), "/")), self.source.choice(("g+w", "o+x")), True
    ),
    "chown": lambda self, client: client.chown(self.path(), self.source.choice(("ann", "bob"))),
}


@pytest.mark.parametrize("seed", range(examples(2)))
async def test_a_healthy_store_has_no_fault(client: Client, store: Store, seed: int) -> None:
    workload = Workload(client, seed)
    await workload.run()
    report = await audit(store)
    assert report.faults == []
    assert set(workload.done) == set(OPERATIONS), "every operation was done"
    assert min(report.counts.values()) > 0


# --- what is not
@pytest.fixture
async def world(client: Client) -> Client:
    """/shelf/box (three versions, one a move), /shelf/big (a large state), /shelf/gone (removed), /note (to it)."""
    await client.store(item("crate", "/shelf", data=1))
    await client.update("/shelf/crate", data=2)
    await client.mv("/shelf/crate", "/shelf/box")
    await client.store(item("big", "/shelf", data="x" * INLINE_LIMIT))
    await client.store(item("gone", "/shelf"))
    await client.rm("/shelf/gone")
    await client.mkdir("/empty/inner")
    await client.store(EmergeFile(name="note", data=await client.reference("/shelf/box")))
    return client


async def uuid_at(client: Client, path: str) -> bytes:
    return bytes.fromhex((await client.get(path)).uuid)


async def entry_row(client: Client, store: Store, path: str) -> tuple[bytes, Entry]:
    """(key, entry) in its directory."""
    directory, _, name = path.rpartition("/")
    key = entry_key(await uuid_at(client, directory) if directory else ROOT, name)
    raw = (await store.get([("entries", key)]))[0]
    assert raw is not None
    return key, Entry.unpack(raw)


async def found(store: Store, batch: Batch, *words: str) -> list[str]:
    """The faults after this was committed, one of which has all of these words."""
    assert (await audit(store)).faults == []
    await store.commit(batch)
    faults = (await audit(store)).faults
    assert any(all(word in fault for word in words) for fault in faults), faults
    return faults


async def test_a_gap_in_the_log(world: Client, store: Store) -> None:
    faults = await found(store, Batch(deletes=[("log", log_key(2))]), "no entry 2", "3 comes next")
    assert any("version 2" in fault and "is not in the log" in fault for fault in faults)


async def test_the_log_names_what_never_was(world: Client, store: Store) -> None:
    await found(store, Batch(appends=[("log", version_key(b"u" * 16, 4))]), "version 4", b"u".hex() * 16, "missing")
    await found_after(store, Batch(appends=[("log", b"short")]), "cannot be read")


async def found_after(store: Store, batch: Batch, *words: str) -> None:
    """As `found`, of a store that has faults already."""
    await store.commit(batch)
    faults = (await audit(store)).faults
    assert any(all(word in fault for word in words) for fault in faults), faults


async def test_a_version_twice_in_the_log(world: Client, store: Store) -> None:
    key = version_key(await uuid_at(world, "/shelf/box"), 1)
    await found(store, Batch(appends=[("log", key)]), "version 1", "2 times in the log")


async def test_the_newest_version_is_missing(world: Client, store: Store) -> None:
    key = version_key(await uuid_at(world, "/shelf/box"), 3)
    faults = await found(store, Batch(deletes=[("versions", key)]), "/shelf/crate", "not in its directory")
    assert any("names version 3" in fault for fault in faults)


async def test_a_version_in_the_middle_is_missing(world: Client, store: Store) -> None:
    for _ in range(3):
        await world.update("/shelf/box", data=3)
    key = version_key(await uuid_at(world, "/shelf/box"), 4)
    await found(store, Batch(deletes=[("versions", key)]), "/shelf/box", "version after 1 is missing")


async def test_the_oldest_versions_may_be_gone(world: Client, store: Store) -> None:
    for _ in range(3):
        await world.update("/shelf/box", data=3)
    await world.retain("/shelf", "2")
    report = await audit(store)
    assert report.faults == [] and len(await world.versions("/shelf/box")) == 2


async def test_a_version_under_a_wrong_key(world: Client, store: Store) -> None:
    one, other = [version_key(await uuid_at(world, path), 1) for path in ("/shelf/box", "/note")]
    raw = (await store.get([("versions", one)]))[0] or b""
    await found(store, Batch(puts=[("versions", other, raw)]), "says that it is version 1 of")


async def test_a_version_that_cannot_be_read(world: Client, store: Store) -> None:
    key = version_key(await uuid_at(world, "/shelf/box"), 2)
    await found(store, Batch(puts=[("versions", key, b"\xc1")]), key.hex(), "cannot be read")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"date": "2020-01-01T00:00:00.000000+00:00"}, ["version 2", "earlier date"]),
        ({"revision": "other"}, ["version 3 was not made from version 2"]),
        ({"size": 7}, ["bytes, not 7"]),
        ({"bundle": "f" * 64}, ["/shelf/crate", "class", "missing"]),
    ],
)
async def test_a_version_does_not_fit(world: Client, store: Store, change: dict[str, object], words: list[str]) -> None:
    key = version_key(await uuid_at(world, "/shelf/box"), 2)
    record = VersionRecord.unpack((await store.get([("versions", key)]))[0] or b"")
    changed = record._replace(raw=record.entry._replace(**change).pack())
    await found(store, Batch(puts=[("versions", key, changed.pack())]), *words)


async def test_an_entry_that_is_not_the_newest_version(world: Client, store: Store) -> None:
    key, entry = await entry_row(world, store, "/shelf/box")
    changed = entry._replace(perms="rwxrwxrwx").pack()
    await found(store, Batch(puts=[("entries", key, changed)]), "/shelf/box", "not its newest version")


async def test_an_entry_that_is_gone(world: Client, store: Store) -> None:
    key, _ = await entry_row(world, store, "/shelf/box")
    await found(store, Batch(deletes=[("entries", key)]), "/shelf/box", "not in its directory")


async def test_an_object_in_two_places(world: Client, store: Store) -> None:
    _, entry = await entry_row(world, store, "/shelf/box")
    batch = Batch(puts=[("entries", entry_key(ROOT, "twin"), entry._replace(name="twin").pack())])
    await found(store, batch, "twin", "is elsewhere")


async def test_a_removed_object_in_its_directory(world: Client, store: Store) -> None:
    gone = next(row for row in (await world.changes(0))["changes"] if row["operation"] == "rm")["pointer"]
    shelf, uuid = await uuid_at(world, "/shelf"), bytes.fromhex(gone["uuid"])
    record = VersionRecord.unpack((await store.get([("versions", version_key(uuid, 2))]))[0] or b"")
    await found(store, Batch(puts=[("entries", entry_key(shelf, "gone"), record.raw)]), "/shelf/gone", "was removed")


async def test_an_entry_without_versions(world: Client, store: Store) -> None:
    _, entry = await entry_row(world, store, "/note")
    stray = entry._replace(uuid=b"s" * 16, name="stray").pack()
    await found(store, Batch(puts=[("entries", entry_key(ROOT, "stray"), stray)]), "stray", "no versions")


async def test_an_orphan(world: Client, store: Store) -> None:
    key, entry = await entry_row(world, store, "/shelf")
    await found(store, Batch(deletes=[("entries", key)]), "the directory", entry.uuid.hex(), "is not there")


async def test_a_directory_inside_itself(world: Client, store: Store) -> None:
    key, entry = await entry_row(world, store, "/empty")
    inner = await uuid_at(world, "/empty/inner")
    batch = Batch(deletes=[("entries", key)], puts=[("entries", entry_key(inner, "empty"), entry.pack())])
    await found(store, batch, "is inside itself")


async def test_a_state_is_missing(world: Client, store: Store) -> None:
    key = version_key(await uuid_at(world, "/shelf/big"), 1)
    await found(store, Batch(deletes=[("states", key)]), "/shelf/big", "state of version 1", "missing")


async def test_a_state_of_nothing(world: Client, store: Store) -> None:
    await found(store, Batch(puts=[("states", version_key(b"u" * 16, 3), b"x")]), "state 3", "no version")


@pytest.mark.parametrize("name", ["crate", "box", "gone", "big"])
async def test_a_link_is_missing(world: Client, store: Store, name: str) -> None:
    shelf = await uuid_at(world, "/shelf")
    rows = await store.scan("links", shelf + name.encode(), shelf + name.encode() + b"\1")
    await found(store, Batch(deletes=[("links", rows[-1][0])]), "no link")


async def test_a_link_tells_otherwise(world: Client, store: Store) -> None:
    key = link_key(await uuid_at(world, "/shelf"), "box", uuid := await uuid_at(world, "/shelf/box"), 3)
    value = (await store.get([("links", key)]))[0] or b""
    await found(store, Batch(puts=[("links", key, b"-" + value[1:])]), "box", "version 3", "otherwise")
    await found_after(store, Batch(puts=[("links", key, b"+" + bytes(8))]), "box", "version 3", "otherwise")
    await found_after(store, Batch(puts=[("links", link_key(ROOT, "box", uuid, 9), value)]), "version 9", "never was")


async def test_references(world: Client, store: Store) -> None:
    note, box = await uuid_at(world, "/note"), await uuid_at(world, "/shelf/box")
    await found(store, Batch(deletes=[("indexes", reference_key(box, note))]), "/note", box.hex(), "not in the index")
    await found_after(store, Batch(puts=[("indexes", reference_key(note, box), b"")]), box.hex(), note.hex(), "has not")


async def test_a_reference_too_many(world: Client, store: Store) -> None:
    note, box = await uuid_at(world, "/note"), await uuid_at(world, "/shelf/box")
    await found(
        store, Batch(puts=[("indexes", reference_key(note, box), b"")]), "the index has a reference of", box.hex()
    )


async def test_a_count_of_references_that_is_wrong(world: Client, store: Store) -> None:
    key, entry = await entry_row(world, store, "/note")
    version = version_key(entry.uuid, 1)
    record = VersionRecord.unpack((await store.get([("versions", version)]))[0] or b"")
    raw = entry._replace(refs=5).pack()
    batch = Batch(puts=[("entries", key, raw), ("versions", version, record._replace(raw=raw).pack())])
    await found(store, batch, "/note", "5 references")


async def test_classes(world: Client, store: Store) -> None:
    (key, raw), *_ = await store.scan("bundles")
    await found(store, Batch(puts=[("bundles", key, raw + b"?")]), key.decode(), "cannot be read")
    await found_after(store, Batch(deletes=[("bundles", key)]), key.decode(), "missing")


async def test_no_filesystem() -> None:
    assert "not the store of a filesystem" in (await audit(await open_store("memory:"))).faults[0]


async def test_faults_are_limited(store: Store) -> None:
    report = Report()
    for number in range(5000):
        report.fault(f"{number}")
    assert len(report.faults) == 1000


# --- the command
async def test_the_command(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    async with Client(LocalTransport(await Filesystem.open(await open_store(url)))) as client:
        await client.store(item("w"))

    def run(*, as_json: bool) -> tuple[int, str]:
        result = CliRunner().invoke(check, [url], obj=Session(None, as_json, False))
        return result.exit_code, result.output

    code, said = await asyncio.to_thread(run, as_json=False)
    assert code == 0 and "no fault" in said and "objects" in said
    opened = await open_store(url)
    await opened.commit(Batch(deletes=[("log", log_key(1))]))
    await opened.close()
    code, said = await asyncio.to_thread(run, as_json=True)
    assert code == 1 and json.loads(said)["counts"]["objects"] == 1 and json.loads(said)["faults"]
    code, said = await asyncio.to_thread(run, as_json=False)
    assert code == 1 and "fault: " in said
