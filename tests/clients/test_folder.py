"""Folders: whatever tree of files is put is what is fetched, and what cannot be is told before anything is sent."""

from __future__ import annotations

import os
import socket
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, Invalid, LimitExceeded, NotFound
from emerge_wasm.blocks.block import INLINE_SIZE
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.operations import Values, Wire
from emerge_wasm.stores import open_store
from tests.contracts.files import pattern
from tests.scale import examples

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/"), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
SIZES = st.sampled_from([0, 1, 4096, INLINE_SIZE, INLINE_SIZE + 1, 40_000])
TREES: st.SearchStrategy[dict[str, object]] = st.recursive(
    st.dictionaries(NAMES, SIZES, max_size=5),
    lambda inner: st.dictionaries(NAMES, SIZES | inner, max_size=4),
    max_leaves=6,
)


class SmallCommits(LocalTransport):
    """A transport to a store whose commits hold few objects."""

    most = 1 << 30

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        if name == "storeall" and len(args[0]) > self.most:
            raise LimitExceeded("this is too much for one commit", limit="largest_batch")
        return await super().call(name, args, context)


@pytest.fixture(scope="module")
def fs() -> Iterator[SyncClient]:
    async def opened() -> Client:
        return Client(SmallCommits(await Filesystem.open(await open_store("memory:"))))

    with SyncClient(opened) as fs:
        yield fs


def make(folder: Path, tree: dict[str, object]) -> dict[str, bytes | None]:
    """Make a tree; what each path below it holds, None for a folder with nothing in it."""
    folder.mkdir(exist_ok=True)
    found: dict[str, bytes | None] = {}
    seen: set[str] = set()
    for number, (name, what) in enumerate(tree.items()):
        name = unicodedata.normalize("NFC", name)
        if name in seen or len(os.fsencode(name)) > 200:
            continue
        seen.add(name)
        if isinstance(what, dict):
            inner = make(folder / name, what)
            found |= {f"{name}/{below}": data for below, data in inner.items()} or {name: None}
        else:
            found[name] = pattern(int(str(what)), number % 256)
            (folder / name).write_bytes(found[name] or b"")
    return found


def read(folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for each in folder.rglob("*"):
        if each.is_file():
            found[str(each.relative_to(folder))] = each.read_bytes()
        elif not any(each.iterdir()):
            found[str(each.relative_to(folder))] = None
    return found


@settings(max_examples=examples(25), deadline=None)
@given(TREES, st.sampled_from([0, 0, 5]))
def test_what_is_put_is_what_is_fetched(fs: SyncClient, tree: dict[str, object], raid: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        there = make(Path(name) / "in", tree)
        report = fs.puttree(Path(name) / "in", "/tree", raid=raid)
        files = [data for data in there.values() if data is not None]
        assert (report["files"], report["bytes"], report["path"]) == (len(files), sum(map(len, files)), "/tree")
        back = fs.fetchtree("/tree", Path(name) / "out")
        assert (back["files"], back["bytes"], back["skipped"]) == (len(files), report["bytes"], [])
        assert read(Path(name) / "out") == there
        fs.rm("/tree", recursive=True)


def test_a_store_of_small_commits_gets_them_in_as_many_as_it_needs(
    fs: SyncClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmallCommits, "most", 3)  # patched: no engine here has such small commits
    there = make(tmp_path / "in", {f"f{number}": 100 for number in range(20)})
    seen: list[int] = []
    fs.puttree(tmp_path / "in", "/few/", progress=seen.append)
    assert seen[-1] == 2000 and seen == sorted(seen)
    fs.fetchtree("/few/in", tmp_path / "out")
    assert read(tmp_path / "out") == there


def test_it_goes_over_pages_and_beside_what_is_there(fs: SyncClient, tmp_path: Path) -> None:
    there = make(tmp_path / "in", {f"f{number:04}": 1 if number % 7 else 17_000 for number in range(1200)})
    fs.puttree(tmp_path / "in", "/many")
    fs.store(EmergeFile(name="text", path="/many", data="of an object"))
    fs.store(EmergeFile(name="number", path="/many", data=7))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("stays")
    report = fs.fetchtree("/many", tmp_path / "out")
    assert report["skipped"] == ["/many/number"] and report["files"] == 1201
    assert read(tmp_path / "out") == there | {"text": b"of an object", "mine": b"stays"}


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


FAULTS: dict[str, Callable[[Path], object]] = {
    "neither a file": make_socket,
    "link to a folder": lambda path: path.symlink_to(path.parent),
    "cannot be read": lambda path: path.symlink_to("nowhere"),
    "U\\+0007": lambda path: path.with_name("a\a").write_text(""),
}


@pytest.mark.parametrize("said", FAULTS)
def test_what_cannot_be_stored_is_told_before_anything_is_sent(fs: SyncClient, said: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # short, as the paths of sockets are
        (Path(name) / "a").write_text("first")
        FAULTS[said](Path(name) / "z")
        with pytest.raises(Invalid, match=said) as caught:
            fs.puttree(name, "/faulty")
        assert caught.value.remedy or said == "cannot be read"
    with pytest.raises(NotFound):
        fs.get("/faulty")


def test_what_is_no_tree_is_told(fs: SyncClient, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(Invalid, match="cannot be read"):
        fs.puttree(tmp_path / "nothing", "/x")
    with pytest.raises(Invalid, match="cannot be read"):
        fs.puttree(tmp_path / "f", "/x")
    with pytest.raises(Invalid, match="cannot be read") as caught:
        fs.put(tmp_path, "/x")
    assert "put -r" in str(caught.value.remedy)
    fs.put(tmp_path / "f", "/single")
    with pytest.raises(Invalid, match="no directory"):
        fs.fetchtree("/single", tmp_path / "out")
    with pytest.raises(Invalid, match="cannot be made"):
        fs.fetchtree("/", tmp_path / "f" / "in")


def test_what_cannot_be_written_leaves_nothing(fs: SyncClient, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "f").write_text("x")
    fs.puttree(tmp_path / "in", "/blocked")
    (tmp_path / "out" / "f").mkdir(parents=True)
    with pytest.raises(Invalid, match="f cannot be written"):
        fs.fetchtree("/blocked", tmp_path / "out")
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["f"]


def test_a_link_to_a_file_is_the_file(fs: SyncClient, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "real").write_text("content")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "real")
    fs.puttree(tmp_path / "in", "/linked")
    with fs.open("/linked/link") as file:
        assert file.read() == b"content"
