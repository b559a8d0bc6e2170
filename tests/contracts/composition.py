"""What every filesystem must do with references, time, permissions and transactions: more scenarios like those of
`filesystem.py`, over the async `Client`, with nothing but the standard library."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emerge_wasm import Conflict, EmergeDirectory, EmergeFile, Invalid, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from tests.contracts.filesystem import item, refused, scenario


@dataclass
class Farm(EmergeFile):
    """Some land."""

    acres: float = 0.0
    crops: list[str] = field(default_factory=list)

    def plough(self, share: float = 1.0) -> float:
        """Acres ploughed."""
        return self.acres * share

    def grow(self, crop: str) -> int:
        self.crops.append(crop)
        return len(self.crops)


@dataclass
class Shelf(EmergeFile):
    held: list[Any] = field(default_factory=list)

    def worth(self) -> float:
        return float(sum(thing.unit_price * thing.quantity for thing in self.held))


@dataclass
class Customer(EmergeFile):
    farm: Any = None
    farms: list[Any] = field(default_factory=list)


async def farm_and_customer(client: Client) -> tuple[Farm, Customer]:
    farm = Farm(name="green", path="/farms", acres=40.0)
    await client.store(farm)
    customer = Customer(name="c1", path="/customers", farm=await client.reference(farm))
    await client.store(customer)
    return farm, customer


async def moment(client: Client) -> datetime:
    """A moment after all that was done, and before all that will be."""
    await asyncio.sleep(0.002)
    now = datetime.now(UTC)
    await asyncio.sleep(0.002)
    return now


# --- composition
@scenario
async def references_survive_a_move(client: Client) -> None:
    farm, customer = await farm_and_customer(client)
    await client.mv("/farms/green", "/land/west/green")
    assert (await client.resolve(customer.farm)) == farm.__class__(name="green", path="/land/west", acres=40.0)
    await client.mv("/land/west", "/land/east")
    again = await client.getobject("/customers/c1")
    assert again.farm == customer.farm
    assert (await client.resolve(again.farm)).path == "/land/east"
    assert await client.cat("/customers/c1.farm.acres") == 40.0
    assert await client.reference("/land/east/green") == customer.farm
    unstored = Farm(name="nowhere")
    await refused(client.reference(unstored), Invalid, "Farm", "store it")


@scenario
async def references_are_found_both_ways(client: Client) -> None:
    _, customer = await farm_and_customer(client)
    assert [p.full_path for p in await client.references("/customers/c1")] == ["/farms/green"]
    assert [p.full_path for p in await client.references("/farms/green", back=True)] == ["/customers/c1"]
    assert await client.references("/farms/green") == []
    await client.cp("/customers/c1", "/customers/c2")
    back = await client.references("/farms/green", back=True)
    assert sorted(p.name for p in back) == ["c1", "c2"]
    customer.farm = None
    await client.store(customer)
    await client.rm("/customers/c2")
    assert await client.references("/farms/green", back=True) == []


@scenario
async def a_dangling_reference_says_what_was_there(client: Client) -> None:
    _, customer = await farm_and_customer(client)
    await client.rm("/farms/green")
    await refused(client.resolve(customer.farm), NotFound, "removed", "/farms/green", "restore")
    await refused(client.cat("/customers/c1.farm.acres"), NotFound, "removed")
    await client.restore("/farms/green")
    assert (await client.resolve(customer.farm)).acres == 40.0
    await refused(client.resolve("0" * 32), NotFound, "0" * 32)


@scenario
async def adds_to_collections(client: Client) -> None:
    farm, _ = await farm_and_customer(client)
    await client.add("/farms/green", "crops", "corn", "beans")
    assert await client.cat("/farms/green.crops") == ["corn", "beans"]
    inner = Farm(name="inner", acres=2.0)
    await client.add("/customers/c1", "farms", inner, await client.reference(farm))
    assert await client.cat("/customers/c1.farms.0.acres") == 2.0
    assert await client.cat("/customers/c1.farms.1.acres") == 40.0
    customer = await client.getobject("/customers/c1")
    assert customer.farms[0].plough() == 2.0
    await client.add("/customers/c1", "farms.0.crops", "rye")
    assert await client.cat("/customers/c1.farms.0.crops") == ["rye"]
    await refused(client.add("/farms/green", "acres", 1), Invalid, "acres", "list")
    await refused(client.add("/farms/nothing", "crops", 1), NotFound, "/farms/nothing")


@scenario
async def adds_at_the_same_time_all_count(client: Client) -> None:
    await farm_and_customer(client)
    await asyncio.gather(*(client.add("/farms/green", "crops", f"crop{number}") for number in range(12)))
    assert sorted(await client.cat("/farms/green.crops")) == sorted(f"crop{number}" for number in range(12))


@scenario
async def mixes_two_objects(client: Client) -> None:
    farm, _ = await farm_and_customer(client)
    await client.store(item("w", unit_price=3.0, quantity=10))
    pointer = await client.mixin(farm, "/inventory/w", "FarmShop", "shop", "/shops")
    assert (pointer.full_path, pointer.class_name) == ("/shops/shop", "FarmShop")
    assert await client.run("/shops/shop", "plough") == 40.0
    assert await client.run("/shops/shop", "total_cost") == 30.0
    shop = await client.getobject("/shops/shop")
    assert (shop.plough(), shop.total_cost()) == (40.0, 30.0)


@scenario
async def the_registry_knows_every_uuid(client: Client) -> None:
    farm, customer = await farm_and_customer(client)
    assert "registry" not in [p.name for p in await client.list("/")]
    await client.rm("/customers/c1")
    known = {p.uuid: p.full_path for p in await client.list("/registry")}
    assert known[farm.uuid] == "/farms/green" and customer.uuid in known
    assert (await client.get(f"/registry/{farm.uuid}")).full_path == "/farms/green"
    assert (await client.getobject(f"/registry/{farm.uuid}")).acres == 40.0
    assert await client.cat(f"/registry/{farm.uuid}.acres") == 40.0
    await refused(client.store(EmergeFile(name="x", path="/registry")), Invalid, "uuid")
    await client.rm("/farms/green")
    listed = {p.uuid: p for p in await client.list("/registry")}
    assert listed[farm.uuid].removed and listed[farm.uuid].to_wire()["removed"] is True
    assert not any(p.removed for p in await client.list("/")) and "removed" not in (await client.get("/")).to_wire()
    await refused(client.get(f"/registry/{farm.uuid}"), NotFound, "restore /farms/green")


@scenario
async def directories_come_back_as_directories(client: Client) -> None:
    made = await client.mkdir("/a/b")
    directory = await client.getobject("/a/b")
    assert type(directory) is EmergeDirectory and (directory.uuid, directory.path) == (made.uuid, "/a")
    other = EmergeDirectory(name="c", path="/a")
    assert (await client.store(other)).is_directory and other.uuid == (await client.get("/a/c")).uuid
    assert [p.is_directory for p in await client.list("/a")] == [True, True]


@scenario
async def proxies_use_objects_where_they_live(client: Client) -> None:
    await farm_and_customer(client)
    green = await client.proxy("/farms/green")
    assert await green.acres == 40.0 and await green.plough(share=0.5) == 20.0
    assert await green.grow("corn") == 1
    assert await green.crops == ["corn"]
    assert {"acres", "plough", "grow"} <= set(dir(green))
    assert "Farm" in repr(green) and "/farms/green" in repr(green)
    await refused(green.height, NotFound, "height")


# --- time
@scenario
async def reads_as_of_a_moment(client: Client) -> None:
    before = await moment(client)
    await client.store(item("w", unit_price=1.0))
    first = await moment(client)
    await client.update("/inventory/w", unit_price=2.0)
    second = await moment(client)
    await client.mv("/inventory/w", "/sold/w")
    third = await moment(client)
    await client.rm("/sold/w")
    assert [await client.cat("/inventory/w.unit_price", as_of=when) for when in (first, second)] == [1.0, 2.0]
    assert (await client.get("/inventory/w", as_of=first)).version == 1
    assert (await client.getobject("/sold/w", as_of=third)).unit_price == 2.0
    assert [p.name for p in await client.list("/inventory", as_of=second)] == ["w"]
    assert await client.list("/inventory", as_of=third) == []
    assert [p.full_path async for p in client.tree("/", as_of=third)] == ["/inventory", "/sold", "/sold/w"]
    assert [p.name async for p in client.dir("/", as_of=first)] == ["inventory"]
    assert [obj.unit_price async for obj in client.objects("/inventory", as_of=first)] == [1.0]
    assert await client.list("/", as_of=before) == []
    assert [row["name"] for row in await client.methods("/sold/w", as_of=third)]
    await refused(client.get("/inventory/w", as_of=third), NotFound, "/inventory/w")
    await refused(client.get("/sold/w"), NotFound)
    assert (await client.get("/sold/w", as_of=third.isoformat())).version == 3


@scenario
async def a_moment_says_its_timezone(client: Client) -> None:
    await refused(client.get("/", as_of=datetime(2026, 1, 1)), Invalid, "timezone")
    await refused(client.get("/", as_of="yesterday"), Invalid, "yesterday", "ISO 8601")


@scenario
async def tells_what_differs_and_goes_back(client: Client) -> None:
    await client.store(item("w", unit_price=1.0, quantity=5))
    await client.update("/inventory/w", unit_price=2.0, colour="red")
    found = await client.diff("/inventory/w", 1, 2)
    assert found["before"]["version"] == 1 and found["after"]["version"] == 2
    assert sorted(found["fields"], key=lambda row: row["field"]) == [
        {"field": "colour", "after": "red"},
        {"field": "unit_price", "before": 1.0, "after": 2.0},
    ]
    assert (await client.restore("/inventory/w", 1)).version == 3
    assert (await client.getobject("/inventory/w")).unit_price == 1.0
    assert (await client.versions("/inventory/w"))[0]["operation"] == "restore"


@scenario
async def a_removed_directory_comes_back_whole(client: Client) -> None:
    farm, _ = await farm_and_customer(client)
    await client.rm("/farms", recursive=True)
    await client.restore("/farms")
    assert (await client.getobject("/farms/green")).uuid == farm.uuid


@scenario
async def keeps_as_many_versions_as_a_directory_says(client: Client) -> None:
    assert await client.retain("/") == "all"
    await client.store(item("w"))
    assert await client.retain("/inventory", "3") == "3"
    for number in range(6):
        await client.update("/inventory/w", quantity=number)
    assert [row["version"] for row in await client.versions("/inventory/w")] == [7, 6, 5]
    await refused(client.retain("/inventory", "some"), Invalid, "some")


@scenario
async def disjoint_changes_merge_in_place(client: Client) -> None:
    await client.store(item("w", unit_price=1.0))
    mine, theirs = await client.getobject("/inventory/w"), await client.getobject("/inventory/w")
    theirs.unit_price = 2.0
    await client.store(theirs)
    mine.quantity = 7
    assert (await client.store(mine)).version == 3
    assert (mine.unit_price, mine.quantity, mine.version) == (2.0, 7, 3)
    assert await client.getobject("/inventory/w") == mine
    mine.quantity = 8
    assert [p.version for p in await client.storeall([mine])] == [4]


# --- permissions
async def open_root(client: Client) -> tuple[Client, Client]:
    """Ada, of the group staff, and Bob, of none, in a filesystem where all may write to /."""
    await client.chmod("/", "rwxrwxrwx")
    return client.as_user("ada", "staff"), client.as_user("bob")


@scenario
async def a_private_object_is_its_owners(client: Client) -> None:
    ada, bob = await open_root(client)
    await ada.with_umask(0).mkdir("/desk")
    await ada.store(Farm(name="own", path="/desk", acres=3.0, perms="rwx------"))
    await ada.with_umask("------rwx").store(Farm(name="open", path="/desk", perms="rwxr-xr-x"))
    pointer = await ada.get("/desk/own")
    assert (pointer.owner, pointer.perms) == ("ada", "rwx------")
    assert await ada.run("/desk/own", "plough") == 3.0
    for call in (bob.get, bob.getobject, bob.cat, bob.methods, bob.code, bob.versions, bob.references):
        await refused(call("/desk/own"), PermissionDenied, "bob", "/desk/own", "chmod")
    await refused(bob.run("/desk/own", "plough"), PermissionDenied, "bob", "/desk/own")
    await refused(bob.update("/desk/own", acres=1.0), PermissionDenied)
    assert "own" not in [p.name for p in await bob.list("/desk")]
    assert "own" not in [p.name async for p in bob.dir("/desk")]
    assert "/desk/own" not in [p.full_path async for p in bob.tree("/")]
    assert "own" in [p.name for p in await ada.list("/desk")]
    assert (await client.get("/desk/own")).owner == "ada"


@scenario
async def the_whole_path_counts(client: Client) -> None:
    ada, bob = await open_root(client)
    await ada.with_umask(0).store(EmergeFile(name="deep", path="/closed/inner", data=1))
    assert await bob.cat("/closed/inner/deep.data") == 1
    await ada.chmod("/closed", "rwx------")
    await refused(bob.cat("/closed/inner/deep"), PermissionDenied, "/closed")
    assert [p.full_path async for p in bob.tree("/")] == []
    await ada.chmod("/closed", "rwx--x--x")
    assert await bob.cat("/closed/inner/deep.data") == 1
    await refused(bob.list("/closed"), PermissionDenied, "/closed")


@scenario
async def changing_a_directory_wants_its_w(client: Client) -> None:
    ada, bob = await open_root(client)
    await ada.with_umask(0o022).store(EmergeFile(name="thing", path="/shop"))
    await refused(bob.store(EmergeFile(name="new", path="/shop")), PermissionDenied, "/shop")
    await refused(bob.rm("/shop/thing"), PermissionDenied, "/shop")
    await refused(bob.mv("/shop/thing", "/thing"), PermissionDenied, "/shop")
    await refused(bob.mkdir("/shop/sub"), PermissionDenied, "/shop")
    await bob.cp("/shop/thing", "/copy")
    assert (await bob.get("/copy")).owner == "bob"
    await refused(bob.mv("/copy", "/shop/copy"), PermissionDenied, "/shop")
    await ada.chmod("/shop", "o+w")
    await bob.store(EmergeFile(name="new", path="/shop"))
    await bob.rm("/shop/thing")


@scenario
async def groups_have_rights_of_their_own(client: Client) -> None:
    ada, bob = await open_root(client)
    await ada.store(EmergeFile(name="plan", data=1))
    eve = client.as_user("eve", "staff")
    await refused(eve.cat("/plan"), PermissionDenied, "eve")
    await ada.chown("/plan", group="staff")
    assert await eve.cat("/plan.data") == 1
    await refused(eve.update("/plan", data=2), PermissionDenied, "/plan")
    await ada.chmod("/plan", "g+w")
    await eve.update("/plan", data=2)
    await refused(bob.cat("/plan"), PermissionDenied)
    assert (await client.get("/plan")).owner == "ada"


@scenario
async def only_owners_change_rights(client: Client) -> None:
    ada, bob = await open_root(client)
    await ada.with_umask(0).store(EmergeFile(name="a", data=1))
    await refused(bob.chmod("/a", "rwxrwxrwx"), PermissionDenied, "bob", "/a", "ada")
    await refused(bob.chown("/a", "bob"), PermissionDenied, "/a")
    await refused(ada.chown("/a", "bob"), PermissionDenied, "superuser")
    await refused(ada.chown("/a", group="wheel"), PermissionDenied, "wheel")
    assert (await client.chown("/a", "bob", "wheel")).owner == "bob"
    assert (await bob.chmod("/a", "640")).perms == "rw-r-----"
    await refused(bob.chmod("/a", "rwz"), Invalid, "rwz")
    await refused(ada.cat("/a"), PermissionDenied, "ada")
    await refused(bob.chmod("/", "777"), PermissionDenied, "/")
    await refused(client.within(umask=0o1000).get("/"), Invalid, "umask")


@scenario
async def recursive_changes_reach_everything(client: Client) -> None:
    ada, bob = await open_root(client)
    await ada.storeall(EmergeFile(name=f"n{n}", path=f"/t/d{n % 2}") for n in range(4))
    await refused(bob.cat("/t/d0/n0"), PermissionDenied)
    await ada.chmod("/t", "o+rx", recursive=True)
    assert len([p async for p in bob.tree("/t")]) == 6
    await client.chown("/t", "bob", recursive=True)
    assert {p.owner async for p in client.tree("/t")} == {"bob"}


@scenario
async def the_umask_decides_about_new_things(client: Client) -> None:
    await open_root(client)
    ada = client.as_user("ada")
    assert (await ada.store(EmergeFile(name="usual"))).perms == "rwxr-x---"
    assert (await ada.with_umask(0).store(EmergeFile(name="open"))).perms == "rwxrwxrwx"
    assert (await ada.with_umask("077").mkdir("/closed")).perms == "rwx------"
    assert (await ada.with_umask("---rwxrwx").mkdir("/closed2")).perms == "rwx------"
    try:
        ada.with_umask("rwxrwxrw")
    except Invalid as error:
        assert "umask" in str(error)
    else:
        raise AssertionError("a bad umask was taken")


@scenario
async def tells_who_asks(client: Client) -> None:
    found = await client.as_user("ada", "staff").with_umask(0o077).whoami()
    assert (found["principal"], list(found["groups"]), found["superuser"]) == ("ada", ["staff"], False)
    assert found["umask"] == 0o077
    assert (await client.whoami())["superuser"] is True
    await refused(client.as_user("ada").within(wrong=1).whoami(), Invalid, "wrong")


# --- transactions
@scenario
async def a_transaction_is_all_or_nothing(client: Client) -> None:
    await client.store(item("a", quantity=10))
    await client.store(item("b", quantity=0))
    position = (await client.changes())["position"]
    async with client.transaction() as tx:
        await tx.update("/inventory/a", quantity=5)
        await tx.update("/inventory/b", quantity=5)
        await tx.mkdir("/made")
        assert await tx.cat("/inventory/a.quantity") == 5 and await client.cat("/inventory/a.quantity") == 10
        assert [p.name for p in await tx.list("/")] == ["inventory", "made"]
        assert [p.name for p in await client.list("/")] == ["inventory"]
    assert await client.cat("/inventory/a.quantity") == 5 and await client.cat("/inventory/b.quantity") == 5
    assert (await client.changes())["position"] == position + 1


@scenario
async def a_transaction_that_fails_changes_nothing(client: Client) -> None:
    widget = item("a", quantity=10)
    await client.store(widget)
    fresh = item("c")
    try:
        async with client.transaction() as tx:
            widget.quantity = 1
            await tx.store(widget)
            await tx.store(fresh)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert await client.cat("/inventory/a.quantity") == 10
    assert (widget.version, fresh.version, fresh.uuid) == (1, 0, "")
    await refused(client.get("/inventory/c"), NotFound)
    await client.store(widget)
    assert await client.cat("/inventory/a.quantity") == 1


@scenario
async def transactions_that_read_what_others_change_conflict(client: Client) -> None:
    await client.store(item("a", quantity=10))

    async def work() -> None:
        async with client.transaction() as tx:
            found = await tx.cat("/inventory/a.quantity")
            await client.update("/inventory/a", quantity=3)
            await tx.store(EmergeFile(name="copy", data=found))

    await refused(work(), Conflict)
    await refused(client.get("/copy"), NotFound)


@scenario
async def a_named_transaction_spans_clients(client: Client) -> None:
    found = await client.begin("stocktaking", 30)
    assert found["transaction"] == "stocktaking" and found["isolation"]
    async with client.transaction(join="stocktaking") as tx:
        await tx.store(EmergeFile(name="one"))
    async with client.transaction(join="stocktaking") as tx:
        assert (await tx.get("/one")).version == 1
        await tx.store(EmergeFile(name="two"))
    assert await client.list("/") == []
    await client.commit("stocktaking")
    assert [p.name for p in await client.list("/")] == ["one", "two"]
    assert await client.rollback("stocktaking") is False
    await refused(client.within(transaction="stocktaking").get("/one"), NotFound, "stocktaking")


@scenario
async def values_of_classes_that_the_class_does_not_name_are_run_with(client: Client) -> None:
    """A class that holds `list`, to which objects of another class were added, still runs."""
    await client.store(Shelf(name="s"))
    await client.add("/s", "held", item("a", unit_price=2.0, quantity=3), item("b", unit_price=1.0, quantity=1))
    assert await client.run("/s", "worth") == 7.0


@scenario
async def nothing_tells_of_what_is_in_a_closed_directory(client: Client) -> None:
    """Not the registry, nor references, nor the log, though the object itself is open."""
    secret = await client.store(item("secret", "/closed"))
    await client.chmod("/closed/secret", "rwxrwxrwx")
    await client.chmod("/closed", "rwx------")
    await client.store(item("open", "/hall", data=await client.reference("/closed/secret")))
    await client.chmod("/hall", "rwxr-xr-x")
    await client.chmod("/hall/open", "rwxr-xr-x")
    bob = client.as_user("bob")
    assert sorted(p.name for p in await bob.list("/registry")) == ["hall", "open"]
    assert [p.name for p in await client.references("/hall/open")] == ["secret"]
    assert not await bob.references("/hall/open")
    assert {change["path"] for change in (await bob.changes(0))["changes"]} <= {"/hall", "/hall/open"}
    await refused(bob.cat(f"/registry/{secret.uuid}"), PermissionDenied, "/closed")
