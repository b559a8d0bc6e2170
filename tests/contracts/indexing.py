"""What every filesystem must do with indexes: more scenarios like those of `filesystem.py`, over the async `Client`,
with nothing but the standard library."""

from __future__ import annotations

import asyncio

from emerge_wasm import Conflict, EmergeDirectory, Invalid, NotFound, PermissionDenied
from emerge_wasm.clients import Client
from tests.contracts.filesystem import Item, item, refused, scenario


async def stocked(client: Client, count: int = 12) -> None:
    await client.storeall([item(f"i{n:02}", unit_price=n % 5 + 0.5, quantity=n) for n in range(count)])


async def states(client: Client, path: str) -> list[tuple[str, list[str], str]]:
    return [(row["path"], list(row["fields"]), row["state"]) for row in await client.index(path)]


async def ready(client: Client, path: str) -> None:
    """Wait until all indexes there are built."""
    async with asyncio.timeout(30):
        while True:
            if all(row["state"] != "building" for row in await client.index(path)):
                return
            await asyncio.sleep(0.01)


@scenario
async def an_index_is_defined_listed_and_dropped(client: Client) -> None:
    await stocked(client)
    (row,) = await client.index("/inventory", "unit_price")
    assert (row["path"], row["state"], row["unique"], row["text"]) == ("/inventory", "ready", False, False)
    await client.index("/inventory", "unit_price")
    assert await states(client, "/") == [("/inventory", ["unit_price"], "ready")]
    assert await states(client, "/inventory") == [("/inventory", ["unit_price"], "ready")]
    await client.index("/", "quantity", "unit_price")
    assert len(await states(client, "/inventory")) == 2
    await client.index("/inventory", "unit_price", drop=True)
    assert await states(client, "/inventory") == [("/", ["quantity", "unit_price"], "ready")]
    await refused(client.index("/inventory", "unit_price", drop=True), NotFound, "/inventory", "unit_price")


@scenario
async def bad_indexes_are_refused(client: Client) -> None:
    await stocked(client, 2)
    await refused(client.index("/inventory", "path"), Invalid, "path", "search")
    await refused(client.index("/inventory", "a", "a"), Invalid, "different")
    await refused(client.index("/inventory", "a..b"), Invalid, "a..b")
    await refused(client.index("/inventory", "name", unique=True, text=True), Invalid, "text")
    await refused(client.index("/inventory/i00", "quantity"), Invalid, "/inventory/i00", "directory")
    await refused(client.index("/nowhere", "quantity"), NotFound, "/nowhere")
    await client.index("/inventory", "quantity")
    await refused(client.index("/inventory", "quantity", unique=True), Conflict, "not unique", "drop")


@scenario
async def a_unique_index_lets_only_one_have_it(client: Client) -> None:
    await stocked(client, 4)
    await client.index("/inventory", "quantity", unique=True)
    await refused(client.store(item("more", quantity=3)), Conflict, "/inventory/i03", "quantity")
    await refused(client.update("/inventory/i00", quantity=2.0), Conflict, "/inventory/i02", "quantity")
    await refused(client.cp("/inventory/i00", "/inventory/copy"), Conflict, "/inventory/i00")
    await client.cp("/inventory/i00", "/elsewhere/copy")
    await refused(client.mv("/elsewhere/copy", "/inventory/copy"), Conflict, "/inventory/i00")
    await client.rm("/inventory/i00")
    await client.mv("/elsewhere/copy", "/inventory/copy")
    await refused(client.restore("/inventory/i00"), Conflict, "/inventory/copy")
    changed = [item("i01", quantity=2), item("i02", quantity=1)]
    await client.storeall(changed)
    assert [await client.cat(f"/inventory/{name}.quantity") for name in ("i01", "i02", "copy")] == [2, 1, 0]


@scenario
async def of_those_who_want_the_same_at_once_one_wins(client: Client) -> None:
    await client.store(EmergeDirectory(name="inventory"))
    await client.index("/inventory", "quantity", unique=True)
    tries = [client.store(item(f"i{n}", quantity=n % 3)) for n in range(12)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in results) == 9
    assert sorted([await client.cat(f"{p.full_path}.quantity") for p in await client.list("/inventory")]) == [0, 1, 2]


@scenario
async def a_unique_index_over_objects_that_agree_fails_with_their_names(client: Client) -> None:
    await client.storeall([item("a", quantity=1), item("b", quantity=2), item("c", quantity=1)])
    await refused(client.index("/inventory", "quantity", unique=True), Invalid, "/inventory/a", "/inventory/c")
    (row,) = await client.index("/inventory")
    assert row["state"] == "failed" and "quantity" in row["error"]
    await client.store(item("d", quantity=1))
    await client.rm("/inventory/c")
    await client.rm("/inventory/d")
    (row,) = await client.index("/inventory", "quantity", unique=True)
    assert (row["state"], row["error"]) == ("ready", "")


@scenario
async def an_index_follows_its_directory(client: Client) -> None:
    await stocked(client)
    await client.index("/inventory", "quantity", unique=True)
    await client.mv("/inventory", "/shops/north")
    assert await states(client, "/") == [("/shops/north", ["quantity"], "ready")]
    await refused(client.store(Item(name="x", path="/shops/north/deep", quantity=1)), Conflict, "/shops/north/i01")
    await client.store(Item(name="x", path="/shops/south", quantity=1))
    await client.mv("/shops/south", "/shops/north/south")
    await ready(client, "/shops")
    (row,) = await client.index("/shops")
    assert row["state"] == "failed", "what came in has the same quantity"
    await client.rm("/shops/north", recursive=True)
    assert await states(client, "/") == []
    await client.restore("/shops/north")
    assert await states(client, "/") == []


@scenario
async def an_index_is_built_while_others_write(client: Client) -> None:
    await stocked(client, 60)

    async def write(worker: int) -> None:
        for number in range(worker, 60, 6):
            path = f"/inventory/i{number:02}"
            await client.update(path, quantity=number + 100)
            if number % 4 == 0:
                await client.mv(path, f"/inventory/moved/i{number:02}")

    await asyncio.gather(client.index("/inventory", "quantity", unique=True), *(write(each) for each in range(3)))
    await ready(client, "/inventory")
    for number in range(60):
        quantity = number + 100 if number % 6 < 3 else number
        moved = number % 6 < 3 and number % 4 == 0
        path = f"/inventory/{'moved/' if moved else ''}i{number:02}"
        await refused(client.store(item("same", quantity=quantity)), Conflict, path)


@scenario
async def transactions_keep_indexes(client: Client) -> None:
    await stocked(client, 3)
    await client.index("/inventory", "quantity", unique=True)
    async with client.transaction() as tx:
        await refused(tx.index("/inventory", "unit_price"), Invalid, "transaction")
        await tx.update("/inventory/i00", quantity=7)
        await tx.store(item("new", quantity=0))
        await refused(tx.store(item("other", quantity=7)), Conflict, "/inventory/i00")
    await refused(client.store(item("late", quantity=0)), Conflict, "/inventory/new")
    await client.store(Item(name="x", path="/other", quantity=2))
    try:
        async with client.transaction() as tx:
            await tx.mv("/other", "/inventory/other")
            raise KeyError
    except KeyError:
        pass
    assert await states(client, "/") == [("/inventory", ["quantity"], "ready")]


@scenario
async def indexes_are_for_who_may_change_the_directory(client: Client) -> None:
    await stocked(client, 2)
    await client.mkdir("/inventory/secret")
    await client.chmod("/inventory", "rwxrwxr-x")
    await client.chmod("/inventory/secret", "rwx------")
    for path in ("/inventory", "/inventory/secret"):
        await client.index(path, "quantity", unique=True)
    eve = client.as_user("eve")
    assert await states(eve, "/") == [("/inventory", ["quantity"], "ready")]
    await refused(eve.index("/inventory", "unit_price"), PermissionDenied, "/inventory")
    await refused(eve.index("/inventory", "quantity", drop=True), PermissionDenied, "/inventory")
    await client.chmod("/inventory", "rwxrwxrwx")
    await client.chmod("/inventory/i00", "rwxr--r--")
    await refused(eve.store(item("mine", quantity=1)), Conflict, "another object", "quantity")
    await refused(eve.store(item("mine", quantity=0)), Conflict, "/inventory/i00")
