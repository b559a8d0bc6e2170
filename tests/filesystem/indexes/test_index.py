"""Indexes: defining and dropping them, what is kept of which objects, reading them in order, unique ones, words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm import Conflict, EmergeFile, Invalid, LimitExceeded, NotFound, PermissionDenied
from emerge_wasm.codec import Record, decode, encode
from emerge_wasm.context import Context
from emerge_wasm.errors import EmergeError
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.change import Change
from emerge_wasm.filesystem.check.audit import audit
from emerge_wasm.filesystem.indexes.index import (
    Hit,
    Index,
    all_indexes,
    indexes_over,
    scan_index,
    scan_rest,
    scan_word,
)
from emerge_wasm.filesystem.indexes.index_row import count_words
from emerge_wasm.filesystem.layout.catalogue import CATALOGUE
from emerge_wasm.filesystem.layout.record import version_key
from emerge_wasm.filesystem.searches import define_index as defining
from emerge_wasm.filesystem.tree import move
from emerge_wasm.filesystem.tree.find import find_place
from emerge_wasm.query.order import family_range, sort_key
from emerge_wasm.store import Batch, prefix_end

from .indexed import Hands, check, opened, rows_there


@dataclass
class Plain(EmergeFile):
    price: float = 0.0
    size: int = 0


@dataclass
class Dear(EmergeFile):
    """Its price is not what its state says."""

    price: float = 0.0

    def __getattribute__(self, name: str) -> Any:
        return 2 * super().__getattribute__(name) if name == "price" else super().__getattribute__(name)


class Doubling:
    def __get__(self, instance: Any, owner: Any = None) -> float:
        return 2.0

    def __set__(self, instance: Any, value: float) -> None:
        instance.__dict__["price"] = value


@dataclass
class Odd(EmergeFile):
    price: float = Doubling()  # type: ignore[assignment]  # a descriptor is what this is about


@pytest.fixture(params=["memory", "sqlite"])
async def filesystem(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Filesystem]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/store.db"
    async with opened(url) as filesystem:
        yield filesystem
        await Hands(filesystem).settle()
        await check(filesystem)
        assert (await audit(filesystem.core.store)).faults == []


@pytest.fixture
async def hands(filesystem: Filesystem) -> Hands:
    hands = Hands(filesystem)
    prices = [3, 1.5, Decimal("2.25"), None, "dear", [1], True]
    objects: dict[str, dict[str, Any]] = {f"i{n}": {"price": price} for n, price in enumerate(prices)}
    await hands.put_all("/inv", objects | {"odd": {"other": 1}})
    return hands


async def the_index(hands: Hands, path: str = "/inv") -> Index:
    place = await find_place(hands.filesystem.core, tuple(path[1:].split("/")))
    (index,) = await indexes_over(hands.filesystem.core, place.chain)
    return index


def names(hits: list[Hit]) -> list[str]:
    return [hit.name for hit in hits]


def key(value: Any) -> bytes:
    made = sort_key(value)
    assert made is not None
    return made


# --- defining
async def test_defines_builds_lists_and_drops(hands: Hands) -> None:
    assert await hands("index", "/inv") == []
    (row,) = await hands("index", "/inv", ["price"])
    assert row["state"] == "building" and row["path"] == "/inv"
    await hands.settle()
    (row,) = await hands("index", "/inv")
    assert (row["state"], row["fields"], row["unique"], row["text"], row["error"]) == (
        "ready",
        ["price"],
        False,
        False,
        "",
    )
    assert [each.id for each in await all_indexes(hands.filesystem.core)] == [1]
    assert (await hands("index", "/inv", ["price"])) == [row], "the same again is the one there"
    assert await hands("index", "/inv", ["price"], False, False, True) == []
    await hands.settle()
    with pytest.raises(NotFound, match="price"):
        await hands("index", "/inv", ["price"], False, False, True)
    await hands("index", "/inv", ["price"])
    assert [each.id for each in await all_indexes(hands.filesystem.core)] == [2], "ids are never used twice"


async def test_over_an_empty_directory_it_is_ready_at_once(hands: Hands) -> None:
    await hands("mkdir", "/new")
    (row,) = await hands("index", "/new", ["price"])
    assert row["state"] == "ready"
    await hands.put("/new/a", price=1)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((["path"],), "search at or below"),
        (([""],), "not a field"),
        ((["a..b"],), "not a field"),
        ((["a", "a"],), "different"),
        ((["a", "b", "c", "d", "e"],), "1 to 4"),
        ((["a", "b"], False, True), "text"),
        ((["a"], True, True), "unique"),
        ((["date"], True), "dates"),
        (([7],), "not a field"),
        ((None, False, False, True), "which index"),
    ],
)
async def test_refuses_what_is_no_index(hands: Hands, args: tuple[Any, ...], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        await hands("index", "/inv", *args)
    assert await hands("index", "/") == []


async def test_refuses_places_and_too_many(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFound):
        await hands("index", "/nowhere", ["price"])
    with pytest.raises(Invalid, match="not a directory"):
        await hands("index", "/inv/i1", ["price"])
    await hands("index", "/inv", ["price"])
    with pytest.raises(Conflict, match="not unique"):
        await hands("index", "/inv", ["price"], True)
    monkeypatch.setattr(defining, "INDEXES_LIMIT", 1)  # patched: the limit is 200 indexes
    with pytest.raises(LimitExceeded):
        await hands("index", "/inv", ["other"])


async def test_is_no_part_of_a_transaction(hands: Hands) -> None:
    begun = await hands("begin", "", 60)
    inside = Hands(hands.filesystem, Context("tester", superuser=True, transaction=begun["transaction"]))
    with pytest.raises(Invalid, match="transaction"):
        await inside("index", "/inv", ["price"])
    assert await inside("index", "/inv") == []


async def test_rights(hands: Hands) -> None:
    await hands("mkdir", "/inv/secret")
    await hands("chmod", "/inv", "rwxr-xr-x")
    await hands("chmod", "/inv/secret", "rwx------")
    for path in ("/inv", "/inv/secret", "/"):
        await hands("index", path, ["price"])
    await hands.settle()
    guest = Hands(hands.filesystem, Context("guest"))
    with pytest.raises(PermissionDenied):
        await guest("index", "/inv", ["other"])
    with pytest.raises(PermissionDenied):
        await guest("index", "/inv", ["price"], False, False, True)
    assert [row["path"] for row in await guest("index", "/inv")] == ["/", "/inv"]
    assert [row["path"] for row in await hands("index", "/inv")] == ["/", "/inv", "/inv/secret"]
    await hands("mkdir", "/other")
    assert [row["path"] for row in await hands("index", "/other")] == ["/"]


# --- order
async def test_reads_in_order_and_keeps_the_rest_apart(hands: Hands) -> None:
    await hands("index", "/inv", ["price"])
    await hands.settle()
    core, index = hands.filesystem.core, await the_index(hands)
    assert names(await scan_index(core, index)) == ["i3", "i6", "i1", "i2", "i0", "i4"]
    assert names(await scan_index(core, index, reverse=True)) == ["i4", "i0", "i2", "i1", "i6", "i3"]
    assert names(await scan_rest(core, index)) == ["i5"], "the other has no price at all"
    assert names(await scan_rest(core, index, lacking=True)) == ["odd", "i5"]
    assert names(await scan_index(core, index, *family_range(key(1)))) == ["i6", "i1", "i2", "i0"]
    assert names(await scan_index(core, index, key(1.5), prefix_end(key(3)))) == ["i1", "i2", "i0"]
    assert names(await scan_index(core, index, key(1.5), key(3))) == ["i1", "i2"]
    assert names(await scan_index(core, index, key(9), key(1))) == []


@pytest.mark.parametrize("reverse", [False, True])
async def test_reads_by_the_page(hands: Hands, reverse: bool) -> None:
    await hands("index", "/inv", ["price"])
    await hands.settle()
    core, index = hands.filesystem.core, await the_index(hands)
    found: list[Hit] = []
    while page := await scan_index(core, index, limit=2, reverse=reverse, after=found[-1].key if found else b""):
        assert len(page) <= 2
        found += page
    assert found == await scan_index(core, index, reverse=reverse)
    rest = await scan_rest(core, index)
    assert await scan_rest(core, index, after=rest[0].key) == rest[1:]
    assert await scan_rest(core, index, limit=1) == rest[:1]


async def test_several_fields(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    rows = [("b", 1), ("a\0", 2), ("a", 3), ("a", 2), ("ab", 0)]
    await hands.put_all("/inv", {f"i{n}": {"city": city, "rank": rank} for n, (city, rank) in enumerate(rows)})
    await hands("index", "/inv", ["city", "rank"])
    await hands.settle()
    index = await the_index(hands)
    assert names(await scan_index(filesystem.core, index)) == ["i3", "i2", "i1", "i4", "i0"]
    assert names(await scan_index(filesystem.core, index, key("a"), prefix_end(key("a")))) == ["i3", "i2"]


async def test_nested_fields_and_metadata(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put("/people/ann", address={"city": "Oslo"})
    await hands.put("/people/bob", address=Record("Address", "", {"city": "Bonn"}))
    await hands.put("/people/cy", address={"city": {"name": "Rome"}})
    await hands.put("/people/dee", address="Paris")
    await hands("index", "/people", ["address.city"])
    await hands.settle()
    index = await the_index(hands, "/people")
    assert names(await scan_index(filesystem.core, index)) == ["bob", "ann"]
    assert sorted(names(await scan_rest(filesystem.core, index))) == ["cy", "dee"]
    await hands("index", "/people", ["address.city"], False, False, True)
    await hands("index", "/people", ["version", "name"])
    await hands("chmod", "/people/ann", "rwxrwxrwx")
    await hands("mv", "/people/bob", "/people/zoe")
    await hands.settle()
    index = await the_index(hands, "/people")
    assert names(await scan_index(filesystem.core, index)) == ["cy", "dee", "ann", "zoe"]


async def test_a_transactions_date_is_in_an_index_over_dates(hands: Hands) -> None:
    await hands("index", "/", ["date"])
    await hands.settle()
    begun = await hands("begin", "", 60)
    inside = Hands(hands.filesystem, Context("tester", superuser=True, transaction=begun["transaction"]))
    for name in ("i0", "i1", "new"):
        await inside.put(f"/inv/{name}", price=1)
    await hands("commit", begun["transaction"])
    await check(hands.filesystem)
    index = await the_index(hands)
    newest = (await hands("get", "/inv/new"))["date"]
    found = await scan_index(hands.filesystem.core, index, key(newest), prefix_end(key(newest)))
    assert sorted(names(found)) == ["i0", "i1", "new"]


async def test_a_state_that_is_gone_does_not_keep_its_object_from_going() -> None:
    async with opened("memory:") as filesystem:
        hands = Hands(filesystem)
        await hands.put("/inv/i1", price=1)
        await hands("index", "/inv", ["price"])
        await hands.settle()
        uuid = bytes.fromhex((await hands("get", "/inv/i1"))["uuid"])
        await filesystem.core.store.commit(Batch(deletes=[("versions", version_key(uuid, 1))]))
        await hands("rm", "/inv/i1")
        assert (await hands("list", "/inv"))["entries"] == []
        await hands("index", "/inv", ["price"], False, False, True)
        await hands.settle()
        await check(filesystem)


async def test_what_a_class_computes_has_no_place(filesystem: Filesystem) -> None:
    client, hands = Hands(filesystem).client, Hands(filesystem)
    await client.store(Plain(name="plain", path="/inv", price=1.0, size=7))
    await hands("index", "/inv", ["price"])
    await hands("index", "/inv", ["size"])
    await client.store(Dear(name="before", path="/inv", price=1.0))
    await client.store(Odd(name="odd", path="/inv", price=1.0))
    await hands.settle()
    await client.storeall([Dear(name="dear", path="/inv", price=2.0), Plain(name="other", path="/inv", price=2.0)])
    price, size = await indexes_over(filesystem.core, (await find_place(filesystem.core, ("inv", "x"))).chain)
    assert names(await scan_index(filesystem.core, price)) == ["plain", "other"]
    assert sorted(names(await scan_rest(filesystem.core, price))) == ["before", "dear", "odd"]
    assert names(await scan_index(filesystem.core, size))[:2] == ["other", "plain"], "their own size, not the entry's"
    await client.store(Plain(name="dear", path="/inv", price=0.5))
    assert names(await scan_index(filesystem.core, price))[0] == "dear"


# --- unique
async def test_unique_lets_only_one_have_it(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put("/inv/a", sku="x1", rank=1)
    await hands.put("/inv/b", sku="x2")
    await hands("index", "/inv", ["sku"], True)
    await hands.settle()
    for change in (
        hands.put("/inv/c", sku="x1"),
        hands("update", "/inv/b", encode({"sku": "x1"})),
        hands("cp", "/inv/a", "/inv/c"),
        hands("storeall", [["/inv/c", encode({"sku": 1})], ["/inv/d", encode({"sku": 1.0})]]),
    ):
        with pytest.raises(Conflict, match="has the same sku already") as caught:
            await change
        assert caught.value.path in ("/inv/a", "/inv/c", "/inv/d")
        assert caught.value.details["fields"] == ["sku"]
    assert [each["name"] for each in (await hands("list", "/inv"))["entries"]] == ["a", "b"]
    await hands("update", "/inv/a", encode({"rank": 2}))
    await hands.put("/else/a", sku="x1")
    with pytest.raises(Conflict, match="/inv/a has the same sku"):
        await hands("mv", "/else/a", "/inv/e")
    await hands("rm", "/inv/a")
    await hands("mv", "/else/a", "/inv/e")
    with pytest.raises(Conflict, match="/inv/e has the same sku"):
        await hands("restore", "/inv/a")


async def test_unique_values_can_be_swapped_and_left_out(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands("mkdir", "/inv")
    await hands("index", "/inv", ["sku", "land"], True)
    await hands.put_all("/inv", {"a": {"sku": 1, "land": "no"}, "b": {"sku": 2, "land": "no"}})
    await hands.put_all("/inv", {"a": {"sku": 2, "land": "no"}, "b": {"sku": 1, "land": "no"}})
    await hands.put_all("/inv", {n: {"sku": None, "land": "no"} for n in "cd"} | {"e": {"sku": 2}, "f": {"land": "se"}})
    await hands.put_all("/inv", {n: {"sku": [1], "land": "no"} for n in "c"})
    with pytest.raises(Conflict, match="sku and land"):
        await hands.put("/inv/d", sku=[1], land="no")


async def test_unique_compares_whole_values(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands("mkdir", "/inv")
    await hands("index", "/inv", ["sku"], True)
    long = "x" * 1000
    near = [2**80, 2**80 + 1, Decimal("0.1"), 0.1, "1", b"1", 1, long + "a", long + "b", Decimal("1e999999")]
    await hands.put_all("/inv", {f"i{n}": {"sku": value} for n, value in enumerate(near)})
    for same in (float(2**80), Decimal(2**80), True, Decimal("1.00"), Decimal("0.10"), Decimal("10e999998")):
        with pytest.raises(Conflict):
            await hands.put("/inv/new", sku=same)


async def test_of_writers_at_once_one_wins(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands("mkdir", "/inv")
    await hands("index", "/inv", ["sku"], True)
    results = await asyncio.gather(*(hands.put(f"/inv/i{n}", sku=n % 5) for n in range(40)), return_exceptions=True)
    assert sum(isinstance(each, dict) for each in results) == 5
    assert all(isinstance(each, (dict, Conflict)) for each in results)


async def test_conflict_does_not_tell_of_what_may_not_be_read(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands("mkdir", "/inv")
    await hands("chmod", "/inv", "rwxrwxrwx")
    await hands("index", "/inv", ["sku"], True)
    await hands.put("/inv/hidden", sku=1)
    await hands("chmod", "/inv/hidden", "rwx------")
    with pytest.raises(Conflict, match="another object has the same sku") as caught:
        await Hands(filesystem, Context("guest")).put("/inv/mine", sku=1)
    assert "hidden" not in str(caught.value.to_wire() if hasattr(caught.value, "to_wire") else caught.value)


async def test_a_unique_index_is_the_owners(filesystem: Filesystem) -> None:
    """Whoever else may write there could learn from its conflicts what is in objects that they may not read."""
    hands = Hands(filesystem)
    await hands.put("/inv/closed/a", sku=1)
    await hands.put("/inv/closed/b", sku=1)
    await hands("chmod", "/inv/closed", "rwx------")
    await hands("chmod", "/inv", "rwxrwxrwx")
    guest = Hands(filesystem, Context("guest"))
    with pytest.raises(PermissionDenied, match="unique indexes of /inv"):
        await guest("index", "/inv", ["sku"], True)
    await hands("index", "/inv", ["sku"], True)
    await hands.settle()
    (told,) = await guest("index", "/inv")
    assert told["state"] == "failed" and told["error"] == "two objects have the same sku"
    assert "/inv/closed/a" in (await hands("index", "/inv"))[0]["error"]
    with pytest.raises(PermissionDenied, match="unique indexes of /inv"):
        await guest("index", "/inv", ["sku"], True, False, True)
    await guest("index", "/inv", ["price"])  # any other is for all who may write there


async def test_unique_inside_a_transaction(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put("/inv/a", sku=1)
    await hands("index", "/inv", ["sku"], True)
    await hands.settle()
    contexts = [
        Context("tester", superuser=True, transaction=(await hands("begin", "", 60))["transaction"]) for _ in range(2)
    ]
    one, other = (Hands(filesystem, context) for context in contexts)
    with pytest.raises(Conflict, match="/inv/a"):
        await one.put("/inv/b", sku=1)
    await one.put("/inv/b", sku=2)
    await other.put("/inv/c", sku=2)
    await hands("commit", contexts[0].transaction)
    with pytest.raises(Conflict):
        await hands("commit", contexts[1].transaction)


# --- words
async def test_words_are_found_whole_and_by_their_beginning(filesystem: Filesystem) -> None:
    hands = Hands(filesystem)
    await hands.put("/doc/a", text="Red apples, red WINE")
    await hands.put("/doc/b", text=["reddish", "Straße 7"])
    await hands.put("/doc/c", text=7)
    await hands.put("/doc/d", other="red")
    await hands("index", "/doc", ["text"], False, True)
    await hands.settle()
    index = await the_index(hands, "/doc")
    core = filesystem.core
    assert [(h.name, h.word, h.times, h.length) for h in await scan_word(core, index, "red")] == [("a", "red", 2, 4)]
    found = await scan_word(core, index, "red", True)
    assert [(h.name, h.word) for h in found] == [("a", "red"), ("b", "reddish")]
    assert await scan_word(core, index, "red", True, limit=1) == found[:1]
    assert await scan_word(core, index, "red", True, after=found[0].key) == found[1:]
    assert [h.name for h in await scan_word(core, index, "strasse")] == ["b"]
    assert await scan_word(core, index, "re") == await scan_rest(core, index) == []


def test_words() -> None:
    assert count_words("ÀB a\u0300b, x_1\n\uff12 \ufb01ne") == ({"àb": 2, "x_1": 1, "2": 1, "fine": 1}, 5)
    assert count_words(["a", 1, ["b"], "a c"]) == ({"a": 2, "c": 1}, 3)
    assert count_words({"a": 1}) == ({}, 0)
    assert list(count_words("x" * 100)[0]) == ["x" * 64]


async def test_too_many_words_for_a_commit_go_to_the_rest(
    filesystem: Filesystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Hands(filesystem)
    # patched: a commit that holds three rows
    monkeypatch.setattr("emerge_wasm.filesystem.indexes.maintain.most_rows", lambda core: 3)
    monkeypatch.setattr("emerge_wasm.filesystem.indexes.build.page.most_rows", lambda core: 3)  # patched: as above
    monkeypatch.setattr("tests.filesystem.indexes.indexed.most_rows", lambda core: 3)  # patched: as above
    await hands.put("/doc/long", text="a b c d")
    await hands("index", "/doc", ["text"], False, True)
    await hands.settle()
    await hands.put("/doc/also", text="a b c d e")
    await hands.put("/doc/short", text="a b c")
    index = await the_index(hands, "/doc")
    assert sorted(names(await scan_rest(filesystem.core, index))) == ["also", "long"]
    assert [hit.name for hit in await scan_word(filesystem.core, index, "a")] == ["short"]
    await hands.put("/doc/long", text="a")
    assert len(await scan_word(filesystem.core, index, "a")) == 2
    await check(filesystem)
    await hands("index", "/doc", ["text"], False, True, True)


# --- large changes
async def test_trees_larger_than_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened("memory:") as filesystem:
        hands = Hands(filesystem)
        small = replace(filesystem.core.store.capabilities, largest_batch=60)
        monkeypatch.setattr(filesystem.core.store, "capabilities", small)  # patched: a store of small commits
        for number in range(12):
            await hands.put(f"/tree/d{number % 3}/i{number}", x=number, text=f"w{number} red wine")
        await hands("index", "/", ["x"])
        await hands("index", "/", ["text"], False, True)
        await hands("index", "/", ["x", "size"])
        await hands.settle()
        await check(filesystem)
        await hands("cp", "/tree", "/copy", True)
        await check(filesystem)
        await hands("rm", "/tree", True)
        await check(filesystem)
        await hands("restore", "/tree")
        await check(filesystem)
        assert len((await hands("list", "/tree/d0"))["entries"]) == 4
        await hands("mv", "/tree", "/copy")
        await check(filesystem)


async def test_storing_a_thing_twice_in_one_commit_by_its_directory_is_refused(hands: Hands) -> None:
    with pytest.raises(EmergeError, match="/n is stored as an object"):
        await hands("storeall", [["/n", encode({})], ["/n/a", encode({})]])
    assert decode((await hands("getobject", "/inv/i0"))["state"]) == {"price": 3}


# --- the check of a whole store
@pytest.mark.parametrize("fault", ["missing", "wrong", "stray", "stranger", "undefined", "gone"])
async def test_the_audit_finds_rows_that_do_not_agree(fault: str) -> None:
    async with opened("memory:") as filesystem:
        hands = Hands(filesystem)
        await hands.put_all("/inv", {f"i{n}": {"sku": n, "text": "red wine"} for n in range(5)})
        await hands("index", "/inv", ["sku"], True)
        await hands("index", "/inv", ["text"], False, True)
        await hands.settle()
        store = filesystem.core.store
        assert (await audit(store)).faults == []
        rows = sorted((await rows_there(filesystem)).items())
        for key, value in (rows[0], rows[6], rows[-1]):
            changed = {
                "missing": Batch(deletes=[("indexes", key)]),
                "wrong": Batch(puts=[("indexes", key, value + b"x")]),
                "stray": Batch(puts=[("indexes", key[:-16] + bytes(16), value)]),
                "stranger": Batch(puts=[("indexes", key[:-16] + bytes(16), bytes(80))]),
                "undefined": Batch(puts=[("indexes", key[:6] + b"\x09" + key[7:], value)]),
                "gone": Batch(deletes=[CATALOGUE]),
            }[fault]
            await store.commit(changed)
            faults = (await audit(store)).faults
            assert faults and all("index" in text for text in faults)
            undo = Batch(puts=[("indexes", key, value)])
            undo.puts += [(*CATALOGUE, filesystem.core.catalogue)]
            undo.deletes = [("indexes", put[1]) for put in changed.puts]
            await store.commit(undo)
            assert (await audit(store)).faults == []


class Counted(dict[bytes, Any]):
    """Counts how often one of its items is looked at in turn."""

    steps = 0

    def _counted(self, items: Any) -> Any:
        for item in items:
            Counted.steps += 1
            yield item

    def __iter__(self) -> Any:
        return self._counted(super().__iter__())

    def __reversed__(self) -> Any:
        return self._counted(super().__reversed__())

    def items(self) -> Any:
        return self._counted(super().items())


async def test_a_large_change_looks_at_each_object_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """After each object it is asked whether it is full: that must not look at all that came before."""
    async with opened("memory:") as filesystem:
        hands = Hands(filesystem)
        await hands.put_all("/many", {f"o{number:04}": {"price": number} for number in range(300)})
        await hands("index", "/many", ["price"])
        await hands.settle()
        monkeypatch.setattr(Counted, "steps", 0)
        monkeypatch.setattr(move, "Change", lambda **given: Change(**given, touched=Counted()))
        assert await hands("rm", "/many", True) == 301
        assert 0 < Counted.steps < 301 * 6
        assert not await rows_there(filesystem)
