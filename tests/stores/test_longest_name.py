"""A name of the greatest length is one on every engine: what can be stored here can be stored there."""

from __future__ import annotations

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.errors import Invalid
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.layout.record import entry_key, link_key
from emerge_wasm.paths import BYTES_LIMIT, NAME_LIMIT, check_name, split_path
from emerge_wasm.stores import open_store
from emerge_wasm.stores.dynamodb.row import KEY_LIMIT
from tests.backends import BACKENDS, Started

LONGEST = ("😀" * (BYTES_LIMIT // 4), "語" * NAME_LIMIT, "n" * NAME_LIMIT)
TOO_LONG = "😀" * (BYTES_LIMIT // 4 + 1)


def test_names() -> None:
    for name in LONGEST:
        assert check_name(name) == name
        longest = max(len(entry_key(bytes(16), name)), len(link_key(bytes(16), name, bytes(16), 1)))
        assert longest <= KEY_LIMIT, "no row of the filesystem's is above what DynamoDB, the narrowest, takes"
    with pytest.raises(Invalid, match=r"'😀+…' has 964 bytes in UTF-8.*limit is 960.*shorten"):
        check_name(TOO_LONG)
    with pytest.raises(Invalid, match=r"964 bytes.*in the path '/a/😀"):
        split_path(f"/a/{TOO_LONG}")
    with pytest.raises(Invalid, match=r"U\+D800"):
        check_name("\ud800" * NAME_LIMIT)


@pytest.mark.parametrize("backend", BACKENDS)
async def test_every_engine_holds_them(backend: str, backends: Started) -> None:
    store = await open_store(backends.url(backend))
    client = Client(LocalTransport(await Filesystem.open(store)))
    try:
        first, second, third = LONGEST
        await client.store(EmergeFile(name=first, path=f"/{second}/{third}", data=1))
        await client.update(f"/{second}/{third}/{first}", data=2)
        await client.mv(f"/{second}/{third}/{first}", f"/{first}")
        assert sorted(each["version"] for each in await client.versions(f"/{first}")) == [1, 2, 3]
        assert {each.name for each in await client.list("/")} >= {first, second}
        await client.rm(f"/{first}")
        with pytest.raises(Invalid, match="964 bytes"):
            await client.store(EmergeFile(name=TOO_LONG, path="/", data=1))
    finally:
        await client.close()
        await store.close()
