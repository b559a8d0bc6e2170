"""A node of an earlier release: what both know is served, what it does not know is told by name, and nothing hangs."""

from __future__ import annotations

import io
import subprocess
import tarfile
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from inspect import Parameter
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm import EmergeFile, connect
from emerge_wasm.clients import SyncClient
from emerge_wasm.clients.remote import Remote, Turns
from emerge_wasm.errors import Invalid, Unavailable
from emerge_wasm.operations import TABLE, Operation
from tests.conftest import ROOT, Server, start_server

EARLIER = "e7e29e0"
"""A commit of the release before: without `code(bundle=)`, callers' clocks and today's class bundles."""


class OlderTable:
    """A transport to a node whose table lacks an operation, or its last arguments: it refuses as any release does."""

    def __init__(self, row: Operation | None) -> None:
        self._row = row

    async def call(self, name: str, args: list[Any], context: Any = None) -> Any:
        if name == "hello":
            return {"node": "desk", "version": "0.0.9"}
        if self._row is None:
            raise Invalid(f"there is no operation {name!r}", remedy="one of: get")
        self._row.bind(args)
        return "served"

    async def stream(self, name: str, args: list[Any], context: Any = None) -> AsyncIterator[Any]:
        yield await self.call(name, args, context)

    async def close(self) -> None: ...


VALUES: dict[str, Any] = {"str": "x", "int": 77, "float": 7.5, "bool": True, "bytes": b"x", "dict": {"a": b"x"}}


def value_of(parameter: Parameter) -> Any:
    """A value that fits and is not the default."""
    if parameter.name in ("path", "source", "target", "first", "second"):
        return "/a"
    kind = str(parameter.annotation).partition("|")[0].strip().partition("[")[0]
    value = VALUES.get(kind, ["x"] if kind in ("Names", "Values", "Rows") else {"a": 1})
    return parameter.default is not True if kind == "bool" else value


async def ask(row: Operation, older: Operation | None, args: list[Any]) -> Any:
    remote = Remote(OlderTable(older), {}, Turns())
    answer = getattr(remote, row.name)(*args)
    return await anext(answer) if row.streams else await answer


CUTS = [
    pytest.param(row, cut, id=f"{row.name}-{row.parameters[cut].name}")
    for row in TABLE.values()
    for cut in range(row.required, len(row.parameters))
]


@pytest.mark.parametrize(("row", "cut"), CUTS)
async def test_an_argument_that_came_later(row: Operation, cut: int) -> None:
    """With defaults the call is as before; with another value the node, its release and the argument are named."""
    older = replace(row, parameters=row.parameters[:cut], defaults=row.defaults[: cut - row.required])
    given = [value_of(p) for p in row.parameters[: row.required]]
    defaults = [p.default for p in row.parameters[row.required :]]
    assert await ask(row, older, [*given, *defaults]) == "served"
    parameter = row.parameters[cut]
    args = [*given, *defaults[: cut - row.required], value_of(parameter)]
    with pytest.raises(Invalid) as refused:
        await ask(row, older, args)
    assert str(refused.value).startswith(
        f"node desk runs emerge 0.0.9, which does not know {row.name}(…, {parameter.name})"
    )


@pytest.mark.parametrize("row", [row for row in TABLE.values() if row.name != "hello"], ids=lambda row: row.name)
async def test_an_operation_that_came_later(row: Operation) -> None:
    given = [value_of(p) for p in row.parameters[: row.required]]
    with pytest.raises(
        Invalid, match=rf"^node desk runs emerge 0\.0\.9, which does not know the operation {row.name}$"
    ):
        try:
            await ask(row, None, given)
        except Invalid as error:
            raise Invalid(error.message) from None


async def test_a_call_that_is_wrong_here_too_is_no_matter_of_releases() -> None:
    for args, words in ((["/a"] * 9, "get got 9 arguments"), ([5], "a path must be text, not int")):
        with pytest.raises(Exception, match=words):
            await ask(TABLE["get"], TABLE["get"], args)


def unpack_release(commit: str, folder: Path) -> dict[str, str]:
    """Unpack the code of a commit; the setting of a process that runs it. Skips the test where it is not known."""
    packed = subprocess.run(["git", "archive", commit, "py"], cwd=ROOT, capture_output=True)
    if packed.returncode:
        pytest.skip(f"the history here does not go back to {commit}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return {"PYTHONPATH": str(folder / "py")}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    env = unpack_release(EARLIER, tmp_path_factory.mktemp("earlier"))
    args = ("node", "start", "--port", "0", "--store", "memory:", "--name", "old", "--rest", "0")
    server = start_server(*args, env=env)
    yield server
    assert server.stop() == 0


@dataclass
class Later(EmergeFile):
    n: int = 1


def changed(fs: SyncClient, d: str) -> EmergeFile:
    obj: EmergeFile = fs.getobject(f"{d}/a")
    obj.data = {"n": 1, "more": 2}
    fs.store(obj)
    return obj


SERVED: dict[str, Callable[[SyncClient, str], Any]] = {
    "store": lambda fs, d: fs.store(EmergeFile(name="a", path=d, data={"n": 1})).version,
    "getobject": lambda fs, d: fs.getobject(f"{d}/a").data,
    "cat": lambda fs, d: fs.cat(f"{d}/a.data.n"),
    "list": lambda fs, d: [each.name for each in fs.list(d)],
    "tree": lambda fs, d: [each.full_path for each in fs.tree(d)],
    "search": lambda fs, d: [each.name for each in fs.search(lambda o: o.data["n"] == 1, d)],
    "count": lambda fs, d: int(fs.count(None, d)),
    "update": lambda fs, d: fs.update(f"{d}/a", data={"n": 2}).version,
    "versions": lambda fs, d: [each["version"] for each in fs.versions(f"{d}/a")],
    "restore": lambda fs, d: fs.restore(f"{d}/a", 1).version,
    "cp": lambda fs, d: fs.cp(f"{d}/a", f"{d}/b").full_path,
    "chmod": lambda fs, d: fs.chmod(f"{d}/b", "750").perms,
    "store again": lambda fs, d: changed(fs, d).version,
    "rm": lambda fs, d: fs.rm(f"{d}/b"),
    "storeall": lambda fs, d: len(fs.storeall(EmergeFile(name=str(n), path=d) for n in range(3))),
    "transaction": lambda fs, d: bool(fs.begin()["transaction"]),
}
UNKNOWN: dict[str, tuple[Callable[[SyncClient, str], Any], str]] = {
    "argument": (lambda fs, d: fs.code(f"{d}/a", bundle=True), "code(…, bundle)"),
    "bundle": (lambda fs, d: fs.store(Later(name="c", path=d)), "class bundles as this release writes them"),
}


@pytest.mark.parametrize("how", ["node", "rest"])
def test_a_node_of_an_earlier_release(earlier: Server, how: str) -> None:
    with connect(earlier.found[how]) as fs, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "this node is of an older release")
        served = {name: ask(fs, f"/{how}") for name, ask in SERVED.items()}
        assert (served["store"], served["search"], served["restore"], served["storeall"]) == (1, ["a"], 3, 3)
        assert served["store again"] == 4
        for ask, what in UNKNOWN.values():
            with pytest.raises(Invalid) as refused:
                ask(fs, f"/{how}")
            assert refused.value.message == f"node old runs emerge 0.1.0, which does not know {what}"
        assert fs.cat(f"/{how}/a.data.n") == 1


def test_a_node_does_not_join_one_of_a_release_before_clusters(earlier: Server) -> None:
    """It is in no cluster, and two trees are never mixed; each says what is amiss, and the older one serves on."""
    args = ("node", "start", "--port", "0", "--store", "memory:", "--name", "new", "--join", earlier.found["node"])
    joined = start_server(*args, sandbox=False)
    try:
        with connect(earlier.host) as old, connect(joined.host) as new, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "this node is of an older release")
            old.store(EmergeFile(name="a", path="/of-old", data=1))
            with pytest.raises(Unavailable, match="node new has not entered its cluster yet"):
                new.store(EmergeFile(name="a", path="/of-new", data=2))
            own, other = new.nodes()
            assert (own["node"], other["state"], other["rpc"]) == ("new", "unjoined", earlier.found["node"])
            assert "is in no cluster" in other["error"]
            assert old.cat("/of-old/a.data") == 1
    finally:
        assert joined.stop() == 0
