"""Two principals at a real relay before a real node, each a process: what one keeps private, the other cannot have."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from emerge_wasm import EmergeFile, codec
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.websocket import WebSocketTransport
from emerge_wasm.errors import NotFound, PermissionDenied, Unavailable
from tests.conftest import Server, start_server


@dataclass
class Diary(EmergeFile):
    text: str = ""

    def words(self) -> int:
        return len(self.text.split())


Emerge = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("principals") / "data"
    server = start_server("up", "--no-open", "--port", "0", "--node-port", "0", "--dir", str(folder))
    yield server
    assert server.stop() == 0


@pytest.fixture(scope="module")
def emerge(place: Server) -> Emerge:
    """The command line, on the relay's folder; what it prints."""

    def run(*args: str) -> Any:
        command = [sys.executable, "-m", "emerge_wasm.cli", "--json", "token", *args, "--dir", place.found["dir"]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout) if done.stdout else None

    return run


@pytest.fixture(scope="module")
def tokens(emerge: Emerge, place: Server) -> dict[str, str]:
    """Tokens of ann and bob, made while the relay runs; and the operator's."""
    ann = emerge("add", "ann", "--group", "staff")
    bob = emerge("add", "bob", "--days", "1", "--url", place.found["url"])
    assert bob["link"].startswith(f"{place.found['url']}/?token=") and bob["token"] not in bob["link"]
    assert [(row["principal"], row["groups"]) for row in emerge("ls")] == [("ann", ["staff"]), ("bob", [])]
    return {"ann": ann["token"], "bob": bob["token"], "operator": place.found["token"]}


@dataclass
class People:
    ann: WebSocketTransport
    bob: WebSocketTransport
    operator: WebSocketTransport


@pytest.fixture
async def people(place: Server, tokens: dict[str, str]) -> AsyncIterator[People]:
    async with AsyncExitStack() as stack:
        made = {}
        for name, token in tokens.items():
            made[name] = await stack.enter_async_context(WebSocketTransport(place.found["url"], token=token))
        await made["operator"].call("chmod", ["/", "rwxrwxrwx"])
        yield People(**made)


async def test_each_is_who_their_token_says(people: People) -> None:
    assert (await people.ann.call("whoami", []))["principal"] == "ann"
    assert (await people.bob.call("whoami", []))["principal"] == "bob"
    assert (await people.operator.call("whoami", []))["superuser"] is True


async def test_what_is_private_is_out_of_reach(people: People) -> None:
    await Client(people.ann).store(Diary(name="diary", path="/private", text="dear diary"))
    pointer = await people.ann.call("get", ["/private/diary"])
    assert (pointer["owner"], pointer["perms"]) == ("ann", "rwxr-x---")
    assert await people.ann.call("run", ["/private/diary", "words"]) == 2
    by_uuid = f"/registry/{pointer['uuid']}"
    for name, args in (
        ("get", ["/private/diary"]),
        ("getobject", ["/private/diary"]),
        ("getobject", [by_uuid]),
        ("cat", ["/private/diary.text"]),
        ("versions", ["/private/diary"]),
        ("run", ["/private/diary", "words"]),
        ("update", ["/private/diary", codec.encode({"text": "mine"})]),
        ("store", ["/private/other", codec.encode({})]),
        ("list", ["/private"]),
        ("rm", ["/private/diary"]),
        ("chmod", ["/private/diary", "rwxrwxrwx"]),
    ):
        with pytest.raises(PermissionDenied, match="bob may not"):
            await people.bob.call(name, args)
    assert "private" not in [entry["name"] for entry in (await people.bob.call("list", ["/"]))["entries"]]
    assert "diary" not in [entry["name"] async for entry in people.bob.stream("tree", ["/"])]
    assert (await people.bob.call("whohas", [["/private/diary"], [pointer["uuid"]]])) == {"paths": {}, "uuids": {}}
    registry = (await people.bob.call("list", ["/registry"]))["entries"]
    assert pointer["uuid"] not in [entry["uuid"] for entry in registry]
    assert await people.ann.call("cat", ["/private/diary.text"]) == "dear diary"


async def test_what_is_given_is_within_reach(people: People) -> None:
    await Client(people.ann).store(Diary(name="open", path="/given", text="for all"))
    for path, perms in (("/given", "rwxr-xr-x"), ("/given/open", "rwxr-xr-x")):
        await people.ann.call("chmod", [path, perms])
    assert await people.bob.call("run", ["/given/open", "words"]) == 2
    with pytest.raises(PermissionDenied):
        await people.bob.call("update", ["/given/open", codec.encode({"text": "mine"})])


async def test_forging_somebody_is_refused(people: People) -> None:
    await people.ann.call("store", ["/secret", codec.encode({"n": 1})])
    for context in ({"as": "ann"}, {"as": "operator"}, {"as": "root", "groups": ["staff"]}):
        with pytest.raises(PermissionDenied, match="bob may not act as"):
            await people.bob.call("cat", ["/secret"], context)
    with pytest.raises(PermissionDenied, match="bob may not read"):
        await people.bob.call("cat", ["/secret"], {"groups": ["staff"], "as": "bob"})
    assert await people.operator.call("cat", ["/secret"], {"as": "ann"}) == {"n": 1}
    with pytest.raises(PermissionDenied):
        await people.operator.call("cat", ["/secret"], {"as": "bob"})


async def test_umask_and_transactions_are_honoured(people: People) -> None:
    stored = await people.ann.call("store", ["/masked", codec.encode({})], {"umask": 0o22})
    assert stored["perms"] == "rwxr-xr-x"
    inside = {"transaction": (await people.ann.call("begin", []))["transaction"]}
    await people.ann.call("store", ["/inside", codec.encode({"n": 1})], inside)
    assert await people.ann.call("cat", ["/inside"], inside) == {"n": 1}
    with pytest.raises(NotFound):
        await people.ann.call("cat", ["/inside"])
    with pytest.raises((PermissionDenied, NotFound)):
        await people.bob.call("cat", ["/inside"], inside)
    await people.ann.call("commit", [inside["transaction"]])
    assert await people.ann.call("cat", ["/inside"]) == {"n": 1}


async def test_a_token_taken_back_is_worth_nothing(people: People, place: Server, emerge: Emerge) -> None:
    text = emerge("add", "eve")["token"]
    transport = WebSocketTransport(place.found["url"], token=text)
    assert (await transport.call("whoami", []))["principal"] == "eve"
    emerge("rm", "eve")
    with pytest.raises((PermissionDenied, Unavailable), match="removed, or has expired"):  # the relay may end it first
        await transport.call("whoami", [])
    await transport.close()
    transport = WebSocketTransport(place.found["url"], token=text)
    with pytest.raises(Unavailable, match="no session"):
        await transport.open()
    await transport.close()
    assert (await people.ann.call("whoami", []))["principal"] == "ann"
