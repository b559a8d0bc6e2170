"""What a client does beside the table: proxies and transactions of the sync face, archives, JSON and CSV."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, Invalid, NotFound
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.objects import METADATA
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore
from tests.scale import examples


@dataclass
class Leaf(EmergeFile):
    size: float = 0.0
    seen: list[str] = field(default_factory=list)

    def grow(self, by: float = 1.0) -> float:
        """Get larger."""
        self.size += by
        return self.size


def new_client() -> SyncClient:
    async def open_client() -> Client:
        filesystem = await Filesystem.open(MemoryStore(), runner=Here())
        return Client(LocalTransport(filesystem, Context("tester", superuser=True)))

    return SyncClient(open_client)


@pytest.fixture
def fs() -> Iterator[SyncClient]:
    with new_client() as fs:
        yield fs


@pytest.fixture
def other() -> Iterator[SyncClient]:
    with new_client() as fs:
        yield fs


def test_a_proxy_reads_sets_and_runs(fs: SyncClient) -> None:
    fs.store(Leaf(name="a", size=2.0))
    leaf = fs.proxy("/a")
    assert (leaf.size, leaf.grow(by=2.0), leaf.size) == (2.0, 4.0, 4.0)
    leaf.size = 1.0
    assert fs.cat("/a.size") == 1.0
    assert {"size", "seen", "grow"} <= set(dir(leaf))
    assert repr(leaf) == "<proxy of Leaf /a on local>" and "grow(" in repr(leaf.grow)
    assert leaf.grow.__doc__ == "Get larger."
    with pytest.raises(NotFound, match="height"):
        _ = leaf.height
    with pytest.raises(AttributeError, match="private"):
        _ = leaf._hidden  # private: that it is refused
    with pytest.raises(Invalid, match="grow"):
        leaf.grow = 3


def test_a_context_is_kept_by_derived_clients(fs: SyncClient) -> None:
    fs.chmod("/", "rwxrwxrwx")
    ada = fs.as_user("ada", "staff").with_umask("------rwx")
    assert ada.store(EmergeFile(name="a")).perms == "rwxrwx---"
    assert ada.whoami()["groups"] == ["staff"]
    ada.close()
    assert fs.get("/a").owner == "ada"
    for umask in ("rwxrwxrw", "8", 0o1000, "", -1):
        with pytest.raises(Invalid, match="umask"):
            fs.with_umask(umask).whoami()


def test_a_moment_without_timezone_is_refused(fs: SyncClient) -> None:
    with pytest.raises(Invalid, match="give it a timezone"):
        fs.list("/", as_of=datetime(2026, 1, 1))


def test_a_path_in_place_of_a_predicate_is_told_of(fs: SyncClient) -> None:
    with pytest.raises(Invalid) as caught:
        fs.search("/stock", lambda o: o.price > 3)  # type: ignore[arg-type]  # that is the mistake
    assert "search(lambda o: …, '/stock')" in str(caught.value)


def test_a_transaction_of_the_sync_face(fs: SyncClient) -> None:
    leaf = Leaf(name="a")
    with fs.transaction() as tx:
        tx.store(leaf)
        assert [p.name for p in tx.tree("/")] == ["a"] and list(fs.tree("/")) == []
    assert fs.get("/a").version == 1
    with pytest.raises(ZeroDivisionError), fs.transaction("mine") as tx:
        leaf.size = 3.0
        tx.store(leaf)
        raise ZeroDivisionError
    assert (leaf.version, fs.cat("/a.size")) == (1, 0.0)
    fs.begin("named")
    with fs.transaction(join="named") as tx:
        tx.store(leaf)
    assert fs.get("/a").version == 1 and fs.commit("named")
    assert fs.get("/a").version == 2


def fill(fs: SyncClient) -> None:
    leaf = Leaf(name="a", path="/top/deep", size=1.0)
    fs.store(leaf)
    leaf.size = 2.0
    fs.store(leaf)
    fs.store(EmergeFile(name="big", path="/top", data=bytes(200_000)))
    fs.storeall(EmergeFile(name=f"n{n:04}", path="/top/many", data=n) for n in range(1500))
    fs.chmod("/top/deep/a", "rwx------")


def test_a_tree_goes_through_an_archive(fs: SyncClient, other: SyncClient, tmp_path: Path) -> None:
    fill(fs)
    manifest = fs.export("/top", tmp_path / "top.emerge")
    assert manifest["root"] == "/top" and manifest["records"] == 1505
    assert other.load(tmp_path / "top.emerge", "/back") >= 1504
    leaf = other.getobject("/back/deep/a")
    assert (leaf.size, leaf.perms, leaf.uuid) == (2.0, "rwx------", fs.get("/top/deep/a").uuid)
    assert other.getobject("/back/deep/a", 1).size == 1.0
    assert other.run("/back/deep/a", "grow") == 3.0
    assert [p.name for p in other.list("/back/many")] == [p.name for p in fs.list("/top/many")]
    assert len(other.cat("/back/big.data")) == 200_000


def test_an_archive_is_verified_before_anything_is_stored(fs: SyncClient, other: SyncClient) -> None:
    fill(fs)
    file = io.BytesIO()
    fs.export("/top", file)
    with zipfile.ZipFile(file) as zip:
        members = {name: zip.read(name) for name in zip.namelist()}
    name = sorted(name for name in members if name.startswith("records/"))[-1]
    for change in (lambda data: data[:-1] + b"\0", None):
        broken = io.BytesIO()
        with zipfile.ZipFile(broken, "w") as zip:
            for member, data in members.items():
                if member != name:
                    zip.writestr(member, data)
                elif change:
                    zip.writestr(member, change(data))
        with pytest.raises(Invalid, match=name):
            other.load(broken)
    raw = bytearray(file.getvalue())
    raw[len(raw) // 3] ^= 1
    with pytest.raises(Invalid):
        other.load(io.BytesIO(raw))
    with pytest.raises(Invalid, match="not an archive"):
        other.load(io.BytesIO(b"no zip"))
    assert other.list("/") == []


VALUES: dict[str, Any] = {
    "price": 1.5,
    "count": 3,
    "word": 'a,b\n"c"',
    "digits": "12",
    "empty": "",
    "none": None,
    "some": [1, "x"],
}


@pytest.mark.parametrize("format", ["json", "csv"])
def test_plain_objects_go_in_and_out(fs: SyncClient, other: SyncClient, tmp_path: Path, format: str) -> None:
    thing = EmergeFile(name="thing", path="/d/inner", data={"a": [True]})
    vars(thing).update(VALUES)
    fs.store(thing)
    fs.store(EmergeFile(name="plain", path="/d", id="p"))
    file = tmp_path / f"d.{format}"
    assert getattr(fs, f"export_{format}")("/d", file) == 2
    assert getattr(other, f"load_{format}")(file, "/e") == 2
    assert other.cat("/e/inner/thing") == fs.cat("/d/inner/thing")
    assert other.cat("/e/plain") == fs.cat("/d/plain")
    assert other.get("/e/plain").class_name == "EmergeFile"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("price\n1\n", "no column 'name'"),
        ("name,price\na,1\n,2\n", "line 3 has no name"),
        ("name,price\na\n", "line 2 of .* has 1 cells"),
        ("name,price,price\na,1,2\n", "two columns"),
        ("name,a b\nx,1\n", "line 2: no field can be called 'a b'"),
        ("name,owner\nx,1\n", "line 2: no field can be called 'owner'"),
        ("name\na/b\n", "line 2: .*U[+]002F"),
        ('name\n"a\n', "is not CSV"),
        ("", "no column 'name'"),
    ],
)
def test_csv_that_does_not_fit_is_named(fs: SyncClient, text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        fs.load_csv(io.StringIO(text))
    assert fs.list("/") == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"name": "a"}, {"price": 1}], "row 2 has no name"),
        ([3], "row 1 is a int"),
        ({}, "holds a dict"),
        ("x", "str"),
        ([{"name": 3}], "row 1: .*text"),
    ],
)
def test_json_that_does_not_fit_is_named(fs: SyncClient, rows: Any, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        fs.load_json(io.StringIO(json.dumps(rows)))
    with pytest.raises(Invalid, match="is not JSON"):
        fs.load_json(io.StringIO("{"))
    assert fs.list("/") == []


@dataclass
class Basket(EmergeFile):
    held: list[Any] = field(default_factory=list)
    more: Any = None


HELD: list[Any] = [
    Leaf(name="a", size=2.5, seen=["x"]),
    EmergeFile(name="a", data={"n": (1, {2}, datetime(2024, 1, 2))}),
    Basket(name="a", held=[Leaf(name="inner"), {"deep": Leaf(name="deeper")}], more=datetime(2024, 1, 2)),
    Basket(name="a", held=[Leaf(name="inner")] * 2),
]


@pytest.mark.parametrize("obj", HELD, ids=["class", "plain", "nested", "shared"])
def test_a_stored_object_is_kept_in_another_one_whole(fs: SyncClient, obj: EmergeFile) -> None:
    """As if the object had been read and added, and no class is loaded for it."""
    fs.store(obj)
    for name in ("one", "two"):
        fs.store(Basket(name=name))
    fs.add("/one", "held", fs.record("/a"), 7)
    fs.add("/two", "held", fs.getobject("/a"), 7)
    assert fs.cat("/one.held") == fs.cat("/two.held")
    kept = fs.getobject("/one").held[0]
    assert type(kept) is type(obj) and kept == fs.getobject("/a") and kept.uuid == obj.uuid


def test_what_cannot_be_kept_in_another_one_says_so(fs: SyncClient) -> None:
    fs.mkdir("/d")
    own = Basket(name="own")
    own.more = [own]
    fs.store(own)
    for path in ("/d", "/own"):
        with pytest.raises(Invalid, match=f"refer to it: @{path}"):
            fs.record(path)
    with pytest.raises(NotFound, match="/nowhere"):
        fs.record("/nowhere")


def test_records_take_their_classes_to_another_filesystem(fs: SyncClient, other: SyncClient) -> None:
    fs.store(Leaf(name="a"))
    record = fs.record("/a")
    other.store(Basket(name="b"))
    with pytest.raises(NotFound, match="bundle"):  # this client never met them
        other.add("/b", "held", record)
    assert other.cat("/b.held") == []


FOREIGN = st.one_of(st.none(), st.floats(), st.binary(max_size=4), st.lists(st.integers(), max_size=3))


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from(METADATA), FOREIGN, min_size=1))
def test_a_field_that_every_object_has_is_refused_by_its_name_where_it_holds_something_else(
    fs: SyncClient, values: dict[str, object]
) -> None:
    """A class of one's own has, say, a field `date` of its own kind: it was lost, or the node complained."""
    item = EmergeFile(name="odd", path="/odd")
    vars(item).update(values)
    first = next(name for name in METADATA if name in values)
    said = rf"the field {first} of this EmergeFile is {type(values[first]).__name__}, "
    with pytest.raises(Invalid, match=said) as info:
        fs.store(item)
    assert "something else" in str(info.value.remedy)


@settings(max_examples=examples(30), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text().filter(lambda text: text not in ("file", "object", "blob", "directory")))
def test_a_field_called_type_is_named_when_it_is_none_of_the_types(fs: SyncClient, text: str) -> None:
    with pytest.raises(Invalid, match="the field type of /odd/odd is "):
        fs.store(EmergeFile(name="odd", path="/odd", type=text))


def test_fields_in_a_dict_are_told_how_update_takes_them(fs: SyncClient) -> None:
    fs.store(Leaf(name="leaf"))
    wrong: Any = {"size": 2.0}
    with pytest.raises(Invalid, match="by their names, not in a dict") as info:
        fs.update("/leaf", wrong)
    assert info.value.remedy == "update('/leaf', price=3)"
    fs.update("/leaf", **wrong)
    assert fs.cat("/leaf.size") == 2.0
