"""A class body of somebody else's never runs in a program that only reads: by no method of the client."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emerge_wasm.bundles import registry
from emerge_wasm.bundles.bundle import Bundle, Content, SourcePart
from emerge_wasm.clients.client import Client
from emerge_wasm.clients.connection import opener
from emerge_wasm.clients.state_record import StateRecord, recorded_class
from emerge_wasm.clients.trust import Trust, TrustEntry, read_trusted, trusted_file, write_trusted
from emerge_wasm.codec import Record, Reference, encode
from emerge_wasm.errors import EmergeError, Invalid, PermissionDenied
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.objects import EmergeDirectory, EmergeFile
from emerge_wasm.operations import OWN, Context
from emerge_wasm.results import PrincipalInfo
from emerge_wasm.stores.memory import MemoryStore
from emerge_wasm.sync import wait
from tests.command import run_here

MARK = "EMERGE_TEST_MARK"
"""Names the file that the class body makes when it runs."""

BODY = f"""\
@dataclass
class Trap(EmergeFile):
    price: float = 1.0
    ran = Path(os.environ[{MARK!r}]).touch()

    def sell(self):
        return self.price
"""
CONTENT = Content(
    "Trap",
    imports=(
        "import os",
        "from dataclasses import dataclass",
        "from pathlib import Path",
        "from emerge_wasm.objects import EmergeFile",
    ),
    parts=(SourcePart("class", "Trap", BODY, False),),
    module="trap",
)


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file that is there when the class body has run. Nothing that other tests have loaded is known."""
    monkeypatch.setenv(MARK, str(tmp_path / "mark"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    yield tmp_path / "mark"
    forget_trap()


def forget_trap() -> None:
    """Forget that the class was loaded, as a new process has not."""
    for table in (registry.CLASSES, registry.LOADED):
        for hash, cls in [*table.items()]:
            if cls.__name__ == "Trap":
                del table[hash]


def came(mark: Path) -> bool:
    """Tell whether the class body has run since."""
    there = mark.exists()
    mark.unlink(missing_ok=True)
    return there


@pytest.fixture
def node() -> Iterator[Node]:
    async def start() -> Node:
        filesystem = await Filesystem.open(MemoryStore(), node="here")
        return await Node(filesystem, "tcp://127.0.0.1:0", context=Context("tester", superuser=True)).__aenter__()

    running = wait(start())
    yield running
    wait(running.__aexit__(None, None, None))


async def set_trap(client: Client, author: str, *groups: str) -> Bundle:
    """Store, as that user, an object of the class, one that has such a value inside, and what else calls may name."""
    bundle = Bundle.of(CONTENT)
    remote = client.as_user(author, *groups).remote if author else client.remote
    root = client.remote
    await root.mkdir("/m")
    await root.chmod("/m", "rwxrwxrwx")
    sent = {bundle.hash: bundle.data, OWN: bundle.hash.encode()}
    await remote.store("/m/trap", encode({"price": 2.0}), "Trap", bundle.hash, 0, "file", "rwxrwxrwx", sent)
    inner = encode({"data": [Record("Trap", bundle.hash, {"price": 3.0})]})
    await remote.store("/m/box", inner, "EmergeFile", "", 0, "file", "rwxrwxrwx", sent)
    return bundle


ARGUMENTS: dict[str, Any] = {
    "path": "/m/trap",
    "paths": ["/m/trap"],
    "names": "/m/trap",
    "source": "/m/trap",
    "target": "/m/copy",
    "first": "/m/trap",
    "second": "/m/box",
    "class_name": "Mixed",
    "name": "mixed",
    "field": "price",
    "fields": "price",
    "words": "a",
    "document": "{ __typename }",
    "method": "sell",
    "perms": "rwxrwxrwx",
    "before": 1,
    "since": 0,
    "hash": Bundle.of(CONTENT).hash,
    "hashes": [Bundle.of(CONTENT).hash],
    "wait": True,
    "values": [],
    "format": "json",
}
"""What the client's methods are called with, by the names of their parameters."""

NO_READERS = {
    *("close", "trust", "within", "as_user", "with_umask", "once", "numbered", "renew", "load_bundle"),
    *("watch", "subscribe", "watchnodes", "changes"),  # endless, and of pointers
}
"""What is not called: it asks nothing, goes on for ever, or is asked to load the class."""


async def call_all(client: Client, path: str, tmp: Path) -> set[str]:
    """Call every public method that needs no more than what `ARGUMENTS` has; the names of those that were called."""
    pointer = await client.get(path)
    state, reference = encode({"price": 1.0}), Reference(pointer.uuid)
    here = {**ARGUMENTS, "path": path, "pointer": pointer, "reference": reference, "state": state}
    called: set[str] = set()
    for name, method in inspect.getmembers(client, callable):
        if name.startswith("_") or name in NO_READERS:
            continue
        parameters = inspect.signature(method).parameters.values()
        needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
        if not all(each.name in here or each.kind is each.VAR_POSITIONAL for each in needed):
            continue
        for where in (path, "/m"):
            args = [{**here, "path": where}[each.name] for each in needed if each.kind is not each.VAR_POSITIONAL]
            called.add(name)
            try:
                found = method(*args)
                if inspect.isawaitable(found):
                    found = await asyncio.wait_for(found, 30)
                if isinstance(found, AsyncIterator):
                    async for _ in found:
                        pass
            except (EmergeError, TypeError, OSError):
                pass
    return called


@pytest.mark.parametrize("path", ["/m/trap", "/m/box"])
def test_no_method_of_the_client_runs_a_strangers_class(node: Node, mark: Path, path: str) -> None:
    async def scenario() -> set[str]:
        async with await opener(node.endpoint)() as client:
            await set_trap(client, "mallory", "staff")
            called = await call_all(client, path, mark.parent)
            found = await client.getobject(path)
            assert isinstance(found, StateRecord) and "mallory" in repr(found)
            with pytest.raises(AttributeError, match="mallory"):
                found.sell()
            return called

    called = wait(scenario())
    assert {"getobject", "objects", "search", "searchtext", "resolve", "unpack", "load_class", "query"} <= called
    assert not mark.exists()


def test_who_is_trusted_has_classes_loaded_and_nobody_else(node: Node, mark: Path) -> None:
    async def reads(*trusted: str, trust: bool = False) -> bool:
        """Whether a new connection that trusts these makes an instance."""
        async with await opener(node.endpoint)() as client:
            await client.trust(*trusted)
            found = await client.getobject("/m/trap", trust=trust)
            assert found.price == 2.0 and found.name == "trap"
            loaded = not isinstance(found, StateRecord)
            assert loaded == came(mark)
            forget_trap()
            return loaded

    async def scenario() -> None:
        async with await opener(node.endpoint)() as client:
            bundle = await set_trap(client, "mallory", "staff")
        for nobody in ([], ["anna"], ["staff"], ["@mallory"], ["0" * 64]):
            assert not await reads(*nobody)
        for somebody in (["mallory"], ["@staff"], [bundle.hash], ["*"]):
            assert await reads(*somebody)
        assert await reads(trust=True)
        async with await opener(node.endpoint)() as client:  # and the caller's own
            await set_trap(client, "")
        assert await reads()

    wait(scenario())


def test_a_record_is_stored_again_as_what_it_was(node: Node, mark: Path) -> None:
    """Who changes a record does not come to stand for its class, and loses nothing of it."""

    async def scenario() -> None:
        async with await opener(node.endpoint)() as client:
            bundle = await set_trap(client, "mallory")
            found = await client.getobject("/m/trap")
            found.price = 5.0
            await client.store(found)
            await client.cp("/m/trap", "/m/mine")
            await client.storeall([found])
            await client.add("/m/box", "data", await client.record("/m/trap"))
            pointer = await client.get("/m/trap")
            assert (pointer.class_name, pointer.bundle) == ("Trap", bundle.hash)
            assert (await client.cat("/m/trap"))["price"] == 5.0
            assert [row["principal"] for row in (await client.authors([bundle.hash]))[bundle.hash]] == ["mallory"]
            assert recorded_class(await client.getobject("/m/mine")).name == "Trap"

    wait(scenario())
    assert not mark.exists()


CLASS = "f" * 64
NAMES = st.sampled_from(["", "anna", "ben", "mallory", "staff", "@staff", "*", "e" * 64])
AUTHORS = st.lists(st.fixed_dictionaries({"principal": NAMES, "groups": st.lists(NAMES, max_size=2)}), max_size=3)


@given(
    AUTHORS,
    NAMES,
    st.booleans(),
    st.sets(st.sampled_from(["anna", "ben", "@staff", "@anna", CLASS, "e" * 64]), max_size=3),
)
def test_a_class_loads_where_one_of_its_authors_is_the_caller_or_trusted(
    authors: list[Any], name: str, superuser: bool, trusted: set[str]
) -> None:
    me: PrincipalInfo = {"principal": name, "groups": [], "superuser": superuser, "umask": 0, "via": ""}
    trust = Trust("tcp://nowhere:1")
    trust.add(*trusted)
    by_me = any(row["principal"] == name for row in authors) and (name != "" or superuser)
    by_name = any(row["principal"] in trusted & {"anna", "ben"} for row in authors)
    by_group = any(f"@{group}" in trusted for row in authors for group in row["groups"])
    assert trust.has(CLASS, authors, me) == (by_me or by_name or by_group or CLASS in trusted)


def test_the_users_list_is_of_one_place_and_only_the_users(mark: Path) -> None:
    author: Any = [{"principal": "anna", "groups": []}]
    me: PrincipalInfo = {"principal": "ben", "groups": [], "superuser": False, "umask": 0, "via": ""}
    write_trusted([TrustEntry("anna", "tcp://desk:5558")])
    path = trusted_file()
    assert path is not None and path.stat().st_mode & 0o777 == 0o600
    assert Trust("tcp://desk:5558?key=k").has("", author, me)
    assert not Trust("tcp://shed:5558").has("", author, me)  # another cluster's anna is somebody else
    os.chmod(path, 0o666)
    with pytest.raises(PermissionDenied, match="others can write"):
        read_trusted()


@pytest.mark.parametrize("who", ["", "@", "two words", "line\nend", "x" * 256])
def test_what_is_no_name_is_not_trusted(who: str) -> None:
    with pytest.raises(Invalid, match="nobody's name"):
        Trust().add(who)


def test_the_command_keeps_the_list(node: Node, mark: Path) -> None:
    def trust(*words: str) -> list[str]:
        done = run_here(["-h", node.endpoint.removeprefix("tcp://"), "trust", *words], mark.parent, {})
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert trust() == []
    assert trust("mallory", "--all-of-group", "staff") == []
    assert trust() == ["mallory", node.endpoint, "@staff", node.endpoint]
    trust("--remove", "mallory")
    assert trust() == ["@staff", node.endpoint]


def test_a_directory_is_no_record(node: Node, mark: Path) -> None:
    from emerge_wasm import connect

    with connect(node.endpoint) as fs:
        fs.store(EmergeFile(name="plain", data=1))
        assert isinstance(fs.getobject("/"), EmergeDirectory) and fs.getobject("/plain").data == 1
