"""`emerge ls` asks a node by a plain socket: it starts in a fraction of the client's time, and tells the same."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import msgpack
import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emerge_wasm import EmergeError, EmergeFile, Pointer, connect
from emerge_wasm.cli.main import COMMANDS
from emerge_wasm.clients import SyncClient
from emerge_wasm.clients.quick import GREETING, READY, Declined, PointerLookup, QuickNode
from tests.command import run_process
from tests.conftest import Server

HEAVY = [
    "asyncio",
    "configparser",
    "email",
    "emerge_wasm.bundles",
    "emerge_wasm.clients.client",
    "emerge_wasm.codec",
    "emerge_wasm.operations",
    "emerge_wasm.results",
    "importlib.metadata",
    "pathlib",
    "ssl",
    "subprocess",
    "tempfile",
    "zmq",
]
"""Modules of which each takes as long as a tenth of the command, or more."""

NAME = st.text(st.characters(codec="utf-8", exclude_characters="/", exclude_categories=["C", "Z"]), min_size=1).map(
    lambda text: f"n{text[:20]}"
)
MOMENT = datetime.now(UTC).isoformat()


def test_listing_imports_little(place: Server, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "emerge_wasm.cli", "-h", place.host, "ls", "/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"click", "emerge_wasm.clients.quick"} <= imported and not imported & {*HEAVY}
    plain = run_process(["--max-age", "0", "-h", place.host, "ls", "/"], tmp_path, {})
    assert (plain.returncode, done.stdout) == (0, plain.stdout)  # that is the client


def test_each_command_is_where_the_table_says() -> None:
    for module, names in COMMANDS.items():
        found = import_module(f"emerge_wasm.cli.{module}").COMMANDS
        assert sorted(command.name for command in found) == names.split()


@pytest.fixture
def fs(place: Server) -> Iterator[SyncClient]:
    with connect(place.host) as client:
        yield client


@pytest.fixture
def lookup(place: Server) -> Iterator[PointerLookup]:
    """A lookup that may not ask the client."""

    def decline() -> SyncClient:
        raise Declined

    found = PointerLookup(place.found["node"], decline)
    yield found
    found.close()


def outcome(ask: Callable[[], object]) -> object:
    """What comes of a question, so that two can be compared."""
    try:
        return ask()
    except EmergeError as error:
        return error.code, str(error), error.path


@given(names=st.sets(NAME, max_size=4), path=st.one_of(NAME, st.text(max_size=5)), moment=st.sampled_from(["", MOMENT]))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_tells_what_the_client_tells(
    fs: SyncClient, lookup: PointerLookup, place: Server, names: set[str], path: str, moment: str
) -> None:
    """Of anything that is there, and is not; where it declines, it asks the client."""
    for name in names:
        fs.store(EmergeFile(name=name, path="/quick"))
    listed = lookup.list("/quick" if names else "/")
    assert listed == fs.list("/quick" if names else "/")
    for pointer in listed:
        assert lookup.get(pointer.full_path) == pointer
    both = PointerLookup(place.found["node"], lambda: fs)
    for where in (f"/quick/{path}", f"/{path}", path):
        for ask in (PointerLookup.get, PointerLookup.list):
            mine = outcome(lambda where=where, ask=ask: ask(both, where, as_of=moment))  # type: ignore[misc]
            named = getattr(fs, ask.__name__)
            assert mine == outcome(lambda where=where, named=named: named(where, as_of=moment))  # type: ignore[misc]
    both.close()
    if names:
        fs.rm("/quick", recursive=True)


def test_a_directory_of_several_pages(fs: SyncClient, lookup: PointerLookup) -> None:
    fs.storeall(EmergeFile(name=f"{number:04}", path="/pages") for number in range(1001))
    found = lookup.list("/pages")
    assert [pointer.name for pointer in found] == [f"{number:04}" for number in range(1001)]
    fs.rm("/pages", recursive=True)


@contextmanager
def speaking(said: bytes) -> Iterator[QuickNode]:
    """A peer that says these bytes to whoever connects, and goes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1 << 16):
                    pass

        thread = threading.Thread(target=speak)
        thread.start()
        node = QuickNode(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        try:
            yield node
        finally:
            node.close()
            thread.join(10)


def framed(data: bytes, flags: int = 0) -> bytes:
    return bytes([flags | 2]) + len(data).to_bytes(8, "big") + data


BEGIN = GREETING + b"\x04" + bytes([len(READY)]) + READY
ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5), st.just("OK"), st.binary(max_size=5)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=12), inner, max_size=2)),
    ).map(msgpack.packb),
)
SAID = st.one_of(st.binary(max_size=200), st.one_of(st.binary(max_size=80), ANSWERS.map(framed)).map(BEGIN.__add__))


@given(said=SAID)
@settings(max_examples=100)
def test_whatever_a_stranger_says_is_declined(said: bytes) -> None:
    with speaking(said) as node, pytest.raises(Declined):
        node._ask("get", "/")


@contextmanager
def answering(answer: object, kind: str = "OK") -> Iterator[QuickNode]:
    """A ROUTER that answers one question with this."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.bind("tcp://127.0.0.1:*")

        def serve() -> None:
            sender, empty, asked = router.recv_multipart()
            channel = msgpack.unpackb(asked)[0]["message_id"]
            for event in ([{}, "_zpc_hb", [0]], [{"response_to": channel}, kind, [answer]]):
                router.send_multipart([sender, empty, msgpack.packb(event)])

        thread = threading.Thread(target=serve)
        thread.start()
        node = QuickNode(router.getsockopt_string(zmq.LAST_ENDPOINT))
        yield node
        node.close()
        thread.join(10)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"entries": [], "cursor": "", "missing": ["north"]}, "OK"),
        ({"name": "a", "stale": "2026-11-30T00:00:00Z"}, "OK"),
        (msgpack.ExtType(7, b"1.5"), "OK"),
        ("NotFound", "ERR"),
    ],
)
def test_what_is_to_be_told_of_an_answer_is_told_by_the_client(answer: object, kind: str) -> None:
    with answering(answer, kind) as node, pytest.raises(Declined):
        node._ask("list", "/")


def test_a_heartbeat_comes_before_an_answer() -> None:
    with answering({"entries": [], "cursor": ""}) as node:
        assert node._ask("list", "/") == {"entries": [], "cursor": ""}


def test_a_node_that_is_not_there_is_told_of_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = run_process(["-h", f"127.0.0.1:{port}", "ls"], tmp_path, {})
    assert done.returncode == 7 and f"no node answers at tcp://127.0.0.1:{port}" in done.stderr


def test_a_pointer_is_the_same(lookup: PointerLookup, fs: SyncClient) -> None:
    assert isinstance(lookup.get("/"), Pointer) and lookup.get("/") == fs.get("/")
