"""What every filesystem must do with versions: go back, compare, merge, keep and drop. See `filesystem.py`."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime

from emerge_wasm import Conflict, EmergeFile, Invalid, NotFound
from emerge_wasm.clients import Client

from .filesystem import Part, Tool, item, refused, scenario


def longest(base: str, theirs: str, mine: str) -> str:
    return max(theirs, mine, key=len)


@dataclass
class Stock(EmergeFile):
    """Fields that say how they merge."""

    count: int = field(default=0, metadata={"merge": "sum"})
    tags: list[str] = field(default_factory=list, metadata={"merge": "union"})
    seen_by: str = field(default="", metadata={"merge": "last"})
    note: str = field(default="", metadata={"merge": longest})
    top: int = field(default=0, metadata={"merge": "highest"})
    price: float = 0.0

    @staticmethod
    def highest(base: int, theirs: int, mine: int) -> int:
        return max(theirs, mine)


async def moment() -> datetime:
    """A moment that no change before or after shares."""
    await asyncio.sleep(0.002)
    now = datetime.now(UTC)
    await asyncio.sleep(0.002)
    return now


@scenario
async def edits_of_different_fields_merge(client: Client) -> None:
    await client.store(item("w", unit_price=1.0, quantity=5))
    mine, theirs = await client.getobject("/inventory/w"), await client.getobject("/inventory/w")
    theirs.unit_price = 2.0
    await client.store(theirs)
    mine.quantity = 4
    assert (await client.store(mine)).version == 3
    assert (mine.unit_price, mine.quantity, mine.version) == (2.0, 4, 3)
    stored = await client.getobject("/inventory/w")
    assert (stored.unit_price, stored.quantity) == (2.0, 4)
    await client.update("/inventory/w", 1, data="note")
    assert (await client.getobject("/inventory/w")).data == "note"


@scenario
async def edits_of_the_same_field_are_a_conflict(client: Client) -> None:
    await client.store(item("w", unit_price=1.0))
    mine = await client.getobject("/inventory/w")
    await client.update("/inventory/w", unit_price=2.0)
    mine.unit_price = 3.0
    error = await refused(client.store(mine), Conflict, "unit_price", "version 2", "version 1")
    from emerge_wasm.codec import decode

    states = {side: decode(error.details[side])["unit_price"] for side in ("base", "theirs", "mine")}
    assert states == {"base": 1.0, "theirs": 2.0, "mine": 3.0} and error.details["fields"] == ["unit_price"]
    assert await client.cat("/inventory/w.unit_price") == 2.0


@scenario
async def equal_edits_of_the_same_field_are_a_conflict_too(client: Client) -> None:
    """Two who count up from the same number would else lose one."""
    await client.store(item("w", quantity=5))
    mine = await client.getobject("/inventory/w")
    await client.update("/inventory/w", 1, quantity=6)
    mine.quantity += 1
    await refused(client.store(mine), Conflict, "quantity")
    await refused(client.update("/inventory/w", 1, quantity=6), Conflict, "quantity")


@scenario
async def fields_merge_by_the_rules_of_their_class(client: Client) -> None:
    await client.store(Stock(name="s", count=10, tags=["a", "b"], note="x", top=1))
    mine, theirs = await client.getobject("/s"), await client.getobject("/s")
    theirs.count, theirs.tags, theirs.seen_by, theirs.note, theirs.top = 12, ["a", "c"], "them", "longer", 7
    mine.count, mine.tags, mine.seen_by, mine.note, mine.top = 9, ["a", "b", "d"], "me", "long", 3
    await client.store(theirs)
    await client.store(mine)
    now = await client.getobject("/s")
    assert (now.count, now.tags, now.seen_by, now.note, now.top) == (11, ["a", "c", "d"], "me", "longer", 7)


@scenario
async def no_sale_is_lost_when_many_sell(client: Client) -> None:
    await client.store(Stock(name="s", count=100))
    copies = [await client.getobject("/s") for _ in range(10)]
    for number, copy in enumerate(copies):
        copy.count -= number
    await asyncio.gather(*(client.store(copy) for copy in copies))
    assert await client.cat("/s.count") == 100 - sum(range(10))


@scenario
async def versions_are_compared_by_field(client: Client) -> None:
    await client.store(item("w", unit_price=1.0, quantity=5))
    await client.update("/inventory/w", unit_price=2.0, colour="red")
    found = await client.diff("/inventory/w", 1)
    assert found["fields"] == [
        {"field": "unit_price", "before": 1.0, "after": 2.0},
        {"field": "colour", "after": "red"},
    ]
    assert (found["before"]["version"], found["after"]["version"]) == (1, 2)
    assert (await client.diff("/inventory/w", 2, 2))["fields"] == []
    await refused(client.diff("/inventory/w", 1, 9), NotFound, "version 9")


@scenario
async def an_older_version_becomes_the_newest(client: Client) -> None:
    await client.store(item("w", unit_price=1.0))
    then = await moment()
    await client.update("/inventory/w", unit_price=2.0)
    assert (await client.restore("/inventory/w", 1)).version == 3
    assert await client.cat("/inventory/w.unit_price") == 1.0
    await client.update("/inventory/w", unit_price=4.0)
    await client.restore("/inventory/w", as_of=then)
    assert await client.cat("/inventory/w.unit_price") == 1.0
    assert [row["operation"] for row in await client.versions("/inventory/w")][:3] == ["restore", "update", "restore"]
    await refused(client.restore("/inventory/w"), Invalid, "is there")


@scenario
async def what_was_removed_comes_back(client: Client) -> None:
    pointer = await client.store(item("w", "/shelf/a", unit_price=1.0))
    await client.store(item("v", "/shelf/b"))
    await client.rm("/shelf/b/v")
    await client.rm("/shelf", recursive=True)
    await refused(client.get("/shelf/a/w"), NotFound)
    await client.restore("/shelf")
    assert [p.full_path async for p in client.tree("/shelf")] == ["/shelf/a", "/shelf/a/w", "/shelf/b"]
    back = await client.getobject("/shelf/a/w")
    assert (back.uuid, back.unit_price, back.total_cost()) == (pointer.uuid, 1.0, 0.0)
    await client.restore("/shelf/b/v")
    assert (await client.get("/shelf/b/v")).version == 3
    await refused(client.restore("/never"), NotFound, "/never")


@scenario
async def what_was_removed_with_its_directory_comes_back_alone(client: Client) -> None:
    """The directories above it come back with it, the same ones, with what they allow; the rest may follow."""
    for name in ("w", "v"):
        await client.store(item(name, "/gone/deep"))
    directory = await client.chmod("/gone", "rwx------")
    await client.rm("/gone", recursive=True)
    await refused(client.restore("/gone/deep/never"), NotFound, "/gone/deep/never")
    assert (await client.restore("/gone/deep/w")).full_path == "/gone/deep/w"
    assert [p.full_path async for p in client.tree("/gone")] == ["/gone/deep", "/gone/deep/w"]
    back = await client.get("/gone")
    assert (back.uuid, back.perms) == (directory.uuid, "rwx------")
    await client.restore("/gone/deep/v")
    assert [p.name for p in await client.list("/gone/deep")] == ["v", "w"]


@scenario
async def what_is_closed_is_not_brought_back_by_others(client: Client) -> None:
    await client.chmod("/", "rwxrwxrwx")
    ann, bob = client.as_user("ann"), client.as_user("bob")
    await ann.store(item("w", "/hers"))
    await ann.rm("/hers", recursive=True)
    await refused(bob.restore("/hers/w"), NotFound, "/hers/w")
    await refused(bob.restore("/hers"), NotFound, "/hers")
    assert (await ann.restore("/hers/w")).owner == "ann"


@scenario
async def the_past_is_read_as_it_was(client: Client) -> None:
    await client.store(item("w", "/a", unit_price=1.0))
    first = await moment()
    await client.update("/a/w", unit_price=2.0)
    await client.store(item("x", "/a"))
    await client.mv("/a/w", "/b/v")
    second = await moment()
    await client.rm("/b/v")
    await client.store(item("w", "/a", unit_price=9.0))

    async def names(path: str, when: datetime) -> list[str]:
        return [p.name for p in await client.list(path, as_of=when)]

    assert (await names("/a", first), await names("/a", second)) == (["w"], ["x"])
    assert await names("/b", second) == ["v"]
    await refused(client.list("/b", as_of=first), NotFound, "/b")
    assert [p.name for p in await client.list("/a")] == ["w", "x"]
    assert await client.cat("/a/w.unit_price", as_of=first) == 1.0
    assert (await client.getobject("/b/v", as_of=second)).unit_price == 2.0
    assert (await client.get("/b/v", as_of=second)).version == 3
    assert [p.full_path async for p in client.tree("/", as_of=second)] == ["/a", "/a/x", "/b", "/b/v"]
    assert [obj.unit_price async for obj in client.objects("/a", as_of=first)] == [1.0]
    assert [row["version"] for row in await client.versions("/b/v", as_of=second)] == [4, 3, 2, 1]
    await refused(client.get("/a/w", as_of=datetime(2020, 1, 1, tzinfo=UTC)), NotFound)
    await refused(client.get("/a/w", as_of=datetime(2020, 1, 1)), Invalid, "timezone")
    await refused(client.get("/a/w", as_of="yesterday"), Invalid, "yesterday")


@scenario
async def a_directory_of_the_past_is_listed_by_pages(client: Client) -> None:
    await client.storeall(item(f"w{number:03}", "/many") for number in range(60))
    then = await moment()
    await client.rm("/many", recursive=True)
    await client.storeall(item(f"n{number:03}", "/many") for number in range(5))
    page = await client.list("/many", limit=25, as_of=then)
    rest = await client.list("/many", page.cursor, limit=50, as_of=then)
    assert [p.name for p in [*page, *rest]] == [f"w{number:03}" for number in range(60)]
    assert not rest.cursor and len(await client.list("/many")) == 5


@scenario
async def a_directory_says_which_versions_are_kept(client: Client) -> None:
    await client.store(item("w", "/kept/here"))
    for number in range(1, 6):
        await client.update("/kept/here/w", quantity=number)
    assert await client.retain("/kept") == "all"
    assert await client.retain("/kept", "3") == "3"
    assert await client.retain("/kept/here") == "3"
    assert [row["version"] for row in await client.versions("/kept/here/w")] == [6, 5, 4]
    await client.mv("/kept/here/w", "/kept/here/v")
    for _ in range(3):
        await client.mv("/kept/here/v", "/kept/here/w")
        await client.mv("/kept/here/w", "/kept/here/v")
    await client.update("/kept/here/v", quantity=7)
    assert len(await client.versions("/kept/here/v")) <= 4
    kept = await client.versions("/kept/here/v")
    assert (kept.cut, kept.gone) == (False, kept[-1]["version"] - 1) and kept.gone > 0
    part = await client.versions("/kept/here/v", limit=2)
    assert part.cut and part.gone == 0 and [*part, *await client.versions("/kept/here/v", part.before)] == kept
    assert not (await client.versions("/kept/here/v", limit=len(kept))).cut
    assert await client.cat("/kept/here/v.quantity") == 7
    await refused(client.cat("/kept/here/v", 2), NotFound, "version 2")
    assert await client.retain("/kept/here", "30 days") == "30 days"
    assert await client.retain("/kept/here", "") == "3"
    await refused(client.retain("/kept", "some"), Invalid, "some")


@scenario
async def what_was_removed_is_purged(client: Client) -> None:
    for name in "ab":
        await client.store(item(name, "/waste/deep"))
        await client.update(f"/waste/deep/{name}", quantity=2)
    await client.store(item("c", "/waste"))
    here = await client.versions("/waste/c")
    await client.rm("/waste/deep/a")
    await refused(client.purge("/waste/c"), Invalid, "/waste/c", "remove it first", "retain")
    await refused(client.purge("/waste/none"), NotFound, "/waste/none")
    purged = await client.purge("/waste/deep/a")
    assert purged["purged"] == 1 and purged["bytes"] > 0
    await refused(client.restore("/waste/deep/a"), NotFound, "/waste/deep/a")
    await refused(client.purge("/waste/deep/a"), NotFound, "/waste/deep/a")
    await client.rm("/waste/deep", True)
    gone = {pointer.full_path for pointer in await client.list("/registry") if pointer.removed}
    assert {"/waste/deep", "/waste/deep/b"} <= gone and "/waste/deep/a" not in gone
    assert await client.purge("/waste") == {"purged": 2, "bytes": purged["bytes"]}
    assert await client.purge("/waste") == {"purged": 0, "bytes": 0}
    assert not {pointer.full_path for pointer in await client.list("/registry") if pointer.removed} & gone
    await refused(client.restore("/waste/deep"), NotFound, "/waste/deep")
    assert await client.versions("/waste/c") == here
    await client.store(item("a", "/waste/deep"))
    assert len(await client.versions("/waste/deep/a")) == 1


@scenario
async def a_mixin_has_the_state_and_methods_of_both(client: Client) -> None:
    await client.store(item("w", unit_price=2.0, quantity=3, parts=[Part("wheel")]))
    await client.store(Tool(name="t"))
    pointer = await client.mixin("/inventory/w", "/t", "Gadget", "g", "/made")
    assert (pointer.full_path, pointer.class_name) == ("/made/g", "Gadget")
    gadget = await client.getobject("/made/g")
    assert (gadget.total_cost(), gadget.make(), gadget.parts) == (6.0, 7, [Part("wheel")])
    assert await client.run("/made/g", "sell", 1) == 2
    assert {row["name"] for row in await client.methods("/made/g")} >= {"total_cost", "wait", "sell"}
    assert type(gadget)(name="n", unit_price=1.0).unit_price == 1.0
    await refused(client.mixin("/inventory/w", "/t", "Gadget", "g", "/made"), Conflict, "/made/g")
    await refused(client.mixin("/inventory/w", "/t", "no name", "h", "/made"), Invalid, "no name")


@scenario
async def a_tree_goes_into_an_archive_and_back(client: Client) -> None:
    pointer = await client.store(item("w", "/tree/a", unit_price=1.0, parts=[Part("wheel")]))
    await client.update("/tree/a/w", unit_price=2.0)
    await client.store(EmergeFile(name="plain", path="/tree", data={"x": [1, 2]}))
    await client.chmod("/tree/a/w", "r--------")
    await client.mkdir("/tree/empty")
    before = [(p.full_path, p.uuid, p.version, p.perms, p.date) async for p in client.tree("/tree")]
    versions = await client.versions("/tree/a/w")
    file = io.BytesIO()
    await client.export("/tree", file)
    await client.rm("/tree", recursive=True)
    await client.load(io.BytesIO(file.getvalue()), "/back")
    paths = [p.full_path async for p in client.tree("/back")]
    assert paths == [path.replace("/tree", "/back") for path, *_ in before]
    assert (await client.get("/back/a/w")).uuid == pointer.uuid
    loaded = await client.getobject("/back/a/w")
    assert (loaded.unit_price, loaded.parts, loaded.perms) == (2.0, [Part("wheel")], "r--------")
    assert len(await client.versions("/back/a/w")) > len(versions)
    await refused(client.load(io.BytesIO(file.getvalue()), "/back"), Conflict, "already")
    damaged = bytearray(file.getvalue())
    damaged[len(damaged) // 2] ^= 0xFF
    await refused(client.load(io.BytesIO(bytes(damaged)), "/other"), Invalid)
    await refused(client.load(io.BytesIO(b"no archive"), "/other"), Invalid)
    assert "other" not in [p.name for p in await client.list("/")]


@scenario
async def a_tree_of_many_comes_back_whole(client: Client) -> None:
    """Also from a store that removed it in several commits."""
    await client.storeall(item(f"w{number:03}", f"/big/{number % 3}") for number in range(60))
    await client.rm("/big/0/w000")
    before = [p.full_path async for p in client.tree("/big")]
    assert await client.rm("/big", recursive=True) == len(before) + 1
    await client.restore("/big")
    assert [p.full_path async for p in client.tree("/big")] == before
    file = io.BytesIO()
    await client.export("/big", file)
    await client.rm("/big", recursive=True)
    await client.load(io.BytesIO(file.getvalue()), "/loaded")
    assert [p.full_path async for p in client.tree("/loaded")] == [p.replace("/big", "/loaded") for p in before]
