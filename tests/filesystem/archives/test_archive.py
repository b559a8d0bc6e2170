"""Archives that are made by hand, or loaded by somebody who may not do everything: nothing here comes to harm."""

from __future__ import annotations

import copy
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from emerge_wasm import Conflict, EmergeFile, Invalid, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.archives import export_load
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.layout.record import ROOT
from emerge_wasm.stores import open_store
from tests.contracts.filesystem import item, refused

Row = dict[str, Any]


@pytest.fixture
async def filesystem() -> AsyncIterator[Filesystem]:
    filesystem = await Filesystem.open(await open_store("memory:"))
    yield filesystem
    assert (await audit(filesystem.core.store)).faults == []
    await filesystem.close()


@pytest.fixture
def client(filesystem: Filesystem) -> Client:
    return Client(LocalTransport(filesystem))


@pytest.fixture
async def elsewhere() -> Client:
    """Another filesystem, with two versions of an object, and a directory."""
    client = Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))
    await client.store(EmergeFile(name="x", path="/tree/a", data=1))
    await client.update("/tree/a/x", data=2)
    return client


async def records_of(client: Client, path: str = "/tree") -> list[Row]:
    return [record async for record in client.remote.export(path)]


async def archive_of(client: Client, path: str) -> io.BytesIO:
    file = io.BytesIO()
    await client.export(path, file)
    file.seek(0)
    return file


# --- whose it becomes
async def test_whoever_loads_is_owner_and_author_and_dates_stay(client: Client, elsewhere: Client) -> None:
    await client.chmod("/", "rwxrwxrwx")
    await elsewhere.chown("/tree", "zoe", "staff", recursive=True)
    file = await archive_of(elsewhere, "/tree")
    await client.as_user("ann").load(file, "/mine")
    rows = await client.versions("/mine/a/x")
    assert [row["author"] for row in rows] == ["ann"] * 3
    assert {(row["owner"], row["group"]) for row in rows} == {("ann", "")}
    assert [row["date"] for row in rows] == [row["date"] for row in await elsewhere.versions("/tree/a/x")]


async def test_nothing_is_put_where_one_may_not(client: Client, elsewhere: Client) -> None:
    await client.mkdir("/closed/a")
    await client.chmod("/closed", "rwxr-xr-x", recursive=True)
    file = await archive_of(elsewhere, "/tree")
    await refused(client.as_user("ann").load(file, "/closed"), PermissionDenied, "/closed/a")
    assert await client.list("/closed/a") == []
    file.seek(0)
    assert await client.load(file, "/closed") == 3
    assert await client.cat("/closed/a/x.data") == 2, "directories that are there are filled"


async def test_nobody_adds_versions_to_what_is_not_theirs(client: Client, elsewhere: Client) -> None:
    records = await records_of(elsewhere)
    first, last = copy.deepcopy(records[-1]), copy.deepcopy(records[-1])
    first["versions"], last["versions"] = first["versions"][:1], last["versions"][1:]
    await client.load_records("/", [first], {})
    await client.chmod("/a", "rwxrwxrwx", recursive=True)
    await refused(client.as_user("ann").load_records("/", [last], {}), Conflict, "there already")
    assert len(await client.versions("/a/x")) == 2
    await client.restore("/a/x", 1)
    await refused(client.load_records("/", [last], {}), Conflict, "there already")


async def test_what_follows_is_added_by_its_owner_only(client: Client, elsewhere: Client) -> None:
    records = await records_of(elsewhere)
    first, last = copy.deepcopy(records[-1]), copy.deepcopy(records[-1])
    first["versions"], last["versions"] = first["versions"][:1], last["versions"][1:]
    await client.chmod("/", "rwxrwxrwx")
    await client.as_user("ann").load_records("/", [first], {})
    bob = client.as_user("bob")
    await client.chmod("/a", "rwxrwxrwx")
    first["versions"][0]["perms"] = "rwxrwxrwx"
    await refused(bob.load_records("/", [last], {}), PermissionDenied, "/a/x", "ann")
    await client.as_user("ann").load_records("/", [last], {})
    assert [row["version"] for row in await client.versions("/a/x")] == [2, 1]


async def test_a_uuid_is_nobody_elses(client: Client) -> None:
    """Neither what is, nor what was: its versions are still kept."""
    await client.chmod("/", "rwxrwxrwx")
    ann, bob = client.as_user("ann"), client.as_user("bob")
    await ann.store(EmergeFile(name="secret", path="/hers", data="past"))
    records = await records_of(client, "/hers/secret")
    error = await refused(bob.load_records("/his", records, {}), Conflict, "not yours")
    assert "/hers" not in str(error)
    await ann.rm("/hers/secret")
    await refused(bob.load_records("/his", records, {}), Conflict, "not yours")
    await ann.load_records("/hers", records, {})
    assert [row["operation"] for row in await client.versions("/hers/secret")] == ["load", "rm", "store"]


# --- the root
async def test_the_root_comes_back_with_its_rights(client: Client, elsewhere: Client) -> None:
    await elsewhere.chmod("/", "rwxrwx---")
    await elsewhere.chown("/", "ann", "staff")
    await elsewhere.retain("/", "20")
    file = await archive_of(elsewhere, "/")
    assert await client.load(file, "/") == 3
    root = await client.get("/")
    assert (root.perms, root.owner, root.group, root.version) == ("rwxrwx---", "ann", "staff", 3)
    assert await client.retain("/") == "20" and await client.cat("/tree/a/x.data") == 2
    assert [row["operation"] for row in await client.versions("/")] == ["retain", "chown", "chmod"]


async def test_the_root_that_was_changed_here_stays(client: Client, elsewhere: Client) -> None:
    await elsewhere.chmod("/", "rwxrwxrwx")
    await client.chmod("/", "rwxr-x---")
    await client.load(await archive_of(elsewhere, "/"), "/")
    assert (await client.get("/")).perms == "rwxr-x---"


async def test_the_root_is_not_for_everybody(client: Client, elsewhere: Client) -> None:
    await elsewhere.chmod("/", "rwxrwxrwx")
    file = await archive_of(elsewhere, "/")
    await refused(client.as_user("ann").load(file, "/"), PermissionDenied)
    assert (await client.get("/")).perms == "rwxr-xr-x"


async def test_the_root_of_elsewhere_is_a_directory_here(client: Client, elsewhere: Client) -> None:
    await elsewhere.chmod("/", "rwxrwx---")
    await client.load(await archive_of(elsewhere, "/"), "/copy")
    copied = await client.get("/copy")
    assert copied.perms == "rwxrwx---" and bytes.fromhex(copied.uuid) != ROOT
    assert await client.cat("/copy/tree/a/x.data") == 2


# --- what goes over several records
async def test_an_object_of_several_records(client: Client, elsewhere: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_load, "PAGE_BYTES", 100)  # patched: a page is 4 MiB of states
    target = await elsewhere.store(EmergeFile(name="t"))
    big = await elsewhere.store(EmergeFile(name="big", data=["0" * 60, await elsewhere.reference(target)]))
    await elsewhere.mv("/big", "/large")
    await elsewhere.rm("/large")
    await elsewhere.restore("/large")
    for number in range(3):
        await elsewhere.update("/large", note=str(number) * 60)
    await elsewhere.mv("/large", "/big")
    records = await records_of(elsewhere, "/big")
    assert len(records) > 3 and all(record["versions"][-1]["operation"] != "rm" for record in records)
    assert await client.load_records("/one", records, {}) == 1, "in one call"
    shape = ("version", "size", "operation", "date", "revision")
    before = [[row[key] for key in shape] for row in await elsewhere.versions("/big")]
    assert [[row[key] for key in shape] for row in await client.versions("/one/big")] == before
    other = Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))
    for record in records:
        assert await other.load_records("/one", [record], {}) == 1, "call by call"
    assert [[row[key] for key in shape] for row in await other.versions("/one/big")] == before
    for version in (1, 2, 4, 5, 8):
        state = await elsewhere.cat(f"/registry/{big.uuid}", version)
        assert await client.cat("/one/big", version) == await other.cat("/one/big", version) == state
    assert (await audit(other.transport.filesystem.core.store)).faults == []  # type: ignore[attr-defined]


# --- malformed ones
def _first(records: list[Row]) -> Row:
    found: Row = records[-1]["versions"][0]
    return found


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: r[-1].update(uuid=ROOT.hex()), "uuid"),
        (lambda r: r[-1].update(uuid="00"), "uuid"),
        (lambda r: r[-1].update(versions=[]), "versions"),
        (lambda r: r[-1].update(path="a"), "path"),
        (lambda r: r[-1]["versions"].reverse(), "version"),
        (lambda r: r[-1]["versions"][-1].update(operation="rm"), "removed"),
        (lambda r: r[-1]["versions"][-1].update(type="directory"), "version"),
        (lambda r: r[-1]["versions"][-1].update(state=None, content=7), "state"),
        (lambda r: _first(r).update(version=2**64), "number"),
        (lambda r: _first(r).update(version=True), "number"),
        (lambda r: _first(r).update(content=-1), "number"),
        (lambda r: _first(r).update(type="socket"), "socket"),
        (lambda r: _first(r).update(perms="rwz"), "rwz"),
        (lambda r: _first(r).update(owner=None), "owner"),
        (lambda r: _first(r).update(author="a" * 1001), "author"),
        (lambda r: _first(r).update(keep="sometimes"), "sometimes"),
        (lambda r: _first(r).update(date="1950-01-01T00:00:00.000000+00:00"), "malformed"),
        (lambda r: _first(r).update(date="2026-01-01T00:00:00+02:00"), "date"),
        (lambda r: _first(r).update(date="yesterday"), "malformed"),
        (lambda r: _first(r).update(state=b"\xc1"), "malformed"),
        (lambda r: _first(r).update(state=b"\x90"), "map"),
        (lambda r: _first(r).pop("group"), "group"),
        (lambda r: r.append(7), "None"),
    ],
)
async def test_malformed_records(
    client: Client, elsewhere: Client, change: Callable[[list[Row]], object], word: str
) -> None:
    records = await records_of(elsewhere)
    change(records)
    await refused(client.load_records("/", records, {}), Invalid, word)
    assert await client.list("/") == []


async def test_an_object_twice_in_an_archive(client: Client, elsewhere: Client) -> None:
    records = await records_of(elsewhere)
    again = {**records[-1], "path": "/b/x"}
    await refused(client.load_records("/", [*records, again], {}), Conflict, "/b/x", "twice")
    await refused(client.load_records("/", [*records, records[-1]], {}), Conflict, "/a/x", "twice")
    assert await client.list("/") == []


async def test_nothing_is_inside_an_object(client: Client, elsewhere: Client) -> None:
    *above, inner = await records_of(elsewhere)
    file = {**copy.deepcopy(inner), "path": "/f", "uuid": "11" * 16}
    for path in ("/f/x", "/f/y/x"):
        await refused(client.load_records("/", [file, {**inner, "path": path}], {}), Invalid, path, "wrong place")
    await refused(client.load_records("/", [{**inner, "path": "/a/x"}, above[-1]], {}), Invalid, "/a", "wrong place")
    await client.store(EmergeFile(name="f"))
    await refused(client.load_records("/", [{**inner, "path": "/f/x"}], {}), Invalid, "/f")


async def test_a_class_that_is_not_sent(client: Client, elsewhere: Client) -> None:
    await elsewhere.store(item("w", "/tree"))
    records = [record for record in await records_of(elsewhere) if record["path"] == "/w"]
    records[0]["bundles"] = []
    await refused(client.load_records("/", records, {}), NotFound, "class")
