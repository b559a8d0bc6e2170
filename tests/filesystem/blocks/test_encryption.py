"""Encryption at rest: nothing of a block can be read in what the store keeps, and a lost key loses nothing else."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emerge_wasm import EmergeFile, Invalid, Unavailable
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.stores import open_store
from emerge_wasm.stores.block_key import add_key
from tests.contracts.files import content

pytest.importorskip("cryptography", reason="the extra encryption is not installed")

SECRET = b"the secret of the mine, "
FILE, VALUE = SECRET * 20_000, SECRET * 10_000


@asynccontextmanager
async def opened(folder: Path, key: Path | None = None) -> AsyncIterator[Client]:
    url = f"sqlite:///{folder}/s.db" + (f"?block_key={key}" if key else "")
    store = await open_store(url)
    try:
        filesystem = await Filesystem.open(store, url=url)
    except BaseException:
        await store.close()
        raise
    yield Client(LocalTransport(filesystem))
    await filesystem.close()


def kept(folder: Path) -> bytes:
    """All that the store keeps."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".key")


async def faults(folder: Path, key: Path | None) -> list[str]:
    store = await open_store(f"sqlite:///{folder}/s.db" + (f"?block_key={key}" if key else ""))
    try:
        return (await audit(store)).faults
    finally:
        await store.close()


async def fill(client: Client) -> None:
    await client.put(io.BytesIO(FILE), "/file")
    await client.put(io.BytesIO(FILE[:-1]), "/parity", raid=5)
    await client.store(EmergeFile(name="value", data=VALUE))


async def check(client: Client) -> None:
    assert await content(client, "/file") == FILE and await content(client, "/parity") == FILE[:-1]
    assert (await client.getobject("/value")).data == VALUE


async def test_what_is_kept_tells_nothing(tmp_path: Path) -> None:
    add_key(tmp_path / "a.key")
    assert (tmp_path / "a.key").stat().st_mode & 0o077 == 0
    async with opened(tmp_path, tmp_path / "a.key") as client:
        await fill(client)
        await check(client)
    assert b"secret of the mine" not in kept(tmp_path)
    async with opened(tmp_path, tmp_path / "a.key") as client:
        await check(client)
    assert await faults(tmp_path, tmp_path / "a.key") == []
    assert "is encrypted" in (await faults(tmp_path, None))[0]


async def test_without_the_key_nothing_is_written_and_nothing_lost(tmp_path: Path) -> None:
    add_key(tmp_path / "a.key")
    add_key(tmp_path / "b.key")
    async with opened(tmp_path, tmp_path / "a.key") as client:
        await fill(client)
        await client.put(io.BytesIO(b"small"), "/small")
    with pytest.raises(Invalid, match="no key is named") as caught:
        async with opened(tmp_path):
            pass
    assert "block_key=FILE" in str(caught.value.remedy)
    async with opened(tmp_path, tmp_path / "b.key") as client:  # as who has lost the other
        for path in ("/file", "/parity"):
            with pytest.raises(Unavailable, match="not at hand"):
                await content(client, path)
        with pytest.raises(Unavailable, match="not at hand"):
            await client.getobject("/value")
        with pytest.raises(Unavailable, match="not at hand"):
            await client.verify("/file")
        assert await content(client, "/small") == b"small"
        await client.put(io.BytesIO(FILE[5:]), "/new")
        assert await content(client, "/new") == FILE[5:]
        await client.scrub("/", True)
    (tmp_path / "c.key").write_text((tmp_path / "b.key").read_text() + (tmp_path / "a.key").read_text())
    async with opened(tmp_path, tmp_path / "c.key") as client:
        await check(client)
        assert await content(client, "/new") == FILE[5:]


async def test_a_new_key_is_used_from_then_on_and_a_scrub_writes_the_rest(tmp_path: Path) -> None:
    async with opened(tmp_path) as client:
        await fill(client)
    assert b"secret of the mine" in kept(tmp_path)
    key = tmp_path / "k.key"
    for _ in range(2):  # what was plain, then what has an older key
        add_key(key)
        async with opened(tmp_path, key) as client:
            await check(client)
            filesystem = client.transport.filesystem  # type: ignore[attr-defined]
            names = [name for name, _ in await filesystem.core.blocks.page()]
            assert await filesystem.core.blocks.renew(names) == len(names)
            assert await filesystem.core.blocks.renew(names) == 0
        key.write_text(key.read_text().splitlines()[0])  # the older one is lost
        async with opened(tmp_path, key) as client:
            await check(client)
    assert await faults(tmp_path, key) == []


@pytest.mark.parametrize("text", [None, "", "# only words\n", "abc\n", "zz" * 32, "ab" * 31])
async def test_a_file_that_has_no_keys_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "bad.key"
    if text is not None:
        file.write_text(text)
        with pytest.raises(Invalid, match=r"bad\.key"):
            add_key(file)
        assert file.read_text() == text
    with pytest.raises(Invalid, match=r"bad\.key") as caught:
        await open_store(f"memory:?block_key={file}")
    assert "emerge keys blocks" in str(caught.value.remedy)
