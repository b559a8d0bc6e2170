"""What two principals do in one tree: they store, move, remove and bring back, as generated steps say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.objects import EmergeFile
from emerge_wasm.stores.memory import MemoryStore

ROOT = Context("root", superuser=True)
WHO = st.sampled_from(["anna", "bert"])
PATHS = [f"/all{deep}/{name}" for deep in ("", "/d", "/d/e") for name in "ab"]
ANY = st.sampled_from([*PATHS, "/all/d", "/all/d/e", "/all"])
STEP = st.one_of(
    st.tuples(st.just("store"), WHO, st.sampled_from(PATHS), st.sampled_from([1, 90, 70_000])),
    st.tuples(st.just("rm"), WHO, ANY),
    st.tuples(st.just("rm"), WHO, st.sampled_from(PATHS)),
    st.tuples(st.just("mv"), WHO, ANY, ANY),
    st.tuples(st.just("restore"), WHO, ANY),
    st.tuples(st.just("retain"), WHO, st.sampled_from(["/all", "/all/d"]), st.sampled_from(["1", "all"])),
)


async def world(largest: int = 10_000) -> tuple[Filesystem, dict[str, Client]]:
    """A filesystem with /all, in which anna and bert may do everything."""
    store = MemoryStore()
    store.capabilities = replace(store.capabilities, largest_batch=largest)
    filesystem = await Filesystem.open(store, node="n")
    root = Client(LocalTransport(filesystem, ROOT))
    for path in ("/all/d/e", "/all/d", "/all"):
        await root.mkdir(path)
        await root.chmod(path, "rwxrwxrwx")
    everybody = {who: Client(LocalTransport(filesystem, Context(who, umask=0))) for who in ("anna", "bert")}
    return filesystem, {"root": root, **everybody}


async def take(clients: dict[str, Client], step: tuple[Any, ...]) -> None:
    what, who, path, *more = step
    client = clients[who]
    try:
        if what == "store":
            directory, _, name = path.rpartition("/")
            await client.store(EmergeFile(name=name, path=directory, data="x" * more[0]))
        elif what == "rm":
            await client.rm(path, True)
        else:
            await getattr(client, what)(path, *more)
    except EmergeError:
        return


async def tree(root: Client) -> list[tuple[str, str, int]]:
    return [(each.full_path, each.uuid, each.version) async for each in root.tree("/")]
