"""Who cannot read the key of a node's user is a guest on its machine, by each operation; who can is the user."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeFile, connect
from emerge_wasm.clients import SyncClient
from emerge_wasm.clients.keys.local_key import FOLDER, LocalAddress, LocalKey, file_of
from emerge_wasm.clients.quick import Declined, QuickNode
from emerge_wasm.clients.transports.registry import open_transport
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.context import Context, Wire
from emerge_wasm.errors import EmergeError, PermissionDenied, Unavailable
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.caller import GUEST
from emerge_wasm.node.node import Node
from emerge_wasm.node.server import RpcServer
from emerge_wasm.operations import TABLE, Answer, Transport, Values
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.relay.settings import RelaySettings
from emerge_wasm.rest.node_server import RESTNodeServer
from emerge_wasm.results import MemberRow
from emerge_wasm.stores.memory import MemoryStore
from tests.command import run_here, run_process
from tests.conftest import Server, start_server
from tests.relay.conftest import node_is
from tests.scale import examples

USER = Context("anna", superuser=True, via="zeromq")

# --- every operation, with whatever a call may ask for
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "as": st.sampled_from(["", "anna", "bob", "root"]),
        "groups": st.lists(st.sampled_from(["staff", "wheel"]), max_size=2),
        "umask": st.integers(0, 0o777),
        "rights": st.sampled_from(["", "caller"]),
        "cause": st.text(max_size=3),
    },
)


class Notary:
    """A dispatch, with the short ways around it, that notes in whose name it was called."""

    def __init__(self) -> None:
        self.noted: list[tuple[str, Context]] = []

    def dispatch(self, name: str, args: Values, context: Context) -> Answer:
        self.noted.append((name, context))
        return self._stream() if TABLE[name].streams else self._answer()

    def store(self, args: Values, context: Context) -> asyncio.Future[object]:
        self.noted.append(("store", context))
        return asyncio.ensure_future(self._answer())

    def read(self, name: str, args: Values, context: Context) -> None:
        self.noted.append((name, context))

    async def _answer(self) -> object:
        return None

    async def _stream(self) -> AsyncIterator[object]:
        yield None


class Door:
    """A server of each kind before one notary, and transports of who has their keys and of who has not."""

    def __init__(self) -> None:
        self.notary = Notary()
        self.user: list[Transport] = []
        self.guest: list[Transport] = []
        self.folders: dict[Transport, str] = {}

    async def open(self, stack: AsyncExitStack, folders: Path) -> None:
        notary = self.notary
        keys = {"local_key": LocalKey(), "read": notary.read, "store": notary.store}
        server = RpcServer(notary.dispatch, "tcp://127.0.0.1:0", context=USER, **keys)  # type: ignore[arg-type]
        await server.start()
        stack.push_async_callback(server.stop)
        rest = RESTNodeServer(notary.dispatch, port=0, context=USER, local_key=LocalKey())
        await stack.enter_async_context(rest)
        for transports, folder in ((self.user, "keys"), (self.guest, "none")):
            os.environ[FOLDER] = str(folders / folder)
            for address in (server.endpoint, rest.url):
                transport: Any = open_transport(address)
                stack.push_async_callback(transport.close)
                await transport.call("whoami", [])  # the connection is made, and says who it is for
                transports.append(transport)
                self.folders[transport] = str(folders / folder)

    async def whose(self, transport: Transport, name: str, wanted: Wire) -> set[Context]:
        self.notary.noted.clear()
        os.environ[FOLDER] = self.folders[transport]  # HTTP looks at each call
        row = TABLE[name]
        args = [kinds[0]() if kinds else "" for kinds in row.kinds[: row.required]]
        if row.streams:
            _ = [item async for item in transport.stream(name, args, wanted)]
        else:
            await transport.call(name, args, wanted)
        assert {noted for noted, _ in self.notary.noted} == {name}
        return {context for _, context in self.notary.noted}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "keys"))
    return tmp_path


@pytest_asyncio.fixture
async def door(folders: Path) -> AsyncIterator[Door]:
    async with AsyncExitStack() as stack:
        made = Door()
        await made.open(stack, folders)
        yield made


async def test_each_operation_is_asked_by_the_user_or_by_a_guest(door: Door) -> None:
    for name in TABLE:
        for user, guest in zip(door.user, door.guest, strict=True):
            assert {(who.principal, who.superuser) for who in await door.whose(user, name, {})} == {("anna", True)}
            assert await door.whose(guest, name, {}) == {GUEST}


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from([*TABLE]), wanted=ASKED, way=st.integers(0, 1))
async def test_a_guest_gets_no_right_by_what_a_call_asks_for(door: Door, name: str, wanted: Wire, way: int) -> None:
    for transport, who in ((door.user[way], USER), (door.guest[way], GUEST)):
        try:
            meant = who.narrowed(wanted)
        except PermissionDenied:
            with pytest.raises(PermissionDenied):
                await door.whose(transport, name, wanted)
            assert not door.notary.noted
        else:
            told = await door.whose(transport, name, wanted)
            assert {(each.principal, each.groups, each.superuser) for each in told} == {
                (meant.principal, meant.groups, meant.superuser)
            }
            assert not (who is GUEST and any(each.superuser or each.principal for each in told))


# --- a node as a user starts it
@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("local")
    server = start(folder / "keys", folder, "--rest", "0")
    with connect(server.found["node"]) as fs:
        fs.store(EmergeFile(name="a", path="/mine", data=1))
    yield server
    assert server.stop() == 0


def start(keys: Path, folder: Path, *words: str) -> Server:
    """Start a node whose key is kept in a folder, which is then where this process looks, too."""
    os.environ[FOLDER] = str(keys)
    store = f"sqlite:///{folder}/node.db"
    return start_server("node", "start", "--port", "0", "--store", store, *words, sandbox=False)


@pytest.fixture(autouse=True)
def other_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, os.environ.get(FOLDER, ""))  # put back what a test changes


def elsewhere(server: Server, folder: Path) -> dict[str, str]:
    """The environment of somebody else's program."""
    return {"EMERGE_HOST": server.host, FOLDER: str(folder / "none")}


def test_the_commands_of_another_user_are_a_guests(node: Server, tmp_path: Path) -> None:
    own = {"EMERGE_HOST": node.host}
    assert (
        run_here(["ls", "/mine"], tmp_path, own).stdout == run_process(["ls", "/mine"], tmp_path, own).stdout == "a\n"
    )
    for run in (run_here, run_process):
        refused = run(["ls", "/mine"], tmp_path, elsewhere(node, tmp_path))
        assert refused.returncode == 6 and "a guest may not" in refused.stderr
        looked = tmp_path / "none" / node.host.replace(":", "-")
        assert f"not found in {looked}" in refused.stderr and "as the user who started the node" in refused.stderr
    refused = run_here(["--as", "anna", "whoami"], tmp_path, elsewhere(node, tmp_path))
    assert refused.returncode == 6 and "a guest may not act as anna" in refused.stderr


async def test_nodes_call_each_other_by_the_key(tmp_path: Path) -> None:
    os.environ[FOLDER] = str(tmp_path / "keys")
    filesystem = await Filesystem.open(MemoryStore(), node="here")
    node = Node(filesystem, "tcp://127.0.0.1:0", context=USER, local_key=LocalKey())
    async with node, ZeroMQTransport(node.endpoint) as user:
        assert await outcome(user.call("_cluster_table", [])) != "PermissionDenied"
        os.environ[FOLDER] = str(tmp_path / "none")
        async with ZeroMQTransport(node.endpoint) as guest:
            assert len(node.server._inner) > 50
            for name in node.server._inner:
                assert await outcome(guest.call(name, [])) == "PermissionDenied"
            assert await outcome(guest.call("foundcluster", [])) == "PermissionDenied"
    await filesystem.close()


def test_the_key_is_the_users_alone_and_goes_with_the_node(tmp_path: Path) -> None:
    node = start(tmp_path / "keys", tmp_path)
    file = Path(file_of(node.found["node"]))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert node.stop() == 0
    assert not [*file.parent.iterdir()]


async def test_http_takes_the_key_as_a_token(node: Server, tmp_path: Path) -> None:
    def ask(token: str | None) -> Any:
        url = f"{node.found['rest']}/api/v1/cat/mine/a.data"
        with urlopen(Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})) as answer:
            return json.loads(answer.read())

    assert ask(text_of(node.found["token_file"])) == 1
    for token, status in ((None, 403), ("wrong", 401)):
        with pytest.raises(HTTPError) as refused:
            ask(token)
        assert refused.value.code == status
        refused.value.close()
    os.environ[FOLDER] = str(tmp_path / "none")
    with connect(node.found["rest"]) as guest, pytest.raises(PermissionDenied, match="was not found in"):
        guest.cat("/mine/a")


async def test_a_client_that_goes_on_shows_the_key_of_the_node_that_took_the_place(tmp_path: Path) -> None:
    node = start(tmp_path / "keys", tmp_path)
    port = node.host.rpartition(":")[2]
    async with ZeroMQTransport(node.found["node"]) as client, ZeroMQTransport(f"tcp://localhost:{port}") as named:
        before = text_of(file_of(node.found["node"]))
        assert [await is_superuser(each) for each in (client, named)] == [True, True]
        for _ in range(2):
            node.kill()
            with pytest.raises(Unavailable):
                await client.call("whoami", [])
            node = start(tmp_path / "keys", tmp_path, "--port", port)
            assert text_of(file_of(node.found["node"])) != before
            assert [await is_superuser(each) for each in (client, named)] == [True, True]
    assert node.stop() == 0


def text_of(file: str) -> str:
    with open(file) as opened:
        return opened.read()


async def is_superuser(client: ZeroMQTransport) -> bool:
    """Whether a node that is there, or about to be found again, takes it for its user's."""
    for _ in range(400):
        with suppress(Unavailable):
            return bool((await client.call("whoami", []))["superuser"])
        await asyncio.sleep(0.025)
    raise AssertionError("no node answers")


@settings(max_examples=examples(200))
@given(name=st.binary(max_size=40), cut=st.integers(0, 31), bit=st.integers(0, 7))
def test_only_what_is_made_with_the_key_shows_it(name: bytes, cut: int, bit: int) -> None:
    key, address = LocalKey(), "tcp://127.0.0.1:5558"
    key._address = address
    shown = LocalAddress(address)
    shown.key, shown.address = key.text.encode(), address
    proof = shown.proof
    assert key.lets_in(proof) and key.lets_in(proof) and shown.proof != proof
    other = bytearray(proof)
    other[cut] ^= 1 << bit
    assert not key.lets_in(bytes(other)) and not key.lets_in(name)
    shown.address = "tcp://127.0.0.1:5559"  # as somebody else is shown it, who listens there
    assert not key.lets_in(shown.proof)


async def test_a_relay_of_another_user_has_no_rights_to_give(node: Server, tmp_path: Path) -> None:
    mine = os.environ[FOLDER] = str(Path(node.found["token_file"]).parent)
    for folder, code in ((mine, "ok"), (str(tmp_path / "none"), "PermissionDenied")):
        os.environ[FOLDER] = folder
        options = RelaySettings(tmp_path / "relay", None, (node.found["node"],), port=0, token="t" * 32, beat=0.5)
        async with RelayServer(options) as relay:
            await node_is(relay, node.found["name"])
            for address in (relay.url, relay.url.replace("http", "ws") + "/ws"):
                client: Any = open_transport(address, "t" * 32)
                assert await outcome(client.call("cat", ["/mine/a"])) == code
                await client.close()


async def outcome(call: Awaitable[object]) -> str:
    try:
        await call
    except EmergeError as error:
        return error.code
    return "ok"


def test_a_node_of_another_user_does_not_enter(tmp_path: Path) -> None:
    first = start(tmp_path / "keys", tmp_path, "--name", "first")
    with connect(first.found["node"]) as fs:
        fs.foundcluster()
    with ExitStack() as stack:
        stack.callback(first.stop)
        for name, keys, met in (("second", "keys", True), ("third", "other", False)):
            (tmp_path / name).mkdir()
            other = start(tmp_path / keys, tmp_path / name, "--name", name, "--join", first.found["node"])
            stack.callback(other.stop)
            with connect(other.found["node"]) as fs:
                seen = others_of(fs, met)
                assert [row["node"] for row in seen] == (["first"] if met else [""])
                assert met or "nodes of the cluster only" in seen[0]["error"]
        os.environ[FOLDER] = str(tmp_path / "keys")
        with connect(first.found["node"]) as fs:
            assert sorted(row["node"] for row in fs.nodes()) == ["first", "second"]


def others_of(fs: SyncClient, met: bool) -> list[MemberRow]:
    """The other nodes that one knows, once it has met one, or was refused by one."""
    for _ in range(400):
        if found := [row for row in fs.nodes() if not row["self"] and (row["node"] if met else "error" in row)]:
            return found
        time.sleep(0.025)
    raise AssertionError("it met nobody")


def test_an_open_node_says_so(tmp_path: Path) -> None:
    node = start(tmp_path / "keys", tmp_path, "--open", "--rest", "0")
    try:
        assert node.found["open"].startswith("OPEN") and not node.found["token_file"]
        assert not (tmp_path / "keys").exists()
        with connect(node.found["node"]) as fs, connect(node.found["rest"]) as rest:
            assert fs.hello()["open"] and fs.whoami()["superuser"] and rest.whoami()["superuser"]
        for command in ("hello", "nodes"):
            assert "is OPEN" in run_here([command], tmp_path, {"EMERGE_HOST": node.host}).stderr
    finally:
        assert node.stop() == 0


async def test_a_short_command_is_declined_where_the_key_is_amiss(node: Server, tmp_path: Path) -> None:
    os.environ[FOLDER] = str(tmp_path)
    with open(file_of(node.found["node"]), "w") as file:  # noqa: ASYNC230
        file.write("of a node before")
    quick = QuickNode(node.found["node"])
    with pytest.raises(Declined):
        await quick.get("/mine/a")
    quick.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = ["node", "start", "--port", "0", "--store", f"sqlite:///{tmp_path}/node.db"]
    done = run_process(words, tmp_path, {FOLDER: str(tmp_path / "file" / "keys")})
    assert done.returncode == 2 and FOLDER in done.stderr and "--open" in done.stderr
