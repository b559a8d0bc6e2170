"""`emerge://` passes the suites that fsspec has for every filesystem, and serves pandas by path."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed in an environment older than its lock")

import pandas as pd  # noqa: E402
from fsspec.tests import abstract  # noqa: E402

from emerge_wasm import EmergeFile  # noqa: E402
from emerge_wasm.clients import Client, SyncClient  # noqa: E402
from emerge_wasm.clients.fsspec_filesystem import EmergeFileSystem  # noqa: E402
from emerge_wasm.clients.transports.local import LocalTransport  # noqa: E402
from emerge_wasm.filesystem import Filesystem  # noqa: E402
from emerge_wasm.stores import open_store  # noqa: E402
from tests.conftest import ROOT, Server  # noqa: E402
from tests.scale import SCALE  # noqa: E402


async def opened() -> Client:
    return Client(LocalTransport(await Filesystem.open(await open_store("memory:"))))


class EmergeFixtures(abstract.AbstractFixtures):
    """What fsspec's suites ask of a filesystem: each test has an empty one."""

    @pytest.fixture
    def fs(self) -> Iterator[EmergeFileSystem]:
        with SyncClient(opened) as client:
            yield EmergeFileSystem(client=client, skip_instance_cache=True)

    @pytest.fixture
    def fs_path(self) -> str:
        return "/top"


class TestCopy(abstract.AbstractCopyTests, EmergeFixtures):
    pass


class TestGet(abstract.AbstractGetTests, EmergeFixtures):
    if SCALE == 1:  # of a hundred patterns, those of TestCopy are tried
        test_get_glob_edge_cases = None


class TestPut(abstract.AbstractPutTests, EmergeFixtures):
    if SCALE == 1:
        test_put_glob_edge_cases = None


class TestOpen(abstract.AbstractOpenTests, EmergeFixtures):
    pass


class TestPipe(abstract.AbstractPipeTests, EmergeFixtures):
    pass


@pytest.fixture
def fs() -> Iterator[EmergeFileSystem]:
    with SyncClient(opened) as client:
        yield EmergeFileSystem(client=client, skip_instance_cache=True)


def test_addresses() -> None:
    for url, path, options in (
        ("emerge://127.0.0.1:5558/a/b", "/a/b", {"host": "127.0.0.1:5558"}),
        ("emerge:///a/b/", "/a/b", {}),
        ("emerge://host", "/", {"host": "host"}),
        ("/a//b", "/a//b", {}),
        ("a/b", "/a/b", {}),
    ):
        assert EmergeFileSystem._strip_protocol(url) == path  # private: fsspec's protocol for its subclasses
        assert EmergeFileSystem._get_kwargs_from_urls(url) == options  # private: likewise


def test_the_entry_point_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["fsspec.specs"]["emerge"].partition(":")
    assert (module, name) == (EmergeFileSystem.__module__, EmergeFileSystem.__name__)


def test_what_is_there_and_what_is_not(fs: EmergeFileSystem) -> None:
    fs.pipe({"/d/a": b"0123456789", "/d/b": b""})
    assert fs.ls("/d", detail=False) == ["/d/a", "/d/b"]
    assert (fs.size("/d/a"), fs.isdir("/d"), fs.isfile("/d/b"), fs.exists("/d/c")) == (10, True, True, False)
    assert fs.cat_file("/d/a", 2, -3) == b"23456" and fs.cat_file("/d/a", -4) == b"6789"
    assert fs.read_block("/d/a", 3, 4) == b"3456"
    assert sorted(fs.glob("/d/*")) == ["/d/a", "/d/b"] and fs.du("/d") == 10
    first = fs.ukey("/d/a")
    fs.pipe("/d/a", b"another")
    assert fs.ukey("/d/a") != first and fs.checksum("/d/a") and fs.modified("/d/a").tzinfo
    fs.mv("/d/a", "/e")
    assert fs.cat("/e") == b"another" and not fs.exists("/d/a")
    fs.client.store(EmergeFile(name="text", data="an object is read too"))
    assert fs.cat("/text") == b"an object is read too"
    for raises, call in (
        (FileNotFoundError, lambda: fs.cat("/none")),
        (FileNotFoundError, lambda: fs.ls("/none")),
        (FileNotFoundError, lambda: fs.rmdir("/none")),
        (FileExistsError, lambda: fs.mkdir("/d")),
        (FileExistsError, lambda: fs.open("/e", "xb")),
        (IsADirectoryError, lambda: fs.open("/d")),
        (NotADirectoryError, lambda: fs.rmdir("/e")),
        (OSError, lambda: fs.rmdir("/d")),
        (ValueError, lambda: fs.open("/e", "ab")),
    ):
        with pytest.raises(raises):
            call()
    fs.rm("/d/b")
    fs.rmdir("/d")
    assert not fs.exists("/d")


def test_pandas_reads_and_writes_paths_of_a_node(place: Server, tmp_path: Path) -> None:
    fsspec.register_implementation("emerge", EmergeFileSystem, clobber=True)
    url = f"emerge://{place.host}/frames/table.csv"
    table = pd.DataFrame({"a": range(1000), "b": [f"text {number}" for number in range(1000)]})
    table.to_csv(url, index=False)
    assert pd.read_csv(url).equals(table)
    fs = fsspec.filesystem("emerge", host=place.host)
    assert fs.ls("/frames", detail=False) == ["/frames/table.csv"]
    fs.get("/frames/table.csv", str(tmp_path / "back.csv"))
    assert pd.read_csv(tmp_path / "back.csv").equals(table)
    fs.rm("/frames", recursive=True)
    fs.client.close()
    fs.clear_instance_cache()
