"""Clients on newer Pythons beside a node of this one, whose grammar lacks what they store; and the reverse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from subprocess import PIPE
from zoneinfo import ZoneInfo

import msgpack
import pytest

import emerge_wasm
from emerge_wasm import EmergeFile, ExecutionFailed, connect
from tests.bundles.test_bundle_place import interpreter
from tests.conftest import ROOT, Server
from tests.scale import pairs

SCRIPT = ROOT / "tests" / "data" / "newer_classes.txt"
NODE = ROOT / "tests" / "data" / "newer_node.txt"
PACKAGES = [str(Path(str(module.__file__)).parents[1]) for module in (emerge_wasm, msgpack)]
QUOTES = "an f-string with quotes, backslashes or lines of its own within {}"
NEWER = {
    "Box": "type parameters (class Box[…])",
    "Aliased": "a type alias (type Pair[…] = …)",
    "Helped": "type parameters (def first[…])",
    "Quoted": QUOTES,
    "Escaped": QUOTES,
    "Line": "type parameters (class Line[…])",
}


@dataclass
class Older(EmergeFile):
    item: int = 7

    def f(self) -> int:
        return self.item


class Kind(Enum):
    BOX = "box"
    BAG = "bag"


def scale(by: int) -> Callable[[int], int]:
    return lambda n: n * by


triple = scale(3)


@dataclass(frozen=True)
class Size:
    wide: int
    high: int


@dataclass
class Parcel(EmergeFile):
    kind: Kind = Kind.BOX
    size: Size = Size(2, 3)
    at: datetime | None = None

    def area(self) -> int:
        match self.size:
            case Size(wide, high):
                return triple(wide * high)

    def told(self) -> str:
        return f"{self.kind.value} of {self.size.wide!r:>3} at {self.at:%H:%M}"

    def grow(self, by: int) -> tuple[int, int]:
        self.size = Size(self.size.wide + by, self.size.high)
        return self.area(), self.size.wide


NEWER_PYTHONS = pairs(["3.12", "3.13", "3.14"], ["node", "client"])


@pytest.mark.parametrize("version", [version for version, newer in NEWER_PYTHONS if newer == "node"])
def test_an_older_client_and_a_newer_node(version: str) -> None:
    """Whatever a class of this Python is here, it is there, in runs, searches and what is read again."""
    python = interpreter(version)
    if python is None or sys.version_info[:2] >= tuple(map(int, version.split("."))):
        pytest.skip(f"no python{version} here that is newer than this one")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    with subprocess.Popen([python, str(NODE)], env=environment, stdin=PIPE, stdout=PIPE, text=True) as node:
        assert node.stdout is not None and node.stdin is not None
        with connect(node.stdout.readline().strip()) as fs:
            assert fs.hello()["python"].startswith(version + ".")
            at = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
            kinds = {"a": Kind.BOX, "b": Kind.BAG}
            here = {name: Parcel(name=name, path="/parcels", kind=kind, at=at) for name, kind in kinds.items()}
            fs.storeall(here.values())
            for name, parcel in here.items():
                path = f"/parcels/{name}"
                read = fs.getobject(path)
                assert type(read) is Parcel and (read.kind, read.size, read.at) == (parcel.kind, parcel.size, at)
                assert read.at.fold == 1
                assert [fs.run(path, "area"), fs.run(path, "told")] == [parcel.area(), parcel.told()]
                assert fs.run(path, "grow", 2) == parcel.grow(2) == (36, 4)
                assert fs.getobject(path).size == Size(4, 3)
            assert [each.name for each in fs.search(lambda o: o.kind is Kind.BAG and triple(o.size.wide) == 12)] == [
                "b"
            ]
            assert [row["result"] for row in fs.run("/parcels", "area")] == [36, 36]
        node.stdin.close()
        assert node.wait(20) == 0


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="this Python parses them all")
@pytest.mark.parametrize("version", [version for version, newer in NEWER_PYTHONS if newer == "client"])
def test_a_newer_client_and_an_older_node(place: Server, version: str) -> None:
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} here")
    where = f"/newer{version.replace('.', '')}"
    fs = connect(place.host)
    fs.store(Older(name="older", path=where))
    relay = place.found["url"].replace("http", "ws", 1)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(PACKAGES)}
    done = subprocess.run(
        [python, str(SCRIPT), relay, place.found["token"], where], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert rows.pop("older") == 7
    assert rows.pop("search") == ""  # its quotes are written as older Pythons read them
    assert rows.pop("Plain") == {"here": 7, "there": 7, "warned": []}
    for name, row in rows.items():
        culprit = "Line" if name == "Holder" else name
        code = fs.code(f"{where}/{name}").split("\n") if name == culprit else []
        line = next((number for number, text in enumerate(code, 1) if _is_newer(text)), 0)
        start = f"the class {culprit} cannot be loaded by Python 3.11: line {line or ''}"
        assert row["here"] == 7, name
        assert row["there"].startswith(start), name
        assert row["there"].endswith(f" of its code needs Python 3.12, for {NEWER[culprit]}"), name
        assert len(row["warned"]) == 1 and "the node has Python 3.11 and cannot run" in row["warned"][0], name
        with pytest.raises(ExecutionFailed, match=r"needs Python 3\.12"):
            fs.getobject(f"{where}/{name}")
    _check_described(fs, where)


def _is_newer(text: str) -> bool:
    return any(mark in text for mark in ("[T]", "{self.names[", ".join("))


def _check_described(fs: emerge_wasm.SyncClient, where: str) -> None:
    """All that needs no code of the class works on the older node as ever."""
    box = f"{where}/Box"
    assert {pointer.name for pointer in fs.list(where)} >= {"Box", "Aliased", "Plain"}
    assert fs.cat(f"{box}.item") == 7
    assert [row["signature"] for row in fs.methods(box)] == ["() -> T"]
    assert "Holds one item." in fs.help(box)
    assert "def f(self) -> T:" in fs.code(box, "f")
    assert "class Box[T](EmergeFile):" in fs.code(box)
    assert fs.count(lambda o: o.item == 7, where) == 3
    assert fs.graphql("{ boxes { objects { item } } }", where)["data"] == {"boxes": {"objects": [{"item": 7}]}}
