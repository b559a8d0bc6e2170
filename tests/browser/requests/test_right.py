"""Rights of all that is below a directory, as the page shows and changes them, and the index over a field."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any, cast

import pytest

from emerge_wasm import EmergeFile
from emerge_wasm.browser.places.place import TabPlace
from emerge_wasm.browser.requests import right
from emerge_wasm.browser.requests.right import rights_below
from emerge_wasm.browser.requests.table import index
from emerge_wasm.browser.tab import Tab
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.context import Context
from emerge_wasm.errors import LimitExceeded, PermissionDenied
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.layout.access import changed_perms
from emerge_wasm.stores import open_store
from tests.browser.requests.test_table import OneTab, one_tab

ANNA, BEN = Context("anna", ("crew",)), Context("ben", ("crew",))


async def tab_of(filesystem: Filesystem, who: Context) -> OneTab:
    place = TabPlace("local", "")
    await place.gain(LocalTransport(filesystem, who), alone=True)
    return OneTab(place)


async def shown(client: Client, path: str = "/") -> dict[str, tuple[str, str, str]]:
    found: dict[str, tuple[str, str, str]] = {}
    for each in await client.list(path):
        found[each.full_path] = (each.perms, each.owner, each.group)
        if each.type == "directory":
            found |= await shown(client, each.full_path)
    return found


async def ask_below(tab: OneTab, perms: str, owner: str = "", group: str | None = None) -> Any:
    args = {"where": "local", "path": "/a", "perms": perms, "owner": owner, "group": group}
    return await rights_below(cast("Tab", tab), cast(Any, args))


@pytest.mark.parametrize("seed", range(6))
def test_what_is_previewed_is_what_changes_and_undo_takes_it_back(seed: int) -> None:
    """Also where the one who changes them takes their own right to pass through away."""

    async def run() -> None:
        dice = Random(seed)
        filesystem = await Filesystem.open(await open_store("memory:"))
        admin = (await tab_of(filesystem, Context(superuser=True))).place.reader
        anna = await tab_of(filesystem, ANNA)
        for directory in ("/a", "/a/b", "/a/b/c", "/a/d"):
            await admin.mkdir(directory)
            await admin.store(EmergeFile(name="o", path=directory))
        everything = await shown(admin)
        for path in everything:
            await admin.chmod(path, "".join(dice.choice((letter, "-")) for letter in "rwxrwxrwx"))
            await admin.chmod(path, "u+rwx")
            await admin.chown(path, "anna" if path.count("/") < 3 or dice.random() < 0.8 else "ben", "crew")
        for path in everything:
            if (await admin.get(path)).owner == "ben":
                await admin.chmod(path, "g+rx")
        before = await shown(admin)
        perms = dice.choice(["g+w", "u-x,o=r", "rwxr-x---", "u-rwx", "", "a-x"])
        group = dice.choice([None, "", "crew"])
        view = await ask_below(anna, perms, "", group)
        below = {path: had for path, had in before.items() if path.startswith("/a/")}
        wanted = {
            path: (changed_perms(had, perms) if perms else had, owner, held if group is None else group)
            for path, (had, owner, held) in below.items()
        }
        differs = {path for path, each in wanted.items() if each != below[path]}
        theirs = {path for path in differs if below[path][1] == "ben"}
        assert view["count"] == len(below) and view["missing"] == []
        assert (view["changes"], view["refused"]) == (len(differs - theirs), len(theirs))
        assert {row["path"] for row in view["rows"]} == differs
        report = await anna.change(*view["steps"])
        assert report["failed"] == 0
        after = await shown(admin)
        assert after == {**before, **{path: wanted[path] for path in differs - theirs}}
        assert (await anna.change(*report["undo"]))["failed"] == 0
        assert await shown(admin) == before
        await filesystem.close()

    asyncio.run(run())


def test_too_many_are_left_to_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(right, "MOST", 3)  # patched: 20,000 entries take a minute to store

    async def run() -> None:
        async with one_tab() as tab:
            await tab.place.reader.storeall([EmergeFile(name=f"o{n}", path="/a") for n in range(4)])
            with pytest.raises(LimitExceeded, match="more than 3 entries"):
                await ask_below(tab, "g+w")

    asyncio.run(run())


def test_an_index_is_told_of_and_made_by_who_may_write() -> None:
    async def run() -> None:
        filesystem = await Filesystem.open(await open_store("memory:"))
        admin, ben = await tab_of(filesystem, Context(superuser=True)), await tab_of(filesystem, BEN)
        await admin.place.reader.storeall([EmergeFile(name=f"o{n}", path="/a/b") for n in range(9)])
        await admin.place.reader.chmod("/a", "o+rx", recursive=True)

        async def ask(tab: OneTab, path: str, make: bool = False) -> Any:
            return await index(cast("Tab", tab), {"where": "local", "path": path, "field": "size", "make": make})

        nothing = {"state": "", "done": 0, "total": 0, "error": ""}
        assert await ask(ben, "/a") == {**nothing, "may": False}
        with pytest.raises(PermissionDenied):
            await ask(ben, "/a", True)
        assert await ask(admin, "/a") == {**nothing, "may": True}
        assert (await ask(admin, "/a", True))["state"] in ("building", "ready")
        await asyncio.wait_for(filesystem.builder.settle(), 30)
        assert (await ask(ben, "/a/b"))["state"] == "ready"  # the one above serves it
        assert (await ask(ben, "/"))["state"] == ""  # one below does not
        await filesystem.close()

    asyncio.run(run())
