"""What code that runs in a tab reaches of a place: what the user may who runs it and its object's owner, too."""

from __future__ import annotations

from itertools import product

import pytest

from emerge_wasm import EmergeFile, PermissionDenied
from emerge_wasm.browser.places.foreign_run import PlaceHost
from emerge_wasm.browser.places.place import TabPlace
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores.memory import MemoryStore

USERS = {name: Context(name, groups, superuser=name == "root") for name, groups in [("root", ()), ("ann", ("crew",))]}
USERS |= {"ben": Context("ben", ("crew",)), "carl": Context("carl")}
MODES = ["700", "740", "704", "640", "070", "007"]


async def reads(host: PlaceHost, path: str) -> bool:
    try:
        await host.call("getobject", [path])
    except PermissionDenied:
        return False
    return True


@pytest.mark.parametrize("caller", USERS)
async def test_a_run_in_a_tab_reaches_what_both_may(caller: str) -> None:
    filesystem = await Filesystem.open(MemoryStore())
    root = Client(LocalTransport(filesystem, USERS["root"]))
    await root.mkdir("/d")
    await root.chmod("/", "rwxrwxrwx")
    await root.chmod("/d", "rwxrwxrwx")
    paths = []
    for owner, group, mode in product(USERS, ("", "crew"), MODES):
        name = f"{owner}-{group}-{mode}"
        await root.store(EmergeFile(name=name, path="/d"))
        await root.chmod(f"/d/{name}", mode)
        await root.chown(f"/d/{name}", owner, group)
        paths.append(f"/d/{name}")
    places = {name: TabPlace("cluster", "") for name in USERS}
    for name, place in places.items():
        await place.gain(LocalTransport(filesystem, USERS[name]), alone=True)
    mine = {name: [path for path in paths if await alone(place, path)] for name, place in places.items()}
    for path in paths:
        pointer = await root.transport.call("get", [path])
        owner = pointer["owner"]
        as_owner = root if owner == "root" else root.as_user(owner, *filter(None, [pointer["group"]]))
        for as_me in (False, True):
            host = PlaceHost(places[caller], path, pointer, print, as_me=as_me)
            for other in paths[:: 5 if caller != "root" else 7]:
                wanted = other in mine[caller]
                if not as_me and owner != caller:
                    wanted = wanted and await readable(as_owner, other)
                assert await reads(host, other) == wanted, (path, other, as_me)
    await filesystem.close()


async def alone(place: TabPlace, path: str) -> bool:
    return await readable(place.reader, path)


async def readable(client: Client, path: str) -> bool:
    try:
        await client.getobject(path)
    except PermissionDenied:
        return False
    return True
